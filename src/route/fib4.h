// The IPv4 forwarding table of a domain: longest prefix match in one memory access for prefixes of up to 24 bits,
// in two for longer ones (DIR-24-8: Gupta, Lin, McKeown, "Routing Lookups in Hardware at Memory Access Speeds",
// INFOCOM 1998).
//
// Workers look up without locks or waiting. One control thread sets and removes routes. A change is one word for
// any given address, so a concurrent look-up gives the route before it or the one after it. (The default route is
// a word of its own. If it and another route change one after the other, a concurrent look-up may miss the first
// change and see the second.)
//
// A group of 256 words that is no longer reachable is kept for readers that are still in it. The owner waits for
// a grace period (path::Grace), changes nothing here meanwhile, and calls reclaim(), which makes the groups
// reusable. Until then they only cost memory.
//
// 64 MiB with a route in each part of the address space, little with few; 1 KiB for each /24 that contains a
// longer prefix. Setting a prefix writes one word for each /24 in it: 8 M words for the shortest (/1).
#pragma once

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "route/entry.h"
#include "route/memory.h"

namespace sluice::route {

class Fib4 {
 public:
    // --- workers; addresses in host order ---

    [[gnu::always_inline]] void prefetch(uint32_t address) const noexcept {
        rte_prefetch0(&root_[address >> 8]);
    }

    // The next hop of the longest prefix around the address, or kNone.
    [[gnu::always_inline]] uint32_t find(uint32_t address) const noexcept {
        uint32_t entry = root_[address >> 8].load(std::memory_order_acquire);
        if (unlikely(is_pointer(entry))) {
            entry = groups_[index_of(entry)].entries[address & 255].load(std::memory_order_relaxed);
        }
        const uint32_t next_hop = next_hop_of(entry);
        return likely(next_hop != kNone) ? next_hop : default_.load(std::memory_order_relaxed);
    }

    // --- control thread; 1 <= next_hop <= kMaxNextHop, and a prefix has no bits set beyond its length ---

    // Adds a route, or changes the next hop of an existing one. Throws std::bad_alloc.
    void set(uint32_t prefix, uint8_t length, uint32_t next_hop);
    // Does nothing if there is no such route.
    void remove(uint32_t prefix, uint8_t length, Covering covering);

    void reclaim() { groups_.reclaim(); }
    size_t retired() const noexcept { return groups_.retired(); }  // groups that wait for reclaim()
    size_t memory() const noexcept { return root_.memory() + groups_.memory(); }  // bytes

 private:
    struct alignas(64) Group {
        std::atomic<uint32_t> entries[256];
    };
    static_assert(sizeof(Group) == 1024);

    void fold(uint32_t root_index);

    Root root_;
    Pool<Group> groups_;
    std::atomic<uint32_t> default_{kNone};
};

}  // namespace sluice::route
