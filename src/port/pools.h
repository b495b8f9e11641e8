// The memory of packets. A switch has two pools: buffers for frames of ordinary size, and large buffers for
// longer ones. A 64 KiB TCP segment is one buffer chained to one large buffer, so it costs two allocations, and a
// read or write of three vectors instead of thirty-four.
#pragma once

#include <rte_mbuf_core.h>
#include <rte_mempool.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::port {

// The size of a buffer with its headroom. DPDK's default: some drivers (net_af_packet) refuse a smaller one.
inline constexpr uint16_t kBufferSize = RTE_MBUF_DEFAULT_BUF_SIZE;
inline constexpr uint16_t kLargeSize = 65535;  // the largest that an mbuf can describe

struct Pools {
    rte_mempool* buffers = nullptr;
    rte_mempool* large = nullptr;

    // On that NUMA node if it has enough memory.
    static base::Result<Pools> create(uint32_t buffers, uint32_t large, int node = SOCKET_ID_ANY);

    // The pool whose buffers hold a linear frame of that size.
    rte_mempool* holding(uint32_t size) const noexcept {
        return size <= kBufferSize - RTE_PKTMBUF_HEADROOM ? buffers : large;
    }
};

// A command that reserves `count` hugepages of 2 MiB. The sysctl counts pages of the default size, which may be 1
// GiB.
std::string hugepages_command(std::string_view count, uint64_t default_size);
// This machine's default; 0 if it has no hugepages.
uint64_t default_hugepage_size();
// The bytes of free, unreserved hugepages of all sizes that DPDK uses. (/proc/meminfo counts only the default
// size.)
uint64_t free_hugepage_bytes(const std::string& folder = "/sys/kernel/mm/hugepages");

}  // namespace sluice::port
