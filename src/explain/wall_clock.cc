#include "explain/wall_clock.h"

#include <rte_cycles.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>

namespace sluice::explain {
namespace {

constexpr int64_t kSecond = 1'000'000'000;  // ns
// The wall clock is slewed by less; a larger difference means that it was set.
constexpr int64_t kSet = kSecond / 10;

struct Reading {
    uint64_t tsc;
    int64_t wall;  // ns since the epoch

    static Reading now() {
        const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
        return {rte_get_tsc_cycles(), std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count()};
    }
};

// The reading and the rate that all conversions use.
struct Rate {
    Reading begin;
    double hz;
    int64_t span = 0;  // ns over which the rate was measured; 0: the rate is DPDK's
};

std::mutex mutex;
std::optional<Rate> rate;

}  // namespace

WallClock WallClock::now() {
    const std::lock_guard lock(mutex);
    const Reading reading = Reading::now();
    if (rate) {
        const int64_t told = WallClock(rate->begin.tsc, rate->begin.wall, rate->hz).nanoseconds(reading.tsc);
        if (std::abs(told - reading.wall) > kSet) rate.reset();
    }
    if (!rate) rate = Rate{reading, static_cast<double>(rte_get_tsc_hz())};
    // Measured again when twice the time has passed, so ever more seldom, and with ever smaller changes.
    const int64_t span = reading.wall - rate->begin.wall;
    if (span > kSecond && span > 2 * rate->span) {
        rate->span = span;
        rate->hz = static_cast<double>(reading.tsc - rate->begin.tsc) * kSecond / static_cast<double>(span);
    }
    return {rate->begin.tsc, rate->begin.wall, rate->hz};
}

}  // namespace sluice::explain
