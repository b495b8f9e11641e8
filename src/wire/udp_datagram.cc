#include "wire/udp_datagram.h"

#include <array>
#include <cstring>

#include "wire/own_frame.h"

namespace sluice::wire {
namespace {

constexpr uint8_t kDatagramTtl = 64;
constexpr uint8_t kNeighborDiscoveryHopLimit = 255;

struct Icmpv6Head {
    uint8_t type;
    uint8_t code;
    be16 checksum;
};

}  // namespace

std::optional<UdpDatagram> read_udp_datagram(const rte_mbuf* m) noexcept {
    const auto layers = find_layers(m);
    if (!layers || layers->protocol != Protocol::kUdp) return std::nullopt;
    UdpHeader copy;
    const auto* udp = read(m, layers->l4(), copy);
    if (udp == nullptr || udp->size.host() != layers->l4_size()) return std::nullopt;
    const auto ends = verified_ends(m, *layers);
    if (!ends) return std::nullopt;
    return UdpDatagram{.source = ends->source,
                       .destination = ends->destination,
                       .source_port = udp->source_port.host(),
                       .destination_port = udp->destination_port.host(),
                       .payload = layers->payload(),
                       .payload_size = layers->end - layers->payload()};
}

rte_mbuf* build_udp_datagram(rte_mempool* pool, const UdpDatagram& datagram,
                             std::span<const std::byte> payload) noexcept {
    UdpHeader udp{};
    if (payload.size() > UINT16_MAX - sizeof udp) return nullptr;
    udp.source_port = be16(datagram.source_port);
    udp.destination_port = be16(datagram.destination_port);
    udp.size = be16(static_cast<uint16_t>(sizeof udp + payload.size()));
    return build_frame(pool, {datagram.source, datagram.destination}, kDatagramTtl,
                       {Protocol::kUdp, &udp, sizeof udp, offsetof(UdpHeader, checksum)}, payload);
}

rte_mbuf* build_icmpv6_message(rte_mempool* pool, const IpAddress& source, const IpAddress& destination,
                               std::span<const std::byte> message) noexcept {
    if (message.size() < sizeof(Icmpv6Head)) return nullptr;
    Icmpv6Head head;
    std::memcpy(&head, message.data(), sizeof head);
    head.checksum = {};
    return build_frame(pool, {source, destination}, kNeighborDiscoveryHopLimit,
                       {Protocol::kIcmpv6, &head, sizeof head, offsetof(Icmpv6Head, checksum)},
                       message.subspan(sizeof head));
}

}  // namespace sluice::wire
