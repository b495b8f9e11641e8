// A bounded ring of slots between one thread that fills them and one that empties them. Slots are written and read
// in place. Neither side waits for the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace sluice::punt {

template <class Slot>
class Ring {
 public:
    // A power of two.
    explicit Ring(size_t slots) : mask_(slots - 1), slots_(new Slot[slots]) {}

    // --- the side that fills ---

    // The slot to be filled next; null: the ring is full. push() hands it over.
    Slot* free_slot() noexcept {
        const size_t head = head_.load(std::memory_order_relaxed);
        if (head - tail_.load(std::memory_order_acquire) > mask_) return nullptr;
        return &slots_[head & mask_];
    }
    void push() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    // --- the side that empties ---

    // The oldest slot; null: there is none. pop() gives it back.
    const Slot* front() const noexcept {
        const size_t tail = tail_.load(std::memory_order_relaxed);
        return tail == head_.load(std::memory_order_acquire) ? nullptr : &slots_[tail & mask_];
    }
    void pop() noexcept { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
    const size_t mask_;
    const std::unique_ptr<Slot[]> slots_;
    alignas(64) std::atomic<size_t> head_{0};
    alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace sluice::punt
