// A capture: copies of packets that pass a port or are dropped, for a client of the control socket. Each worker
// puts copies into a ring of bytes of its own; the control thread takes them out. A worker never waits: if a copy
// does not fit, it is lost and counted, and the packet goes on. Without captures this code does not run: captures
// are attached to ports as mirrors are, and to the recording of drops.
//
// A capture lives until the last snapshot that refers to it is gone.
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

// The reason for a copy.
enum class Captured : uint8_t { kFromPort, kToPort, kDropped };

struct CapturedHeader {
    uint64_t time;    // TSC
    uint32_t length;  // of the frame
    uint32_t size;    // of the frame's bytes that follow, at most kMaxCaptured
    Captured what;
};

inline constexpr uint32_t kMaxCaptured = 256 * 1024;

// One writer, one reader. Records stand one behind the other: header, the DropRecord of a drop, the frame's
// bytes. A record that reaches the end of the buffer continues at its beginning.
class CaptureRing {
 public:
    explicit CaptureRing(size_t capacity);  // bytes, a power of two

    // --- the worker ---
    // False if the packet does not fit; then it is counted as lost.
    bool push(Captured what, const rte_mbuf* packet, const DropRecord* drop) noexcept;

    // --- the control thread ---
    // The header of the oldest record.
    std::optional<CapturedHeader> front() const;
    // Removes the oldest record, which must exist. Returns its frame's bytes, and fills `drop` if it is a drop.
    std::string pop(DropRecord& drop);
    uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
    void write(uint64_t at, const void* from, size_t size) noexcept;
    void read(uint64_t at, void* to, size_t size) const;

    const size_t capacity_;
    const std::unique_ptr<uint8_t[]> bytes_;  // the kernel backs it with memory on first use
    alignas(64) std::atomic<uint64_t> end_{0};    // bytes ever written; the writer's
    std::atomic<uint64_t> lost_{0};
    alignas(64) std::atomic<uint64_t> begin_{0};  // bytes ever read; the reader's
};

class Capture {
 public:
    static constexpr size_t kRingSize = 4 << 20;  // bytes per worker

    // `port` names the port whose received and sent packets are captured; empty: captures drops.
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
