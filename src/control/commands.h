// The table of the control socket's commands. A query reads the configuration, the tables and the workers'
// counters. No query and no change stops a worker. Control thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "control/guests.h"
#include "control/leases.h"
#include "control/rpc.h"
#include "docker/book.h"
#include "engine/eal.h"
#include "engine/intent.h"
#include "engine/ipam.h"
#include "engine/switch.h"
#include "explain/captures.h"
#include "explain/decider.h"
#include "explain/live_traces.h"
#include "health/server.h"
#include "port/pci.h"
#include "protocols/protocols.h"

namespace sluice::control {

// The running daemon, as its commands see it. It outlives the commands.
struct Running {
    engine::Switch& running;
    engine::Intent& intent;
    const engine::Eal& eal;
    engine::Clock::time_point started;
    port::pci::Host pci = port::pci::this_host();
    explain::Captures captures{running};
    explain::LiveTraces traces{running};
    engine::Ipam ipam = {};
    Guests guests{ipam, intent.config().state + ".leases"};
    GuestQueue guest_queue = {};
    LeaseWatch lease_watch = {};
    health::Server health;
    protocols::Protocols protocols{running};
    docker::Book docker = {};  // what docker has of the switch (docker.h)
};

std::vector<Command> commands(Running& daemon);

// The answer if no port in force has this name: there is no such port, or it waits for a reason.
tl::unexpected<RpcError> no_port(const Running& daemon, std::string_view name);
// The same answer if the port waits, else nothing. For names that may also be those of other things than ports.
std::optional<tl::unexpected<RpcError>> if_waiting(const Running& daemon, std::string_view name);

}  // namespace sluice::control
