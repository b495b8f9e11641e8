// Where packets live. Two pools a switch: buffers for frames of ordinary size, and large ones that
// take what exceeds them: a 64 KiB TCP segment is one buffer chained to one large buffer, so that it
// costs two allocations and a read or write of three vectors, not of thirty-four.
#pragma once

#include <rte_mbuf_core.h>
#include <rte_mempool.h>

#include <cstdint>

#include "base/error.h"

namespace sluice::port {

// Data room of a buffer, headroom included. DPDK's default: some drivers (net_af_packet) refuse less.
inline constexpr uint16_t kBufferSize = RTE_MBUF_DEFAULT_BUF_SIZE;
inline constexpr uint16_t kLargeSize = 65535;  // the largest that an mbuf can describe

struct Pools {
    rte_mempool* buffers = nullptr;
    rte_mempool* large = nullptr;

    static base::Result<Pools> create(uint32_t buffers, uint32_t large);
};

}  // namespace sluice::port
