// Where the headers of a plain TCP or UDP packet lie: the one walk over Ethernet, VLAN tags, IPv4
// or IPv6 with extension headers that offloads need. It reads a frame straight from a guest and
// trusts nothing: header bytes may be spread over segments, every length is checked against the
// frame, and what isn't plain (fragments, tunnels, authentication, a source route still under way)
// is not found. Any thread that may read the frame.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "wire/headers.h"

namespace sluice::wire {

// Sizes as the mbuf's fields of these names count them; all fit there.
struct Layers {
    uint16_t l2_len;  // Ethernet with its VLAN tags
    uint16_t l3_len;  // IP with its options or extension headers
    uint16_t l4_len;  // TCP with its options, or UDP
    bool ipv6;
    Protocol protocol;  // kTcp or kUdp
    uint32_t end;       // where the datagram ends; the frame may go on with padding

    uint32_t l4() const noexcept { return uint32_t{l2_len} + l3_len; }
    uint32_t payload() const noexcept { return l4() + l4_len; }
    uint32_t l4_size() const noexcept { return end - l4(); }
};

std::optional<Layers> find_layers(const rte_mbuf* m) noexcept;

// The header at `offset`, or null where the frame ends before it does. `copy` holds it if it is
// spread over segments.
template <class Header>
const Header* read(const rte_mbuf* m, uint32_t offset, Header& copy) noexcept {
    return static_cast<const Header*>(rte_pktmbuf_read(m, offset, sizeof copy, &copy));
}

// Brings the first `size` bytes of a frame, or all it has, into its first mbuf, where somebody is to write
// into them. Left as it is where that mbuf has no room, or its bytes or the next's are others' too.
void gather_headers(rte_mbuf* m, uint16_t size) noexcept;

// Where the IP datagram ends by its own length, for a frame whose l2_len and address family the
// mbuf's fields tell; the frame's end if that length makes no sense.
uint32_t datagram_end(const rte_mbuf* m) noexcept;

}  // namespace sluice::wire
