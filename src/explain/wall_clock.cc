#include "explain/wall_clock.h"

#include <rte_cycles.h>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>

namespace sluice::explain {
namespace {

constexpr int64_t kSecond = 1'000'000'000;  // ns
// The wall's clock is slewed by less; what is further off was set.
constexpr int64_t kSet = kSecond / 10;

struct Reading {
    uint64_t tsc;
    int64_t wall;  // ns since the epoch

    static Reading now() {
        const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
        return {rte_get_tsc_cycles(), std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count()};
    }
};

// What every answer goes by.
struct Rate {
    Reading begin;
    double hz;
    int64_t span = 0;  // ns that the rate was measured over; 0: it is DPDK's
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
    // Measured again when twice the time has passed: more seldom with every answer, and by less each time.
    const int64_t span = reading.wall - rate->begin.wall;
    if (span > kSecond && span > 2 * rate->span) {
        rate->span = span;
        rate->hz = static_cast<double>(reading.tsc - rate->begin.tsc) * kSecond / static_cast<double>(span);
    }
    return {rate->begin.tsc, rate->begin.wall, rate->hz};
}

}  // namespace sluice::explain
