#include "path/background.h"

#include <algorithm>
#include <array>

#include "wire/address.h"
#include "wire/extensions.h"
#include "wire/headers.h"
#include "wire/layers.h"

namespace sluice::path {
namespace {

constexpr uint8_t kIgmp = 2;
constexpr uint8_t kMldQuery = 130;  // RFC 2710, 3.1; so are the next two
constexpr uint8_t kMldDone = 132;
constexpr uint8_t kMldV2Report = 143;  // RFC 3810, 5.2
constexpr uint8_t kRouterSolicitation = 133;

// NetBIOS name service and datagrams, SSDP, WS-Discovery, mDNS, LLMNR.
constexpr std::array<uint16_t, 6> kAnnouncementPorts{137, 138, 1900, 3702, 5353, 5355};

bool is_announcement(const rte_mbuf* packet, uint32_t at) noexcept {
    wire::UdpHeader copy;
    const auto* udp = wire::read(packet, at, copy);
    if (udp == nullptr) return false;
    const auto& ports = kAnnouncementPorts;
    return std::find(ports.begin(), ports.end(), udp->destination_port.host()) != ports.end();
}

// An ARP probe for the sender's future address, or an announcement of its own (RFC 5227, 2.1.1 and 2.3).
bool is_own_arp(const rte_mbuf* packet, uint32_t at) noexcept {
    wire::ArpHeader copy;
    const auto* arp = wire::read(packet, at, copy);
    return arp != nullptr && (arp->sender_address.host() == 0 || arp->sender_address == arp->target_address);
}

bool is_background_ipv4(const rte_mbuf* packet, uint32_t at) noexcept {
    wire::Ipv4Header copy;
    const auto* ip = wire::read(packet, at, copy);
    if (ip == nullptr || (ip->fragment.host() & wire::Ipv4Header::kOffsetMask) != 0) return false;
    if (ip->next == kIgmp) return true;
    return ip->protocol() == wire::Protocol::kUdp && is_announcement(packet, at + ip->header_size());
}

bool is_background_icmpv6(const rte_mbuf* packet, uint32_t at, const wire::Ipv6Header& ip) noexcept {
    wire::IcmpHeader copy;
    const auto* icmp = wire::read(packet, at, copy);
    if (icmp == nullptr) return false;
    const uint8_t type = icmp->type;
    if ((type >= kMldQuery && type <= kMldDone) || type == kMldV2Report || type == kRouterSolicitation)
        return true;
    // A solicitation from :: checks whether the sender's own address is free (RFC 4862, 5.4.2).
    if (type == wire::IcmpHeader::kV6NeighborSolicitation) return wire::address_of(ip.source).is_unspecified();
    return type == wire::IcmpHeader::kV6NeighborAdvertisement;
}

bool is_background_ipv6(const rte_mbuf* packet, uint32_t at) noexcept {
    wire::Ipv6Header copy;
    const auto* ip = wire::read(packet, at, copy);
    if (ip == nullptr) return false;
    wire::Protocol protocol = ip->protocol();
    at += uint32_t{sizeof *ip};
    for (int i = 0; i < wire::kMostExtensionsSeen && wire::is_extension(protocol); ++i) {
        // An announcement fits into one frame.
        if (protocol == wire::Protocol::kFragment) return false;
        wire::Ipv6Extension extension_copy;
        const auto* extension = wire::read(packet, at, extension_copy);
        if (extension == nullptr) return false;
        at += wire::extension_size(protocol, *extension);
        protocol = extension->protocol();
    }
    if (protocol == wire::Protocol::kIcmpv6) return is_background_icmpv6(packet, at, *ip);
    return protocol == wire::Protocol::kUdp && is_announcement(packet, at);
}

}  // namespace

bool is_background(const rte_mbuf* packet) noexcept {
    wire::EthernetHeader copy;
    const auto* ethernet = wire::read(packet, 0, copy);
    if (ethernet == nullptr || !wire::is_group(ethernet->destination)) return false;
    wire::EtherType type = ethernet->ether_type();
    uint32_t at = sizeof *ethernet;
    for (int tags = 0; wire::is_vlan(type) && tags < wire::kMostTagsSeen; ++tags) {
        wire::VlanTag tag_copy;
        const auto* tag = wire::read(packet, at, tag_copy);
        if (tag == nullptr) return false;
        type = tag->ether_type();
        at += uint32_t{sizeof *tag};
    }
    switch (type) {
        case wire::EtherType::kArp: return is_own_arp(packet, at);
        case wire::EtherType::kIpv4: return is_background_ipv4(packet, at);
        case wire::EtherType::kIpv6: return is_background_ipv6(packet, at);
        default: return false;
    }
}

}  // namespace sluice::path
