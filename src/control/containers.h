// What container runtimes ask for: a container's interface is a port, which is added, found again and deleted by
// the container's id and the interface's name. And the addresses in use. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"
#include "engine/ipam.h"

namespace sluice::control {

Answer container_add(Running& daemon, const nlohmann::json& params);
Answer container_delete(Running& daemon, const nlohmann::json& params);
Answer container_list(const Running& daemon, const nlohmann::json& params);
Answer ipam_list(const Running& daemon, const nlohmann::json& params);

// Who has the network's addresses, but for guests by leases.
engine::Holders holders_without_leases(const Running& daemon, const engine::NetworkConfig& network);
// All addresses of the network that no container can get.
engine::Holders address_holders(const Running& daemon, const engine::NetworkConfig& network);

}  // namespace sluice::control
