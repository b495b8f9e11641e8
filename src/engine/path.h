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
    const PortSlot* slots;  // the snapshot's, by PortId
    bridge::Seconds now;
    port::Egress& egress;
    path::Counters& counters;
    Drops& drops;

    [[gnu::always_inline]] bridge::MacTable* macs(path::PortId id) const noexcept {
        return slots[path::index(id)].macs;
    }
};

// Apply, the last stage: every packet leaves by a port, by many, or is counted and dropped.
struct Transmit {
    [[gnu::always_inline]] static void apply(const path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            tables.egress.send(*tables.slots[path::index(meta.egress)].port, packet);
        } else if (meta.fate == path::Fate::kFlood) {
            const PortSlot& slot = tables.slots[path::index(meta.ingress)];
            tables.egress.flood(slot.network->members, slot.port, packet);
        } else {
            tables.counters.drop(meta.ingress, meta.reason);
            tables.drops.packets[tables.drops.count++] = packet;
        }
    }
};

//                            Admit                          Decide           Apply
using BridgePath = path::Path<path::Parse, bridge::Lookup, bridge::Bridge, Transmit>;

}  // namespace sluice::engine
