#include "engine/speaker.h"

#include <algorithm>
#include <optional>

#include "engine/answers.h"
#include "engine/tracker.h"
#include "path/came_by.h"
#include "wire/address.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/tcp_reset.h"
#include "wire/vlan.h"

namespace sluice::engine {
namespace {

using path::Drop;

bool is_neighbor_message(const rte_mbuf* packet) noexcept {
    const wire::EtherType type = wire::ether_type(packet);
    if (type == wire::EtherType::kArp) return true;
    if (type != wire::EtherType::kIpv6 || packet->data_len < kEthernet + sizeof(wire::Ipv6Header) + 1) {
        return false;
    }
    const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kEthernet);
    if (ip->protocol() != wire::Protocol::kIcmpv6) return false;
    const uint8_t icmp_type = *reinterpret_cast<const uint8_t*>(ip + 1);
    return icmp_type == wire::IcmpHeader::kV6NeighborSolicitation ||
           icmp_type == wire::IcmpHeader::kV6NeighborAdvertisement;
}

bool has(const std::vector<IpAddress>& addresses, const IpAddress& address) noexcept {
    return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

std::optional<wire::IcmpErrorKind> error_for(Drop reason) noexcept {
    switch (reason) {
        case Drop::kTtlExceeded: return wire::IcmpErrorKind::kTimeExceeded;
        case Drop::kNoRoute: return wire::IcmpErrorKind::kNoRoute;
        case Drop::kUnreachableRoute:
        case Drop::kHostUnreachable: return wire::IcmpErrorKind::kHostUnreachable;
        case Drop::kFragmentationNeeded: return wire::IcmpErrorKind::kTooBig;
        case Drop::kNoListener: return wire::IcmpErrorKind::kPortUnreachable;
        case Drop::kRejected: return wire::IcmpErrorKind::kProhibited;
        default: return std::nullopt;
    }
}

// Reasons that an object of the configuration stands beside, which only a tracked packet's metadata holds.
bool is_policy(Drop reason) noexcept {
    return reason == Drop::kDenied || reason == Drop::kRejected || reason == Drop::kNoConnection ||
           reason == Drop::kFragmentUnknown;
}

// Loose and strict source routes (RFC 791, 3.1; RFC 7126, 4.3 and 4.4).
bool has_source_route(const wire::Ipv4Header& ip) noexcept {
    const auto* at = reinterpret_cast<const uint8_t*>(&ip) + sizeof ip;
    const auto* end = reinterpret_cast<const uint8_t*>(&ip) + ip.header_size();
    while (at < end && *at != 0) {
        if (*at == 1) {
            ++at;
            continue;
        }
        if (*at == 131 || *at == 137) return true;
        if (end - at < 2 || at[1] < 2) return false;
        at += at[1];
    }
    return false;
}

// Whether the packet has been put into a tunnel already, and waits for the tunnel's next hop. (A tunnel's pings come
// from it as well.)
bool is_wrapped(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (meta.layer3 != path::Layer3::kOther || meta.ingress == path::kNoPort) return false;
    const view::PortSlot& slot = tables.slot(meta.ingress);
    if (slot.tunnel == nullptr || path::index(meta.network) >= tables.snapshot.networks.size() ||
        !tables.network(meta.network).is_underlay) {
        return false;
    }
    const uint32_t ip = slot.tunnel->headers.ipv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header);
    const uint32_t udp = kEthernet + ip;
    if (packet->data_len < udp + sizeof(wire::UdpHeader)) return false;
    const auto next = slot.tunnel->headers.ipv6
                          ? rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kEthernet)->protocol()
                          : rte_pktmbuf_mtod_offset(packet, const wire::Ipv4Header*, kEthernet)->protocol();
    const auto* ports = rte_pktmbuf_mtod_offset(packet, const wire::UdpHeader*, udp);
    return next == wire::Protocol::kUdp && ports->destination_port == tables.snapshot.udp_port;
}

uint8_t ttl_of(const path::Meta& meta) noexcept {
    return meta.layer3 == path::Layer3::kIpv4 ? static_cast<const wire::Ipv4Header*>(meta.header)->ttl
                                              : static_cast<const wire::Ipv6Header*>(meta.header)->hop_limit;
}

