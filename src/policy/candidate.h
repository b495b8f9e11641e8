// A decision in the making: a value that passes through the steps of steps.h. It is made of what a packet showed,
// once (candidate_of()); no step behind that reads a packet or writes one. So it can be copied (to ask what the
// other end's first packet would have been told), kept, or thrown away. Worker side.
#pragma once

#include <cstdint>

#include "acl/subject.h"
#include "flow/flow_table.h"
#include "neighbor/neighbor_table.h"
#include "path/batch.h"
#include "path/ids.h"
#include "path/tuple.h"
#include "path/tuple_address.h"
#include "policy/subject.h"

namespace sluice::policy {

// An end of a packet's way.
struct Place {
    path::PortId port = path::kNoPort;                 // kNoPort: not known, many, or the switch itself
    path::NetworkId network = path::kNoNetworkId;

    bool operator==(const Place&) const = default;
};

// A flow's next hop as its record has it. Of a routed one the neighbor's index; of another 0, or kLocal.
struct Hop {
    static constexpr uint32_t kNeighbor = 0x8000'0000;
    static constexpr uint32_t kOnLink = 0x4000'0000;   // of a routed one: the neighbor is the destination itself
    static constexpr uint32_t kLocal = 0x4000'0000;    // of another: to the switch itself
    static constexpr uint32_t kTranslated = 0x2000'0000;  // of a routed one: its packets leave as another tuple
    static constexpr uint32_t kIndexMask = 0x1fff'ffff;
    static_assert(neighbor::Table::kCapacity <= kIndexMask);
};

// What all policies on a way say together.
struct Judgement {
    flow::Verdict verdict = flow::Verdict::kAllow;
    bool stateful = true;        // answers are let through
    bool judged = false;         // there was a policy
    uint32_t objects[2]{};       // of egress and ingress: what permits it, or refuses it
    uint32_t logged = 0;         // the last rule on the way that wants it to be told; 0: none does

    uint32_t object() const noexcept { return objects[1] != 0 ? objects[1] : objects[0]; }
    bool permits() const noexcept { return verdict == flow::Verdict::kAllow; }
};

struct Candidate {
    path::Tuple original;        // of the packet as it came
    path::Tuple translated;      // of the packet as it will leave
    FirstPacket first;           // what else rules may ask of a connection's first packet
    acl::Subject subject;        // all that rules may ask
    Place from;
    Place to;
    uint32_t hop = 0;            // see Hop
    flow::Sender sender = flow::Sender::kInitiator;  // of the packet that it is about
    bool is_unfinished =
        false;  // its neighbor is asked for first: its policies are asked again when that has answered
    bool is_flooded = false;     // it goes to all ports of `to`'s network: each has ingress policies of its own
    Judgement judgement;

    bool is_translated() const noexcept { return !(original == translated); }
    // As policies see it: from whom it comes, and to whom it goes in the end. (So an egress policy sees the back
    // end of a Service, and an ingress policy the client behind NAT.)
    path::Tuple judged() const noexcept {
        return is_translated() ? path::between(original, translated) : original;
    }
    // The same connection, opened by another packet of the same sender.
    Candidate opened_by(const FirstPacket& packet) const noexcept;
    // The same connection, opened by such a packet of the other end.
    Candidate opened_by_peer(const FirstPacket& packet) const noexcept;
};

}  // namespace sluice::policy
