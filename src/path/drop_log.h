// The most recent drops of a worker, for `sluicectl drops --last`: what was dropped, where and why, with the
// frame's first bytes. Always on. A packet that is not dropped pays nothing; a drop costs about 30 TSC cycles
// with its counting (two cache lines are written, and the time is read once per turn).
//
// One writer, the worker, which never waits: a new record replaces the ring's oldest. Any number of readers at
// any time: each slot has a version, which is odd while the slot is written. A reader that finds different
// versions before and after reads again. The other words are atomics, stored with release and loaded with
// acquire, which are plain moves on x86: a reader that sees a word of a later record sees that record's odd
// version too.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "path/drop.h"
#include "path/ids.h"

namespace sluice::path {

// The details of a drop besides its reason and its counting port. A port that is left out follows from the
// reason: the counting port is then the ingress or the egress port. The mbuf may also tell the ingress port
// (came_by.h).
struct DropSite {
    PortId ingress = kNoPort;
    PortId egress = kNoPort;
    NetworkId network = kNoNetworkId;
    uint32_t object = 0;  // the object that decided, such as an ACL rule's id; 0: none
    uint32_t count = 1;   // packets that the record counts
};

class Capture;

struct DropRecord {
    static constexpr size_t kBytes = 88;  // with VXLAN on IPv4, they include the inner frame's addresses and ports

    uint64_t time;      // TSC at the start of the worker's turn
    uint32_t object;
    uint32_t count;     // packets
    uint32_t length;    // of the frame; 0: there was no frame
    PortId port;        // at which it is counted
    PortId ingress;     // kNoPort: unknown, or the switch made the packet
    PortId egress;      // kNoPort: unknown
    NetworkId network;  // kNoNetworkId: unknown
    Drop reason;
    uint8_t size;       // number of valid bytes
    uint16_t unused;
    std::array<uint8_t, kBytes> bytes;  // the frame's first ones
};
static_assert(sizeof(DropRecord) == 120 && std::is_trivially_copyable_v<DropRecord>);

class DropLog {
 public:
    static constexpr size_t kSize = 256;  // records; a power of two

    // --- the worker ---
    void set_time(uint64_t tsc) noexcept { now_ = tsc; }
    uint64_t time() const noexcept { return now_; }
    // Later records are captured too. The captures must live until the next call.
    void capture_to(const std::vector<Capture*>& captures, WorkerId worker) noexcept {
        captures_ = captures.empty() ? nullptr : &captures;
        worker_ = worker;
    }
    // `packet` may be null. Its bytes are copied; no pointer to it is kept.
    void record(PortId port, Drop reason, const rte_mbuf* packet, const DropSite& site) noexcept;
    uint64_t count() const noexcept { return count_; }  // records since the start
    // The record must still be in the ring; the newest is count() - 1.
    DropRecord at(uint64_t number) const noexcept { return slots_[number % kSize].record(); }

    // --- any thread ---
    // The records that are in the ring, oldest first.
    std::vector<DropRecord> recent() const {
        uint64_t seen = 0;
        return recent(seen);
    }
    // Those that are newer than `seen` (0: all). Sets `seen` to the newest.
    std::vector<DropRecord> recent(uint64_t& seen) const;

 private:
    static constexpr size_t kWords = sizeof(DropRecord) / sizeof(uint64_t);
    static constexpr size_t kHeadWords = offsetof(DropRecord, bytes) / sizeof(uint64_t);

    struct alignas(64) Slot {
        // For record n of the log 2n + 2, or 2n + 1 while it is written; 0: no record yet.
        std::atomic<uint64_t> version{0};
        std::array<std::atomic<uint64_t>, kWords> words{};  // a DropRecord's

        void keep(const uint8_t* bytes, uint64_t size) noexcept;
        DropRecord record() const noexcept;
    };
    static_assert(sizeof(Slot) == 128);

    void capture(const Slot& slot, const rte_mbuf* packet) const noexcept;

    std::array<Slot, kSize> slots_;
    uint64_t count_ = 0;  // records since the start; the writer's own
    uint64_t now_ = 0;    // the writer's own
    const std::vector<Capture*>* captures_ = nullptr;  // null: no capture; the writer's own
    WorkerId worker_{};
};

}  // namespace sluice::path
