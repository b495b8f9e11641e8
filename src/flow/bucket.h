// The buckets of the flow table: which record has a key, told by a tag of its hash. A bucket is one cache
// line of eight tags and eight indices; a key lies in one of two buckets, the second of which the first and
// the tag tell. That one is looked at only where the first says that something of its own lies there.
//
// Look-ups take no lock. A hit is proven by the key in the record, whatever was written meanwhile; who must
// be certain of a miss compares the version before and after. Writers lock the buckets that they change: the
// lock of a key's first bucket is its own, wherever it lies, and the lock of a bucket is that of its slots.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_pause.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace sluice::flow {

struct alignas(64) Bucket {
    static constexpr uint32_t kSlots = 8;
    static constexpr uint32_t kLanes = 4;  // tags in a word

    std::atomic<uint64_t> tags[kSlots / kLanes];  // 16 bits each; 0: free
    std::atomic<uint32_t> indices[kSlots];        // stays when the slot is freed
    std::atomic<uint32_t> version;                // odd: somebody has the lock
    std::atomic<uint16_t> overflow;               // keys whose first bucket this is and that lie in the other
    uint8_t away;                                 // slots whose keys are such, by bit; the lock

    // A bit for each slot with this tag. All are compared before anybody branches: which one it is can't be
    // predicted.
    [[gnu::always_inline]] uint32_t match(uint16_t tag) const noexcept {
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
        // An aligned load of 16 bytes reads each of its tags whole, and later loads stay behind it, which is
        // what is asked of acquiring loads on x86.
        const __m128i found = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
        const __m128i equal = _mm_cmpeq_epi16(found, _mm_set1_epi16(static_cast<int16_t>(tag)));
        const auto bits = static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, equal))) & 0xff;
        std::atomic_signal_fence(std::memory_order_acquire);
        return bits;
#else
        uint32_t bits = 0;
        for (uint32_t word = 0; word < kSlots / kLanes; ++word) {
            bits |= match_lanes(tags[word].load(std::memory_order_acquire), tag) << word * kLanes;
        }
        return bits;
#endif
    }
    // The index in the first slot with this tag. False if there is none.
    [[gnu::always_inline]] bool find(uint16_t tag, uint32_t& index_found) const noexcept {
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
        // As in match(), with two bits for each slot.
        const __m128i found = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
        const __m128i equal = _mm_cmpeq_epi16(found, _mm_set1_epi16(static_cast<int16_t>(tag)));
        const auto bits = static_cast<uint32_t>(_mm_movemask_epi8(equal));
        std::atomic_signal_fence(std::memory_order_acquire);
        if (unlikely(bits == 0)) return false;
        // The first of them is at twice the slot's number, and its index at four times that.
        const auto* index = reinterpret_cast<const std::byte*>(indices) + std::countr_zero(bits) * 2U;
        index_found = reinterpret_cast<const std::atomic<uint32_t>*>(index)->load(std::memory_order_acquire);
#else
        const uint32_t bits = match(tag);
        if (unlikely(bits == 0)) return false;
        index_found = index(static_cast<uint32_t>(std::countr_zero(bits)));
#endif
        return true;
    }
    uint32_t free_slots() const noexcept { return match(0); }

    uint16_t tag(uint32_t slot) const noexcept {
        return static_cast<uint16_t>(tags[slot / kLanes].load(std::memory_order_relaxed) >>
                                     slot % kLanes * 16);
    }
    uint32_t index(uint32_t slot) const noexcept { return indices[slot].load(std::memory_order_acquire); }
    bool is_away(uint32_t slot) const noexcept { return (away >> slot & 1) != 0; }

    // --- with the lock ---

    // The tag last: who sees it sees the index, and the record behind that.
    void put(uint32_t slot, uint16_t tag, uint32_t index, bool is_away) noexcept {
        indices[slot].store(index, std::memory_order_release);
        set_tag(slot, tag);
        away = static_cast<uint8_t>((away & ~(1U << slot)) | uint32_t{is_away} << slot);
    }
    void clear(uint32_t slot) noexcept { set_tag(slot, 0); }
    void count_overflow(int change) noexcept {
        overflow.store(static_cast<uint16_t>(overflow.load(std::memory_order_relaxed) + change),
                       std::memory_order_release);
    }

    // Whoever has it has it for some hundred cycles, unless it is preempted.
    bool try_lock() noexcept {
        for (int i = 0; i < 64; ++i) {
            uint32_t before = version.load(std::memory_order_relaxed);
            if (before % 2 == 0 &&
                version.compare_exchange_weak(before, before + 1, std::memory_order_acq_rel)) {
                return true;
            }
            rte_pause();
        }
        return false;
    }
    void unlock() noexcept {
        version.store(version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    // match() of one word, where nothing does it in one instruction.
    static constexpr uint32_t match_lanes(uint64_t word, uint16_t tag) noexcept {
        constexpr uint64_t kOnes = 0x0001'0001'0001'0001;
        constexpr uint64_t kHigh = kOnes << 15;
        const uint64_t different = word ^ kOnes * tag;
        // The high bit of each lane that is zero: exactly, since no carry leaves a lane.
        const uint64_t zero = ~(((different & ~kHigh) + ~kHigh) | different) & kHigh;
        // The four bits side by side.
        return static_cast<uint32_t>((zero >> 15) * 0x1000'2000'4000'8000 >> 60);
    }

 private:
    void set_tag(uint32_t slot, uint16_t tag) noexcept {
        auto& word = tags[slot / kLanes];
        const uint32_t shift = slot % kLanes * 16;
        word.store((word.load(std::memory_order_relaxed) & ~(uint64_t{0xffff} << shift)) |
                       uint64_t{tag} << shift,
                   std::memory_order_release);
    }
};
static_assert(sizeof(Bucket) == 64);

// Which bits of a hash stand for what.
class Places {
 public:
    explicit Places(uint32_t buckets) noexcept : mask_(buckets - 1) {}

    // The upper half, of which no bucket number but the largest tables' has a bit. Never 0.
    [[gnu::always_inline]] static uint16_t tag(uint32_t hash) noexcept {
        return static_cast<uint16_t>(std::max(hash >> 16, uint32_t{1}));
    }
    [[gnu::always_inline]] uint32_t first(uint32_t hash) const noexcept { return hash & mask_; }
    // From either to the other. An odd distance, so never the same.
    [[gnu::always_inline]] uint32_t other(uint32_t bucket, uint16_t tag) const noexcept {
        return (bucket ^ (uint32_t{tag} * 2 + 1) * 0x5bd1'e995U) & mask_;
    }
    uint32_t count() const noexcept { return mask_ + 1; }

 private:
    uint32_t mask_;
};

}  // namespace sluice::flow
