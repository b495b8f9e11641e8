// What a worker does without traffic.
#pragma once

#include <array>

#include "base/fields.h"

namespace sluice::view {

enum class Idle { kAdaptive, kPoll };

constexpr auto names(Idle) {
    return std::array{base::Name{Idle::kAdaptive, "adaptive"}, base::Name{Idle::kPoll, "poll"}};
}

}  // namespace sluice::view
