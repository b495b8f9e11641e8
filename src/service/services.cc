#include "service/services.h"

namespace sluice::service {

// --- Shard ---

void Shard::put(Slot slot) {
    uint64_t at = slot.hash;
    while (slots_[at & (slots_.size() - 1)].frontend != nullptr) ++at;
    slots_[at & (slots_.size() - 1)] = std::move(slot);
}

void Shard::add(uint64_t hash, SharedFrontend frontend) {
    if (2 * (count_ + 1) > slots_.size()) {
        std::vector<Slot> before(slots_.empty() ? 4 : 2 * slots_.size());
        before.swap(slots_);
        for (Slot& slot : before) {
            if (slot.frontend != nullptr) put(std::move(slot));
        }
    }
    put({hash, std::move(frontend)});
    ++count_;
}

void Shard::remove(uint64_t hash, const FrontendKey& key) {
    if (slots_.empty()) return;
    const uint64_t mask = slots_.size() - 1;
    uint64_t hole = hash & mask;
    while (slots_[hole].frontend != nullptr && slots_[hole].frontend->key != key) hole = (hole + 1) & mask;
    if (slots_[hole].frontend == nullptr) return;
    // Each slot behind it, up to a free one, moves into the hole if a search for it passes the hole.
    for (uint64_t at = (hole + 1) & mask; slots_[at].frontend != nullptr; at = (at + 1) & mask) {
        const uint64_t distance = (at - slots_[at].hash) & mask;
        if (distance < ((at - hole) & mask)) continue;
        slots_[hole] = std::move(slots_[at]);
        hole = at;
    }
    slots_[hole] = {};
    --count_;
}

// --- Services ---

// The shards that a change has copied.
class Services::Change {
 public:
    explicit Change(Index& index) : index_(index) {}
    Change(const Change&) = delete;

    Shard& shard(uint64_t hash) {
        std::shared_ptr<Shard>& own = own_[shard_of(hash)];
        if (own == nullptr) {
            const auto& before = index_[shard_of(hash)];
            own = before != nullptr ? std::make_shared<Shard>(*before) : std::make_shared<Shard>();
        }
        return *own;
    }
    void commit() {
        for (size_t i = 0; i < kShards; ++i) {
            if (own_[i] == nullptr) continue;
            if (own_[i]->count() == 0) own_[i].reset();
            index_[i] = std::move(own_[i]);
        }
    }

 private:
    Index& index_;
    std::array<std::shared_ptr<Shard>, kShards> own_;
};

Services Services::with(const Changes& changes) const {
    Services next = *this;
    Change by_key(next.by_key_);
    Change by_address(next.by_address_);
    const auto remove = [&](const FrontendKey& key) {
        const uint64_t hash = hash_of(key);
        Shard& shard = by_key.shard(hash);
        const Frontend* before = shard.find(hash, [&](const Frontend& each) { return each.key == key; });
        if (before == nullptr) return;
        const bool has_owner = before->kind != Kind::kNodePort;
        shard.remove(hash, key);
        --next.count_;
        const uint64_t address = hash_of(key.address);
        if (has_owner) by_address.shard(address).remove(address, key);
    };
    for (const FrontendKey& key : changes.removed) remove(key);
    for (const SharedFrontend& frontend : changes.added) {
        remove(frontend->key);
        const uint64_t hash = hash_of(frontend->key);
        by_key.shard(hash).add(hash, frontend);
        ++next.count_;
        const uint64_t address = hash_of(frontend->key.address);
        if (frontend->kind != Kind::kNodePort) by_address.shard(address).add(address, frontend);
    }
    by_key.commit();
    by_address.commit();
    return next;
}

}  // namespace sluice::service