IpAddress destination_of(const path::Meta& meta) noexcept {
    if (meta.layer3 == path::Layer3::kIpv4) {
        return wire::address_of(static_cast<const wire::Ipv4Header*>(meta.header)->destination);
    }
    return wire::address_of(static_cast<const wire::Ipv6Header*>(meta.header)->destination);
}

}  // namespace

Speaker::Speaker(port::Pools pools)
    : pools_(pools),
      answers_due_(std::make_unique<uint64_t[]>(path::kMaxPorts)),
      second_(rte_get_tsc_hz()) {}

std::optional<IpAddress> Speaker::own_address(const view::Network& network, const IpAddress& peer) noexcept {
    std::optional<IpAddress> best;
    for (const IpAddress& address : network.addresses) {
        if (address.is_v4() != peer.is_v4()) continue;
        if (!best) best = address;
        for (const IpPrefix& subnet : network.subnets) {
            if (subnet.contains(address) && subnet.contains(peer)) return address;
        }
    }
    return best;
}

// --- decide ---

bool Speaker::decide(path::Meta& meta, const route::NextHop& hop, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (network.is_underlay && hop.kind != route::HopKind::kLocal && hop.kind != route::HopKind::kMartian) {
        return path::drop(meta, Drop::kUnderlayTransit);
    }
    switch (hop.kind) {
        case route::HopKind::kLocal: meta.fate = path::Fate::kLocal; return true;
        case route::HopKind::kBlackhole: return path::drop(meta, Drop::kBlackhole);
        case route::HopKind::kUnreachable: return path::drop(meta, Drop::kUnreachableRoute);
        case route::HopKind::kBroadcast: return path::drop(meta, Drop::kDirectedBroadcast);
        case route::HopKind::kMartian: {
            const IpAddress destination = destination_of(meta);
            if (has(network.addresses, destination)) {
                meta.fate = path::Fate::kLocal;
                return true;
            }
            const bool link_local =
                meta.layer3 == path::Layer3::kIpv4
                    ? wire::is_link_local4(destination.v4())
                    : wire::is_link_local6(static_cast<const wire::Ipv6Header*>(meta.header)->destination);
            return path::drop(meta, link_local ? Drop::kBeyondScope : Drop::kMartian);
        }
        case route::HopKind::kVia:
            if (ttl_of(meta) <= 1) return path::drop(meta, Drop::kTtlExceeded);
            meta.neighbor = hop.neighbor;
            meta.fate = path::Fate::kRoute;
            return true;
        case route::HopKind::kConnected: {
            if (ttl_of(meta) <= 1) return path::drop(meta, Drop::kTtlExceeded);
            const IpAddress destination = destination_of(meta);
            neighbor::Entry* entry = tables.neighbors.find(hop.network, destination);
            if (unlikely(tables.assumed != nullptr) && (entry == nullptr || !entry->resolved())) {
                entry = tables.assumed->find_or_ask(hop.network, destination);
            } else if (entry == nullptr && may_answer(meta.ingress)) {
                entry = tables.neighbors.add(hop.network, destination, tables.now);
            }
            if (entry == nullptr) return path::drop(meta, Drop::kNeighborPending);
            meta.neighbor = entry;
            meta.fate = path::Fate::kRoute;
            return true;
        }
        case route::HopKind::kGroup:
        case route::HopKind::kNone: break;
    }
    return path::drop(meta, Drop::kNoRoute);
}

bool Speaker::decide_unusual(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    const route::Table& routes = *tables.network(meta.network).routes;
    route::HopId id = 0;
    bool link_local = false;
    if (meta.layer3 == path::Layer3::kIpv4) {
        const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
        if (wire::is_martian_source4(ip->source.host()) || ip->destination.host() >= 0xe000'0000) {
            return path::drop(meta, Drop::kMartian);
        }
        if (has_source_route(*ip)) return path::drop(meta, Drop::kSourceRoute);
        link_local = wire::is_link_local4(ip->source.host());
        id = routes.fib4().find(ip->destination.host());
    } else {
        const auto* ip = static_cast<const wire::Ipv6Header*>(meta.header);
        link_local = wire::is_link_local6(ip->source);
        id = routes.fib6().find(ip->destination.data());
    }
    const route::NextHop* hop = &tables.hops[id];
    if (hop->kind == route::HopKind::kGroup) hop = &tables.hops[hop->pick(wire::flow_hash(packet))];
    // It may talk to the router, and to nobody behind it.
    const bool stays = hop->kind == route::HopKind::kLocal || hop->kind == route::HopKind::kMartian;
    if (link_local && !stays) return path::drop(meta, Drop::kBeyondScope);
    return decide(meta, *hop, tables);
}

