// The flow table: cache of what was decided, and connection tracking, in one. A look-up touches two cache
// lines, a bucket (bucket.h) and a record (record.h), and is done for a batch at a time: hash and prefetch
// the buckets; candidate() and prefetch the records; is(), Record::decided, track(). What is not in the table,
// or was decided by another generation, is decided (find(), add(), decide()).
//
// All workers share it. Look-ups take no lock; whoever adds or removes a flow locks the buckets of its two
// keys, by trying, and gives up where somebody was preempted. Two workers may meet the two directions of a
// new flow at once: one adds both keys, the other finds them there.
//
// An index that a worker has found is good until the worker's next quiescent point: records of flows that
// ended are reused after a grace period only (stock.h). Those that the control thread finds are good while
// it holds a Reading. The removed flow's records can still be counted into until then, and are counted in
// ended() when the period is over.
//
// It never has more flows than were declared. When it is full, a new flow takes the place of one that matters less
// (keep_of): a hand goes round the records, a worker's own, and looks at a bounded number of them for one that is
// over or whose time is up, one that nobody has answered or confirmed, or one that is silent. An open TCP
// connection or SCTP association is taken only where its port or address has more than its share (shares.h) and
// the new flow's has less; so nobody fills the table for others, and no flood of whom it concerns takes one. Who
// has his share takes nothing of those who haven't. Before that, timeouts become shorter as the table fills
// (Timeouts). Records beyond the declared ones take the place of those that wait for a grace period.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>

#include "flow/bucket.h"
#include "flow/flow_config.h"
#include "flow/mapping.h"
#include "flow/record.h"
#include "flow/shares.h"
#include "flow/state.h"
#include "flow/stock.h"
#include "flow/tcp.h"
#include "path/counters.h"
#include "path/published.h"
#include "path/tuple.h"

namespace sluice::flow {

inline constexpr uint32_t kNoRecord = UINT32_MAX;

enum class Tracking : uint8_t {
    kConnection,  // both directions: answers are let in
    kStateless,   // packets of this one direction
};

// Who sent the packet that a flow is added for.
enum class Sender : uint8_t { kInitiator, kResponder };

// What the packets of each side look like as they arrive.
struct Keys {
    path::Tuple initiator;
    path::Tuple responder;

    Keys(const path::Tuple& one, const path::Tuple& other) noexcept : initiator(one), responder(other) {}
    // Of a flow whose packets nobody translates: each side's are the other's reversed.
    Keys(const path::Tuple& tuple) noexcept
        : Keys(tuple, tuple.reversed()) {}  // NOLINT(google-explicit-constructor)
};

struct Added {
    enum Outcome : uint8_t {
        kNew,
        kExisting,  // somebody else has added it meanwhile
        kTaken,     // another flow's packets look like the responder's: choose another translation
        kFull,      // there is no room, or somebody was preempted with a lock: pressure() says why
        kShareUsed,  // there is no room, and its port or its address has the share that it may have
    };
    uint32_t index;  // of the record of the packet's direction; kNoRecord if kFull
    Outcome outcome;
};

// Evictions and refusals since the start.
struct Pressure {
    uint64_t evicted_over = 0;       // of no use any more, before ageing found them
    uint64_t evicted_embryonic = 0;  // nobody had answered, or confirmed the answer
    uint64_t evicted_idle = 0;
    uint64_t evicted_share = 0;      // open ones, of who had more than a share
    uint64_t refused_full = 0;       // new flows: there was no record, and none to be had
    uint64_t refused_share = 0;      // the same, and their port or address had its share
    uint64_t refused_crowded = 0;    // no slot in any bucket that would do
    uint64_t refused_busy = 0;       // a lock was taken for too long
};

// A flow, as it is listed.
struct Listed {
    struct Direction {
        uint64_t packets;
        uint64_t bytes;
        path::PortId ingress;
        path::PortId egress;
        bool decided;  // ports are known
    };
    path::Tuple original;  // as its initiator sends it
    path::Tuple leaves;    // what that becomes: another one if it is translated
    State state;
    Verdict verdict;
    Direction directions[2];  // the initiator's, the other's
    Seconds age;
    Seconds idle;
    Seconds timeout;  // of its state, as full as the table is
    uint32_t objects[2];
    uint32_t generation;  // of the initiator's direction
};

class Table {
 public:
    Table(const FlowConfig& config, path::Grace& grace);
    Table(const Table&) = delete;

