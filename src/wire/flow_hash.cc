#include "wire/flow_hash.h"

#include <optional>

#include "wire/layers.h"

namespace sluice::wire {
namespace {

constexpr int kMaxTags = 4;
constexpr int kMaxExtensions = 8;  // a longer chain of headers is no flow worth telling apart

uint64_t load48(const MacBytes& mac) noexcept {
    uint64_t word = 0;
    std::memcpy(&word, mac.data(), mac.size());
    return word;
}

// Hashes the part after the addresses. A packet that ends before its ports has none.
uint32_t hash_rest(uint32_t hash, const rte_mbuf* m, uint32_t l4, uint8_t protocol,
                   bool fragment) noexcept {
    be32 copy;
    const be32* ports = !fragment && has_ports(protocol) ? read(m, l4, copy) : nullptr;
    return hash_word(hash, (ports != nullptr ? ports->raw() : 0) | uint64_t{protocol} << 32);
}

std::optional<uint32_t> hash_ipv4(const rte_mbuf* m, uint32_t at) noexcept {
    Ipv4Header copy;
    const auto* ip = read(m, at, copy);
    if (ip == nullptr || ip->version() != 4 || ip->header_size() < sizeof *ip) return std::nullopt;
    const uint64_t addresses = ip->source.raw() | uint64_t{ip->destination.raw()} << 32;
    return hash_rest(hash_word(0, addresses), m, at + ip->header_size(), ip->next,
                     ip->is_fragment());
}

std::optional<uint32_t> hash_ipv6(const rte_mbuf* m, uint32_t at) noexcept {
    Ipv6Header copy;
    const auto* ip = read(m, at, copy);
    if (ip == nullptr || ip->version() != 6) return std::nullopt;
    uint32_t hash = hash_word(hash_word(0, load64(&ip->source[0])), load64(&ip->source[8]));
    hash = hash_word(hash_word(hash, load64(&ip->destination[0])), load64(&ip->destination[8]));
    uint8_t next = ip->next;
    uint32_t l4 = at + uint32_t{sizeof *ip};
    for (int count = 0; count < kMaxExtensions; ++count) {
        const Protocol protocol{next};
        // RFC 8200, 4.5: every fragment names the header that the first one begins with.
        const bool fragment = protocol == Protocol::kFragment;
        if (!fragment && protocol != Protocol::kHopByHop && protocol != Protocol::kRouting &&
            protocol != Protocol::kDestinationOptions) {
            break;
        }
        Ipv6Extension extension_copy;
        const auto* extension = read(m, l4, extension_copy);
        if (extension == nullptr) break;
        next = extension->next;
        if (fragment) return hash_rest(hash, m, l4, next, true);
        l4 += extension->header_size();
    }
    return hash_rest(hash, m, l4, next, false);
}

}  // namespace

uint32_t flow_hash_slowly(const rte_mbuf* m) noexcept {
    EthernetHeader copy;
    const auto* ethernet = read(m, 0, copy);
    if (ethernet == nullptr) return 0;
    EtherType type = ethernet->ether_type();
    uint32_t at = sizeof *ethernet;
    for (int tags = 0; is_vlan(type) && tags < kMaxTags; ++tags) {
        VlanTag tag_copy;
        const auto* tag = read(m, at, tag_copy);
        if (tag == nullptr) break;
        type = tag->ether_type();
        at += sizeof *tag;
    }
    if (type == EtherType::kIpv4) {
        if (const auto hash = hash_ipv4(m, at)) return *hash;
    }
    if (type == EtherType::kIpv6) {
        if (const auto hash = hash_ipv6(m, at)) return *hash;
    }
    const uint64_t tail = static_cast<uint64_t>(type) << 48;
    return hash_word(hash_word(0, load48(ethernet->destination)), load48(ethernet->source) | tail);
}

}  // namespace sluice::wire
