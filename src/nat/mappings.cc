#include "nat/mappings.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::nat {
namespace {

using std::memory_order_relaxed;
constexpr uint32_t kLeastCapacity = 1024;
constexpr uint32_t kMostCapacity = 1 << 20;
constexpr uint32_t kMostShards = 64;
constexpr uint32_t kStep = 64;  // entries that the control thread looks at with a lock

uint32_t capacity_of(const MappingsSettings& settings) {
    if (settings.capacity != 0) return settings.capacity;
    const uint64_t ports = settings.pool.addresses.size() * (uint64_t{settings.pool.high} - settings.pool.low + 1);
    return static_cast<uint32_t>(std::clamp<uint64_t>(2 * ports, kLeastCapacity, kMostCapacity));
}

// A shard gets its part of the entries, and eight standard deviations more.
uint32_t shard_capacity_of(uint32_t capacity, uint32_t shards) {
    const uint32_t mean = capacity / shards + 1;
    const auto more = static_cast<uint32_t>(8 * std::sqrt(static_cast<double>(mean)));
    return std::min(capacity, mean + more);
}

}  // namespace

Mappings::Mappings(const MappingsSettings& settings, Mappings* previous)
    : settings_(settings), pool_(settings.pool), capacity_(capacity_of(settings)) {
    const uint32_t shards = std::bit_floor(std::clamp(capacity_ / kLeastCapacity, 1U, kMostShards));
    shard_mask_ = shards - 1;
    shard_capacity_ = shard_capacity_of(capacity_, shards);
    for (uint32_t i = 0; i < shards; ++i) {
        shards_.emplace_back(i * shard_capacity_ + 1, shard_capacity_);
        host_shards_.emplace_back(shard_capacity_);
    }
    if (previous != nullptr) take_over(*previous);
}

void Mappings::take_over(Mappings& previous) {
    for (size_t i = 0; i < kOutcomeCount; ++i)
        answers_[i].store(previous.answers_[i].load(memory_order_relaxed), memory_order_relaxed);
    for (Shard& shard : previous.shards_) {
        std::vector<Entry> entries;
        for (uint32_t begin = 0;; begin += kStep) {
            const Hold hold(shard.lock, Patience::kControl);
            const uint32_t end = std::min(begin + kStep, shard.entries.high());
            if (begin >= end) break;
            for (uint32_t i = begin; i < end; ++i) {
                if (shard.entries[i].is_used()) entries.push_back(shard.entries[i]);
            }
        }
        // Of an endpoint's mappings the first one stays the first.
        std::stable_sort(entries.begin(), entries.end(),
                         [](const Entry& one, const Entry& other) { return one.row < other.row; });
        for (const Entry& entry : entries) {
            keep(entry.transport, entry.inside, previous.outside_of(entry), entry.from, Patience::kControl);
        }
    }
    for (Shard& shard : previous.shards_) keep_holders(previous, shard);
}

// Who had a port first goes on having it.
void Mappings::keep_holders(Mappings& previous, Shard& shard) {
    for (uint32_t i = 0; i < shard.entries.high(); ++i) {
        Entry before;
        {
            const Hold hold(shard.lock, Patience::kControl);
            before = shard.entries[i];
            if (!before.is_used()) continue;
            const Ports& ports = previous.pool_.ports(before.outside.address, before.transport);
            if (ports.holder(before.outside.port) != number(shard, shard.entries[i])) continue;
        }
        const auto address = pool_.index_of(previous.outside_of(before).address);
        if (!address) continue;
        const Place place{*address, before.outside.port};
        const uint64_t endpoint_hash = hash(before.transport, before.inside);
        Shard& own = shard_of(shards_, endpoint_hash);
        const Hold hold(own.lock, Patience::kControl);
        const Entry* entry = own.entries.find(endpoint_hash, [&](const Entry& other) {
            return other.outside == place && other.is_of(before.transport, before.inside);
        });
        if (entry != nullptr)
            pool_.ports(*address, before.transport).replace_holder(place.port, number(own, *entry));
    }
}