    // --- workers: for each packet ---

    // Keyed by a secret of this table's own: nobody outside can choose what shares a bucket.
    [[gnu::always_inline]] uint32_t hash(const path::TupleKey& key) const noexcept {
        return digest(key.addresses, key.rest);
    }
    // What a flow notes of its frames' MAC addresses (path::mac_key()): while the MAC table has that version
    // (MacTable::spread_version()) and the flow is decided so, they are behind its ports. Never 0, which stands
    // for no note. Keyed: nobody outside can choose an address that is taken for another.
    [[gnu::always_inline]] uint32_t stations(uint64_t destination, uint64_t source, Decided decided,
                                             uint64_t version) const noexcept {
        return digest(destination ^ version, source ^ decided.word()) | 1;
    }
    [[gnu::always_inline]] void prefetch(uint32_t hash) const noexcept {
        rte_prefetch0(&buckets_[places_.first(hash)]);
    }
    // A record that may be the key's, by its tag; one that is nobody's if there seems to be none.
    [[gnu::always_inline]] Record* candidate(uint32_t hash) const noexcept {
        const uint16_t tag = Places::tag(hash);
        const Bucket* bucket = &buckets_[places_.first(hash)];
        uint32_t index = 0;
        if (unlikely(!bucket->find(tag, index))) {
            if (likely(bucket->overflow.load(std::memory_order_acquire) == 0)) return nobodys_.get();
            bucket = &buckets_[places_.other(places_.first(hash), tag)];
            if (!bucket->find(tag, index)) return nobodys_.get();
        }
        return &records_[index];
    }
    // Whether that record is the packet's.
    [[gnu::always_inline]] bool is(const Record& record, const path::Connection& connection) const noexcept {
        if (unlikely(!(record.key == connection.key))) return false;
        constexpr size_t kAddresses = offsetof(wire::Ipv6Header, source);
        return likely(!connection.is_ipv6()) || addresses_[index(record)].is_at(connection.ip + kAddresses);
    }
    uint32_t index(const Record& record) const noexcept {
        return static_cast<uint32_t>(&record - records_);
    }
    Record& record(uint32_t index) noexcept { return records_[index]; }
    const Record& record(uint32_t index) const noexcept { return records_[index]; }

    // What was decided for its packets, if that was by this generation.
    [[gnu::always_inline]] static bool action(const Record& record, uint32_t generation,
                                              Action& action) noexcept {
        const Decided decided = record.decided.load(std::memory_order_acquire);
        if (unlikely(decided.generation() != generation)) return false;
        action = {.network = decided.network(),
                  .ingress = decided.ingress(),
                  .egress = decided.egress(),
                  .hop = record.hop.load(std::memory_order_acquire),
                  .verdict = decided.verdict()};
        // Somebody with a newer snapshot may have begun to write his own.
        return likely(record.decided.load(std::memory_order_relaxed) == decided);
    }

