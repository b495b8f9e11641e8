// IPv6 extension headers as a receiver walks them (RFC 8200, 4; RFC 7113): how far the switch looks behind them and
// behind priority tags for messages that could be hidden there. What stands behind more is not meant to be seen here.
#pragma once

#include <cstdint>

#include "wire/headers.h"

namespace sluice::guard {

constexpr int kMostTags = 2;
constexpr int kMostExtensions = 4;

// Those that nothing else here knows of (IANA, "IPv6 Extension Header Types").
constexpr wire::Protocol kMobility{135};  // RFC 6275
constexpr wire::Protocol kHip{139};       // RFC 7401
constexpr wire::Protocol kShim6{140};     // RFC 5533

constexpr bool is_extension(wire::Protocol protocol) noexcept {
    using wire::Protocol;
    return protocol == Protocol::kHopByHop || protocol == Protocol::kRouting || protocol == Protocol::kFragment ||
           protocol == Protocol::kDestinationOptions || protocol == Protocol::kAuthentication ||
           protocol == kMobility || protocol == kHip || protocol == kShim6;
}

// Bytes.
inline uint32_t size_of(wire::Protocol protocol, const wire::Ipv6Extension& extension) noexcept {
    if (protocol == wire::Protocol::kFragment) return sizeof(wire::Ipv6Fragment);
    // RFC 4302, 2.2: in units of 4 bytes, less 2.
    if (protocol == wire::Protocol::kAuthentication) return (uint32_t{extension.size_word} + 2) * 4;
    return extension.header_size();
}

}  // namespace sluice::guard