// --- apply ---

void Speaker::apply(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    switch (meta.fate) {
        case path::Fate::kFlood: return flood(meta, packet, tables);
        case path::Fate::kLocal: return receive(meta, packet, tables);
        case path::Fate::kRouteUnseen: return route_unseen(meta, packet, tables);
        case path::Fate::kHeld: return tables.tracker.hold(meta, packet, tables);
        default: return drop(meta, meta.reason, packet, tables);
    }
}

void Speaker::drop(path::Meta& meta, Drop reason, rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (is_wrapped(meta, packet, tables)) return drop_wrapped(meta, reason, packet, tables);
    if (error_for(reason)) answer_with_error(meta, reason, 0, packet, tables);
    tables.counters.drop(path::drop_place(meta, reason), reason, packet,
                         path::drop_site(meta, reason, is_policy(reason) ? meta.connection.object : 0));
    rte_pktmbuf_free(packet);
}

// What is told is the frame that was to go into the tunnel, and where it came from.
void Speaker::drop_wrapped(const path::Meta& meta, Drop reason, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const path::PortId tunnel = meta.ingress;
    const path::PortId ingress = path::came_by(packet);
    const vxlan::Tunnel& headers = tables.slot(tunnel).tunnel->headers;
    const auto outer = static_cast<uint16_t>(headers.overhead());
    path::NetworkId network = meta.network;
    if (packet->data_len >= outer && packet->pkt_len > outer) {
        const uint32_t at = outer - uint32_t{sizeof(wire::VxlanHeader)};
        const auto* vxlan = rte_pktmbuf_mtod_offset(packet, const wire::VxlanHeader*, at);
        network = tables.snapshot.vnis.find(vxlan->vni());
        rte_pktmbuf_adj(packet, outer);
    }
    const bool is_of_sender = path::is_of_ingress(reason) && ingress != path::kNoPort;
    tables.counters.drop(is_of_sender ? ingress : tunnel, reason, packet,
                         {.ingress = ingress, .egress = tunnel, .network = network});
    rte_pktmbuf_free(packet);
}

// Of a packet to a port that is down or has no link.
void Speaker::drop_absent(path::Meta& meta, path::PortId port, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const port::Port* up = tables.slot(port).port;
    const Drop reason = up != nullptr && !up->has_link() ? Drop::kLinkDown : Drop::kPortDown;
    if (is_wrapped(meta, packet, tables)) return drop_wrapped(meta, reason, packet, tables);
    answer_with_error(meta, Drop::kHostUnreachable, 0, packet, tables);
    tables.counters.drop(port, reason, packet, {.ingress = meta.ingress, .egress = port, .network = meta.network});
    rte_pktmbuf_free(packet);
}

// --- neighbors ---

bool Speaker::may_answer(path::PortId port) noexcept {
    const uint64_t now = rte_rdtsc();
    const uint64_t interval = second_ / kAnswersPerSecond;
    uint64_t& due = answers_due_[path::index(port)];
    if (due > now + interval * (kAnswersAtOnce - 1)) return false;
    due = std::max(due, now) + interval;
    return true;
}

void Speaker::resolve(path::Meta& meta, neighbor::Entry& neighbor, rte_mbuf* packet,
                      const view::Tables& tables) noexcept {
    const guard::Owners::Entry* absent = tables.snapshot.absent.find(neighbor.network, neighbor.address);
    if (tables.assumed != nullptr) {
        if (absent != nullptr) return drop_absent(meta, absent->port, packet, tables);
        meta.neighbor = tables.assumed->find(neighbor.network, neighbor.address);
        if (meta.neighbor != nullptr) return route_again(meta, packet, tables);
        tables.assumed->waits_for = &neighbor;
        return consume(packet, tables);
    }
    if (tables.neighbors.ask(neighbor, tables.now)) solicit(neighbor, tables);
    // The address is asked for nevertheless: it may be elsewhere by now.
    if (absent != nullptr) return drop_absent(meta, absent->port, packet, tables);
    // Large buffers are few, and no container could be read while they wait here.
    const bool may_wait = packet->pkt_len <= port::kBufferSize;
    if (may_wait && tables.neighbors.hold(neighbor, {packet, meta.ingress, meta.network})) return;
    if (neighbor.resolved()) return route_again(meta, packet, tables);
    drop(meta, Drop::kNeighborPending, packet, tables);
}

