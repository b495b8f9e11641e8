// Tags of IEEE 802.1Q, put before a frame's EtherType and taken off again. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "wire/headers.h"

namespace sluice::wire {

// The EtherType of a frame whose header lies in its first segment.
inline EtherType ether_type(const rte_mbuf* m) noexcept {
    return rte_pktmbuf_mtod(m, const EthernetHeader*)->ether_type();
}

// Takes the outermost tag off. The first 18 bytes lie in the first segment, and are the caller's.
void pop_vlan(rte_mbuf* m) noexcept;

// A tag with ID 0 tells only of a priority (IEEE 802.1Q, 9.6, table 9-2): a frame that has one is taken as
// untagged. Takes it off; true if there was one. Where the frame's bytes are shared it stays. The Ethernet
// header lies in the first segment.
bool pop_priority_tag(rte_mbuf* m) noexcept;

// Puts a tag on, with priority 0. Returns the frame to go on with: `m`, or one with a buffer of
// `headers` before it where its bytes are shared or it has no room in front; null where there was no
// buffer, and then `m` is as it was.
rte_mbuf* push_vlan(rte_mbuf* m, uint16_t id, rte_mempool* headers) noexcept;

}  // namespace sluice::wire
