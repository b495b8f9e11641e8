// THE ORDER: a packet's way from the receive queue to the transmit buffer, in three acts (path/path.h
// is the machine). Admit and Decide read tables, Apply does what was decided.
#pragma once

#include <utility>

#include "bridge/bridge.h"
#include "engine/forward.h"
#include "engine/track.h"
#include "view/tables.h"
#include "path/parse.h"

namespace sluice::engine {

// Admit, before anything is changed: a copy for who looks at what comes from the port.
struct MirrorIngress {
    [[gnu::always_inline]] static bool admit(const path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        const auto* mirrors = tables.slot(meta.ingress).mirrors_in;
        if (unlikely(mirrors != nullptr)) tables.egress.mirror(*mirrors, packet);
        return true;
    }
};

// Apply, the last stage of a bridge: every packet leaves by a port, by many, or is counted and dropped.
struct Transmit {
    [[gnu::always_inline]] static void apply(const path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            const view::PortSlot& slot = tables.slot(meta.egress);
            if (likely(slot.is_plain_exit())) {
                tables.egress.send(*slot.port, packet);
            } else {
                tables.egress.send(slot.exit(meta.network), packet);
            }
        } else if (meta.fate == path::Fate::kFlood) {
            const view::PortSlot& slot = tables.slot(meta.ingress);
            if (!path::is_group(meta.destination_mac)) tables.speaker.seek_departed(meta, packet, tables);
            tables.egress.flood(tables.networks[path::index(meta.network)].members, slot.port,
                                slot.horizon, packet, {.ingress = meta.ingress, .network = meta.network});
        } else {
            tables.counters.drop(path::drop_place(meta, meta.reason), meta.reason, packet,
                                 path::drop_site(meta, meta.reason));
            tables.drops.packets[tables.drops.count++] = packet;
        }
    }
};

// Of a switch that only bridges.
using BridgePath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, MirrorIngress, vlan::Classify, guard::Check>, bridge::Lookup,
    // Decide
    bridge::Bridge,
    // Apply
    Transmit>;

// Of one that also routes, or whose networks span hosts.
using RouterPath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, MirrorIngress, vlan::Classify, guard::Check>, RouteLookup,
    // Decide
    Forward,
    // Apply
    Deliver>;

// Of one with policies: the same, and what a flow was decided to do is looked up, not decided again.
using FlowPath = path::Path<
    // Admit
    path::Parse, path::Unusual<guard::Shortcut, MirrorIngress, vlan::Classify, guard::Check>, RouteLookup,
    // Admit, find, decide
    Track,
    // Apply
    Deliver>;

// By the path that the snapshot asks for. What the tables know of a batch ends with it.
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
    if (!snapshot.is_bridge || snapshot.has_policies) tables.speaker.end_batch(tables.counters);
}

}  // namespace sluice::engine