void Speaker::solicit(const neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    if (path::index(neighbor.network) >= tables.snapshot.networks.size()) return;
    const view::Network& network = tables.network(neighbor.network);
    const auto from = own_address(network, neighbor.address);
    if (network.mac == 0 || !from) return;
    std::optional<wire::MacBytes> to;
    if (neighbor.state.load(std::memory_order_relaxed) == neighbor::State::kProbe) {
        to = bytes_of(neighbor.mac.load(std::memory_order_relaxed));
    }
    const wire::MacBytes mac = bytes_of(network.mac);
    rte_mbuf* packet =
        neighbor.address.is_v4()
            ? wire::build_arp_request(pools_.buffers, mac, *from, neighbor.address, to)
            : wire::build_neighbor_solicitation(pools_.buffers, mac, *from, neighbor.address, to);
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    send_in(neighbor.network, packet, tables);
}

// Packets that have waited for the address that is known now.
void Speaker::resume(neighbor::Held& waiting, neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    for (uint16_t i = 0; i < waiting.count; ++i) {
        path::Meta meta = waiting_meta(waiting.packets[i], tables);
        meta.neighbor = &neighbor;
        route_again(meta, waiting.packets[i].packet, tables);
    }
}

// What was judged before its way was known is judged again; what a tunnel of ours sends never is.
void Speaker::route_again(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (meta.layer3 == path::Layer3::kOther || tables.tracker.decide_again(meta, packet, tables)) {
        route(meta, packet, tables);
    } else {
        apply(meta, packet, tables);
    }
}

// It may have become known meanwhile: by another packet, to another worker.
void Speaker::route_unseen(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    const path::PortId exit = likely_exit_of(neighbor, mac, tables.network(neighbor.network), tables);
    if (exit != path::kNoPort) return route_again(meta, packet, tables);
    route(meta, packet, tables);
}

path::Meta Speaker::waiting_meta(const neighbor::Waiting& waiting, const view::Tables& tables) noexcept {
    path::Meta meta{};
    meta.ingress = waiting.ingress;
    meta.network = waiting.network;
    meta.fate = path::Fate::kRoute;
    meta.header = rte_pktmbuf_mtod_offset(waiting.packet, void*, kEthernet);
    // What a tunnel of ours sends is no packet that is passed on.
    const bool is_ours = tables.slot(waiting.ingress).tunnel != nullptr &&
                         path::index(waiting.network) < tables.snapshot.networks.size() &&
                         tables.network(waiting.network).is_underlay;
    const wire::EtherType type = wire::ether_type(waiting.packet);
    if (is_ours) {
        meta.layer3 = path::Layer3::kOther;  // an error would go into the tunnel, and wait there as well
    } else if (type == wire::EtherType::kIpv4) {
        meta.layer3 = path::Layer3::kIpv4;
    } else if (type == wire::EtherType::kIpv6) {
        meta.layer3 = path::Layer3::kIpv6;
    }
    const auto* frame = rte_pktmbuf_mtod(waiting.packet, const uint8_t*);
    meta.destination_mac = path::mac_key(frame);
    meta.source_mac = path::mac_key(frame + 6);
    return meta;
}

