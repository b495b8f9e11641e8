#include "neighbor/neighbor_table.h"

#include <rte_pause.h>

#include <bit>
#include <cstring>
#include <utility>

namespace sluice::neighbor {
namespace {

// The lock is held for some hundred cycles, unless its holder is preempted.
constexpr int kLockTries = 64;

bool is_older(Seconds now, Seconds then, Seconds age) noexcept {
    // A worker's clock may be ahead of the caller's.
    return static_cast<int32_t>(now - then) >= static_cast<int32_t>(age);
}

}  // namespace

class Table::Locked {
 public:
    explicit Locked(Table& table) : table_(table) {
        while (table_.lock_.test_and_set(std::memory_order_acquire)) rte_pause();
    }
    ~Locked() { table_.unlock(); }
    Locked(const Locked&) = delete;

 private:
    Table& table_;
};

Table::Table(uint32_t capacity, uint32_t unresolved)
    : capacity_(capacity),
      most_unresolved_(unresolved),
      mask_(std::bit_ceil(capacity * 2) - 1),
      slots_(std::make_unique<std::atomic<uint32_t>[]>(mask_ + 1)),
      entries_(std::make_unique<Entry[]>(capacity)),
      listed_(std::make_unique<std::atomic<bool>[]>(capacity)),
      of_network_(std::make_unique<std::atomic<uint32_t>[]>(path::kMaxNetworks)),
      holds_(std::make_unique<Held[]>(kMaxHoldLists)) {
    free_.reserve(capacity);
    for (uint16_t i = kMaxHoldLists; i > 0; --i) free_holds_.push_back(i);
}

Table::~Table() {
    for (uint32_t i = 0; i < high_; ++i) {
        free_held(entries_[i]);
    }
}

void Table::free_held(Entry& entry) noexcept {
    Held waiting;
    take_held(entry, waiting);
    for (uint16_t i = 0; i < waiting.count; ++i) rte_pktmbuf_free(waiting.packets[i].packet);
}

uint64_t Table::hash(path::NetworkId network, const IpAddress& address) noexcept {
    return hash(network, words_of(address));
}

Entry* Table::find(path::NetworkId network, const IpAddress& address) const noexcept {
    return find(network, words_of(address));
}

bool Table::try_lock() noexcept {
    for (int i = 0; i < kLockTries; ++i) {
        if (!lock_.test_and_set(std::memory_order_acquire)) return true;
        rte_pause();
    }
    return false;
}

Entry* Table::add(path::NetworkId network, const IpAddress& address, Seconds now) noexcept {
    if (Entry* known = find(network, address)) return known;
    const uint32_t of_network = of_network_[path::index(network)].load(std::memory_order_relaxed);
    if (of_network >= capacity_ / kNetworkShare ||
        unresolved_.load(std::memory_order_relaxed) >= most_unresolved_ || !try_lock()) {
        return nullptr;
    }
    const uint32_t before = size_.load(std::memory_order_relaxed);
    Entry* entry = insert(network, address);
    if (entry != nullptr) entry->used.store(now, std::memory_order_relaxed);
    if (size_.load(std::memory_order_relaxed) != before) {
        entry->is_added = true;
        of_network_[path::index(network)].fetch_add(1, std::memory_order_relaxed);
    }
    unlock();
    return entry;
}

bool Table::ask(Entry& entry, Seconds now) noexcept {
    if (entry.state.load(std::memory_order_acquire) != State::kFailed || !try_lock()) return false;
    // At most once a second.
    const bool failed = entry.state.load(std::memory_order_relaxed) == State::kFailed &&
                        entry.asked.load(std::memory_order_relaxed) != now;
    if (failed) {
        entry.tries = 1;
        entry.asked.store(now, std::memory_order_relaxed);
        entry.state.store(State::kIncomplete, std::memory_order_release);
    }
    unlock();
    return failed;
}

// With the lock. Another thread may have inserted it since the look-up.
Entry* Table::insert(path::NetworkId network, const IpAddress& address) noexcept {
    uint64_t at = hash(network, address);
    for (;; ++at) {
        const uint32_t slot = slots_[at & mask_].load(std::memory_order_relaxed);
        if (slot == kEmpty) break;
        if (is(entries_[slot - 1], network, address)) return &entries_[slot - 1];
    }
    uint32_t index = high_.load(std::memory_order_relaxed);
    if (!free_.empty()) {
        index = free_.back();
        free_.pop_back();
    } else if (index < capacity_) {
        high_.store(index + 1, std::memory_order_release);
    } else {
        return nullptr;
    }
    Entry& entry = entries_[index];
    entry.network = network;
    entry.address = address;
    entry.mac.store(0, std::memory_order_relaxed);
    entry.exit.store(UINT64_MAX, std::memory_order_relaxed);
    entry.confirmed.store(0, std::memory_order_relaxed);
    entry.asked.store(0, std::memory_order_relaxed);
    entry.is_gone.store(false, std::memory_order_relaxed);
    entry.tries = 0;
    entry.pins = 0;
    entry.watches = 0;
    entry.is_told_gone = false;
    entry.state.store(State::kFailed, std::memory_order_release);
    listed_[index] = true;
    // Stored last, so that a reader that finds the slot sees a complete entry.
    slots_[at & mask_].store(index + 1, std::memory_order_release);
    size_.fetch_add(1, std::memory_order_relaxed);
    unresolved_.fetch_add(1, std::memory_order_relaxed);
    return &entry;
}

bool Table::learn(Entry& entry, uint64_t mac, bool override, Seconds now, Held& waiting) noexcept {
    const uint64_t known = entry.mac.load(std::memory_order_relaxed);
    const State state = entry.state.load(std::memory_order_relaxed);
    if (state == State::kStatic) return false;
    if (known == mac) {
        if (entry.confirmed.load(std::memory_order_relaxed) != now) {
            entry.confirmed.store(now, std::memory_order_relaxed);
        }
        // Unless the control thread has just failed it or made it static.
        State seen = state;
        if (seen == State::kStale || seen == State::kProbe) {
            entry.state.compare_exchange_strong(seen, State::kReachable, std::memory_order_relaxed);
        }
        return false;
    }
    if (known != 0 && !override) return false;
    if (!try_lock()) return false;
    // It was removed, or made static, meanwhile.
    if (!listed_[index(entry)] || entry.state.load(std::memory_order_relaxed) == State::kStatic) {
        unlock();
        return false;
    }
    if (is_unresolved(entry)) unresolved_.fetch_sub(1, std::memory_order_relaxed);
    entry.exit.store(UINT64_MAX, std::memory_order_relaxed);
    entry.mac.store(mac, std::memory_order_release);
    entry.confirmed.store(now, std::memory_order_relaxed);
    entry.state.store(State::kReachable, std::memory_order_relaxed);
    entry.is_gone.store(false, std::memory_order_relaxed);
    entry.tries = 0;
    take_held(entry, waiting);
    unlock();
    return true;
}

bool Table::hold(Entry& entry, const Waiting& waiting) noexcept {
    if (!try_lock()) return false;
    bool kept = false;
    // If it was resolved meanwhile, the caller sends the packet. If it was removed, no thread would release the
    // packet.
    if (listed_[index(entry)] && !entry.resolved() && (entry.held != 0 || !free_holds_.empty())) {
        if (entry.held == 0) {
            entry.held = free_holds_.back();
            free_holds_.pop_back();
        }
        Held& held = holds_[entry.held - 1];
        if (held.count < kMaxHeld) {
            held.packets[held.count++] = waiting;
            kept = true;
        }
    }
    unlock();
    return kept;
}

void Table::release(Entry& entry, Held& waiting) noexcept {
    Locked locked(*this);
    // It is being solicited again, so an answer may come.
    if (entry.state.load(std::memory_order_relaxed) == State::kIncomplete) return;
    take_held(entry, waiting);
}

void Table::take_held(Entry& entry, Held& waiting) noexcept {
    if (entry.held == 0) return;
    Held& held = holds_[entry.held - 1];
    waiting = held;
    held.count = 0;
    free_holds_.push_back(entry.held);
    entry.held = 0;
}

uint16_t Table::waiting(const Entry& entry) {
    if (entry.held == 0) return 0;
    Locked locked(*this);
    return entry.held == 0 ? 0 : holds_[entry.held - 1].count;
}

Entry* Table::pin(path::NetworkId network, const IpAddress& address, Seconds now) {
    Locked locked(*this);
    Entry* entry = insert(network, address);
    if (entry == nullptr) return nullptr;
    if (is_unresolved(*entry)) unresolved_.fetch_sub(1, std::memory_order_relaxed);
    ++entry->pins;
    entry->used.store(now, std::memory_order_relaxed);
    return entry;
}

void Table::unpin(Entry& entry) {
    Locked locked(*this);
    --entry.pins;
    if (is_unresolved(entry)) unresolved_.fetch_add(1, std::memory_order_relaxed);
}

bool Table::set_static(path::NetworkId network, const IpAddress& address, uint64_t mac, Seconds now) {
    Locked locked(*this);
    Entry* entry = insert(network, address);
    if (entry == nullptr) return false;
    if (is_unresolved(*entry)) unresolved_.fetch_sub(1, std::memory_order_relaxed);
    if (entry->mac.load(std::memory_order_relaxed) != mac) {
        entry->exit.store(UINT64_MAX, std::memory_order_relaxed);
        entry->mac.store(mac, std::memory_order_release);
    }
    entry->used.store(now, std::memory_order_relaxed);
    entry->confirmed.store(now, std::memory_order_relaxed);
    entry->is_gone.store(false, std::memory_order_relaxed);
    entry->state.store(State::kStatic, std::memory_order_release);
    return true;
}

void Table::forget_static(Entry& entry) {
    Locked locked(*this);
    if (entry.state.load(std::memory_order_relaxed) != State::kStatic) return;
    entry.mac.store(0, std::memory_order_release);
    if (is_unresolved(entry)) unresolved_.fetch_add(1, std::memory_order_relaxed);
    entry.is_gone.store(true, std::memory_order_relaxed);
    entry.tries = 0;
    entry.state.store(State::kFailed, std::memory_order_release);
}

void Table::forget(Entry& entry, uint64_t mac) noexcept {
    Locked locked(*this);
    const State state = entry.state.load(std::memory_order_relaxed);
    if (state == State::kStatic || state == State::kFree) return;
    if (entry.mac.load(std::memory_order_relaxed) != mac) return;
    entry.mac.store(0, std::memory_order_release);
    if (is_unresolved(entry)) unresolved_.fetch_add(1, std::memory_order_relaxed);
    entry.tries = 0;
    entry.is_gone.store(true, std::memory_order_relaxed);
    entry.state.store(State::kFailed, std::memory_order_release);
}

Table::Due Table::age(Seconds now) {
    Due due;
    for (uint32_t i = 0; i < high_; ++i) {
        Entry& entry = entries_[i];
        if (!listed_[i]) continue;
        const Seconds asked = entry.asked.load(std::memory_order_relaxed);
        const Seconds used = entry.used.load(std::memory_order_relaxed);
        const Seconds confirmed = entry.confirmed.load(std::memory_order_relaxed);
        auto ask = [&](State next) {
            entry.state.store(next, std::memory_order_relaxed);
            entry.asked.store(now, std::memory_order_relaxed);
            ++entry.tries;
            due.solicit.push_back(&entry);
        };
        const bool is_watched = entry.watches != 0;
        const auto tell_failed = [&] {
            if (entry.pins == 0 || is_watched || std::exchange(entry.is_told_gone, true)) return;
            due.failed.push_back(&entry);
        };
        if (entry.is_told_gone && entry.resolved()) {
            entry.is_told_gone = false;
            if (entry.pins != 0) due.returned.push_back(&entry);
        }
        const State state = entry.state.load(std::memory_order_acquire);
        if (state != State::kIncomplete && entry.held != 0) due.release.push_back(&entry);
        switch (state) {
            case State::kIncomplete: {
                if (!is_older(now, asked, 1)) break;
                Locked locked(*this);
                // It may just have answered.
                if (entry.state.load(std::memory_order_relaxed) != State::kIncomplete) break;
                if (entry.tries < kTries) {
                    ask(State::kIncomplete);
                    break;
                }
                entry.tries = 0;
                entry.is_gone.store(true, std::memory_order_relaxed);
                entry.state.store(State::kFailed, std::memory_order_relaxed);
                tell_failed();
                due.release.push_back(&entry);
                break;
            }
            case State::kReachable:
                if (is_older(now, confirmed, is_watched ? kWatchTime : kReachableTime)) {
                    entry.tries = 0;
                    if (is_watched) {
                        ask(State::kProbe);
                    } else {
                        entry.state.store(State::kStale, std::memory_order_relaxed);
                    }
                }
                break;
            case State::kStale:
                entry.tries = 0;
                // It was used since it was last confirmed: probe it before its loss is noticed.
                if (is_watched || !is_older(now, used, kReachableTime / 2)) ask(State::kProbe);
                break;
            case State::kProbe: {
                if (!is_older(now, asked, 1)) break;
                if (entry.tries < kTries) {
                    ask(State::kProbe);
                    break;
                }
                // It is solicited by broadcast when it is used next.
                Locked locked(*this);
                if (entry.state.load(std::memory_order_relaxed) != State::kProbe) break;
                entry.mac.store(0, std::memory_order_release);
                if (is_unresolved(entry)) unresolved_.fetch_add(1, std::memory_order_relaxed);
                entry.tries = 0;
                entry.is_gone.store(true, std::memory_order_relaxed);
                entry.state.store(State::kFailed, std::memory_order_relaxed);
                tell_failed();
                break;
            }
            case State::kFailed: {
                if (!is_watched || (asked != 0 && !is_older(now, asked, kRetryTime))) break;
                Locked locked(*this);
                // A packet may just have started a solicitation.
                if (entry.state.load(std::memory_order_relaxed) != State::kFailed) break;
                entry.tries = 0;
                ask(State::kIncomplete);
                break;
            }
            case State::kStatic:
            case State::kFree: break;
        }
    }
    remove_if([&](const Entry& entry) {
        const State state = entry.state.load(std::memory_order_relaxed);
        const Seconds used = entry.used.load(std::memory_order_relaxed);
        if (state == State::kFailed) return is_older(now, used, kTries) && entry.held == 0;
        const Seconds confirmed = entry.confirmed.load(std::memory_order_relaxed);
        return state == State::kStale && is_older(now, used, kIdleTime) &&
               is_older(now, confirmed, kIdleTime);
    });
    return due;
}

// Removes it from slots_. Entries behind it that could no longer be found move up. Each is copied first, so a
// concurrent look-up finds it in one of the two places, or misses it, which it must expect at any time.
bool Table::erase(Entry& entry) noexcept {
    Locked locked(*this);
    if (entry.held != 0) return false;
    const uint32_t self = index(entry) + 1;
    uint64_t hole = hash(entry.network, entry.address);
    while (slots_[hole & mask_].load(std::memory_order_relaxed) != self) ++hole;
    for (uint64_t at = hole + 1;; ++at) {
        const uint32_t slot = slots_[at & mask_].load(std::memory_order_relaxed);
        if (slot == kEmpty) break;
        const Entry& other = entries_[slot - 1];
        const uint64_t home = hash(other.network, other.address);
        // Its home is behind the hole, so it stays.
        if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
        slots_[hole & mask_].store(slot, std::memory_order_release);
        hole = at;
    }
    slots_[hole & mask_].store(kEmpty, std::memory_order_release);
    if (is_unresolved(entry)) unresolved_.fetch_sub(1, std::memory_order_relaxed);
    size_.fetch_sub(1, std::memory_order_relaxed);
    if (std::exchange(entry.is_added, false)) {
        of_network_[path::index(entry.network)].fetch_sub(1, std::memory_order_relaxed);
    }
    listed_[self - 1] = false;
    retired_.push_back(self - 1);
    return true;
}

void Table::reclaim() {
    for (const uint32_t i : retired_) {
        Locked locked(*this);
        free_held(entries_[i]);
        entries_[i].state.store(State::kFree, std::memory_order_relaxed);
        free_.push_back(i);
    }
    retired_.clear();
}

}  // namespace sluice::neighbor
