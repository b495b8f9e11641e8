// THE LOOP: what a worker core does. It gathers a batch from its receive queues, takes it through the
// path, sends what waits in the transmit buffers, and reports itself quiescent: one turn. Nothing here
// allocates, locks or logs.
//
// Idle costs nothing. A queue with a descriptor is read only after epoll has said that it holds
// packets, and for a little while after its last one (kHotTurns): 250 silent containers cost a busy one
// nothing, and a busy one is not asked for by epoll between any two packets. When no packet has come
// for as long as the traffic of late would suggest, the worker sleeps until a descriptor wakes it, or,
// if it has queues that can't, in naps that grow to kLongestNap.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <bitset>
#include <vector>

#include "base/fd.h"
#include "engine/path.h"
#include "engine/worker_features.h"
#include "path/counters.h"
#include "path/published.h"
#include "port/egress.h"
#include "view/snapshot.h"

namespace sluice::engine {

class Worker {
 public:
    // What workers share.
    struct Shared {
        const path::Published<view::Snapshot>& snapshots;
        path::Grace& grace;
        const route::NextHops& hops;
        neighbor::Table& neighbors;
        flow::Table& flows;
        flow::Fragments& fragments;
        const path::Published<flow::Generations>& flow_generations;
    };

    Worker(path::WorkerId id, port::Pools pools, const Shared& shared);

    // --- on the worker's core ---
    void run() noexcept;   // until stop()
    // One turn; true if it had packets. run() repeats it with a quiescent point after each; tests
    // call it by hand.
    bool turn() noexcept;
    // A part of a turn: goes on with later fragments whose first was judged, and gives up those that have waited
    // too long by this second. True if there were any.
    bool resume_fragments(path::Seconds now) noexcept;

    // --- control thread ---
    void connect(punt::Line* line) noexcept { features_.responder.connect(line); }  // while it doesn't run
    void stop() noexcept;
    void ask(std::vector<responder::Chore> chores);          // what the responder is to do
    void wake() noexcept;                         // from its sleep, to see a new snapshot
    void watch(const view::QueueRef& queue) noexcept;   // a queue with a descriptor, from now on
    void unwatch(int descriptor) noexcept;        // before it is closed
    const path::Counters& counters() const noexcept { return counters_; }
    path::Counters& counters() noexcept { return counters_; }
    path::WorkerId id() const noexcept { return id_; }
    // As of the worker's last turn: tests look at it between turns.
    uint32_t held_fragments() const noexcept { return features_.tracker.held_fragments(); }

 private:
    void adopt(const view::Snapshot& snapshot) noexcept;
    bool wants_poll(uint32_t count) noexcept;
    void poll_descriptors() noexcept;
    void mark_ready(const epoll_event* events, int count) noexcept;
    uint32_t gather() noexcept;
    uint16_t police(const view::QueueRef& queue, port::RateLimit& limit, rte_mbuf** packets,
                    uint16_t count) noexcept;
    PathTables tables(const view::Snapshot& snapshot, const flow::Generations& generations) noexcept;
    bool spun_enough(uint64_t tsc) const noexcept;
    void sleep() noexcept;
    void tell_time(uint64_t tsc) noexcept;
    void look_again(const view::Snapshot& snapshot) noexcept;

    path::WorkerId id_;
    Shared shared_;
    path::Counters counters_;
    port::Egress egress_;
    path::Batch batch_;
    view::Drops drops_;
    Features features_;

    base::Fd epoll_;
    base::Fd wake_;  // eventfd
    std::atomic<bool> stopped_{false};

    uint64_t generation_ = 0;  // of the snapshot that queues_ was made from
    const flow::Generations* flow_generations_ = nullptr;  // of this turn
    view::Idle idle_ = view::Idle::kAdaptive;
    struct ReadyQueue {
        view::QueueRef ref;
        uint32_t empty_turns;  // since it last had a packet
        bool listening;        // its descriptor has been asked to speak (Wake::kOnDemand)
    };
    // Queues to read in this turn: those that must be polled, always, and those whose descriptor
    // became readable, until they have been empty for a while. Capacity for all is reserved.
    std::vector<ReadyQueue> ready_;
    std::bitset<size_t{path::kMaxPorts} * path::kMaxQueues> is_ready_;
    uint32_t busy_turns_ = 0;  // with packets, since the last one without
    bool keep_hot_ = true;    // false when about to sleep
    size_t next_ = 0;         // in ready_, where the next turn begins: no queue starves another
    size_t polled_ = 0;       // queues without a descriptor: all of them are in ready_
    size_t watched_ = 0;      // queues with one
    size_t on_demand_ = 0;    // of those, that speak when asked to
    uint32_t turns_ = 0;

    uint64_t second_cycles_;       // TSC cycles a second
    uint64_t next_second_ = 0;     // TSC
    path::Seconds now_ = 0;
    uint64_t last_packet_ = 0;     // TSC of the last turn that had packets
    uint64_t spin_since_ = 0;      // TSC of that turn, or of the wake from sleep since
    uint64_t gap_;                 // TSC cycles between turns that had packets, averaged
    uint64_t nap_ = 0;             // ns, of the next sleep where some queue must be polled
};

// The clock that workers stamp MAC entries with, for the control thread's ageing.
path::Seconds clock_seconds() noexcept;

}  // namespace sluice::engine
