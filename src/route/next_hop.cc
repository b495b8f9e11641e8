#include "route/next_hop.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace sluice::route {

NextHops::NextHops(neighbor::Table& neighbors) : neighbors_(neighbors) {
    void* memory = mmap(nullptr, kCapacity * sizeof(NextHop), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    hops_.reset(static_cast<NextHop*>(memory));
    static_assert(static_cast<uint8_t>(HopKind::kNone) == 0, "fresh memory says that there is no route");
}

void NextHops::Unmap::operator()(NextHop* hops) const noexcept {
    munmap(hops, kCapacity * sizeof(NextHop));
}

HopId NextHops::take(const HopKey& key, path::Seconds now) {
    if (auto known = uses_.find(key); known != uses_.end()) {
        ++known->second.count;
        return known->second.id;
    }
    HopId id = next_;
    if (!free_.empty()) {
        id = free_.back();
    } else if (next_ == kCapacity) {
        return 0;
    }
    NextHop hop{.kind = key.kind, .network = key.network};
    if (key.kind == HopKind::kVia) {
        hop.neighbor = neighbors_.pin(key.network, key.via, now);
        if (hop.neighbor == nullptr) return 0;
    }
    if (key.kind == HopKind::kGroup) {
        Group& group = groups_[id];
        group.members = key.members;
        for (const HopId member : group.members) {
            ++uses_.at(keys_.at(member)).count;
            if (hops_[member].neighbor != nullptr) neighbors_.watch(*hops_[member].neighbor);
            group.is_gone.push_back(is_gone(member));
        }
        hop.count = static_cast<uint16_t>(group.members.size() * NextHop::kBuckets);
        group.buckets = std::make_unique<std::atomic<HopId>[]>(hop.count);
        deal(group);
        hop.buckets = group.buckets.get();
    }
    if (!free_.empty()) {
        free_.pop_back();
    } else {
        ++next_;
    }
    hops_[id] = hop;
    uses_[key] = {id, 1};
    keys_[id] = key;
    return id;
}

void NextHops::give_back(HopId id, uint64_t users) {
    const HopKey& key = keys_.at(id);
    auto use = uses_.find(key);
    use->second.count -= users;
    if (use->second.count != 0) return;
    uses_.erase(use);
    retired_.push_back(id);
    if (auto group = groups_.find(id); group != groups_.end()) {
        for (const HopId member : group->second.members) {
            if (hops_[member].neighbor != nullptr) neighbors_.unwatch(*hops_[member].neighbor);
            give_back(member);
        }
    }
}

bool NextHops::is_gone(HopId member) const noexcept {
    const neighbor::Entry* neighbor = hops_[member].neighbor;
    return neighbor != nullptr && !neighbor->resolved() && neighbor->is_gone.load(std::memory_order_relaxed);
}

// Each bucket has a home member, and an order of its own for the others: it goes to the first of them that is up.
// So a bucket moves only if its member goes down or an earlier one returns.
void NextHops::deal(Group& group) {
    const size_t count = group.members.size();
    const bool has_any = std::find(group.is_gone.begin(), group.is_gone.end(), false) != group.is_gone.end();
    for (size_t bucket = 0; bucket < count * NextHop::kBuckets; ++bucket) {
        const size_t home = bucket / NextHop::kBuckets;
        size_t member = home;
        for (size_t i = 0; has_any && group.is_gone[member]; ++i) {
            member = (home + 1 + (bucket + i) % (count - 1)) % count;
        }
        group.buckets[bucket].store(group.members[member], std::memory_order_relaxed);
    }
}

std::map<HopId, bool> NextHops::rebalance() {
    std::map<HopId, bool> moved;
    stranded_.clear();
    for (auto& [id, group] : groups_) {
        bool changed = false;
        for (size_t i = 0; i < group.members.size(); ++i) {
            const bool now = is_gone(group.members[i]);
            if (now == group.is_gone[i]) continue;
            changed = true;
            group.is_gone[i] = now;
            moved[group.members[i]] = now;
        }
        if (!changed) continue;
        deal(group);
        const bool has_any =
            std::find(group.is_gone.begin(), group.is_gone.end(), false) != group.is_gone.end();
        if (!has_any) stranded_.insert(group.members.begin(), group.members.end());
    }
    return moved;
}

std::map<HopId, double> NextHops::shares(HopId id) const {
    std::map<HopId, double> shares;
    const Group& group = groups_.at(id);
    const size_t count = group.members.size() * NextHop::kBuckets;
    for (const HopId member : group.members) shares[member] = 0;
    for (size_t i = 0; i < count; ++i) {
        shares[group.buckets[i].load(std::memory_order_relaxed)] += 1.0 / static_cast<double>(count);
    }
    return shares;
}

void NextHops::reclaim() {
    for (const HopId id : retired_) {
        if (hops_[id].neighbor != nullptr) neighbors_.unpin(*hops_[id].neighbor);
        hops_[id] = {};
        groups_.erase(id);
        keys_.erase(id);
        free_.push_back(id);
    }
    retired_.clear();
}

size_t NextHops::memory() const noexcept { return next_ * (sizeof(NextHop) + 2 * sizeof(HopKey)); }

}  // namespace sluice::route
