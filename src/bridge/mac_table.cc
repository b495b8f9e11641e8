#include "bridge/mac_table.h"

#include <rte_pause.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace sluice::bridge {
namespace {

// Buckets of four with two choices and one displacement fill to four fifths before an insertion
// fails; sized for half, so that a full table still has most addresses in their first bucket.
uint32_t bucket_count(uint32_t capacity) {
    return std::bit_ceil(std::max(capacity / 2, 2U));
}

// Residents looked at, each with its own other bucket, before a table counts as full.
constexpr uint32_t kDisplacementDepth = 3;

class Locked {
 public:
    explicit Locked(std::atomic_flag& lock) noexcept : lock_(lock) {
        while (lock_.test_and_set(std::memory_order_acquire)) rte_pause();
    }
    Locked(const Locked&) = delete;
    ~Locked() { lock_.clear(std::memory_order_release); }

 private:
    std::atomic_flag& lock_;
};

}  // namespace

MacTable::MacTable(uint32_t capacity)
    : capacity_(capacity), mask_(bucket_count(capacity) - 1) {
    // A table that takes another's place is never taken for it by who knows a version.
    static std::atomic<uint32_t> tables{0};
    const uint64_t first = uint64_t{tables.fetch_add(1, std::memory_order_relaxed)} << 20;
    version_.store(first * kVersionStep, std::memory_order_relaxed);
    const size_t size = (size_t{mask_} + 1) * sizeof(Bucket);
    constexpr size_t kHuge = 2 << 20;
    void* memory = std::aligned_alloc(size >= kHuge ? kHuge : 64, size);
    if (memory == nullptr) throw std::bad_alloc();
    if (size >= kHuge) madvise(memory, size, MADV_HUGEPAGE);
    buckets_.reset(static_cast<Bucket*>(memory));
    for (size_t i = 0; i <= mask_; ++i) new (&buckets_[i]) Bucket{};
    move_log_ = std::make_unique<Moves[]>((size_t{mask_} + 1) * kSlots);
    learned_ = std::make_unique<std::atomic<uint32_t>[]>(path::kMaxPorts);
    foreign_ = std::make_unique<std::atomic<uint32_t>[]>(path::kMaxPorts);
    departed_ = std::make_unique<std::atomic<uint64_t>[]>(kMostDeparted);
    motions_.reserve(kMostMotions);
    arrivals_.reserve(kMostArrivals);
}

void MacTable::Free::operator()(Bucket* buckets) const noexcept { std::free(buckets); }

bool MacTable::learn_slowly(uint64_t mac, uint32_t hash, path::PortId port, Seconds now,
                            uint32_t limit) noexcept {
    if (lock_.test_and_set(std::memory_order_acquire)) {
        const Entry known = find(mac, hash);
        if (limit == 0) return !known.is_static() || known.port() == port;
        return known.found() && known.port() == port;
    }
    const Entry next = Entry::learned(port, now);
    const bool full = limit != 0 && count(port) >= limit;
    bool allowed = true;
    Slot slot;
    if (!locate(mac, slot)) {
        if (full || count() >= capacity_ || !insert(mac, next)) {
            allowed = limit == 0;
            refused_.fetch_add(1, std::memory_order_relaxed);
        } else {
            note(next, +1);
            if (arrivals_.size() < kMostArrivals) arrivals_.push_back(mac);
        }
    } else {
        auto& value = buckets_[slot.bucket].values[slot.index];
        const Entry entry(value.load(std::memory_order_relaxed));
        bool write = !entry.is_static();
        if (!write) allowed = entry.port() == port;
        if (write && entry.port() != port) {
            allowed = !full;
            Moves& log = moves_of(slot);
            if (log.second != now) log = {now, 0};
            write = allowed && log.count < kMaxMovesPerSecond;
            if (write) {
                ++log.count;
                note(entry, -1);
                note(next, +1);
            }
            (write ? moves_ : flaps_).fetch_add(1, std::memory_order_relaxed);
            Motion& seen = motion(mac, entry.port(), port);
            ++(write ? seen.moves : seen.flaps);
        }
        const bool moved = write && entry.port() != port;
        if (write) value.store(next.word(), std::memory_order_release);
        if (moved) version_.fetch_add(kVersionStep, std::memory_order_release);
    }
    lock_.clear(std::memory_order_release);
    return allowed;
}

