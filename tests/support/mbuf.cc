#include <rte_mbuf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "support/packet.h"

namespace sluice::test {

namespace {

void free_block(void* block, void* shared) {
    std::free(block);
    delete static_cast<rte_mbuf_ext_shared_info*>(shared);
}

// Gives the mbuf a heap block of `size` bytes in place of its own buffer.
void attach_block(rte_mbuf* m, uint16_t size) {
    void* block = std::malloc(size);
    auto* shared = new rte_mbuf_ext_shared_info{};
    shared->free_cb = free_block;
    shared->fcb_opaque = shared;
    rte_mbuf_ext_refcnt_set(shared, 1);
    rte_pktmbuf_attach_extbuf(m, block, 0, size, shared);
}

rte_mbuf* chain(rte_mempool* pool, const Bytes& bytes, const std::vector<size_t>& sizes,
                bool guarded) {
    rte_mbuf* head = nullptr;
    rte_mbuf** link = &head;
    uint16_t count = 0;
    size_t done = 0;
    do {
        rte_mbuf* m = rte_pktmbuf_alloc(pool);
        if (m == nullptr) {
            rte_pktmbuf_free(head);
            return nullptr;
        }
        size_t size =
            std::min<size_t>(bytes.size() - done, guarded ? 65535 : rte_pktmbuf_tailroom(m));
        if (count < sizes.size()) size = std::min(size, sizes[count]);
        if (guarded) attach_block(m, static_cast<uint16_t>(size));
        if (size > 0) std::memcpy(rte_pktmbuf_mtod(m, void*), bytes.data() + done, size);
        m->data_len = static_cast<uint16_t>(size);
        *link = m;
        link = &m->next;
        done += size;
        head->nb_segs = ++count;
    } while (done < bytes.size());
    head->pkt_len = static_cast<uint32_t>(done);
    return head;
}

}  // namespace

rte_mbuf* to_mbuf(rte_mempool* pool, const Bytes& bytes, const std::vector<size_t>& chain_sizes) {
    return chain(pool, bytes, chain_sizes, false);
}

rte_mbuf* to_guarded_mbuf(rte_mempool* pool, const Bytes& bytes,
                          const std::vector<size_t>& chain_sizes) {
    return chain(pool, bytes, chain_sizes, true);
}

Bytes bytes_of(const rte_mbuf* m) {
    Bytes bytes;
    for (; m != nullptr; m = m->next) {
        const auto* from = rte_pktmbuf_mtod(m, const uint8_t*);
        bytes.insert(bytes.end(), from, from + m->data_len);
    }
    return bytes;
}

bool is_sound(const rte_mbuf* m) {
    size_t size = 0, count = 0;
    for (const rte_mbuf* segment = m; segment != nullptr; segment = segment->next) {
        size += segment->data_len;
        ++count;
        if (segment->data_off + segment->data_len > segment->buf_len) return false;
    }
    return size == m->pkt_len && count == m->nb_segs;
}

void mark(rte_mbuf* m, const Unfinished& what) {
    m->ol_flags |= what.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
    m->ol_flags |= what.udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
    if (what.segment_size != 0) m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    m->l2_len = what.l2_len;
    m->l3_len = what.l3_len;
    m->l4_len = what.l4_len;
    m->tso_segsz = what.segment_size;
}

}  // namespace sluice::test