Mappings::Entry* Mappings::find(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside,
                                unsigned attempt) noexcept {
    return shard.entries.find(
        hash, [&](const Entry& entry) { return entry.row == attempt + 1 && entry.is_of(transport, inside); });
}

Answer Mappings::map(Transport transport, const Endpoint& inside, unsigned attempt, path::PortId from) noexcept {
    if (pool_.family(inside.address).is_empty()) return refuse(Outcome::kNoAddress);
    if (attempt >= kMaxAttempts) return refuse(Outcome::kExhausted);
    const uint64_t endpoint_hash = hash(transport, inside);
    Shard& shard = shard_of(shards_, endpoint_hash);
    const Hold hold(shard.lock, Patience::kWorker);
    if (!hold) return refuse(Outcome::kBusy);
    if (Entry* entry = find(shard, endpoint_hash, transport, inside, attempt)) {
        use(shard, *entry);
        return {Outcome::kFound, outside_of(*entry)};
    }
    const Answer answer = add(shard, endpoint_hash, transport, inside, attempt, from);
    count_answer(answer.outcome);
    return answer;
}

Answer Mappings::add(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside, unsigned attempt,
                     path::PortId from) noexcept {
    const uint64_t host_hash = this->hash(inside.address);
    HostShard& hosts = shard_of(host_shards_, host_hash);
    const Hold hold(hosts.lock, Patience::kWorker);
    if (!hold) return {Outcome::kBusy, {}};
    Entry* entry = add_entry(shard, hash, transport, inside, attempt, from);
    if (entry == nullptr) return {Outcome::kFull, {}};
    HostEntry* host = find_or_add(hosts, host_hash, inside.address);
    Place outside;
    const Outcome outcome = host == nullptr ? Outcome::kFull : choose(*host, shard, hash, *entry, outside);
    if (outcome > Outcome::kShared) {
        remove_entry(shard, hash, *entry);
        if (host != nullptr && !host->is_used()) hosts.hosts.remove(host_hash, host);
        return {outcome, {}};
    }
    fill(shard, *entry, *host, outside);
    return {outcome, outside_of(*entry)};
}

// An entry without an outside endpoint yet.
Mappings::Entry* Mappings::add_entry(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside,
                                     unsigned attempt, path::PortId from) noexcept {
    if (count_.fetch_add(1, memory_order_relaxed) < capacity_) {
        if (Entry* entry = shard.entries.add(hash)) {
            entry->inside = inside;
            entry->transport = transport;
            entry->row = static_cast<uint8_t>(attempt + 1);
            entry->from = from;
            return entry;
        }
    }
    count_.fetch_sub(1, memory_order_relaxed);
    return nullptr;
}

void Mappings::remove_entry(Shard& shard, uint64_t hash, Entry& entry) noexcept {
    shard.entries.remove(hash, &entry);
    count_.fetch_sub(1, memory_order_relaxed);
}

Mappings::HostEntry* Mappings::find_or_add(HostShard& hosts, uint64_t hash, const IpAddress& address) noexcept {
    const auto is_of = [&](const HostEntry& host) { return host.address == address; };
    if (HostEntry* host = hosts.hosts.find(hash, is_of)) return host;
    HostEntry* host = hosts.hosts.add(hash);
    if (host == nullptr) return nullptr;
    host->address = address;
    host->paired = first_choice(hash, pool_.family(address));
    return host;
}

