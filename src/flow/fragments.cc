#include "flow/fragments.h"

#include <random>

namespace sluice::flow {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// What of a key's rest only a first fragment shows: the ports in the low half, and whether it is a reply.
constexpr uint64_t kPorts = UINT32_MAX;
constexpr uint64_t kFromFirst = kPorts | path::TupleKey::kEchoReply;

}  // namespace

Fragments::Fragments() : entries_(std::make_unique<Entry[]>(kEntries)) {
    std::random_device device;
    secret_ = uint64_t{device()} << 32 | device();
}

Fragments::Name Fragments::name_of(const path::Tuple& tuple, uint32_t id) noexcept {
    Name name{};
    name.words[0] = tuple.key.addresses;
    name.words[1] = (tuple.key.rest & ~kFromFirst) | id;
    if (tuple.key.is_ipv6()) {
        for (uint32_t i = 0; i < 2; ++i) {
            name.words[2 + i] = wire::load64(tuple.ipv6.source.data() + 8 * i);
            name.words[4 + i] = wire::load64(tuple.ipv6.destination.data() + 8 * i);
        }
    }
    return name;
}

uint32_t Fragments::set_of(const Name& name) const noexcept {
    uint64_t h = secret_;
    for (const uint64_t word : name.words) {
        const auto product = static_cast<unsigned __int128>(h ^ word) * 0x9e37'79b9'7f4a'7c15ULL;
        h = secret_ + static_cast<uint64_t>(product ^ product >> 64);
    }
    return static_cast<uint32_t>(h >> 32) % (kEntries / kWays) * kWays;
}

// Acquiring, so that whoever compares the version afterwards compares it as it is then.
bool Fragments::holds(const Entry& entry, const Name& name) noexcept {
    for (uint32_t i = 0; i < Entry::kNameWords; ++i) {
        if (entry.name[i].load(std::memory_order_acquire) != name.words[i]) return false;
    }
    return true;
}

bool Fragments::is_fresh(Seconds added, Seconds now) noexcept {
    return static_cast<int32_t>(now - added) < static_cast<int32_t>(kLife);
}

void Fragments::add(const path::Tuple& first, uint32_t id, Seconds now) noexcept {
    const Name name = name_of(first, id);
    Entry* const set = &entries_[set_of(name)];
    // Its own of before, one that was never used, or the oldest.
    Entry* chosen = set;
    for (Entry* entry = set; entry < set + kWays; ++entry) {
        if (entry->version.load(std::memory_order_acquire) == 0 || holds(*entry, name)) {
            chosen = entry;
            break;
        }
        const Seconds oldest = chosen->added.load(kRelaxed);
        if (static_cast<int32_t>(entry->added.load(kRelaxed) - oldest) < 0) chosen = entry;
    }
    uint32_t version = chosen->version.load(kRelaxed);
    if (version % 2 != 0 ||
        !chosen->version.compare_exchange_strong(version, version + 1, std::memory_order_acq_rel)) {
        return;
    }
    // Each releasing: who reads one of them sees that the version is odd, or later.
    chosen->added.store(now, std::memory_order_release);
    chosen->is_reply.store((first.key.rest & path::TupleKey::kEchoReply) != 0 ? 1 : 0, std::memory_order_release);
    chosen->ports.store(static_cast<uint32_t>(first.key.rest), std::memory_order_release);
    for (uint32_t i = 0; i < Entry::kNameWords; ++i) {
        chosen->name[i].store(name.words[i], std::memory_order_release);
    }
    chosen->version.store(version + 2, std::memory_order_release);
}

bool Fragments::complete(path::Tuple& later, uint32_t id, Seconds now) const noexcept {
    const Name name = name_of(later, id);
    const Entry* const set = &entries_[set_of(name)];
    for (const Entry* entry = set; entry < set + kWays; ++entry) {
        const uint32_t version = entry->version.load(std::memory_order_acquire);
        if (version == 0 || version % 2 != 0 || !holds(*entry, name)) continue;
        const uint32_t ports = entry->ports.load(std::memory_order_acquire);
        const bool is_reply = entry->is_reply.load(std::memory_order_acquire) != 0;
        const Seconds added = entry->added.load(std::memory_order_acquire);
        if (entry->version.load(kRelaxed) != version || !is_fresh(added, now)) continue;
        later.key.rest = (later.key.rest & ~kFromFirst) | ports | (is_reply ? path::TupleKey::kEchoReply : 0);
        return true;
    }
    return false;
}

}  // namespace sluice::flow
