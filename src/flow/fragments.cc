#include "flow/fragments.h"

#include <algorithm>
#include <random>

namespace sluice::flow {
namespace {

// What of a key's rest only a first fragment shows: the ports in the low half, and whether it is a reply. In IPv6
// its protocol too: a later one shows what the part that is cut begins with.
constexpr uint64_t kPorts = UINT32_MAX;
constexpr uint64_t kFromFirst = kPorts | path::TupleKey::kEchoReply;
constexpr int kProtocolShift = 32;
constexpr uint64_t kProtocol = uint64_t{0xff} << kProtocolShift;

// Entry::shape.
constexpr uint32_t kIsReply = 1 << 8;
constexpr int kEndShift = 16;

uint64_t from_first(const path::Tuple& tuple) noexcept {
    return tuple.key.is_ipv6() ? kFromFirst | kProtocol : kFromFirst;
}

}  // namespace

Fragments::Fragments() {
    std::random_device device;
    secret_ = uint64_t{device()} << 32 | device();
}

Fragments::Name Fragments::name_of(const path::Tuple& tuple, uint32_t id) noexcept {
    Name name{};
    name.words[0] = tuple.key.addresses;
    name.words[1] = (tuple.key.rest & ~from_first(tuple)) | id;
    if (tuple.key.is_ipv6()) {
        for (uint32_t i = 0; i < 2; ++i) {
            name.words[2 + i] = wire::load64(tuple.ipv6.source.data() + 8 * i);
            name.words[4 + i] = wire::load64(tuple.ipv6.destination.data() + 8 * i);
        }
    }
    return name;
}

Fragments::Entry* Fragments::set_of(const Notes& notes, const Name& name) const noexcept {
    uint64_t h = secret_;
    for (const uint64_t word : name.words) {
        const auto product = static_cast<unsigned __int128>(h ^ word) * 0x9e37'79b9'7f4a'7c15ULL;
        h = secret_ + static_cast<uint64_t>(product ^ product >> 64);
    }
    return &notes.entries[static_cast<uint32_t>(h >> 32) % (notes.count / kWays) * kWays];
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

void Fragments::add(const path::Tuple& first, const path::FragmentPart& part, Verdict verdict,
                    Seconds now) noexcept {
    const Name name = name_of(first, part.id);
    Entry* const set = set_of(verdict == Verdict::kAllow ? permitted_ : refused_, name);
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
    const bool is_reply = (first.key.rest & path::TupleKey::kEchoReply) != 0;
    const uint32_t shape = static_cast<uint8_t>(first.key.rest >> kProtocolShift) | (is_reply ? kIsReply : 0) |
                           std::min(part.end, uint32_t{UINT16_MAX}) << kEndShift;
    // Each releasing: who reads one of them sees that the version is odd, or later.
    chosen->added.store(now, std::memory_order_release);
    chosen->shape.store(shape, std::memory_order_release);
    chosen->ports.store(static_cast<uint32_t>(first.key.rest), std::memory_order_release);
    for (uint32_t i = 0; i < Entry::kNameWords; ++i) {
        chosen->name[i].store(name.words[i], std::memory_order_release);
    }
    chosen->version.store(version + 2, std::memory_order_release);
    changes_.fetch_add(1, std::memory_order_release);
}

bool Fragments::read(const Entry* set, const Name& name, Seconds now, path::Tuple& later, uint32_t& end) noexcept {
    for (const Entry* entry = set; entry < set + kWays; ++entry) {
        const uint32_t version = entry->version.load(std::memory_order_acquire);
        if (version == 0 || version % 2 != 0 || !holds(*entry, name)) continue;
        const uint32_t ports = entry->ports.load(std::memory_order_acquire);
        const uint32_t shape = entry->shape.load(std::memory_order_acquire);
        const Seconds added = entry->added.load(std::memory_order_acquire);
        if (entry->version.load(kRelaxed) != version || !is_fresh(added, now)) continue;
        later.key.rest = (later.key.rest & ~(kFromFirst | kProtocol)) | ports |
                         uint64_t{static_cast<uint8_t>(shape)} << kProtocolShift |
                         ((shape & kIsReply) != 0 ? path::TupleKey::kEchoReply : 0);
        end = shape >> kEndShift;
        return true;
    }
    return false;
}

Fragments::First Fragments::complete(path::Tuple& later, const path::FragmentPart& part,
                                     Seconds now) const noexcept {
    const Name name = name_of(later, part.id);
    uint32_t end = 0;
    First first = First::kUnknown;
    if (read(set_of(permitted_, name), name, now, later, end)) {
        first = First::kPermitted;
    } else if (read(set_of(refused_, name), name, now, later, end)) {
        first = First::kRefused;
    }
    return first != First::kUnknown && part.begin < end ? First::kOverlapped : first;
}

}  // namespace sluice::flow
