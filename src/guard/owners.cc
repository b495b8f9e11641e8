#include "guard/owners.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
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

uint64_t hash(const IpAddress& address) noexcept {
    uint64_t words[2];
    std::memcpy(words, address.bytes.data(), sizeof words);
    uint64_t h = words[0] * 0x9e37'79b9'7f4a'7c15ULL;
    h ^= h >> 32 ^ words[1];
    h = (h ^ h >> 32) * 0xff51'afd7'ed55'8ccdULL;
    return h ^ h >> 32;
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

Owners::Owners(const Entries& entries, const std::vector<path::PortId>& trusted) {
    for (const path::PortId port : trusted) set_trusted(port, true);
    std::map<path::NetworkId, Entries> by_network;
    for (const Entry& entry : entries) by_network[entry.network].push_back(entry);
    for (auto& [network, own] : by_network) replace(network, std::move(own));
}

const Owners::Entries& Owners::entries(path::NetworkId network) const noexcept {
    static const Entries kNone;
    const size_t at = path::index(network);
    return at < tables_.size() && tables_[at] != nullptr ? tables_[at]->entries : kNone;
}

void Owners::replace(path::NetworkId network, Entries entries) {
    const size_t at = path::index(network);
    if (tables_.size() <= at) tables_.resize(at + 1);
    if (tables_[at] != nullptr) count_ -= tables_[at]->count;
    tables_[at] = entries.empty() ? nullptr : std::make_shared<const Table>(std::move(entries));
    if (tables_[at] != nullptr) count_ += tables_[at]->count;
}

Owners::Table::Table(Entries all) : entries(std::move(all)) {
    const auto order = [](const Entry& a, const Entry& b) {
        // The router last: it is what stays of several.
        return std::tuple(a.address, a.port) < std::tuple(b.address, b.port);
    };
    std::sort(entries.begin(), entries.end(), order);
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    slots.assign(std::bit_ceil(entries.size() * 2 + 1), UINT32_MAX);
    for (size_t i = 0; i < entries.size(); ++i) {
        const auto is_same = [&](size_t other) {
            return other < entries.size() && entries[other].address == entries[i].address;
        };
        const bool is_shared = is_same(i + 1) || (i != 0 && is_same(i - 1));
        if (is_shared && entries[i].port != kRouter) continue;
        uint64_t at = hash(entries[i].address);
        while (slots[at & (slots.size() - 1)] != UINT32_MAX) ++at;
        slots[at & (slots.size() - 1)] = static_cast<uint32_t>(i);
        ++count;
    }
}

const Owners::Entry* Owners::Table::find(const IpAddress& address) const noexcept {
    for (uint64_t at = hash(address);; ++at) {
        const uint32_t i = slots[at & (slots.size() - 1)];
        if (i == UINT32_MAX) return nullptr;
        if (entries[i].address == address) return &entries[i];
    }
}

const Owners::Entry* Owners::find(path::NetworkId network, const IpAddress& address) const noexcept {
    const size_t at = path::index(network);
    return at < tables_.size() && tables_[at] != nullptr ? tables_[at]->find(address) : nullptr;
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
