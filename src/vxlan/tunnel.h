// A tunnel: the outer headers of all packets from one local to one remote tunnel end point (VTEP, RFC 7348), and
// the code that puts them before a frame. Networks share tunnels, so the VNI comes with the packet.
//
// A Tunnel is one cache line of constants. The control thread builds it, workers only read it. The fields that
// depend on the packet (lengths, traffic class, source port, VNI, checksums) are combined with them in registers.
// Headers are stored in pieces that later loads do not straddle: a header that is stored field by field and soon
// after loaded whole waits for the stores (DESIGN, "What a prototype measured", 7).
//
// The outer IPv4 header has DF set and an id of 0 (RFC 6864, 4.1), because a VTEP must not fragment (RFC 7348,
// 4.3); a router drops an outer packet that is too big. DSCP and ECN are the inner packet's (RFC 2983's uniform
// model; RFC 6040, 4.1's normal mode), or 0 if that is not IP. A UDP checksum of 0 is allowed for tunnels over
// IPv6 as well (RFC 6935, RFC 6936). The source port is from the flow's hash, 49152 to 65535. Workers, except for
// make_tunnel.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "sluice/address.h"
#include "wire/checksum.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"
#include "wire/offload.h"

namespace sluice::vxlan {

inline constexpr uint16_t kTunnelHeaders = sizeof(wire::UdpHeader) + sizeof(wire::VxlanHeader);
inline constexpr uint16_t kOverheadIpv4 =
    sizeof(wire::EthernetHeader) + sizeof(wire::Ipv4Header) + kTunnelHeaders;
inline constexpr uint16_t kOverheadIpv6 =
    sizeof(wire::EthernetHeader) + sizeof(wire::Ipv6Header) + kTunnelHeaders;
static_assert(kOverheadIpv4 == 50 && kOverheadIpv6 == 70);

// The bytes of an outer packet that are not the inner packet's: outer headers and the inner Ethernet header.
constexpr uint16_t inner_headers(bool ipv6) noexcept { return ipv6 ? kOverheadIpv6 : kOverheadIpv4; }

enum class UdpChecksum : uint8_t { kZero, kFull };

struct alignas(64) Tunnel {
    // With the MACs as of when it was built. Code that knows newer ones overwrites the packet's.
    wire::EthernetHeader ethernet;
    uint16_t header_sum;  // of an IPv4 header without length, traffic class and checksum; folded
    std::array<uint8_t, 32> addresses;  // local, remote: 2 times 4 bytes or 2 times 16
    uint16_t pseudo_sum;                // of addresses and protocol; folded
    wire::be16 port;                    // of the remote end point
    UdpChecksum checksum;
    bool ipv6;

