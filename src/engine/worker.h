// THE LOOP: what a worker core does. It gathers a batch from its receive queues, takes it through the
// path, sends what waits in the transmit buffers, and reports itself quiescent: one turn. Nothing here
// allocates, locks or logs.
//
// Idle costs nothing: a queue with a descriptor is read only after epoll has said that it holds
// packets, so 250 silent containers cost a busy one nothing; after kSpin without a packet the worker
// sleeps until a descriptor wakes it, or, if it has queues that can't, in naps that grow to kLongestNap.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <bitset>
#include <vector>

#include "base/fd.h"
#include "engine/path.h"
#include "engine/snapshot.h"
#include "path/counters.h"
#include "path/published.h"
#include "port/egress.h"

namespace sluice::engine {

class Worker {
 public:
    Worker(path::WorkerId id, const path::Published<Snapshot>& snapshots, path::Grace& grace,
           port::Pools pools);

    // --- on the worker's core ---
    void run() noexcept;   // until stop()
    // One turn; true if it had packets. run() repeats it with a quiescent point after each; tests
    // call it by hand.
    bool turn() noexcept;

    // --- control thread ---
    void stop() noexcept;
    void wake() noexcept;                         // from its sleep, to see a new snapshot
    void watch(const QueueRef& queue) noexcept;   // a queue with a descriptor, from now on
    const path::Counters& counters() const noexcept { return counters_; }
    path::Counters& counters() noexcept { return counters_; }
    path::WorkerId id() const noexcept { return id_; }

 private:
    void adopt(const Snapshot& snapshot) noexcept;
    void poll_descriptors() noexcept;
    void mark_ready(const epoll_event* events, int count) noexcept;
    void gather() noexcept;
    void sleep() noexcept;
    void tell_time(uint64_t tsc) noexcept;

    path::WorkerId id_;
    const path::Published<Snapshot>& snapshots_;
    path::Grace& grace_;
    path::Counters counters_;
    port::Egress egress_;
    path::Batch batch_;
    Drops drops_;

    base::Fd epoll_;
    base::Fd wake_;  // eventfd
    std::atomic<bool> stopped_{false};

    uint64_t generation_ = 0;  // of the snapshot that queues_ was made from
    Idle idle_ = Idle::kAdaptive;
    // Queues to read in this turn: those that must be polled, always, and those whose descriptor
    // became readable, until they are empty. Capacity for all is reserved in advance.
    std::vector<QueueRef> ready_;
    std::bitset<size_t{path::kMaxPorts} * path::kMaxQueues> is_ready_;
    size_t next_ = 0;      // in ready_, where the next turn begins: no queue starves another
    bool polls_ = false;   // some queue has no descriptor
    uint32_t turns_ = 0;

    uint64_t second_cycles_;       // TSC cycles a second
    uint64_t next_second_ = 0;     // TSC
    bridge::Seconds now_ = 0;
    uint64_t last_packet_ = 0;     // TSC of the last turn that had packets
    uint64_t nap_ = 0;             // ns, of the next sleep where some queue must be polled
};

// The clock that workers stamp MAC entries with, for the control thread's ageing.
bridge::Seconds clock_seconds() noexcept;

}  // namespace sluice::engine
