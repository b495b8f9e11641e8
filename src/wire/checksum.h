// The internet checksum (RFC 1071). Sums are kept in the byte order in which the host reads 16-bit words from
// memory. RFC 1071, 2.B allows that (a byte-swapped sum is the sum of byte-swapped words). So nothing is swapped,
// and a folded sum goes into the packet with be16::from_raw. Any thread that owns the bytes that it passes. Only
// sum_of(rte_mbuf*) checks lengths.
#pragma once

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>

#include "wire/headers.h"

namespace sluice::wire {

// An unfolded one's complement sum of 16-bit words. 32 bits hold the sum of 128 KiB, which is more than a frame.
using Sum = uint32_t;

constexpr uint16_t fold(Sum sum) noexcept {
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum + (sum >> 16));
}

// The checksum field for a sum: the sum's complement.
constexpr be16 checksum_of(Sum sum) noexcept {
    return be16::from_raw(static_cast<uint16_t>(~fold(sum)));
}

// The same for UDP, where 0 means "no checksum". A computed 0 is sent as 0xffff, the other zero of one's
// complement arithmetic (RFC 768). Valid for every protocol with this checksum.
constexpr be16 nonzero_checksum_of(Sum sum) noexcept {
    const be16 checksum = checksum_of(sum);
    return checksum.raw() == 0 ? be16::from_raw(0xffff) : checksum;
}

// Adds to `before`. An odd byte at the end counts as one followed by a zero byte.
[[gnu::noinline]] inline Sum sum_of(const void* bytes, size_t size, Sum before = 0) noexcept {
    return __rte_raw_cksum(bytes, size, before);
}

// The sum over [begin, end) of a frame, which may span segments. Bytes beyond the frame's end are ignored.
Sum sum_of(const rte_mbuf* m, uint32_t begin, uint32_t end) noexcept;

// The checksum of a header with its options, with the checksum field taken as 0.
be16 header_checksum(const Ipv4Header& header) noexcept;

// RFC 9293, 3.1 and RFC 8200, 8.1. `size` is the size of the L4 header and its payload.
Sum pseudo_header_sum(const Ipv4Header& header, Protocol protocol, uint32_t size) noexcept;
Sum pseudo_header_sum(const Ipv6Header& header, Protocol protocol, uint32_t size) noexcept;

// Writes the checksum of [begin, end) into the two bytes at `field`. These lie inside the frame and hold the
// pseudo-header's sum before the call. The caller owns the bytes alone.
void finish_l4_checksum(rte_mbuf* m, uint32_t begin, uint32_t field, uint32_t end) noexcept;

// Writes two bytes of the frame, which may lie in two segments.
void write_be16(rte_mbuf* m, uint32_t offset, be16 value) noexcept;

}  // namespace sluice::wire
