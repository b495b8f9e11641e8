#include "flow/flow_table.h"

#include <rte_pause.h>
#include <sys/random.h>

#include <cstdlib>

#include "flow/sctp.h"
#include "wire/headers.h"

namespace sluice::flow {
namespace {

using wire::Protocol;

// Keys in a bucket on average when the table is full: six tenths, at most. First fit in two buckets fails at
// 28 % (DESIGN), with one or two displacements at over 80 %.
constexpr uint32_t buckets_for(uint32_t pairs) {
    return std::bit_ceil(static_cast<uint32_t>(uint64_t{pairs} * 2 * 10 / (Bucket::kSlots * 6)) + 1);
}

// What there is beyond the declared flows, for those that have ended and wait for their grace period: at half a
// million new flows a second enough for 16 ms in which a preempted worker ends none.
constexpr uint32_t reserve_for(uint32_t flows) { return std::clamp(flows / 16, 512U, 8192U); }

constexpr uint32_t pairs_for(uint32_t flows) {
    const uint32_t pairs = flows + reserve_for(flows);
    return (pairs + Stock::kChain - 1) / Stock::kChain * Stock::kChain;
}

constexpr size_t size_for(uint32_t flows) {
    const size_t pairs = pairs_for(flows);
    return Mapping::rounded(buckets_for(pairs_for(flows)) * sizeof(Bucket)) +
           Mapping::rounded(pairs * 2 * sizeof(Record)) +
           Mapping::rounded(pairs * 2 * sizeof(path::Ipv6Pair)) + Mapping::rounded(pairs * sizeof(Pair));
}

// How far the hand goes for one flow that can make room; and where it has found one that is as young as this
// second, for an older one. Flows then have about as long to be answered as the hand takes for a round.
constexpr uint32_t kReach = 64;
constexpr int kReaches = 64;  // of them in a row for one new flow
constexpr uint32_t kReachForOlder = 8;
// New flows for which nobody looks for room after a whole round in vain: a table full of open connections
// must not cost each of them a search.
constexpr uint32_t kPause = 32;
constexpr Seconds kIdle = 10;

constexpr int kAddTries = 64;
constexpr int kPlaceTries = 4;
constexpr int kFindTries = 256;

Decided decided_by(const Decision& d) noexcept {
    return {d.generation, d.verdict, d.network, d.ingress, d.egress};
}

void draw(uint64_t (&secret)[2]) {
    auto* at = reinterpret_cast<char*>(secret);
    for (size_t got = 0; got < sizeof secret;) {
        const ssize_t n = getrandom(at + got, sizeof secret - got, 0);
        if (n > 0) got += static_cast<size_t>(n);
    }
}

}  // namespace

// The buckets that somebody changes, until he is done.
class Table::Locks {
 public:
    explicit Locks(Table& table) noexcept : table_(table) {}
    Locks(const Locks&) = delete;
    ~Locks() { release(0); }

    // True too for one that is held.
    bool lock(uint32_t bucket) noexcept {
        for (uint32_t i = 0; i < count_; ++i) {
            if (held_[i] == bucket) return true;
        }
        if (count_ == kMost || !table_.buckets_[bucket].try_lock()) return false;
        held_[count_++] = bucket;
        return true;
    }
    uint32_t count() const noexcept { return count_; }
    // All but the first `count`.
    void release(uint32_t count) noexcept {
        while (count_ > count) table_.buckets_[held_[--count_]].unlock();
    }

 private:
    // Two keys, each with its buckets and those of two displacements.
    static constexpr uint32_t kMost = 8;

