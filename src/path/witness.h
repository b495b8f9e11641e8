// A witness: somebody who wants to be told what becomes of the packets that a filter lets through, stage by
// stage. Workers put what they saw into a ring of each, the control thread takes it out. A worker never waits:
// what doesn't fit is lost to the witness, counted, and nothing else happens to the packet.
//
// A witness lives until the last snapshot that names it is gone.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring_elem.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include "path/batch.h"
#include "path/drop_log.h"
#include "path/ids.h"
#include "sluice/address.h"
#include "wire/filter.h"

namespace sluice::path {

// A list whose end may be cut off.
template <class T, size_t kMost>
struct BoundedList {
    uint32_t count = 0;  // all of them: beyond kMost each takes the last one's place
    std::array<T, kMost> items;

    T& add() noexcept { return items[std::min<size_t>(count++, kMost - 1)]; }
    const T* begin() const noexcept { return items.data(); }
    const T* end() const noexcept { return items.data() + std::min<size_t>(count, kMost); }
};

// What became of a packet. Numbers mean what they did at that time.
struct Witnessed {
    static constexpr size_t kBytes = 128;

    // Who decided about a connection's packet.
    enum class By : uint8_t { kNone, kFlow, kTracker };
    struct Asked {
        uint32_t object;  // the rule, or the end of its list
        uint8_t action;   // acl::Action
    };
    struct Left {
        PortId port;
        uint32_t length;
    };
    struct Dropped {
        Drop reason;
        PortId port;  // that it is counted at
        PortId ingress;
        PortId egress;
        NetworkId network;
        uint32_t object;
        uint32_t count;
    };

    uint64_t time;     // TSC, of the worker's turn
    uint32_t length;   // of the frame as it came
    uint8_t size;      // bytes kept of it
    bool is_question;  // it is made up
    PortId came;       // that it came by
    PortId ingress;    // the same, or the tunnel that it came out of
    NetworkId network; // that it was in
    Fate fate;         // as it was decided
    Layer3 layer3;
    PortId egress;     // of kForward and kRouteByPort
    By by;
    uint32_t objects[2];      // of By::kFlow: what let the connection in
    uint64_t destination_mac;
    IpAddress destination;    // of a packet that was to be routed
    bool is_routed;           // the next two are known
    IpAddress neighbor;
    uint64_t neighbor_mac;    // 0: not known yet
    bool waits;               // until the next has told its MAC address
    IpAddress waits_for;
    NetworkId waits_in;
    BoundedList<Asked, 8> asked;
    BoundedList<Left, 8> left;
    BoundedList<Dropped, 4> dropped;
    std::array<uint8_t, kBytes> bytes;  // the frame's first ones
};
static_assert(std::is_trivially_copyable_v<Witnessed> && sizeof(Witnessed) % 4 == 0);

class Witness {
 public:
    static constexpr uint32_t kRingSize = 256;  // packets, of each worker

    Witness(wire::Filter filter, size_t workers);

    const wire::Filter& filter() const noexcept { return filter_; }

    // --- the worker ---
    void tell(WorkerId worker, const Witnessed& witnessed) noexcept;

    // --- the control thread ---
    // The next of the worker's; false: there is none.
    bool take(WorkerId worker, Witnessed& witnessed) noexcept;
    uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
    struct Free {
        void operator()(rte_ring* ring) const noexcept;
    };
    using Ring = std::unique_ptr<rte_ring, Free>;

    wire::Filter filter_;
    std::vector<Ring> rings_;  // by WorkerId
    std::atomic<uint64_t> lost_{0};
};

}  // namespace sluice::path