    struct Nothing {
        void operator()() const noexcept {}
    };
    // Takes note of a packet that is the record's. False if the packet must be decided: the flow is over and the
    // packet begins another connection, whose flow add() puts in the old one's place; or it opens_anew().
    // `new_second` is called of the first packet of a second, unless it tells something new.
    template <class NewSecond = Nothing>
    [[gnu::always_inline]] bool track(Record& own, const path::Connection& connection, const rte_mbuf* m,
                                      uint32_t length, Seconds now, NewSecond new_second = {}) noexcept {
        using Tcp = wire::TcpHeader;
        own.packets.add(1);
        own.bytes.add(length);
        const uint8_t flags = connection.tcp_flags;
        if (unlikely(!own.is(kSettled) || (flags & (Tcp::kSyn | Tcp::kFin | Tcp::kRst)) != 0)) {
            return track_out_of_line(own, connection, m, length, now, new_second);
        }
        // A branch: hash, find, verify and track together take 15 cycles for UDP, 20 for TCP and 24 where
        // the two are mixed at random; without a branch all pay 25 (10 k flows, replayed in batches of 64).
        if ((flags & Tcp::kAck) != 0) {
            if (unlikely(m->data_len < connection.l4_offset + sizeof(Tcp))) {
                return track_out_of_line(own, connection, m, length, now, new_second);
            }
            note_open(own, connection, rte_pktmbuf_mtod(m, const uint8_t*));
        }
        if (unlikely(own.seen.load(std::memory_order_relaxed) != now)) {
            own.seen.store(now, std::memory_order_relaxed);
            new_second();
        }
        return true;
    }

    // Whether track() does nothing about a plain packet but note_settled(): it is of an open connection, tells
    // nothing new of that, and isn't the first in this second.
    [[gnu::always_inline]] static bool is_settled(const Record& own, const path::Connection& connection,
                                                  Seconds now) noexcept {
        using Tcp = wire::TcpHeader;
        return own.is(kSettled) && (connection.tcp_flags & (Tcp::kSyn | Tcp::kFin | Tcp::kRst)) == 0 &&
               own.seen.load(std::memory_order_relaxed) == now;
    }
    [[gnu::always_inline]] static void note_settled(Record& own, const path::Connection& connection,
                                                    const rte_mbuf* m) noexcept {
        own.packets.add(1);
        own.bytes.add(m->pkt_len);
        if ((connection.tcp_flags & wire::TcpHeader::kAck) != 0) {
            note_open(own, connection, rte_pktmbuf_mtod(m, const uint8_t*));
        }
    }

    // --- workers: for some packets. The control thread too, with a Reading, where nothing is changed ---

    // The same of a packet that was judged by itself if it opens_anew(). False if the flow is over.
    bool track_judged(Record& own, const path::Connection& connection, const rte_mbuf* m, uint32_t length,
                      Seconds now) noexcept {
        own.packets.add(1);
        own.bytes.add(length);
        return track_slowly(own, connection, m, length, now, Opens::kJudged);
    }
    // Whether the packet is a SYN or an INIT that the flow didn't begin with: the responder's, or one in a flow
    // that was picked up. Its flow was judged as another connection than this packet asks for.
    bool opens_anew(const Record& own, const path::Connection& connection, const rte_mbuf* m) const noexcept;
    // kNoRecord if there is none, for certain unless somebody was preempted as he wrote.
    uint32_t find(const path::Tuple& tuple) const noexcept;
    static Beginning beginning_of(const path::Connection& connection, const rte_mbuf* m) noexcept;
    bool picks_up() const noexcept { return pick_up_.load(std::memory_order_relaxed); }
    // A flow with these keys. The decision is for the packets of `sender`; the
    // other side's first packet is decided when it comes. track_judged() then counts the packet. A flow in the
    // table that is over, or that a packet of another generation has made the other way of tracking, is replaced.
    Added add(const Keys& keys, const Decision& decision, Tracking tracking, Seconds now,
              path::WorkerId worker, Sender sender = Sender::kInitiator) noexcept;
    // As packets of that record's arrive.
    path::Tuple tuple(uint32_t index) const noexcept;
    Origin origin(uint32_t index) const noexcept {
        const Pair& pair = pairs_[index / 2];
        return {{pair.objects[0].load(std::memory_order_relaxed), pair.objects[1].load(std::memory_order_relaxed)},
                pair.opening.load(std::memory_order_relaxed)};
    }
    // Anew. What a newer generation has decided stays.
    void decide(uint32_t index, const Decision& decision) noexcept;
    // Takes a flow out, by either index. False if it is out already, or a lock was taken.
    bool remove(uint32_t index, path::WorkerId worker) noexcept;
    bool is_stateless(uint32_t index) const noexcept { return records_[index].is(kOneWay); }
    State state_at(uint32_t index) const noexcept { return state(index / 2); }
    bool is_over(uint32_t index) const noexcept;

