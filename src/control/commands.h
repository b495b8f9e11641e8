// What the verbs of the control socket do: one explicit table. Queries read the configuration, the
// tables and the workers' counters; no query and no change ever stops a worker. Control thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "control/rpc.h"
#include "engine/eal.h"
#include "engine/intent.h"
#include "engine/switch.h"
#include "explain/captures.h"
#include "explain/decider.h"
#include "explain/live_traces.h"
#include "port/pci.h"

namespace sluice::control {

// What the commands speak about; it outlives them.
struct Running {
    engine::Switch& running;
    engine::Intent& intent;
    const engine::Eal& eal;
    engine::Clock::time_point started;
    port::pci::Host pci = port::pci::this_host();
    explain::Captures captures{running};
    explain::LiveTraces traces{running};
};

std::vector<Command> commands(Running& daemon);

// The answer to a name that no port in force has: there is none, or it waits, and why.
tl::unexpected<RpcError> no_port(const Running& daemon, std::string_view name);
// The same, if there is such a port and it waits; to be asked where more than ports has names.
std::optional<tl::unexpected<RpcError>> if_waiting(const Running& daemon, std::string_view name);

}  // namespace sluice::control
