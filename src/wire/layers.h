// The offsets of the headers of a plain TCP or UDP packet. Offloads need them, and this is the only walk over
// Ethernet, VLAN tags, and IPv4 or IPv6 with extension headers that finds them. It reads frames from guests and
// trusts nothing: headers may span segments, and every length is checked against the frame. Packets that are not
// plain (fragments, tunnels, authentication, an unfinished source route) have no layers. Any thread that may read
// the frame.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "wire/headers.h"

namespace sluice::wire {

// Sizes as in the mbuf's fields of the same names, which have room for all of them.
struct Layers {
    uint16_t l2_len;  // Ethernet with its VLAN tags
    uint16_t l3_len;  // IP with its options or extension headers
    uint16_t l4_len;  // TCP with its options, or UDP
    bool ipv6;
    Protocol protocol;  // kTcp or kUdp
    uint32_t end;       // end of the datagram; the frame may go on with padding

    uint32_t l4() const noexcept { return uint32_t{l2_len} + l3_len; }
    uint32_t payload() const noexcept { return l4() + l4_len; }
    uint32_t l4_size() const noexcept { return end - l4(); }
};

std::optional<Layers> find_layers(const rte_mbuf* m) noexcept;

// The header at `offset`, or null if the frame ends before the header does. If the header spans segments, it is
// copied to `copy`.
template <class Header>
const Header* read(const rte_mbuf* m, uint32_t offset, Header& copy) noexcept {
    return static_cast<const Header*>(rte_pktmbuf_read(m, offset, sizeof copy, &copy));
}

// Brings the first `size` bytes of a frame (or all, if it is shorter) into its first mbuf, so that they can be
// written. Does nothing if that mbuf has no room, or if its bytes or the next mbuf's are shared.
void gather_headers(rte_mbuf* m, uint16_t size) noexcept;

// The end of the IP datagram by its own length. The mbuf's fields give l2_len and the address family. If the
// length makes no sense, the frame's end.
uint32_t datagram_end(const rte_mbuf* m) noexcept;

}  // namespace sluice::wire
