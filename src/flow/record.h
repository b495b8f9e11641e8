// What the switch knows of a flow: two records, one for each direction and one cache line each, and beside
// them, in colder memory, what only the listing and the ageing ask for. The records of a flow are neighbors:
// the even index is the initiator's, peer = index ^ 1.
//
// A direction's packets come to one worker, which writes that direction's record and no other line. Few
// exceptions write both, and none of them for a packet of an open connection: whoever decides a flow anew, a
// FIN and a RST. What two may write is changed by one atomic operation (`progress`), or by one of them at a
// time (Table::decide). If a direction moves from worker to worker, as it does where queues are handed
// out anew, a packet may be missing from its counters.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "path/counters.h"
#include "path/ids.h"
#include "path/tuple.h"

namespace sluice::flow {

// Records and counters of one writer: a reader needs no order among them.
constexpr auto kRelaxed = std::memory_order_relaxed;

using path::Seconds;

enum class Verdict : uint8_t { kAllow, kDeny, kReject };

// Record::progress: what a direction has said so far.
inline constexpr uint8_t kSeen = 1;     // anything
inline constexpr uint8_t kOpened = 2;   // a SYN, an INIT
inline constexpr uint8_t kAcked = 4;    // an acknowledgement of what the peer opened with: its side is set up
inline constexpr uint8_t kFinished = 8; // a FIN, a SHUTDOWN
inline constexpr uint8_t kReset = 16;   // a RST, an ABORT
// Packets without SYN, FIN and RST tell nothing new: what is left of tracking is done in line.
inline constexpr uint8_t kSettled = 32;
inline constexpr uint8_t kOneWay = 64;  // stateless: no connection is followed, and no answers let in

// What a direction's packets go by, as one word: generation, verdict, both ports and the network that they come in
// (two networks of a trunk may have the same tuple). A packet that is let through compares once.
class Decided {
    static constexpr int kGenerationBits = 24;
    static constexpr int kVerdictBits = 2;
    static constexpr int kNetworkBits = 12;
    static constexpr int kPortBits = 13;  // signed: the last one is kNoPort
    static constexpr int kIngressShift = kGenerationBits + kVerdictBits;
    static constexpr int kNetworkShift = kIngressShift + kPortBits;
    static constexpr int kEgressShift = kNetworkShift + kNetworkBits;
    static_assert(kEgressShift + kPortBits == 64);
    static_assert(path::kMaxPorts <= 1 << (kPortBits - 1) && path::kMaxNetworks <= 1 << kNetworkBits);

 public:
    // Generations are never 0: that is of what nobody has decided.
    static constexpr uint32_t kGenerations = (1U << kGenerationBits) - 1;

    constexpr Decided() = default;
    constexpr Decided(uint32_t generation, Verdict verdict, path::NetworkId network, path::PortId ingress,
                      path::PortId egress)
        : word_(uint64_t{generation} | (uint64_t{static_cast<uint8_t>(verdict)} + 1) << kGenerationBits |
                low(ingress) << kIngressShift | uint64_t{path::index(network)} << kNetworkShift |
                low(egress) << kEgressShift) {}

    // What the packets that come in there are let through by, whatever their egress.
    static constexpr uint64_t admission(uint32_t generation, path::NetworkId network,
                                        path::PortId ingress) noexcept {
        return Decided(generation, Verdict::kAllow, network, ingress, path::PortId{0}).word_;
    }

    bool operator==(const Decided&) const = default;
    constexpr bool admits(uint64_t admission) const noexcept { return (word_ ^ admission) << kPortBits == 0; }
    // What lets packets in by that admission, and out there.
    static constexpr Decided of(uint64_t admission, path::PortId egress) noexcept {
        Decided decided;
        decided.word_ = admission | low(egress) << kEgressShift;
        return decided;
    }
    // The same of another generation.
    constexpr Decided with(uint32_t generation) const noexcept {
        Decided decided;
        decided.word_ = (word_ & ~uint64_t{kGenerations}) | generation;
        return decided;
    }
    constexpr uint64_t word() const noexcept { return word_; }
    constexpr uint32_t generation() const noexcept { return static_cast<uint32_t>(word_) & kGenerations; }
    // kAllow of what nobody has decided.
    constexpr Verdict verdict() const noexcept {
        const uint64_t bits = (word_ >> kGenerationBits) & ((1U << kVerdictBits) - 1);
        return Verdict{static_cast<uint8_t>(bits - (bits != 0))};
    }
    constexpr path::NetworkId network() const noexcept {
        return path::NetworkId((word_ >> kNetworkShift) & ((1U << kNetworkBits) - 1));
    }
    constexpr path::PortId ingress() const noexcept { return port(word_ << (kNetworkBits + kPortBits)); }
    constexpr path::PortId egress() const noexcept { return port(word_); }

