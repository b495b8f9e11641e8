// The fragmenter: makes IPv4 fragments of a packet that is too big for its link, if its sender allows that (DF is
// clear; RFC 791, 2.3 and 3.2; RFC 1812, 4.2.2.7). Routers do not fragment IPv6.
//
// The packet is only read and stays the caller's. Every fragment is a linear mbuf of the pool and belongs to the
// caller. It begins with the packet's Ethernet header and tags. Of the metadata it has the packet's port and VLAN
// only. An unfinished checksum (offload.h) is finished in the fragments. A packet that is to be cut into TCP
// segments is cut first (segment.h), and each of these is fragmented. Workers.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "wire/headers.h"
#include "wire/piece.h"

namespace sluice::wire {

//   Fragmenter fragmenter(packet, l3_offset, mtu, pool);
//   while (rte_mbuf* fragment = fragmenter.next()) send(fragment);
//   if (fragmenter.failed()) drops += fragmenter.remaining();
//   rte_pktmbuf_free(packet);
class Fragmenter {
 public:
    // The packet has passed check_ipv4(); it may be a fragment itself. `mtu` counts from the IP header on.
    Fragmenter(const rte_mbuf* packet, uint16_t l3_offset, uint16_t mtu, rte_mempool* pool) noexcept;

    // The next fragment; null at the end, and always after a failure.
    rte_mbuf* next() noexcept;

    // Whether the pool was empty, its buffers are too small, the MTU has no room for 8 bytes behind the header,
    // or the packet is a fragment that reaches beyond 64 KiB.
    bool failed() const noexcept { return failed_; }

    // The number of fragments that have not been made yet.
    uint32_t remaining() const noexcept { return count_ - index_; }

 private:
    static constexpr uint32_t kMaxHeader = 60;

    void write_later_header(const Ipv4Header& header) noexcept;
    void finish_checksum() noexcept;
    uint32_t count() const noexcept;

    const rte_mbuf* packet_;
    rte_mempool* pool_;
    PayloadReader payload_;
    uint32_t l3_offset_;
    uint32_t mtu_;
    uint32_t first_size_;      // IP header size of the first fragment
    uint32_t later_size_ = 0;  // IP header size of the other fragments
    uint32_t payload_size_;
    uint32_t payload_done_ = 0;
    uint16_t flags_offset_ = 0;  // from the packet
    uint32_t count_ = 1;
    uint32_t index_ = 0;
    bool failed_ = false;
    bool unfinished_ = false;
    be16 checksum_{};              // the finished checksum
    uint32_t checksum_field_ = 0;  // its offset from the payload's start
    std::array<uint8_t, kMaxHeader> later_header_;
};

}  // namespace sluice::wire
