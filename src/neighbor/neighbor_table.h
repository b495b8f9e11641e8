// The MAC addresses of IP addresses on the networks' links (RFC 826, RFC 4861), for all networks and both
// families. Each entry is one cache line that never moves and changes in place, so that routes and flows may
// point to it.
//
// Workers look up, create and resolve entries, and hold packets for unresolved ones. The control thread ages:
// only it removes entries, after a grace period. Look-ups take no lock. A thread that adds an entry or touches
// held packets takes the table's lock for a moment. A worker tries to lock a few times and then drops the packet,
// so no worker ever waits for another thread that was preempted.
#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "path/ids.h"
#include "path/parse.h"
#include "sluice/address.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"

namespace sluice::neighbor {

using path::Seconds;

// The states of RFC 4861, 7.3.2, for ARP too.
enum class State : uint8_t {
    kFree,        // no entry
    kIncomplete,  // solicited by broadcast, no answer yet
    kReachable,   // confirmed recently
    kStale,       // not confirmed for a while, and not used since
    kProbe,       // used while stale: solicited by unicast
    kFailed,      // did not answer, or was not solicited yet
    kStatic,      // configured, or a port's declared address
};

struct alignas(64) Entry {
    std::atomic<uint64_t> mac{0};       // path::mac_key(); 0: unknown
    // The port that the MAC table last gave for it, below a tag of the MAC and the table's version (link/exit.h).
    std::atomic<uint64_t> exit{UINT64_MAX};
    std::atomic<Seconds> used{0};       // when a worker last used it; written at most once a second
    std::atomic<Seconds> confirmed{0};  // when a message of its own was last received
    std::atomic<Seconds> asked{0};      // when it was last solicited
    std::atomic<State> state{State::kFree};
    std::atomic<uint8_t> tries{0};      // solicitations without an answer; control thread, with the table's lock
    path::NetworkId network{};
    uint16_t pins = 0;                  // next hops that point to it; control thread, with the lock
    std::atomic<uint16_t> held{0};      // 1 + its list of held packets; written with the table's lock
    bool is_added = false;              // added by a worker and counted for its network; written with the lock
    // It did not answer, or its configuration was removed; until it is heard of again.
    std::atomic<bool> is_gone{false};
    uint16_t watches = 0;               // users that need to know soon whether it is up; control thread
    bool is_told_gone = false;          // reported in Due::failed and not in Due::returned since; control thread
    IpAddress address;

    bool resolved() const noexcept { return mac.load(std::memory_order_acquire) != 0; }
};
static_assert(sizeof(Entry) == 64);

// Packets that wait for an address.
inline constexpr uint16_t kMaxHeld = 16;  // per neighbor
struct Waiting {
    rte_mbuf* packet;
    path::PortId ingress;
    path::NetworkId network;  // the ingress network
    path::Connection connection{};  // as read at the ingress; unset if connections are not tracked
};
struct Held {
    uint16_t count = 0;
    Waiting packets[kMaxHeld];
};

// An IpAddress's bytes (IPv4 in IPv6, RFC 4291, 2.5.5.2) as they stand in memory.
struct AddressWords {
    uint64_t first;
    uint64_t last;

