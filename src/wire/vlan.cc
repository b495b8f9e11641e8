#include "wire/vlan.h"

#include <cstring>

#include "wire/offload.h"

namespace sluice::wire {
namespace {

constexpr uint16_t kAddresses = 2 * sizeof(MacBytes);
constexpr uint16_t kTag = sizeof(VlanTag);  // as many bytes as an EtherType and a tag's control

struct TagBytes {
    be16 type;
    be16 control;
};
static_assert(sizeof(TagBytes) == kTag);

bool is_ours_alone(const rte_mbuf* m) noexcept {
    return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

void write_tag(uint8_t* frame, uint16_t id) noexcept {
    const TagBytes tag{be16(static_cast<uint16_t>(EtherType::kVlan)), be16(id)};
    std::memcpy(frame + kAddresses, &tag, sizeof tag);
}

// Whether the mbuf's header lengths are in use, and so must be updated.
bool has_lengths(const rte_mbuf* m) noexcept { return is_unfinished(m); }

}  // namespace

void pop_vlan(rte_mbuf* m) noexcept {
    auto* frame = rte_pktmbuf_mtod(m, uint8_t*);
    std::memmove(frame + kTag, frame, kAddresses);
    rte_pktmbuf_adj(m, kTag);
    if (has_lengths(m)) m->l2_len -= kTag;
}

bool pop_priority_tag(rte_mbuf* m) noexcept {
    constexpr uint16_t kNeeded = sizeof(EthernetHeader) + sizeof(VlanTag);
    if (ether_type(m) != EtherType::kVlan || m->data_len < kNeeded || !is_ours_alone(m)) return false;
    if (rte_pktmbuf_mtod_offset(m, const VlanTag*, sizeof(EthernetHeader))->id() != 0) return false;
    pop_vlan(m);
    return true;
}

rte_mbuf* push_vlan(rte_mbuf* m, uint16_t id, rte_mempool* headers) noexcept {
    if (is_ours_alone(m) && rte_pktmbuf_headroom(m) >= kTag) {
        auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(m, kTag));
        std::memmove(frame, frame + kTag, kAddresses);
        write_tag(frame, id);
        if (has_lengths(m)) m->l2_len += kTag;
        return m;
    }
    rte_mbuf* head = rte_pktmbuf_alloc(headers);
    if (head == nullptr) return nullptr;
    auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(head, kAddresses + kTag));
    std::memcpy(frame, rte_pktmbuf_mtod(m, const uint8_t*), kAddresses);
    write_tag(frame, id);
    head->ol_flags = m->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
    head->tx_offload = m->tx_offload;
    rte_pktmbuf_adj(m, kAddresses);
    rte_pktmbuf_chain(head, m);
    if (has_lengths(head)) head->l2_len += kTag;
    return head;
}

}  // namespace sluice::wire
