#include "router/decide.h"

#include <algorithm>

#include "wire/address.h"

namespace sluice::router {
namespace {

using path::Drop;
using path::Fate;
using route::HopKind;

constexpr Answer dropped(Drop reason) noexcept { return {Fate::kDrop, reason, nullptr}; }
constexpr Answer for_us() noexcept { return {Fate::kLocal, {}, nullptr}; }
constexpr Answer to(neighbor::Entry* neighbor) noexcept { return {Fate::kRoute, {}, neighbor}; }

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

bool is_link_local(const IpAddress& address) noexcept {
    return address.is_v4() ? wire::is_link_local4(address.v4()) : wire::is_link_local6(address.bytes);
}

bool is_martian_source(const IpAddress& address) noexcept {
    return address.is_v4() ? wire::is_martian_source4(address.v4()) : wire::is_martian_source6(address.bytes);
}

Query query_of(const path::Meta& meta, const rte_mbuf* packet) noexcept {
    const Header header = read_header(meta, packet);
    Query query{.network = meta.network,
                .ingress = meta.ingress,
                .hash = header.hash,
                .ttl = header.ttl,
                .has_source_route = header.has_source_route};
    if (meta.layer3 == path::Layer3::kIpv4) {
        const auto& ip = *static_cast<const wire::Ipv4Header*>(meta.header);
        query.source = wire::address_of(ip.source);
        query.destination = wire::address_of(ip.destination);
    } else {
        const auto& ip = *static_cast<const wire::Ipv6Header*>(meta.header);
        query.source = wire::address_of(ip.source);
        query.destination = wire::address_of(ip.destination);
    }
    return query;
}

// The neighbor that is the destination itself.
Answer to_destination(const route::NextHop& hop, const Query& query, const view::Tables& tables,
                      link::Link& link) noexcept {
    neighbor::Entry* entry = tables.neighbors.find(hop.network, query.destination);
    if (entry == nullptr && link.may_answer(query.ingress)) {
        entry = tables.neighbors.add(hop.network, query.destination, tables.now);
    }
    return entry != nullptr ? to(entry) : dropped(Drop::kNeighborPending);
}

// What a next hop comes to; no group's.
Answer answer_of(const route::NextHop& hop, const Query& query, const view::Tables& tables,
                 link::Link& link) noexcept {
    const view::Network& network = tables.network(query.network);
    if (network.only_tunnels && hop.kind != HopKind::kLocal && hop.kind != HopKind::kMartian) {
        return dropped(Drop::kUnderlayTransit);
    }
    switch (hop.kind) {
        case HopKind::kLocal: return for_us();
        case HopKind::kBlackhole: return dropped(Drop::kBlackhole);
        case HopKind::kUnreachable: return dropped(Drop::kUnreachableRoute);
        case HopKind::kBroadcast: return dropped(Drop::kDirectedBroadcast);
        case HopKind::kMartian: {
            const auto& own = network.addresses;
            if (std::find(own.begin(), own.end(), query.destination) != own.end()) return for_us();
            return dropped(is_link_local(query.destination) ? Drop::kBeyondScope : Drop::kMartian);
        }
        case HopKind::kVia: return query.ttl <= 1 ? dropped(Drop::kTtlExceeded) : to(hop.neighbor);
        case HopKind::kConnected:
            return query.ttl <= 1 ? dropped(Drop::kTtlExceeded) : to_destination(hop, query, tables, link);
        case HopKind::kGroup:
        case HopKind::kNone: break;
    }
    return dropped(Drop::kNoRoute);
}

bool give(path::Meta& meta, const Answer& answer) noexcept {
    if (answer.fate == Fate::kDrop) return path::drop(meta, answer.reason);
    meta.fate = answer.fate;
    if (answer.fate == Fate::kRoute) meta.neighbor = answer.neighbor;
    return true;
}

}  // namespace

Header read_header(const path::Meta& meta, const rte_mbuf* packet) noexcept {
    Header header{.hash = wire::flow_hash(packet), .ttl = 0, .has_source_route = false};
    if (meta.layer3 == path::Layer3::kIpv4) {
        const auto& ip = *static_cast<const wire::Ipv4Header*>(meta.header);
        header.ttl = ip.ttl;
        header.has_source_route = has_source_route(ip);
    } else if (meta.layer3 == path::Layer3::kIpv6) {
        header.ttl = static_cast<const wire::Ipv6Header*>(meta.header)->hop_limit;
    }
    return header;
}

Answer find_route(const Query& query, const view::Tables& tables, link::Link& link) noexcept {
    const bool is_multicast4 = query.destination.is_v4() && query.destination.v4() >= 0xe000'0000;
    if (is_martian_source(query.source) || is_multicast4) return dropped(Drop::kMartian);
    if (query.has_source_route) return dropped(Drop::kSourceRoute);
    const route::Table& routes = *tables.network(query.network).routes;
    const route::HopId id = query.destination.is_v4() ? routes.fib4().find(query.destination.v4())
                                                      : routes.fib6().find(query.destination.bytes.data());
    const route::NextHop& hop = route::hop_of(tables.hops, id, [&]() noexcept { return query.hash; });
    // It may talk to the router, and to nobody behind it.
    const bool stays = hop.kind == HopKind::kLocal || hop.kind == HopKind::kMartian;
    if (is_link_local(query.source) && !stays) return dropped(Drop::kBeyondScope);
    return answer_of(hop, query, tables, link);
}

bool decide_route(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables,
                  link::Link& link) noexcept {
    if (meta.layer3 == path::Layer3::kOther) {
        meta.fate = Fate::kLocal;
        return true;
    }
    return give(meta, find_route(query_of(meta, packet), tables, link));
}

}  // namespace sluice::router
