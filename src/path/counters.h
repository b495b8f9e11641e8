// What a worker counts, and the drops that it recorded last (drop_log.h). Each worker has a set of its own
// that only it writes; the control thread sums the sets when somebody asks. The books balance whenever no packet
// is in flight:
//     received + made = transmitted + dropped + consumed
// where `made` is what the switch added (flood copies, extra segments of a cut one, words of its own) and
// `consumed` what was meant for the switch itself. Frames that a port makes a segment of as it writes them
// (wire/coalesce.h) count as the frames that they were, in packets and in bytes, sent or dropped: what is
// counted doesn't depend on what happened to leave together. A segment that came as one counts as one.
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

// One writer (its worker), any reader. Compiles to a plain add: no locked instruction.
class Counter {
 public:
    void add(uint64_t n) noexcept {
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

    void add(uint64_t count, uint64_t size) noexcept {
        packets.add(count);
        bytes.add(size);
    }
    void reset() noexcept {
        packets.reset();
        bytes.reset();
    }
};

// One port as one worker sees it. A cache line is never shared by two workers.
struct alignas(64) PortCounters {
    Traffic received[kMaxQueues];  // by receive queue; a queue belongs to one worker at a time
    Traffic transmitted;
    Counter dropped[kDropCount];

    void reset() noexcept {
        for (auto& queue : received) queue.reset();
        transmitted.reset();
        for (auto& reason : dropped) reason.reset();
    }
};

// Sums over all ports, those since deleted included, and how the worker spends its time.
struct alignas(64) WorkerTotals {
    Counter received;
    Counter made;
    Counter consumed;
    Counter transmitted;
    Counter dropped[kDropCount];
    Counter busy_cycles;   // TSC cycles of the turns that had packets
    Counter idle_cycles;   // TSC cycles of those that had none
    Counter sleep_cycles;  // TSC cycles asleep
    Counter batches;       // turns that had packets

    uint64_t cycles() const noexcept {
        return busy_cycles.get() + idle_cycles.get() + sleep_cycles.get();
    }
};

// All counters of one worker: 4096 ports of a few hundred bytes of address space, of which only the
// ports in use are ever touched, and so backed by memory.
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

    // Every drop is counted and recorded in one call, at the port of its reason (drop.h). The packet is
    // the caller's still, to be freed. Of one that could not be made it is what it was to be made of.
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
    // Of what is expected to be nobody's, for a reason that is_background() can't see.
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
    DropLog background;  // those of kBackground, which would fill the other one
    // What rules with `log: true` decided, drops or not; of what they let pass the reason is kCount.
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
