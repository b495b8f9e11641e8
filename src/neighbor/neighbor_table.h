// Which MAC address an IP address on a network's link has (RFC 826, RFC 4861), for all networks and both
// families: one entry each, one cache line, which stays where it is and changes in place, so that routes
// and flows may point to it.
//
// Workers look up, create, resolve and hold packets for entries that aren't resolved yet. The control
// thread ages: it alone removes entries, after a grace period. Look-ups take no lock. Whoever adds an
// entry or touches held packets has the table's lock for a moment; workers try it a few times and else
// give the packet up, so no worker ever waits for another thread that was preempted.
#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "path/ids.h"
#include "path/parse.h"
#include "sluice/address.h"

namespace sluice::neighbor {

using path::Seconds;

// As RFC 4861, 7.3.2 has them, for ARP too.
enum class State : uint8_t {
    kFree,        // no entry
    kIncomplete,  // asked for by broadcast, no answer yet
    kReachable,   // confirmed lately
    kStale,       // not confirmed for a while, and not used either
    kProbe,       // used while stale: asked for directly
    kFailed,      // did not answer, or was not asked for yet
    kStatic,      // configured, or a port's declared address
};

struct alignas(64) Entry {
    std::atomic<uint64_t> mac{0};       // path::mac_key(); 0: not known
    // The port that the MAC table last gave for it, below 48 bits that say for which address and when.
    std::atomic<uint64_t> exit{UINT64_MAX};
    std::atomic<Seconds> used{0};       // by a worker; written once a second at most
    std::atomic<Seconds> confirmed{0};  // a message of its own was seen
    std::atomic<Seconds> asked{0};      // when it was last solicited
    std::atomic<State> state{State::kFree};
    std::atomic<uint8_t> tries{0};      // solicitations since; control thread and the table's lock
    path::NetworkId network{};
    uint16_t pins = 0;                  // next hops that point to it: control thread, with the lock
    std::atomic<uint16_t> held{0};      // 1 + its list of waiting packets; written with the table's lock
    bool is_added = false;              // by a worker, and counts for its network; the table's lock
    // It was asked and didn't answer, or what was configured of it is gone: until it is heard of again.
    std::atomic<bool> is_gone{false};
    uint16_t watches = 0;               // those who want to know soon whether it is there: control thread
    bool is_told_gone = false;          // in Due::failed, and not in Due::returned since: control thread
    IpAddress address;

    bool resolved() const noexcept { return mac.load(std::memory_order_acquire) != 0; }
};
static_assert(sizeof(Entry) == 64);

// Packets waiting for an address.
inline constexpr uint16_t kMaxHeld = 16;  // for one neighbor
struct Waiting {
    rte_mbuf* packet;
    path::PortId ingress;
    path::NetworkId network;  // that it came in
    path::Connection connection{};  // as it was read when it came; where nobody tracks connections, nothing
};
struct Held {
    uint16_t count = 0;
    Waiting packets[kMaxHeld];
};

class Table {
 public:
    // Solicitations, a second apart, before an address is given up (RFC 4861, 10: MAX_*_SOLICIT).
    static constexpr uint8_t kTries = 3;
    static constexpr Seconds kReachableTime = 30;  // RFC 4861, 10: REACHABLE_TIME
    static constexpr Seconds kIdleTime = 600;      // an entry that nobody uses is removed
    // One that is watched is asked that long after it was heard of last, in use or not, and that long after it
    // has been given up: where packets can go another way, they should soon, and come back.
    static constexpr Seconds kWatchTime = 2;
    static constexpr Seconds kRetryTime = 5;

    // Of all entries one network has this part at most by what its stations say and ask for, so that none
    // takes the others'. Routes and the configuration have what they need.
    static constexpr uint32_t kNetworkShare = 4;

    static constexpr uint32_t kCapacity = 65536;

    // `capacity` entries. Of those that workers have added `unresolved` at most may be without an answer.
    explicit Table(uint32_t capacity = kCapacity, uint32_t unresolved = 1024);
    Table(const Table&) = delete;
    ~Table();

    // --- workers and control thread ---

