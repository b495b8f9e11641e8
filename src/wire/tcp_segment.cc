#include "wire/tcp_segment.h"

#include "wire/own_frame.h"

namespace sluice::wire {
namespace {

constexpr uint8_t kSegmentTtl = 64;

}  // namespace

std::optional<TcpSegment> read_tcp_segment(const rte_mbuf* m) noexcept {
    const auto layers = find_layers(m);
    if (!layers || layers->protocol != Protocol::kTcp) return std::nullopt;
    TcpHeader copy;
    const auto* tcp = read(m, layers->l4(), copy);
    if (tcp == nullptr) return std::nullopt;
    const auto ends = verified_ends(m, *layers);
    if (!ends) return std::nullopt;
    return TcpSegment{.source = ends->source,
                      .destination = ends->destination,
                      .source_port = tcp->source_port.host(),
                      .destination_port = tcp->destination_port.host(),
                      .sequence = tcp->sequence.host(),
                      .acknowledgement = tcp->acknowledgement.host(),
                      .flags = tcp->flags,
                      .window = tcp->window.host(),
                      .payload = layers->payload(),
                      .payload_size = layers->end - layers->payload()};
}

rte_mbuf* build_tcp_segment(rte_mempool* pool, const TcpSegment& segment, std::string_view payload) noexcept {
    TcpHeader tcp{};
    tcp.source_port = be16(segment.source_port);
    tcp.destination_port = be16(segment.destination_port);
    tcp.sequence = be32(segment.sequence);
    tcp.acknowledgement = be32(segment.acknowledgement);
    tcp.size_word = sizeof tcp / 4 << 4;
    tcp.flags = segment.flags;
    tcp.window = be16(segment.window);
    return build_frame(pool, {segment.source, segment.destination}, kSegmentTtl,
                       {Protocol::kTcp, &tcp, sizeof tcp, offsetof(TcpHeader, checksum)},
                       std::as_bytes(std::span(payload)));
}

}  // namespace sluice::wire
