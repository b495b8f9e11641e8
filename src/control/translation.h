// Commands about what becomes of addresses: Services with their back ends, and NAT's pools. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer service_list(Running& daemon, const nlohmann::json& params);
Steps service_show(Running& daemon, const nlohmann::json& params);
Answer service_env(Running& daemon, const nlohmann::json& params);
Answer service_drain(Running& daemon, const nlohmann::json& params);
Answer service_undrain(Running& daemon, const nlohmann::json& params);
Answer nat_list(Running& daemon);

}  // namespace sluice::control
