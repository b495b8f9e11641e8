// A capture: copies of packets that pass a port or are dropped, for somebody who looks at them. Workers
// put copies into a ring of bytes each, the control thread takes them out. A worker never waits: what
// doesn't fit is lost to the capture, counted, and nothing else happens to it. Where nobody captures
// nothing of this is met: captures hang on ports as mirrors do, and on the recording of drops.
//
// A capture lives until the last snapshot that names it is gone.
#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "path/drop_log.h"
#include "path/ids.h"
#include "wire/filter.h"

namespace sluice::path {

// What a copy is of.
enum class Captured : uint8_t { kFromPort, kToPort, kDropped };

struct CapturedHeader {
    uint64_t time;    // TSC
    uint32_t length;  // of the frame
    uint32_t size;    // bytes that follow: at most kMaxCaptured of the frame
    Captured what;
};

inline constexpr uint32_t kMaxCaptured = 256 * 1024;

// One writer, one reader. Records stand one behind the other: header, for drops the DropRecord, the
// frame's bytes. A record that reaches the end goes on at the beginning.
class CaptureRing {
 public:
    explicit CaptureRing(size_t capacity);  // bytes, a power of two

    // --- the worker ---
    // False if it doesn't fit, which is counted.
    bool push(Captured what, const rte_mbuf* packet, const DropRecord* drop) noexcept;

    // --- the control thread ---
    // The oldest record's header.
    std::optional<CapturedHeader> front() const;
    // The oldest record, which must be there: its frame's bytes, and the drop if it is one.
    std::string pop(DropRecord& drop);
    uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
    void write(uint64_t at, const void* from, size_t size) noexcept;
    void read(uint64_t at, void* to, size_t size) const;

    const size_t capacity_;
    const std::unique_ptr<uint8_t[]> bytes_;  // backed by memory as it is first used
    alignas(64) std::atomic<uint64_t> end_{0};    // of what was ever written; the writer's
    std::atomic<uint64_t> lost_{0};
    alignas(64) std::atomic<uint64_t> begin_{0};  // of what was not yet read; the reader's
};

class Capture {
 public:
    static constexpr size_t kRingSize = 4 << 20;  // bytes, of each worker

    // `port` names what is captured: what comes from it and goes to it; empty: drops.
    Capture(std::string port, wire::Filter filter, size_t workers, size_t ring_size = kRingSize);

    const std::string& port() const noexcept { return port_; }
    const wire::Filter& filter() const noexcept { return filter_; }
    CaptureRing& ring(WorkerId worker) noexcept { return *rings_[index(worker)]; }
    std::vector<std::unique_ptr<CaptureRing>>& rings() noexcept { return rings_; }
    uint64_t lost() const noexcept;

 private:
    std::string port_;
    wire::Filter filter_;
    std::vector<std::unique_ptr<CaptureRing>> rings_;  // by WorkerId
};

}  // namespace sluice::path
