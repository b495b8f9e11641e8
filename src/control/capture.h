// The verbs about captures: a client starts one, fetches what was caught until it has enough, and stops it.
// It ends with the client's connection at the latest. Control thread.
#pragma once

#include <nlohmann/json.hpp>

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer capture_start(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer capture_read(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer capture_stop(Running& daemon, const nlohmann::json& params, const Caller& caller);

}  // namespace sluice::control
