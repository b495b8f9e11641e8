// The commands about routes, neighbors and tunnels. Control thread.
#pragma once

#include <nlohmann/json.hpp>

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer route_list(Running& daemon, const nlohmann::json& params);
Answer route_lookup(Running& daemon, const nlohmann::json& params);
Answer route_add(Running& daemon, const nlohmann::json& params);
Answer route_delete(Running& daemon, const nlohmann::json& params);
Answer route_load(Running& daemon, const nlohmann::json& params);
Steps neighbor_list(Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
