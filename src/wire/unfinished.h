// Frames that the kernel hands to DPDK's net_af_packet and net_af_xdp. They come as its network stack
// has them, with TCP and UDP checksums that some hardware would have finished, and these drivers pass
// on no word about that; but such a checksum's field tells, for it holds the pseudo-header's sum.
//
// A finished checksum may hold that value too, once in 65,536 packets. Nothing is lost then: the
// checksum of a packet is one number, so finishing it again writes what was there before. (Only a
// packet that was damaged on the way and holds just this value would be mended with its damage.)
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

enum class KernelFrame : uint8_t {
    kFinished,    // or nothing that has an L4 checksum
    kUnfinished,  // its checksum was unfinished: it is marked so (offload.h), or finished already
    kCutShort     // an IP packet whose end is missing: it was longer than the driver's frames
};

// Looks at a frame and marks it unfinished if it is. Inside of VXLAN, where a mark can't tell, the
// inner checksum is finished at once. Workers; the caller owns the packet's bytes alone.
KernelFrame recover_unfinished(rte_mbuf* m) noexcept;

}  // namespace sluice::wire
