// What first fragments showed of their datagrams. Those that follow show no ports (nor, in IPv6, the protocol,
// where what is cut begins with an extension header): they are known by addresses, identification and, in IPv4,
// protocol (RFC 791, 3.2; RFC 8200, 4.5), and become packets of the first one's flow here. What follows a first
// one that isn't known is the caller's to hold for a moment, or to refuse.
//
// A first fragment is noted once it was judged. Those that were refused have notes of their own, so that nobody
// uses up those of others with them. A note is good for 30 seconds, within which a datagram must be whole (RFC
// 791, 3.2; RFC 8200 allows 60).
//
// All workers share it, without locks: an entry has a version, odd while somebody writes it, and who reads
// compares it. Bounded: the oldest of a set makes room.
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
    static constexpr uint32_t kRefusedEntries = 256;
    static constexpr Seconds kLife = 30;

    enum class First : uint8_t {
        kUnknown,
        kPermitted,
        kRefused,
        kOverlapped,  // the later one would write over it: no datagram is cut so (RFC 5722; RFC 3128)
    };

    Fragments();
    Fragments(const Fragments&) = delete;

    // A first fragment, with its ports and what path::fragment_part() says of it. Forgotten where somebody else is
    // writing what it would replace: the datagram is then sent again.
    void add(const path::Tuple& first, const path::FragmentPart& part, Verdict verdict, Seconds now) noexcept;
    // Puts what the first fragment showed into the key of a later one.
    First complete(path::Tuple& later, const path::FragmentPart& part, Seconds now) const noexcept;
    // Changes whenever a first fragment is noted: those that wait for one look only then.
    uint32_t changes() const noexcept { return changes_.load(std::memory_order_acquire); }

 private:
    static constexpr uint32_t kWays = 4;

    // Words, so that each is read and written whole.
    struct alignas(64) Entry {
        // Addresses; the key's rest, with the identification for the ports; IPv6 addresses.
        static constexpr uint32_t kNameWords = 6;

        std::atomic<uint32_t> version;
        std::atomic<Seconds> added;
        std::atomic<uint32_t> shape;  // protocol, whether it is a reply to an echo, where the first one ends
        std::atomic<uint32_t> ports;
        std::atomic<uint64_t> name[kNameWords];
    };
    static_assert(sizeof(Entry) == 64);
    struct Name {
        uint64_t words[Entry::kNameWords];
    };
    struct Notes {
        explicit Notes(uint32_t size) : count(size), entries(std::make_unique<Entry[]>(size)) {}
        uint32_t count;
        std::unique_ptr<Entry[]> entries;
    };

    static Name name_of(const path::Tuple& tuple, uint32_t id) noexcept;
    Entry* set_of(const Notes& notes, const Name& name) const noexcept;
    static bool holds(const Entry& entry, const Name& name) noexcept;
    static bool is_fresh(Seconds added, Seconds now) noexcept;
    static bool read(const Entry* set, const Name& name, Seconds now, path::Tuple& later, uint32_t& end) noexcept;

    uint64_t secret_;
    Notes permitted_{kEntries};
    Notes refused_{kRefusedEntries};
    std::atomic<uint32_t> changes_{0};
};

}  // namespace sluice::flow
