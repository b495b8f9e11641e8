// Commands about NetworkPolicies: which there are, what they say of a pod, and whether one end may reach another.
// Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Steps policy_list(Running& daemon, const nlohmann::json& params);
Steps policy_show(Running& daemon, const nlohmann::json& params);
Answer policy_why(Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
