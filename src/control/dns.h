// Commands about names: a dry run of the DNS responder's decision, and what it counts. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer dns_lookup(Running& daemon, const nlohmann::json& params);
Answer dns_show(Running& daemon);

}  // namespace sluice::control
