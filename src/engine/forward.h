// Routing as stages of the path (RFC 1812, RFC 8200): what is addressed to the router's MAC address of its
// network is looked up in the network's routing domain and sent to a neighbor, by another network or the
// same. What needs more than that (ARP, the switch's own addresses, errors to answer, neighbors that have
// to be asked for) is the speaker's, once the packet has got this fate. Worker side.
#pragma once

#include "bridge/bridge.h"
#include "engine/overlay.h"
#include "engine/speaker.h"
#include "view/tables.h"
#include "wire/flow_hash.h"
#include "wire/ip_check.h"

namespace sluice::engine {

// Which first octets of an IPv4 address need a closer look: of a source, and of a destination. (Martians;
// link-local addresses among them. Most martian destinations have routes of their own.)
struct UnusualOctets {
    uint8_t source[256]{};
    uint8_t destination[256]{};

    constexpr UnusualOctets() {
        for (int octet : {0, 127, 169}) source[octet] = 1;
        for (int octet = 224; octet < 256; ++octet) source[octet] = destination[octet] = 1;
    }
};
inline constexpr UnusualOctets kUnusualOctets;

// Admit: what is for the router gets its headers checked and its route fetched; what came in VXLAN for an
// end point of ours gets out of it first. Nearly all of it has the addresses of the frame before it in the
// batch, and its source is learned once for all of them.
struct RouteLookup {
    template <class T>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet, const T& tables) noexcept {
        const view::Network* network = &tables.network(meta.network);
        if (likely(meta.destination_mac == network->to_router) && unlikely(network->is_underlay)) {
            if (!Decap::take_in(meta, packet, tables)) return false;
            network = &tables.network(meta.network);
        }
        meta.layer3 = path::Layer3::kNone;
        if (meta.destination_mac != network->to_router) {
            // Where the guard has proven the source, the packet's flow may know the destination's port. If the flow
            // doesn't, both addresses are looked up later.
            meta.asks_flow_first = meta.guarded == path::Guarded::kOwnMac && network->is_tracked;
            return meta.asks_flow_first ? bridge::Lookup::admit_claim(meta, packet, tables)
                                        : bridge::Lookup::admit(meta, packet, tables);
        }
        const path::Meta& before = *meta.before;
        meta.repeats = before.layer3 != path::Layer3::kNone && meta.source_mac == before.source_mac &&
                       path::origin(meta) == path::origin(before);
        if (unlikely(!meta.repeats) && !look_up_source(meta, *network)) return false;
        return look_up(meta, packet, *network);
    }

 private:
    [[gnu::always_inline]] static bool look_up_source(path::Meta& meta, const view::Network& network) noexcept {
        if (unlikely(path::is_group(meta.source_mac) || meta.source_mac == 0)) {
            return path::drop(meta, path::Drop::kInvalidSource);
        }
        meta.source_hash = bridge::MacTable::hash(meta.source_mac);
        network.table->prefetch(meta.source_hash);
        return true;
    }

    [[gnu::always_inline]] static bool look_up(path::Meta& meta, rte_mbuf* packet,
                                               const view::Network& network) noexcept {
        constexpr uint16_t kMostHeaders = kEthernet + 60;  // IPv4's with all options
        constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
        constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
        constexpr uint16_t kVlan = wire::be16(static_cast<uint16_t>(wire::EtherType::kVlan)).raw();
        if (unlikely(packet->nb_segs > 1)) wire::gather_headers(packet, kMostHeaders);
        auto* ethernet = rte_pktmbuf_mtod(packet, wire::EthernetHeader*);
        meta.header = ethernet + 1;
        if (likely(ethernet->type.raw() == kIpv4)) {
            if (unlikely(wire::check_ipv4(packet, kEthernet) != wire::IpCheck::kValid)) {
                return path::drop(meta, path::Drop::kMalformedIp);
            }
            meta.layer3 = path::Layer3::kIpv4;
            const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
            network.routes->fib4().prefetch(ip->destination.host());
            return true;
        }
        meta.layer3 = path::Layer3::kOther;
        if (ethernet->type.raw() == kIpv6) {
            if (unlikely(wire::check_ipv6(packet, kEthernet) != wire::IpCheck::kValid)) {
                return path::drop(meta, path::Drop::kMalformedIp);
            }
            meta.layer3 = path::Layer3::kIpv6;
            const auto* ip = static_cast<const wire::Ipv6Header*>(meta.header);
            network.routes->fib6().prefetch(ip->destination.data());
        } else if (ethernet->type.raw() == kVlan && wire::pop_priority_tag(packet)) {
            return look_up_again(meta, packet, network);
        }
        return true;
    }