    // For a while after flows were lost (a start, a flush) the packets of either end of a connection pick it up.
    static constexpr Seconds kRecovery = 300;
    bool is_recovering(Seconds now) const noexcept {
        return static_cast<int32_t>(recovers_until_.load(std::memory_order_relaxed) - now) > 0;
    }

    // --- control thread ---

    using Reading = Stock::Reading;
    Reading read() noexcept { return Reading(stock_); }

    // Removes flows whose time is up. Once a second; of a large table it looks at a part, so that each flow
    // is looked at in kAgeingRounds seconds. Calls meet(const Keys&) for those that stay and are translated. The
    // number of those removed.
    static constexpr uint32_t kAgeingRounds = 8;
    static constexpr uint32_t kAgedAtOnce = 1 << 17;
    struct NoMeeting {
        void operator()(const Keys&) const noexcept {}
    };
    template <class Meet = NoMeeting>
    uint32_t age(Seconds now, Meet meet = {}) {
        const uint32_t end = begin_ageing();
        uint32_t removed = 0;
        walk(aged_, end, [&](uint32_t pair) {
            if (is_expired(pair, state(pair), idle(pair, now), halvings())) {
                removed += remove_surely(pair);
                return;
            }
            if (unlikely(is_translated(pair))) meet(Keys(tuple(pair * 2), tuple(pair * 2 + 1)));
        });
        end_ageing(end);
        return removed;
    }
    // Whether it has looked at all flows when it last came to the end of its part.
    bool has_aged_all() const noexcept { return aged_ >= stock_.high(); }

    // A walk through the table in parts of some hundred microseconds. Flows may come and go between two of them;
    // one that is there all the time is met once.
    struct Walk {
        uint32_t next = 0;
        bool is_over = false;
    };
    // Calls visit(const Listed&) for the flows of the next part.
    template <class Visit>
    void for_some(Walk& at, Seconds now, Visit visit) {
        walk_some(at, [&](uint32_t pair) { visit(listed(pair, now)); });
    }
    // Adds those of the next part.
    void count_some_states(Walk& at, StateCounts& counts) noexcept;
    // Calls visit(const Listed&) for every flow.
    template <class Visit>
    void for_each(Seconds now, Visit visit) {
        walk(0, stock_.high(), [&](uint32_t pair) { visit(listed(pair, now)); });
    }
    // Removes the flows of which filter(const Listed&) says so; their number.
    template <class Filter>
    uint32_t remove_if(Seconds now, Filter filter) {
        uint32_t removed = 0;
        walk(0, stock_.high(), [&](uint32_t pair) {
            if (filter(listed(pair, now))) removed += remove_surely(pair);
        });
        reclaim();
        return removed;
    }
    // The flows of which filter(const Keys&, const Decided& of the initiator's packets, const Decided& of the
    // other's) says so are decided anew on their next packet. Every worker must have what they are to be decided
    // by: what one has decided meanwhile stays, or is decided once more.
    template <class Filter>
    void outdate_if(Filter filter) {
        walk(0, stock_.high(), [&](uint32_t pair) {
            Record& initiator = records_[pair * 2];
            Record& responder = records_[pair * 2 + 1];
            const bool is_meant = filter(Keys(tuple(pair * 2), tuple(pair * 2 + 1)),
                                         initiator.decided.load(kRelaxed), responder.decided.load(kRelaxed));
            if (!is_meant) return;
            outdate(initiator);
            outdate(responder);
        });
    }
    // The same of connections that are to go on.
    template <class Filter>
    uint32_t flush(Seconds now, Filter filter) {
        const uint32_t removed = remove_if(now, filter);
        if (removed != 0) recover_until(now + kRecovery);
        return removed;
    }
    StateCounts count_states() noexcept;
    void recover_until(Seconds end) noexcept { recovers_until_.store(end, std::memory_order_relaxed); }
    void set_timeouts(const TimeoutsConfig& timeouts) noexcept { timeouts_.set(timeouts); }
    void set_pick_up(bool pick_up) noexcept { pick_up_.store(pick_up, std::memory_order_relaxed); }

