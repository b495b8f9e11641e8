// A packet from the underlay to one of our tunnel end points: whether its VXLAN is acceptable, and how its inner
// frame is extracted (RFC 7348, 4.1 and 5). Two steps, because look-ups between them may refuse the packet:
// examine() reads, strip() writes. Worker thread.
//
// The caller has checked, as far as the frame goes, that an Ethernet header without VLAN tags is in the first
// mbuf and that the destination address is a local end point's (a packet with a header that is cut short comes
// here too). No length is trusted; headers may span mbufs.
//
// Reserved flags and bits are ignored, as RFC 7348, 5 requires; the I flag must be set. (Linux drops packets with
// flags other than I, unless the extension for those flags is enabled. But an extension that changes the meaning
// of the other fields, such as VXLAN-GPE, has a port of its own.)
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

#include "path/drop.h"
#include "vxlan/ecn.h"
#include "vxlan/tunnel.h"
#include "wire/checksum.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"
#include "wire/ip_check.h"
#include "wire/offload.h"

namespace sluice::vxlan {

enum class Outcome : uint8_t {
    kAccepted,
    kTagged,    // accepted if the network carries VLAN tags in tunnels, otherwise dropped for `reason`
    kFragment,  // of a UDP packet, and it shows another port or none: dropped for `reason`, where nothing but
                // VXLAN is expected
    kDropped,   // for `reason`
    kNotVxlan,  // not UDP, or whole and to another port
};

// Further results of examine(). For an accepted packet, all but the reason. It is filled in place: a struct that
// was stored in pieces and copied whole cost 20 cycles a packet (a loop over 64 of them).
struct Outer {
    path::Drop reason;
    bool ipv6;
    bool changes;   // the inner frame changes as the next three say; false: they are not set
    bool marks;     // the inner packet's ECN becomes `ecn`
    bool untags;    // the inner frame's priority tag is removed; `size` includes it
    Ecn ecn;
    uint16_t size;  // of the headers: offset of the inner frame
    uint32_t end;   // end of the inner frame; padding of the underlay may follow
    uint32_t vni;
    wire::be32 source;            // of an outer IPv4 packet
    wire::Ipv6Bytes source_ipv6;  // of an outer IPv6 packet
};

// Whether the outer UDP checksum is known to be right: the NIC has checked it, or it is the host kernel's own
// unfinished checksum, which has never been on a wire. If the NIC has recognized a tunnel, L4_CKSUM is about the
// inner header and OUTER_L4_CKSUM about this one.
[[gnu::always_inline]] inline bool is_vouched_for(const rte_mbuf* packet) noexcept {
    const bool seen = (packet->packet_type & RTE_PTYPE_TUNNEL_MASK) != 0;
    const uint64_t mask = seen ? RTE_MBUF_F_RX_OUTER_L4_CKSUM_MASK : RTE_MBUF_F_RX_L4_CKSUM_MASK;
    const uint64_t good = seen ? RTE_MBUF_F_RX_OUTER_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    return (packet->ol_flags & mask) == good || wire::is_unfinished(packet);
}

// Checks everything, from the outermost header inwards. The first fault is the reason.
Outcome examine_slowly(const rte_mbuf* packet, wire::be16 port, Outer& outer) noexcept;

// The last three headers in both families: UDP (ports, size, checksum), VXLAN, Ethernet. `udp` is the first.
[[gnu::always_inline]] inline bool has_usual_tunnel(const rte_mbuf* packet, const uint8_t* udp, uint32_t udp_size,
                                                    wire::be16 port) noexcept {
    constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
    const uint64_t word = wire::load64(udp);
    const uint64_t expected = port.raw() | uint64_t{wire::be16(static_cast<uint16_t>(udp_size)).raw()} << 16;
    uint16_t type;
    std::memcpy(&type, udp + kTunnelHeaders + offsetof(wire::EthernetHeader, type), sizeof type);
    return (word >> 16 == expected || ((word >> 16 & 0xffff'ffff) == expected && is_vouched_for(packet))) &&
           (udp[sizeof(wire::UdpHeader)] & wire::VxlanHeader::kVniValid) != 0 &&
           (type == kIpv4 || type == kIpv6);
}

// What a usual packet over IPv4 says. It is a value, so that it stays in registers.
struct UsualOuter {
    bool found;
    uint32_t vni;
    wire::be32 source;
};

// Usual packets are accepted at once: no options or extension headers, all headers in the first mbuf, a UDP
// checksum that is 0 or known to be right, no trailing bytes, no relevant ECN mark, IP inside. Here those over
// IPv4, whose headers have kOverheadIpv4 bytes. `port` is the UDP port of VXLAN, wire::VxlanHeader::kPort by
// default.
[[gnu::always_inline]] inline UsualOuter examine_ipv4(const rte_mbuf* packet, wire::be16 port) noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    constexpr uint64_t kUdp = static_cast<uint64_t>(wire::Protocol::kUdp);
    const auto* frame = rte_pktmbuf_mtod(packet, const uint8_t*);
    uint16_t type;
    std::memcpy(&type, frame + offsetof(wire::EthernetHeader, type), sizeof type);
    if (unlikely(packet->data_len < kOverheadIpv4 + sizeof(wire::EthernetHeader) || type != kIpv4)) return {};
    const uint8_t* ip = frame + kIp;
    const uint64_t start = wire::load64(ip);
    const uint64_t middle = wire::load64(ip + 8);
    const uint32_t total_size = wire::be16::from_raw(static_cast<uint16_t>(start >> 16)).host();
    // If the NIC has recognized the tunnel, IP_CKSUM is about the inner header.
    const bool is_checked = (packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
                            (packet->packet_type & RTE_PTYPE_TUNNEL_MASK) == 0;
    const auto& header = *reinterpret_cast<const wire::Ipv4Header*>(ip);
    if (unlikely(!is_checked) && !wire::has_right_checksum(header)) return {};
    const bool is_usual =
        wire::is_plain_ipv4(start) && (middle >> 8 & 0xff) == kUdp && kIp + total_size == packet->pkt_len &&
        !matters(static_cast<uint8_t>(start >> 8)) &&
        has_usual_tunnel(packet, ip + sizeof(wire::Ipv4Header), total_size - sizeof(wire::Ipv4Header), port);
    return {.found = is_usual,
            .vni = __builtin_bswap32(wire::load32(frame + kOverheadIpv4 - sizeof(wire::be32))) >> 8,
            .source = wire::be32::from_raw(static_cast<uint32_t>(middle >> 32))};
}

// The same of all packets.
inline Outcome examine(const rte_mbuf* packet, wire::be16 port, Outer& outer) noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
    constexpr uint64_t kUdp = static_cast<uint64_t>(wire::Protocol::kUdp);
    const auto* frame = rte_pktmbuf_mtod(packet, const uint8_t*);
    const auto accept = [&](uint16_t size) {
        outer.changes = false;
        outer.size = size;
        outer.end = packet->pkt_len;
        outer.vni = __builtin_bswap32(wire::load32(frame + size - sizeof(wire::be32))) >> 8;
        return Outcome::kAccepted;
    };
    if (const UsualOuter usual = examine_ipv4(packet, port); usual.found) {
        outer.ipv6 = false;
        outer.source = usual.source;
        return accept(kOverheadIpv4);
    }
    uint16_t type;
    std::memcpy(&type, frame + offsetof(wire::EthernetHeader, type), sizeof type);
    if (packet->data_len >= kOverheadIpv6 + sizeof(wire::EthernetHeader) && type == kIpv6) {
        const uint8_t* ip = frame + kIp;
        const uint64_t start = wire::load64(ip);
        const uint32_t first = __builtin_bswap32(static_cast<uint32_t>(start));
        const uint32_t size = wire::be16::from_raw(static_cast<uint16_t>(start >> 32)).host();
        if (likely(first >> 28 == 6 && (start >> 48 & 0xff) == kUdp &&
                   kIp + sizeof(wire::Ipv6Header) + size == packet->pkt_len &&
                   !matters(static_cast<uint8_t>(first >> 20)) &&
                   has_usual_tunnel(packet, ip + sizeof(wire::Ipv6Header), size, port))) {
            outer.ipv6 = true;
            std::memcpy(&outer.source_ipv6, ip + 8, sizeof outer.source_ipv6);
            return accept(kOverheadIpv6);
        }
    }
    return examine_slowly(packet, port, outer);
}

// strip() for unusual packets: headers that span mbufs, trailing bytes, a frame that changes.
void strip_slowly(rte_mbuf* packet, const Outer& outer) noexcept;

// The inner frame's metadata: a good outer checksum says nothing about an inner one.
[[gnu::always_inline]] inline void describe_inner(rte_mbuf* packet) noexcept {
    packet->ol_flags &= kBufferFlags;
    packet->packet_type = 0;
    packet->tx_offload = 0;
}

// strip() for a packet whose headers have `size` bytes in the first mbuf, and whose inner frame is the rest.
[[gnu::always_inline]] inline void strip_usual(rte_mbuf* packet, uint16_t size) noexcept {
    packet->data_off = static_cast<uint16_t>(packet->data_off + size);
    packet->data_len = static_cast<uint16_t>(packet->data_len - size);
    packet->pkt_len -= size;
    describe_inner(packet);
}

// Leaves the inner frame of an accepted packet, with its Ethernet header in the first mbuf.
inline void strip(rte_mbuf* packet, const Outer& outer) noexcept {
    if (likely(outer.end == packet->pkt_len && !outer.changes &&
               packet->data_len >= outer.size + sizeof(wire::EthernetHeader))) {
        return strip_usual(packet, outer.size);
    }
    strip_slowly(packet, outer);
    describe_inner(packet);
}

}  // namespace sluice::vxlan
