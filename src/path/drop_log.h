// The most recent drops of a worker: what was dropped, where and why, with the frame's first bytes, for
// `sluicectl drops --last`. Always on. What isn't dropped costs nothing, and a drop some 30 TSC cycles, its
// counting included (two cache lines are written, and the time is the turn's).
//
// One writer, the worker, which never waits: the ring's oldest record gives way. Any reader at any time:
// each slot has a version, odd while it is written, and a reader that meets another version afterwards
// than before reads again. The words between are atomics stored with release and loaded with acquire,
// which on x86 are plain moves: whoever sees a word of a later record sees its odd version too.
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

// What is known of a drop besides its reason and the port that it is counted at. Ports that are left out
// follow from the reason: the counting port is the one that the packet came from, or was to leave by. The port
// that the packet came by may also be known by its mbuf (came_by.h).
struct DropSite {
    PortId ingress = kNoPort;
    PortId egress = kNoPort;
    NetworkId network = kNoNetworkId;
    uint32_t object = 0;  // what decided: an ACL rule's id; 0: none
    uint32_t count = 1;   // packets that the record stands for
};

class Capture;

struct DropRecord {
    static constexpr size_t kBytes = 88;  // of VXLAN on IPv4, the inner frame's addresses and ports too

    uint64_t time;      // TSC, of the worker's turn
    uint32_t object;
    uint32_t count;     // packets
    uint32_t length;    // of the frame; 0: there was none at hand
    PortId port;        // that it is counted at
    PortId ingress;     // kNoPort: not known, or the switch itself
    PortId egress;      // kNoPort: not known
    NetworkId network;  // kNoNetworkId: not known
    Drop reason;
    uint8_t size;       // bytes kept
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
    // What is recorded from now on is captured as well. They must live until the next call.
    void capture_to(const std::vector<Capture*>& captures, WorkerId worker) noexcept {
        captures_ = captures.empty() ? nullptr : &captures;
        worker_ = worker;
    }
    // `packet` may be null. Its bytes are read, and nothing of it is kept.
    void record(PortId port, Drop reason, const rte_mbuf* packet, const DropSite& site) noexcept;
    uint64_t count() const noexcept { return count_; }  // ever
    // Of those that are there still: the newest is count() - 1.
    DropRecord at(uint64_t number) const noexcept { return slots_[number % kSize].record(); }

    // --- any thread ---
    // Those that are there, the oldest first.
    std::vector<DropRecord> recent() const {
        uint64_t seen = 0;
        return recent(seen);
    }
    // Those of them that are newer than `seen`, which then stands for the newest. 0: all.
    std::vector<DropRecord> recent(uint64_t& seen) const;

 private:
    static constexpr size_t kWords = sizeof(DropRecord) / sizeof(uint64_t);
    static constexpr size_t kHeadWords = offsetof(DropRecord, bytes) / sizeof(uint64_t);

    struct alignas(64) Slot {
        // 2n + 2 of the log's record n, one less while it is written; 0: none yet.
        std::atomic<uint64_t> version{0};
        std::array<std::atomic<uint64_t>, kWords> words{};  // a DropRecord's

        void keep(const uint8_t* bytes, uint64_t size) noexcept;
        DropRecord record() const noexcept;
    };
    static_assert(sizeof(Slot) == 128);

    void capture(const Slot& slot, const rte_mbuf* packet) const noexcept;

    std::array<Slot, kSize> slots_;
    uint64_t count_ = 0;  // records ever; the writer's own
    uint64_t now_ = 0;    // the writer's own
    const std::vector<Capture*>* captures_ = nullptr;  // null: nobody captures; the writer's own
    WorkerId worker_{};
};

}  // namespace sluice::path
