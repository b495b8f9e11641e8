#include "engine/deliver.h"

#include "nat/translate.h"
#include "path/parse.h"
#include "policy/track.h"
#include "wire/mbuf.h"
#include "wire/mss.h"
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

// What the packet's flow makes of it: as its packets arrive, and as they leave. (Of an ICMP error, the flow's own
// are those that it is about.)
nat::Change change_of(const path::Meta& meta, const PathTables& tables) noexcept {
    const uint32_t index = tables.flows.index(*meta.connection.candidate);
    return {tables.flows.tuple(index), tables.flows.tuple(index ^ 1).reversed()};
}

bool translate_own(path::Meta& meta, rte_mbuf* packet, const nat::Change& change) noexcept {
    switch (meta.connection.kind) {
        case path::PacketKind::kIcmpError:
            return nat::translate_error(packet, meta.connection, change);
        case path::PacketKind::kLaterFragment:
            return nat::translate_later_fragment(packet, meta.connection, change);
        default:
            return nat::translate(packet, meta.connection, change);
    }
}

// The packet, or a copy if others share its bytes. Null: it was dropped.
rte_mbuf* translate(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept {
    if (unlikely(!wire::is_own(packet))) {
        packet = tables.features.link.make_own(meta, packet, tables);
        if (packet == nullptr) return nullptr;
    }
    if (unlikely(!translate_own(meta, packet, change_of(meta, tables)))) {
        tables.features.link.drop(meta, path::Drop::kMalformedIp, packet, tables);
        return nullptr;
    }
    meta.translated = path::Translated::kDone;
    return packet;
}

// The longest IP packet that a port or tunnel carries; no limit where that isn't known.
uint32_t most_by(path::PortId id, const rte_mbuf* packet, const PathTables& tables) noexcept {
    constexpr uint32_t kNoLimit = UINT16_MAX;
    if (id == path::kNoPort) return kNoLimit;
    const view::PortSlot& slot = tables.slot(id);
    tunnel::Output::Underlay underlay;
    if (slot.port != nullptr) return slot.port->max_frame() - link::kEthernet;
    const bool is_known =
        slot.tunnel != nullptr && tables.features.output.find_underlay(packet, *slot.tunnel, underlay, tables);
    return is_known ? underlay.most - link::kEthernet : kNoLimit;
}

// Either end's segments must fit the ways in and out: who answers a SYN sends no longer ones than that says.
void clamp_mss(const path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept {
    const uint32_t most = std::min(most_by(meta.ingress, packet, tables), most_by(meta.egress, packet, tables));
    const uint32_t headers =
        sizeof(wire::TcpHeader) +
        (meta.layer3 == path::Layer3::kIpv4 ? sizeof(wire::Ipv4Header) : sizeof(wire::Ipv6Header));
    if (most <= headers) return;
    wire::clamp_mss(packet, meta.connection.l4_offset, static_cast<uint16_t>(std::min(most - headers, 0xffffU)));
}

// Who sent a packet that was refused is told of it as he sent it. (Nobody is told of ICMP errors and of later
// fragments, which show no ports.)
void translate_back(link::Link::Refused& refused, const PathTables& tables) noexcept {
    path::Meta& meta = refused.meta;
    if (likely(meta.translated != path::Translated::kDone)) return;
    const bool has_connection = meta.connection.kind == path::PacketKind::kConnection ||
                                meta.connection.kind == path::PacketKind::kProtocol;
    if (!has_connection) return;
    if (!wire::is_own(refused.packet)) return;
    const nat::Change change = change_of(meta, tables);
    path::read_connection(refused.packet, change.arrives.key.domain(), meta.connection);
    nat::translate(refused.packet, meta.connection, change.undone());
}

}  // namespace

void Deliver::apply_unusual(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept {
    Features& features = tables.features;
    switch (meta.fate) {
        case path::Fate::kFlood: return flood(meta, packet, tables);
        case path::Fate::kLocal: return features.responder.receive(meta, packet, tables);
        case path::Fate::kRoutePortUnknown:
            // One that waits for its neighbor waits as it came.
            if (meta.translated == path::Translated::kWanted) {
                packet = translate(meta, packet, tables);
                if (packet == nullptr) return;
            }
            return router::send_unusual(meta, packet, tables, features.link, features.output);
        case path::Fate::kHeld: return features.tracker.hold(meta, packet, tables);
        default: return features.link.drop(meta, meta.reason, packet, tables);
    }
}

void Deliver::send_translated(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept {
    if (unlikely(meta.opens_tcp)) {
        if (!wire::is_own(packet)) packet = tables.features.link.make_own(meta, packet, tables);
        if (packet == nullptr) return;
        clamp_mss(meta, packet, tables);
        if (meta.translated == path::Translated::kNot) {
            meta.fate = path::Fate::kRouteByPort;
            return router::send(meta, packet, tables, tables.features.link, tables.features.output);
        }
    }
    const path::TupleKey& answers = flow::peer_of(*meta.connection.candidate).key;
    const bool is_plain = likely(wire::is_own(packet)) && nat::translate_plain(packet, meta.connection, answers);
    if (likely(is_plain)) {
        meta.translated = path::Translated::kDone;
    } else {
        packet = translate(meta, packet, tables);
        if (packet == nullptr) return;
    }
    meta.fate = path::Fate::kRouteByPort;
    router::send(meta, packet, tables, tables.features.link, tables.features.output);
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
        void operator()(link::Link::Refused refused) const noexcept {
            translate_back(refused, tables);
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
