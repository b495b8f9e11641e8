// THE ORDER: a packet's way from the receive queue to the transmit buffer, in three acts (path/path.h
// is the machine). Admit and Decide read tables, Apply does what was decided.
#pragma once

#include "bridge/bridge.h"
#include "engine/snapshot.h"
#include "path/parse.h"
#include "port/egress.h"

namespace sluice::engine {

// Packets that end here, freed together after the batch.
struct Drops {
    uint16_t count = 0;
    rte_mbuf* packets[path::kBatchSize];

    void free() noexcept {
        if (likely(count == 0)) return;
        rte_pktmbuf_free_bulk(packets, count);
        count = 0;
    }
};

// What the stages of one batch see.
struct Tables {
    const PortSlot* slots;            // the snapshot's, by PortId
    bridge::MacTable* const* tables;  // by NetworkId
    const Network* networks;
    bridge::Seconds now;
    port::Egress& egress;
    path::Counters& counters;
    Drops& drops;

    [[gnu::always_inline]] const PortSlot& slot(path::PortId id) const noexcept {
        return slots[path::index(id)];
    }
    [[gnu::always_inline]] bridge::MacTable* macs(path::NetworkId id) const noexcept {
        return tables[path::index(id)];
    }
    [[gnu::always_inline]] bool carries(path::PortId id, path::NetworkId network) const noexcept {
        return slot(id).carries(network);
    }
};

// Admit, before anything is changed: a copy for who looks at what comes from the port.
struct MirrorIngress {
    [[gnu::always_inline]] static bool admit(const path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const auto* mirrors = tables.slot(meta.ingress).mirrors_in;
        if (unlikely(mirrors != nullptr)) tables.egress.mirror(*mirrors, packet);
        return true;
    }
};

// Apply, the last stage: every packet leaves by a port, by many, or is counted and dropped.
struct Transmit {
    [[gnu::always_inline]] static void apply(const path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            const PortSlot& slot = tables.slot(meta.egress);
            if (likely(slot.is_plain_exit())) {
                tables.egress.send(*slot.port, packet);
            } else {
                tables.egress.send(slot.exit(meta.network), packet);
            }
        } else if (meta.fate == path::Fate::kFlood) {
            const PortSlot& slot = tables.slot(meta.ingress);
            tables.egress.flood(tables.networks[path::index(meta.network)].members, slot.port,
                                slot.horizon, packet);
        } else {
            tables.counters.drop(meta.ingress, meta.reason);
            tables.drops.packets[tables.drops.count++] = packet;
        }
    }
};

using BridgePath = path::Path<
    // Admit
    path::Parse, path::Unusual<MirrorIngress, vlan::Classify, guard::Check>, bridge::Lookup,
    // Decide
    bridge::Bridge,
    // Apply
    Transmit>;

}  // namespace sluice::engine
