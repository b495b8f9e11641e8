#include "engine/deliver.h"

#include "path/parse.h"
#include "policy/track.h"
#include "wire/vlan.h"

namespace sluice::engine {
namespace {

void go_on(const link::Link::Answered& answered, const PathTables& tables) noexcept {
    rte_mbuf* packet = answered.waiting.packet;
    path::Meta meta = link::meta_of(answered.waiting, tables);
    meta.neighbor = answered.neighbor;
    // While the packet waited, its neighbor's network may have been deleted.
    const path::NetworkId network = answered.neighbor->network;
    if (path::index(network) >= tables.snapshot.networks.size() || tables.network(network).table == nullptr) {
        return tables.features.link.drop(meta, path::Drop::kNoNetwork, packet, tables);
    }
    // No policy applies to packets that our own tunnel sends.
    if (meta.layer3 == path::Layer3::kOther) {
        return tables.features.output.send_to_neighbor(meta, *answered.neighbor, packet, tables);
    }
    tables.features.tracker.resume(meta, packet, tables);
    Deliver::apply(meta, packet, tables);
}

// The fragment was admitted when it came. Decide now where it goes.
void go_on(const flow::HeldFragments::Held& held, const PathTables& tables) noexcept {
    const auto* frame = rte_pktmbuf_mtod(held.packet, const uint8_t*);
    // The first fragment counts as the packet before it.
    path::Meta metas[2]{};
    path::Meta& meta = metas[1];
    meta = {.destination_mac = path::mac_key(frame),
            .source_mac = path::mac_key(frame + sizeof(wire::MacBytes)),
            .admission = flow::Decided::admission(tables.flow_generation(held.network), held.network,
                                                  held.ingress),
            .ingress = held.ingress,
            .network = held.network,
            .unusual = tables.slot(held.ingress).is_unusual(),
            .guarded = tables.slot(held.ingress).guarded(),
            .layer3 = held.layer3};
    meta.header = rte_pktmbuf_mtod_offset(held.packet, void*, sizeof(wire::EthernetHeader));
    bool is_decided = false;
    // Its network may have been deleted meanwhile.
    if (path::index(held.network) >= tables.snapshot.networks.size() ||
        tables.network(held.network).table == nullptr || !tables.carries(held.ingress, held.network)) {
        path::drop(meta, path::Drop::kNoNetwork);
        is_decided = true;
    }
    if (!is_decided && bridge::Lookup::look_up(meta, tables) &&
        policy::ReadConnection::admit(meta, held.packet, tables)) {
        policy::Track::find(meta, tables);
        policy::Track::decide(meta, held.packet, tables);
    }
    Deliver::apply(meta, held.packet, tables);
}

}  // namespace

void Deliver::apply_unusual(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept {
    Features& features = tables.features;
    switch (meta.fate) {
        case path::Fate::kFlood: return flood(meta, packet, tables);
        case path::Fate::kLocal: return features.responder.receive(meta, packet, tables);
        case path::Fate::kRoutePortUnknown:
            return router::send_unusual(meta, packet, tables, features.link, features.output);
        case path::Fate::kHeld: return features.tracker.hold(meta, packet, tables);
        default: return features.link.drop(meta, meta.reason, packet, tables);
    }
}

void Deliver::flood(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept {
    Features& features = tables.features;
    const auto& members = features.link.reachable(packet, tables.network(meta.network));
    wire::pop_priority_tag(packet);
    if (features.responder.take_flooded(meta, packet, tables)) return;
    if (tables.slot(meta.ingress).tunnel == nullptr) {
        features.output.tell_too_long(meta, meta.network, packet, tables);
    }
    features.output.send_to_all(meta.network, members, meta.ingress, &meta, packet, tables);
}

void finish(const PathTables& tables) noexcept {
    Features& features = tables.features;
    struct Take {
        const PathTables& tables;
        void operator()(const link::Link::Answered& answered) const noexcept { go_on(answered, tables); }
        void operator()(const link::Link::Refused& refused) const noexcept {
            tables.features.responder.answer_with_error(refused.meta, refused.reason, refused.mtu, refused.packet,
                                                        tables);
            rte_pktmbuf_free(refused.packet);
        }
        void operator()(const neighbor::Entry& neighbor) const noexcept {
            tables.features.responder.solicit(neighbor, tables);
        }
    };
    while (unlikely(features.link.has_notes())) features.link.take_notes(Take{tables});
    features.link.end_batch();
    features.output.end_batch(tables.counters);
}

uint32_t resume_fragments(const PathTables& tables) noexcept {
    const auto& due = tables.features.tracker.take_due_fragments(tables);
    for (const policy::Tracker::Due& one : due) {
        one.is_late ? policy::Tracker::give_up(one.held, tables) : go_on(one.held, tables);
    }
    if (!due.empty()) finish(tables);
    return static_cast<uint32_t>(due.size());
}

}  // namespace sluice::engine
