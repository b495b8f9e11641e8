// The offload state of a packet, and its translation from and to the virtio-net header before frames of TAPs and
// vhost guests. The state is DPDK's, in the mbuf:
//
//   RTE_MBUF_F_TX_TCP_CKSUM, _UDP_CKSUM  the L4 checksum is unfinished: its field holds the
//                                        pseudo-header's sum, not complemented, as in virtio
//   RTE_MBUF_F_TX_TCP_SEG                a TCP segment to be cut into frames of tso_segsz payload
//                                        bytes at most (segment.h); TCP_CKSUM is set as well
//   RTE_MBUF_F_TX_IPV4, _IPV6            the family; one is set if one of the above is set
//   l2_len, l3_len, l4_len               Ethernet with VLAN tags; IP with options or extension
//                                        headers; TCP or UDP: valid if one of the above is set
//   RTE_MBUF_F_RX_L4_CKSUM_GOOD          the L4 checksum is finished and vouched for
//
// TCP_CKSUM and UDP_CKSUM are values of a two-bit field and share a bit: compare under RTE_MBUF_F_TX_L4_MASK,
// never test for one of them. Code that changes the size of a header updates these lengths. Workers; the caller
// owns the packet's bytes alone, except for to_virtio.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>

#include "wire/headers.h"
#include "wire/layers.h"

namespace sluice::wire {

enum class OffloadResult : uint8_t { kOk, kMalformed };

// The most frames that one segment of a guest becomes: 64 KiB at an MSS of 64. Without a limit, a guest that asks
// for one byte per frame would make a worker send 65,000 frames for one.
inline constexpr uint32_t kMaxSegments = 1024;

constexpr bool is_unfinished(const rte_mbuf* m) noexcept {
    return (m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)) != 0;
}

// The offset of the checksum in the header of TCP or UDP.
constexpr uint16_t checksum_offset(Protocol protocol) noexcept {
    return protocol == Protocol::kTcp ? offsetof(TcpHeader, checksum)
                                      : offsetof(UdpHeader, checksum);
}

// Marks a packet with these layers. Its checksum field holds the pseudo-header's sum.
void mark_unfinished(rte_mbuf* m, const Layers& layers) noexcept;

// from_virtio() for a header that requests an offload.
OffloadResult accept_offloads(rte_mbuf* m, const VirtioNetHeader& header) noexcept;

// Takes over the virtio-net header that was read with a frame. A TCP or UDP checksum stays unfinished; any other
// (inside a guest's own tunnel, ICMPv6, …) is finished at once. A header that contradicts the frame, or that asks
// to segment anything but plain TCP, is malformed: drop the packet.
inline OffloadResult from_virtio(rte_mbuf* m, const VirtioNetHeader& header) noexcept {
    const bool asks = header.gso_type != VirtioNetHeader::kGsoNone ||
                      (header.flags & VirtioNetHeader::kNeedsChecksum) != 0;
    if (unlikely(asks)) return accept_offloads(m, header);
    if ((header.flags & VirtioNetHeader::kDataValid) != 0)
        m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    return OffloadResult::kOk;
}

// Translates the receive flags of a DPDK driver for a guest's packet (LRO: a segment, tso_segsz; L4_CKSUM_NONE:
// the checksum is unfinished) into the state above. For drivers that cut no segments.
OffloadResult from_receive_flags(rte_mbuf* m) noexcept;

// to_virtio() for an unfinished packet.
VirtioNetHeader describe_offloads(const rte_mbuf* m) noexcept;

// The header to write before this frame, for a reader that finishes offloads itself. For other readers, call
// finish_checksums() or cut first.
inline VirtioNetHeader to_virtio(const rte_mbuf* m) noexcept {
    if (is_unfinished(m)) return describe_offloads(m);
    // GOOD and BAD both set mean "none": unchecked, though the packet's data is intact.
    const bool good = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    VirtioNetHeader header{};
    header.flags = good ? VirtioNetHeader::kDataValid : uint8_t{0};
    return header;
}

// Prepares an unfinished packet for a device that finishes checksums, as DPDK requires (rte_mbuf_core.h,
// rte_eth_tx_prepare()): in a segment the pseudo-header's sum leaves out the length, which the device adds for
// each frame that it makes, and the device also writes the IPv4 checksum. Returns false and changes nothing if
// devices cannot be relied upon: extension headers, or headers that span mbufs. If the device then refuses the
// packet, software can still do it: the Cutter for a segment, finish_checksums() for any other packet.
bool prepare_for_device(rte_mbuf* m) noexcept;

// Finishes an unfinished L4 checksum in place and clears the flags. A segment becomes one big frame with a right
// checksum.
void finish_checksums(rte_mbuf* m) noexcept;

}  // namespace sluice::wire
