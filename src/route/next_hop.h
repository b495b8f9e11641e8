// The next hops behind the numbers in route tables: how a routed packet is handled. A record never changes while
// a route refers to it, all routes with equal next hops share it, and it never moves, so workers read it without
// a lock. A number is reused only after a grace period. A neighbor's MAC address is in the neighbor's own entry,
// which changes in place.
//
// A group distributes packets over buckets, of which each member has the same number: the flow's hash chooses
// one. While a member does not answer, the other members have its buckets, and all other buckets keep their
// members (resilient hashing): only that member's flows move.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "neighbor/neighbor_table.h"
#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::route {

using HopId = uint32_t;  // 0: no route

enum class HopKind : uint8_t {
    kNone,         // no route
    kVia,          // to a neighbor
    kConnected,    // to the destination itself, on a network's link
    kLocal,        // to the switch
    kBroadcast,    // a subnet's broadcast address, or that of the subnet itself
    kBlackhole,
    kUnreachable,
    kMartian,      // an address that is never routed; a link-local one of the router's own is delivered
    kGroup,        // to one of several, by the flow's hash
};

struct alignas(64) NextHop {
    static constexpr size_t kMaxMembers = 64;
    static constexpr size_t kBuckets = 16;  // per member

    HopKind kind = HopKind::kNone;
    path::NetworkId network = path::kNoNetworkId;
    uint16_t count = 0;                    // buckets of a group
    neighbor::Entry* neighbor = nullptr;   // of kVia
    const std::atomic<HopId>* buckets = nullptr;  // of kGroup; written by the control thread

    HopId pick(uint32_t hash) const noexcept {
        return buckets[uint64_t{hash} * count >> 32].load(std::memory_order_relaxed);
    }
};
static_assert(sizeof(NextHop) == 64);

// The next hop with that number; for a group, the member that the flow's hash, `hash()`, chooses.
template <class Hash>
[[gnu::always_inline]] inline const NextHop& hop_of(const NextHop* hops, HopId id, Hash hash) noexcept {
    const NextHop& hop = hops[id];
    return likely(hop.kind != HopKind::kGroup) ? hop : hops[hop.pick(hash())];
}

// The content of a next hop, as the control thread specifies it.
struct HopKey {
    HopKind kind = HopKind::kNone;
    path::NetworkId network = path::kNoNetworkId;
    IpAddress via;               // of kVia
    std::vector<HopId> members;  // of kGroup

    auto operator<=>(const HopKey&) const = default;
};

class NextHops {
 public:
    static constexpr uint32_t kCapacity = 1 << 20;

    explicit NextHops(neighbor::Table& neighbors);
    NextHops(const NextHops&) = delete;

    // Worker side: by HopId.
    const NextHop* data() const noexcept { return hops_.get(); }

    // Control thread. All records up to the highest number in use.
    std::span<const NextHop> list() const noexcept { return {hops_.get(), next_}; }
    // Adds a user of this hop; returns 0 if there is no room for it.
    HopId take(const HopKey& key, path::Seconds now);
    // Adds users of a hop that has users already.
    void share(HopId id, uint64_t users) { uses_.at(keys_.at(id)).count += users; }
    // Removes users. When a group loses its last user, it releases its members.
    void give_back(HopId id, uint64_t users = 1);
    const HopKey& key(HopId id) const { return keys_.at(id); }
    // Moves the buckets of members that have gone to the others, and back to members that have returned. Returns
    // the members whose buckets have moved; true: away from the member.
    std::map<HopId, bool> rebalance();
    // For a member that the last rebalance() has moved: false if a group that it is in has lost all of its
    // members.
    bool has_alternative(HopId member) const { return !stranded_.contains(member); }
    // The members of a group with each one's present share of the buckets.
    std::map<HopId, double> shares(HopId group) const;
    bool has_retired() const noexcept { return !retired_.empty(); }
    void reclaim();  // after a grace period
    size_t memory() const noexcept;

 private:
    struct Unmap {
        void operator()(NextHop* hops) const noexcept;
    };
    struct Use {
        HopId id;
        uint64_t count;
    };
    neighbor::Table& neighbors_;
    std::unique_ptr<NextHop[], Unmap> hops_;
    std::map<HopKey, Use> uses_;
    std::map<HopId, HopKey> keys_;
    struct Group {
        std::vector<HopId> members;
        std::vector<bool> is_gone;  // by member: its buckets were moved to others
        std::unique_ptr<std::atomic<HopId>[]> buckets;
    };
    bool is_gone(HopId member) const noexcept;
    void deal(Group& group);

    std::map<HopId, Group> groups_;
    std::set<HopId> stranded_;  // members of groups that have lost all members, as of the last rebalance()
    std::vector<HopId> free_;
    std::vector<HopId> retired_;
    HopId next_ = 1;
};

}  // namespace sluice::route
