#include "wire/tcp_reset.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/ip_check.h"
#include "wire/layers.h"

namespace sluice::wire {
namespace {

constexpr uint8_t kTtl = 64;

template <class Ip>
struct ResetFrame {
    EthernetHeader ethernet;
    Ip ip;
    TcpHeader tcp;
};
static_assert(sizeof(ResetFrame<Ipv6Header>) == 74);

// RFC 9293, 3.10.7.1: if the segment has an acknowledgement number, that is the reset's sequence number. If not,
// the reset acknowledges the segment's data.
void answer(TcpHeader& reset, const TcpHeader& segment, uint32_t payload_size) noexcept {
    reset.source_port = segment.destination_port;
    reset.destination_port = segment.source_port;
    reset.size_word = sizeof reset / 4 << 4;
    if ((segment.flags & TcpHeader::kAck) != 0) {
        reset.sequence = segment.acknowledgement;
        reset.flags = TcpHeader::kRst;
        return;
    }
    const uint32_t size = payload_size + ((segment.flags & TcpHeader::kSyn) != 0) +
                          ((segment.flags & TcpHeader::kFin) != 0);
    reset.acknowledgement = be32(segment.sequence.host() + size);
    reset.flags = TcpHeader::kRst | TcpHeader::kAck;
}

void turn_round(Ipv4Header& ip, const Ipv4Header& from) noexcept {
    ip.version_size = 0x45;
    ip.total_size = be16(sizeof ip + sizeof(TcpHeader));
    ip.fragment = be16(Ipv4Header::kDontFragment);
    ip.ttl = kTtl;
    ip.next = static_cast<uint8_t>(Protocol::kTcp);
    ip.source = from.destination;
    ip.destination = from.source;
    ip.checksum = header_checksum(ip);
}

void turn_round(Ipv6Header& ip, const Ipv6Header& from) noexcept {
    ip.version_class_label = be32(0x6000'0000);
    ip.payload_size = be16(sizeof(TcpHeader));
    ip.next = static_cast<uint8_t>(Protocol::kTcp);
    ip.hop_limit = kTtl;
    ip.source = from.destination;
    ip.destination = from.source;
}

bool is_between_hosts(const Ipv4Header& ip) noexcept {
    return !is_martian_source4(ip.source.host()) && !is_multicast4(ip.destination.host()) &&
           !is_martian_destination4(ip.destination.host());
}

bool is_between_hosts(const Ipv6Header& ip) noexcept {
    return !is_martian_source6(ip.source) && !is_multicast6(ip.destination);
}

template <class Ip>
rte_mbuf* build(rte_mempool* pool, const Ip& ip, const TcpHeader& segment, uint32_t payload_size,
                EtherType type) noexcept {
    if (!is_between_hosts(ip)) return nullptr;
    rte_mbuf* m = rte_pktmbuf_alloc(pool);
    if (unlikely(m == nullptr)) return nullptr;
    auto* frame = reinterpret_cast<ResetFrame<Ip>*>(rte_pktmbuf_append(m, sizeof(ResetFrame<Ip>)));
    if (unlikely(frame == nullptr)) {
        rte_pktmbuf_free(m);
        return nullptr;
    }
    std::memset(static_cast<void*>(frame), 0, sizeof *frame);
    frame->ethernet.set_ether_type(type);
    turn_round(frame->ip, ip);
    answer(frame->tcp, segment, payload_size);
    const Sum pseudo = pseudo_header_sum(frame->ip, Protocol::kTcp, sizeof frame->tcp);
    frame->tcp.checksum = checksum_of(sum_of(&frame->tcp, sizeof frame->tcp, pseudo));
    return m;
}

}  // namespace

rte_mbuf* build_tcp_reset(rte_mempool* pool, const rte_mbuf* segment, uint16_t l3_offset) noexcept {
    const auto layers = find_layers(segment);
    if (!layers || layers->protocol != Protocol::kTcp || layers->l2_len != l3_offset) return nullptr;
    TcpHeader tcp_copy;
    const auto* tcp = read(segment, layers->l4(), tcp_copy);
    if (tcp == nullptr || (tcp->flags & TcpHeader::kRst) != 0) return nullptr;
    const uint32_t payload_size = layers->end - layers->payload();
    if (layers->ipv6) {
        Ipv6Header copy;
        return build(pool, *read(segment, l3_offset, copy), *tcp, payload_size, EtherType::kIpv6);
    }
    Ipv4Header copy;
    return build(pool, *read(segment, l3_offset, copy), *tcp, payload_size, EtherType::kIpv4);
}

}  // namespace sluice::wire
