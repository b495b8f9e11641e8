// Runs of UDP datagrams that may leave as one, for a kernel that cuts them again (UDP segmentation,
// VIRTIO_NET_HDR_GSO_UDP_L4): what VXLAN makes of a TCP segment's pieces is one such run, and costs a port
// one packet's system call, allocation and queueing rather than forty-five's.
//
// In a run are consecutive packets whose cutting makes just these frames again, the UDP checksum and, under
// DF, IPv4 ids aside (RFC 6864, 4.1: they mean nothing there):
//
//   - untagged Ethernet, then IPv4 without options or IPv6 without extension headers, no fragment
//   - equal Ethernet and IP headers (ECN, TTL and flow label too) and ports; without DF the ids go on
//   - payloads as long as the first one's; a shorter one ends the run
//   - no UDP checksum or an unfinished one: the kernel writes one into every frame. A finished one is left
//     to the receiver to judge. (RFC 7348, 5 lets a VXLAN end point send either.)
//   - headers in the first mbuf, and the first packet's bytes nobody else's
//
// Worker thread, which owns the packets.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "wire/headers.h"

namespace sluice::wire {

// A datagram with less payload begins no run: it would save little.
inline constexpr uint16_t kMinUdpRun = 256;

struct UdpRun {
    uint16_t count = 1;        // packets, from the first on; 1: it goes alone
    uint16_t header_size = 0;  // of each of them, up to the payload
    uint32_t payload_size = 0;  // of all together
};

// The run that begins with packets[0]; `count` is not 0. Writes nothing.
UdpRun find_udp_run(rte_mbuf* const* packets, uint16_t count) noexcept;

// Makes the first packet's headers those of a datagram with the payload of the whole run, to be followed by
// the others' bytes from header_size on. Answers what stands before the frame.
VirtioNetHeader begin_udp_run(rte_mbuf* first, const UdpRun& run) noexcept;

// Takes that back.
void abandon_udp_run(rte_mbuf* first, const UdpRun& run) noexcept;

}  // namespace sluice::wire
