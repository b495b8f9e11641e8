#include "service/affinity.h"

#include <algorithm>
#include <bit>
#include <random>

namespace sluice::service {

class Affinity::Lock {
 public:
    explicit Lock(Set& set) noexcept : set_(set) {
        while (set_.lock.test_and_set(std::memory_order_acquire)) rte_pause();
    }
    Lock(const Lock&) = delete;
    ~Lock() { set_.lock.clear(std::memory_order_release); }

 private:
    Set& set_;
};

Affinity::Affinity(uint32_t entries)
    : count_(std::bit_ceil(std::max(entries / kWays, uint32_t{1}))), sets_(std::make_unique<Set[]>(count_)) {
    std::random_device device;
    for (uint64_t& word : secret_) word = uint64_t{device()} << 32 | device();
}

Affinity::Set& Affinity::set_of(const Frontend& frontend, const IpAddress& client) const noexcept {
    uint64_t hash = secret_[0];
    for (const uint64_t word : {frontend.id, wire::load64(&client.bytes[0]), wire::load64(&client.bytes[8])}) {
        const auto product = static_cast<unsigned __int128>(hash ^ word) * (secret_[1] | 1);
        hash = secret_[0] + static_cast<uint64_t>(product ^ product >> 64);
    }
    // So far neighboring addresses are evenly apart, which may lead them to few sets.
    hash = (hash ^ hash >> 29) * 0xbf58'476d'1ce4'e5b9;
    return sets_[hash >> 32 & (count_ - 1)];
}

const Backend* Affinity::backend_of(const Entry& entry, const Frontend& frontend, path::Seconds now) noexcept {
    // A timeout that has changed counts at once.
    return entry.age(now) <= frontend.affinity ? frontend.find_for_new(entry.backend, entry.port) : nullptr;
}

const Backend& Affinity::keep(const Frontend& frontend, const IpAddress& client, const Backend& proposal,
                              path::Seconds now) noexcept {
    Set& set = set_of(frontend, client);
    const Lock lock(set);
    const auto known = std::find_if(std::begin(set.entries), std::end(set.entries),
                                    [&](const Entry& entry) { return entry.is_of(frontend, client); });
    Entry* entry = known;
    const Backend* backend = &proposal;
    if (known != std::end(set.entries)) {
        if (const Backend* before = backend_of(*known, frontend, now)) backend = before;
    } else {
        // Free ones first, then expired ones, then the oldest.
        const auto rank = [&](const Entry& each) {
            if (!each.is_used) return UINT64_MAX;
            return uint64_t{each.age(now) > each.timeout} << 32 | each.age(now);
        };
        entry = std::max_element(std::begin(set.entries), std::end(set.entries),
                                 [&](const Entry& a, const Entry& b) { return rank(a) < rank(b); });
    }
    *entry = {.service = frontend.id,
              .client = client,
              .backend = backend->address,
              .used = now,
              .timeout = frontend.affinity,
              .port = backend->port,
              .is_used = true};
    return *backend;
}

const Backend* Affinity::find(const Frontend& frontend, const IpAddress& client,
                              path::Seconds now) const noexcept {
    Set& set = set_of(frontend, client);
    const Lock lock(set);
    for (const Entry& entry : set.entries) {
        if (entry.is_of(frontend, client)) return backend_of(entry, frontend, now);
    }
    return nullptr;
}

}  // namespace sluice::service
