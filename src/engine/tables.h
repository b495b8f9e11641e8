// What the stages of one batch see of the snapshot, and of the worker that runs them.
#pragma once

#include "engine/snapshot.h"
#include "path/path.h"
#include "port/egress.h"

namespace sluice::engine {

class Speaker;

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

struct Tables {
    const PortSlot* slots;            // the snapshot's, by PortId
    bridge::MacTable* const* tables;  // by NetworkId
    const Network* networks;
    bridge::Seconds now;
    port::Egress& egress;
    path::Counters& counters;
    Drops& drops;

    // Of switches that route.
    const Snapshot& snapshot;
    const NextHop* hops;
    neighbor::Table& neighbors;
    Speaker& speaker;

    [[gnu::always_inline]] const PortSlot& slot(path::PortId id) const noexcept {
        return slots[path::index(id)];
    }
    [[gnu::always_inline]] const Network& network(path::NetworkId id) const noexcept {
        return networks[path::index(id)];
    }
    [[gnu::always_inline]] bridge::MacTable* macs(path::NetworkId id) const noexcept {
        return tables[path::index(id)];
    }
    [[gnu::always_inline]] bool carries(path::PortId id, path::NetworkId network) const noexcept {
        return slot(id).carries(network);
    }
};

}  // namespace sluice::engine
