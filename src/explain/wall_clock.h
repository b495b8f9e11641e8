// Workers note times as TSC cycles; people want them by the clock on the wall. Both were read together once, when
// somebody first asked, and the TSC's rate is measured since, so that the same cycle has the same time in every
// answer. If the wall's clock is set, they are read together anew. Any thread.
#pragma once

#include <cstdint>

namespace sluice::explain {

class WallClock {
 public:
    static WallClock now();

    WallClock(uint64_t tsc, int64_t nanoseconds, double hz) : tsc_(tsc), nanoseconds_(nanoseconds), hz_(hz) {}

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
