// The ports of fragmented datagrams. Only the first fragment shows them; those that follow are known by
// addresses, protocol and identification (RFC 791, 3.2; RFC 8200, 4.5) and become packets of the first one's
// flow here. What follows without a first one has no ports, and is the caller's to refuse.
//
// All workers share it, without locks: an entry has a version, odd while somebody writes it, and who reads
// compares it. Bounded: the oldest of a set makes room. An entry is good for 30 seconds, within which a
// datagram must be whole (RFC 791, 3.2; RFC 8200 allows 60).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "flow/record.h"
#include "path/tuple.h"

namespace sluice::flow {

class Fragments {
 public:
    static constexpr uint32_t kEntries = 4096;
    static constexpr Seconds kLife = 30;

    Fragments();
    Fragments(const Fragments&) = delete;

    // A first fragment, with its ports, and what path::fragment_id() says of it. Forgotten where somebody
    // else is writing what it would replace: the datagram is then sent again.
    void add(const path::Tuple& first, uint32_t id, Seconds now) noexcept;
    // Puts the first fragment's ports into the key of a later one. False if it isn't known.
    bool complete(path::Tuple& later, uint32_t id, Seconds now) const noexcept;

 private:
    static constexpr uint32_t kWays = 4;

    // Words, so that each is read and written whole.
    struct alignas(64) Entry {
        // Addresses; the key's rest, with the identification for the ports; IPv6 addresses.
        static constexpr uint32_t kNameWords = 6;

        std::atomic<uint32_t> version;
        std::atomic<Seconds> added;
        std::atomic<uint32_t> is_reply;  // to an echo
        std::atomic<uint32_t> ports;
        std::atomic<uint64_t> name[kNameWords];
    };
    static_assert(sizeof(Entry) == 64);
    struct Name {
        uint64_t words[Entry::kNameWords];
    };

    static Name name_of(const path::Tuple& tuple, uint32_t id) noexcept;
    uint32_t set_of(const Name& name) const noexcept;
    static bool holds(const Entry& entry, const Name& name) noexcept;
    static bool is_fresh(Seconds added, Seconds now) noexcept;

    uint64_t secret_;
    std::unique_ptr<Entry[]> entries_;
};

}  // namespace sluice::flow
