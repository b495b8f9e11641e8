// One value that the control thread replaces and every worker reads, and the grace period after which
// the old value may be freed. The writer is one thread. A reader takes the value at the start of a
// turn, keeps no reference past the end of it (quiescent()), and says so before it sleeps (offline()).
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

    // Writer side: returns when every reader that was inside a turn has left it.
    // (What rte_rcu_qsbr_synchronize() does, in our own code, where TSan sees its atomics. It spins; a reader that
    // has lost its core may be waiting for ours.)
    void wait() noexcept {
        const uint64_t token = rte_rcu_qsbr_start(qsbr_);
        while (rte_rcu_qsbr_check(qsbr_, token, false) == 0) sched_yield();
    }

    // The same without waiting, on any thread, readers included: a grace period that begins now, and whether
    // one has passed. (Not rte_rcu_qsbr_check(), which takes another thread's word for it in a way that
    // orders nothing between that thread's readers and its caller.)
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
    // The current value: worker side, valid until the reader's next quiescent point.
    const T* get() const noexcept { return current_.load(std::memory_order_acquire); }

    // Replaces the value and hands back the old one, which the caller frees after Grace::wait().
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
