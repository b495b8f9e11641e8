// The coalescer, the counterpart of the cutter (segment.h): makes one TCP segment (offload.h) out of consecutive
// frames of a flow that leave in one burst. It serves ports that take whole segments and cost time per packet. It
// does for these frames what Linux's GRO (generic receive offload) does for frames that a kernel receives.
//
// A frame joins the segment before it if the cutter would make exactly these frames again from the joined
// segment. IPv4 ids under DF may differ (RFC 6864, 4.1: they mean nothing there). The conditions:
//
// - untagged Ethernet, then IPv4 without options or IPv6 without extension headers, no fragment
// - equal Ethernet and IP headers (ECN, TTL and flow label too), ports, acknowledgement, window and options (and
//   so timestamps); consecutive sequence numbers; without DF, consecutive ids
// - no flag but ACK; PSH ends the segment, and so does a payload shorter than the first one's
// - a right checksum: vouched for, unfinished, or summed here. A damaged frame is sent as it came
// - bytes in one mbuf that is not shared
//
// The packets of a flow stay in order: any other packet that is or may be of the flow ends its segment. Flows are
// told apart, so a burst may mix a few. Worker thread, which owns the packets.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

// The most mbufs in a segment: with the virtio-net header they fill the 64 vectors that a port writes at once.
inline constexpr uint16_t kMaxCoalesced = 63;

// A frame with less payload does not begin a segment, since it would save little.
inline constexpr uint16_t kMinCoalesced = 256;

// Returns how many packets are left at the start of the array, in order. merged[i] becomes the number of packets
// in packets[i]: 1, or more if it is a segment made here. Both arrays have `count` places.
uint16_t coalesce(rte_mbuf** packets, uint16_t count, uint16_t* merged) noexcept;

}  // namespace sluice::wire
