// The common part of the cutter (segment.h) and the fragmenter (fragment.h), which make pieces of a packet: a
// linear mbuf for a piece, and a reader that copies the packet's bytes into one piece after the other. Workers.
#pragma once

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include <algorithm>
#include <cstdint>

namespace sluice::wire {

inline constexpr uint64_t kVlanFlags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED |
                                       RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED |
                                       RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_QINQ;

// An empty mbuf with room for `size` bytes and the port and VLAN metadata of `packet`. Null if the pool is empty
// or its buffers are too small.
inline rte_mbuf* alloc_piece(rte_mempool* pool, const rte_mbuf* packet, uint32_t size) noexcept {
    rte_mbuf* piece = rte_pktmbuf_alloc(pool);
    if (unlikely(piece == nullptr)) return nullptr;
    if (unlikely(size > rte_pktmbuf_tailroom(piece))) {
        rte_pktmbuf_free(piece);
        return nullptr;
    }
    piece->port = packet->port;
    piece->ol_flags = packet->ol_flags & kVlanFlags;
    piece->vlan_tci = packet->vlan_tci;
    piece->vlan_tci_outer = packet->vlan_tci_outer;
    return piece;
}

// The piece must have room.
inline void append_bytes(rte_mbuf* piece, const void* bytes, uint32_t size) noexcept {
    rte_memcpy(rte_pktmbuf_mtod_offset(piece, uint8_t*, piece->data_len), bytes, size);
    piece->data_len += static_cast<uint16_t>(size);
    piece->pkt_len = piece->data_len;
}

// The position of the next byte of a packet, which may span mbufs.
class PayloadReader {
 public:
    PayloadReader(const rte_mbuf* packet, uint32_t offset) noexcept : mbuf_(packet), offset_(offset) {}

    // The packet must have `size` bytes left, and the piece room for them.
    void append_to(rte_mbuf* piece, uint32_t size) noexcept {
        while (size > 0) {
            if (offset_ >= mbuf_->data_len) {
                offset_ -= mbuf_->data_len;
                mbuf_ = mbuf_->next;
                continue;
            }
            const uint32_t part = std::min<uint32_t>(size, mbuf_->data_len - offset_);
            append_bytes(piece, rte_pktmbuf_mtod_offset(mbuf_, const uint8_t*, offset_), part);
            offset_ += part;
            size -= part;
        }
    }

 private:
    const rte_mbuf* mbuf_;
    uint32_t offset_;
};

}  // namespace sluice::wire
