// A hash of the flow that a frame belongs to. It is the same for all packets of the flow, so a choice by it keeps
// them in order (the UDP source port of a tunnel, RFC 7348, 5; one of several next hops, RFC 2992). It covers
// addresses, protocol and the ports of TCP, UDP and SCTP. Ports are left out if there are none or not every
// packet of the flow has them (fragments). If the frame is not IP, it covers MACs and EtherType. VLAN tags do not
// count. The two directions of a flow have different hashes.
//
// CRC32C if the CPU has it. The hash is neither secret nor hard to predict: use it to spread load, not for a
// table that an attacker could fill. All 32 bits are good. If one choice uses one end of the hash (a tunnel uses
// the upper 14 bits), the next choice uses the other end. Any thread that may read the frame.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

#include "wire/headers.h"

#if defined(__SSE4_2__)
#include <immintrin.h>
#endif

namespace sluice::wire {

// Adds eight more bytes to a hash.
[[gnu::always_inline]] inline uint32_t hash_word(uint32_t before, uint64_t word) noexcept {
#if defined(__SSE4_2__)
    return static_cast<uint32_t>(_mm_crc32_u64(before, word));
#else
    // Both halves of the product, so that each bit of the word affects each bit of the result.
    const auto product = static_cast<unsigned __int128>((word ^ before) + 0x2545'f491'4f6c'dd1dULL) *
                         0x9e37'79b9'7f4a'7c15ULL;
    const uint64_t mixed = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    return static_cast<uint32_t>(mixed ^ mixed >> 32);
#endif
}

[[gnu::always_inline]] inline uint64_t load64(const uint8_t* at) noexcept {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

[[gnu::always_inline]] inline uint32_t load32(const uint8_t* at) noexcept {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// Takes the first eight bytes of an IPv4 header: whether it has no options and is no fragment.
[[gnu::always_inline]] constexpr bool is_plain_ipv4(uint64_t start) noexcept {
    // Version and header size, and the fragment field without its bits "reserved" and "don't fragment".
    return (start & 0xff3f'0000'0000'00ffULL) == 0x45;
}

[[gnu::always_inline]] constexpr bool has_ports(uint8_t protocol) noexcept {
    // Without branches, because the protocol cannot be predicted.
    return (protocol == static_cast<uint8_t>(Protocol::kTcp)) |
           (protocol == static_cast<uint8_t>(Protocol::kUdp)) |
           (protocol == static_cast<uint8_t>(Protocol::kSctp));
}

// For each protocol, the bits of the first word behind the IP header that are ports: all or none. A table, because
// a branch on the protocol cannot be predicted.
struct PortMasks {
    uint32_t of[256]{};

    constexpr PortMasks() {
        for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
            of[static_cast<size_t>(protocol)] = UINT32_MAX;
        }
    }
};
inline constexpr PortMasks kPortMasks;

// A frame with an IPv4 header that has no options and is no fragment, and four bytes behind it, in the first mbuf.
[[gnu::always_inline]] inline bool has_plain_ipv4(const rte_mbuf* m) noexcept {
    constexpr uint32_t kIp = sizeof(EthernetHeader);
    constexpr uint16_t kIpv4 = be16(static_cast<uint16_t>(EtherType::kIpv4)).raw();
    if (unlikely(m->data_len < kIp + sizeof(Ipv4Header) + sizeof(be32))) return false;
    const auto* ip = rte_pktmbuf_mtod_offset(m, const uint8_t*, kIp);
    uint16_t type;
    std::memcpy(&type, ip - sizeof type, sizeof type);
    return type == kIpv4 && is_plain_ipv4(load64(ip));
}

// IPv6 without extension headers, with ports behind it in the first mbuf. Sizes are not checked.
[[gnu::always_inline]] inline bool is_ipv6_with_ports(const rte_mbuf* m) noexcept {
    constexpr uint32_t kIp = sizeof(EthernetHeader);
    constexpr uint16_t kIpv6 = be16(static_cast<uint16_t>(EtherType::kIpv6)).raw();
    if (m->data_len < kIp + sizeof(Ipv6Header) + sizeof(be32)) return false;
    const auto* ip = rte_pktmbuf_mtod_offset(m, const uint8_t*, kIp);
    uint16_t type;
    std::memcpy(&type, ip - sizeof type, sizeof type);
    return type == kIpv6 && ip[0] >> 4 == 6 && has_ports(ip[6]);
}

// Takes any frame, which may span segments.
uint32_t flow_hash_slowly(const rte_mbuf* m) noexcept;

// Of a frame that has_plain_ipv4(): takes its IP header.
[[gnu::always_inline]] inline uint32_t flow_hash_of_ipv4(const uint8_t* ip) noexcept {
    const uint8_t protocol = ip[9];
    const uint64_t ports = load32(ip + sizeof(Ipv4Header)) & kPortMasks.of[protocol];
    return hash_word(hash_word(0, load64(ip + 12)), ports | uint64_t{protocol} << 32);
}

// Takes a frame that begins with its Ethernet header.
[[gnu::always_inline]] inline uint32_t flow_hash(const rte_mbuf* m) noexcept {
    constexpr uint32_t kIp = sizeof(EthernetHeader);
    constexpr uint16_t kIpv4 = be16(static_cast<uint16_t>(EtherType::kIpv4)).raw();
    constexpr uint16_t kIpv6 = be16(static_cast<uint16_t>(EtherType::kIpv6)).raw();
    const auto* frame = rte_pktmbuf_mtod(m, const uint8_t*);
    // Enough bytes for the type and for the first bytes of either IP header.
    if (unlikely(m->data_len < kIp + sizeof(Ipv4Header) + sizeof(be32))) return flow_hash_slowly(m);
    uint16_t type;
    std::memcpy(&type, frame + kIp - sizeof type, sizeof type);
    const uint8_t* ip = frame + kIp;
    if (likely(type == kIpv4 && is_plain_ipv4(load64(ip)))) {
        return flow_hash_of_ipv4(ip);
    }
    if (type == kIpv6 && m->data_len >= kIp + sizeof(Ipv6Header) + sizeof(be32)) {
        const uint8_t protocol = ip[6];
        if (likely(ip[0] >> 4 == 6 && has_ports(protocol))) {
            uint32_t hash = hash_word(hash_word(0, load64(ip + 8)), load64(ip + 16));
            hash = hash_word(hash_word(hash, load64(ip + 24)), load64(ip + 32));
            return hash_word(hash, load32(ip + sizeof(Ipv6Header)) | uint64_t{protocol} << 32);
        }
    }
    return flow_hash_slowly(m);
}

}  // namespace sluice::wire
