// The answer to a TCP segment that a policy rejects: a reset, as from a host that has nobody there (RFC 9293,
// 3.10.7.1). Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

// A frame of one mbuf behind an Ethernet header with an EtherType and no addresses yet; from the segment's
// destination to its source. The mbuf is the caller's. Null if the frame is no whole TCP header behind IP at
// `l3_offset`, if it is a reset itself (which nobody answers), a later fragment or sent to or from more than
// one host, or if the pool is dry.
rte_mbuf* build_tcp_reset(rte_mempool* pool, const rte_mbuf* segment, uint16_t l3_offset) noexcept;

}  // namespace sluice::wire