 private:
    static constexpr uint64_t low(path::PortId port) noexcept {
        return path::index(port) & ((1U << kPortBits) - 1);
    }
    // Of the highest bits.
    static constexpr path::PortId port(uint64_t word) noexcept {
        return path::PortId(static_cast<uint16_t>(static_cast<int64_t>(word) >> (64 - kPortBits)));
    }

    uint64_t word_ = 0;
};

constexpr uint32_t next_generation(uint32_t generation) noexcept {
    return generation == Decided::kGenerations ? 1 : generation + 1;
}
constexpr uint32_t previous_generation(uint32_t generation) noexcept {
    return generation == 1 ? Decided::kGenerations : generation - 1;
}
// Whether one isn't older than the other, of two that are near each other.
constexpr bool is_as_new(uint32_t generation, uint32_t than) noexcept {
    constexpr int kUnused = std::countl_zero(Decided::kGenerations);
    return static_cast<int32_t>((generation - than) << kUnused) >= 0;
}

struct alignas(64) Record {
    path::TupleKey key;            // of its packets; never changes while the flow is in the table
    std::atomic<Decided> decided;
    std::atomic<uint32_t> hop;     // what else the engine needs of the way (policy/candidate.h: Hop)
    std::atomic<uint32_t> stations;  // Table::stations() of its frames, once they are known; 0: not yet
    std::atomic<Seconds> seen;     // its last packet, unless that changed nothing any more
    std::atomic<uint8_t> progress;
    std::atomic<uint8_t> scale;    // of its windows (tcp.h)
    std::atomic<uint16_t> window;  // of TCP, that it told last, as it stood there
    // Of TCP, the end of what it has sent. Of SCTP its tag.
    std::atomic<uint32_t> end;
    std::atomic<uint32_t> ack;     // of TCP, its last acknowledgement; of SCTP the peer's tag
    path::Counter packets;
    path::Counter bytes;

    bool is(uint8_t bits) const noexcept {
        return (progress.load(std::memory_order_relaxed) & bits) != 0;
    }
};
static_assert(sizeof(Record) == 64 && std::atomic<Decided>::is_always_lock_free);

// The record of the flow's other direction: the two are the halves of 128 bytes that are aligned so.
[[gnu::always_inline]] inline const Record& peer_of(const Record& record) noexcept {
    return *reinterpret_cast<const Record*>(reinterpret_cast<uintptr_t>(&record) ^ sizeof(Record));
}

// What was decided of the packets of one direction.
struct Decision {
    uint32_t generation;
    path::NetworkId network;  // that they come in
    path::PortId ingress;
    path::PortId egress;
    uint32_t hop;
    Verdict verdict;
    uint32_t objects[2];  // what lets it in or refuses it: of the egress and the ingress policy; 0: none
    uint32_t opening;     // what else its first packet was judged by: whoever decides it anew asks for that
};

// Of a flow, for who decides it anew.
struct Origin {
    uint32_t objects[2];
    uint32_t opening;
};

// As it stands in a record.
struct Action {
    path::NetworkId network;
    path::PortId ingress;
    path::PortId egress;
    uint32_t hop;
    Verdict verdict;
};

// The rest of a flow.
struct Pair {
    enum class Life : uint8_t { kFree, kLinked, kRetired };

    std::atomic<Life> life;      // changes with its buckets' locks held
    std::atomic<bool> deciding;  // somebody is writing what he decided
    std::atomic<path::PortId> owner;  // the port whose packet began it
    std::atomic<Seconds> created;
    std::atomic<uint32_t> objects[2];
    std::atomic<uint32_t> opening;
    // While it isn't linked: of whoever has the chain that it is in (stock.h).
    uint32_t next;
    uint32_t next_chain;
    uint32_t chain_size;
    uint64_t token;
    uint64_t turn;
};

}  // namespace sluice::flow
