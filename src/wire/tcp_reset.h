// The answer to a TCP segment that a policy rejects: a reset, as a host sends it for a closed port (RFC 9293,
// 3.10.7.1). Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

// Builds a frame of one mbuf from the segment's destination to its source, behind an Ethernet header with an
// EtherType and no addresses yet. The mbuf belongs to the caller. Null if there is no whole TCP header behind IP
// at `l3_offset`; if the segment is a reset (never answered), a later fragment, or sent to or from more than one
// host; or if the pool is empty.
rte_mbuf* build_tcp_reset(rte_mempool* pool, const rte_mbuf* segment, uint16_t l3_offset) noexcept;

}  // namespace sluice::wire
