// The speaker's ways out: routed packets that need more than the path has for them, what the switch itself
// says, and everything that goes into a tunnel.
#include <algorithm>

#include "engine/speaker.h"
#include "engine/tracker.h"
#include "path/came_by.h"
#include "wire/flow_hash.h"
#include "wire/fragment.h"
#include "wire/headers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/segment.h"
#include "wire/vlan.h"

namespace sluice::engine {
namespace {

using path::Drop;

// A frame of that length goes into every tunnel: what the least path MTU leaves (vxlan/path_mtu.h).
constexpr uint32_t kAlwaysCarried = vxlan::PathMtu::kLeastIpv4 - vxlan::kOverheadIpv4;

bool may_be_fragmented(const rte_mbuf* packet) noexcept {
    if (wire::ether_type(packet) != wire::EtherType::kIpv4 || wire::is_segment(packet) ||
        wire::check_ipv4(packet, kEthernet) != wire::IpCheck::kValid) {
        return false;
    }
    const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv4Header*, kEthernet);
    return (ip->fragment.host() & wire::Ipv4Header::kDontFragment) == 0;
}

}  // namespace

// How a packet gets to a remote end point.
struct Speaker::Underlay {
    neighbor::Entry* neighbor;
    const view::Network* network;
    const view::PortSlot* slot;  // null: not known yet
    uint64_t mac;
    uint32_t hash;
    uint32_t most;  // bytes of a frame to be carried
};

void Speaker::route(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
    if (tables.assumed == nullptr && neighbor.used.load(std::memory_order_relaxed) != tables.now) {
        neighbor.used.store(tables.now, std::memory_order_relaxed);
    }
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    if (mac == 0) return resolve(meta, neighbor, packet, tables);
    const view::Network& network = tables.network(neighbor.network);
    const path::PortId exit = meta.fate == path::Fate::kRouteBy       ? meta.egress
                              : meta.fate == path::Fate::kRouteUnseen ? path::kNoPort
                                                                      : likely_exit_of(neighbor, mac, network, tables);
    if (exit == path::kNoPort && network.table != nullptr) {
        const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
        const bool is_absent = entry.is_static() && !tables.carries(entry.port(), neighbor.network);
        if (is_absent) return drop_absent(meta, entry.port(), packet, tables);
    }
    const view::PortSlot* slot = exit == path::kNoPort ? nullptr : &tables.slot(exit);
    if (slot != nullptr && slot->port != nullptr && wire::longest_frame(packet) > slot->port->max_frame()) {
        return too_big(meta, exit, slot->port->max_frame() - kEthernet, packet, [&](rte_mbuf* piece) {
            count_down(piece);
            write_macs(piece, mac, network.mac);
            send(neighbor.network, exit, piece, tables);
        }, tables);
    }
    if (!wire::is_own(packet)) {
        rte_mbuf* own = rte_pktmbuf_copy(packet, pools_.holding(packet->pkt_len), 0, UINT32_MAX);
        if (own == nullptr) return drop(meta, Drop::kNoBuffer, packet, tables);
        rte_pktmbuf_free(packet);
        packet = own;
        meta.header = rte_pktmbuf_mtod_offset(packet, void*, kEthernet);
        meta.connection.ip = static_cast<const uint8_t*>(meta.header);
    }
    if (slot != nullptr && slot->tunnel != nullptr) {
        // Judged as it came, before it is changed.
        Underlay underlay;
        if (find_underlay(packet, *slot->tunnel, underlay, tables) &&
            wire::longest_frame(packet) > underlay.most) {
            return too_big(meta, exit, underlay.most - kEthernet, packet, [&](rte_mbuf* piece) {
                count_down(piece);
                write_macs(piece, mac, network.mac);
                wrap(neighbor.network, exit, underlay, piece, tables);
            }, tables);
        }
    }
    // Stations of a flat network see nothing that isn't theirs: the answer tells where this one is.
    if (exit == path::kNoPort && network.flat) {
        if (tables.assumed == nullptr && may_answer(meta.ingress)) solicit(neighbor, tables);
        return drop(meta, Drop::kNeighborPending, packet, tables);
    }
    // Likewise of what goes to all of them.
    if (exit == path::kNoPort) tell_too_long(meta, neighbor.network, packet, tables);
    count_down(meta);
    write_macs(packet, mac, network.mac);
    if (exit == path::kNoPort) {
        const auto& members = tables.tracker.may_reach(meta, packet, neighbor.network, tables);
        return send_to_all(neighbor.network, members, path::kNoPort, &meta, packet, tables);
    }
    send(neighbor.network, exit, packet, tables);
}

