// Where packets live. Two pools a switch: buffers for frames of ordinary size, and large ones that
// take what exceeds them: a 64 KiB TCP segment is one buffer chained to one large buffer, so that it
// costs two allocations and a read or write of three vectors, not of thirty-four.
#pragma once

#include <rte_mbuf_core.h>
#include <rte_mempool.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::port {

// Data room of a buffer, headroom included. DPDK's default: some drivers (net_af_packet) refuse less.
inline constexpr uint16_t kBufferSize = RTE_MBUF_DEFAULT_BUF_SIZE;
inline constexpr uint16_t kLargeSize = 65535;  // the largest that an mbuf can describe

struct Pools {
    rte_mempool* buffers = nullptr;
    rte_mempool* large = nullptr;

    // On that NUMA node, if it has the memory.
    static base::Result<Pools> create(uint32_t buffers, uint32_t large, int node = SOCKET_ID_ANY);

    // The pool whose buffers hold a linear frame of that size.
    rte_mempool* holding(uint32_t size) const noexcept {
        return size <= kBufferSize - RTE_PKTMBUF_HEADROOM ? buffers : large;
    }
};

// A command that reserves so many hugepages of 2 MiB. The sysctl counts those of the default size, which may be
// 1 GiB.
std::string hugepages_command(std::string_view count, uint64_t default_size);
// Of this machine; 0: it has none.
uint64_t default_hugepage_size();
// That nobody has or has been promised, of all sizes that DPDK takes. (/proc/meminfo counts those of the default
// size.)
uint64_t free_hugepage_bytes(const std::string& folder = "/sys/kernel/mm/hugepages");

}  // namespace sluice::port
