// Checks of a packet's IP header before the packet is routed, and the changes of the header on the way (RFC 1812,
// 5.2.2 and 5.3.1; RFC 8200, 3). They are steps of the fast path and inline. A packet whose header is not in the
// first mbuf is invalid. Workers.
//
// Martians are addresses that no packet on a wire may have (RFC 1812, 5.3.7; RFC 6890; RFC 4291, 2.5). The blocks
// for documentation (192.0.2.0/24, 2001:db8::/32, …) do not count as martians: laboratories use them.
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
    kBadHeader,    // wrong version, or a header that is too short or incomplete
    kBadLength,    // shorter than its header or longer than the frame; an IPv6 jumbogram
    kBadChecksum,  // of the IPv4 header
};

// For a header without options. Sums 32 bits at a time, which one's complement allows (RFC 1071, 2.C).
[[gnu::always_inline]] inline bool has_right_checksum(const Ipv4Header& header) noexcept {
    // Two loads of 64 bits and one of 32 take 4 cycles; gcc 12's code for a loop over five words takes 7.
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

// The frame may be longer than the packet (padding). The addresses are not checked.
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
    // One comparison: of a packet that is shorter than its header the difference is huge.
    if (unlikely(total_size - header_size > m->pkt_len - l3_offset - header_size)) return IpCheck::kBadLength;
    // GOOD and BAD both set mean "none". For BAD alone the header is summed here.
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
    // The length of a jumbogram is in an option (RFC 2675).
    const bool jumbo = payload_size == 0 && ip.protocol() == Protocol::kHopByHop;
    return unlikely(jumbo) ? IpCheck::kBadLength : IpCheck::kValid;
}

// IPv4 addresses in host order.

// 0.0.0.0/8, 127.0.0.0/8, multicast and 240.0.0.0/4 with the broadcast address.
constexpr bool is_martian_source4(uint32_t address) noexcept {
    const uint32_t first = address >> 24;
    return first == 0 || first == 127 || first >= 224;
}

// 0.0.0.0/8, 127.0.0.0/8 and 240.0.0.0/4. The last contains the broadcast address, which no router forwards; code
// that receives broadcasts checks for it first.
constexpr bool is_martian_destination4(uint32_t address) noexcept {
    const uint32_t first = address >> 24;
    return first == 0 || first == 127 || first >= 240;
}

constexpr bool is_multicast4(uint32_t address) noexcept { return address >> 28 == 0xe; }

// 169.254.0.0/16 (RFC 3927, 7): is not forwarded, but is a valid address of a neighbor on the link.
constexpr bool is_link_local4(uint32_t address) noexcept { return address >> 16 == 0xa9fe; }

constexpr bool is_multicast6(const Ipv6Bytes& address) noexcept { return address[0] == 0xff; }

// fe80::/10 (RFC 4291, 2.5.6): as is_link_local4().
constexpr bool is_link_local6(const Ipv6Bytes& address) noexcept {
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

// ::, ::1 and ::ffff:0:0/96.
constexpr bool is_martian6(const Ipv6Bytes& address) noexcept {
    const auto words = std::bit_cast<std::array<be64, 2>>(address);
    const uint64_t low = words[1].host();
    return words[0].raw() == 0 && (low <= 1 || low >> 32 == 0xffff);
}

// Martians and multicast.
constexpr bool is_martian_source6(const Ipv6Bytes& address) noexcept {
    return is_multicast6(address) || is_martian6(address);
}

// Martians, and multicast that never leaves a node (RFC 4291, 2.7: scopes 0 and 1).
constexpr bool is_martian_destination6(const Ipv6Bytes& address) noexcept {
    return (is_multicast6(address) && (address[1] & 0xf) <= 1) || is_martian6(address);
}

// Decrements a TTL of at least 2. The caller owns the header's bytes alone. RFC 1624: the sum falls by 0x0100, so
// the checksum rises by 0x0100, with end-around carry at 0xffff. No header's checksum is 0xffff.
// TTL, protocol and checksum change as one word.
[[gnu::always_inline]] inline void decrement_ttl(Ipv4Header& header) noexcept {
    static_assert(offsetof(Ipv4Header, checksum) == offsetof(Ipv4Header, ttl) + 2);
    constexpr uint32_t kLess = 1;             // of the TTL
    constexpr uint32_t kMore = 0x0001'0000;   // 0x0100 in network order, of the checksum
    constexpr uint32_t kCarries = 0xfffe'0000;  // from this checksum on
    uint32_t word;
    std::memcpy(&word, &header.ttl, sizeof word);
    word += kMore - kLess + (word >= kCarries ? kMore : 0);
    std::memcpy(&header.ttl, &word, sizeof word);
}

[[gnu::always_inline]] inline void decrement_hop_limit(Ipv6Header& header) noexcept {
    --header.hop_limit;
}

}  // namespace sluice::wire