// Where there is no room for another pair the last one gives way.
MacTable::Motion& MacTable::motion(uint64_t mac, path::PortId from, path::PortId to) noexcept {
    for (Motion& known : motions_) {
        if (known.from == from && known.to == to) return known;
    }
    if (motions_.size() == kMostMotions) motions_.pop_back();
    return motions_.emplace_back(Motion{.mac = mac, .from = from, .to = to});
}

// Workers that count at once may note one too many.
bool MacTable::may_note_foreign(path::PortId port, Seconds now) noexcept {
    static_assert(kMostForeign < 0x100);
    std::atomic<uint32_t>& count = foreign_[path::index(port)];
    const uint32_t second = static_cast<uint32_t>(now) << 8;
    uint32_t noted = count.load(std::memory_order_relaxed);
    if ((noted ^ second) >> 8 != 0) noted = second;
    if ((noted & 0xff) == kMostForeign) return false;
    count.store(noted + 1, std::memory_order_relaxed);
    return true;
}

void MacTable::note_foreign(uint64_t mac, path::PortId owner, path::PortId port, Seconds now) noexcept {
    if (!may_note_foreign(port, now) || lock_.test_and_set(std::memory_order_acquire)) return;
    ++motion(mac, owner, port).foreign;
    lock_.clear(std::memory_order_release);
}

std::vector<MacTable::Motion> MacTable::take_motions() {
    std::vector<Motion> taken;
    taken.reserve(kMostMotions);
    Locked locked(lock_);
    taken.assign(motions_.begin(), motions_.end());
    motions_.clear();
    return taken;
}

std::vector<uint64_t> MacTable::take_arrivals() {
    std::vector<uint64_t> taken;
    taken.reserve(kMostArrivals);
    Locked locked(lock_);
    taken.assign(arrivals_.begin(), arrivals_.end());
    arrivals_.clear();
    return taken;
}

void MacTable::note(Entry entry, int change) noexcept {
    if (entry.is_static()) return;
    auto& count = learned_[path::index(entry.port())];
    count.store(count.load(std::memory_order_relaxed) + static_cast<uint32_t>(change),
                std::memory_order_relaxed);
}

bool MacTable::locate(uint64_t mac, Slot& slot) const noexcept {
    const uint32_t h = hash(mac);
    for (uint32_t bucket : {h & mask_, other(h & mask_, h)}) {
        for (uint32_t i = 0; i < kSlots; ++i) {
            if (buckets_[bucket].keys[i].load(std::memory_order_relaxed) != mac) continue;
            slot = {bucket, i};
            return true;
        }
    }
    return false;
}

bool MacTable::insert(uint64_t mac, Entry entry) noexcept {
    const uint32_t h = hash(mac);
    const uint32_t first = h & mask_;
    const uint32_t second = other(first, h);
    uint32_t index = 0;
    for (uint32_t depth = 0; depth <= kDisplacementDepth; ++depth) {
        for (uint32_t bucket : {first, second}) {
            if (!make_room(bucket, depth, index)) continue;
            put({bucket, index}, mac, entry);
            moves_of({bucket, index}) = {};
            count_.fetch_add(1, std::memory_order_relaxed);
            return true;
        }
    }
    return false;
}

// Finds or makes a free slot in a bucket, moving up to `depth` residents one after the other.
bool MacTable::make_room(uint32_t bucket, uint32_t depth, uint32_t& index) noexcept {
    Bucket& here = buckets_[bucket];
    for (index = 0; index < kSlots; ++index) {
        if (here.keys[index].load(std::memory_order_relaxed) == 0) return true;
    }
    if (depth == 0) return false;
    for (index = 0; index < kSlots; ++index) {
        const uint64_t resident = here.keys[index].load(std::memory_order_relaxed);
        const uint32_t h = hash(resident);
        const uint32_t first = h & mask_;
        const uint32_t there = bucket == first ? other(first, h) : first;
        uint32_t free = 0;
        if (there == bucket || !make_room(there, depth - 1, free)) continue;
        // Making room there may have moved somebody here: the resident must still be where it was.
        if (here.keys[index].load(std::memory_order_relaxed) != resident) continue;
        put({there, free}, resident, Entry(here.values[index].load(std::memory_order_relaxed)));
        moves_of({there, free}) = moves_of({bucket, index});
        clear({bucket, index});
        return true;
    }
    return false;
}

