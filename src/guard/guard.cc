#include "guard/guard.h"

#include <algorithm>
#include <cstring>

#include "wire/address.h"
#include "wire/extensions.h"
#include "wire/headers.h"
#include "wire/ip_check.h"
#include "wire/layers.h"

namespace sluice::guard {
namespace {

using path::Drop;
using namespace wire;

constexpr Drop kFine = Drop::kCount;

constexpr uint32_t kEverybody = 0xffff'ffff;
constexpr uint16_t kDhcpServer = 67;
constexpr uint16_t kDhcpClient = 68;
constexpr uint16_t kDhcpv6Client = 546;

uint64_t key_of(const MacBytes& mac) noexcept {
    uint64_t key = 0;
    std::memcpy(&key, mac.data(), mac.size());
    return key;
}

// Whether the lengths in the header can be.
bool is_sound(const Ipv4Header& ip) noexcept {
    return ip.version() == 4 && ip.header_size() >= sizeof ip && ip.total_size.host() >= ip.header_size();
}

IpAddress link_local_of_key(uint64_t key) noexcept {
    MacBytes mac;
    std::memcpy(mac.data(), &key, mac.size());
    return link_local_of(mac);
}

// One frame before one guard.
class Judgement {
 public:
    Judgement(const Guard& guard, const path::Meta& meta, const rte_mbuf* packet)
        : guard_(guard), source_mac_(meta.source_mac), packet_(packet), end_(packet->pkt_len) {}

    Drop run() noexcept {
        if (guard_.mac != 0 && source_mac_ != guard_.mac) return Drop::kSpoofedMac;
        EthernetHeader ethernet_copy;
        const auto* ethernet = read(packet_, 0, ethernet_copy);
        EtherType type = ethernet->ether_type();
        at_ = sizeof *ethernet;
        for (int tags = 0; is_vlan(type); ++tags) {
            VlanTag copy;
            const auto* tag = read(packet_, at_, copy);
            // Behind more tags than anybody needs stands what is not meant to be seen here.
            if (tag == nullptr || tags == kMostTagsSeen) return hidden();
            type = tag->ether_type();
            at_ += sizeof *tag;
        }
        switch (type) {
            case EtherType::kArp:
            case EtherType::kRarp: return judge_arp();
            case EtherType::kIpv4: return judge_ipv4();
            case EtherType::kIpv6: return judge_ipv6();
            default: return kFine;
        }
    }

 private:
    // Whether it matters who the sender says he is.
    bool is_guarded() const noexcept { return guard_.check_addresses || guard_.mac != 0; }

    bool is_own(const IpAddress& address) const noexcept {
        if (!guard_.check_addresses) return true;
        const auto& own = guard_.addresses;
        return std::find(own.begin(), own.end(), address) != own.end() ||
               (guard_.allows_link_local && !address.is_v4() && is_link_local6(address.bytes)) ||
               (guard_.mac != 0 && !address.is_v4() && address == link_local_of_key(guard_.mac));
    }

    Drop judge_arp() const noexcept {
        if (!is_guarded()) return kFine;
        ArpHeader copy;
        const auto* arp = read(packet_, at_, copy);
        if (arp == nullptr) return Drop::kMalformedNeighbor;
        // Anything but IPv4 over Ethernet would be believed by nobody.
        if (!arp->is_ipv4_over_ethernet()) return Drop::kMalformedNeighbor;
        // A probe has no address yet (RFC 5227, 2.1.1).
        const bool probe = arp->sender_address.host() == 0;
        const bool own = key_of(arp->sender_mac) == source_mac_ &&
                         (probe || is_own(address_of(arp->sender_address)));
        return own ? kFine : Drop::kSpoofedNeighbor;
    }

    Drop judge_ipv4() noexcept {
        Ipv4Header copy;
        const auto* ip = read(packet_, at_, copy);
        const bool is_cut_off = ip == nullptr;
        if (is_cut_off || (guard_.check_addresses && !is_sound(*ip))) return malformed();
        const uint32_t l4 = at_ + ip->header_size();
        end_ = std::min(end_, at_ + ip->total_size.host());
        const bool first = (ip->fragment.host() & Ipv4Header::kOffsetMask) == 0;
        UdpHeader udp_copy;
        const auto* udp = first && ip->protocol() == Protocol::kUdp ? read_inside(l4, udp_copy) : nullptr;
        // A client without an address asks everybody (RFC 2131, 4.1).
        const bool asks_for_address = ip->source.host() == 0 && ip->destination.host() == kEverybody &&
                                      udp != nullptr && udp->source_port.host() == kDhcpClient &&
                                      udp->destination_port.host() == kDhcpServer;
        if (!is_own(address_of(ip->source)) && !asks_for_address) {
            return Drop::kSpoofedAddress;
        }
        if (guard_.serves_dhcp || !first || ip->protocol() != Protocol::kUdp) return kFine;
        if (udp == nullptr) return Drop::kMalformedIp;
        // Clients don't care for the server's port.
        return udp->destination_port.host() == kDhcpClient ? Drop::kRogueDhcp : kFine;
    }

