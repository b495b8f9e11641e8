// Where a packet for the router goes next: the route is looked up, and its next hop gives the packet its fate.
// Worker side.
#pragma once

#include "link/link.h"
#include "route/next_hop.h"
#include "view/tables.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"
#include "wire/ip_check.h"

namespace sluice::router {

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

// The same of an IPv6 source: the first octet of martians, link-local addresses and multicast is 0, 0xfe or 0xff.
[[gnu::always_inline]] inline bool is_unusual_source6(const wire::Ipv6Bytes& source) noexcept {
    return static_cast<uint8_t>(source[0] + 2) <= 2;
}

// What a route is looked up by: values, of a packet's header or of a decision that is being made.
struct Query {
    IpAddress source;
    IpAddress destination;
    path::NetworkId network;  // that the packet came in
    path::PortId ingress;
    uint32_t hash;            // of the flow: it picks one of several next hops
    uint8_t ttl;              // or hop limit
    bool has_source_route;    // an option that a router may not follow
};

struct Answer {
    path::Fate fate = path::Fate::kDrop;  // or kRoute, kLocal
    path::Drop reason{};                  // of kDrop
    neighbor::Entry* neighbor = nullptr;  // of kRoute
};

// Of any packet for the router.
Answer find_route(const Query& query, const view::Tables& tables, link::Link& link) noexcept;

// What the packet's IP header says, with its options.
struct Header {
    uint32_t hash;
    uint8_t ttl;
    bool has_source_route;
};
Header read_header(const path::Meta& meta, const rte_mbuf* packet) noexcept;

// Out of line, of a packet in hand that decide_usual_route() leaves.
bool decide_route(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables, link::Link& link) noexcept;

// The destination itself, on the link of that network; null: it is not known yet.
[[gnu::always_inline]] inline neighbor::Entry* find_destination(const path::Meta& meta, path::NetworkId network,
                                                                const view::Tables& tables) noexcept {
    const auto words = likely(meta.layer3 == path::Layer3::kIpv4)
                           ? neighbor::words_of(static_cast<const wire::Ipv4Header*>(meta.header)->destination)
                           : neighbor::words_of(static_cast<const wire::Ipv6Header*>(meta.header)->destination);
    return tables.neighbors.find(network, words);
}

// Of a packet whose connection nobody tracks: by its header, in line. False for all that has more to it than most
// (options, a link-local source, an address of the router's own), which is left as it was.
[[gnu::always_inline]] inline bool decide_usual_route(path::Meta& meta, const rte_mbuf* packet,
                                                      const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    const route::Table& routes = *network.routes;
    route::HopId id = 0;
    if (likely(meta.layer3 == path::Layer3::kIpv4)) {
        const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
        const uint8_t unusual = kUnusualOctets.source[ip->source.raw() & 0xff] |
                                kUnusualOctets.destination[ip->destination.raw() & 0xff] |
                                (ip->version_size ^ 0x45) | uint8_t{network.only_tunnels};
        if (unlikely(unusual != 0 || ip->ttl <= 1)) return false;
        id = routes.fib4().find(ip->destination.host());
    } else if (meta.layer3 == path::Layer3::kIpv6) {
        const auto* ip = static_cast<const wire::Ipv6Header*>(meta.header);
        if (unlikely(is_unusual_source6(ip->source) || network.only_tunnels || ip->hop_limit <= 1)) return false;
        id = routes.fib6().find(ip->destination.data());
    } else {
        return false;
    }
    neighbor::Entry* neighbor = tables.hops[id].neighbor;
    if (neighbor == nullptr) {
        const route::NextHop& hop =
            route::hop_of(tables.hops, id, [&]() noexcept { return wire::flow_hash(packet); });
        neighbor =
            hop.kind == route::HopKind::kConnected ? find_destination(meta, hop.network, tables) : hop.neighbor;
        if (unlikely(neighbor == nullptr)) return false;
    }
    meta.neighbor = neighbor;
    meta.fate = path::Fate::kRoute;
    return true;
}

}  // namespace sluice::router