    // --- any thread ---

    uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }  // flows in the table
    uint32_t capacity() const noexcept { return capacity_; }
    uint32_t count_of(path::PortId port) const noexcept { return shares_.of(port); }  // that came from there
    Pressure pressure() const noexcept;
    uint64_t created() const noexcept;
    // What the flows that are gone have counted.
    struct Counted {
        uint64_t packets = 0;
        uint64_t bytes = 0;
    };
    Counted ended() const noexcept;
    // Bytes that the table may come to use, and that it uses now.
    size_t memory() const noexcept;
    size_t memory_used() const;

 private:
    [[gnu::always_inline]] uint32_t digest(uint64_t one, uint64_t other) const noexcept {
        const auto product = static_cast<unsigned __int128>(one ^ secret_[0]) * (other ^ secret_[1]);
        return static_cast<uint32_t>(product) ^ static_cast<uint32_t>(product >> 64);
    }

    // What a worker (or the control thread, the last one) has for itself.
    struct alignas(64) Desk {
        Chain free;
        Chain retired;
        uint32_t hand = 0;      // the pair that is looked at next for room
        uint32_t in_vain = 0;   // records that it has looked at since it last found one that isn't open
        uint32_t pause = 0;     // flows to come for which it doesn't look
        path::Counter created;
        path::Counter evicted[kKeepCount];
        path::Counter refused_full;
        path::Counter refused_share;
        path::Counter refused_crowded;
        path::Counter refused_busy;
        path::Traffic ended;
    };
    struct Slot {
        uint32_t bucket;
        uint32_t slot;
        uint32_t index;
    };
    class Locks;
    enum class Insertion : uint8_t { kDone, kCrowded, kBusy };
    enum class Removal : uint8_t { kDone, kGone, kBusy };
    static constexpr uint16_t kControl = path::kMaxWorkers;

    enum class Opens : bool { kUnjudged, kJudged };  // of a packet that opens_anew()
    [[gnu::noinline]] bool track_slowly(Record& own, const path::Connection& connection, const rte_mbuf* m,
                                        uint32_t length, Seconds now, Opens opens) noexcept;
    // The same, and tells of a new second.
    template <class NewSecond>
    [[gnu::noinline]] bool track_out_of_line(Record& own, const path::Connection& connection, const rte_mbuf* m,
                                             uint32_t length, Seconds now, NewSecond new_second) noexcept {
        const bool is_new_second = own.seen.load(std::memory_order_relaxed) != now;
        if (!track_slowly(own, connection, m, length, now, Opens::kUnjudged)) return false;
        if (is_new_second) new_second();
        return true;
    }
    Record& peer_of(const Record& record) noexcept { return records_[index(record) ^ 1]; }

    bool is(uint32_t index, const path::Tuple& tuple) const noexcept {
        return records_[index].key == tuple.key &&
               (!tuple.key.is_ipv6() || addresses_[index] == tuple.ipv6);
    }
    bool is_linked(uint32_t pair) const noexcept {
        return pairs_[pair].life.load(std::memory_order_acquire) == Pair::Life::kLinked;
    }
    State state(uint32_t pair) const noexcept { return state_of(records_[pair * 2], records_[pair * 2 + 1]); }
    Seconds idle(uint32_t pair, Seconds now) const noexcept;
    bool is_expired(uint32_t pair, State state, Seconds idle, uint32_t halvings) const noexcept;
    uint32_t halvings() const noexcept { return Timeouts::halvings(count(), capacity_); }
    Owner owner_of(uint32_t pair) const noexcept;

