#include "responder/answers.h"

#include <algorithm>

#include "path/parse.h"
#include "wire/address.h"
#include "wire/headers.h"
#include "wire/ip_check.h"
#include "wire/layers.h"
#include "wire/mbuf.h"

namespace sluice::responder {
namespace {

constexpr uint16_t kIpOffset = sizeof(wire::EthernetHeader);

// Whether it is a broadcast address, or the address of a subnet itself. No station has it, although its bits do
// not show that (RFC 1122, 3.2.1.3).
bool is_broadcast(uint32_t address, const view::Network& network) noexcept {
    if (address == UINT32_MAX) return true;
    return std::any_of(network.subnets.begin(), network.subnets.end(), [&](const IpPrefix& subnet) {
        if (!subnet.address.is_v4() || subnet.length >= 31) return false;
        const uint32_t first = subnet.address.v4();
        return address == first || address == (first | 0xffff'ffffU >> subnet.length);
    });
}

// Whether one station can have the address, so that an answer may go there.
bool is_station(uint32_t address, const view::Network& network) noexcept {
    return !wire::is_martian_source4(address) && !is_broadcast(address, network);
}

// The sender of an ARP probe has no address yet (RFC 5227, 2.1.1).
bool is_answerable_arp(const rte_mbuf* packet, const view::Network& network) noexcept {
    wire::ArpHeader copy;
    const auto* arp = wire::read(packet, kIpOffset, copy);
    if (arp == nullptr || wire::is_group(arp->sender_mac)) return false;
    const uint32_t sender = arp->sender_address.host();
    return sender == 0 || is_station(sender, network);
}

bool is_answerable_ipv4(const rte_mbuf* packet, const view::Network& network, bool is_group) noexcept {
    wire::Ipv4Header copy;
    const auto* ip = wire::read(packet, kIpOffset, copy);
    if (ip == nullptr || is_group || !is_station(ip->source.host(), network)) return false;
    const uint32_t destination = ip->destination.host();
    return !wire::is_multicast4(destination) && !is_broadcast(destination, network);
}

bool is_answerable_ipv6(const rte_mbuf* packet, bool is_group, Asked asked) noexcept {
    wire::Ipv6Header copy;
    const auto* ip = wire::read(packet, kIpOffset, copy);
    if (ip == nullptr) return false;
    if (asked == Asked::kAlone && (is_group || wire::is_multicast6(ip->destination))) return false;
    if (!wire::is_martian_source6(ip->source)) return true;
    // Duplicate address detection (RFC 4862, 5.4.3): the answer goes to all nodes.
    wire::IcmpHeader icmp_copy;
    const auto* icmp = wire::read(packet, kIpOffset + sizeof *ip, icmp_copy);
    return ip->source == wire::Ipv6Bytes{} && ip->protocol() == wire::Protocol::kIcmpv6 && icmp != nullptr &&
           icmp->type == wire::IcmpHeader::kV6NeighborSolicitation;
}

}  // namespace

bool may_be_answered(const path::Meta& meta, const rte_mbuf* packet, const view::Network& network,
                     Asked asked) noexcept {
    if (path::is_group(meta.source_mac) || meta.source_mac == 0) return false;
    const bool is_group = path::is_group(meta.destination_mac);
    switch (wire::ether_type(packet)) {
        case wire::EtherType::kArp: return is_answerable_arp(packet, network);
        case wire::EtherType::kIpv4: return is_answerable_ipv4(packet, network, is_group);
        case wire::EtherType::kIpv6: return is_answerable_ipv6(packet, is_group, asked);
        default: return false;
    }
}

}  // namespace sluice::responder
