// Decides when a port that failed is opened again. An attempt runs on the control thread, and clients wait for it.
// (DPDK's work on a device runs on a thread of its own: port/device_thread.h.) Two bounds hold, however many ports
// fail and however long each attempt takes:
//
//   a port     pauses after each attempt: twice as long as the time before, up to kLongestPause, and never
//              less than a hundred times what the attempt took;
//   all ports  together get kShare of a tick. Attempts beyond that wait for the next tick. The ports whose last
//              attempt was short go first, so that a container comes up at once beside a hundred devices that
//              take long to fail.
//
// Control thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace sluice::engine {

using Clock = std::chrono::steady_clock;
using ReadClock = std::function<Clock::time_point()>;

struct Retry {
    uint64_t failures = 0;      // since the last success
    Clock::time_point due{};    // when to try again
    Clock::duration cost{};     // what the last attempt took

    static constexpr std::chrono::milliseconds kFirstPause{200};
    static constexpr std::chrono::milliseconds kLongestPause{2000};
    static constexpr std::chrono::seconds kLongestCostlyPause{60};
    static constexpr std::chrono::milliseconds kShare{20};  // of a tick, which comes every 200 ms
    static constexpr std::chrono::milliseconds kCostly{1};

    void failed(Clock::time_point now, Clock::duration took) {
        cost = took;
        const Clock::duration pause = std::min<Clock::duration>(
            kFirstPause * (1U << std::min<uint64_t>(failures, 8)), kLongestPause);
        due = now + std::max(pause, std::min<Clock::duration>(took * 100, kLongestCostlyPause));
        ++failures;
    }

    // The order in which ports that are due are tried.
    bool operator<(const Retry& other) const noexcept {
        return std::pair(cost >= kCostly, due) < std::pair(other.cost >= kCostly, other.due);
    }
};

// Tries the first port that is due, and further ones until kShare is used up.
template <class List, class Try>
void try_in_turn(const List& list, const ReadClock& read_clock, Try&& try_one) {
    const Clock::time_point end = read_clock() + Retry::kShare;
    for (const auto& each : list) {
        try_one(each);
        if (read_clock() >= end) return;
    }
}

}  // namespace sluice::engine