    // Null if there is no entry.
    Entry* find(path::NetworkId network, const IpAddress& address) const noexcept;
    // As find(), and makes an entry where there is none, which nobody has asked for yet. Null where the
    // table is full or its lock was taken.
    Entry* add(path::NetworkId network, const IpAddress& address, Seconds now) noexcept;
    // Whether the caller is to ask for it now: nobody is waiting for an answer already.
    bool ask(Entry& entry, Seconds now) noexcept;
    // A message of the neighbor's own gave its MAC (`override`: RFC 4861, 7.2.5; ARP always does).
    // Hands over what was waiting. True if that changes the address.
    bool learn(Entry& entry, uint64_t mac, bool override, Seconds now, Held& waiting) noexcept;
    // Keeps a packet until the address is known. False: no room, the caller keeps the packet. If the
    // address has become known meanwhile, also false.
    bool hold(Entry& entry, const Waiting& waiting) noexcept;
    // What waits for an address that nobody waits for an answer from any more.
    void release(Entry& entry, Held& waiting) noexcept;

    // Its low bits say where an entry is looked for.
    static uint64_t hash(path::NetworkId network, const IpAddress& address) noexcept;
    uint32_t index(const Entry& entry) const noexcept {
        return static_cast<uint32_t>(&entry - entries_.get());
    }
    Entry& at(uint32_t index) noexcept { return entries_[index]; }

    // --- control thread ---

    // Keeps an entry for a route; it is made if need be. Null if the table is full.
    Entry* pin(path::NetworkId network, const IpAddress& address, Seconds now);
    void unpin(Entry& entry);
    // Nothing comes back by it (RFC 4861, 7.3.3): it is probed next, if it is in use.
    void suspect(Entry& entry) noexcept {
        State seen = State::kReachable;
        entry.state.compare_exchange_strong(seen, State::kStale, std::memory_order_relaxed);
    }
    // Of an entry that is kept for a route.
    void watch(Entry& entry) noexcept { ++entry.watches; }
    void unwatch(Entry& entry) noexcept { --entry.watches; }
    // A configured entry; false if the table is full. forget_static() turns it into a stale one.
    bool set_static(path::NetworkId network, const IpAddress& address, uint64_t mac, Seconds now);
    void forget_static(Entry& entry);
    // Entries whose MAC address no station of the network has any more (`is_gone(network, mac)`): asked for anew
    // when they are used.
    template <class IsGone>
    void forget_if(IsGone is_gone) {
        for (uint32_t i = 0; i < high_; ++i) {
            Entry& entry = entries_[i];
            const uint64_t mac = entry.mac.load(std::memory_order_relaxed);
            if (listed_[i] && mac != 0 && is_gone(entry.network, mac)) forget(entry, mac);
        }
    }
    // What is due: entries to be solicited (again), and those for which packets wait that must go. Once a
    // second.
    struct Due {
        std::vector<Entry*> solicit;
        std::vector<Entry*> release;
        // Next hops of routes (pinned, and not watched) that have been given up, and those that are there again.
        std::vector<Entry*> failed;
        std::vector<Entry*> returned;
    };
    Due age(Seconds now);
    // Takes the entries that have been given up or are of no use out of the table, and those of
    // networks that are gone; they are reused after a grace period: call reclaim() then.
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
    // Packets that wait for its address.
    uint16_t waiting(const Entry& entry);
    uint32_t size() const noexcept { return size_; }
    uint32_t capacity() const noexcept { return capacity_; }

 private:
    static constexpr uint32_t kEmpty = 0;
    static constexpr uint32_t kMaxHoldLists = 256;

    class Locked;
    // With the lock: it counts as one without an answer. What a route leads to is nobody's scan.
    static bool is_unresolved(const Entry& entry) noexcept {
        return entry.pins == 0 && entry.mac.load(std::memory_order_relaxed) == 0;
    }
    bool is(const Entry& entry, path::NetworkId network, const IpAddress& address) const noexcept {
        return entry.network == network && entry.address == address;
    }
    Entry* insert(path::NetworkId network, const IpAddress& address) noexcept;
    // False: a packet waits for it.
    bool erase(Entry& entry) noexcept;
    void take_held(Entry& entry, Held& waiting) noexcept;
    void free_held(Entry& entry) noexcept;
    // Unless it has another MAC address by now.
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
    std::vector<uint32_t> retired_;                    // wait for a grace period; control thread
    std::atomic<uint32_t> high_{0};                     // indices in use are below
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
