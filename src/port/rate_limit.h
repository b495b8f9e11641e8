// How many bits a second may pass a port in one direction: a token bucket (a policer). What comes when the bucket
// is empty is dropped at once; nothing waits.
//
// The bucket is one word: the time at which it would be full again (GCRA). A packet passes while the bucket isn't
// empty, and takes its whole length, so a 64 KiB segment passes where the burst is smaller than that, and the
// packets behind it pay for it. In the long run the rate holds.
//
// All workers that serve the port share the bucket. A worker takes for all packets that it has at once, so the
// shared cache line is touched once a burst and not once a packet. Only ports with a limit touch it.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace sluice::port {

class alignas(64) RateLimit {
 public:
    static constexpr uint16_t kMost = 64;  // packets at once

    // `rate` in bits and `burst` in bytes; a second has `second` units of pass()'s time. The bucket is full if
    // they have changed: what a larger bucket has lent would be owed for long to a smaller one. Control thread, at
    // any time.
    void set(uint64_t rate, uint64_t burst, uint64_t second) noexcept {
        __extension__ typedef unsigned __int128 Wide;
        const auto cost = static_cast<uint64_t>((Wide{second} * 8 << kShift) / rate);
        const auto depth = std::max<uint64_t>(static_cast<uint64_t>(Wide{burst} * cost >> kShift), 1);
        if (cost == cost_.load(std::memory_order_relaxed) && depth == depth_.load(std::memory_order_relaxed))
            return;
        cost_.store(cost, std::memory_order_relaxed);
        depth_.store(depth, std::memory_order_relaxed);
        full_at_.store(0, std::memory_order_relaxed);
    }

    // Which of the packets, kMost at most, may pass at this time: bit i is packet i's. Workers.
    uint64_t pass(rte_mbuf* const* packets, uint16_t count, uint64_t now) noexcept {
        const uint64_t cost = cost_.load(std::memory_order_relaxed);
        const uint64_t empty_at = now + depth_.load(std::memory_order_relaxed);
        uint64_t before = full_at_.load(std::memory_order_relaxed);
        for (;;) {
            uint64_t full_at = std::max(before, now);
            uint64_t passes = 0;
            for (uint16_t i = 0; i < count; ++i) {
                if (full_at >= empty_at) break;
                full_at += (packets[i]->pkt_len * cost + kHalf) >> kShift;
                passes |= uint64_t{1} << i;
            }
            if (passes == 0) return 0;
            if (full_at_.compare_exchange_weak(before, full_at, std::memory_order_relaxed)) return passes;
        }
    }

    // The same; calls drop(packet) with each packet that may not pass and moves up the others. Returns their
    // number.
    template <class Drop>
    uint16_t police(rte_mbuf** packets, uint16_t count, uint64_t now, Drop drop) noexcept {
        const uint64_t passes = pass(packets, count, now);
        uint16_t left = 0;
        for (uint16_t i = 0; i < count; ++i) {
            if ((passes >> i & 1) != 0) {
                packets[left++] = packets[i];
            } else {
                drop(packets[i]);
            }
        }
        return left;
    }

 private:
    static constexpr unsigned kShift = 16;
    static constexpr uint64_t kHalf = 1U << (kShift - 1);

    std::atomic<uint64_t> cost_{0};     // time of a byte, in 1/65536
    std::atomic<uint64_t> depth_{0};    // time that it takes to fill the empty bucket
    std::atomic<uint64_t> full_at_{0};  // written by all workers that serve the port
};

}  // namespace sluice::port
