// Converts the TSC times of workers to wall-clock time. Both clocks were read together at the first use, and the
// TSC's rate is measured since, so that a TSC value has the same time in every answer. If the wall clock is set,
// both are read again. Any thread.
#pragma once

#include <cstdint>

namespace sluice::explain {

class WallClock {
 public:
    static WallClock now();

    WallClock(uint64_t tsc, int64_t nanoseconds, double hz) : tsc_(tsc), nanoseconds_(nanoseconds), hz_(hz) {}

    // Since the epoch. The TSC of another core may be slightly ahead of the reading.
    int64_t nanoseconds(uint64_t tsc) const {
        const double cycles = static_cast<double>(static_cast<int64_t>(tsc - tsc_));
        return nanoseconds_ + static_cast<int64_t>(cycles * 1e9 / hz_);
    }
    // The same in seconds, down to the microsecond.
    double seconds(uint64_t tsc) const {
        const int64_t microseconds = nanoseconds(tsc) / 1000;
        return static_cast<double>(microseconds) / 1e6;
    }

 private:
    uint64_t tsc_;
    int64_t nanoseconds_;
    double hz_;
};

}  // namespace sluice::explain