// What is longer than its way on: in fragments where its sender allows that, else told about.
template <class Send>
void Speaker::too_big(path::Meta& meta, path::PortId exit, uint32_t mtu, rte_mbuf* packet, Send send_piece,
                      const view::Tables& tables) noexcept {
    if (!may_be_fragmented(packet)) {
        answer_with_error(meta, Drop::kFragmentationNeeded, static_cast<uint16_t>(mtu), packet, tables);
        tables.counters.drop(meta.ingress, Drop::kFragmentationNeeded, packet,
                             {.ingress = meta.ingress, .egress = exit, .network = meta.network});
        rte_pktmbuf_free(packet);
        return;
    }
    wire::Fragmenter fragmenter(packet, kEthernet, static_cast<uint16_t>(mtu),
                                pools_.holding(mtu + kEthernet));
    uint32_t pieces = 0;
    while (rte_mbuf* piece = fragmenter.next()) {
        send_piece(piece);
        ++pieces;
    }
    // The books as in Egress::cut().
    const uint32_t missing = fragmenter.failed() ? fragmenter.remaining() : 0;
    tables.counters.totals.made.add(pieces + missing - 1);
    if (missing != 0) {
        tables.counters.drop(meta.ingress, Drop::kNoBuffer, packet,
                             {.ingress = meta.ingress, .egress = exit, .network = meta.network, .count = missing});
    }
    rte_pktmbuf_free(packet);
}

// Of a piece, whose header is where the packet's was.
void Speaker::count_down(rte_mbuf* piece) noexcept {
    wire::decrement_ttl(*rte_pktmbuf_mtod_offset(piece, wire::Ipv4Header*, kEthernet));
}

path::PortId Speaker::find_exit(neighbor::Entry& neighbor, uint64_t mac, const view::Network& network,
                                const view::Tables& tables) noexcept {
    if (mac == 0 || network.table == nullptr) return path::kNoPort;
    // The version first: what changes while it is looked up makes the answer stale at once.
    const uint32_t version = network.table->version();
    const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
    if (!entry.found() || !tables.carries(entry.port(), neighbor.network)) return path::kNoPort;
    neighbor.exit.store(tag(mac, version) << 16 | path::index(entry.port()), std::memory_order_relaxed);
    return entry.port();
}

// --- ways out ---

// By a port or tunnel that is known.
void Speaker::send(path::NetworkId network, path::PortId exit, rte_mbuf* packet,
                   const view::Tables& tables) noexcept {
    const view::PortSlot& slot = tables.slot(exit);
    if (slot.tunnel != nullptr) {
        path::Meta meta{};
        const path::PortId came = path::came_by(packet);
        meta.ingress = came == path::kNoPort ? exit : came;
        meta.egress = exit;
        meta.network = network;
        meta.layer3 = path::Layer3::kOther;  // it is nobody's to complain about
        return send_unusual_by_tunnel(meta, packet, slot, tables);
    }
    if (slot.port == nullptr) {
        tables.counters.drop(exit, Drop::kPortDown, packet, {.egress = exit, .network = network});
        rte_pktmbuf_free(packet);
        return;
    }
    tables.egress.send(slot.exit(network), packet);
}

// By its destination MAC address.
void Speaker::send_in(path::NetworkId id, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(id);
    const uint64_t mac = path::mac_key(rte_pktmbuf_mtod(packet, const uint8_t*));
    if (!path::is_group(mac)) {
        const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
        if (entry.found() && tables.carries(entry.port(), id)) return send(id, entry.port(), packet, tables);
    }
    send_to_all(id, network.members, path::kNoPort, nullptr, packet, tables);
}

void Speaker::send_to_all(path::NetworkId id, const std::vector<port::Exit>& members, path::PortId from,
                          const path::Meta* cause, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(id);
    const view::PortSlot* slot = from == path::kNoPort ? nullptr : &tables.slot(from);
    const bool from_tunnel = slot != nullptr && slot->tunnel != nullptr;
    bool to_tunnels = !from_tunnel && !network.tunnels.empty();
    const bool others = std::any_of(members.begin(), members.end(), [&](const auto& exit) {
        return slot == nullptr || exit.port != slot->port;
    });
    if (to_tunnels && unlikely(vxlan::is_tagged(packet)) && !network.carries_tags) {
        to_tunnels = false;
        tables.counters.drop(from, Drop::kTaggedIntoTunnel, packet, {.ingress = from, .network = id});
        if (!others) return rte_pktmbuf_free(packet);
        tables.counters.totals.made.add(1);
    }
    if (to_tunnels) send_to_tunnels(id, cause, packet, tables);
    // Where a policy has kept it from some, those are counted.
    const bool withheld = members.size() < network.members.size();
    if (!others && (to_tunnels || slot == nullptr || withheld)) {
        // Copies have gone where there is somebody; the packet itself goes nowhere.
        return consume(packet, tables);
    }
    tables.egress.flood(members, slot == nullptr ? nullptr : slot->port,
                        from_tunnel || slot == nullptr ? uint16_t{0} : slot->horizon, packet,
                        {.ingress = from, .network = id});
}

