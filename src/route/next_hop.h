// What becomes of a routed packet: what the route tables' numbers stand for. Records never change while
// a route names them, are shared by all that say the same, and stay where they are: workers read them
// without any lock, and a number is given to another only after a grace period. What a neighbor's MAC
// address is stands in the neighbor's own entry, which changes in place.
//
// A group shares its packets out by buckets, of which each member has as many: the flow's hash picks one. If a
// member doesn't answer any more, its buckets are given to the others until it does, and all other buckets stay
// what they are (resilient hashing): no flow moves but those of that member.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
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
    kMartian,      // an address that isn't routed; a link-local one of the router's own is delivered
    kGroup,        // to one of several, by the flow's hash
};

struct alignas(64) NextHop {
    static constexpr size_t kMaxMembers = 64;
    static constexpr size_t kBuckets = 16;  // of each member

    HopKind kind = HopKind::kNone;
    path::NetworkId network = path::kNoNetworkId;
    uint16_t count = 0;                    // buckets of a group
    neighbor::Entry* neighbor = nullptr;   // of kVia
    const std::atomic<HopId>* buckets = nullptr;  // of kGroup; the control thread writes them

    HopId pick(uint32_t hash) const noexcept {
        return buckets[uint64_t{hash} * count >> 32].load(std::memory_order_relaxed);
    }
};
static_assert(sizeof(NextHop) == 64);

// The next hop of that number; of a group the one that the flow's hash picks, which `hash()` gives then.
template <class Hash>
[[gnu::always_inline]] inline const NextHop& hop_of(const NextHop* hops, HopId id, Hash hash) noexcept {
    const NextHop& hop = hops[id];
    return likely(hop.kind != HopKind::kGroup) ? hop : hops[hop.pick(hash())];
}

// What a route leads to, as the control thread names it.
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

    // Control thread. One more user of this hop: 0 where there is no room for it.
    HopId take(const HopKey& key, path::Seconds now);
    // So many users more of one that has users.
    void share(HopId id, uint64_t users) { uses_.at(keys_.at(id)).count += users; }
    // So many less. A group gives its members back with its last one.
    void give_back(HopId id, uint64_t users = 1);
    const HopKey& key(HopId id) const { return keys_.at(id); }
    // Gives the buckets of members that have gone to the others, and back to those that have come back. Whose
    // have moved: true, away from it.
    std::map<HopId, bool> rebalance();
    // Of one that the last rebalance() has moved: whether no group that it is in has lost all of
    // its members.
    bool has_alternative(HopId member) const { return !stranded_.contains(member); }
    // The members of a group with the part of its buckets that each has now.
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
        std::vector<bool> is_gone;  // by member: of those its buckets have been taken
        std::unique_ptr<std::atomic<HopId>[]> buckets;
    };
    bool is_gone(HopId member) const noexcept;
    void deal(Group& group);

    std::map<HopId, Group> groups_;
    std::set<HopId> stranded_;  // members of the groups that have lost all, by the last rebalance()
    std::vector<HopId> free_;
    std::vector<HopId> retired_;
    HopId next_ = 1;
};

}  // namespace sluice::route