void Speaker::take_note(const path::Meta& meta, const wire::NeighborMessage& message,
                        const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (message.probe) return;
    if (has(network.addresses, message.sender)) return;
    neighbor::Held waiting;
    if (!message.has_sender_mac) {
        // The answer to a question that was asked directly says no more than that it is still there (RFC
        // 4861, 7.2.5).
        auto* known = tables.neighbors.find(meta.network, message.sender);
        const bool confirms = message.answers && !message.gratuitous && known != nullptr &&
                              known->mac.load(std::memory_order_relaxed) == meta.source_mac;
        if (confirms) tables.neighbors.learn(*known, meta.source_mac, false, tables.now, waiting);
        return;
    }
    const bool link_local = !message.sender.is_v4() && message.sender.bytes[0] == 0xfe;
    const bool on_link = std::any_of(network.subnets.begin(), network.subnets.end(),
                                     [&](const IpPrefix& s) { return s.contains(message.sender); });
    if (!on_link && !link_local && !network.subnets.empty()) return;
    uint64_t mac = 0;
    std::memcpy(&mac, message.sender_mac.data(), message.sender_mac.size());
    // Whoever claims the router's MAC address would make two hosts of an overlay pass packets to and fro.
    if (path::is_group(mac) || mac == 0 || mac == network.mac) return;
    neighbor::Entry* entry = tables.neighbors.find(meta.network, message.sender);
    // Who asks for the router will talk to it; in overlays everybody is worth knowing.
    const bool wanted = network.vni != 0 || (message.solicits && has(network.addresses, message.target));
    if (entry == nullptr && wanted && may_answer(meta.ingress)) {
        entry = tables.neighbors.add(meta.network, message.sender, tables.now);
    }
    if (entry == nullptr) return;
    const uint64_t before = entry->mac.load(std::memory_order_relaxed);
    const bool has_changed = tables.neighbors.learn(*entry, mac, message.overrides || message.solicits, tables.now, waiting);
    if (unlikely(before != 0 && before != mac)) note_rival(meta, *entry, mac, before, has_changed, tables);
    resume(waiting, *entry, tables);
    // Others may believe in the address before: not all of them hear this message. Only of the station's own: the
    // announcement is sent from its MAC address.
    const bool is_news = has_changed && before != 0 && mac == meta.source_mac && !network.flat;
    if (is_news && may_answer(meta.ingress)) {
        const Chore news{.kind = Chore::Kind::kAnnounce, .address = message.sender, .mac = mac};
        spread(meta.network, meta.ingress, build_announcement(news), tables);
    }
}

// An answer to a solicitation; false if it isn't the switch's to give.
bool Speaker::answer(const path::Meta& meta, const wire::NeighborMessage& message,
                     const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    const bool is_own_address = has(network.addresses, message.target);
    uint64_t mac = 0;
    if (is_own_address || (network.flat && !message.probe && message.target != message.sender)) {
        mac = network.mac;
    } else if (network.vni != 0 && !message.probe && message.target != message.sender &&
               tables.slot(meta.ingress).tunnel == nullptr) {
        neighbor::Entry* known = tables.neighbors.find(meta.network, message.target);
        if (known != nullptr) {
            mac = known->mac.load(std::memory_order_acquire);
            // In use: what we answer for is asked now and then whether it is there still.
            known->used.store(tables.now, std::memory_order_relaxed);
        }
    }
    if (mac == 0) return false;
    const wire::MacBytes from = bytes_of(mac);
    const wire::MacBytes to = bytes_of(meta.source_mac);
    const bool router = mac == network.mac;
    rte_mbuf* packet =
        message.target.is_v4()
            ? wire::build_arp_reply(pools_.buffers, from, message.target, to, message.sender)
            : wire::build_neighbor_advertisement(
                  pools_.buffers, from, message.target, to, message.sender,
                  {.router = router, .solicited = !message.probe, .overrides = is_own_address});
    if (packet == nullptr) return true;
    tables.counters.totals.made.add(1);
    send(meta.network, meta.ingress, packet, tables);
    return true;
}

// True if it took the packet.
bool Speaker::converse(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const auto message = wire::read_neighbor_message(packet);
    if (!message) {
        if (message.error() == wire::NoNeighborMessage::kOther) return false;
        drop(meta, Drop::kMalformedNeighbor, packet, tables);
        return true;
    }
    if (!may_be_answered(meta, packet, tables.network(meta.network), Asked::kAsOneOfMany)) return false;
    take_note(meta, *message, tables);
    if (!message->solicits || !answer(meta, *message, tables)) return false;
    consume(packet, tables);
    return true;
}

// Of a packet that the switch itself was meant by, and has understood.
void Speaker::consume(rte_mbuf* packet, const view::Tables& tables) noexcept {
    tables.counters.totals.consumed.add(1);
    rte_pktmbuf_free(packet);
}

// --- for the switch ---

