// The coalescer, the cutter's (segment.h) counterpart: makes one TCP segment (offload.h) out of consecutive
// frames of a flow that leave in one burst, for a port that takes segments whole and is paid by the packet.
// To such frames it is what Linux's GRO (generic receive offload) is to those that a kernel receives.
//
// A frame joins the segment before it if the cutter would make just these frames of the two again, IPv4 ids
// under DF aside (RFC 6864, 4.1: they mean nothing there):
//
//   - untagged Ethernet, then IPv4 without options or IPv6 without extension headers, no fragment
//   - equal Ethernet and IP headers (ECN, TTL and flow label too), ports, acknowledgement, window, options
//     (so timestamps); the sequence number goes on; without DF the id does, too
//   - no flag but ACK; PSH ends the segment, and so does a payload shorter than the first one's
//   - checksums that are right: vouched for, unfinished, or summed here. What is damaged goes out as it came
//   - bytes in one mbuf that nobody shares
//
// The order of a flow's packets stays: whatever else is of the flow, or might be, ends its segment.
// Flows are told apart, so a burst may mix a few. Worker thread, which owns the packets.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

// Mbufs in a segment: with their virtio-net header the 64 vectors that a port writes at once.
inline constexpr uint16_t kMaxCoalesced = 63;

// A frame with less payload begins no segment: it would save little.
inline constexpr uint16_t kMinCoalesced = 256;

// Answers how many packets are left at the array's start, in order. merged[i] becomes the number of those
// that packets[i] is made of: 1 unless it is a segment made here. Both arrays have `count` places.
uint16_t coalesce(rte_mbuf** packets, uint16_t count, uint16_t* merged) noexcept;

}  // namespace sluice::wire
