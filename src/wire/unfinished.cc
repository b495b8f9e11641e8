#include "wire/unfinished.h"

#include "wire/checksum.h"
#include "wire/layers.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

bool holds_pseudo_header_sum(const rte_mbuf* m, const Layers& layers) noexcept {
    be16 field_copy;
    const auto* field =
        read(m, layers.l4() + checksum_offset(layers.protocol), field_copy);
    if (field == nullptr) return false;
    Sum sum = 0;
    if (layers.ipv6) {
        Ipv6Header copy;
        const auto* ip = read(m, layers.l2_len, copy);
        if (ip == nullptr) return false;
        sum = pseudo_header_sum(*ip, layers.protocol, layers.l4_size());
    } else {
        Ipv4Header copy;
        const auto* ip = read(m, layers.l2_len, copy);
        if (ip == nullptr) return false;
        sum = pseudo_header_sum(*ip, layers.protocol, layers.l4_size());
    }
    return field->raw() == fold(sum);
}

bool is_vxlan(const rte_mbuf* m, const Layers& layers) noexcept {
    if (layers.protocol != Protocol::kUdp) return false;
    UdpHeader copy;
    const auto* udp = read(m, layers.l4(), copy);
    return udp != nullptr && udp->destination_port.host() == VxlanHeader::kPort;
}

// The kernel writes an outer checksum that is right once the inner one is finished ("local checksum offload"), so
// only the inner one must be finished.
bool finish_inner(rte_mbuf* m, const Layers& outer) noexcept {
    const uint32_t begin = outer.payload() + uint32_t{sizeof(VxlanHeader)};
    // Treat the inner frame as the frame. If its headers are not in the first mbuf, do nothing.
    if (begin >= m->data_len) return false;
    rte_pktmbuf_adj(m, static_cast<uint16_t>(begin));
    const auto inner = find_layers(m);
    const bool unfinished = inner && holds_pseudo_header_sum(m, *inner);
    if (unfinished) {
        finish_l4_checksum(m, inner->l4(), inner->l4() + checksum_offset(inner->protocol),
                           inner->end);
    }
    rte_pktmbuf_prepend(m, static_cast<uint16_t>(begin));
    return unfinished;
}

// Whether the frame is shorter than the length in its IP header.
bool is_cut_short(const rte_mbuf* m) noexcept {
    EthernetHeader ethernet_copy;
    const auto* ethernet = read(m, 0, ethernet_copy);
    if (ethernet == nullptr) return false;
    uint32_t at = sizeof *ethernet;
    EtherType type = ethernet->ether_type();
    while (is_vlan(type)) {
        VlanTag copy;
        const auto* tag = read(m, at, copy);
        if (tag == nullptr) return false;
        type = tag->ether_type();
        at += sizeof *tag;
    }
    if (type == EtherType::kIpv4) {
        Ipv4Header copy;
        const auto* ip = read(m, at, copy);
        return ip != nullptr && ip->version() == 4 && at + ip->total_size.host() > m->pkt_len;
    }
    if (type == EtherType::kIpv6) {
        Ipv6Header copy;
        const auto* ip = read(m, at, copy);
        return ip != nullptr && ip->version() == 6 &&
               at + sizeof *ip + ip->payload_size.host() > m->pkt_len;
    }
    return false;
}

}  // namespace

KernelFrame recover_unfinished(rte_mbuf* m) noexcept {
    const auto layers = find_layers(m);
    if (!layers) return is_cut_short(m) ? KernelFrame::kCutShort : KernelFrame::kFinished;
    if (holds_pseudo_header_sum(m, *layers)) {
        mark_unfinished(m, *layers);
        return KernelFrame::kUnfinished;
    }
    if (is_vxlan(m, *layers) && finish_inner(m, *layers)) return KernelFrame::kUnfinished;
    return KernelFrame::kFinished;
}

}  // namespace sluice::wire
