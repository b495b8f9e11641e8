// Which MAC address is behind which port of one network: the table of a learning bridge
// (IEEE 802.1Q, 8.8).
//
// Workers look up and learn; the control thread ages, flushes, sets static entries and lists. Look-ups
// take no lock and never wait. Whoever changes an entry holds the table's lock, but a worker only
// tries it: if the lock is taken the address is learned from a later packet.
//
// Buckets are one cache line: four keys and four values. An address lives in one of two buckets; when
// both are full one of the residents moves to its other bucket, a copy first, so that a concurrent
// look-up finds it in one of the two. (A look-up that reads the new bucket before the copy and the old
// one after the removal misses; its packet is flooded, as for any unknown address.)
#pragma once

#include <rte_prefetch.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "path/counters.h"
#include "path/ids.h"
#include "path/parse.h"

#if defined(__SSE4_2__)
#include <immintrin.h>
#endif

namespace sluice::bridge {

using path::Seconds;

// What the table knows of an address, one word so that it is read and written whole:
// bits 63..32 last seen (Seconds), 31..16 port, 1 static, 0 present.
class Entry {
 public:
    constexpr Entry() = default;
    constexpr explicit Entry(uint64_t word) : word_(word) {}
    static constexpr Entry learned(path::PortId port, Seconds now) {
        return Entry(uint64_t{now} << 32 | uint64_t{path::index(port)} << 16 | 1);
    }
    static constexpr Entry fixed(path::PortId port) {
        return Entry(uint64_t{path::index(port)} << 16 | 3);
    }

    constexpr bool found() const noexcept { return (word_ & 1) != 0; }
    constexpr bool is_static() const noexcept { return (word_ & 2) != 0; }
    constexpr path::PortId port() const noexcept { return path::PortId(word_ >> 16 & 0xffff); }
    constexpr Seconds seen() const noexcept { return static_cast<Seconds>(word_ >> 32); }
    constexpr uint64_t word() const noexcept { return word_; }

 private:
    uint64_t word_ = 0;
};

class MacTable {
 public:
    // Moves of one address in one second beyond which it stays where it is: a loop or a duplicate
    // address must not make every worker rewrite the entry for every packet.
    static constexpr uint16_t kMaxMovesPerSecond = 5;

    explicit MacTable(uint32_t capacity);  // entries that are certain to fit

    // --- workers ---

