// How many frames a second a port may have flooded (storm control), by class. A leaky bucket as one
// word each (GCRA): the time at which the next frame would be due if they came evenly. Workers share
// it; only floods touch it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

namespace sluice::bridge {

enum class FloodKind : uint8_t { kBroadcast, kMulticast, kUnknown };

class FloodLimiter {
 public:
    // `second`: how long one is, in the unit of allow()'s time.
    explicit FloodLimiter(uint64_t second) : second_(second) {}

    // Frames a second, 0: no limit. Control thread, at any time.
    void set(FloodKind kind, uint32_t limit) noexcept {
        buckets_[static_cast<size_t>(kind)].interval.store(limit == 0 ? 0 : second_ / limit,
                                                           std::memory_order_relaxed);
    }

    // Whether one more may pass at this time. A tenth of a second's worth may come at once.
    bool allow(FloodKind kind, uint64_t now) noexcept {
        Bucket& bucket = buckets_[static_cast<size_t>(kind)];
        const uint64_t interval = bucket.interval.load(std::memory_order_relaxed);
        if (interval == 0) return true;
        const uint64_t burst = std::max(second_ / 10, interval);
        uint64_t due = bucket.due.load(std::memory_order_relaxed);
        for (;;) {
            if (due > now + burst - interval) return false;
            const uint64_t next = std::max(due, now) + interval;
            if (bucket.due.compare_exchange_weak(due, next, std::memory_order_relaxed)) return true;
        }
    }

 private:
    struct Bucket {
        Bucket() = default;
        Bucket(const Bucket& other) noexcept : interval(other.interval.load()), due(other.due.load()) {}

        std::atomic<uint64_t> interval{0};  // time between two
        std::atomic<uint64_t> due{0};
    };
    uint64_t second_;
    std::array<Bucket, 3> buckets_;
};

}  // namespace sluice::bridge
