#include "flow/stock.h"

#include <rte_pause.h>

#include <algorithm>

namespace sluice::flow {
namespace {

// Whoever has the lock has it for some hundred cycles, unless it is preempted.
constexpr int kLockTries = 128;

}  // namespace

bool Stock::try_lock() noexcept {
    for (int i = 0; i < kLockTries; ++i) {
        if (!lock_.test_and_set(std::memory_order_acquire)) return true;
        rte_pause();
    }
    return false;
}

bool Stock::has_passed(const Pair& head) noexcept {
    // An even turn, or another than then: what the control thread reads now it began to read after the
    // pairs had left their buckets.
    const bool read = head.turn % 2 == 0 || turn_.load(std::memory_order_acquire) != head.turn;
    return read && grace_.passed(head.token);
}

bool Stock::pop_ended(Chain& chain) noexcept {
    if (retired_ == kNoPair || !has_passed(pairs_[retired_])) return false;
    chain = {retired_, pairs_[retired_].chain_size};
    retired_ = pairs_[retired_].next_chain;
    size_.store(size_.load(std::memory_order_relaxed) - chain.size, std::memory_order_relaxed);
    return true;
}

bool Stock::take(Chain& chain, bool& ended) noexcept {
    if (!try_lock()) return false;
    bool found = true;
    ended = false;
    const uint32_t high = high_.load(std::memory_order_relaxed);
    if (free_ != kNoPair) {
        chain = {free_, pairs_[free_].chain_size};
        free_ = pairs_[free_].next_chain;
        size_.store(size_.load(std::memory_order_relaxed) - chain.size, std::memory_order_relaxed);
    } else if (pop_ended(chain)) {
        ended = true;
    } else if (high < count_) {
        // Used ones first, whose memory is in use already.
        chain = {};
        const uint32_t end = std::min(high + kChain, count_);
        for (uint32_t pair = end; pair > high; --pair) chain.push(pairs_, pair - 1);
        size_.store(size_.load(std::memory_order_relaxed) - chain.size, std::memory_order_relaxed);
        high_.store(end, std::memory_order_release);
    } else {
        found = false;
    }
    unlock();
    return found;
}

bool Stock::retire(Chain chain) noexcept {
    if (chain.size == 0) return true;
    if (!try_lock()) return false;
    Pair& head = pairs_[chain.head];
    head.chain_size = chain.size;
    head.next_chain = kNoPair;
    // An operation on the turn itself, so that it stands before or after the control thread's own.
    head.turn = turn_.fetch_add(0, std::memory_order_acq_rel);
    head.token = grace_.start();
    if (retired_ == kNoPair) {
        retired_ = chain.head;
    } else {
        pairs_[last_retired_].next_chain = chain.head;
    }
    last_retired_ = chain.head;
    size_.store(size_.load(std::memory_order_relaxed) + chain.size, std::memory_order_relaxed);
    unlock();
    return true;
}

bool Stock::take_ended(Chain& chain) noexcept {
    while (!try_lock()) rte_pause();
    const bool found = pop_ended(chain);
    unlock();
    return found;
}

void Stock::put(Chain chain) noexcept {
    while (!try_lock()) rte_pause();
    Pair& head = pairs_[chain.head];
    head.chain_size = chain.size;
    head.next_chain = free_;
    free_ = chain.head;
    size_.store(size_.load(std::memory_order_relaxed) + chain.size, std::memory_order_relaxed);
    unlock();
}

}  // namespace sluice::flow
