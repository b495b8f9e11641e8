// The commands about captures: a client starts a capture, fetches its packets until it has enough, and stops it. A
// capture ends with its client's connection at the latest. Control thread.
#pragma once

#include <nlohmann/json.hpp>

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer capture_start(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer capture_read(Running& daemon, const nlohmann::json& params, const Caller& caller);
Answer capture_stop(Running& daemon, const nlohmann::json& params, const Caller& caller);

}  // namespace sluice::control
