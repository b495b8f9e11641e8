// The commands about policies and connections: acl list; flow list, count and flush. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer acl_list(Running& daemon, const nlohmann::json& params);
Steps flow_list(Running& daemon, const nlohmann::json& params);
Steps flow_count(Running& daemon);
Answer flow_flush(Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
