// Predicates over an mbuf. Any thread that may read it.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sluice::wire {

// Whether the bytes belong to this mbuf alone; copies of a flood share theirs. Takes the first mbuf of a chain.
inline bool is_own(const rte_mbuf* m) noexcept {
    return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

// Whether the packet is one mbuf that nobody else refers to: the two counts are adjacent, for one comparison.
[[gnu::always_inline]] inline bool is_alone(const rte_mbuf* m) noexcept {
    static_assert(offsetof(rte_mbuf, nb_segs) == offsetof(rte_mbuf, refcnt) + sizeof(uint16_t));
    uint32_t both;
    std::memcpy(&both, &m->refcnt, sizeof both);
    return both == 0x0001'0001;
}

// The same for bytes that may lie outside the mbuf's own buffer.
inline bool is_owned(const rte_mbuf* m) noexcept {
    if (rte_mbuf_refcnt_read(m) != 1) return false;
    return RTE_MBUF_DIRECT(m) || (RTE_MBUF_HAS_EXTBUF(m) && rte_mbuf_ext_refcnt_read(m->shinfo) == 1);
}

// Whether this is a TCP segment to be cut into frames (offload.h).
constexpr bool is_segment(const rte_mbuf* m) noexcept {
    return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

// The size in bytes of the longest frame that the packet is sent as.
constexpr uint32_t longest_frame(const rte_mbuf* m) noexcept {
    if (!is_segment(m)) return m->pkt_len;
    return std::min<uint32_t>(m->pkt_len, m->l2_len + m->l3_len + m->l4_len + m->tso_segsz);
}

}  // namespace sluice::wire