    Table& table_;
    uint32_t held_[kMost];
    uint32_t count_ = 0;
};

Table::Table(const FlowConfig& config, path::Grace& grace)
    : capacity_(config.size),
      places_(buckets_for(pairs_for(config.size))),
      mapping_(size_for(config.size)),
      // All-zero bytes are valid, and mean empty.
      buckets_(mapping_.take<Bucket>(places_.count())),
      records_(mapping_.take<Record>(size_t{pairs_for(config.size)} * 2)),
      addresses_(mapping_.take<path::Ipv6Pair>(size_t{pairs_for(config.size)} * 2)),
      nobodys_(std::make_unique<Record>()),
      pairs_(mapping_.take<Pair>(pairs_for(config.size))),
      stock_(pairs_, pairs_for(config.size), grace),
      shares_(config.size),
      timeouts_(config.timeouts),
      pick_up_(config.pick_up),
      desks_(std::make_unique<Desk[]>(kControl + 1)) {
    draw(secret_);
    nobodys_->key = {UINT64_MAX, UINT64_MAX};
    for (uint32_t i = 0; i <= kControl; ++i) desks_[i].hand = i * (stock_.count() / (kControl + 1));
}

// --- looking up ---

path::Tuple Table::tuple(uint32_t index) const noexcept {
    const path::TupleKey key = records_[index].key;
    return {key, key.is_ipv6() ? addresses_[index] : path::Ipv6Pair{}};
}

uint32_t Table::find(const path::Tuple& tuple) const noexcept {
    const uint32_t h = hash(tuple.key);
    const uint16_t tag = Places::tag(h);
    const Bucket& first = buckets_[places_.first(h)];
    const Bucket& other = buckets_[places_.other(places_.first(h), tag)];
    auto in = [&](const Bucket& bucket) {
        for (uint32_t bits = bucket.match(tag); bits != 0; bits &= bits - 1) {
            const uint32_t index = bucket.index(static_cast<uint32_t>(std::countr_zero(bits)));
            if (is(index, tuple)) return index;
        }
        return kNoRecord;
    };
    for (int i = 0; i < kFindTries; ++i) {
        const uint32_t version = first.version.load(std::memory_order_acquire);
        const uint32_t other_version = other.version.load(std::memory_order_acquire);
        uint32_t index = in(first);
        const bool overflows = first.overflow.load(std::memory_order_acquire) != 0;
        if (index == kNoRecord && overflows) index = in(other);
        if (index != kNoRecord) return index;
        // The loads above are acquiring, so these come after them.
        if (version % 2 == 0 && first.version.load(kRelaxed) == version &&
            (!overflows || (other_version % 2 == 0 && other.version.load(kRelaxed) == other_version))) {
            return kNoRecord;
        }
        rte_pause();
    }
    return kNoRecord;
}

Beginning Table::beginning_of(const path::Connection& c, const rte_mbuf* m) noexcept {
    using Tcp = wire::TcpHeader;
    using Icmp = wire::IcmpHeader;
    switch (c.protocol()) {
        case Protocol::kTcp: {
            const uint8_t flags = c.tcp_flags & (Tcp::kSyn | Tcp::kAck | Tcp::kRst | Tcp::kFin);
            if (flags == Tcp::kSyn) return Beginning::kOpens;
            return (flags & ~Tcp::kFin) == Tcp::kAck ? Beginning::kContinues : Beginning::kNever;
        }
        case Protocol::kSctp: return sctp_beginning(m, c);
        case Protocol::kIcmp:
            return c.icmp_type == Icmp::kEchoReply ? Beginning::kNever : Beginning::kOpens;
        case Protocol::kIcmpv6:
            return c.icmp_type == Icmp::kV6EchoReply ? Beginning::kNever : Beginning::kOpens;
        default: return Beginning::kOpens;
    }
}

bool Table::opens_anew(const Record& own, const path::Connection& c, const rte_mbuf* m) const noexcept {
    using Tcp = wire::TcpHeader;
    switch (own.key.protocol()) {
        case Protocol::kTcp:
            if ((c.tcp_flags & (Tcp::kSyn | Tcp::kAck | Tcp::kRst)) != Tcp::kSyn) return false;
            break;
        case Protocol::kSctp:
            if (sctp_beginning(m, c) != Beginning::kOpens) return false;
            break;
        default: return false;
    }
    const bool is_initiator = index(own) % 2 == 0;
    return !is_initiator || !own.is(kOpened);
}

bool Table::is_over(uint32_t index) const noexcept {
    const State now_in = state_at(index);
    return now_in == State::kClosed || now_in == State::kTimeWait;
}

// --- adding ---

Added Table::add(const Keys& keys, const Decision& decision, Tracking tracking, Seconds now,
                 path::WorkerId worker, Sender sender) noexcept {
    Desk& desk = desks_[path::index(worker)];
    const uint32_t from = sender == Sender::kInitiator ? 0 : 1;
    rte_prefetch0(&buckets_[places_.first(hash(keys.responder.key))]);
    const Owner owner{decision.ingress, Shares::address_place(keys.initiator, secret_[1])};
    const Shares::Claim claim(shares_, owner);
    const uint32_t pair = allocate(desk, claim, now);
    if (pair == kNoPair) {
        const uint32_t index = find(keys.initiator);
        if (index != kNoRecord) return {index ^ from, Added::kExisting};
        (claim.is_over() ? desk.refused_share : desk.refused_full).add(1);
        return {kNoRecord, claim.is_over() ? Added::kShareUsed : Added::kFull};
    }
    fill(pair, keys, decision, tracking, sender, now);
    Added added{kNoRecord, Added::kFull};
    bool again = true;
    for (int i = 0; i < kAddTries && again; ++i) {
        again = false;
        added = try_add(pair, keys, decision, tracking, desk, again);
    }
    if (added.outcome == Added::kNew) {
        desk.created.add(1);
    } else {
        give_back_place();
        // Where its first key stood for a moment, somebody may have found it.
        pairs_[pair].life.store(Pair::Life::kRetired, kRelaxed);
        desk.retired.push(pairs_, pair);
        if (added.outcome == Added::kFull) (again ? desk.refused_busy : desk.refused_crowded).add(1);
    }
    hand_over(desk);
    if (added.index != kNoRecord) added.index ^= from;
    return added;
}

void Table::fill(uint32_t pair, const Keys& keys, const Decision& d, Tracking tracking,
                 Sender sender, Seconds now) noexcept {
    const path::Tuple* tuples[2] = {&keys.initiator, &keys.responder};
    for (uint32_t i = 0; i < 2; ++i) {
        Record& record = records_[pair * 2 + i];
        record.key = tuples[i]->key;
        if (record.key.is_ipv6()) addresses_[pair * 2 + i] = tuples[i]->ipv6;
        const bool decided = i == static_cast<uint32_t>(sender);
        record.decided.store(decided ? decided_by(d) : Decided(), kRelaxed);
        record.seen.store(now, kRelaxed);
        record.hop.store(decided ? d.hop : 0, kRelaxed);
        record.stations.store(0, kRelaxed);
        record.progress.store(tracking == Tracking::kStateless ? kOneWay : 0, kRelaxed);
        record.scale.store(0, kRelaxed);
        record.end.store(0, kRelaxed);
        record.ack.store(0, kRelaxed);
        record.window.store(0, kRelaxed);
        record.packets.reset();
        record.bytes.reset();
    }
    pairs_[pair].owner.store(d.ingress, kRelaxed);
    pairs_[pair].created.store(now, kRelaxed);
    pairs_[pair].objects[0].store(d.objects[0], kRelaxed);
    pairs_[pair].objects[1].store(d.objects[1], kRelaxed);
    pairs_[pair].opening.store(d.opening, kRelaxed);
}

Added Table::try_add(uint32_t pair, const Keys& keys, const Decision& decision,
                     Tracking tracking, Desk& desk, bool& again) noexcept {
    constexpr Added kFull{kNoRecord, Added::kFull};
    const path::Tuple& original = keys.initiator;
    const path::Tuple& answer = keys.responder;
    const bool both = tracking == Tracking::kConnection && !(answer == original);
    const uint32_t h = hash(original.key);
    const uint32_t r = hash(answer.key);
    Locks locks(*this);
    // In order, so that two who add the same flow don't stand in each other's way for long.
    const auto [lower, upper] = std::minmax({places_.first(h), places_.first(r)});
    auto busy = [&] {
        again = true;
        return kFull;
    };
    if (!locks.lock(lower) || !locks.lock(upper)) return busy();

    const std::optional<Slot> known = locate(original, h);
    std::optional<Slot> answers;
    if (both) answers = locate(answer, r);
    if (known) {
        const uint32_t old = known->index / 2;
        // Another worker has already decided this flow in this generation; its decision wins.
        const bool is_outdated =
            is_stateless(known->index) != (tracking == Tracking::kStateless) &&
            records_[old * 2].decided.load(kRelaxed).generation() != decision.generation;
        if (!is_over(known->index) && !is_outdated) return {known->index, Added::kExisting};
        if (unlink(locks, old, desk) == Removal::kBusy) return busy();
    }
    if (answers && is_linked(answers->index / 2)) {
        // A stateless flow's packets are answers from now on. Those of another connection stay that one's.
        const bool is_free = is_stateless(answers->index) || is_over(answers->index);
        if (!is_free) return {kNoRecord, Added::kTaken};
        if (unlink(locks, answers->index / 2, desk) == Removal::kBusy) return busy();
    }

    Insertion insertion = insert(locks, h, pair * 2);
    if (insertion == Insertion::kDone && both) {
        insertion = insert(locks, r, pair * 2 + 1);
        if (insertion != Insertion::kDone) clear(*locate(original, h), h);
    }
    if (insertion == Insertion::kBusy) return busy();
    if (insertion == Insertion::kCrowded) return kFull;
    shares_.add(owner_of(pair));
    pairs_[pair].life.store(Pair::Life::kLinked, std::memory_order_release);
    return {pair * 2, Added::kNew};
}

std::optional<Table::Slot> Table::locate(const path::Tuple& tuple, uint32_t hash) const noexcept {
    const uint16_t tag = Places::tag(hash);
    const uint32_t first = places_.first(hash);
    auto in = [&](uint32_t bucket) -> std::optional<Slot> {
        for (uint32_t bits = buckets_[bucket].match(tag); bits != 0; bits &= bits - 1) {
            const auto slot = static_cast<uint32_t>(std::countr_zero(bits));
            const uint32_t index = buckets_[bucket].index(slot);
            if (is(index, tuple)) return Slot{bucket, slot, index};
        }
        return std::nullopt;
    };
    if (const auto found = in(first)) return found;
    if (buckets_[first].overflow.load(kRelaxed) == 0) return std::nullopt;
    // Nobody moves it without the lock of its first bucket; others may move what stands beside it.
    return in(places_.other(first, tag));
}

Table::Insertion Table::insert(Locks& locks, uint32_t hash, uint32_t index) noexcept {
    constexpr uint32_t kMostDisplaced = 2;
    const uint16_t tag = Places::tag(hash);
    const uint32_t first = places_.first(hash);
    const uint32_t other = places_.other(first, tag);
    Insertion result = Insertion::kCrowded;
    for (uint32_t depth = 0; depth <= kMostDisplaced; ++depth) {
        for (const uint32_t bucket : {first, other}) {
            uint32_t slot = 0;
            if (!locks.lock(bucket)) {
                result = Insertion::kBusy;
                continue;
            }
            const Insertion made = displace(locks, bucket, depth, slot);
            if (made == Insertion::kBusy) result = made;
            if (made != Insertion::kDone) continue;
            // The mark first: who finds nothing in the first bucket must see it.
            if (bucket != first) buckets_[first].count_overflow(+1);
            buckets_[bucket].put(slot, tag, index, bucket != first);
            return Insertion::kDone;
        }
    }
    return result;
}

// Finds or makes a free slot in a locked bucket, by moving up to `depth` residents one after the other.
Table::Insertion Table::displace(Locks& locks, uint32_t bucket, uint32_t depth, uint32_t& slot) noexcept {
    Bucket& here = buckets_[bucket];
    if (const uint32_t free = here.free_slots(); free != 0) {
        slot = static_cast<uint32_t>(std::countr_zero(free));
        return Insertion::kDone;
    }
    if (depth == 0) return Insertion::kCrowded;
    Insertion result = Insertion::kCrowded;
    for (slot = 0; slot < Bucket::kSlots; ++slot) {
        const uint32_t there = places_.other(bucket, here.tag(slot));
        if (depth == 1 && buckets_[there].free_slots() == 0) continue;
        const uint32_t held = locks.count();
        if (!locks.lock(there)) {
            result = Insertion::kBusy;
            continue;
        }
        uint32_t free = 0;
        const Insertion made = displace(locks, there, depth - 1, free);
        if (made == Insertion::kDone) {
            // It is still here: nothing moves into a bucket that is full.
            move(bucket, slot, there, free);
            return Insertion::kDone;
        }
        if (made == Insertion::kBusy) result = made;
        locks.release(held);
    }
    return result;
}

// A copy first: a look-up that runs meanwhile finds it in one of the two.
void Table::move(uint32_t bucket, uint32_t slot, uint32_t to, uint32_t free) noexcept {
    Bucket& here = buckets_[bucket];
    Bucket& there = buckets_[to];
    const bool comes_home = here.is_away(slot);
    if (!comes_home) here.count_overflow(+1);
    there.put(free, here.tag(slot), here.index(slot), !comes_home);
    here.clear(slot);
    if (comes_home) there.count_overflow(-1);
}

void Table::clear(const Slot& slot, uint32_t hash) noexcept {
    Bucket& bucket = buckets_[slot.bucket];
    const bool away = bucket.is_away(slot.slot);
    bucket.clear(slot.slot);
    if (away) buckets_[places_.first(hash)].count_overflow(-1);
}

// --- removing ---

// With the locks of its keys' first buckets. All of it or nothing.
Table::Removal Table::unlink(Locks& locks, uint32_t pair, Desk& desk) noexcept {
    const bool single =
        is_stateless(pair * 2) || is(pair * 2, tuple(pair * 2 + 1));
    uint32_t hashes[2];
    Slot slots[2];
    const uint32_t count = single ? 1 : 2;
    for (uint32_t i = 0; i < count; ++i) {
        hashes[i] = hash(records_[pair * 2 + i].key);
        const std::optional<Slot> slot = locate(tuple(pair * 2 + i), hashes[i]);
        if (!slot || slot->index != pair * 2 + i) std::abort();  // the table is not what it says it is
        slots[i] = *slot;
        if (!locks.lock(slot->bucket)) return Removal::kBusy;
    }
    for (uint32_t i = 0; i < count; ++i) clear(slots[i], hashes[i]);
    pairs_[pair].life.store(Pair::Life::kRetired, std::memory_order_release);
    shares_.remove(owner_of(pair));
    give_back_place();
    desk.retired.push(pairs_, pair);
    return Removal::kDone;
}

Table::Removal Table::remove_pair(uint32_t pair, Desk& desk) noexcept {
    Locks locks(*this);
    const uint32_t one = places_.first(hash(records_[pair * 2].key));
    const uint32_t two = places_.first(hash(records_[pair * 2 + 1].key));
    const auto [lower, upper] = std::minmax({one, two});
    if (!locks.lock(lower) || !locks.lock(upper)) return Removal::kBusy;
    if (!is_linked(pair)) return Removal::kGone;
    return unlink(locks, pair, desk);
}

bool Table::remove(uint32_t index, path::WorkerId worker) noexcept {
    Desk& desk = desks_[path::index(worker)];
    const Removal removal = remove_pair(index / 2, desk);
    hand_over(desk);
    return removal == Removal::kDone;
}

bool Table::remove_surely(uint32_t pair) noexcept {
    Desk& desk = desks_[kControl];
    for (;;) {
        const Removal removal = remove_pair(pair, desk);
        if (removal != Removal::kBusy) {
            hand_over(desk);
            return removal == Removal::kDone;
        }
        rte_pause();
    }
}

// What a desk has collected goes to the stock; later, if the stock's lock was taken.
void Table::hand_over(Desk& desk) noexcept {
    if (desk.retired.size >= Stock::kChain && stock_.retire(desk.retired)) desk.retired = {};
}

void Table::count_ended(Desk& desk, const Chain& chain) noexcept {
    for (uint32_t pair = chain.head; pair != kNoPair; pair = pairs_[pair].next) {
        for (uint32_t i = 0; i < 2; ++i) {
            const Record& record = records_[pair * 2 + i];
            desk.ended.add(record.packets.get(), record.bytes.get());
        }
    }
}

void Table::reclaim() noexcept {
    Desk& desk = desks_[kControl];
    while (!stock_.retire(desk.retired)) rte_pause();
    desk.retired = {};
    for (Chain chain; stock_.take_ended(chain);) {
        count_ended(desk, chain);
        stock_.put(chain);
    }
}

// --- room for new ones ---

bool Table::take_place() noexcept {
    uint32_t count = count_.load(kRelaxed);
    while (count < capacity_) {
        if (count_.compare_exchange_weak(count, count + 1, kRelaxed)) return true;
    }
    return false;
}

uint32_t Table::allocate(Desk& desk, const Shares::Claim& claim, Seconds now) noexcept {
    for (int i = 0; !take_place(); ++i) {
        // Another worker may have been faster to take the place.
        if (i == kPlaceTries || !make_place(desk, claim, now)) return kNoPair;
        hand_over(desk);
    }
    if (unlikely(desk.free.size == 0) && !refill(desk)) {
        give_back_place();
        return kNoPair;
    }
    return desk.free.pop(pairs_);
}

bool Table::refill(Desk& desk) noexcept {
    bool ended = false;
    const bool found = stock_.take(desk.free, ended);
    if (found && ended) count_ended(desk, desk.free);
    return found;
}

Owner Table::owner_of(uint32_t pair) const noexcept {
    return {pairs_[pair].owner.load(kRelaxed), Shares::address_place(tuple(pair * 2), secret_[1])};
}

// A run of open connections must not refuse a new one while others can give way behind it. Once a whole round has
// found nothing, evict() pauses, and that ends the search.
bool Table::make_place(Desk& desk, const Shares::Claim& claim, Seconds now) noexcept {
    for (int i = 0; i < kReaches; ++i) {
        if (evict(desk, claim, now)) return true;
        if (desk.pause != 0) return false;
    }
    return false;
}

bool Table::evict(Desk& desk, const Shares::Claim& claim, Seconds now) noexcept {
    // Who has less than others may take open connections, and doesn't pay for those who searched in vain.
    if (desk.pause != 0 && !claim.has_less()) {
        --desk.pause;
        return false;
    }
    const uint32_t high = stock_.high();
    const bool all_are_open = desk.in_vain >= high;
    auto made = [&](Keep keep) {
        desk.evicted[static_cast<size_t>(keep)].add(1);
        if (keep != Keep::kAlways) desk.in_vain = 0;
        return true;
    };
    uint32_t young = kNoPair;
    uint32_t open = kNoPair;  // the one that is silent the longest
    Seconds open_silent = 0;
    for (uint32_t i = 0; i < (young == kNoPair ? kReach : kReachForOlder); ++i) {
        const uint32_t pair = desk.hand < high ? desk.hand : 0;
        desk.hand = pair + 1;
        if (!is_linked(pair)) continue;
        const State now_in = state(pair);
        const Seconds silent = idle(pair, now);
        Keep keep = is_expired(pair, now_in, silent, 0) ? Keep::kOver : keep_of(now_in);
        if (keep != Keep::kOver) {
            const Owner owner = owner_of(pair);
            if (claim.must_spare(owner)) continue;
            const bool is_silent =
                keep == Keep::kIdle ? silent >= kIdle : is_expired(pair, now_in, silent, halvings());
            if (keep == Keep::kAlways && is_silent) keep = Keep::kIdle;
            if (keep == Keep::kAlways || (keep == Keep::kIdle && !is_silent)) {
                if ((open == kNoPair || silent > open_silent) && claim.may_take_from(owner, all_are_open)) {
                    open = pair;
                    open_silent = silent;
                }
                continue;
            }
        }
        if (keep == Keep::kEmbryonic && silent == 0) {
            if (young == kNoPair) young = pair;
            continue;
        }
        if (remove_pair(pair, desk) != Removal::kDone) continue;
        return made(keep);
    }
    if (young != kNoPair && remove_pair(young, desk) == Removal::kDone) return made(Keep::kEmbryonic);
    if (open != kNoPair && remove_pair(open, desk) == Removal::kDone) return made(Keep::kAlways);
    if (desk.in_vain < high) desk.in_vain += kReach;
    if (desk.in_vain >= high) desk.pause = kPause;
    return false;
}

// --- what packets tell ---

bool Table::track_slowly(Record& own, const path::Connection& connection, const rte_mbuf* m, uint32_t length,
                         Seconds now, Opens opens) noexcept {
    Record& peer = peer_of(own);
    const Protocol protocol = own.key.protocol();
    const bool has_states = protocol == Protocol::kTcp || protocol == Protocol::kSctp;
    const bool is_opening = opens_anew(own, connection, m);
    Progress progress = Progress::kAlive;
    if (is_opening && opens == Opens::kUnjudged) {
        progress = Progress::kBegins;
    } else if (own.is(kOneWay) || !has_states) {
        own.progress.fetch_or(static_cast<uint8_t>(kSeen | kSettled | (is_opening ? kOpened : 0)));
    } else if (own.decided.load(kRelaxed).verdict() != Verdict::kAllow) {
        // What never arrives opens and closes nothing.
    } else if (protocol == Protocol::kTcp) {
        progress = follow_tcp(own, peer, read_segment(m, connection));
    } else {
        progress = follow_sctp(own, peer, m, connection);
    }
    if (progress == Progress::kBegins) {
        // It counts for the flow that it begins, or once it is judged.
        own.packets.add(-uint64_t{1});
        own.bytes.add(-uint64_t{length});
        return false;
    }
    if (progress == Progress::kAlive && own.seen.load(kRelaxed) != now) own.seen.store(now, kRelaxed);
    return true;
}

void Table::decide(uint32_t index, const Decision& d) noexcept {
    Pair& pair = pairs_[index / 2];
    // Two workers at once: the other's will do, or his is older, and the next packet is decided again.
    if (pair.deciding.exchange(true, std::memory_order_acquire)) return;
    Record& record = records_[index];
    const uint32_t before = record.decided.load(kRelaxed).generation();
    if (before == 0 || is_as_new(d.generation, before)) {
        // Nobody takes a part of this for the whole, see action().
        record.decided.store(Decided(), kRelaxed);
        record.hop.store(d.hop, std::memory_order_release);
        record.stations.store(0, std::memory_order_release);
        pair.objects[0].store(d.objects[0], kRelaxed);
        pair.objects[1].store(d.objects[1], kRelaxed);
        pair.opening.store(d.opening, kRelaxed);
        record.decided.store(decided_by(d), std::memory_order_release);
    }
    pair.deciding.store(false, std::memory_order_release);
}

// --- control thread ---

// It keeps its ports, by which it is decided anew. A worker that writes a decision at the same time has the newest
// tables.
void Table::outdate(Record& record) noexcept {
    Decided decided = record.decided.load(kRelaxed);
    if (decided.generation() == 0) return;
    record.decided.compare_exchange_strong(decided, decided.with(previous_generation(decided.generation())),
                                           std::memory_order_release, kRelaxed);
}

Seconds Table::idle(uint32_t pair, Seconds now) const noexcept {
    // A worker's clock may be a second ahead of the caller's.
    auto since = [&](uint32_t index) {
        const auto passed = static_cast<int32_t>(now - records_[index].seen.load(kRelaxed));
        return static_cast<Seconds>(std::max(passed, 0));
    };
    return std::min(since(pair * 2), since(pair * 2 + 1));
}

bool Table::is_expired(uint32_t pair, State state, Seconds idle, uint32_t halvings) const noexcept {
    return idle >= Timeouts::shortened(timeouts_.of(state, records_[pair * 2].key.protocol()), halvings);
}

uint32_t Table::begin_ageing() noexcept {
    const uint32_t high = stock_.high();
    const uint32_t part = std::max(kAgedAtOnce, high / kAgeingRounds + 1);
    if (aged_ >= high || part >= high) aged_ = 0;
    return std::min(high, aged_ + part);
}

void Table::end_ageing(uint32_t end) noexcept {
    aged_ = end;
    reclaim();
}

Listed Table::listed(uint32_t pair, Seconds now) const noexcept {
    auto direction = [](const Record& record) {
        const Decided decided = record.decided.load(kRelaxed);
        return Listed::Direction{.packets = record.packets.get(),
                                 .bytes = record.bytes.get(),
                                 .ingress = decided.ingress(),
                                 .egress = decided.egress(),
                                 .decided = decided.generation() != 0};
    };
    const Record& initiator = records_[pair * 2];
    const State now_in = state(pair);
    const auto age = static_cast<int32_t>(now - pairs_[pair].created.load(kRelaxed));
    return {.original = tuple(pair * 2),
            .leaves = tuple(pair * 2 + 1).reversed(),
            .state = now_in,
            .verdict = initiator.decided.load(kRelaxed).verdict(),
            .directions = {direction(initiator), direction(records_[pair * 2 + 1])},
            .age = static_cast<Seconds>(std::max(age, 0)),
            .idle = idle(pair, now),
            .timeout = Timeouts::shortened(timeouts_.of(now_in, initiator.key.protocol()), halvings()),
            .objects = {pairs_[pair].objects[0].load(kRelaxed), pairs_[pair].objects[1].load(kRelaxed)},
            .generation = initiator.decided.load(kRelaxed).generation()};
}

void Table::count_some_states(Walk& at, StateCounts& counts) noexcept {
    walk_some(at, [&](uint32_t pair) { ++counts[static_cast<size_t>(state(pair))]; });
}

StateCounts Table::count_states() noexcept {
    StateCounts counts{};
    for (Walk walk; !walk.is_over;) count_some_states(walk, counts);
    return counts;
}

uint64_t Table::created() const noexcept {
    uint64_t created = 0;
    for (uint32_t i = 0; i <= kControl; ++i) created += desks_[i].created.get();
    return created;
}

Pressure Table::pressure() const noexcept {
    Pressure pressure;
    for (uint32_t i = 0; i <= kControl; ++i) {
        const Desk& desk = desks_[i];
        pressure.evicted_over += desk.evicted[static_cast<size_t>(Keep::kOver)].get();
        pressure.evicted_embryonic += desk.evicted[static_cast<size_t>(Keep::kEmbryonic)].get();
        pressure.evicted_idle += desk.evicted[static_cast<size_t>(Keep::kIdle)].get();
        pressure.evicted_share += desk.evicted[static_cast<size_t>(Keep::kAlways)].get();
        pressure.refused_full += desk.refused_full.get();
        pressure.refused_share += desk.refused_share.get();
        pressure.refused_crowded += desk.refused_crowded.get();
        pressure.refused_busy += desk.refused_busy.get();
    }
    return pressure;
}

Table::Counted Table::ended() const noexcept {
    Counted ended;
    for (uint32_t i = 0; i <= kControl; ++i) {
        ended.packets += desks_[i].ended.packets.get();
        ended.bytes += desks_[i].ended.bytes.get();
    }
    return ended;
}

size_t Table::memory() const noexcept { return mapping_.size(); }

size_t Table::memory_used() const { return mapping_.used(); }

}  // namespace sluice::flow
