// The packets that a worker takes through the three acts together, and the metadata of each. Worker thread only.
// The batch owns an mbuf until a stage gives it a fate. Dropped packets are freed in bulk at the end of the
// batch.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "path/drop_log.h"
#include "path/ids.h"
#include "path/tuple.h"

namespace sluice::path {

// With 100 k flows and more, batches of 32 cost 10 to 21 cycles a packet more, batches of 128 save 1 to 6 (the
// prototype of DESIGN). 64 metadata lines and mbuf heads fit the L1 cache.
inline constexpr uint16_t kBatchSize = 64;

enum class Fate : uint8_t {
    kPending,           // no stage has decided yet
    kBridgeByFlow,      // pending; to be bridged: its flow is looked up before its guard and its addresses
    kRouteByFlow,       // pending; to be routed: the same
    kForward,           // to meta.egress
    kFlood,             // to every other member of the ingress port's network
    kRoute,             // to meta.neighbor
    kRouteByPort,       // to meta.neighbor, by meta.egress
    kRouteTranslated,   // the same, rewritten before: with the addresses and ports that its flow says, or its MSS
    kRoutePortUnknown,  // to meta.neighbor; its port was not known when the policies were evaluated
    kHeld,              // a later fragment, which waits until its first fragment has been decided
    kLocal,             // for the switch itself: to one of its addresses, ARP, ND
    kDrop,              // for meta.reason
};

// The payload of a packet that is to be routed.
enum class Layer3 : uint8_t { kNone, kIpv4, kIpv6, kOther };

// The guard of an ingress port that is not unusual otherwise: none, any source MAC, or the port's own MAC only.
enum class Guarded : uint8_t { kNot, kAnyMac, kOwnMac };

// Whether a packet leaves with other addresses or ports than it came with, which its flow says
// (connection.candidate): kWanted is said where the fate alone does not tell.
enum class Translated : uint8_t { kNot, kWanted, kDone };

constexpr bool is_pending(Fate fate) noexcept { return fate <= Fate::kRouteByFlow; }

// One packet's metadata. It is kept beside the mbuf, not in it, so that the path's loops read one dense array.
// Stages of Admit write the parsed fields, Decide writes fate and egress, Apply only reads. The second cache line
// is used only if connections are tracked.
struct alignas(64) Meta {
    uint64_t destination_mac;   // the six bytes in the frame's order, zero above: mac_key()
    uint64_t source_mac;
    uint32_t destination_hash;  // by the MAC table's hash function
    uint32_t source_hash;
    uint64_t admission;         // flow::Decided::admission() of the port and network that it came in by
    PortId ingress;
    NetworkId network;          // the packet's network
    bool unusual;               // the ingress port has more than a network and a guard
    Guarded guarded;            // the ingress port's guard, if it is not unusual
    PortId egress;
    Fate fate;
    Drop reason;
    bool repeats;               // the packet before it has the same addresses
    Layer3 layer3;              // of a frame to the router's MAC address; kNone: bridge the frame
    bool asks_flow_first;       // of a frame to be bridged: look up its flow first; guard and addresses on a miss
    Translated translated;
    bool opens_tcp;             // a SYN that is routed: it may not tell a larger MSS than its way carries
    void* header;               // the IP header, if layer3 is kIpv4 or kIpv6
    void* neighbor;             // the neighbor::Entry that a routed packet is sent to