void Speaker::flood(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (unlikely(wire::pop_priority_tag(packet)) && tables.snapshot.has_policies) {
        constexpr uint16_t kTag = sizeof(wire::VlanTag);
        path::Connection& connection = meta.connection;
        if (connection.is_tracked() && connection.l4_offset != 0) connection.l4_offset -= kTag;
    }
    if (network.answers && is_neighbor_message(packet) && converse(meta, packet, tables)) return;
    if (network.flat) return drop(meta, Drop::kFlatNetwork, packet, tables);
    // ARP and Neighbor Discovery between other stations of the underlay's link are background.
    if (network.is_underlay && network.members.size() <= 1 && is_neighbor_message(packet)) {
        tables.counters.drop_background(meta.ingress, packet, {.ingress = meta.ingress, .network = meta.network});
        return rte_pktmbuf_free(packet);
    }
    if (!path::is_group(meta.destination_mac)) {
        if (meta.destination_mac == network.asker) return consume(packet, tables);
        seek_departed(meta, packet, tables);
    }
    if (tables.slot(meta.ingress).tunnel == nullptr) tell_too_long(meta, meta.network, packet, tables);
    const auto& members = tables.tracker.may_reach(meta, packet, meta.network, tables);
    send_to_all(meta.network, members, meta.ingress, &meta, packet, tables);
}

void Speaker::receive(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (is_neighbor_message(packet)) {
        // Of what is bridged the bridge has asked this.
        const Drop reason = tables.judge_claim(meta, packet);
        if (reason != Drop::kCount) return drop(meta, reason, packet, tables);
        if (converse(meta, packet, tables)) return;
        // All hosts of an overlay have the same router, and any of them may be the one that asked.
        if (network.vni != 0 && tables.slot(meta.ingress).tunnel == nullptr && may_answer(meta.ingress)) {
            send_to_tunnels(meta.network, nullptr, packet, tables);
        }
        return consume(packet, tables);
    }
    if (meta.layer3 == path::Layer3::kOther) return drop(meta, Drop::kNotForRouter, packet, tables);
    if (network.is_underlay && hear(packet, tables)) return consume(packet, tables);
    switch (wire::classify_local(packet, kEthernet)) {
        case wire::LocalPacket::kEchoRequest: {
            if (!may_be_answered(meta, packet, network, Asked::kAlone)) break;
            if (!wire::is_own(packet)) {
                rte_mbuf* own = rte_pktmbuf_copy(packet, pools_.holding(packet->pkt_len), 0, UINT32_MAX);
                if (own == nullptr) return drop(meta, Drop::kNoBuffer, packet, tables);
                rte_pktmbuf_free(packet);
                packet = own;
            }
            if (!wire::make_echo_reply(packet, kEthernet)) break;
            write_macs(packet, meta.source_mac, meta.destination_mac);
            return send(meta.network, meta.ingress, packet, tables);
        }
        case wire::LocalPacket::kUdp:
        case wire::LocalPacket::kTcp:
        case wire::LocalPacket::kOther: return drop(meta, Drop::kNoListener, packet, tables);
        case wire::LocalPacket::kMalformed: return drop(meta, Drop::kMalformedIp, packet, tables);
        case wire::LocalPacket::kFragment:
        case wire::LocalPacket::kNoAnswer: break;
    }
    tables.counters.drop(meta.ingress, Drop::kNoListener, packet, path::drop_site(meta, Drop::kNoListener));
    rte_pktmbuf_free(packet);
}

