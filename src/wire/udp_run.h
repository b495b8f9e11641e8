// Runs of UDP datagrams that are written as one packet, for a kernel that cuts them again (UDP segmentation,
// VIRTIO_NET_HDR_GSO_UDP_L4). The pieces that VXLAN makes of a TCP segment are such a run. It costs a port the
// system call, allocation and queueing of one packet instead of forty-five.
//
// A run is consecutive packets that the kernel's cutting makes again exactly, except for the UDP checksum and,
// under DF, IPv4 ids (RFC 6864, 4.1: they mean nothing there). The conditions:
//
// - untagged Ethernet, then IPv4 without options or IPv6 without extension headers, no fragment
// - equal Ethernet and IP headers (ECN, TTL and flow label too) and ports; without DF, consecutive ids
// - payloads as long as the first one's; a shorter one ends the run
// - no UDP checksum or an unfinished one: the kernel writes one into every frame. A packet with a finished
//   checksum is sent alone, so that its receiver checks it. (RFC 7348, 5 lets a VXLAN end point send either.)
// - headers in the first mbuf, and the bytes of the first packet not shared
//
// Worker thread, which owns the packets.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "wire/headers.h"

namespace sluice::wire {

// A datagram with less payload does not begin a run, since it would save little.
inline constexpr uint16_t kMinUdpRun = 256;

struct UdpRun {
    uint16_t count = 1;        // packets, from the first on; 1 means that the packet is sent alone
    uint16_t header_size = 0;  // of each packet, up to the payload
    uint32_t payload_size = 0;  // of all packets together
};

// The run that begins with packets[0]; `count` is not 0. Writes nothing.
UdpRun find_udp_run(rte_mbuf* const* packets, uint16_t count) noexcept;

// Rewrites the first packet's headers for a datagram with the payload of the whole run. The caller sends the
// other packets' bytes after it, from header_size on. Returns the virtio-net header to send before the frame.
VirtioNetHeader begin_udp_run(rte_mbuf* first, const UdpRun& run) noexcept;

// Undoes begin_udp_run().
void abandon_udp_run(rte_mbuf* first, const UdpRun& run) noexcept;

}  // namespace sluice::wire