    // The size of the headers before the frame.
    uint16_t overhead() const noexcept { return ipv6 ? kOverheadIpv6 : kOverheadIpv4; }
};
static_assert(sizeof(Tunnel) == 64);

// The least source port: a flow's hash chooses one of the dynamic ports (RFC 6335, 6).
inline constexpr uint16_t kFirstSourcePort = 0xc000;

// The tunnel's two addresses. Any thread.
IpAddress local_of(const Tunnel& tunnel) noexcept;
IpAddress remote_of(const Tunnel& tunnel) noexcept;

// Both addresses of one family. Control thread.
Tunnel make_tunnel(const IpAddress& local, const IpAddress& remote, uint16_t port, UdpChecksum checksum,
                   const MacAddress& source = {}, const MacAddress& destination = {}) noexcept;

// The mbuf flags about where the bytes are. All other flags are about the packet, and become invalid when it
// enters or leaves a tunnel.
inline constexpr uint64_t kBufferFlags = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;

// The traffic class of a frame whose Ethernet header is in the first mbuf; 0 if it is not IP.
[[gnu::always_inline]] inline uint8_t traffic_class_of(const rte_mbuf* packet) noexcept {
    constexpr uint32_t kType = offsetof(wire::EthernetHeader, type);
    constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
    // EtherType and the first two bytes of the header.
    uint32_t copy;
    const void* at = rte_pktmbuf_mtod_offset(packet, const uint8_t*, kType);
    if (unlikely(packet->data_len < kType + sizeof copy)) {
        at = rte_pktmbuf_read(packet, kType, sizeof copy, &copy);
        if (at == nullptr) return 0;
    }
    const uint32_t word = wire::load32(static_cast<const uint8_t*>(at));
    const auto type = static_cast<uint16_t>(word);
    if (type == kIpv4) return static_cast<uint8_t>(word >> 24);
    if (type == kIpv6) return static_cast<uint8_t>(__builtin_bswap32(word) >> 4);
    return 0;
}

// Whether a frame has a VLAN tag, which a tunnel carries only if its network is configured to (RFC 7348, 6.1).
// Reads the same bytes as traffic_class_of(), so that the compiler makes one comparison for an IPv4 packet.
[[gnu::always_inline]] inline bool is_tagged(const rte_mbuf* packet) noexcept {
    constexpr uint32_t kType = offsetof(wire::EthernetHeader, type);
    constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    if (likely(packet->data_len >= kType + sizeof(uint32_t))) {
        const auto type =
            static_cast<uint16_t>(wire::load32(rte_pktmbuf_mtod_offset(packet, const uint8_t*, kType)));
        if (likely(type == kIpv4)) return false;
    }
    return wire::is_vlan(rte_pktmbuf_mtod(packet, const wire::EthernetHeader*)->ether_type());
}

// A length in network order. For a 16-bit type gcc 12 goes through the stack (movbe).
[[gnu::always_inline]] inline uint32_t big_endian(uint32_t length) noexcept {
    return __builtin_bswap32(length) >> 16;
}

// Writes the `overhead()` bytes at `at`. `inner_sum` is the frame's checksum sum, needed for a full checksum.
[[gnu::always_inline]] inline void write_outer(uint8_t* at, const Tunnel& tunnel, uint32_t vni,
                                               uint32_t flow_hash, uint32_t inner_size,
                                               uint8_t traffic_class, wire::Sum inner_sum) noexcept {
    using wire::be16;
    constexpr uint64_t kHopLimit = 64;
    constexpr uint64_t kUdp = static_cast<uint64_t>(wire::Protocol::kUdp);
    const uint32_t udp_size = inner_size + kTunnelHeaders;
    uint8_t* ip = at + sizeof(wire::EthernetHeader);
    uint8_t* udp = ip;

    // Copies two bytes more than the Ethernet header; the IP header overwrites them.
    std::memcpy(at, &tunnel, sizeof(wire::EthernetHeader) + 2);
    if (likely(!tunnel.ipv6)) {
        const uint32_t total_size = big_endian(udp_size + sizeof(wire::Ipv4Header));
        const uint64_t start = 0x45 | uint64_t{traffic_class} << 8 | uint64_t{total_size} << 16 |
                               uint64_t{be16(wire::Ipv4Header::kDontFragment).raw()} << 48;
        const wire::Sum sum = wire::Sum{tunnel.header_sum} + (uint32_t{traffic_class} << 8) + total_size;
        const auto middle = static_cast<uint32_t>(kHopLimit | kUdp << 8 |
                                                  uint64_t{wire::checksum_of(sum).raw()} << 16);
        std::memcpy(ip, &start, sizeof start);
        std::memcpy(ip + 8, &middle, sizeof middle);
        std::memcpy(ip + 12, tunnel.addresses.data(), 8);
        udp += sizeof(wire::Ipv4Header);
    } else {
        const uint64_t start = __builtin_bswap32(0x6000'0000 | uint32_t{traffic_class} << 20) |
                               uint64_t{big_endian(udp_size)} << 32 | kUdp << 48 | kHopLimit << 56;
        std::memcpy(ip, &start, sizeof start);
        std::memcpy(ip + 8, tunnel.addresses.data(), 32);
        udp += sizeof(wire::Ipv6Header);
    }

    const uint64_t size = big_endian(udp_size);
    uint64_t udp_word = be16(static_cast<uint16_t>(kFirstSourcePort | flow_hash >> 18)).raw() |
                        uint64_t{tunnel.port.raw()} << 16 | size << 32;
    const uint64_t vxlan_word =
        wire::VxlanHeader::kVniValid | uint64_t{__builtin_bswap32(vni << 8)} << 32;
    if (unlikely(tunnel.checksum == UdpChecksum::kFull)) {
        // The length counts twice, in the pseudo-header and in the UDP header.
        wire::Sum sum = inner_sum + tunnel.pseudo_sum + static_cast<uint32_t>(size);
        for (const uint64_t word : {udp_word, vxlan_word}) {
            for (int shift = 0; shift < 64; shift += 16) sum += static_cast<uint16_t>(word >> shift);
        }
        udp_word |= uint64_t{wire::nonzero_checksum_of(sum).raw()} << 48;
    }
    std::memcpy(udp, &udp_word, sizeof udp_word);
    std::memcpy(udp + sizeof udp_word, &vxlan_word, sizeof vxlan_word);
}

// Changes the mbuf's metadata to the outer packet's.
[[gnu::always_inline]] inline void describe_outer(rte_mbuf* packet, const Tunnel& tunnel) noexcept {
    constexpr uint64_t kL2 = sizeof(wire::EthernetHeader) << RTE_MBUF_L2_LEN_OFS;
    constexpr uint64_t kL4 = sizeof(wire::UdpHeader) << RTE_MBUF_L4_LEN_OFS;
    packet->ol_flags &= kBufferFlags;
    packet->packet_type = 0;
    packet->tx_offload = kL2 | kL4 |
                         (tunnel.ipv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header))
                             << RTE_MBUF_L3_LEN_OFS;
}

// Whether encapsulate() may write before the frame: the bytes are not shared, and there is headroom.
[[gnu::always_inline]] inline bool has_room(const rte_mbuf* packet, const Tunnel& tunnel) noexcept {
    return RTE_MBUF_DIRECT(packet) && rte_mbuf_refcnt_read(packet) == 1 &&
           rte_pktmbuf_headroom(packet) >= tunnel.overhead();
}

// Encapsulates a frame in place. Its Ethernet header is in the first mbuf, and has_room() holds. An unfinished L4
// checksum is finished first. A segment must be cut before, and each piece passed. A frame that is too long for
// the underlay, or even for the outer length fields, keeps its length, and the egress drops it.
[[gnu::always_inline]] inline void encapsulate(rte_mbuf* packet, const Tunnel& tunnel, uint32_t vni,
                                               uint32_t flow_hash) noexcept {
    if (unlikely(wire::is_unfinished(packet))) wire::finish_checksums(packet);
    const uint32_t size = packet->pkt_len;
    const uint8_t traffic_class = traffic_class_of(packet);
    const wire::Sum sum =
        unlikely(tunnel.checksum == UdpChecksum::kFull) ? wire::sum_of(packet, 0, size) : 0;
    const uint16_t overhead = tunnel.overhead();
    packet->data_off = static_cast<uint16_t>(packet->data_off - overhead);
    packet->data_len = static_cast<uint16_t>(packet->data_len + overhead);
    packet->pkt_len = size + overhead;
    write_outer(rte_pktmbuf_mtod(packet, uint8_t*), tunnel, vni, flow_hash, size, traffic_class, sum);
    describe_outer(packet, tunnel);
}

// The outer header for the fastest way into a tunnel: IPv4 without UDP checksum, with its MACs, as the words in
// which it is stored. It is for one network, one tunnel and one neighbor in the underlay; a worker keeps it for a
// batch.
struct ReadyOuter {
    uint64_t macs_start = 0;      // destination and the first two bytes of the source
    uint64_t macs_end = 0;        // the rest of the source, EtherType, version and IHL; then the traffic class
    uint64_t addresses = 0;
    uint64_t vxlan = 0;           // flags and VNI
    uint32_t header_sum = 0;
    uint32_t udp_port = 0;        // of the remote, at its place in UDP's first word
};

inline ReadyOuter make_ready(const Tunnel& tunnel, uint32_t vni, uint64_t source_mac,
                             uint64_t destination_mac) noexcept {
    ReadyOuter ready;
    constexpr uint64_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    ready.macs_start = destination_mac | source_mac << 48;
    ready.macs_end = source_mac >> 16 | kIpv4 << 32 | uint64_t{0x45} << 48;
    ready.addresses = wire::load64(tunnel.addresses.data());
    ready.vxlan = wire::VxlanHeader::kVniValid | uint64_t{__builtin_bswap32(vni << 8)} << 32;
    ready.header_sum = tunnel.header_sum;
    ready.udp_port = uint32_t{tunnel.port.raw()} << 16;
    return ready;
}

// encapsulate() with a ReadyOuter: for a frame in one mbuf, with headroom, unshared bytes and finished checksums.
[[gnu::always_inline]] inline void encapsulate(rte_mbuf* packet, const ReadyOuter& ready, uint32_t flow_hash,
                                               uint64_t traffic_class) noexcept {
    constexpr uint64_t kTtlUdp = 64 | static_cast<uint64_t>(wire::Protocol::kUdp) << 8;
    const uint32_t total = __builtin_bswap32(packet->pkt_len + kOverheadIpv4 - 14) >> 16;
    const uint32_t udp = __builtin_bswap32(packet->pkt_len + kTunnelHeaders) >> 16;
    // Three terms of 16 bits carry once, and then at most once more.
    uint32_t sum = ready.header_sum + (static_cast<uint32_t>(traffic_class) << 8) + total;
    sum = (sum & 0xffff) + (sum >> 16);
    const auto checksum = static_cast<uint16_t>(~(sum + (sum >> 16)));
    packet->data_off = static_cast<uint16_t>(packet->data_off - kOverheadIpv4);
    packet->data_len = static_cast<uint16_t>(packet->data_len + kOverheadIpv4);
    packet->pkt_len += kOverheadIpv4;
    auto* at = rte_pktmbuf_mtod(packet, uint8_t*);
    const auto store = [&](uint32_t offset, auto word) { std::memcpy(at + offset, &word, sizeof word); };
    store(0, ready.macs_start);
    store(8, ready.macs_end | traffic_class << 56);
    store(16, total | uint64_t{wire::be16(wire::Ipv4Header::kDontFragment).raw()} << 32 | kTtlUdp << 48);
    store(24, checksum);
    store(26, ready.addresses);
    const uint64_t source_port = __builtin_bswap32(kFirstSourcePort | flow_hash >> 18) >> 16;
    store(34, source_port | ready.udp_port | uint64_t{udp} << 32);
    store(42, ready.vxlan);
    packet->ol_flags &= kBufferFlags;
    packet->packet_type = 0;
}

// The same for a frame whose bytes are shared (a flood's copies) or that has no headroom: the headers go into an
// mbuf from `headers`, chained before the frame. Takes the packet and returns the chain's head. If no buffer is
// free, returns null and leaves the packet unchanged with the caller. A packet with an unfinished checksum is
// copied first, because the flags of the other copies say that it is unfinished.
rte_mbuf* encapsulate_shared(rte_mbuf* packet, const Tunnel& tunnel, uint32_t vni, uint32_t flow_hash,
                             rte_mempool* headers) noexcept;

}  // namespace sluice::vxlan
