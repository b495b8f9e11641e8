// THE ORDER: the stages of a packet from the receive queue to the transmit buffer, in three acts (path/path.h runs
// them). Admit and Decide read tables, Apply carries out what they decided.
#pragma once

#include <utility>

#include "bridge/bridge.h"
#include "engine/deliver.h"
#include "engine/worker_features.h"
#include "mirror/mirror.h"
#include "path/parse.h"
#include "policy/track.h"
#include "router/forward.h"

namespace sluice::engine {

// For a switch that only bridges.
using BridgePath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, mirror::MirrorIngress, vlan::Classify, guard::Check>,
    bridge::Lookup,
    // Decide
    bridge::Bridge,
    // Apply
    Transmit>;

// For a switch that also routes, or whose networks span hosts.
using RouterPath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, mirror::MirrorIngress, vlan::Classify, guard::Check>,
    router::RouteLookup,
    // Decide
    router::Forward,
    // Apply
    Deliver>;

// For a switch with policies: a packet whose flow has a verdict takes it from there.
using FlowPath = path::Path<
    // Admit
    policy::LeaveToFlow, path::Parse,
    path::Unusual<guard::Shortcut, mirror::MirrorIngress, vlan::Classify, guard::Check>, router::RouteLookup,
    policy::ReadConnection,
    // Find, decide
    policy::Track,
    // Apply
    Deliver>;

// Runs the path that the snapshot asks for.
template <class T, class... Observer>
void run_path(path::Batch& batch, const T& tables, Observer&&... observer) noexcept {
    const view::Snapshot& snapshot = tables.snapshot;
    if (snapshot.has_policies) {
        FlowPath::run(batch, tables, std::forward<Observer>(observer)...);
    } else if (snapshot.is_bridge) {
        BridgePath::run(batch, tables, std::forward<Observer>(observer)...);
    } else {
        RouterPath::run(batch, tables, std::forward<Observer>(observer)...);
    }
    if (!snapshot.is_bridge || snapshot.has_policies) finish(tables);
}

}  // namespace sluice::engine
