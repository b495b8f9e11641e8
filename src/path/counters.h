// A worker's counters, and the drops that it recorded last (drop_log.h). Each worker has a set that only it
// writes; the control thread sums the sets for a query. When no packet is in flight,
//     received + made = transmitted + dropped + consumed
// where `made` counts packets that the switch added (flood copies, the extra frames of a cut segment, its own
// messages) and `consumed` counts packets to the switch itself. Frames that a port joins into a segment when it
// writes them (wire/coalesce.h) count as single frames, in packets and in bytes, sent or dropped, so that the
// numbers do not depend on which frames happened to leave together. A segment that was received as one counts as
// one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "path/background.h"
#include "path/drop.h"
#include "path/drop_log.h"
#include "path/events.h"
#include "path/ids.h"

namespace sluice::path {

// One writer (its worker), any number of readers. Compiles to a plain add, without a locked instruction.
class Counter {
 public:
    [[gnu::always_inline]] void add(uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
    void reset() noexcept { value_.store(0, std::memory_order_relaxed); }

 private:
    std::atomic<uint64_t> value_{0};
};

struct Traffic {
    Counter packets;
    Counter bytes;

    [[gnu::always_inline]] void add(uint64_t count, uint64_t size) noexcept {
        packets.add(count);
        bytes.add(size);
    }
    void reset() noexcept {
        packets.reset();
        bytes.reset();
    }
};

// One port's counters of one worker. Workers never share a cache line.
struct alignas(64) PortCounters {
    Traffic received[kMaxQueues];  // by receive queue; one worker owns a queue at a time
    Traffic transmitted;
    Counter dropped[kDropCount];

    void reset() noexcept {
        for (auto& queue : received) queue.reset();
        transmitted.reset();
        for (auto& reason : dropped) reason.reset();
    }
};

// Sums over all ports, deleted ports included, and the worker's use of time.
struct alignas(64) WorkerTotals {
    Counter received;
    Counter made;
    Counter consumed;
    Counter transmitted;
    Counter dropped[kDropCount];
    Counter busy_cycles;   // TSC cycles of turns with packets
    Counter idle_cycles;   // TSC cycles of turns without packets
    Counter sleep_cycles;  // TSC cycles asleep
    Counter batches;       // turns with packets

    uint64_t cycles() const noexcept {
        return busy_cycles.get() + idle_cycles.get() + sleep_cycles.get();
    }
};

// All counters of one worker: 4096 ports of a few hundred bytes of address space. Only pages of ports in use are
// touched and so backed by memory.
class Counters {
 public:
    Counters();

    PortCounters& port(PortId id) noexcept { return ports_[index(id)]; }
    const PortCounters& port(PortId id) const noexcept { return ports_[index(id)]; }

    void receive(PortId id, uint16_t queue, uint64_t count, uint64_t size) noexcept {
        port(id).received[queue].add(count, size);
        totals.received.add(count);
    }
    void transmit(PortId id, uint64_t count, uint64_t size) noexcept {
        port(id).transmitted.add(count, size);
        totals.transmitted.add(count);
    }

    // Counts and records a drop in one call, at the port that its reason names (drop.h). The caller keeps the
    // packet and frees it. If a packet could not be made, `packet` is its original.
    void drop(PortId id, Drop reason, const rte_mbuf* packet, const DropSite& site) noexcept {
        if (may_be_background(reason) && packet != nullptr && is_background(packet)) {
            return drop_background(id, packet, site);
        }
        count_drops(id, reason, site.count);
        log.record(id, reason, packet, site);
    }
    void drop(PortId id, Drop reason, const rte_mbuf* packet, uint32_t object = 0) noexcept {
        drop(id, reason, packet, DropSite{.object = object});
    }
    // Counts a drop as expected background, for a reason that is_background() cannot detect.
    [[gnu::noinline]] void drop_background(PortId id, const rte_mbuf* packet, const DropSite& site) noexcept {
        count_drops(id, Drop::kBackground, site.count);
        background.set_time(log.time());
        background.record(id, Drop::kBackground, packet, site);
    }
    void drop_all(PortId id, Drop reason, rte_mbuf* const* packets, uint16_t count) noexcept {
        count_drops(id, reason, count);
        for (uint16_t i = 0; i < count; ++i) log.record(id, reason, packets[i], DropSite{});
    }

    WorkerTotals totals;
    DropLog log;
    DropLog background;  // drops of kBackground, which would fill the other log
    // Decisions of rules with `log: true`, drops or not. For a packet that they let pass the reason is kCount.
    DropLog rules;
    Events events;

 private:
    struct Unmap {
        void operator()(PortCounters* ports) const noexcept;
    };
    void count_drops(PortId id, Drop reason, uint64_t count) noexcept {
        port(id).dropped[static_cast<size_t>(reason)].add(count);
        totals.dropped[static_cast<size_t>(reason)].add(count);
    }

    std::unique_ptr<PortCounters[], Unmap> ports_;
};

}  // namespace sluice::path