    // Under the locks of the keys' first buckets.
    std::optional<Slot> locate(const path::Tuple& tuple, uint32_t hash) const noexcept;
    Insertion insert(Locks& locks, uint32_t hash, uint32_t index) noexcept;
    Insertion displace(Locks& locks, uint32_t bucket, uint32_t depth, uint32_t& slot) noexcept;
    void move(uint32_t bucket, uint32_t slot, uint32_t to, uint32_t free) noexcept;
    void clear(const Slot& slot, uint32_t hash) noexcept;
    Removal unlink(Locks& locks, uint32_t pair, Desk& desk) noexcept;
    Removal remove_pair(uint32_t pair, Desk& desk) noexcept;
    bool remove_surely(uint32_t pair) noexcept;
    Added try_add(uint32_t pair, const Keys& keys, const Decision& decision, Tracking tracking,
                  Desk& desk, bool& again) noexcept;

    void fill(uint32_t pair, const Keys& keys, const Decision& decision, Tracking tracking,
              Sender sender, Seconds now) noexcept;
    bool take_place() noexcept;
    void give_back_place() noexcept { count_.fetch_sub(1, std::memory_order_relaxed); }
    uint32_t allocate(Desk& desk, const Shares::Claim& claim, Seconds now) noexcept;
    bool refill(Desk& desk) noexcept;
    bool make_place(Desk& desk, const Shares::Claim& claim, Seconds now) noexcept;
    bool evict(Desk& desk, const Shares::Claim& claim, Seconds now) noexcept;
    static void outdate(Record& record) noexcept;
    void count_ended(Desk& desk, const Chain& chain) noexcept;
    void hand_over(Desk& desk) noexcept;
    // By its keys, which have a digest of IPv6 addresses.
    bool is_translated(uint32_t pair) const noexcept {
        return !(path::reversed(records_[pair * 2].key) == records_[pair * 2 + 1].key);
    }
    uint32_t begin_ageing() noexcept;
    void end_ageing(uint32_t end) noexcept;
    void reclaim() noexcept;
    Listed listed(uint32_t pair, Seconds now) const noexcept;

    template <class Visit>
    void walk_some(Walk& at, Visit visit) {
        constexpr uint32_t kPart = 4096;
        const uint32_t high = stock_.high();
        const uint32_t end = std::min(high, at.next + kPart);
        walk(at.next, end, visit);
        at = {end, end == high};
    }

    // visit() for the linked pairs from `begin` to `end`, in steps between which workers get on.
    template <class Visit>
    void walk(uint32_t begin, uint32_t end, Visit visit) {
        constexpr uint32_t kStep = 256;
        for (uint32_t at = begin; at < end; at += kStep) {
            const Reading reading(stock_);
            for (uint32_t pair = at; pair < std::min(at + kStep, end); ++pair) {
                if (is_linked(pair)) visit(pair);
            }
        }
    }

    uint64_t secret_[2];
    uint32_t capacity_;  // flows, as declared
    Places places_;
    Mapping mapping_;
    Bucket* buckets_;
    Record* records_;
    path::Ipv6Pair* addresses_;  // by record; touched by IPv6 flows only
    std::unique_ptr<Record> nobodys_;  // with a key that no packet has
    Pair* pairs_;
    Stock stock_;
    Shares shares_;
    Timeouts timeouts_;
    std::atomic<bool> pick_up_;
    std::atomic<Seconds> recovers_until_{0};
    std::unique_ptr<Desk[]> desks_;
    uint32_t aged_ = 0;  // the pair where ageing goes on
    alignas(64) std::atomic<uint32_t> count_{0};
};

}  // namespace sluice::flow
