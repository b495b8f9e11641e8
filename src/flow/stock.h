// The pairs of records that no flow has: never used, free, or of a flow that ended, which workers may still
// be looking at. Those wait for a grace period (path::Grace, and the end of what the control thread is
// reading), and then whoever wants pairs takes them. Nobody waits for it.
//
// Pairs come and go in chains of kChain, so that the lock here is taken once for that many flows. Workers
// try it a few times and go without.
#pragma once

#include <atomic>
#include <cstdint>

#include "flow/record.h"
#include "path/published.h"

namespace sluice::flow {

inline constexpr uint32_t kNoPair = UINT32_MAX;

// Linked by Pair::next.
struct Chain {
    uint32_t head = kNoPair;
    uint32_t size = 0;

    void push(Pair* pairs, uint32_t pair) noexcept {
        pairs[pair].next = head;
        head = pair;
        ++size;
    }
    uint32_t pop(const Pair* pairs) noexcept {
        const uint32_t pair = head;
        head = pairs[pair].next;
        --size;
        return pair;
    }
};

class Stock {
 public:
    static constexpr uint32_t kChain = 32;

    Stock(Pair* pairs, uint32_t count, path::Grace& grace) noexcept
        : pairs_(pairs), count_(count), grace_(grace) {}

    // --- workers and control thread ---

    // A chain, of at most kChain. `ended`: its pairs were flows, and nobody looks at them any more. False if
    // there is none yet, or the lock was taken.
    bool take(Chain& chain, bool& ended) noexcept;
    // Pairs of flows that are in no bucket any more. False if the lock was taken.
    bool retire(Chain chain) noexcept;
    // Pairs that are in the stock, those that must wait included.
    uint32_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
    // Pairs that have ever been taken are below.
    uint32_t high() const noexcept { return high_.load(std::memory_order_acquire); }
    uint32_t count() const noexcept { return count_; }

    // --- control thread ---

    // What may be taken again, of what ended.
    bool take_ended(Chain& chain) noexcept;
    void put(Chain chain) noexcept;

    // While it lives, no pair that it finds in a bucket, or linked, is used for another flow.
    class Reading {
     public:
        explicit Reading(Stock& stock) noexcept : turn_(stock.turn_) {
            turn_.fetch_add(1, std::memory_order_acq_rel);
        }
        ~Reading() { turn_.fetch_add(1, std::memory_order_release); }
        Reading(const Reading&) = delete;

     private:
        std::atomic<uint64_t>& turn_;
    };

 private:
    bool try_lock() noexcept;
    void unlock() noexcept { lock_.clear(std::memory_order_release); }
    // With the lock.
    bool pop_ended(Chain& chain) noexcept;
    bool has_passed(const Pair& head) noexcept;

    Pair* pairs_;
    uint32_t count_;
    path::Grace& grace_;
    alignas(64) std::atomic_flag lock_;
    std::atomic<uint32_t> high_{0};  // the rest is written with the lock
    std::atomic<uint32_t> size_{count_};
    uint32_t free_ = kNoPair;     // first pair of the last chain, linked by next_chain
    uint32_t retired_ = kNoPair;  // of the oldest one
    uint32_t last_retired_ = kNoPair;
    alignas(64) std::atomic<uint64_t> turn_{0};  // odd: the control thread is reading
};

}  // namespace sluice::flow
