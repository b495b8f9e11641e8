// Pushes and pops IEEE 802.1Q tags before a frame's EtherType. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "wire/headers.h"

namespace sluice::wire {

// The EtherType of a frame whose Ethernet header lies in its first segment.
inline EtherType ether_type(const rte_mbuf* m) noexcept {
    return rte_pktmbuf_mtod(m, const EthernetHeader*)->ether_type();
}

// Pops the outermost tag. The first 18 bytes lie in the first segment and belong to the caller.
void pop_vlan(rte_mbuf* m) noexcept;

// Pops a priority tag and returns true if there was one. A tag with ID 0 has only a priority (IEEE 802.1Q, 9.6,
// table 9-2); the frame counts as untagged. If the frame's bytes are shared, the tag stays. The Ethernet header
// lies in the first segment.
bool pop_priority_tag(rte_mbuf* m) noexcept;

// Pushes a tag with priority 0. Returns the frame to continue with: `m`, or, if the frame's bytes are shared or
// it has no headroom, a frame with a buffer of `headers` before it. If no buffer is free, returns null and leaves
// `m` as it was.
rte_mbuf* push_vlan(rte_mbuf* m, uint16_t id, rte_mempool* headers) noexcept;

}  // namespace sluice::wire