    bool operator==(const AddressWords&) const = default;
};
[[gnu::always_inline]] inline AddressWords words_of(const IpAddress& address) noexcept {
    AddressWords words;
    std::memcpy(&words, address.bytes.data(), sizeof words);
    return words;
}
[[gnu::always_inline]] constexpr AddressWords words_of(wire::be32 address) noexcept {
    return {0, 0xffff'0000U | uint64_t{address.raw()} << 32};
}
[[gnu::always_inline]] inline AddressWords words_of(const wire::Ipv6Bytes& address) noexcept {
    return {wire::load64(address.data()), wire::load64(address.data() + 8)};
}

class Table {
 public:
    // Solicitations, a second apart, before an address is given up (RFC 4861, 10: MAX_*_SOLICIT).
    static constexpr uint8_t kTries = 3;
    static constexpr Seconds kReachableTime = 30;  // RFC 4861, 10: REACHABLE_TIME
    static constexpr Seconds kIdleTime = 600;      // an entry that is unused for this time is removed
    // A watched entry is solicited this time after it was last heard of, used or not, and again this time after
    // it failed. If packets can take another route, they should leave and return to this one soon.
    static constexpr Seconds kWatchTime = 2;
    static constexpr Seconds kRetryTime = 5;

    // A network may have at most this part of all entries by its stations' messages and requests, so that no
    // network takes the others' entries. Entries for routes and the configuration are not limited.
    static constexpr uint32_t kNetworkShare = 4;

    static constexpr uint32_t kCapacity = 65536;

    // `capacity` entries. At most `unresolved` of those that workers have added may be without an answer.
    explicit Table(uint32_t capacity = kCapacity, uint32_t unresolved = 1024);
    Table(const Table&) = delete;
    ~Table();

    // --- workers and control thread ---

    // Null if there is no entry.
    Entry* find(path::NetworkId network, const IpAddress& address) const noexcept;
    [[gnu::always_inline]] Entry* find(path::NetworkId network, const AddressWords& address) const noexcept {
        for (uint64_t at = hash(network, address);; ++at) {
            const uint32_t slot = slots_[at & mask_].load(std::memory_order_acquire);
            if (slot == kEmpty) return nullptr;
            Entry& entry = entries_[slot - 1];
            if (entry.network == network && words_of(entry.address) == address) return &entry;
        }
    }
    // Like find(), but creates a missing entry, which is not solicited yet. Null if the table is full or locked.
    Entry* add(path::NetworkId network, const IpAddress& address, Seconds now) noexcept;
    // Whether the caller is to solicit it now; false if another solicitation is under way.
    bool ask(Entry& entry, Seconds now) noexcept;
    // A message of the neighbor gave its MAC (`override`: RFC 4861, 7.2.5; ARP always does). Moves the held
    // packets to `waiting`. True if the MAC address has changed.
    bool learn(Entry& entry, uint64_t mac, bool override, Seconds now, Held& waiting) noexcept;
    // Holds a packet until the address is resolved. False if there is no room or the address was resolved
    // meanwhile; the caller then keeps the packet.
    bool hold(Entry& entry, const Waiting& waiting) noexcept;
    // Moves out the held packets of an entry that is no longer being solicited.
    void release(Entry& entry, Held& waiting) noexcept;

    // Its low bits give the position in the hash table.
    static uint64_t hash(path::NetworkId network, const IpAddress& address) noexcept;
    [[gnu::always_inline]] static uint64_t hash(path::NetworkId network, const AddressWords& address) noexcept {
        uint64_t h = (address.first ^ (uint64_t{path::index(network)} << 48)) * 0x9e37'79b9'7f4a'7c15ULL;
        h ^= h >> 32 ^ address.last;
        // An address's last bytes are a word's highest bits, and a product would not spread them.
        h = (h ^ h >> 32) * 0xff51'afd7'ed55'8ccdULL;
        return h ^ h >> 32;
    }
    uint32_t index(const Entry& entry) const noexcept {
        return static_cast<uint32_t>(&entry - entries_.get());
    }
    Entry& at(uint32_t index) noexcept { return entries_[index]; }

    // --- control thread ---

    // Creates an entry if needed, and keeps it for a route. Null if the table is full.
    Entry* pin(path::NetworkId network, const IpAddress& address, Seconds now);
    void unpin(Entry& entry);
    // No packets return from it (RFC 4861, 7.3.3): if it is in use, it is probed next.
    void suspect(Entry& entry) noexcept {
        State seen = State::kReachable;
        entry.state.compare_exchange_strong(seen, State::kStale, std::memory_order_relaxed);
    }
    // For an entry that is kept for a route.
    void watch(Entry& entry) noexcept { ++entry.watches; }
    void unwatch(Entry& entry) noexcept { --entry.watches; }
    // Creates a configured entry; false if the table is full. forget_static() turns it into a stale one.
    bool set_static(path::NetworkId network, const IpAddress& address, uint64_t mac, Seconds now);
    void forget_static(Entry& entry);
    // Forgets the MAC addresses that no station of the network has any more (`is_gone(network, mac)`). Such an
    // entry is solicited again when it is used.
    template <class IsGone>
    void forget_if(IsGone is_gone) {
        for (uint32_t i = 0; i < high_; ++i) {
            Entry& entry = entries_[i];
            const uint64_t mac = entry.mac.load(std::memory_order_relaxed);
            if (listed_[i] && mac != 0 && is_gone(entry.network, mac)) forget(entry, mac);
        }
    }
    // The entries to act on: to solicit (again), and whose held packets must be dropped. Call it once a second.
    struct Due {
        std::vector<Entry*> solicit;
        std::vector<Entry*> release;
        // Next hops of routes (pinned, and not watched) that have failed, and those that have returned.
        std::vector<Entry*> failed;
        std::vector<Entry*> returned;
    };
    Due age(Seconds now);
    // Removes entries that have failed or are unused, and those of deleted networks, from the table. They are
    // reused after a grace period: call reclaim() then.
    template <class Gone>
    size_t remove_if(Gone gone);
    void reclaim();
    bool has_retired() const noexcept { return !retired_.empty(); }

    template <class F>
    void each(F visit) const {
        for (uint32_t i = 0; i < high_; ++i) {
            const Entry& entry = entries_[i];
            if (entry.state.load(std::memory_order_acquire) != State::kFree && listed_[i]) visit(entry);
        }
    }
    // The number of packets held for the entry.
    uint16_t waiting(const Entry& entry);
    uint32_t size() const noexcept { return size_; }
    uint32_t capacity() const noexcept { return capacity_; }

 private:
    static constexpr uint32_t kEmpty = 0;
    static constexpr uint32_t kMaxHoldLists = 256;

    class Locked;
    // With the lock: whether it counts as unresolved. A next hop of a route does not, since no scan can create
    // it.
    static bool is_unresolved(const Entry& entry) noexcept {
        return entry.pins == 0 && entry.mac.load(std::memory_order_relaxed) == 0;
    }
    bool is(const Entry& entry, path::NetworkId network, const IpAddress& address) const noexcept {
        return entry.network == network && entry.address == address;
    }
    Entry* insert(path::NetworkId network, const IpAddress& address) noexcept;
    // Returns false if a packet waits for the entry.
    bool erase(Entry& entry) noexcept;
    void take_held(Entry& entry, Held& waiting) noexcept;
    void free_held(Entry& entry) noexcept;
    // Does nothing if it has another MAC address by now.
    void forget(Entry& entry, uint64_t mac) noexcept;
    bool try_lock() noexcept;
    void unlock() noexcept { lock_.clear(std::memory_order_release); }

    uint32_t capacity_;
    uint32_t most_unresolved_;
    uint32_t mask_;                                    // of slots_
    std::unique_ptr<std::atomic<uint32_t>[]> slots_;   // 1 + index of an entry; open addressing
    std::unique_ptr<Entry[]> entries_;
    std::unique_ptr<std::atomic<bool>[]> listed_;      // by index: in slots_; written with the lock
    std::vector<uint32_t> free_;                       // indices; the lock
    std::vector<uint32_t> retired_;                    // waiting for a grace period; control thread
    std::atomic<uint32_t> high_{0};                     // all indices in use are smaller
    std::atomic<uint32_t> size_{0};
    std::atomic<uint32_t> unresolved_{0};
    std::unique_ptr<std::atomic<uint32_t>[]> of_network_;  // entries that workers added, by NetworkId
    std::unique_ptr<Held[]> holds_;
    std::vector<uint16_t> free_holds_;
    alignas(64) std::atomic_flag lock_;
};

template <class Gone>
size_t Table::remove_if(Gone gone) {
    size_t removed = 0;
    for (uint32_t i = 0; i < high_; ++i) {
        Entry& entry = entries_[i];
        if (!listed_[i] || entry.pins != 0 || !gone(static_cast<const Entry&>(entry))) continue;
        removed += erase(entry);
    }
    return removed;
}

}  // namespace sluice::neighbor
