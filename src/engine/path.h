// THE ORDER: a packet's way from the receive queue to the transmit buffer, in three acts (path/path.h
// is the machine). Admit and Decide read tables, Apply does what was decided.
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

// Of a switch that only bridges.
using BridgePath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, mirror::MirrorIngress, vlan::Classify, guard::Check>,
    bridge::Lookup,
    // Decide
    bridge::Bridge,
    // Apply
    Transmit>;

// Of one that also routes, or whose networks span hosts.
using RouterPath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, mirror::MirrorIngress, vlan::Classify, guard::Check>,
    router::RouteLookup,
    // Decide
    router::Forward,
    // Apply
    Deliver>;

// Of one with policies: the same, and what a flow was decided to do is looked up, not decided again.
using FlowPath = path::Path<
    // Admit
    policy::LeaveToFlow, path::Parse,
    path::Unusual<guard::Shortcut, mirror::MirrorIngress, vlan::Classify, guard::Check>, router::RouteLookup,
    // Admit, find, decide
    policy::Track,
    // Apply
    Deliver>;

// By the path that the snapshot asks for.
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