    Drop judge_ipv6() noexcept {
        Ipv6Header copy;
        const auto* ip = read(packet_, at_, copy);
        const bool is_cut_off = ip == nullptr;
        if (is_cut_off || (guard_.check_addresses && ip->version() != 6)) return malformed();
        const IpAddress source = address_of(ip->source);
        Protocol protocol = ip->protocol();
        uint32_t at = at_ + static_cast<uint32_t>(sizeof *ip);
        // Its receiver doesn't look at what the frame has behind the packet. Only a jumbogram, which begins
        // with hop-by-hop options, may say 0 and have more (RFC 2675).
        const uint32_t size = ip->payload_size.host();
        if (size != 0 || protocol != Protocol::kHopByHop) end_ = std::min(end_, at + size);
        bool first = true;
        for (int i = 0; i < kMostExtensionsSeen && first && is_extension(protocol); ++i) {
            Ipv6Extension extension_copy;
            const auto* extension = read_inside(at, extension_copy);
            if (extension == nullptr) break;
            if (protocol == Protocol::kFragment) {
                Ipv6Fragment fragment_copy;
                first = read_inside(at, fragment_copy)->offset() == 0;
            }
            at += extension_size(protocol, *extension);
            protocol = extension->protocol();
        }
        // Behind more extensions than anybody needs, or beyond the end of a first fragment, stands what is
        // not meant to be seen here (RFC 7113).
        if (first && is_extension(protocol)) return hidden(source);
        if (first && protocol == Protocol::kIcmpv6) return judge_icmpv6(source, at);
        if (!is_own(source)) return Drop::kSpoofedAddress;
        if (first && protocol == Protocol::kUdp && !guard_.serves_dhcp) {
            UdpHeader udp_copy;
            const auto* udp = read_inside(at, udp_copy);
            if (udp == nullptr) return hidden(source);
            // Clients don't care for the server's port.
            if (udp->destination_port.host() == kDhcpv6Client) return Drop::kRogueDhcp;
        }
        return kFine;
    }

    // Of an IP header that is not one.
    Drop malformed() const noexcept { return guard_.check_addresses ? Drop::kMalformedIp : kFine; }

    // Of what the guard can't see: the reason to drop what could stand there.
    Drop hidden() const noexcept {
        return !guard_.serves_ra        ? Drop::kRogueRa
               : !guard_.serves_dhcp    ? Drop::kRogueDhcp
               : guard_.check_addresses ? Drop::kMalformedIp
                                        : kFine;
    }
    Drop hidden(const IpAddress& source) const noexcept {
        return is_own(source) ? hidden() : Drop::kSpoofedAddress;
    }

    // A header that ends inside of the IP packet, or null.
    template <class Header>
    const Header* read_inside(uint32_t at, Header& copy) const noexcept {
        return at + sizeof copy <= end_ ? read(packet_, at, copy) : nullptr;
    }

    Drop judge_icmpv6(const IpAddress& source, uint32_t at) const noexcept {
        IcmpHeader copy;
        const auto* icmp = read_inside(at, copy);
        if (icmp == nullptr) return hidden(source);
        const uint8_t type = icmp->type;
        const bool guides = type == IcmpHeader::kV6RouterAdvertisement || type == IcmpHeader::kV6Redirect;
        if (guides && !guard_.serves_ra) return Drop::kRogueRa;
        if (!is_guarded()) return kFine;
        // Before it has an address a station may probe for it (RFC 4862, 5.4.2) and join groups
        // (RFC 3810, 5.2.13), without a source.
        if (!is_own(source) && !source.is_unspecified()) return Drop::kSpoofedAddress;
        const bool advertises = type == IcmpHeader::kV6NeighborAdvertisement;
        if (type != IcmpHeader::kV6NeighborSolicitation && !advertises) return kFine;
        NeighborHeader neighbor_copy;
        const auto* neighbor = read_inside(at, neighbor_copy);
        if (neighbor == nullptr) return Drop::kMalformedNeighbor;
        const bool claims_target = advertises || source.is_unspecified();
        if (claims_target && !is_own(address_of(neighbor->target))) return Drop::kSpoofedNeighbor;
        const uint8_t option = advertises ? LinkLayerOption::kTarget : LinkLayerOption::kSource;
        return judge_options(at + sizeof *neighbor, option);
    }

    // An address that goes into others' caches must be the sender's. All options are gone through: the
    // last one counts for some stations, the first for others.
    Drop judge_options(uint32_t at, uint8_t wanted) const noexcept {
        LinkLayerOption copy;
        while (const auto* option = read_inside(at, copy)) {
            if (option->size_word == 0) return Drop::kMalformedNeighbor;
            if (option->type == wanted && key_of(option->mac) != source_mac_) {
                return Drop::kSpoofedNeighbor;
            }
            at += option->size();
        }
        return kFine;
    }

    const Guard& guard_;
    uint64_t source_mac_;
    const rte_mbuf* packet_;
    uint32_t at_ = 0;  // where the header behind Ethernet and its tags begins
    uint32_t end_;     // of the IP packet; until that is known, of the frame
};

}  // namespace

void Guard::set_usual() noexcept {
    usual = {};
    usual.mac = mac;
    usual.mac_mask = mac == 0 ? 0 : ~uint64_t{0};
    if (!check_addresses) {
        usual.ipv4_mask = 0;
        usual.has_ipv6 = true;
        return;
    }
    usual.ipv4_mask = ~uint64_t{0};
    usual.ipv6_mask = ~uint64_t{0};
    for (const IpAddress& address : addresses) {
        if (address.is_v4() && usual.ipv4 == Usual::kNoIpv4) {
            usual.ipv4 = wire::be32(address.v4()).raw();
        } else if (!address.is_v4() && !usual.has_ipv6) {
            std::memcpy(usual.ipv6, address.bytes.data(), sizeof usual.ipv6);
            usual.has_ipv6 = true;
        }
    }
}

Drop Guard::judge(const path::Meta& meta, const rte_mbuf* packet) const noexcept {
    return Judgement(*this, meta, packet).run();
}

}  // namespace sluice::guard
