// The IPv6 forwarding table of a domain: longest prefix match over the first 24 bits at once, then byte by byte,
// without levels where all prefixes agree.
//
// The root has a word for each value of the first 24 bits. If there are longer prefixes, the word points to
// - a leaf, if there is a single prefix in its part of the address space; or
// - a branch, which says how many bits all prefixes behind it share, and has a word for each value of the byte
//   after those: again a route, a leaf or a branch.
// Both store the shared bits, and the route `outside` for addresses with other bits. A look-up reads the root, one
// word for each place where the prefixes around the address diverge, and the shared bits of the last node (path
// compression, as in a Patricia trie). Prefixes that are chosen to be slow have at most 14 levels. An address
// with other bits than its last node's walks once more.
//
// Threads, changes, concurrent look-ups and reclaim() are as for Fib4. One word publishes a set. If a change
// would narrow the addresses for which a node answers, the node is copied, so that a reader that came by the
// older word never gets a wrong route.
//
// 8 MiB of root for prefixes all over 2000::/3, 32 bytes for a single prefix, 1056 for a branch (of which there
// are fewer than prefixes). A prefix of up to 24 bits takes a write for each /24 in it, and for each word without
// a longer prefix in the branches there.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <bit>
#include <cstring>

#include "route/entry.h"
#include "route/memory.h"

namespace sluice::route {

// An IPv6 address as a number; the first byte is the most significant.
__extension__ typedef unsigned __int128 Number;

[[gnu::always_inline]] inline Number number_of(const uint8_t* address) noexcept {
    uint64_t high, low;
    std::memcpy(&high, address, sizeof high);
    std::memcpy(&low, address + sizeof high, sizeof low);
    if constexpr (std::endian::native == std::endian::little) {
        high = __builtin_bswap64(high);
        low = __builtin_bswap64(low);
    }
    return Number{high} << 64 | low;
}

class Fib6 {
 public:
    // --- workers; addresses are 16 bytes in network order, at any alignment ---

    [[gnu::always_inline]] void prefetch(const uint8_t* address) const noexcept {
        rte_prefetch0(&root_[root_index(address)]);
    }

    // The next hop of the longest prefix around the address, or kNone.
    [[gnu::always_inline]] uint32_t find(const uint8_t* address) const noexcept {
        uint32_t entry = root_[root_index(address)].load(std::memory_order_acquire);
        if (is_pointer(entry)) entry = descend(entry, address);
        const uint32_t next_hop = next_hop_of(entry);
        return likely(next_hop != kNone) ? next_hop : default_.load(std::memory_order_relaxed);
    }

    // --- control thread; 1 <= next_hop <= kMaxNextHop, and a prefix has no bits set beyond its length ---

    // Adds a route, or changes the next hop of an existing one. Throws std::bad_alloc.
    void set(Number prefix, uint8_t length, uint32_t next_hop);
    // Does nothing if there is no such route.
    void remove(Number prefix, uint8_t length, Covering covering);

    void reclaim();
    size_t retired() const noexcept { return leaves_.retired() + branches_.retired(); }  // nodes
    size_t nodes() const noexcept { return leaves_.count() + branches_.count(); }  // in use
    size_t memory() const noexcept {  // bytes
        return root_.memory() + leaves_.memory() + branches_.memory();
    }

 private:
    using Word = std::atomic<uint32_t>;

    static constexpr uint8_t kRootBits = 24;
    static constexpr uint32_t kLeaf = 0;  // a pointer's kind; other values: a branch on the byte of that number

    struct Leaf {
        Number prefix;
        Word route;
        Word outside;
        uint32_t length;
    };
    static_assert(sizeof(Leaf) == 32);

    struct Branch {
        Number prefix;  // its first 8 * byte bits count
        Word outside;
        uint32_t byte;
        Word entries[256];
    };
    static_assert(sizeof(Branch) == 1056);

    struct Route {
        Number prefix;
        uint8_t length;
        uint32_t entry;
    };

    [[gnu::always_inline]] static uint32_t root_index(const uint8_t* address) noexcept {
        uint32_t first;
        std::memcpy(&first, address, sizeof first);
        if constexpr (std::endian::native == std::endian::little) first = __builtin_bswap32(first);
        return first >> 8;
    }

    // Whether two addresses share the first `length` bits; 1 to 128.
    [[gnu::always_inline]] static bool share(Number a, Number b, uint32_t length) noexcept {
        return (a ^ b) >> (128 - length) == 0;
    }

    // Follows the bytes that the branches name, and compares the address once, with the last node's prefix: the
    // prefixes of the nodes before it are parts of that one.
    [[gnu::always_inline]] uint32_t descend(uint32_t first, const uint8_t* address) const noexcept {
        const Branch* last = nullptr;
        uint32_t entry = first;
        do {
            const uint32_t byte = kind_of(entry);
            if (byte == kLeaf) {
                const Leaf& leaf = leaves_[index_of(entry)];
                const bool inside = share(number_of(address), leaf.prefix, leaf.length);
                if (likely(inside)) return leaf.route.load(std::memory_order_relaxed);
                entry = leaf.outside.load(std::memory_order_relaxed);
                break;
            }
            last = &branches_[index_of(entry)];
            entry = last->entries[address[byte]].load(std::memory_order_acquire);
        } while (is_pointer(entry));
        if (last == nullptr || likely(share(number_of(address), last->prefix, 8 * last->byte))) return entry;
        return find_outside(first, address);
    }

    // Of an address that a branch behind `first` doesn't answer for: compares it with each node's prefix.
    uint32_t find_outside(uint32_t first, const uint8_t* address) const noexcept;

    void cover(Word& word, uint32_t route);
    void uncover(Word& word, uint8_t length, uint32_t covering);
    void place(Word& word, const Route& route);
    void place_in(Branch& branch, const Route& route);
    void remove_below(Word& word, uint32_t bits, Number prefix, uint8_t length, uint32_t covering);
    void simplify(Word& word, uint32_t bits);
    uint32_t new_leaf(const Route& route, uint32_t outside);
    uint32_t new_branch(Number prefix, uint32_t byte, uint32_t outside);
    uint32_t copy_branch(const Branch& branch);
    void retire(uint32_t pointer);
    Word& outside_of(uint32_t pointer) const;

    Root root_;
    Pool<Leaf> leaves_;
    Pool<Branch> branches_;
    Word default_{kNone};
};

}  // namespace sluice::route