Outcome Mappings::choose(const HostEntry& host, Shard& shard, uint64_t hash, const Entry& entry,
                         Place& outside) noexcept {
    const Pool::Family family = pool_.family(host.address);
    const uint32_t own = host.mappings[static_cast<size_t>(entry.transport)];
    const uint32_t limit = settings_.ports_per_host.value_or(0);
    if (limit != 0 && own >= limit) return Outcome::kHostLimit;
    const uint32_t free_entries = capacity_ - std::min(capacity_, count());
    uint32_t of_port = 0;  // of all hosts there
    uint32_t of_port_total = 0;
    if (const OfPort* counts = this->of_port(entry.from)) {
        of_port = (*counts)[static_cast<size_t>(entry.transport)].load(memory_order_relaxed);
        for (const auto& each : *counts) of_port_total += each.load(memory_order_relaxed);
    }
    if (std::max(host.total(), of_port_total) > free_entries) return Outcome::kHostLimit;
    const bool has_share =
        !settings_.ports_per_host && std::max(own, of_port) >= pool_.free(family, entry.transport);
    const uint64_t random = secret_.hash(std::array{hash, shard.drawn++});
    if (!has_share) {
        if (const auto free = pool_.take(entry.transport, family, host.paired, entry.inside.port, random)) {
            outside = *free;
            return Outcome::kNew;
        }
    }
    std::array<Place, kMaxAttempts> earlier;
    size_t count = 0;
    shard.entries.find(hash, [&](const Entry& other) {
        if (&other != &entry && other.is_of(entry.transport, entry.inside)) earlier[count++] = other.outside;
        return false;
    });
    const auto shared = pool_.share(entry.transport, family, host.paired, {earlier.data(), count}, random);
    if (!shared) return Outcome::kExhausted;
    outside = *shared;
    return Outcome::kShared;
}

void Mappings::fill(Shard& shard, Entry& entry, HostEntry& host, const Place& outside) noexcept {
    if (!host.is_used()) host.paired = outside.address;
    ++host.mappings[static_cast<size_t>(entry.transport)];
    if (OfPort* counts = of_port(entry.from))
        (*counts)[static_cast<size_t>(entry.transport)].fetch_add(1, memory_order_relaxed);
    entry.outside = outside;
    use(shard, entry);
}

// Who had a port first keeps it while he uses it. After him it is one's of those who share it.
void Mappings::use(Shard& shard, Entry& entry) noexcept {
    entry.walk = walk();
    pool_.ports(entry.outside.address, entry.transport).set_holder(entry.outside.port, number(shard, entry));
}

bool Mappings::keep(Transport transport, const Endpoint& inside, const Endpoint& outside, path::PortId from,
                    Patience patience) noexcept {
    if (inside.address.is_v4() != outside.address.is_v4()) return false;
    const auto address = pool_.index_of(outside.address);
    if (!address) return false;
    const Place place{*address, outside.port};
    if (!pool_.allows(transport, place)) return false;
    const uint64_t endpoint_hash = hash(transport, inside);
    Shard& shard = shard_of(shards_, endpoint_hash);
    const Hold hold(shard.lock, patience);
    if (!hold) return true;  // the control thread marks it
    Entry* entry = shard.entries.find(endpoint_hash, [&](const Entry& other) {
        return other.outside == place && other.is_of(transport, inside);
    });
    if (entry != nullptr) {
        use(shard, *entry);
    } else {
        add_again(shard, endpoint_hash, transport, inside, place, from, patience);
    }
    return true;
}

void Mappings::add_again(Shard& shard, uint64_t hash, Transport transport, const Endpoint& inside,
                         const Place& outside, path::PortId from, Patience patience) noexcept {
    unsigned attempt = 0;
    while (attempt < kMaxAttempts && find(shard, hash, transport, inside, attempt) != nullptr) ++attempt;
    if (attempt == kMaxAttempts) return;
    const uint64_t host_hash = this->hash(inside.address);
    HostShard& hosts = shard_of(host_shards_, host_hash);
    const Hold hold(hosts.lock, patience);
    if (!hold) return;
    Entry* entry = add_entry(shard, hash, transport, inside, attempt, from);
    if (entry == nullptr) return;
    HostEntry* host = find_or_add(hosts, host_hash, inside.address);
    if (host != nullptr && pool_.take_or_share(transport, outside, patience)) {
        return fill(shard, *entry, *host, outside);
    }
    remove_entry(shard, hash, *entry);
    if (host != nullptr && !host->is_used()) hosts.hosts.remove(host_hash, host);
}

std::optional<IpAddress> Mappings::address_of(const IpAddress& inside, unsigned attempt) noexcept {
    const Pool::Family family = pool_.family(inside);
    if (attempt >= family.size()) return std::nullopt;
    const uint64_t host_hash = hash(inside);
    uint32_t at = first_choice(host_hash, family);
    HostShard& hosts = shard_of(host_shards_, host_hash);
    if (const Hold hold(hosts.lock, Patience::kWorker); hold) {
        const auto is_of = [&](const HostEntry& host) { return host.address == inside; };
        if (const HostEntry* host = hosts.hosts.find(host_hash, is_of)) at = host->paired;
    }
    return pool_.address(static_cast<uint16_t>(family.begin + (at - family.begin + attempt) % family.size()));
}

