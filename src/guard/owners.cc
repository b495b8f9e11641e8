#include "guard/owners.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "wire/address.h"
#include "wire/extensions.h"
#include "wire/headers.h"
#include "wire/layers.h"

namespace sluice::guard {
namespace {

using namespace wire;

uint64_t key_of_mac(const MacBytes& mac) noexcept {
    uint64_t key = 0;
    std::memcpy(&key, mac.data(), mac.size());
    return key;
}

std::optional<Claim> find_arp_claim(const rte_mbuf* packet, uint32_t at, EtherType type) noexcept {
    ArpHeader copy;
    const auto* arp = read(packet, at, copy);
    if (arp == nullptr || arp->hardware_size != sizeof(MacBytes) || arp->protocol_size != 4) return std::nullopt;
    const bool is_probe = type == EtherType::kArp && arp->sender_address.host() == 0;
    return Claim{.address = address_of(is_probe ? arp->target_address : arp->sender_address),
                 .mac = key_of_mac(arp->sender_mac),
                 .is_probe = is_probe};
}

// Adds the link-layer address among the options of a message of Neighbor Discovery. Of several some stations take
// the first, others the last: if they differ, the claim is hidden.
Claim add_mac(Claim claim, const rte_mbuf* packet, uint32_t at, uint8_t wanted) noexcept {
    constexpr int kMostOptions = 64;
    LinkLayerOption copy;
    for (int i = 0; i < kMostOptions; ++i) {
        const auto* option = read(packet, at, copy);
        if (option == nullptr || option->size_word == 0) return claim;
        const uint64_t mac = option->type == wanted ? key_of_mac(option->mac) : claim.mac;
        claim.is_hidden |= claim.mac != 0 && mac != claim.mac;
        claim.mac = mac;
        at += option->size();
    }
    claim.is_hidden = true;
    return claim;
}

std::optional<Claim> find_discovery_claim(const rte_mbuf* packet, const Ipv6Header& ip, uint32_t at) noexcept {
    constexpr uint8_t kRouterSolicitation = IcmpHeader::kV6RouterAdvertisement - 1;
    IcmpHeader icmp_copy;
    const auto* icmp = read(packet, at, icmp_copy);
    if (icmp == nullptr) return std::nullopt;
    const auto source = [&](uint32_t header_size) {
        return add_mac({.address = address_of(ip.source)}, packet, at + header_size, LinkLayerOption::kSource);
    };
    switch (icmp->type) {
        case kRouterSolicitation: return source(8);
        case IcmpHeader::kV6RouterAdvertisement: return source(16);
        case IcmpHeader::kV6Redirect: return Claim{.address = address_of(ip.source)};
        case IcmpHeader::kV6NeighborSolicitation:
        case IcmpHeader::kV6NeighborAdvertisement: break;
        default: return std::nullopt;
    }
    NeighborHeader copy;
    const auto* neighbor = read(packet, at, copy);
    if (neighbor == nullptr) return std::nullopt;
    const bool solicits = icmp->type == IcmpHeader::kV6NeighborSolicitation;
    const bool is_probe = solicits && address_of(ip.source).is_unspecified();
    if (solicits && !is_probe) return source(sizeof *neighbor);
    return add_mac({.address = address_of(neighbor->target), .is_probe = is_probe}, packet, at + sizeof *neighbor,
                   solicits ? LinkLayerOption::kSource : LinkLayerOption::kTarget);
}

// Receivers look behind extension headers.
std::optional<Claim> find_ipv6_claim(const rte_mbuf* packet, uint32_t at) noexcept {
    Ipv6Header ip_copy;
    const auto* ip = read(packet, at, ip_copy);
    if (ip == nullptr) return std::nullopt;
    Protocol protocol = ip->protocol();
    at += sizeof *ip;
    for (int i = 0; is_extension(protocol); ++i) {
        if (i == kMostExtensionsSeen) return Claim{.is_hidden = true};
        Ipv6Extension copy;
        const auto* extension = read(packet, at, copy);
        if (extension == nullptr) return std::nullopt;
        if (protocol == Protocol::kFragment) {
            // Another than the first begins with no header.
            Ipv6Fragment fragment_copy;
            const auto* fragment = read(packet, at, fragment_copy);
            if (fragment == nullptr || fragment->offset() != 0) return std::nullopt;
        }
        at += extension_size(protocol, *extension);
        protocol = extension->protocol();
    }
    return protocol == Protocol::kIcmpv6 ? find_discovery_claim(packet, *ip, at) : std::nullopt;
}

}  // namespace

// Behind priority tags (VLAN 0) a frame is still its network's; behind others it is another link's.
std::optional<Claim> find_claim(const rte_mbuf* packet) noexcept {
    EthernetHeader ethernet_copy;
    const auto* ethernet = read(packet, 0, ethernet_copy);
    if (ethernet == nullptr) return std::nullopt;
    EtherType type = ethernet->ether_type();
    uint32_t at = sizeof *ethernet;
    for (int tags = 0; is_vlan(type); ++tags) {
        VlanTag copy;
        const auto* tag = read(packet, at, copy);
        if (tag == nullptr || tag->id() != 0) return std::nullopt;
        if (tags == kMostTagsSeen) return Claim{.is_hidden = true};
        type = tag->ether_type();
        at += sizeof *tag;
    }
    if (type == EtherType::kArp || type == EtherType::kRarp) return find_arp_claim(packet, at, type);
    return type == EtherType::kIpv6 ? find_ipv6_claim(packet, at) : std::nullopt;
}

Owners::Owners(std::vector<Entry> entries, const std::vector<path::PortId>& trusted) {
    for (const path::PortId port : trusted) trusted_.set(path::index(port));
    const auto order = [](const Entry& a, const Entry& b) {
        // The router last: it is what stays of several.
        return std::tuple(a.network, a.address, a.port) < std::tuple(b.network, b.address, b.port);
    };
    std::sort(entries.begin(), entries.end(), order);
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    slots_.assign(std::bit_ceil(entries.size() * 2 + 1), {path::kNoNetworkId, kRouter, {}});
    for (size_t i = 0; i < entries.size(); ++i) {
        const Entry& entry = entries[i];
        const auto is_same = [&](size_t other) {
            return other < entries.size() && entries[other].network == entry.network &&
                   entries[other].address == entry.address;
        };
        const bool is_shared = is_same(i + 1) || (i != 0 && is_same(i - 1));
        if (is_shared && entry.port != kRouter) continue;
        uint64_t at = hash(entry.network, entry.address);
        while (slots_[at & (slots_.size() - 1)].network != path::kNoNetworkId) ++at;
        slots_[at & (slots_.size() - 1)] = entry;
        ++count_;
    }
}

uint64_t Owners::hash(path::NetworkId network, const IpAddress& address) noexcept {
    uint64_t words[2];
    std::memcpy(words, address.bytes.data(), sizeof words);
    uint64_t h = (words[0] ^ (uint64_t{path::index(network)} << 48)) * 0x9e37'79b9'7f4a'7c15ULL;
    h ^= h >> 32 ^ words[1];
    h = (h ^ h >> 32) * 0xff51'afd7'ed55'8ccdULL;
    return h ^ h >> 32;
}

const Owners::Entry* Owners::find(path::NetworkId network, const IpAddress& address) const noexcept {
    for (uint64_t at = hash(network, address);; ++at) {
        const Entry& entry = slots_[at & (slots_.size() - 1)];
        if (entry.network == path::kNoNetworkId) return nullptr;
        if (entry.network == network && entry.address == address) return &entry;
    }
}

bool Owners::may_use(path::NetworkId network, const IpAddress& address, path::PortId port,
                     bool is_router) const noexcept {
    const Entry* owner = find(network, address);
    if (owner == nullptr || owner->port == port) return true;
    return owner->port == kRouter ? is_router : trusts(port);
}

bool Owners::may_probe_for(path::NetworkId network, const IpAddress& address, path::PortId port) const noexcept {
    const Entry* owner = find(network, address);
    return owner == nullptr || owner->port == port || owner->port == kRouter || trusts(port);
}

}  // namespace sluice::guard
