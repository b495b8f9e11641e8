// One word of a forwarding table, for the addresses that lead to it. Zero means that only the default route
// applies. Otherwise it is a route (the number of the next hop, and the length of its prefix), or points to a
// node for longer prefixes.
//
//     route    31..8 next hop   7..1 prefix length - 1   0: 0
//     pointer  31..8 index      7..1 kind of node        0: 1
//
// A default route (length 0) is never in a word: it is kept beside the table.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::route {

// A table's word: the control thread writes it, workers read it.
using Word = std::atomic<uint32_t>;
inline uint32_t read(const Word& word) noexcept { return word.load(std::memory_order_relaxed); }
inline void write(Word& word, uint32_t entry) noexcept { word.store(entry, std::memory_order_relaxed); }

constexpr uint32_t kNone = 0;  // no next hop
constexpr uint32_t kMaxNextHop = 0xff'ffff;

// The route that takes over the addresses of a removed route: the longest of the shorter prefixes around it.
struct Covering {
    uint32_t next_hop = kNone;
    uint8_t length = 0;
};

constexpr uint32_t route_entry(uint32_t next_hop, uint8_t length) noexcept {
    return next_hop << 8 | static_cast<uint32_t>(length - 1) << 1;
}
// A default route, or none, is the zero entry.
constexpr uint32_t covering_entry(Covering covering) noexcept {
    return covering.length == 0 ? 0 : route_entry(covering.next_hop, covering.length);
}
constexpr uint32_t pointer_entry(uint32_t index, uint32_t kind) noexcept {
    return index << 8 | kind << 1 | 1;
}

constexpr bool is_pointer(uint32_t entry) noexcept { return (entry & 1) != 0; }
constexpr uint32_t next_hop_of(uint32_t entry) noexcept { return entry >> 8; }
constexpr uint32_t length_of(uint32_t entry) noexcept { return entry == 0 ? 0 : (entry >> 1 & 127) + 1; }
constexpr uint32_t index_of(uint32_t entry) noexcept { return entry >> 8; }
constexpr uint32_t kind_of(uint32_t entry) noexcept { return entry >> 1 & 127; }

}  // namespace sluice::route
