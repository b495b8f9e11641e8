// Maps a key in a packet to a number: a VNI to a network, an address to a tunnel end point. The control thread
// builds it once; then any worker may read it. Open addressing, at most half full, so that a look-up seldom goes
// beyond the first slot and always ends.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "path/ids.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"

namespace sluice::vxlan {

// The result for an unknown key.
inline constexpr uint16_t kNoNumber = 0xffff;

[[gnu::always_inline]] inline uint32_t hash_of(uint32_t vni) noexcept { return wire::hash_word(0, vni); }
[[gnu::always_inline]] inline uint32_t hash_of(wire::be32 address) noexcept {
    return wire::hash_word(0, address.raw());
}
[[gnu::always_inline]] inline uint32_t hash_of(const wire::Ipv6Bytes& address) noexcept {
    return wire::hash_word(wire::hash_word(0, wire::load64(&address[0])), wire::load64(&address[8]));
}

template <class Key>
class NumberTable {
 public:
    struct Entry {
        Key key{};
        uint16_t number = kNoNumber;
    };

    // Without kNoNumber. If a key occurs twice, the first entry counts.
    explicit NumberTable(const std::vector<Entry>& entries = {})
        : slots_(std::bit_ceil(2 * entries.size() + 2)), mask_(static_cast<uint32_t>(slots_.size() - 1)) {
        for (const Entry& entry : entries) {
            Entry& slot = slots_[slot_of(entry.key)];
            if (slot.number == kNoNumber) slot = entry;
        }
    }

    [[gnu::always_inline]] uint16_t find(const Key& key) const noexcept {
        return slots_[slot_of(key)].number;
    }

 private:
    // The key's slot, or the free slot where it would be. (If the key is equal to a free slot's, the number found
    // there is kNoNumber.)
    [[gnu::always_inline]] uint32_t slot_of(const Key& key) const noexcept {
        uint32_t i = hash_of(key) & mask_;
        while (slots_[i].key != key && slots_[i].number != kNoNumber) i = (i + 1) & mask_;
        return i;
    }

    std::vector<Entry> slots_;  // their count is a power of two
    uint32_t mask_;
};

class VniTable {
 public:
    struct Entry {
        uint32_t vni;
        path::NetworkId network;
    };

    explicit VniTable(const std::vector<Entry>& entries = {}) : networks_(numbers(entries)) {}

    // kNoNetworkId if no network has the VNI.
    [[gnu::always_inline]] path::NetworkId find(uint32_t vni) const noexcept {
        return path::NetworkId(networks_.find(vni));
    }

 private:
    static_assert(path::index(path::kNoNetworkId) == kNoNumber);

    static std::vector<NumberTable<uint32_t>::Entry> numbers(const std::vector<Entry>& entries) {
        std::vector<NumberTable<uint32_t>::Entry> numbers;
        for (const Entry& entry : entries) numbers.push_back({entry.vni, path::index(entry.network)});
        return numbers;
    }

    NumberTable<uint32_t> networks_;
};

// One table per family: an IPv4 address is one word to compare.
struct EndPointTable {
    NumberTable<wire::be32> ipv4;
    NumberTable<wire::Ipv6Bytes> ipv6;

    // kNoNumber if the address is unknown.
    [[gnu::always_inline]] uint16_t find(wire::be32 address) const noexcept { return ipv4.find(address); }
    [[gnu::always_inline]] uint16_t find(const wire::Ipv6Bytes& address) const noexcept {
        return ipv6.find(address);
    }
};

}  // namespace sluice::vxlan
