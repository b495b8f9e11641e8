// UDP datagrams to the switch and from it (RFC 768), and ICMPv6 messages from it. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sluice/address.h"

namespace sluice::wire {

struct UdpDatagram {
    IpAddress source;
    IpAddress destination;
    uint16_t source_port = 0;
    uint16_t destination_port = 0;
    // Of one that was read: where its payload is in the frame.
    uint32_t payload = 0;
    uint32_t payload_size = 0;
};

// The whole datagram behind an Ethernet header. Nothing: it is another packet or a fragment, or a length or its
// checksum is wrong.
std::optional<UdpDatagram> read_udp_datagram(const rte_mbuf* m) noexcept;

// A frame of one mbuf, which belongs to the caller, with room for the MAC addresses. Null: the pool is empty, or
// the payload is too long for one of its buffers.
rte_mbuf* build_udp_datagram(rte_mempool* pool, const UdpDatagram& datagram,
                             std::span<const std::byte> payload) noexcept;

// The same of an ICMPv6 message (RFC 4443), which begins with its type and whose checksum is made here. Neighbor
// Discovery's hop limit (RFC 4861, 6.1.2).
rte_mbuf* build_icmpv6_message(rte_mempool* pool, const IpAddress& source, const IpAddress& destination,
                               std::span<const std::byte> message) noexcept;

}  // namespace sluice::wire
