// What the stages of one batch see of the snapshot, and of the worker that runs them. A dry run has copies of all
// that they write (explain/dry_run.h).
#pragma once

#include <rte_cycles.h>

#include "bridge/bridge.h"
#include "view/snapshot.h"
#include "flow/flow_table.h"
#include "flow/fragments.h"
#include "path/path.h"
#include "port/egress.h"

namespace sluice::view {

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
    path::Seconds now;
    port::Egress& egress;
    path::Counters& counters;
    Drops& drops;

    // Of switches that route.
    const Snapshot& snapshot;
    const route::NextHop* hops;
    neighbor::Table& neighbors;

    // Where connections are tracked.
    flow::Table& flows;
    flow::Fragments& fragments;
    const flow::Generations* flow_generations;  // under which flows must have been decided
    path::WorkerId worker;

    [[gnu::always_inline]] const PortSlot& slot(path::PortId id) const noexcept {
        return slots[path::index(id)];
    }
    [[gnu::always_inline]] const Network& network(path::NetworkId id) const noexcept {
        return networks[path::index(id)];
    }
    [[gnu::always_inline]] uint32_t flow_generation(path::NetworkId id) const noexcept {
        return flow_generations->of_network[path::index(id)];
    }
    [[gnu::always_inline]] bridge::MacTable* macs(path::NetworkId id) const noexcept {
        return tables[path::index(id)];
    }
    [[gnu::always_inline]] bridge::Entry find(const path::Meta& meta) const noexcept {
        return macs(meta.network)->find(meta.destination_mac, meta.destination_hash);
    }
    // Whether learning the source would change nothing.
    [[gnu::always_inline]] bool knows_source(const path::Meta& meta) const noexcept {
        const bridge::Entry entry = macs(meta.network)->find(meta.source_mac, meta.source_hash);
        if (likely(entry.word() == bridge::Entry::learned(meta.ingress, now).word())) return true;
        return entry.is_static() && entry.port() == meta.ingress;
    }
    // Whether the source is known behind another port.
    bool is_elsewhere(const path::Meta& meta) const noexcept {
        const bridge::Entry entry = macs(meta.network)->find(meta.source_mac, meta.source_hash);
        return entry.found() && entry.port() != meta.ingress;
    }
    // The reason to drop a packet for its source MAC address; kCount: it may come from its port. The router's is
    // in no table: it is behind no port, and no station may have it.
    [[gnu::noinline]] path::Drop judge_source(const path::Meta& meta, uint32_t limit) const noexcept {
        // Admit asks this too, but not of what seems to repeat the frame before it.
        if (path::is_group(meta.source_mac) || meta.source_mac == 0) return path::Drop::kInvalidSource;
        bridge::MacTable& table = *macs(meta.network);
        const bridge::Entry entry = table.find(meta.source_mac, bridge::MacTable::hash(meta.source_mac));
        const bool is_here = entry.found() && entry.port() == meta.ingress;
        const bool is_router = meta.source_mac == network(meta.network).mac;
        if (is_router || (entry.is_static() && !is_here)) {
            const path::PortId owner = is_router ? path::kNoPort : entry.port();
            table.note_foreign(meta.source_mac, owner, meta.ingress, now);
            return path::Drop::kForeignMac;
        }
        const bool is_one_more = limit != 0 && !is_here && table.count(meta.ingress) >= limit;
        return is_one_more ? path::Drop::kMacLimit : path::Drop::kCount;
    }
    [[gnu::noinline]] bool learn(const path::Meta& meta, uint32_t limit) const noexcept {
        return macs(meta.network)->learn(meta.source_mac, meta.source_hash, meta.ingress, now, limit);
    }
    // Of a frame that isn't plain IP: takes a priority tag off, and answers as judge_claim().
    path::Drop admit_other(const path::Meta& meta, rte_mbuf* packet) const noexcept;
    // The reason to drop a frame for what it says of IP addresses, in ARP or Neighbor Discovery; kCount: none.
    path::Drop judge_claim(const path::Meta& meta, const rte_mbuf* packet) const noexcept;
    // Whether a packet whose connection was read may have its IP source.
    bool may_send_from_source(const path::Meta& meta) const noexcept;
    bool may_flood(path::PortId id, bridge::FloodKind kind) const noexcept {
        bridge::FloodLimiter* floods = slot(id).floods;
        return floods == nullptr || floods->allow(kind, rte_rdtsc());
    }
    [[gnu::always_inline]] bool carries(path::PortId id, path::NetworkId network) const noexcept {
        const PortSlot& it = slot(id);
        return likely(it.network == network) || it.carries(network);
    }
};

}  // namespace sluice::view
