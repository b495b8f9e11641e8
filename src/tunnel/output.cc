#include "tunnel/output.h"

#include <algorithm>

#include "path/came_by.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/segment.h"
#include "wire/vlan.h"

namespace sluice::tunnel {
namespace {

using link::kEthernet;
using path::Drop;

// A frame of that length goes into every tunnel: what the least path MTU leaves (vxlan/path_mtu.h).
constexpr uint32_t kAlwaysCarried = vxlan::PathMtu::kLeastIpv4 - vxlan::kOverheadIpv4;

}  // namespace

// By a port or tunnel that is known.
void Output::send(path::NetworkId network, path::PortId exit, rte_mbuf* packet,
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
void Output::send_in(path::NetworkId id, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(id);
    const uint64_t mac = path::mac_key(rte_pktmbuf_mtod(packet, const uint8_t*));
    if (!path::is_group(mac)) {
        const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
        if (entry.found() && tables.carries(entry.port(), id)) return send(id, entry.port(), packet, tables);
    }
    send_to_all(id, network.members, path::kNoPort, nullptr, packet, tables);
}

void Output::send_to_all(path::NetworkId id, const std::vector<port::Exit>& members, path::PortId from,
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
        return link_.consume(packet, tables);
    }
    tables.egress.flood(members, slot == nullptr ? nullptr : slot->port,
                        from_tunnel || slot == nullptr ? uint16_t{0} : slot->horizon, packet,
                        {.ingress = from, .network = id});
}

void Output::send_to_tunnels(path::NetworkId id, const path::Meta* cause, rte_mbuf* packet,
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

void Output::tell_too_long(const path::Meta& cause, path::NetworkId id, const rte_mbuf* packet,
                            const view::Tables& tables) noexcept {
    const uint32_t longest = wire::longest_frame(packet);
    if (longest <= kAlwaysCarried || link::may_be_fragmented(packet)) return;
    uint32_t least = UINT32_MAX;
    for (const path::PortId tunnel : tables.network(id).tunnels) {
        Underlay underlay;
        if (find_underlay(packet, *tables.slot(tunnel).tunnel, underlay, tables))
            least = std::min(least, underlay.most);
    }
    if (longest <= least) return;
    link_.tell_too_long(cause, static_cast<uint16_t>(least - kEthernet), packet);
}

bool Output::find_underlay(const rte_mbuf* packet, const view::TunnelSlot& tunnel, Underlay& underlay,
                            const view::Tables& tables) const noexcept {
    underlay.hash = wire::flow_hash(packet);
    const route::NextHop& hop = route::hop_of(tables.hops, tunnel.hop->load(std::memory_order_acquire),
                                              [&]() noexcept { return underlay.hash; });
    if (hop.kind != route::HopKind::kVia) return false;
    underlay.neighbor = hop.neighbor;
    underlay.network = &tables.network(hop.network);
    underlay.mac = hop.neighbor->mac.load(std::memory_order_acquire);
    const path::PortId exit = link::exit_of(*hop.neighbor, underlay.mac, *underlay.network, tables);
    underlay.slot = exit == path::kNoPort ? nullptr : &tables.slot(exit);
    if (underlay.slot != nullptr && underlay.slot->port == nullptr) return false;
    if (underlay.slot != nullptr) {
        underlay.most = tunnel.most(underlay.slot->port->max_frame());
        return true;
    }
    // Before the neighbor is known, it may be behind any of the ports. A frame that turns out to be too long is
    // dropped, and its sender told of the next one; what is told of too small a port would stay wrong for long.
    uint32_t most = 0;
    for (const port::Exit& member : underlay.network->members) most = std::max(most, member.port->max_frame());
    if (most == 0) return false;
    underlay.most = tunnel.most(most);
    return true;
}

void Output::send_unusual_by_tunnel(const path::Meta& meta, rte_mbuf* packet, const view::PortSlot& slot,
                                     const view::Tables& tables) noexcept {
    if (unlikely(vxlan::is_tagged(packet))) {
        wire::pop_priority_tag(packet);
        if (vxlan::is_tagged(packet) && !tables.network(meta.network).carries_tags) {
            return link_.drop(meta, Drop::kTaggedIntoTunnel, packet, tables);
        }
    }
    Underlay underlay;
    if (!find_underlay(packet, *slot.tunnel, underlay, tables)) {
        tables.counters.drop(meta.egress, Drop::kPortDown, packet,
                             {.ingress = meta.ingress, .egress = meta.egress, .network = meta.network});
        rte_pktmbuf_free(packet);
        return;
    }
    if (unlikely(wire::longest_frame(packet) > underlay.most)) {
        return link_.too_big(meta, meta.egress, underlay.most - kEthernet, packet, [&](rte_mbuf* piece) {
            wrap(meta.network, meta.egress, underlay, piece, tables);
        }, tables);
    }
    if (unlikely(wire::is_segment(packet))) return cut(meta, underlay, packet, tables);
    wrap(meta.network, meta.egress, underlay, packet, tables);
}

void Output::find_way(WayIn& way, path::PortId exit, path::NetworkId network,
                      const view::Tables& tables) noexcept {
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
    const path::PortId port = link::exit_of(neighbor, mac, underlay, tables);
    if (mac == 0 || port == path::kNoPort || tables.slot(port).plain == nullptr) return;
    link::mark_used(neighbor, tables);
    way.port = tables.slot(port).port;
    way.exit = port;
    way.most = tunnel.most(way.port->max_frame());
    way.ready = vxlan::make_ready(headers, tables.network(network).vni, underlay.mac, mac);
}

void Output::cut(const path::Meta& meta, const Underlay& underlay, rte_mbuf* segment,
                  const view::Tables& tables) noexcept {
    wire::Cutter cutter(segment, pools_.holding(wire::longest_frame(segment)));
    uint32_t pieces = 0;
    while (rte_mbuf* piece = cutter.next()) {
        wrap(meta.network, meta.egress, underlay, piece, tables);
        ++pieces;
    }
    const uint32_t missing = cutter.failed() ? cutter.remaining() : 0;
    link::Link::count_pieces({.egress = meta.egress, .network = meta.network, .count = missing}, meta.egress,
                             pieces, segment, tables);
    rte_pktmbuf_free(segment);
}

void Output::wrap(path::NetworkId network, path::PortId exit, const Underlay& underlay, rte_mbuf* packet,
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
    link::mark_used(neighbor, tables);
    if (unlikely(underlay.mac == 0 || underlay.slot == nullptr)) {
        path::Meta meta{};
        meta.ingress = exit;
        meta.network = neighbor.network;
        meta.layer3 = path::Layer3::kOther;
        return send_to_neighbor(meta, neighbor, packet, tables);
    }
    link::write_macs(packet, underlay.mac, underlay.network->mac);
    if (likely(underlay.slot->plain != nullptr)) {
        tables.egress.send(*underlay.slot->port, packet);
    } else {
        tables.egress.send(underlay.slot->exit(neighbor.network), packet);
    }
}

void Output::send_to_neighbor(path::Meta& meta, neighbor::Entry& neighbor, rte_mbuf* packet,
                              const view::Tables& tables) noexcept {
    link::mark_used(neighbor, tables);
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    if (mac == 0) return link_.hold(meta, neighbor, packet, tables);
    const view::Network& network = tables.network(neighbor.network);
    const path::PortId exit = link::exit_of(neighbor, mac, network, tables);
    if (exit == path::kNoPort) {
        const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
        const bool is_absent = entry.is_static() && !tables.carries(entry.port(), neighbor.network);
        if (is_absent) return link_.drop_absent(meta, entry.port(), packet, tables);
        link::write_macs(packet, mac, network.mac);
        return send_to_all(neighbor.network, network.members, path::kNoPort, &meta, packet, tables);
    }
    const view::PortSlot& slot = tables.slot(exit);
    if (slot.port != nullptr && wire::longest_frame(packet) > slot.port->max_frame()) {
        return link_.too_big(meta, exit, slot.port->max_frame() - kEthernet, packet, [&](rte_mbuf* piece) {
            link::write_macs(piece, mac, network.mac);
            send(neighbor.network, exit, piece, tables);
        }, tables);
    }
    link::write_macs(packet, mac, network.mac);
    send(neighbor.network, exit, packet, tables);
}

}  // namespace sluice::tunnel