    alignas(64) Connection connection;
};
static_assert(sizeof(Meta) == 128 && offsetof(Meta, connection) == 64);

// How packets came: the same for all that a queue has given at once.
struct Arrival {
    uint64_t admission;
    PortId ingress;
    NetworkId network;
    bool unusual;
    Guarded guarded;
};
inline Arrival arrival_of(const Meta& meta) noexcept {
    return {meta.admission, meta.ingress, meta.network, meta.unusual, meta.guarded};
}

// Sets how `count` packets came, and that nothing is known of them yet. Two stores a packet: the fields from
// `ingress` to `header` are copied from the first packet's.
[[gnu::always_inline]] inline void arrive(Meta* metas, uint16_t count, const Arrival& arrival) noexcept {
    if (count == 0) return;
    constexpr size_t kFirst = offsetof(Meta, ingress);
    constexpr size_t kSize = offsetof(Meta, header) - kFirst;
    static_assert(kSize == 16);
    metas->ingress = arrival.ingress;
    metas->network = arrival.network;
    metas->unusual = arrival.unusual;
    metas->guarded = arrival.guarded;
    metas->egress = kNoPort;
    metas->fate = Fate::kPending;
    metas->reason = {};
    metas->repeats = false;
    metas->layer3 = Layer3::kNone;
    metas->asks_flow_first = false;
    metas->translated = Translated::kNot;
    metas->opens_tcp = false;
    uint64_t words[2];
    std::memcpy(words, reinterpret_cast<const std::byte*>(metas) + kFirst, kSize);
#pragma GCC unroll 4
    for (uint16_t i = 0; i < count; ++i) {
        metas[i].admission = arrival.admission;
        std::memcpy(reinterpret_cast<std::byte*>(metas + i) + kFirst, words, kSize);
    }
}

// Ingress port and network as one word, for one comparison.
inline uint32_t origin(const Meta& meta) noexcept {
    uint32_t word;
    static_assert(offsetof(Meta, network) == offsetof(Meta, ingress) + sizeof(PortId));
    std::memcpy(&word, &meta.ingress, sizeof word);
    return word;
}

// Whether the ingress port has no guard and nothing unusual to it: both fields at once.
[[gnu::always_inline]] inline bool is_plain_arrival(const Meta& meta) noexcept {
    uint16_t both;
    static_assert(offsetof(Meta, guarded) == offsetof(Meta, unusual) + 1 && static_cast<int>(Guarded::kNot) == 0);
    std::memcpy(&both, &meta.unusual, sizeof both);
    return both == 0;
}

// Whether a drop for this reason happens after meta.egress was set.
constexpr bool has_egress(Drop reason) noexcept {
    switch (reason) {
        case Drop::kSamePort:
        case Drop::kSplitHorizon:
        case Drop::kPortDown:
        case Drop::kTaggedIntoTunnel:
        case Drop::kDenied:
        case Drop::kRejected:
        case Drop::kNoConnection:
        case Drop::kFlowTableFull:
        case Drop::kFlowShare:
        case Drop::kNatExhausted:
        case Drop::kNatHostLimit:
        case Drop::kNatBusy:
        case Drop::kTupleTaken:
            return true;
        default: return false;
    }
}

// The site of a drop, with those fields of the metadata that are valid for the reason.
inline DropSite drop_site(const Meta& meta, Drop reason, uint32_t object = 0) noexcept {
    return {meta.ingress, has_egress(reason) ? meta.egress : kNoPort, meta.network, object};
}

// The port at which the drop is counted.
inline PortId drop_place(const Meta& meta, Drop reason) noexcept {
    return is_of_ingress(reason) || !has_egress(reason) ? meta.ingress : meta.egress;
}

struct Batch {
    Batch() { metas[0] = {.ingress = kNoPort, .fate = Fate::kDrop}; }

    uint16_t count = 0;
    rte_mbuf* packets[kBatchSize];
    // The packets' metadata, behind an entry that stands before the first packet and equals no packet's.
    Meta metas[kBatchSize + 1]{};

    [[gnu::always_inline]] Meta& meta(uint16_t i) noexcept { return metas[i + 1]; }
    uint16_t room() const noexcept { return kBatchSize - count; }
};

// The metadata of the packet before it in its batch.
[[gnu::always_inline]] inline const Meta& previous(const Meta& meta) noexcept { return (&meta)[-1]; }

}  // namespace sluice::path