void Speaker::send_to_tunnels(path::NetworkId id, const path::Meta* cause, rte_mbuf* packet,
                              const view::Tables& tables) noexcept {
    // Copies share their bytes, so nothing may be finished in them later.
    if (!wire::is_segment(packet)) wire::finish_checksums(packet);
    for (const path::PortId tunnel : tables.network(id).tunnels) {
        tables.counters.totals.made.add(1);
        rte_mbuf* copy = rte_pktmbuf_clone(packet, pools_.buffers);
        if (copy == nullptr) {
            tables.counters.drop(tunnel, Drop::kNoBuffer, packet, {.egress = tunnel, .network = id});
            continue;
        }
        path::Meta meta{};
        meta.ingress = cause != nullptr ? cause->ingress : tunnel;
        meta.egress = tunnel;
        meta.network = id;
        meta.layer3 = path::Layer3::kOther;  // its sender was told already
        send_unusual_by_tunnel(meta, copy, tables.slot(tunnel), tables);
    }
}

// Of a packet that goes into all tunnels of the network: its sender is told once, of the one that takes the least.
// Nothing is cut for those that take more.
void Speaker::tell_too_long(const path::Meta& cause, path::NetworkId id, const rte_mbuf* packet,
                            const view::Tables& tables) noexcept {
    const uint32_t longest = wire::longest_frame(packet);
    if (longest <= kAlwaysCarried || may_be_fragmented(packet)) return;
    uint32_t least = UINT32_MAX;
    for (const path::PortId tunnel : tables.network(id).tunnels) {
        Underlay underlay;
        if (find_underlay(packet, *tables.slot(tunnel).tunnel, underlay, tables)) least = std::min(least, underlay.most);
    }
    if (longest <= least) return;
    answer_with_error(cause, Drop::kFragmentationNeeded, static_cast<uint16_t>(least - kEthernet), packet, tables);
}

bool Speaker::find_underlay(const rte_mbuf* packet, const view::TunnelSlot& tunnel, Underlay& underlay,
                            const view::Tables& tables) const noexcept {
    underlay.hash = wire::flow_hash(packet);
    const route::NextHop* hop = &tables.hops[tunnel.hop->load(std::memory_order_acquire)];
    if (hop->kind == route::HopKind::kGroup) hop = &tables.hops[hop->pick(underlay.hash)];
    if (hop->kind != route::HopKind::kVia) return false;
    underlay.neighbor = hop->neighbor;
    underlay.network = &tables.network(hop->network);
    underlay.mac = hop->neighbor->mac.load(std::memory_order_acquire);
    const path::PortId exit = exit_of(*hop->neighbor, underlay.mac, *underlay.network, tables);
    underlay.slot = exit == path::kNoPort ? nullptr : &tables.slot(exit);
    if (underlay.slot != nullptr && underlay.slot->port == nullptr) return false;
    // Before the neighbor is known, the way out is the underlay's only port.
    const port::Port* port = underlay.slot != nullptr            ? underlay.slot->port
                             : !underlay.network->members.empty() ? underlay.network->members.front().port
                                                                  : nullptr;
    if (port == nullptr) return false;
    underlay.most = tunnel.most(port->max_frame());
    return true;
}

void Speaker::send_unusual_by_tunnel(path::Meta& meta, rte_mbuf* packet, const view::PortSlot& slot,
                                     const view::Tables& tables) noexcept {
    if (unlikely(vxlan::is_tagged(packet)) && !wire::pop_priority_tag(packet) &&
        !tables.network(meta.network).carries_tags) {
        return drop(meta, Drop::kTaggedIntoTunnel, packet, tables);
    }
    Underlay underlay;
    if (!find_underlay(packet, *slot.tunnel, underlay, tables)) {
        tables.counters.drop(meta.egress, Drop::kPortDown, packet,
                             {.ingress = meta.ingress, .egress = meta.egress, .network = meta.network});
        rte_pktmbuf_free(packet);
        return;
    }
    if (unlikely(wire::longest_frame(packet) > underlay.most)) {
        return too_big(meta, meta.egress, underlay.most - kEthernet, packet, [&](rte_mbuf* piece) {
            wrap(meta.network, meta.egress, underlay, piece, tables);
        }, tables);
    }
    if (unlikely(wire::is_segment(packet))) return cut(meta, underlay, packet, tables);
    wrap(meta.network, meta.egress, underlay, packet, tables);
}

