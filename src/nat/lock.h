// A spinlock for sections of some ten nanoseconds that workers and the control thread share. The control thread
// may be preempted while it holds the lock; a worker therefore gives up after some 20 microseconds.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_pause.h>
#include <sched.h>

#include <atomic>

namespace sluice::nat {

class Lock {
 public:
    bool try_lock() noexcept {
        return !held_.load(std::memory_order_relaxed) && !held_.exchange(true, std::memory_order_acquire);
    }
    void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
    std::atomic<bool> held_{false};
};

enum class Patience : bool { kWorker, kControl };

// Holds a lock to the end of a scope, if it could be had.
class Hold {
 public:
    Hold(Lock& lock, Patience patience) noexcept : lock_(lock) {
        constexpr int kSpins = 512;  // of some 40 ns each
        for (int spin = 0; unlikely(!(held_ = lock_.try_lock())); ++spin) {
            if (spin < kSpins) {
                rte_pause();
            } else if (patience == Patience::kWorker) {
                return;
            } else {
                sched_yield();
            }
        }
    }
    Hold(const Hold&) = delete;
    ~Hold() {
        if (held_) lock_.unlock();
    }
    explicit operator bool() const noexcept { return held_; }

 private:
    Lock& lock_;
    bool held_ = false;
};

}  // namespace sluice::nat
