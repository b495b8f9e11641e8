// Routing as stages of the path (RFC 1812, RFC 8200): what is addressed to the router's MAC address of its
// network is looked up in the network's routing domain and sent to a neighbor, by another network or the
// same. Worker side.
#pragma once

#include "bridge/bridge.h"
#include "router/decide.h"
#include "tunnel/decap.h"
#include "view/tables.h"
#include "wire/ip_check.h"

namespace sluice::router {

// Admit: what is for the router gets its headers checked and its route fetched; what came in VXLAN for an
// end point of ours gets out of it first. Nearly all of it has the addresses of the frame before it in the
// batch, and its source is learned once for all of them.
struct RouteLookup {
    template <class T>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet, const T& tables) noexcept {
        const view::Network& network = tables.network(meta.network);
        if (likely(meta.destination_mac == network.to_router) && unlikely(network.is_underlay)) {
            return tunnel::Decap::take_in(meta, packet, tables, tables.features.output) &&
                   admit_into(tables.network(meta.network), meta, packet, tables);
        }
        return admit_into(network, meta, packet, tables);
    }

 private:
    template <class T>
    [[gnu::always_inline]] static bool admit_into(const view::Network& network, path::Meta& meta, rte_mbuf* packet,
                                                  const T& tables) noexcept {
        if (meta.destination_mac != network.to_router) {
            // The packet's flow may know where both addresses are. If it doesn't, they are looked up later.
            meta.asks_flow_first = network.is_tracked;
            return meta.asks_flow_first ? bridge::Lookup::admit_claim(meta, packet, tables)
                                        : bridge::Lookup::admit(meta, packet, tables);
        }
        const path::Meta& before = path::previous(meta);
        meta.repeats = before.layer3 != path::Layer3::kNone && meta.source_mac == before.source_mac &&
                       path::origin(meta) == path::origin(before);
        if (unlikely(!meta.repeats) && !look_up_source(meta, network)) return false;
        return look_up(meta, packet, network);
    }

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
        constexpr uint16_t kMostHeaders = link::kEthernet + 60;  // IPv4's with all options
        constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
        constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
        constexpr uint16_t kVlan = wire::be16(static_cast<uint16_t>(wire::EtherType::kVlan)).raw();
        auto* ethernet = rte_pktmbuf_mtod(packet, wire::EthernetHeader*);
        if (unlikely(packet->nb_segs > 1)) {
            wire::gather_headers(packet, kMostHeaders);
            ethernet = rte_pktmbuf_mtod(packet, wire::EthernetHeader*);
        }
        meta.header = ethernet + 1;
        if (likely(ethernet->type.raw() == kIpv4)) {
            if (unlikely(wire::check_ipv4(packet, link::kEthernet) != wire::IpCheck::kValid)) {
                return path::drop(meta, path::Drop::kMalformedIp);
            }
            meta.layer3 = path::Layer3::kIpv4;
            const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
            network.routes->fib4().prefetch(ip->destination.host());
            return true;
        }
        meta.layer3 = path::Layer3::kOther;
        if (ethernet->type.raw() == kIpv6) {
            if (unlikely(wire::check_ipv6(packet, link::kEthernet) != wire::IpCheck::kValid)) {
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
    // Of a frame that is bridged like the one before it, or a packet whose source and neighbor are known.
    template <class T>
    [[gnu::always_inline]] static bool decide_usual(path::Meta& meta, const rte_mbuf* packet,
                                                    const T& tables) noexcept {
        if (unlikely(meta.fate != path::Fate::kPending || !meta.repeats)) return false;
        const path::Meta& before = path::previous(meta);
        if (meta.layer3 != path::Layer3::kNone) {
            return likely(before.fate != path::Fate::kDrop) && decide_usual_route(meta, packet, tables);
        }
        if (unlikely(before.fate != path::Fate::kForward)) return false;
        meta.egress = before.egress;
        meta.fate = path::Fate::kForward;
        return true;
    }

    template <class T>
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (meta.layer3 == path::Layer3::kNone) {
            return bridge_it(meta, tables,
                             [&]() noexcept { return bridge::Bridge::decide_unknown(meta, tables); });
        }
        if (unlikely(!knows_source(meta, tables))) return route_unknown(meta, packet, tables);
        return route(meta, packet, tables);
    }

    // Of a packet for the router: whether learning its source would change nothing.
    template <class T>
    [[gnu::always_inline]] static bool knows_source(path::Meta& meta, const T& tables) noexcept {
        // Of a run the first has been learned, if it came as far.
        if (likely(meta.repeats && path::previous(meta).fate != path::Fate::kDrop)) return true;
        meta.source_hash = bridge::MacTable::hash(meta.source_mac);
        return tables.knows_source(meta);
    }

    // Whether the router of another host of the overlay has sent the frame.
    template <class T>
    static bool is_from_router(const path::Meta& meta, const T& tables) noexcept {
        return meta.source_mac == tables.network(meta.network).mac && tables.slot(meta.ingress).tunnel != nullptr;
    }

    // `decide_unknown` is called for a frame whose source is to be learned.
    template <class T, class Unknown>
    [[gnu::always_inline]] static bool bridge_it(path::Meta& meta, const T& tables,
                                                 Unknown decide_unknown) noexcept {
        if (unlikely(meta.unusual) && is_from_router(meta, tables)) return bridge_from_router(meta, tables);
        if (!bridge::Bridge::decide_or(meta, tables, decide_unknown)) return false;
        // There is no bridging between the ports of a flat network: what isn't for the router is ARP and
        // ND at best.
        if (unlikely(tables.network(meta.network).flat)) meta.fate = path::Fate::kFlood;
        return true;
    }

 private:
    template <class T>
    [[gnu::always_inline]] static bool route(path::Meta& meta, const rte_mbuf* packet, const T& tables) noexcept {
        return likely(decide_usual_route(meta, packet, tables)) ||
               decide_route(meta, packet, tables, tables.features.link);
    }

    template <class T>
    [[gnu::noinline]] static bool route_unknown(path::Meta& meta, const rte_mbuf* packet,
                                                const T& tables) noexcept {
        return bridge::Bridge::admit_source(meta, tables) &&
               route(meta, packet, tables) && bridge::Bridge::learn(meta, tables);
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

}  // namespace sluice::router
