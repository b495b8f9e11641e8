// The protocols whose connections have ports, as users name them. The values are IP's (IANA, protocol numbers).
// Any thread.
#pragma once

#include <array>
#include <cstdint>

#include "base/text.h"

namespace sluice::path {

enum class PortProtocol : uint8_t { kTcp = 6, kUdp = 17, kSctp = 132 };

constexpr auto names(PortProtocol) {
    using enum PortProtocol;
    return std::array{base::Name{kTcp, "tcp"}, base::Name{kUdp, "udp"}, base::Name{kSctp, "sctp"}};
}

}  // namespace sluice::path
