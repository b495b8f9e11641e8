#include "engine/next_hop.h"

#include <sys/mman.h>

#include <new>

namespace sluice::engine {

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

HopId NextHops::take(const HopKey& key, neighbor::Seconds now) {
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
        auto& members = members_[id] = key.members;
        for (const HopId member : members) ++uses_.at(keys_.at(member)).count;
        hop.members = members.data();
        hop.count = static_cast<uint16_t>(members.size());
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
    if (auto members = members_.find(id); members != members_.end()) {
        for (const HopId member : members->second) give_back(member);
    }
}

void NextHops::reclaim() {
    for (const HopId id : retired_) {
        if (hops_[id].neighbor != nullptr) neighbors_.unpin(*hops_[id].neighbor);
        hops_[id] = {};
        members_.erase(id);
        keys_.erase(id);
        free_.push_back(id);
    }
    retired_.clear();
}

size_t NextHops::memory() const noexcept { return next_ * (sizeof(NextHop) + 2 * sizeof(HopKey)); }

}  // namespace sluice::engine
