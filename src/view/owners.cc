// What a snapshot's owners of addresses say about a packet (guard/owners.h).
#include <algorithm>

#include "view/tables.h"
#include "wire/address.h"

namespace sluice::view {
namespace {

using path::Drop;

// The routers of all hosts of an overlay have one MAC address and one IP address.
bool is_router(const path::Meta& meta, const Tables& tables) noexcept {
    return tables.slot(meta.ingress).tunnel != nullptr && meta.source_mac == tables.network(meta.network).mac;
}

// Most IPv6, which claims nothing.
bool is_plain_ipv6(const rte_mbuf* packet) noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    if (packet->data_len < kIp + sizeof(wire::Ipv6Header)) return false;
    const auto* ethernet = rte_pktmbuf_mtod(packet, const wire::EthernetHeader*);
    const wire::Protocol next = reinterpret_cast<const wire::Ipv6Header*>(ethernet + 1)->protocol();
    return ethernet->ether_type() == wire::EtherType::kIpv6 &&
           (next == wire::Protocol::kTcp || next == wire::Protocol::kUdp);
}

// For the log, where it is known at which MAC address the owner is.
void note_claim(const path::Meta& meta, const guard::Claim& claim, const Tables& tables) noexcept {
    const neighbor::Entry* owner = tables.neighbors.find(meta.network, claim.address);
    const uint64_t at = owner != nullptr ? owner->mac.load(std::memory_order_relaxed) : 0;
    const auto& own = tables.network(meta.network).addresses;
    const bool is_gateway = std::find(own.begin(), own.end(), claim.address) != own.end();
    const uint64_t other = is_gateway ? tables.network(meta.network).mac : at;
    if (other == 0) return;
    tables.counters.events.note({.kind = path::Event::Kind::kClaimed,
                                 .network = meta.network,
                                 .address = claim.address,
                                 .mac = claim.mac != 0 ? claim.mac : meta.source_mac,
                                 .other = other,
                                 .port = path::index(meta.ingress)});
}

// Whether the claim gives a MAC address that belongs to another port, to a remote end point or to the router.
bool is_at_anothers_mac(const path::Meta& meta, const guard::Claim& claim, bool is_router,
                        const Tables& tables) noexcept {
    if (claim.mac == 0) return false;
    if (claim.mac == tables.network(meta.network).mac) return !is_router;
    const bridge::Entry entry = tables.macs(meta.network)->find(claim.mac, bridge::MacTable::hash(claim.mac));
    return entry.is_static() && entry.port() != meta.ingress;
}

// Whether the packet came from where its source is, if the source is on the link of a network of the routing
// domain (RFC 3704, 2.2): rules name stations by address, whatever network they are in. A packet that another
// host's router has routed comes from any of the networks that span to that host, and from no port of this one.
bool is_from_here(const path::Meta& meta, const IpAddress& source, bool is_router, const Tables& tables) noexcept {
    const Network& network = tables.network(meta.network);
    if (network.routes == nullptr) return true;
    const route::HopId id = source.is_v4() ? network.routes->fib4().find(source.v4())
                                    : network.routes->fib6().find(source.bytes.data());
    const route::NextHop& hop = tables.hops[id];
    if (hop.network == meta.network) return true;
    switch (hop.kind) {
        case route::HopKind::kBroadcast: return false;
        case route::HopKind::kConnected:
        case route::HopKind::kLocal:
            if (is_router) {
                return tables.carries(meta.ingress, hop.network) &&
                       tables.snapshot.owners.may_use(hop.network, source, meta.ingress, true);
            }
            return hop.kind == route::HopKind::kConnected && tables.snapshot.owners.trusts(meta.ingress);
        default: return true;
    }
}

// Whether the switch alone has the address, on no network's link: a Service's, or one of NAT's. (A client of the
// Service would take the packet for the Service's answer.) Other hosts' switches may use it too.
bool is_of_translation(const path::Meta& meta, const IpAddress& source, const Tables& tables) noexcept {
    if (likely(!tables.snapshot.has_translation) || tables.slot(meta.ingress).tunnel != nullptr) return false;
    return tables.snapshot.owns(tables.network(meta.network).flow_domain, source);
}

}  // namespace

Drop Tables::judge_claim(const path::Meta& meta, const rte_mbuf* packet) const noexcept {
    if (is_plain_ipv6(packet)) return Drop::kCount;
    const auto claim = guard::find_claim(packet);
    if (!claim) return Drop::kCount;
    const guard::Owners& owners = snapshot.owners;
    if (claim->is_hidden) return owners.empty() ? Drop::kCount : Drop::kForeignAddress;
    const bool by_router = is_router(meta, *this);
    if (is_at_anothers_mac(meta, *claim, by_router, *this)) return Drop::kForeignMac;
    const bool may_say_so = claim->is_probe
                                ? owners.may_probe_for(meta.network, claim->address, meta.ingress)
                                : owners.may_use(meta.network, claim->address, meta.ingress, by_router);
    if (may_say_so) return Drop::kCount;
    // A frame of the owner's own that has come back says so by its source.
    const bool is_foreign = !by_router && judge_source(meta, 0) == Drop::kForeignMac;
    if (is_foreign) return Drop::kForeignMac;
    note_claim(meta, *claim, *this);
    return Drop::kForeignAddress;
}

Drop Tables::admit_other(const path::Meta& meta, rte_mbuf* packet) const noexcept {
    wire::pop_priority_tag(packet);
    return judge_claim(meta, packet);
}

bool Tables::may_send_from_source(const path::Meta& meta) const noexcept {
    const path::Connection& connection = meta.connection;
    if (connection.ip == nullptr) return true;
    const IpAddress source =
        connection.is_ipv6()
            ? wire::address_of(reinterpret_cast<const wire::Ipv6Header*>(connection.ip)->source)
            : wire::address_of(reinterpret_cast<const wire::Ipv4Header*>(connection.ip)->source);
    const bool by_router = is_router(meta, *this);
    return snapshot.owners.may_use(meta.network, source, meta.ingress, by_router) &&
           is_from_here(meta, source, by_router, *this) && !is_of_translation(meta, source, *this);
}

}  // namespace sluice::view
