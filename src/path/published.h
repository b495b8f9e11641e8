// A value that the control thread replaces and every worker reads, and the grace period after which the old value
// may be freed. One thread writes. A reader takes the value at the start of a turn, keeps no reference past its
// end (quiescent()), and calls offline() before it sleeps.
#pragma once

#include <rte_rcu_qsbr.h>
#include <sched.h>

#include <atomic>
#include <memory>

#include "path/ids.h"

namespace sluice::path {

// Grace periods over all workers (rte_rcu_qsbr). The control thread owns it.
class Grace {
 public:
    explicit Grace(uint16_t readers);
    Grace(const Grace&) = delete;
    ~Grace();

    // Reader side, on the worker's own thread.
    void online(WorkerId id) noexcept { rte_rcu_qsbr_thread_online(qsbr_, index(id)); }
    void quiescent(WorkerId id) noexcept { rte_rcu_qsbr_quiescent(qsbr_, index(id)); }
    void offline(WorkerId id) noexcept { rte_rcu_qsbr_thread_offline(qsbr_, index(id)); }

    // Writer side: returns when every reader that was inside a turn has left it. (Does the same as
    // rte_rcu_qsbr_synchronize(), in our own code, where TSan sees its atomics. rte_rcu_qsbr_synchronize() spins,
    // and a reader that has lost its core may be waiting for ours.)
    void wait() noexcept {
        const uint64_t token = rte_rcu_qsbr_start(qsbr_);
        while (rte_rcu_qsbr_check(qsbr_, token, false) == 0) sched_yield();
    }

    // The same without waiting, on any thread, readers included: start() begins a grace period, passed() tells
    // whether it is over. (Does not use rte_rcu_qsbr_check(): it may rely on a result that another thread has
    // stored, and nothing then orders that thread's readers before the caller.)
    uint64_t start() noexcept { return rte_rcu_qsbr_start(qsbr_); }
    bool passed(uint64_t token) const noexcept {
        for (uint32_t i = 0; i < qsbr_->max_threads; ++i) {
            const uint64_t count = __atomic_load_n(&qsbr_->qsbr_cnt[i].cnt, __ATOMIC_ACQUIRE);
            if (count != __RTE_QSBR_CNT_THR_OFFLINE && count < token) return false;
        }
        return true;
    }

 private:
    rte_rcu_qsbr* qsbr_;
};

template <class T>
class Published {
 public:
    // The current value. Worker side; valid until the reader's next quiescent point.
    const T* get() const noexcept { return current_.load(std::memory_order_acquire); }

    // Replaces the value and returns the old one. The caller frees it after Grace::wait().
    std::unique_ptr<const T> exchange(std::unique_ptr<const T> next) noexcept {
        return std::unique_ptr<const T>(
            current_.exchange(next.release(), std::memory_order_acq_rel));
    }

    Published() = default;
    Published(const Published&) = delete;
    ~Published() { delete current_.load(std::memory_order_relaxed); }

 private:
    std::atomic<const T*> current_{nullptr};
};

}  // namespace sluice::path
