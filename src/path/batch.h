// The packets that a worker takes through the three acts together, and what it knows of each.
// Worker thread only. An mbuf is owned by the batch until a stage gives it a fate; drops are freed
// in bulk at the end of the batch.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "path/drop_log.h"
#include "path/ids.h"
#include "path/tuple.h"

namespace sluice::path {

// 32 packets cost 10 to 21 cycles a packet more with 100 k flows and above, 128 save 1 to 6 (the
// prototype of DESIGN); 64 metadata lines and mbuf heads fit the L1 cache.
inline constexpr uint16_t kBatchSize = 64;

enum class Fate : uint8_t {
    kPending,     // no stage has decided yet
    kLeftToFlow,  // the same, and its flow is asked before anybody else
    kForward,  // to meta.egress
    kFlood,    // to every other member of the ingress port's network
    kRoute,    // to meta.neighbor
    kRouteByPort,  // the same, by meta.egress
    kRoutePortUnknown,  // the same; its port was not known when its policies were asked
    kHeld,     // a later fragment, which waits until its first was judged
    kLocal,    // the switch itself has something to say: to an address of its own, ARP, ND
    kDrop,     // under meta.reason
};

// What a packet that is to be routed carries.
enum class Layer3 : uint8_t { kNone, kIpv4, kIpv6, kOther };

// Of a port that has a guard and is not unusual otherwise: whether that lets pass one source MAC address only.
enum class Guarded : uint8_t { kNot, kAnyMac, kOwnMac };

constexpr bool is_pending(Fate fate) noexcept { return fate <= Fate::kLeftToFlow; }

// One packet's metadata: beside the mbuf, not in it, so that the path's own loops read one dense
// array. Stages of Admit write what they parsed, Decide writes fate and egress, Apply only reads. The second
// line is touched only where connections are tracked.
struct alignas(64) Meta {
    uint64_t destination_mac;   // the six bytes as they stand in the frame, zero above: mac_key()
    uint64_t source_mac;
    uint32_t destination_hash;  // of the MAC table's hash function
    uint32_t source_hash;
    uint64_t admission;         // where connections are tracked: flow::Decided::admission() of where it came in
    PortId ingress;
    NetworkId network;          // that it is in
    bool unusual;               // the ingress port has more to it than a network and a guard
    Guarded guarded;            // whether the ingress port has a guard, and nothing else
    PortId egress;
    Fate fate;
    Drop reason;
    bool repeats;               // Admit saw the same addresses in the packet before it
    Layer3 layer3;              // of a frame to the router's MAC address; kNone: it is to be bridged
    bool asks_flow_first;       // Admit has left the port's guard and the frame's addresses to its flow
    void* header;               // IP's, if layer3 says so
    void* neighbor;             // neighbor::Entry that a routed packet goes to

    alignas(64) Connection connection;
};
static_assert(sizeof(Meta) == 128 && offsetof(Meta, connection) == 64);

// Ingress port and network as one word, to be compared at once.
inline uint32_t origin(const Meta& meta) noexcept {
    uint32_t word;
    static_assert(offsetof(Meta, network) == offsetof(Meta, ingress) + sizeof(PortId));
    std::memcpy(&word, &meta.ingress, sizeof word);
    return word;
}

// Reasons for which the packet's way out was found, and stands in its metadata.
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
        case Drop::kFlowShare: return true;
        default: return false;
    }
}

// Of a packet that is dropped: which of what its metadata knows holds by then.
inline DropSite drop_site(const Meta& meta, Drop reason, uint32_t object = 0) noexcept {
    return {meta.ingress, has_egress(reason) ? meta.egress : kNoPort, meta.network, object};
}

// The port that the drop is counted at.
inline PortId drop_place(const Meta& meta, Drop reason) noexcept {
    return is_of_ingress(reason) || !has_egress(reason) ? meta.ingress : meta.egress;
}

struct Batch {
    Batch() { metas[0] = {.ingress = kNoPort, .fate = Fate::kDrop}; }

    uint16_t count = 0;
    rte_mbuf* packets[kBatchSize];
    // By packet, behind one that stands before the first and is like none.
    Meta metas[kBatchSize + 1]{};

    [[gnu::always_inline]] Meta& meta(uint16_t i) noexcept { return metas[i + 1]; }
    uint16_t room() const noexcept { return kBatchSize - count; }
};

// Of the packet before it in its batch.
[[gnu::always_inline]] inline const Meta& previous(const Meta& meta) noexcept { return (&meta)[-1]; }

}  // namespace sluice::path
