// The maximum segment size that a TCP SYN tells (RFC 9293, 3.7.1): made smaller where a link on the way carries
// less than both ends' own links. Workers; the caller owns the packet's bytes alone.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

// Of a SYN whose TCP header begins at `l4_offset`: lowers its MSS to `most`, and keeps its checksum in step. A SYN
// without the option tells 536 (IPv6: 1220) by saying nothing, and is left alone, as is one whose options are cut
// short or don't lie in the first mbuf.
void clamp_mss(rte_mbuf* m, uint16_t l4_offset, uint16_t most) noexcept;

}  // namespace sluice::wire
