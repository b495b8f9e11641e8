// The verbs that ask what would become of a packet, and what becomes of those that come: a client starts that,
// fetches what was seen until it has enough, and stops it. It ends with the client's connection at the latest.
// Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

// One question, or a list of them ("questions"), whose answers then are a list too ("traces").
Steps trace(Running& daemon, const nlohmann::json& params);

Answer trace_start(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer trace_read(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer trace_stop(Running& daemon, const nlohmann::json& params, const Caller& caller);

}  // namespace sluice::control
