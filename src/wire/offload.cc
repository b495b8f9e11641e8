#include "wire/offload.h"

#include "wire/checksum.h"
#include "wire/layers.h"

namespace sluice::wire {

namespace {

constexpr uint64_t kOffloadFlags =
    RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6;

bool is_l4_checksum(const Layers& layers, const VirtioNetHeader& header) noexcept {
    return header.checksum_start == layers.l4() &&
           header.checksum_offset == checksum_offset(layers.protocol);
}

// VIRTIO 1.2, 5.1.6.2 requires NEEDS_CSUM with every gso_type, but Linux accepts segments without it. So this
// writes the sum that NEEDS_CSUM would promise.
void write_pseudo_header_sum(rte_mbuf* m, const Layers& layers) noexcept {
    Sum sum = 0;
    if (layers.ipv6) {
        Ipv6Header copy;
        sum = pseudo_header_sum(*read(m, layers.l2_len, copy), layers.protocol, layers.l4_size());
    } else {
        Ipv4Header copy;
        sum = pseudo_header_sum(*read(m, layers.l2_len, copy), layers.protocol, layers.l4_size());
    }
    write_be16(m, layers.l4() + checksum_offset(layers.protocol), be16::from_raw(fold(sum)));
}

OffloadResult accept_segment(rte_mbuf* m, const VirtioNetHeader& header) noexcept {
    const auto layers = find_layers(m);
    if (!layers || layers->protocol != Protocol::kTcp) return OffloadResult::kMalformed;

    const uint8_t type = header.gso_type & static_cast<uint8_t>(~VirtioNetHeader::kGsoEcn);
    const uint8_t expected = layers->ipv6 ? VirtioNetHeader::kGsoTcpv6 : VirtioNetHeader::kGsoTcpv4;
    if (type != expected || header.gso_size == 0) return OffloadResult::kMalformed;

    const uint32_t payload_size = layers->end - layers->payload();
    if (payload_size > header.gso_size * kMaxSegments) return OffloadResult::kMalformed;

    if ((header.flags & VirtioNetHeader::kNeedsChecksum) == 0)
        write_pseudo_header_sum(m, *layers);
    else if (!is_l4_checksum(*layers, header))
        return OffloadResult::kMalformed;

    mark_unfinished(m, *layers);
    // If the packet fits in one frame, it needs no cutting.
    if (payload_size > header.gso_size) {
        m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
        m->tso_segsz = header.gso_size;
    }
    return OffloadResult::kOk;
}

}  // namespace

void mark_unfinished(rte_mbuf* m, const Layers& layers) noexcept {
    m->ol_flags |= layers.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
    m->ol_flags |=
        layers.protocol == Protocol::kTcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
    m->l2_len = layers.l2_len;
    m->l3_len = layers.l3_len;
    m->l4_len = layers.l4_len;
}

OffloadResult accept_offloads(rte_mbuf* m, const VirtioNetHeader& header) noexcept {
    if (header.gso_type != VirtioNetHeader::kGsoNone) return accept_segment(m, header);

    const uint32_t field = uint32_t{header.checksum_start} + header.checksum_offset;
    if (field + sizeof(be16) > m->pkt_len) return OffloadResult::kMalformed;

    const auto layers = find_layers(m);
    if (layers && is_l4_checksum(*layers, header))
        mark_unfinished(m, *layers);
    else
        finish_l4_checksum(m, header.checksum_start, field, m->pkt_len);
    return OffloadResult::kOk;
}

OffloadResult from_receive_flags(rte_mbuf* m) noexcept {
    const bool segment = (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0;
    const uint64_t checksum = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    m->ol_flags &= ~(RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
    m->packet_type = 0;
    if (!segment && checksum != RTE_MBUF_F_RX_L4_CKSUM_NONE) {
        m->ol_flags |= checksum;
        return OffloadResult::kOk;
    }
    const auto layers = find_layers(m);
    if (!layers) return OffloadResult::kMalformed;
    VirtioNetHeader header{};
    header.flags = VirtioNetHeader::kNeedsChecksum;
    header.checksum_start = static_cast<uint16_t>(layers->l4());
    header.checksum_offset = checksum_offset(layers->protocol);
    if (segment) {
        header.gso_type =
            layers->ipv6 ? VirtioNetHeader::kGsoTcpv6 : VirtioNetHeader::kGsoTcpv4;
        header.gso_size = m->tso_segsz;
        m->tso_segsz = 0;
    }
    return accept_offloads(m, header);
}

VirtioNetHeader describe_offloads(const rte_mbuf* m) noexcept {
    const bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    VirtioNetHeader header{};
    header.flags = VirtioNetHeader::kNeedsChecksum;
    header.checksum_start = m->l2_len + m->l3_len;
    header.checksum_offset = checksum_offset(udp ? Protocol::kUdp : Protocol::kTcp);
    if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) return header;

    header.gso_type = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? VirtioNetHeader::kGsoTcpv6
                                                              : VirtioNetHeader::kGsoTcpv4;
    header.header_size = header.checksum_start + m->l4_len;
    header.gso_size = m->tso_segsz;
    // Code that cuts this segment must keep CWR to the first frame (RFC 3168, 6.1.2). GSO_ECN says so.
    TcpHeader copy;
    const auto* tcp = read(m, header.checksum_start, copy);
    if (tcp != nullptr && (tcp->flags & TcpHeader::kCwr) != 0)
        header.gso_type |= VirtioNetHeader::kGsoEcn;
    return header;
}

bool prepare_for_device(rte_mbuf* m) noexcept {
    const bool ipv6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
    const uint32_t headers = m->l2_len + m->l3_len + m->l4_len;
    if (m->data_len < headers || (ipv6 && m->l3_len != sizeof(Ipv6Header))) return false;
    if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) return true;
    Sum sum = 0;
    if (ipv6) {
        sum = pseudo_header_sum(*rte_pktmbuf_mtod_offset(m, Ipv6Header*, m->l2_len), Protocol::kTcp, 0);
    } else {
        auto& ip = *rte_pktmbuf_mtod_offset(m, Ipv4Header*, m->l2_len);
        ip.checksum = be16(0);
        sum = pseudo_header_sum(ip, Protocol::kTcp, 0);
        m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    }
    auto& tcp = *rte_pktmbuf_mtod_offset(m, TcpHeader*, m->l2_len + m->l3_len);
    tcp.checksum = be16::from_raw(fold(sum));
    return true;
}

void finish_checksums(rte_mbuf* m) noexcept {
    if (!is_unfinished(m)) return;
    const bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    const uint32_t begin = m->l2_len + m->l3_len;
    const uint32_t field = begin + checksum_offset(udp ? Protocol::kUdp : Protocol::kTcp);
    finish_l4_checksum(m, begin, field, datagram_end(m));
    m->ol_flags &= ~kOffloadFlags;
    m->tso_segsz = 0;
}

}  // namespace sluice::wire