    [[gnu::always_inline]] static uint32_t hash(uint64_t mac) noexcept {
#if defined(__SSE4_2__)
        return static_cast<uint32_t>(_mm_crc32_u64(0, mac));
#else
        return static_cast<uint32_t>((mac * 0x9e37'79b9'7f4a'7c15ULL) >> 32);
#endif
    }

    // gcc 12 takes a function whose only effect is a prefetch for one without any, and drops calls
    // to it unless they are inlined.
    [[gnu::always_inline]] void prefetch(uint32_t hash) const noexcept {
        rte_prefetch0(&buckets_[hash & mask_]);
    }

    [[gnu::always_inline]] Entry find(uint64_t mac, uint32_t hash) const noexcept {
        const Bucket* bucket = &buckets_[hash & mask_];
        uint32_t bits = match(*bucket, mac);
        if (unlikely(bits == 0)) {
            bucket = &buckets_[other(hash & mask_, hash)];
            bits = match(*bucket, mac);
            if (bits == 0) return {};
        }
        const auto i = static_cast<size_t>(std::countr_zero(bits));
        const Entry entry(bucket->values[i].load(std::memory_order_acquire));
        // The slot may have been given to another address between the two loads.
        return likely(bucket->keys[i].load(std::memory_order_relaxed) == mac) ? entry : Entry();
    }

    // Takes note that `mac` was seen at `port`. Writes only when that changes something, and at most
    // once a second for an address that stays where it is. False if it would be one more than the
    // `limit` of learned addresses at that port (0: none), if it can't be learned at a port with a limit, or if
    // a static entry says that it belongs to another port.
    [[gnu::always_inline]] bool learn(uint64_t mac, uint32_t hash, path::PortId port, Seconds now,
                                      uint32_t limit = 0) noexcept {
        const Entry entry = find(mac, hash);
        if (likely(entry.word() == Entry::learned(port, now).word())) return true;
        if (entry.is_static()) return entry.port() == port;
        return learn_slowly(mac, hash, port, now, limit);
    }

    // The same of an address that was learned at that port, if it still is there.
    void refresh(uint64_t mac, path::PortId port, Seconds now, uint32_t limit) noexcept {
        const Entry entry = find(mac, hash(mac));
        const bool is_there = entry.found() && !entry.is_static() && entry.port() == port;
        if (is_there) (void)learn(mac, hash(mac), port, now, limit);
    }

    // Takes note that a frame from `mac`, which belongs to `owner`, came from another port. Of each port it notes
    // kMostForeign frames a second: the frames of one must not keep the others from the lock.
    void note_foreign(uint64_t mac, path::PortId owner, path::PortId port, Seconds now) noexcept;

    // Whether the address was behind a port that has gone, and nowhere since: stations may still send to it. Of
    // many such addresses the table knows some.
    bool has_departed(uint64_t mac, uint32_t hash) const noexcept {
        return departed_[hash % kMostDeparted].load(std::memory_order_relaxed) == mac;
    }

    // --- control thread ---

    // Sets a static entry, which learning doesn't move. False if the table is full.
    bool set_static(uint64_t mac, path::PortId port);
    void remove(uint64_t mac);
    // Removes the learned entries that were last seen `age` seconds or more before `now`.
    size_t expire(Seconds now, Seconds age);
    // Removes all learned entries of a port; which ones.
    std::vector<uint64_t> flush(path::PortId port);
    // Seen again: no longer has_departed(); whether it was.
    bool take_departed(uint64_t mac) noexcept {
        return departed_[hash(mac) % kMostDeparted].compare_exchange_strong(mac, 0, std::memory_order_relaxed);
    }
    // From now on has_departed().
    void set_departed(uint64_t mac) noexcept {
        departed_[hash(mac) % kMostDeparted].store(mac, std::memory_order_relaxed);
    }

    // Addresses that were seen behind another port than before, by the two ports.
    struct Motion {
        uint64_t mac = 0;  // the first of them
        path::PortId from{};
        path::PortId to{};
        uint32_t moves = 0;    // the address went along
        uint32_t flaps = 0;    // it had moved too often, and stayed
        uint32_t foreign = 0;  // it belongs to `from`, whatever is seen; not all are counted
    };
    // Since they were last taken. Beyond kMostMotions pairs of ports some are left out.
    std::vector<Motion> take_motions();
    // Addresses that were learned and had not been known, since they were last taken: some of them if they are
    // many.
    std::vector<uint64_t> take_arrivals();

    struct Listed {
        uint64_t mac;
        Entry entry;
    };
    std::vector<Listed> list() const;

    uint32_t capacity() const noexcept { return capacity_; }
    // Learned addresses behind a port.
    uint32_t count(path::PortId port) const noexcept {
        return learned_[path::index(port)].load(std::memory_order_relaxed);
    }
    uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
    // Changes whenever an address may be behind another port than before, or behind none: who keeps what
    // find() said compares it.
    uint32_t version() const noexcept { return static_cast<uint32_t>(spread_version()); }
    // The same number, spread over 64 bits: another version differs in many of them.
    uint64_t spread_version() const noexcept { return version_.load(std::memory_order_acquire); }
    uint64_t moves() const noexcept { return moves_.load(std::memory_order_relaxed); }
    uint64_t flaps() const noexcept { return flaps_.load(std::memory_order_relaxed); }
    uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }

 private:
    static constexpr uint32_t kSlots = 4;
    // Odd, so that no two of 2^32 versions are the same in their lower half.
    static constexpr uint64_t kVersionStep = 0x9e37'79b9'7f4a'7c15ULL;
    static constexpr size_t kMostMotions = 32;
    static constexpr size_t kMostArrivals = 32;
    static constexpr size_t kMostDeparted = 256;
    static constexpr uint32_t kMostForeign = 32;

    struct alignas(64) Bucket {
        std::atomic<uint64_t> keys[kSlots];  // zero: free. No station has the address zero.
        std::atomic<uint64_t> values[kSlots];
    };
    static_assert(sizeof(Bucket) == 64);

    // How often an address moved lately; only the holder of the lock reads or writes it.
    struct Moves {
        Seconds second = 0;
        uint16_t count = 0;
    };
    struct Slot {
        uint32_t bucket;
        uint32_t index;
    };

    uint32_t other(uint32_t bucket, uint32_t hash) const noexcept {
        // An odd distance of its own for each address, so never the same bucket.
        return (bucket ^ ((hash >> 16) * 2 + 1) * 0x5bd1'e995U) & mask_;
    }

    // A bit for each of a bucket's keys that equals `mac`. All four are compared before anybody
    // branches, since which one it is can't be predicted: with 10 k MACs a loop that stops at the
    // first costs 14 to 16 cycles a packet more (bench/run replay).
    [[gnu::always_inline]] static uint32_t match(const Bucket& bucket, uint64_t mac) noexcept {
#if defined(__AVX2__) && !defined(__SANITIZE_THREAD__)
        // An aligned load of 32 bytes reads each of its quadwords whole, and later loads stay behind
        // it, which is all that is asked of four acquiring loads on x86.
        const __m256i keys = _mm256_load_si256(reinterpret_cast<const __m256i*>(bucket.keys));
        const __m256i equal = _mm256_cmpeq_epi64(keys, _mm256_set1_epi64x(static_cast<int64_t>(mac)));
        const auto bits = static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(equal)));
        std::atomic_signal_fence(std::memory_order_acquire);
        return bits;
#else
        uint32_t bits = 0;
#pragma GCC unroll 4
        for (uint32_t i = 0; i < kSlots; ++i) {
            bits |= uint32_t{bucket.keys[i].load(std::memory_order_acquire) == mac} << i;
        }
        return bits;
#endif
    }

