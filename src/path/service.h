// What stations of a network may be served with by somebody else in it: asked of ports, and of the remote end
// points of an overlay.
#pragma once

#include <array>

#include "base/text.h"

namespace sluice::path {

enum class Service { kDhcp, kRa };

constexpr auto names(Service) {
    return std::array{base::Name{Service::kDhcp, "dhcp"}, base::Name{Service::kRa, "ra"}};
}

}  // namespace sluice::path