    // Of a frame that had a priority tag.
    [[gnu::noinline]] static bool look_up_again(path::Meta& meta, rte_mbuf* packet,
                                                const view::Network& network) noexcept {
        return look_up(meta, packet, network);
    }
};

// Decide: bridge or route.
struct Forward {
    template <class T>
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (meta.layer3 == path::Layer3::kNone) {
            return bridge_it(meta, tables, [&]() noexcept { return bridge::Bridge::decide_unknown(meta, tables); });
        }
        if (unlikely(!knows_source(meta, tables))) return route_unknown(meta, packet, tables);
        return route(meta, packet, tables);
    }

    // Of a packet for the router: whether learning its source would change nothing.
    template <class T>
    [[gnu::always_inline]] static bool knows_source(path::Meta& meta, const T& tables) noexcept {
        // Of a run the first has been learned, if it came as far.
        if (likely(meta.repeats && meta.before->fate != path::Fate::kDrop)) return true;
        meta.source_hash = bridge::MacTable::hash(meta.source_mac);
        return tables.knows_source(meta);
    }

    // `decide_unknown` is called for a frame whose source is to be learned.
    template <class T, class Unknown>
    [[gnu::always_inline]] static bool bridge_it(path::Meta& meta, const T& tables,
                                                 Unknown decide_unknown) noexcept {
        if (unlikely(meta.unusual) && meta.source_mac == tables.network(meta.network).mac &&
            tables.slot(meta.ingress).tunnel != nullptr) {
            return bridge_from_router(meta, tables);
        }
        if (!bridge::Bridge::decide_or(meta, tables, decide_unknown)) return false;
        // There is no bridging between the ports of a flat network: what isn't for the router is ARP and
        // ND at best.
        if (unlikely(tables.network(meta.network).flat)) meta.fate = path::Fate::kFlood;
        return true;
    }

    [[gnu::always_inline]] static bool route(path::Meta& meta, const rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        const view::Network& network = tables.network(meta.network);
        const route::Table& routes = *network.routes;
        route::HopId id = 0;
        uint8_t ttl = 0;
        if (likely(meta.layer3 == path::Layer3::kIpv4)) {
            const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
            const uint8_t unusual = kUnusualOctets.source[ip->source.raw() & 0xff] |
                                    kUnusualOctets.destination[ip->destination.raw() & 0xff] |
                                    (ip->version_size ^ 0x45);
            if (unlikely(unusual != 0)) return tables.speaker.decide_unusual(meta, packet, tables);
            id = routes.fib4().find(ip->destination.host());
            ttl = ip->ttl;
        } else if (meta.layer3 == path::Layer3::kIpv6) {
            const auto* ip = static_cast<const wire::Ipv6Header*>(meta.header);
            if (unlikely(wire::is_martian_source6(ip->source))) {
                return path::drop(meta, path::Drop::kMartian);
            }
            if (unlikely(wire::is_link_local6(ip->source))) {
                return tables.speaker.decide_unusual(meta, packet, tables);
            }
            id = routes.fib6().find(ip->destination.data());
            ttl = ip->hop_limit;
        } else {
            meta.fate = path::Fate::kLocal;
            return true;
        }
        const route::NextHop* hop = &tables.hops[id];
        if (unlikely(hop->kind == route::HopKind::kGroup)) hop = &tables.hops[hop->pick(wire::flow_hash(packet))];
        if (unlikely(hop->kind != route::HopKind::kVia || network.is_underlay)) {
            return tables.speaker.decide(meta, *hop, tables);
        }
        if (unlikely(ttl <= 1)) return path::drop(meta, path::Drop::kTtlExceeded);
        meta.neighbor = hop->neighbor;
        meta.fate = path::Fate::kRoute;
        return true;
    }

 private:
    template <class T>
    [[gnu::noinline]] static bool route_unknown(path::Meta& meta, const rte_mbuf* packet,
                                                const T& tables) noexcept {
        return bridge::Bridge::admit_source(meta, tables) && route(meta, packet, tables) &&
               bridge::Bridge::learn(meta, tables);
    }

    // From a tunnel: the routers of an overlay's hosts have one address, which is behind no port. Learned,
    // it would move with every other packet from two of them, and each move makes all neighbors be looked
    // up again.
    template <class T>
    [[gnu::noinline]] static bool bridge_from_router(path::Meta& meta, const T& tables) noexcept {
        if (meta.repeats && !bridge::Lookup::look_up(meta, tables)) return false;
        return bridge::Bridge::forward(meta, tables);
    }
};