void Speaker::find_way(WayIn& way, path::PortId exit, path::NetworkId network, const view::Tables& tables) noexcept {
    ways_in_.renew(way, tables.counters);
    const view::TunnelSlot& tunnel = *tables.slot(exit).tunnel;
    way.tunnel = &tunnel;
    way.network = network;
    way.id = exit;
    const vxlan::Tunnel& headers = tunnel.headers;
    const route::NextHop& hop = tables.hops[tunnel.hop->load(std::memory_order_acquire)];
    if (headers.ipv6 || headers.checksum != vxlan::UdpChecksum::kZero || hop.kind != route::HopKind::kVia) return;
    neighbor::Entry& neighbor = *hop.neighbor;
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    const view::Network& underlay = tables.network(neighbor.network);
    const path::PortId port = exit_of(neighbor, mac, underlay, tables);
    if (mac == 0 || port == path::kNoPort || !tables.slot(port).is_plain_exit()) return;
    if (tables.assumed == nullptr && neighbor.used.load(std::memory_order_relaxed) != tables.now) {
        neighbor.used.store(tables.now, std::memory_order_relaxed);
    }
    way.port = tables.slot(port).port;
    way.most = tunnel.most(way.port->max_frame());
    way.ready = vxlan::make_ready(headers, tables.network(network).vni, underlay.mac, mac);
}

void Speaker::cut(const path::Meta& meta, const Underlay& underlay, rte_mbuf* segment,
                  const view::Tables& tables) noexcept {
    wire::Cutter cutter(segment, pools_.holding(wire::longest_frame(segment)));
    uint32_t pieces = 0;
    while (rte_mbuf* piece = cutter.next()) {
        wrap(meta.network, meta.egress, underlay, piece, tables);
        ++pieces;
    }
    // The books as in Egress::cut().
    const uint32_t missing = cutter.failed() ? cutter.remaining() : 0;
    tables.counters.totals.made.add(pieces + missing - 1);
    if (missing != 0) {
        tables.counters.drop(meta.egress, Drop::kNoBuffer, segment,
                             {.egress = meta.egress, .network = meta.network, .count = missing});
    }
    rte_pktmbuf_free(segment);
}

void Speaker::wrap(path::NetworkId network, path::PortId exit, const Underlay& underlay, rte_mbuf* packet,
                   const view::Tables& tables) noexcept {
    const view::PortSlot& slot = tables.slot(exit);
    const vxlan::Tunnel& tunnel = slot.tunnel->headers;
    const uint32_t vni = tables.network(network).vni;
    if (likely(vxlan::has_room(packet, tunnel))) {
        vxlan::encapsulate(packet, tunnel, vni, underlay.hash);
    } else {
        rte_mbuf* wrapped = vxlan::encapsulate_shared(packet, tunnel, vni, underlay.hash, pools_.buffers);
        if (wrapped == nullptr) {
            tables.counters.drop(exit, Drop::kNoBuffer, packet, {.egress = exit, .network = network});
            rte_pktmbuf_free(packet);
            return;
        }
        packet = wrapped;
    }
    tables.counters.port(exit).transmitted.add(1, packet->pkt_len);
    neighbor::Entry& neighbor = *underlay.neighbor;
    if (unlikely(neighbor.used.load(std::memory_order_relaxed) != tables.now) && tables.assumed == nullptr) {
        neighbor.used.store(tables.now, std::memory_order_relaxed);
    }
    if (unlikely(underlay.mac == 0 || underlay.slot == nullptr)) {
        path::Meta meta{};
        meta.ingress = exit;
        meta.network = neighbor.network;
        meta.layer3 = path::Layer3::kOther;
        meta.neighbor = &neighbor;
        return route(meta, packet, tables);
    }
    write_macs(packet, underlay.mac, underlay.network->mac);
    if (likely(underlay.slot->is_plain_exit())) {
        tables.egress.send(*underlay.slot->port, packet);
    } else {
        tables.egress.send(underlay.slot->exit(neighbor.network), packet);
    }
}

}  // namespace sluice::engine
