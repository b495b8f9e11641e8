// What a mapping of NAT is about: transport protocols, and endpoints of connections. Any thread; plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::nat {

// What has ports of its own. An ICMP echo has its identifier in place of a port (RFC 5508, 3.1).
enum class Transport : uint8_t { kTcp, kUdp, kSctp, kEcho };
inline constexpr size_t kTransportCount = 4;

constexpr auto names(Transport) {
    using enum Transport;
    return std::array{base::Name{kTcp, "tcp"}, base::Name{kUdp, "udp"}, base::Name{kSctp, "sctp"},
                      base::Name{kEcho, "echo"}};
}

// None for a protocol without ports.
constexpr std::optional<Transport> transport_of(wire::Protocol protocol) noexcept {
    switch (protocol) {
        case wire::Protocol::kTcp:
            return Transport::kTcp;
        case wire::Protocol::kUdp:
            return Transport::kUdp;
        case wire::Protocol::kSctp:
            return Transport::kSctp;
        case wire::Protocol::kIcmp:
        case wire::Protocol::kIcmpv6:
            return Transport::kEcho;
        default:
            return std::nullopt;
    }
}

struct Endpoint {
    IpAddress address;
    uint16_t port = 0;  // in host order; the identifier of an echo

    bool operator==(const Endpoint&) const = default;
};
static_assert(sizeof(Endpoint) == 18 && std::is_trivially_copyable_v<Endpoint>);

}  // namespace sluice::nat