void MacTable::put(Slot slot, uint64_t mac, Entry entry) noexcept {
    // The value first: who sees the key sees its value. And who sees the value sees that the slot's
    // key before was cleared, which find_in() relies on.
    buckets_[slot.bucket].values[slot.index].store(entry.word(), std::memory_order_release);
    buckets_[slot.bucket].keys[slot.index].store(mac, std::memory_order_release);
}

void MacTable::clear(Slot slot) noexcept {
    buckets_[slot.bucket].keys[slot.index].store(0, std::memory_order_release);
}

bool MacTable::set_static(uint64_t mac, path::PortId port) {
    Locked locked(lock_);
    Slot slot;
    if (!locate(mac, slot)) return insert(mac, Entry::fixed(port));
    auto& value = buckets_[slot.bucket].values[slot.index];
    const Entry before(value.load(std::memory_order_relaxed));
    if (before.word() == Entry::fixed(port).word()) return true;
    note(before, -1);
    value.store(Entry::fixed(port).word(), std::memory_order_release);
    version_.fetch_add(kVersionStep, std::memory_order_release);
    return true;
}

void MacTable::remove(uint64_t mac) {
    Locked locked(lock_);
    Slot slot;
    if (!locate(mac, slot)) return;
    note(Entry(buckets_[slot.bucket].values[slot.index].load(std::memory_order_relaxed)), -1);
    clear(slot);
    version_.fetch_add(kVersionStep, std::memory_order_release);
    count_.fetch_sub(1, std::memory_order_relaxed);
}

template <class Predicate>
std::vector<uint64_t> MacTable::remove_if(Predicate predicate) {
    std::vector<uint64_t> removed;
    for (uint32_t bucket = 0; bucket <= mask_; ++bucket) {
        for (uint32_t i = 0; i < kSlots; ++i) {
            auto matches = [&] {
                if (buckets_[bucket].keys[i].load(std::memory_order_relaxed) == 0) return false;
                const Entry entry(buckets_[bucket].values[i].load(std::memory_order_relaxed));
                return !entry.is_static() && predicate(entry);
            };
            // The lock is taken for one entry at a time, and only where there is something to do:
            // workers that learn meanwhile hardly ever find it taken.
            if (!matches()) continue;
            Locked locked(lock_);
            if (!matches()) continue;
            const uint64_t mac = buckets_[bucket].keys[i].load(std::memory_order_relaxed);
            note(Entry(buckets_[bucket].values[i].load(std::memory_order_relaxed)), -1);
            clear({bucket, i});
            version_.fetch_add(kVersionStep, std::memory_order_release);
            count_.fetch_sub(1, std::memory_order_relaxed);
            removed.push_back(mac);
        }
    }
    return removed;
}

size_t MacTable::expire(Seconds now, Seconds age) {
    // A worker's clock may be a second ahead of the caller's: signed, so that this is no great age.
    const auto removed = remove_if([&](Entry entry) {
        return static_cast<int32_t>(now - entry.seen()) >= static_cast<int32_t>(age);
    });
    return removed.size();
}

std::vector<uint64_t> MacTable::flush(path::PortId port) {
    std::vector<uint64_t> removed = remove_if([&](Entry entry) { return entry.port() == port; });
    for (const uint64_t mac : removed) set_departed(mac);
    return removed;
}

std::vector<MacTable::Listed> MacTable::list() const {
    std::vector<Listed> listed;
    for (uint32_t bucket = 0; bucket <= mask_; ++bucket) {
        for (uint32_t i = 0; i < kSlots; ++i) {
            const uint64_t mac = buckets_[bucket].keys[i].load(std::memory_order_acquire);
            if (mac == 0) continue;
            const Entry entry(buckets_[bucket].values[i].load(std::memory_order_acquire));
            if (entry.found()) listed.push_back({mac, entry});
        }
    }
    return listed;
}

}  // namespace sluice::bridge
