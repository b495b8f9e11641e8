// Services that some stations of a network may provide to others. Ports and the remote end points of an overlay
// list them.
#pragma once

#include <array>

#include "base/text.h"

namespace sluice::path {

enum class Service { kDhcp, kRa };

constexpr auto names(Service) {
    return std::array{base::Name{Service::kDhcp, "dhcp"}, base::Name{Service::kRa, "ra"}};
}

}  // namespace sluice::path
