// Workers note times as TSC cycles; people want them by the clock on the wall. A reading of both together
// translates times of about now: TSC and clock drift apart by some us a second. Any thread.
#pragma once

#include <rte_cycles.h>

#include <chrono>
#include <cstdint>

namespace sluice::explain {

class WallClock {
 public:
    static WallClock now() {
        const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
        return {rte_get_tsc_cycles(),
                std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count(), rte_get_tsc_hz()};
    }

    WallClock(uint64_t tsc, int64_t nanoseconds, uint64_t hz)
        : tsc_(tsc), nanoseconds_(nanoseconds), hz_(static_cast<double>(hz)) {}

    // Since the epoch. The TSC may be a little ahead of the reading: another core's.
    int64_t nanoseconds(uint64_t tsc) const {
        const double cycles = static_cast<double>(static_cast<int64_t>(tsc - tsc_));
        return nanoseconds_ + static_cast<int64_t>(cycles * 1e9 / hz_);
    }

 private:
    uint64_t tsc_;
    int64_t nanoseconds_;
    double hz_;
};

}  // namespace sluice::explain
