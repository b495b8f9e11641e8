// A hash table of bounded size: entries in an array, linked by index into a chain for each bucket. Only the
// constructor allocates: address space that becomes memory as it is written. The caller locks. An entry keeps its
// index while it is in the table, so a walk by index meets each entry that stays once.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace sluice::nat {

struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
};
template <class T>
using Zeroed = std::unique_ptr<T[], Free>;

// Elements whose bytes are 0, which is what a T{} is.
template <class T>
Zeroed<T> allocate_zeroed(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    void* memory = std::calloc(count, sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return Zeroed<T>(static_cast<T*>(memory));
}

// An Entry is trivially copyable, with `uint32_t next`, which belongs to the table, and `bool is_used() const`,
// which the caller keeps true from add() to remove(). All bytes 0: not used.
template <class Entry>
class Chains {
    static_assert(std::is_trivially_copyable_v<Entry>);

 public:
    explicit Chains(uint32_t capacity)
        : capacity_(capacity),
          mask_(std::bit_ceil(capacity) - 1),
          heads_(allocate_zeroed<uint32_t>(size_t{mask_} + 1)),
          entries_(allocate_zeroed<Entry>(capacity)) {}

    template <class Is>
    Entry* find(uint64_t hash, Is is) noexcept {
        for (uint32_t at = heads_[hash & mask_]; at != kEnd; at = entries_[at - 1].next) {
            if (is(entries_[at - 1])) return &entries_[at - 1];
        }
        return nullptr;
    }
    // A new entry. Null: there is no room.
    Entry* add(uint64_t hash) noexcept {
        uint32_t at = free_;
        if (at != kEnd) {
            free_ = entries_[at - 1].next;
        } else if (high_ < capacity_) {
            at = ++high_;
        } else {
            return nullptr;
        }
        entries_[at - 1].next = heads_[hash & mask_];
        heads_[hash & mask_] = at;
        return &entries_[at - 1];
    }
    void remove(uint64_t hash, Entry* entry) noexcept {
        const uint32_t at = index(*entry) + 1;
        uint32_t* link = &heads_[hash & mask_];
        while (*link != at) link = &entries_[*link - 1].next;
        *link = entry->next;
        *entry = Entry{};
        entry->next = free_;
        free_ = at;
    }

    uint32_t index(const Entry& entry) const noexcept { return static_cast<uint32_t>(&entry - entries_.get()); }
    Entry& operator[](uint32_t index) noexcept { return entries_[index]; }
    uint32_t high() const noexcept { return high_; }  // entries from here on were never used
    uint32_t capacity() const noexcept { return capacity_; }

 private:
    static constexpr uint32_t kEnd = 0;  // links are indices plus 1

    uint32_t capacity_;
    uint32_t mask_;
    uint32_t high_ = 0;
    uint32_t free_ = kEnd;
    Zeroed<uint32_t> heads_;
    Zeroed<Entry> entries_;
};

}  // namespace sluice::nat
