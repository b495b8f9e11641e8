// Explicit congestion notification through a tunnel (RFC 6040): the inner packet's mark when it leaves the
// tunnel. On the way in, the mark is copied (tunnel.h). Plain values, any thread.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::vxlan {

enum class Ecn : uint8_t {
    kNotEct,  // the receiver does not support marks
    kEct1,
    kEct0,
    kCongestion,  // CE
    kLost,        // not a mark: drop the packet
};

constexpr Ecn ecn_of(uint8_t traffic_class) noexcept { return Ecn(traffic_class & 3); }

// Whether an outer mark can change anything: only ECT(1) and CE can, which share a bit.
constexpr bool matters(uint8_t outer_traffic_class) noexcept { return (outer_traffic_class & 1) != 0; }

// RFC 6040, 4.2, figure 4.
constexpr Ecn out_of_tunnel(Ecn inner, Ecn outer) noexcept {
    constexpr std::array<std::array<Ecn, 4>, 4> kTable{{
        // the outer: Not-ECT, ECT(1), ECT(0), CE
        {Ecn::kNotEct, Ecn::kNotEct, Ecn::kNotEct, Ecn::kLost},
        {Ecn::kEct1, Ecn::kEct1, Ecn::kEct1, Ecn::kCongestion},
        {Ecn::kEct0, Ecn::kEct1, Ecn::kEct0, Ecn::kCongestion},
        {Ecn::kCongestion, Ecn::kCongestion, Ecn::kCongestion, Ecn::kCongestion},
    }};
    return kTable[static_cast<uint8_t>(inner)][static_cast<uint8_t>(outer)];
}

}  // namespace sluice::vxlan
