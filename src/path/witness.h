// A witness: a client that follows live what happens to packets that match a filter (`trace --live`). Each worker
// puts its records into a ring of its own; the control thread takes them out. A worker never waits: if a record
// does not fit, it is lost and counted, and the packet goes on.
//
// A witness lives until the last snapshot that refers to it is gone.
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
#include "path/tuple.h"
#include "sluice/address.h"
#include "wire/filter.h"

namespace sluice::path {

// A list that keeps the first entries and the last one.
template <class T, size_t kMost>
struct BoundedList {
    uint32_t count = 0;  // of all entries added; beyond kMost, each replaces the last one
    std::array<T, kMost> items;

    T& add() noexcept { return items[std::min<size_t>(count++, kMost - 1)]; }
    const T* begin() const noexcept { return items.data(); }
    const T* end() const noexcept { return items.data() + std::min<size_t>(count, kMost); }
};

// What happened to a packet. Ids have the meaning that they had at that time.
struct Witnessed {
    static constexpr size_t kBytes = 128;

    // The source of the verdict for a connection's packet.
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
        PortId port;  // at which it is counted
        PortId ingress;
        PortId egress;
        NetworkId network;
        uint32_t object;
        uint32_t count;
    };

    uint64_t time;     // TSC at the start of the worker's turn
    uint32_t length;   // of the frame as it was received
    uint8_t size;      // number of valid bytes
    bool is_dry_run;   // a packet of a dry run (trace), which nobody sent
    PortId came;       // the port that received it
    PortId ingress;    // the same port, or the tunnel that it came out of
    NetworkId network; // the ingress network
    Fate fate;         // the decision
    Layer3 layer3;
    PortId egress;     // of kForward and kRouteByPort
    By by;
    uint32_t objects[2];      // of By::kFlow: the objects that admitted the connection
    uint64_t destination_mac;
    IpAddress destination;    // of a routed packet
    bool is_routed;           // whether the next two fields are set
    IpAddress neighbor;
    uint64_t neighbor_mac;    // 0: not known yet
    bool is_translated;       // whether the next two fields are set
    Tuple arrives;  // of its flow's packets in this direction; of an ICMP error: of those that it is about
    Tuple leaves;
    bool waits;               // whether it waits for the MAC address of waits_for
    IpAddress waits_for;
    NetworkId waits_in;
    BoundedList<Asked, 8> asked;
    BoundedList<Left, 8> left;
    BoundedList<Dropped, 4> dropped;
    std::array<uint8_t, kBytes> bytes;  // the frame's first ones

    void note_wait(NetworkId where, const IpAddress& whom) noexcept {
        waits = true;
        waits_for = whom;
        waits_in = where;
    }
};
static_assert(std::is_trivially_copyable_v<Witnessed> && sizeof(Witnessed) % 4 == 0);

class Witness {
 public:
    static constexpr uint32_t kRingSize = 256;  // packets per worker

    Witness(wire::Filter filter, size_t workers);

    const wire::Filter& filter() const noexcept { return filter_; }

    // --- the worker ---
    void tell(WorkerId worker, const Witnessed& witnessed) noexcept;

    // --- the control thread ---
    // Takes the next record of the worker; false if there is none.
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