void Speaker::answer_with_error(const path::Meta& meta, Drop reason, uint16_t mtu, const rte_mbuf* packet,
                                const view::Tables& tables) noexcept {
    auto kind = error_for(reason);
    // It may have waited for a neighbor until its own network was gone.
    if (path::index(meta.network) >= tables.snapshot.networks.size()) return;
    if (!kind || !tables.carries(meta.ingress, meta.network) || meta.layer3 == path::Layer3::kOther) return;
    const wire::EtherType type = wire::ether_type(packet);
    if (type != wire::EtherType::kIpv4 && type != wire::EtherType::kIpv6) return;
    if (reason == Drop::kNoListener && wire::classify_local(packet, kEthernet) == wire::LocalPacket::kOther) {
        kind = wire::IcmpErrorKind::kProtocolUnreachable;
    }
    // Of packets to groups "too big" alone is told (RFC 4443, 2.4 (e.3)), by the router.
    const Asked asked = *kind == wire::IcmpErrorKind::kTooBig ? Asked::kAsOneOfMany : Asked::kAlone;
    if (!may_be_answered(meta, packet, tables.network(meta.network), asked)) return;
    const uint64_t own_mac =
        path::is_group(meta.destination_mac) ? tables.network(meta.network).mac : meta.destination_mac;
    if (own_mac == 0) return;
    if (reason == Drop::kRejected && reset(meta, packet, tables)) return;
    const bool valid = type == wire::EtherType::kIpv4
                           ? wire::check_ipv4(packet, kEthernet) == wire::IpCheck::kValid
                           : wire::check_ipv6(packet, kEthernet) == wire::IpCheck::kValid;
    if (!valid || !wire::may_answer_with_error(packet, kEthernet, *kind) || !may_answer(meta.ingress)) return;
    IpAddress source;
    IpAddress destination;
    if (type == wire::EtherType::kIpv4) {
        const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv4Header*, kEthernet);
        source = wire::address_of(ip->source);
        destination = wire::address_of(ip->destination);
    } else {
        const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kEthernet);
        source = wire::address_of(ip->source);
        destination = wire::address_of(ip->destination);
    }
    const view::Network& network = tables.network(meta.network);
    // A bridge has no address of its own: its word is taken for the destination's.
    const IpAddress from = own_address(network, source).value_or(destination);
    rte_mbuf* error =
        wire::build_icmp_error(pools_.buffers, packet, kEthernet, {.kind = *kind, .mtu = mtu}, from);
    if (error == nullptr) return;
    tables.counters.totals.made.add(1);
    write_macs(error, meta.source_mac, own_mac);
    send(meta.network, meta.ingress, error, tables);
}

// Of a TCP segment that is rejected: true if its sender was told, or may not be told more.
bool Speaker::reset(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (meta.connection.protocol() != wire::Protocol::kTcp) return false;
    if (!may_answer(meta.ingress)) return true;
    rte_mbuf* answer = wire::build_tcp_reset(pools_.buffers, packet, kEthernet);
    if (answer == nullptr) return true;
    tables.counters.totals.made.add(1);
    write_macs(answer, meta.source_mac, meta.destination_mac);
    send(meta.network, meta.ingress, answer, tables);
    return true;
}

// --- chores ---

void Speaker::ask(std::vector<Chore> chores) {
    std::lock_guard locked(mutex_);
    chores_.insert(chores_.end(), chores.begin(), chores.end());
    has_chores_.store(true, std::memory_order_release);
}

void Speaker::do_chores(const view::Tables& tables) noexcept {
    if (done_ == doing_.size()) {
        // The control thread may be preempted with the lock: then the next turn does them.
        std::unique_lock locked(mutex_, std::try_to_lock);
        if (!locked) return;
        doing_.clear();
        done_ = 0;
        doing_.swap(chores_);
    }
    const size_t end = std::min(doing_.size(), done_ + kChoresAtOnce);
    for (; done_ < end; ++done_) {
        const Chore& chore = doing_[done_];
        switch (chore.kind) {
            case Chore::Kind::kSolicit: solicit(*chore.neighbor, tables); break;
            case Chore::Kind::kRelease: release(*chore.neighbor, tables); break;
            case Chore::Kind::kAnnounce: announce(chore, tables); break;
            case Chore::Kind::kTell: tell(chore, tables); break;
            case Chore::Kind::kPing: ping(chore.port, tables); break;
            case Chore::Kind::kVerify: verify(chore, tables); break;
        }
    }
    if (done_ < doing_.size()) return;
    std::unique_lock locked(mutex_, std::try_to_lock);
    if (locked && chores_.empty()) has_chores_.store(false, std::memory_order_release);
}

// What waits for an address that is known by now after all goes there, all else nowhere.
void Speaker::release(neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    neighbor::Held waiting;
    tables.neighbors.release(neighbor, waiting);
    if (neighbor.resolved()) return resume(waiting, neighbor, tables);
    const guard::Owners::Entry* absent = tables.snapshot.absent.find(neighbor.network, neighbor.address);
    for (uint16_t i = 0; i < waiting.count; ++i) {
        path::Meta meta = waiting_meta(waiting.packets[i], tables);
        if (absent != nullptr) {
            drop_absent(meta, absent->port, waiting.packets[i].packet, tables);
            continue;
        }
        drop(meta, Drop::kHostUnreachable, waiting.packets[i].packet, tables);
    }
}

}  // namespace sluice::engine
