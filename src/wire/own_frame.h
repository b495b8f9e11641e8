// What the switch's own messages of all transports have in common: the addresses of packets that strangers send to
// it, behind a right checksum, and frames that it makes. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sluice/address.h"
#include "wire/headers.h"
#include "wire/layers.h"

namespace sluice::wire {

struct Ends {
    IpAddress source;
    IpAddress destination;
};

// Of a whole packet directly behind an Ethernet header. Nothing: it has VLAN tags, its checksum is wrong, or it
// has an IPv6 address that would pass for an IPv4 one (::ffff:0:0/96). Over IPv4, UDP without a checksum is right.
std::optional<Ends> verified_ends(const rte_mbuf* m, const Layers& layers) noexcept;

// The header of the transport, with a checksum field that is 0.
struct TransportHeader {
    Protocol protocol;
    const void* bytes;
    uint16_t size;
    uint16_t checksum_at;  // offset of its checksum
};

// A frame of one mbuf, which belongs to the caller, with room for the MAC addresses. Null: the pool is empty, or
// the payload is too long for one of its buffers.
rte_mbuf* build_frame(rte_mempool* pool, const Ends& ends, uint8_t hop_limit, const TransportHeader& header,
                      std::span<const std::byte> payload) noexcept;

}  // namespace sluice::wire
