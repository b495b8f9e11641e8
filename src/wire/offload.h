// The offload state of a packet, and its translation from and to the virtio-net header that stands
// before frames of TAPs and vhost guests. The state is DPDK's, in the mbuf:
//
//   RTE_MBUF_F_TX_TCP_CKSUM, _UDP_CKSUM  the L4 checksum is unfinished: its field holds the
//                                        pseudo-header's sum, not complemented, as virtio has it
//   RTE_MBUF_F_TX_TCP_SEG                a TCP segment to be cut into frames of tso_segsz payload
//                                        bytes at most (segment.h); TCP_CKSUM is set as well
//   RTE_MBUF_F_TX_IPV4, _IPV6            which of the two, whenever one of the above is set
//   l2_len, l3_len, l4_len               Ethernet with VLAN tags; IP with options or extension
//                                        headers; TCP or UDP: valid whenever one of the above is
//                                        set
//   RTE_MBUF_F_RX_L4_CKSUM_GOOD          somebody vouches for a finished checksum
//
// TCP_CKSUM and UDP_CKSUM are values of a two-bit field and share a bit: compare under
// RTE_MBUF_F_TX_L4_MASK, never test for one of them. Who changes the size of a header keeps these
// lengths in step. Workers; the caller owns the packet's bytes alone, except for to_virtio.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>

#include "wire/headers.h"
#include "wire/layers.h"

namespace sluice::wire {

enum class OffloadResult : uint8_t { kOk, kMalformed };

// One segment of a guest's becomes at most this many frames: 64 KiB at an MSS of 64. A guest that
// asks for a byte a frame would otherwise have a worker send 65,000 frames for one.
inline constexpr uint32_t kMaxSegments = 1024;

constexpr bool is_unfinished(const rte_mbuf* m) noexcept {
    return (m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)) != 0;
}

// Where the checksum of TCP or UDP stands in its header.
constexpr uint16_t checksum_offset(Protocol protocol) noexcept {
    return protocol == Protocol::kTcp ? offsetof(TcpHeader, checksum)
                                      : offsetof(UdpHeader, checksum);
}

// For a packet with these layers, whose checksum field holds the pseudo-header's sum.
void mark_unfinished(rte_mbuf* m, const Layers& layers) noexcept;

// from_virtio for a header that asks for something.
OffloadResult accept_offloads(rte_mbuf* m, const VirtioNetHeader& header) noexcept;

// Takes over what the header says of a frame that was read with it. A TCP or UDP checksum stays
// unfinished; any other (inside a guest's own tunnel, ICMPv6, …) is finished at once. Malformed are
// a header that contradicts the frame and segmentation of anything but plain TCP: drop the packet.
inline OffloadResult from_virtio(rte_mbuf* m, const VirtioNetHeader& header) noexcept {
    const bool asks = header.gso_type != VirtioNetHeader::kGsoNone ||
                      (header.flags & VirtioNetHeader::kNeedsChecksum) != 0;
    if (unlikely(asks)) return accept_offloads(m, header);
    if ((header.flags & VirtioNetHeader::kDataValid) != 0)
        m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    return OffloadResult::kOk;
}

// Takes over what a DPDK driver that cuts nothing says of a packet from a guest, in its receive flags
// (LRO: a segment, tso_segsz; L4_CKSUM_NONE: the checksum is unfinished): the same state, in the words
// above.
OffloadResult from_receive_flags(rte_mbuf* m) noexcept;

// to_virtio for an unfinished packet.
VirtioNetHeader describe_offloads(const rte_mbuf* m) noexcept;

// The header to write before this frame. Only for a reader that takes what the packet leaves
// unfinished; for others finish_checksums() or cut first.
inline VirtioNetHeader to_virtio(const rte_mbuf* m) noexcept {
    if (is_unfinished(m)) return describe_offloads(m);
    // GOOD and BAD both set mean "none": unchecked, though the packet's data is intact.
    const bool good = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    VirtioNetHeader header{};
    header.flags = good ? VirtioNetHeader::kDataValid : uint8_t{0};
    return header;
}

// Prepares an unfinished packet for a device that finishes such, as DPDK has it (rte_mbuf_core.h,
// rte_eth_tx_prepare()): of a segment the pseudo-header's sum leaves out the length, which the device
// adds for each frame that it makes, and the IPv4 checksum is the device's as well. False, with
// nothing changed, where devices can't be relied upon: extension headers, headers spread over mbufs.
// What the device then refuses can still be done in software: a segment by the Cutter, any other by
// finish_checksums().
bool prepare_for_device(rte_mbuf* m) noexcept;

// Finishes the L4 checksum in place, if there is one to finish, and clears the flags. A packet to
// be segmented becomes one big frame with a right checksum.
void finish_checksums(rte_mbuf* m) noexcept;

}  // namespace sluice::wire
