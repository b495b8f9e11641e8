// What the verbs of the control socket do: one explicit table. Queries read the configuration, the
// tables and the workers' counters; no query and no change ever stops a worker. Control thread.
#pragma once

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

}  // namespace sluice::control
