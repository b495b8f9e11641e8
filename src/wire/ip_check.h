// Whether a packet's IP header can be believed before the packet is routed, and what changes in it on
// the way (RFC 1812, 5.2.2 and 5.3.1; RFC 8200, 3). These are steps of the fast path and inline; the
// header lies in the first mbuf, or the packet isn't valid. Workers.
//
// Martians are addresses that no packet on a wire may have (RFC 1812, 5.3.7; RFC 6890; RFC 4291, 2.5).
// The blocks for documentation (192.0.2.0/24, 2001:db8::/32, …) are not among them: laboratories use
// them.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "wire/checksum.h"
#include "wire/headers.h"

namespace sluice::wire {

enum class IpCheck : uint8_t {
    kValid,
    kBadHeader,    // another version, or a header that is too short or not all there
    kBadLength,    // shorter than its header or longer than the frame; an IPv6 jumbogram
    kBadChecksum,  // of the IPv4 header
};

// Of a header without options. Sums 32 bits at a time, which one's complement allows (RFC 1071, 2.C).
[[gnu::always_inline]] inline bool has_right_checksum(const Ipv4Header& header) noexcept {
    // In two loads of 64 bits and one of 32: of a loop over five words gcc 12 makes 7 cycles, of this 4.
    uint64_t wide[2];
    uint32_t rest;
    std::memcpy(wide, &header, sizeof wide);
    std::memcpy(&rest, reinterpret_cast<const uint8_t*>(&header) + sizeof wide, sizeof rest);
    uint64_t sum = uint64_t{rest} + static_cast<uint32_t>(wide[0]) + (wide[0] >> 32) +
                   static_cast<uint32_t>(wide[1]) + (wide[1] >> 32);
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

// The frame may go on behind the packet, with padding. It is not asked what the addresses are.
[[gnu::always_inline]] inline IpCheck check_ipv4(const rte_mbuf* m, uint32_t l3_offset) noexcept {
    if (unlikely(m->data_len < l3_offset + sizeof(Ipv4Header))) return IpCheck::kBadHeader;
    const auto& ip = *rte_pktmbuf_mtod_offset(m, const Ipv4Header*, l3_offset);
    const uint32_t total_size = ip.total_size.host();
    const bool plain = ip.version_size == 0x45;
    uint32_t header_size = sizeof ip;
    if (unlikely(!plain)) {
        header_size = ip.header_size();
        if (ip.version() != 4 || header_size < sizeof ip || m->data_len < l3_offset + header_size) {
            return IpCheck::kBadHeader;
        }
    }
    if (unlikely(total_size < header_size || total_size > m->pkt_len - l3_offset)) {
        return IpCheck::kBadLength;
    }
    // GOOD and BAD both set mean "none", and BAD alone is looked into.
    if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD) {
        return IpCheck::kValid;
    }
    const bool right =
        likely(plain) ? has_right_checksum(ip) : fold(sum_of(&ip, header_size)) == 0xffff;
    return likely(right) ? IpCheck::kValid : IpCheck::kBadChecksum;
}

[[gnu::always_inline]] inline IpCheck check_ipv6(const rte_mbuf* m, uint32_t l3_offset) noexcept {
    if (unlikely(m->data_len < l3_offset + sizeof(Ipv6Header))) return IpCheck::kBadHeader;
    const auto& ip = *rte_pktmbuf_mtod_offset(m, const Ipv6Header*, l3_offset);
    const uint32_t payload_size = ip.payload_size.host();
    if (unlikely(ip.version() != 6)) return IpCheck::kBadHeader;
    if (unlikely(payload_size > m->pkt_len - l3_offset - sizeof ip)) return IpCheck::kBadLength;
    // A jumbogram's length stands in an option (RFC 2675).
    const bool jumbo = payload_size == 0 && ip.protocol() == Protocol::kHopByHop;
    return unlikely(jumbo) ? IpCheck::kBadLength : IpCheck::kValid;
}

// IPv4 addresses in the order of the host.

// 0.0.0.0/8, 127.0.0.0/8, multicast and 240.0.0.0/4 with the broadcast address.
constexpr bool is_martian_source4(uint32_t address) noexcept {
    const uint32_t first = address >> 24;
    return first == 0 || first == 127 || first >= 224;
}

// 0.0.0.0/8, 127.0.0.0/8 and 240.0.0.0/4. The broadcast address is one that no router passes on: who
// listens to it looks for it first.
constexpr bool is_martian_destination4(uint32_t address) noexcept {
    const uint32_t first = address >> 24;
    return first == 0 || first == 127 || first >= 240;
}

constexpr bool is_multicast4(uint32_t address) noexcept { return address >> 28 == 0xe; }

// 169.254.0.0/16 (RFC 3927, 7): stays on its link, but is a neighbour's good address there.
constexpr bool is_link_local4(uint32_t address) noexcept { return address >> 16 == 0xa9fe; }

constexpr bool is_multicast6(const Ipv6Bytes& address) noexcept { return address[0] == 0xff; }

// fe80::/10 (RFC 4291, 2.5.6), likewise.
constexpr bool is_link_local6(const Ipv6Bytes& address) noexcept {
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

// ::, ::1 and ::ffff:0:0/96.
constexpr bool is_martian6(const Ipv6Bytes& address) noexcept {
    const auto words = std::bit_cast<std::array<be64, 2>>(address);
    const uint64_t low = words[1].host();
    return words[0].raw() == 0 && (low <= 1 || low >> 32 == 0xffff);
}

// Those, and multicast.
constexpr bool is_martian_source6(const Ipv6Bytes& address) noexcept {
    return is_multicast6(address) || is_martian6(address);
}

// Those, and multicast that never leaves a node (RFC 4291, 2.7: scopes 0 and 1).
constexpr bool is_martian_destination6(const Ipv6Bytes& address) noexcept {
    return (is_multicast6(address) && (address[1] & 0xf) <= 1) || is_martian6(address);
}

// One hop less, of a TTL of 2 at least; the header's bytes are the caller's alone. RFC 1624: the sum falls
// by 0x0100, so the checksum rises by that, around 0xffff, which no header's can be.
[[gnu::always_inline]] inline void decrement_ttl(Ipv4Header& header) noexcept {
    --header.ttl;
    const uint32_t sum = uint32_t{header.checksum.raw()} + be16(0x0100).raw();
    header.checksum = be16::from_raw(static_cast<uint16_t>(sum + (sum >= 0xffff)));
}

[[gnu::always_inline]] inline void decrement_hop_limit(Ipv6Header& header) noexcept {
    --header.hop_limit;
}

}  // namespace sluice::wire
