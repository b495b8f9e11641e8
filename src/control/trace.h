// The commands about traces. `trace` is a dry run: it tells what the switch would do with a packet. A live trace
// tells what it does with packets that arrive: a client starts it, fetches its packets until it has enough, and
// stops it. A live trace ends with its client's connection at the latest. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

// Answers one question, or a list of them ("questions") by a list of answers ("traces"). Between the steps of a
// long list other clients are served.
Steps trace(Running& daemon, const nlohmann::json& params);

Answer trace_start(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer trace_read(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer trace_stop(Running& daemon, const nlohmann::json& params, const Caller& caller);

}  // namespace sluice::control
