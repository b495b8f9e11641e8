// Frames that the kernel passes to DPDK's net_af_packet and net_af_xdp. They come as the kernel's network stack
// holds them: their TCP and UDP checksums may be unfinished, left to hardware, and these drivers do not report
// it. The checksum field tells: an unfinished one holds the pseudo-header's sum.
//
// A finished checksum may have that value too, once in 65,536 packets. Finishing it again then writes the same
// value, because a packet has only one right checksum. (The exception: a packet that was damaged on the way and
// holds exactly this value gets a right checksum for its damaged bytes.)
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

namespace sluice::wire {

enum class KernelFrame : uint8_t {
    kFinished,    // finished, or the packet has no L4 checksum
    kUnfinished,  // the checksum was unfinished: it is now marked (offload.h) or finished
    kCutShort     // the end of the IP packet is missing: it was longer than the driver's frames
};

// Checks a frame and marks it as unfinished if it is. Inside VXLAN a mark cannot express that, so the inner
// checksum is finished at once. Workers; the caller owns the packet's bytes alone.
KernelFrame recover_unfinished(rte_mbuf* m) noexcept;

}  // namespace sluice::wire
