// Whether the switch may answer a packet at all, with any kind of answer: ARP and Neighbor Discovery, echo
// replies, ICMP errors, resets. An answer goes to one station, which has sent the packet from an address of its
// own (RFC 1122, 3.2.2; RFC 1812, 4.3.2.7; RFC 4443, 2.4 (e)). link::Link::may_answer() limits the rate. Workers.
#pragma once

#include "path/batch.h"
#include "view/snapshot.h"

namespace sluice::responder {

// kAsOneOfMany allows answers to packets that were sent to a group: neighbor solicitations, and IPv6's "packet
// too big".
enum class Asked : uint8_t { kAlone, kAsOneOfMany };

// Takes any frame, in its ingress network.
bool may_be_answered(const path::Meta& meta, const rte_mbuf* packet, const view::Network& network,
                     Asked asked) noexcept;

}  // namespace sluice::responder
