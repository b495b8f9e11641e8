// TCP segments of the switch's own connections: read from packets that strangers send, and made. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "sluice/address.h"

namespace sluice::wire {

struct TcpSegment {
    IpAddress source;
    IpAddress destination;
    uint16_t source_port = 0;
    uint16_t destination_port = 0;
    uint32_t sequence = 0;
    uint32_t acknowledgement = 0;
    uint8_t flags = 0;
    uint16_t window = 0;
    // Of one that was read: where its payload is in the frame.
    uint32_t payload = 0;
    uint32_t payload_size = 0;
};

// The whole segment behind an Ethernet header. Nothing: it is another packet or a fragment, or a length or its
// checksum is wrong.
std::optional<TcpSegment> read_tcp_segment(const rte_mbuf* m) noexcept;

// A frame of one mbuf, which belongs to the caller, with room for the MAC addresses. Null: the pool is empty, or
// the payload is too long for one of its buffers.
rte_mbuf* build_tcp_segment(rte_mempool* pool, const TcpSegment& segment, std::string_view payload) noexcept;

}  // namespace sluice::wire
