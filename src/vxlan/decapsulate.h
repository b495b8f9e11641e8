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
#include "wire/offload.h"

namespace sluice::vxlan {

enum class Outcome : uint8_t {
    kAccepted,
    kTagged,    // accepted if the network carries VLAN tags in tunnels, otherwise dropped for `reason`
    kDropped,   // for `reason`
    kNotVxlan,  // not UDP, or to another port
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

// `port` is the UDP port of VXLAN, wire::VxlanHeader::kPort by default. Usual packets are accepted at once: no
// options or extension headers, all headers in the first mbuf, a UDP checksum that is 0 or known to be right, no
// trailing bytes, no relevant ECN mark, IP inside.
[[gnu::always_inline]] inline Outcome examine(const rte_mbuf* packet, wire::be16 port,
                                              Outer& outer) noexcept {
    using wire::load32;
    using wire::load64;
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    constexpr uint32_t kInner = sizeof(wire::EthernetHeader);
    constexpr uint32_t kType = offsetof(wire::EthernetHeader, type);
    constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
    constexpr uint64_t kUdp = static_cast<uint64_t>(wire::Protocol::kUdp);

    const auto type_at = [](const uint8_t* frame) __attribute__((always_inline)) {
        uint16_t type;
        std::memcpy(&type, frame + kType, sizeof type);
        return type;
    };
    // The last three headers in both families: UDP (ports, size, checksum), VXLAN, Ethernet.
    const auto is_usual = [&](const uint8_t* udp, uint32_t udp_size) __attribute__((always_inline)) {
        const uint64_t word = load64(udp);
        const uint64_t expected =
            port.raw() | uint64_t{wire::be16(static_cast<uint16_t>(udp_size)).raw()} << 16;
        const uint16_t type = type_at(udp + kTunnelHeaders);
        return (word >> 16 == expected ||
                ((word >> 16 & 0xffff'ffff) == expected && is_vouched_for(packet))) &&
               (udp[sizeof(wire::UdpHeader)] & wire::VxlanHeader::kVniValid) != 0 &&
               (type == kIpv4 || type == kIpv6);
    };
    const auto accept = [&](uint16_t size) __attribute__((always_inline)) {
        const auto* frame = rte_pktmbuf_mtod(packet, const uint8_t*);
        outer.changes = false;
        outer.size = size;
        outer.end = packet->pkt_len;
        outer.vni = __builtin_bswap32(load32(frame + size - sizeof(wire::be32))) >> 8;
        return Outcome::kAccepted;
    };

    const auto* frame = rte_pktmbuf_mtod(packet, const uint8_t*);
    const uint8_t* ip = frame + kIp;
    if (likely(packet->data_len >= kOverheadIpv4 + kInner && type_at(frame) == kIpv4)) {
        const uint64_t start = load64(ip);
        const uint64_t middle = load64(ip + 8);
        const uint32_t destination = load32(ip + 16);
        const uint64_t words = (start & 0xffff'ffff) + (start >> 32) + (middle & 0xffff'ffff) +
                               (middle >> 32) + destination;
        // Fold to 33 bits, then to 32.
        const uint64_t sum = (words & 0xffff'ffff) + (words >> 32);
        const uint16_t folded = wire::fold(static_cast<uint32_t>(sum) + static_cast<uint32_t>(sum >> 32));
        const uint32_t total_size = wire::be16::from_raw(static_cast<uint16_t>(start >> 16)).host();
        if (likely(wire::is_plain_ipv4(start) && folded == 0xffff && (middle >> 8 & 0xff) == kUdp &&
                   kIp + total_size == packet->pkt_len && !matters(static_cast<uint8_t>(start >> 8)) &&
                   is_usual(ip + sizeof(wire::Ipv4Header), total_size - sizeof(wire::Ipv4Header)))) {
            outer.ipv6 = false;
            outer.source = wire::be32::from_raw(static_cast<uint32_t>(middle >> 32));
            return accept(kOverheadIpv4);
        }
    } else if (packet->data_len >= kOverheadIpv6 + kInner && type_at(frame) == kIpv6) {
        const uint64_t start = load64(ip);
        const uint32_t first = __builtin_bswap32(static_cast<uint32_t>(start));
        const uint32_t size = wire::be16::from_raw(static_cast<uint16_t>(start >> 32)).host();
        if (likely(first >> 28 == 6 && (start >> 48 & 0xff) == kUdp &&
                   kIp + sizeof(wire::Ipv6Header) + size == packet->pkt_len &&
                   !matters(static_cast<uint8_t>(first >> 20)) &&
                   is_usual(ip + sizeof(wire::Ipv6Header), size))) {
            outer.ipv6 = true;
            std::memcpy(&outer.source_ipv6, ip + 8, sizeof outer.source_ipv6);
            return accept(kOverheadIpv6);
        }
    }
    return examine_slowly(packet, port, outer);
}

// strip() for unusual packets: headers that span mbufs, trailing bytes, a frame that changes.
void strip_slowly(rte_mbuf* packet, const Outer& outer) noexcept;

// Leaves the inner frame of an accepted packet, with its Ethernet header in the first mbuf. Clears the metadata
// of the outer packet: a good outer checksum says nothing about an inner one.
[[gnu::always_inline]] inline void strip(rte_mbuf* packet, const Outer& outer) noexcept {
    if (likely(outer.end == packet->pkt_len && !outer.changes &&
               packet->data_len >= outer.size + sizeof(wire::EthernetHeader))) {
        packet->data_off = static_cast<uint16_t>(packet->data_off + outer.size);
        packet->data_len = static_cast<uint16_t>(packet->data_len - outer.size);
        packet->pkt_len -= outer.size;
    } else {
        strip_slowly(packet, outer);
    }
    packet->ol_flags &= kBufferFlags;
    packet->packet_type = 0;
    packet->tx_offload = 0;
}

}  // namespace sluice::vxlan
