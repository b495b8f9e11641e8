#include "wire/own_frame.h"

#include <cstring>

#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/ip_check.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

bool lacks_checksum(const rte_mbuf* m, const Layers& layers) noexcept {
    if (layers.protocol != Protocol::kUdp || layers.ipv6) return false;
    UdpHeader copy;
    const auto* udp = read(m, layers.l4(), copy);
    return udp != nullptr && udp->checksum.raw() == 0;
}

// An unfinished checksum comes from the kernel of this host, which vouches for the packet.
bool has_right_checksum(const rte_mbuf* m, const Layers& layers, Sum pseudo_header) noexcept {
    if (is_unfinished(m) || (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
        return true;
    if (lacks_checksum(m, layers)) return true;
    const uint32_t sum = uint32_t{fold(sum_of(m, layers.l4(), layers.end))} + fold(pseudo_header);
    return fold(sum) == 0xffff;
}

void fill_in(Ipv4Header& ip, const Ends& ends, uint8_t hop_limit, Protocol protocol, uint32_t size) noexcept {
    ip.version_size = 0x45;
    ip.total_size = be16(static_cast<uint16_t>(sizeof ip + size));
    ip.fragment = be16(Ipv4Header::kDontFragment);
    ip.ttl = hop_limit;
    ip.next = static_cast<uint8_t>(protocol);
    ip.source = be32(ends.source.v4());
    ip.destination = be32(ends.destination.v4());
    ip.checksum = header_checksum(ip);
}

void fill_in(Ipv6Header& ip, const Ends& ends, uint8_t hop_limit, Protocol protocol, uint32_t size) noexcept {
    ip.version_class_label = be32(0x6000'0000);
    ip.payload_size = be16(static_cast<uint16_t>(size));
    ip.next = static_cast<uint8_t>(protocol);
    ip.hop_limit = hop_limit;
    ip.source = ends.source.bytes;
    ip.destination = ends.destination.bytes;
}

template <class Ip>
rte_mbuf* build(rte_mempool* pool, const Ends& ends, uint8_t hop_limit, const TransportHeader& header,
                std::span<const std::byte> payload, EtherType type) noexcept {
    struct Headers {
        EthernetHeader ethernet;
        Ip ip;
    };
    const size_t size = header.size + payload.size();
    rte_mbuf* m = rte_pktmbuf_alloc(pool);
    if (unlikely(m == nullptr)) return nullptr;
    const size_t frame_size = sizeof(Headers) + size;
    auto* headers = frame_size > UINT16_MAX
                        ? nullptr
                        : reinterpret_cast<Headers*>(rte_pktmbuf_append(m, static_cast<uint16_t>(frame_size)));
    if (unlikely(headers == nullptr)) {
        rte_pktmbuf_free(m);
        return nullptr;
    }
    std::memset(static_cast<void*>(headers), 0, sizeof *headers);
    headers->ethernet.set_ether_type(type);
    fill_in(headers->ip, ends, hop_limit, header.protocol, static_cast<uint32_t>(size));
    auto* l4 = reinterpret_cast<std::byte*>(headers + 1);
    std::memcpy(l4, header.bytes, header.size);
    if (!payload.empty()) std::memcpy(l4 + header.size, payload.data(), payload.size());
    const be16 checksum = nonzero_checksum_of(
        sum_of(l4, size, pseudo_header_sum(headers->ip, header.protocol, static_cast<uint32_t>(size))));
    std::memcpy(l4 + header.checksum_at, &checksum, sizeof checksum);
    return m;
}

}  // namespace

std::optional<Ends> verified_ends(const rte_mbuf* m, const Layers& layers) noexcept {
    if (layers.l2_len != sizeof(EthernetHeader)) return std::nullopt;
    Ends ends;
    Sum pseudo_header = 0;
    if (layers.ipv6) {
        Ipv6Header copy;
        const auto& ip = *read(m, layers.l2_len, copy);
        ends = {address_of(ip.source), address_of(ip.destination)};
        if (ends.source.is_v4() || ends.destination.is_v4()) return std::nullopt;
        pseudo_header = pseudo_header_sum(ip, layers.protocol, layers.l4_size());
    } else {
        Ipv4Header copy;
        const auto& ip = *read(m, layers.l2_len, copy);
        ends = {address_of(ip.source), address_of(ip.destination)};
        pseudo_header = pseudo_header_sum(ip, layers.protocol, layers.l4_size());
    }
    if (!has_right_checksum(m, layers, pseudo_header)) return std::nullopt;
    return ends;
}

rte_mbuf* build_frame(rte_mempool* pool, const Ends& ends, uint8_t hop_limit, const TransportHeader& header,
                      std::span<const std::byte> payload) noexcept {
    return ends.source.is_v4() ? build<Ipv4Header>(pool, ends, hop_limit, header, payload, EtherType::kIpv4)
                               : build<Ipv6Header>(pool, ends, hop_limit, header, payload, EtherType::kIpv6);
}

}  // namespace sluice::wire
