#include "wire/segment.h"

#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/layers.h"

namespace sluice::wire {

namespace {

uint32_t payload_size_of(const rte_mbuf* m) noexcept {
    const uint32_t headers = m->l2_len + m->l3_len + m->l4_len;
    const uint32_t end = datagram_end(m);
    return end > headers ? end - headers : 0;
}

uint32_t count_of(const rte_mbuf* m, uint32_t payload_size) noexcept {
    const uint32_t size = m->tso_segsz;
    const bool whole = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0 || payload_size <= size;
    return whole || size == 0 ? 1 : (payload_size + size - 1) / size;
}

}  // namespace

uint32_t segment_count(const rte_mbuf* m) noexcept {
    if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) return 1;
    return count_of(m, payload_size_of(m));
}

Cutter::Cutter(const rte_mbuf* segment, rte_mempool* pool) noexcept
    : segment_(segment),
      pool_(pool),
      payload_(segment, segment->l2_len + segment->l3_len + segment->l4_len),
      payload_left_(payload_size_of(segment)),
      header_size_(segment->l2_len + segment->l3_len + segment->l4_len),
      count_(count_of(segment, payload_left_)) {
    headers_ = static_cast<const uint8_t*>(
        rte_pktmbuf_read(segment, 0, header_size_, headers_copy_.data()));
    failed_ = headers_ == nullptr;
}

rte_mbuf* Cutter::next() noexcept {
    if (failed_ || index_ == count_) return nullptr;
    const bool last = index_ + 1 == count_;
    const uint32_t payload_size = last ? payload_left_ : static_cast<uint32_t>(segment_->tso_segsz);

    rte_mbuf* piece = alloc_piece(pool_, segment_, header_size_ + payload_size);
    if (unlikely(piece == nullptr)) {
        failed_ = true;
        return nullptr;
    }
    append_bytes(piece, headers_, header_size_);
    payload_.append_to(piece, payload_size);
    write_headers(piece, payload_size);

    ++index_;
    payload_done_ += payload_size;
    payload_left_ -= payload_size;
    return piece;
}

void Cutter::write_headers(rte_mbuf* piece, uint32_t payload_size) const noexcept {
    const uint32_t l4_size = segment_->l4_len + payload_size;
    const uint16_t l3_size = static_cast<uint16_t>(segment_->l3_len + l4_size);
    Sum sum = 0;
    if ((segment_->ol_flags & RTE_MBUF_F_TX_IPV6) != 0) {
        auto& ip = *rte_pktmbuf_mtod_offset(piece, Ipv6Header*, segment_->l2_len);
        ip.payload_size = be16(static_cast<uint16_t>(l3_size - sizeof ip));
        sum = pseudo_header_sum(ip, Protocol::kTcp, l4_size);
    } else {
        auto& ip = *rte_pktmbuf_mtod_offset(piece, Ipv4Header*, segment_->l2_len);
        ip.total_size = be16(l3_size);
        ip.id = be16(static_cast<uint16_t>(ip.id.host() + index_));
        ip.checksum = header_checksum(ip);
        sum = pseudo_header_sum(ip, Protocol::kTcp, l4_size);
    }

    auto& tcp = *rte_pktmbuf_mtod_offset(piece, TcpHeader*, segment_->l2_len + segment_->l3_len);
    tcp.sequence = be32(tcp.sequence.host() + payload_done_);
    // FIN and PSH belong to the last piece, where the data ends. CWR belongs to the first new data packet only
    // (RFC 3168, 6.1.2).
    if (index_ + 1 != count_)
        tcp.flags &= static_cast<uint8_t>(~(TcpHeader::kFin | TcpHeader::kPsh));
    if (index_ != 0) tcp.flags &= static_cast<uint8_t>(~TcpHeader::kCwr);
    tcp.checksum = be16(0);
    // Sum after the copy, while the bytes are in the L1 cache.
    tcp.checksum = checksum_of(sum_of(&tcp, l4_size, sum));
}

}  // namespace sluice::wire
