// The routes of one address family: a hash table from (prefix, length) to a number. It is compact, since there
// may be a million: 8 bytes per slot for IPv4, 32 for IPv6, a third to three quarters of them in use. Linear
// probing; a removal closes the gap. Control thread only.
//
// Address: an unsigned integer whose highest bit is the address's first bit.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::route {

template <class Address>
class Rib {
 public:
    static constexpr uint8_t kBits = 8 * sizeof(Address);

    struct Route {
        Address prefix;  // no bits set beyond the length
        uint8_t length;
        uint32_t next_hop;  // up to 24 bits
    };

    static constexpr Address masked(Address address, uint8_t length) noexcept {
        return length == 0 ? 0 : address >> (kBits - length) << (kBits - length);
    }

    // Returns the previous next hop, if any.
    std::optional<uint32_t> set(Address prefix, uint8_t length, uint32_t next_hop) {
        if (size_ + 1 > slots_.size() / 4 * 3) grow();
        Slot& slot = slots_[locate(prefix, length)];
        const std::optional<uint32_t> before = slot.value();
        if (!before) {
            ++size_;
            ++counts_[length];
        }
        slot = Slot(prefix, length, next_hop);
        return before;
    }

    std::optional<uint32_t> remove(Address prefix, uint8_t length) {
        if (size_ == 0) return std::nullopt;
        size_t hole = locate(prefix, length);
        const std::optional<uint32_t> before = slots_[hole].value();
        if (!before) return std::nullopt;
        --size_;
        --counts_[length];
        // Later entries that may stand in the hole move there.
        const size_t mask = slots_.size() - 1;
        for (size_t i = (hole + 1) & mask; slots_[i].used(); i = (i + 1) & mask) {
            const size_t home = hash(slots_[i].prefix, slots_[i].length()) & mask;
            if (((i - home) & mask) < ((i - hole) & mask)) continue;
            slots_[hole] = slots_[i];
            hole = i;
        }
        slots_[hole] = {};
        return before;
    }

    std::optional<uint32_t> exact(Address prefix, uint8_t length) const {
        if (counts_[length] == 0) return std::nullopt;
        return slots_[locate(prefix, length)].value();
    }

    // The longest prefix of at most `length` bits around an address.
    std::optional<Route> longest(Address address, uint8_t length) const {
        for (int bits = length; bits >= 0; --bits) {
            const auto tried = static_cast<uint8_t>(bits);
            const Address prefix = masked(address, tried);
            if (const auto next_hop = exact(prefix, tried)) return Route{prefix, tried, *next_hop};
        }
        return std::nullopt;
    }

    // In order of prefix, then length.
    std::vector<Route> sorted() const {
        std::vector<Route> routes;
        routes.reserve(size_);
        for (const Slot& slot : slots_) {
            if (slot.used()) routes.push_back({slot.prefix, slot.length(), *slot.value()});
        }
        std::sort(routes.begin(), routes.end(), before);
        return routes;
    }

    // The first `most` of the routes within a prefix, in that order, and the number of all; in one pass.
    std::vector<Route> first(Address within, uint8_t length, size_t most, size_t& count) const {
        std::vector<Route> routes;  // a heap, the last in order on top
        for (const Slot& slot : slots_) {
            if (!slot.used() || slot.length() < length || masked(slot.prefix, length) != within) continue;
            ++count;
            const Route route{slot.prefix, slot.length(), *slot.value()};
            if (routes.size() == most) {
                if (most == 0 || !before(route, routes.front())) continue;
                std::pop_heap(routes.begin(), routes.end(), before);
                routes.pop_back();
            }
            routes.push_back(route);
            std::push_heap(routes.begin(), routes.end(), before);
        }
        std::sort_heap(routes.begin(), routes.end(), before);
        return routes;
    }

    size_t size() const noexcept { return size_; }
    size_t memory() const noexcept { return slots_.capacity() * sizeof(Slot); }  // bytes

 private:
    struct Slot {
        Slot() = default;
        Slot(Address p, uint8_t length, uint32_t next_hop)
            : prefix(p), rest(next_hop << 8 | static_cast<uint32_t>(length + 1)) {}

        bool used() const { return rest != 0; }
        uint8_t length() const { return static_cast<uint8_t>(rest - 1); }
        std::optional<uint32_t> value() const {
            return used() ? std::optional(rest >> 8) : std::nullopt;
        }

        Address prefix = 0;
        uint32_t rest = 0;  // 31..8 next hop, 7..0 length + 1; zero: free
    };

    static bool before(const Route& a, const Route& b) noexcept {
        return a.prefix != b.prefix ? a.prefix < b.prefix : a.length < b.length;
    }

    static size_t hash(Address prefix, uint8_t length) noexcept {
        uint64_t h = length;
        for (int shift = 0; shift < kBits; shift += 32) {
            h = (h ^ static_cast<uint32_t>(prefix >> shift)) * 0x9e37'79b9'7f4a'7c15ULL;
            h ^= h >> 32;
        }
        return h;
    }

    // The slot of a prefix, or the free slot where it would be. There always is a free one.
    size_t locate(Address prefix, uint8_t length) const {
        const size_t mask = slots_.size() - 1;
        size_t i = hash(prefix, length) & mask;
        while (slots_[i].used() && (slots_[i].prefix != prefix || slots_[i].length() != length)) {
            i = (i + 1) & mask;
        }
        return i;
    }

    void grow() {
        std::vector<Slot> before(std::max(slots_.size() * 2, size_t{16}));
        before.swap(slots_);
        for (const Slot& slot : before) {
            if (slot.used()) slots_[locate(slot.prefix, slot.length())] = slot;
        }
    }

    std::vector<Slot> slots_;
    std::array<uint32_t, kBits + 1> counts_{};  // by length
    size_t size_ = 0;
};

}  // namespace sluice::route