std::optional<Endpoint> Mappings::inside_of(Transport transport, const Endpoint& outside) noexcept {
    const auto address = pool_.index_of(outside.address);
    if (!address) return std::nullopt;
    const uint32_t number = pool_.ports(*address, transport).holder(outside.port);
    if (number == Ports::kNobody) return std::nullopt;
    Shard& shard = shards_[(number - 1) / shard_capacity_];
    const Hold hold(shard.lock, Patience::kWorker);
    if (!hold) return std::nullopt;
    // The holder may have gone since.
    const Entry& entry = shard.entries[number - shard.first];
    const Place place{*address, outside.port};
    if (!entry.is_used() || entry.transport != transport || entry.outside != place) return std::nullopt;
    return entry.inside;
}

uint32_t Mappings::sweep() noexcept {
    const uint16_t walk = this->walk();
    uint32_t freed = 0;
    for (Shard& shard : shards_) {
        for (uint32_t begin = 0;; begin += kStep) {
            const Hold hold(shard.lock, Patience::kControl);
            const uint32_t end = std::min(begin + kStep, shard.entries.high());
            if (begin >= end) break;
            for (uint32_t i = begin; i < end; ++i) {
                Entry& entry = shard.entries[i];
                if (!entry.is_used() || static_cast<uint16_t>(walk - entry.walk) < 2) continue;
                remove(shard, entry);
                ++freed;
            }
        }
    }
    walk_.fetch_add(1, memory_order_relaxed);
    return freed;
}

void Mappings::remove(Shard& shard, Entry& entry) noexcept {
    const uint64_t host_hash = hash(entry.inside.address);
    HostShard& hosts = shard_of(host_shards_, host_hash);
    const Hold hold(hosts.lock, Patience::kControl);
    HostEntry* host =
        hosts.hosts.find(host_hash, [&](const HostEntry& other) { return other.address == entry.inside.address; });
    --host->mappings[static_cast<size_t>(entry.transport)];
    if (!host->is_used()) hosts.hosts.remove(host_hash, host);
    if (OfPort* counts = of_port(entry.from))
        (*counts)[static_cast<size_t>(entry.transport)].fetch_sub(1, memory_order_relaxed);
    Ports& ports = pool_.ports(entry.outside.address, entry.transport);
    ports.clear_holder(entry.outside.port, number(shard, entry));
    ports.release(entry.outside.port);
    remove_entry(shard, hash(entry.transport, entry.inside), entry);
}

std::vector<Mappings::Host> Mappings::top_hosts(size_t count) {
    const auto has_more = [](const Host& one, const Host& other) {
        return one.total != other.total ? one.total > other.total : one.address < other.address;
    };
    std::vector<Host> top;  // a heap: the one with least is the first
    for (HostShard& shard : host_shards_) {
        for (uint32_t begin = 0;; begin += kStep) {
            std::array<HostEntry, kStep> step;
            size_t size = 0;
            {
                const Hold hold(shard.lock, Patience::kControl);
                const uint32_t end = std::min(begin + kStep, shard.hosts.high());
                if (begin >= end) break;
                for (uint32_t i = begin; i < end; ++i) {
                    if (shard.hosts[i].is_used()) step[size++] = shard.hosts[i];
                }
            }
            for (size_t i = 0; i < size; ++i) {
                const HostEntry& host = step[i];
                top.push_back({host.address, pool_.address(host.paired), host.mappings, host.total()});
                std::push_heap(top.begin(), top.end(), has_more);
                if (top.size() <= count) continue;
                std::pop_heap(top.begin(), top.end(), has_more);
                top.pop_back();
            }
        }
    }
    std::sort_heap(top.begin(), top.end(), has_more);
    return top;
}

}  // namespace sluice::nat
