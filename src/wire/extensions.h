// IPv6 extension headers as a receiver walks them (RFC 8200, 4; RFC 7113), and the most of them and of VLAN tags
// that the switch skips to find a message. A message behind more headers is taken as an attempt to hide it.
#pragma once

#include <cstdint>

#include "wire/headers.h"

namespace sluice::wire {

constexpr int kMostTagsSeen = 2;
constexpr int kMostExtensionsSeen = 4;

// Extension headers that are used only here (IANA, "IPv6 Extension Header Types").
constexpr Protocol kMobility{135};  // RFC 6275
constexpr Protocol kHip{139};       // RFC 7401
constexpr Protocol kShim6{140};     // RFC 5533

constexpr bool is_extension(Protocol protocol) noexcept {
    return protocol == Protocol::kHopByHop || protocol == Protocol::kRouting || protocol == Protocol::kFragment ||
           protocol == Protocol::kDestinationOptions || protocol == Protocol::kAuthentication ||
           protocol == kMobility || protocol == kHip || protocol == kShim6;
}

// The size in bytes of an extension header of that protocol.
inline uint32_t extension_size(Protocol protocol, const Ipv6Extension& extension) noexcept {
    if (protocol == Protocol::kFragment) return sizeof(Ipv6Fragment);
    // RFC 4302, 2.2: in units of 4 bytes, less 2.
    if (protocol == Protocol::kAuthentication) return (uint32_t{extension.size_word} + 2) * 4;
    return extension.header_size();
}

}  // namespace sluice::wire
