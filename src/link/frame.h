// What changes in a frame that a router passes on: its MAC addresses and its TTL. Worker side.
#pragma once

#include <rte_mbuf.h>

#include <cstring>

#include "path/batch.h"
#include "wire/headers.h"
#include "wire/ip_check.h"

namespace sluice::link {

// Where the network header of an untagged frame begins.
constexpr uint16_t kEthernet = sizeof(wire::EthernetHeader);

inline wire::MacBytes bytes_of(uint64_t mac) noexcept {
    wire::MacBytes bytes;
    std::memcpy(bytes.data(), &mac, bytes.size());
    return bytes;
}

// One hop less.
[[gnu::always_inline]] inline void count_down(const path::Meta& meta) noexcept {
    if (likely(meta.layer3 == path::Layer3::kIpv4)) {
        wire::decrement_ttl(*static_cast<wire::Ipv4Header*>(meta.header));
    } else if (meta.layer3 == path::Layer3::kIpv6) {
        wire::decrement_hop_limit(*static_cast<wire::Ipv6Header*>(meta.header));
    }
}

// Of a fragment of an IPv4 packet, whose header is where the packet's was.
inline void count_down(rte_mbuf* piece) noexcept {
    wire::decrement_ttl(*rte_pktmbuf_mtod_offset(piece, wire::Ipv4Header*, kEthernet));
}

// Twelve bytes in two stores.
[[gnu::always_inline]] inline void write_macs(rte_mbuf* packet, uint64_t destination, uint64_t source) noexcept {
    auto* frame = rte_pktmbuf_mtod(packet, uint8_t*);
    const uint64_t first = destination | source << 48;
    const auto rest = static_cast<uint32_t>(source >> 16);
    std::memcpy(frame, &first, sizeof first);
    std::memcpy(frame + sizeof first, &rest, sizeof rest);
}

}  // namespace sluice::link