// Apply, the last stage.
struct Deliver {
    [[gnu::always_inline]] static void apply(path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            const view::PortSlot& slot = tables.slot(meta.egress);
            if (likely(slot.is_plain_exit())) {
                tables.egress.send(*slot.port, packet);
            } else if (slot.tunnel != nullptr) {
                tables.speaker.send_by_tunnel(meta, packet, slot, tables);
            } else {
                tables.egress.send(slot.exit(meta.network), packet);
            }
        } else if (likely(meta.fate == path::Fate::kRoute || meta.fate == path::Fate::kRouteBy)) {
            route(meta, packet, tables);
        } else {
            tables.speaker.apply(meta, packet, tables);
        }
    }

 private:
    [[gnu::always_inline]] static void route(path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
        const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
        const view::Network& network = tables.network(neighbor.network);
        const path::PortId exit = meta.fate == path::Fate::kRouteBy
                                      ? meta.egress
                                      : Speaker::exit_of(neighbor, mac, network, tables);
        if (unlikely(exit == path::kNoPort || mac == 0)) return tables.speaker.route(meta, packet, tables);
        const view::PortSlot& slot = tables.slot(exit);
        if (likely(slot.is_plain_exit())) {
            // Nothing to be done to it there.
            if (unlikely(!port::Egress::is_plain(*slot.port, packet))) {
                return tables.speaker.route(meta, packet, tables);
            }
            readdress(meta, packet, neighbor, mac, network, tables);
            return tables.egress.send_plain(*slot.port, packet);
        }
        if (slot.tunnel != nullptr) {
            WayIn& way = tables.speaker.way_in(exit, neighbor.network, slot, tables);
            if (likely(way.takes(packet))) {
                readdress(meta, packet, neighbor, mac, network, tables);
                return way.enter(packet, tables.egress);
            }
        }
        tables.speaker.route(meta, packet, tables);
    }

    [[gnu::always_inline]] static void readdress(const path::Meta& meta, rte_mbuf* packet,
                                                 neighbor::Entry& neighbor, uint64_t mac,
                                                 const view::Network& network, const view::Tables& tables) noexcept {
        Speaker::count_down(meta);
        Speaker::write_macs(packet, mac, network.mac);
        if (unlikely(neighbor.used.load(std::memory_order_relaxed) != tables.now) &&
            tables.assumed == nullptr) {
            neighbor.used.store(tables.now, std::memory_order_relaxed);
        }
    }
};

}  // namespace sluice::engine
