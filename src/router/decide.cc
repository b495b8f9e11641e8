#include "router/decide.h"

#include <algorithm>

#include "wire/address.h"

namespace sluice::router {
namespace {

using path::Drop;
using route::HopKind;

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

bool decide_hop(path::Meta& meta, const route::NextHop& hop, const view::Tables& tables, link::Link& link) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (network.is_underlay && hop.kind != HopKind::kLocal && hop.kind != HopKind::kMartian) {
        return path::drop(meta, Drop::kUnderlayTransit);
    }
    switch (hop.kind) {
        case HopKind::kLocal: meta.fate = path::Fate::kLocal; return true;
        case HopKind::kBlackhole: return path::drop(meta, Drop::kBlackhole);
        case HopKind::kUnreachable: return path::drop(meta, Drop::kUnreachableRoute);
        case HopKind::kBroadcast: return path::drop(meta, Drop::kDirectedBroadcast);
        case HopKind::kMartian: {
            const IpAddress destination = destination_of(meta);
            const auto& own = network.addresses;
            if (std::find(own.begin(), own.end(), destination) != own.end()) {
                meta.fate = path::Fate::kLocal;
                return true;
            }
            const bool link_local =
                meta.layer3 == path::Layer3::kIpv4
                    ? wire::is_link_local4(destination.v4())
                    : wire::is_link_local6(static_cast<const wire::Ipv6Header*>(meta.header)->destination);
            return path::drop(meta, link_local ? Drop::kBeyondScope : Drop::kMartian);
        }
        case HopKind::kVia:
            if (ttl_of(meta) <= 1) return path::drop(meta, Drop::kTtlExceeded);
            meta.neighbor = hop.neighbor;
            meta.fate = path::Fate::kRoute;
            return true;
        case HopKind::kConnected: {
            if (ttl_of(meta) <= 1) return path::drop(meta, Drop::kTtlExceeded);
            const IpAddress destination = destination_of(meta);
            neighbor::Entry* entry = tables.neighbors.find(hop.network, destination);
            if (unlikely(tables.assumed != nullptr) && (entry == nullptr || !entry->resolved())) {
                entry = tables.assumed->find_or_ask(hop.network, destination);
            } else if (entry == nullptr && link.may_answer(meta.ingress)) {
                entry = tables.neighbors.add(hop.network, destination, tables.now);
            }
            if (entry == nullptr) return path::drop(meta, Drop::kNeighborPending);
            meta.neighbor = entry;
            meta.fate = path::Fate::kRoute;
            return true;
        }
        case HopKind::kGroup:
        case HopKind::kNone: break;
    }
    return path::drop(meta, Drop::kNoRoute);
}

bool decide_unusual(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables, link::Link& link) noexcept {
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
    if (hop->kind == HopKind::kGroup) hop = &tables.hops[hop->pick(wire::flow_hash(packet))];
    // It may talk to the router, and to nobody behind it.
    const bool stays = hop->kind == HopKind::kLocal || hop->kind == HopKind::kMartian;
    if (link_local && !stays) return path::drop(meta, Drop::kBeyondScope);
    return decide_hop(meta, *hop, tables, link);
}

}  // namespace sluice::router