    // True where the address may pass.
    [[gnu::noinline]] bool learn_slowly(uint64_t mac, uint32_t hash, path::PortId port, Seconds now,
                                        uint32_t limit) noexcept;

    // The rest is called with the lock held.
    bool locate(uint64_t mac, Slot& slot) const noexcept;
    bool insert(uint64_t mac, Entry entry) noexcept;
    bool make_room(uint32_t bucket, uint32_t depth, uint32_t& index) noexcept;
    void put(Slot slot, uint64_t mac, Entry entry) noexcept;
    void clear(Slot slot) noexcept;
    void note(Entry entry, int change) noexcept;
    bool may_note_foreign(path::PortId port, Seconds now) noexcept;
    Motion& motion(uint64_t mac, path::PortId from, path::PortId to) noexcept;
    Moves& moves_of(Slot slot) noexcept { return move_log_[slot.bucket * kSlots + slot.index]; }
    template <class Predicate>
    std::vector<uint64_t> remove_if(Predicate predicate);

    struct Free {
        void operator()(Bucket* buckets) const noexcept;
    };

    uint32_t capacity_;
    uint32_t mask_;
    std::unique_ptr<Bucket[], Free> buckets_;
    std::unique_ptr<Moves[]> move_log_;
    std::unique_ptr<std::atomic<uint32_t>[]> learned_;  // by PortId; written with the lock held
    std::atomic<uint64_t> version_;  // beside what look-ups read, as it is read with them and seldom written
    alignas(64) std::atomic_flag lock_;
    std::atomic<uint32_t> count_{0};
    std::atomic<uint64_t> moves_{0};
    std::atomic<uint64_t> flaps_{0};    // moves refused
    std::atomic<uint64_t> refused_{0};  // addresses not learned, for want of room
    // By PortId: the second, and how many frames note_foreign() has noted in it (its low byte).
    std::unique_ptr<std::atomic<uint32_t>[]> foreign_;
    // Written with the lock held.
    std::vector<Motion> motions_;
    std::vector<uint64_t> arrivals_;
    // By hash; the control thread writes it without the lock.
    std::unique_ptr<std::atomic<uint64_t>[]> departed_;
};

}  // namespace sluice::bridge
