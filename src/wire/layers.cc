#include "wire/layers.h"

#include <algorithm>
#include <cstring>

namespace sluice::wire {

namespace {

constexpr uint16_t kMaxTags = 4;
constexpr uint16_t kMaxL3 = (1u << RTE_MBUF_L3_LEN_BITS) - 1;
static_assert(sizeof(EthernetHeader) + kMaxTags * sizeof(VlanTag) < 1u << RTE_MBUF_L2_LEN_BITS);

bool find_ethernet(const rte_mbuf* m, Layers& layers) noexcept {
    EthernetHeader ethernet_copy;
    const auto* ethernet = read(m, 0, ethernet_copy);
    if (ethernet == nullptr) return false;
    EtherType type = ethernet->ether_type();
    layers.l2_len = sizeof *ethernet;
    for (uint16_t tags = 0; is_vlan(type); ++tags) {
        VlanTag tag_copy;
        const auto* tag = read(m, layers.l2_len, tag_copy);
        if (tag == nullptr || tags == kMaxTags) return false;
        type = tag->ether_type();
        layers.l2_len += sizeof *tag;
    }
    layers.ipv6 = type == EtherType::kIpv6;
    return layers.ipv6 || type == EtherType::kIpv4;
}

bool find_ipv4(const rte_mbuf* m, Layers& layers) noexcept {
    Ipv4Header copy;
    const auto* ip = read(m, layers.l2_len, copy);
    if (ip == nullptr || ip->version() != 4 || ip->is_fragment()) return false;
    if (ip->header_size() < sizeof *ip) return false;
    layers.l3_len = ip->header_size();
    layers.protocol = ip->protocol();
    layers.end = uint32_t{layers.l2_len} + ip->total_size.host();
    return true;
}

bool find_ipv6(const rte_mbuf* m, Layers& layers) noexcept {
    Ipv6Header copy;
    const auto* ip = read(m, layers.l2_len, copy);
    if (ip == nullptr || ip->version() != 6) return false;
    layers.end = layers.l2_len + uint32_t{sizeof *ip} + ip->payload_size.host();
    layers.protocol = ip->protocol();
    uint32_t l3_len = sizeof *ip;
    while (layers.protocol == Protocol::kHopByHop || layers.protocol == Protocol::kRouting ||
           layers.protocol == Protocol::kDestinationOptions) {
        Ipv6Extension extension_copy;
        const auto* extension = read(m, layers.l2_len + l3_len, extension_copy);
        if (extension == nullptr) return false;
        // The pseudo-header then has the address of the last hop, not the header's (RFC 8200, 8.1).
        if (layers.protocol == Protocol::kRouting && extension->segments_left != 0) return false;
        l3_len += extension->header_size();
        if (l3_len > kMaxL3) return false;
        layers.protocol = extension->protocol();
    }
    layers.l3_len = static_cast<uint16_t>(l3_len);
    return true;
}

bool find_l4(const rte_mbuf* m, Layers& layers) noexcept {
    if (layers.end > m->pkt_len || layers.end < layers.l4()) return false;
    if (layers.protocol == Protocol::kTcp) {
        TcpHeader copy;
        const auto* tcp = read(m, layers.l4(), copy);
        if (tcp == nullptr || tcp->header_size() < sizeof *tcp) return false;
        layers.l4_len = tcp->header_size();
    } else if (layers.protocol == Protocol::kUdp) {
        UdpHeader copy;
        const auto* udp = read(m, layers.l4(), copy);
        if (udp == nullptr || udp->size.host() != layers.l4_size()) return false;
        layers.l4_len = sizeof *udp;
    } else {
        return false;
    }
    return layers.l4_len <= layers.l4_size();
}

}  // namespace

std::optional<Layers> find_layers(const rte_mbuf* m) noexcept {
    Layers layers{};
    if (!find_ethernet(m, layers)) return std::nullopt;
    if (!(layers.ipv6 ? find_ipv6(m, layers) : find_ipv4(m, layers))) return std::nullopt;
    if (!find_l4(m, layers)) return std::nullopt;
    return layers;
}

void gather_headers(rte_mbuf* m, uint16_t size) noexcept {
    const auto is_own = [](const rte_mbuf* part) {
        return RTE_MBUF_DIRECT(part) && rte_mbuf_refcnt_read(part) == 1;
    };
    const auto wanted = static_cast<uint16_t>(std::min<uint32_t>(size, m->pkt_len));
    if (!is_own(m) || wanted - std::min(wanted, m->data_len) > rte_pktmbuf_tailroom(m)) return;
    while (m->data_len < wanted && is_own(m->next)) {
        rte_mbuf* next = m->next;
        const auto taken =
            std::min(static_cast<uint16_t>(wanted - m->data_len), next->data_len);
        std::memcpy(rte_pktmbuf_mtod_offset(m, char*, m->data_len), rte_pktmbuf_mtod(next, char*), taken);
        m->data_len = static_cast<uint16_t>(m->data_len + taken);
        next->data_off = static_cast<uint16_t>(next->data_off + taken);
        next->data_len = static_cast<uint16_t>(next->data_len - taken);
        if (next->data_len != 0) continue;
        m->next = next->next;
        --m->nb_segs;
        rte_pktmbuf_free_seg(next);
    }
}

uint32_t datagram_end(const rte_mbuf* m) noexcept {
    const uint32_t ip_at = m->l2_len;
    uint32_t end = 0;
    if ((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0) {
        Ipv6Header copy;
        const auto* ip = read(m, ip_at, copy);
        if (ip != nullptr) end = ip_at + uint32_t{sizeof *ip} + ip->payload_size.host();
    } else {
        Ipv4Header copy;
        const auto* ip = read(m, ip_at, copy);
        if (ip != nullptr) end = ip_at + ip->total_size.host();
    }
    const bool sane = end >= ip_at + m->l3_len && end <= m->pkt_len;
    return sane ? end : m->pkt_len;
}

}  // namespace sluice::wire
