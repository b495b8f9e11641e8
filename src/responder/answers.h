// Whether the switch may answer a packet at all, with whatever it answers: ARP and Neighbor Discovery, echo
// replies, ICMP errors, resets. An answer goes to one station, which has asked with an address of its own (RFC
// 1122, 3.2.2; RFC 1812, 4.3.2.7; RFC 4443, 2.4 (e)). How often it may is another matter
// (link::Link::may_answer()). Workers.
#pragma once

#include "path/batch.h"
#include "view/snapshot.h"

namespace sluice::responder {

// Answers to what was sent to a group: solicitations of neighbors, and IPv6's "packet too big".
enum class Asked : uint8_t { kAlone, kAsOneOfMany };

// Of any frame in the network that it came in.
bool may_be_answered(const path::Meta& meta, const rte_mbuf* packet, const view::Network& network,
                     Asked asked) noexcept;

}  // namespace sluice::responder
