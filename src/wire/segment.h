// The cutter: makes frames of at most tso_segsz payload bytes out of a TCP segment (offload.h) for a port that
// cannot take it whole. rte_gso of DPDK 22.11 cuts plain IPv4 only and leaves the checksums unfinished. The
// cutter takes IPv4 and IPv6 with VLAN tags, options and extension headers.
//
// The segment is only read, since a flood may share its bytes, and stays the caller's. Every piece is a linear
// mbuf of the pool and belongs to the caller. All its checksums and lengths are finished. Of the metadata it has
// the segment's port and VLAN only. Workers.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "wire/piece.h"

namespace sluice::wire {

// The number of frames that the packet is sent as: 1 unless it is a segment to be cut.
uint32_t segment_count(const rte_mbuf* m) noexcept;

//   Cutter cutter(segment, pool);
//   while (rte_mbuf* piece = cutter.next()) send(piece);
//   if (cutter.failed()) drops += cutter.remaining();
//   rte_pktmbuf_free(segment);
class Cutter {
 public:
    Cutter(const rte_mbuf* segment, rte_mempool* pool) noexcept;
    Cutter(const Cutter&) = delete;  // headers_ may point into headers_copy_
    Cutter& operator=(const Cutter&) = delete;

    // The next piece; null at the end, and always after a failure.
    rte_mbuf* next() noexcept;

    // Whether the pool was empty or its buffers are too small for a piece.
    bool failed() const noexcept { return failed_; }

    // The number of pieces that have not been made yet.
    uint32_t remaining() const noexcept { return count_ - index_; }

 private:
    void write_headers(rte_mbuf* piece, uint32_t payload_size) const noexcept;

    // The most that the mbuf's length fields can express.
    static constexpr uint32_t kMaxHeaders =
        (1u << RTE_MBUF_L2_LEN_BITS) + (1u << RTE_MBUF_L3_LEN_BITS) + (1u << RTE_MBUF_L4_LEN_BITS);

    const rte_mbuf* segment_;
    rte_mempool* pool_;
    const uint8_t* headers_;
    PayloadReader payload_;
    uint32_t payload_left_;
    uint32_t payload_done_ = 0;
    uint32_t header_size_;
    uint32_t count_;
    uint32_t index_ = 0;
    bool failed_ = false;
    std::array<uint8_t, kMaxHeaders> headers_copy_;  // used if the headers span mbufs
};

}  // namespace sluice::wire
