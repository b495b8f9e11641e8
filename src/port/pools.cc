#include "port/pools.h"

#include <rte_errno.h>
#include <rte_mbuf.h>

namespace sluice::port {
namespace {

base::Result<rte_mempool*> create_pool(const char* name, uint32_t count, uint32_t cache,
                                       uint16_t size, int node) {
    rte_mempool* pool = rte_pktmbuf_pool_create(name, count, cache, 0, size, node);
    if (pool == nullptr && node != SOCKET_ID_ANY) {
        pool = rte_pktmbuf_pool_create(name, count, cache, 0, size, SOCKET_ID_ANY);
    }
    if (pool == nullptr) {
        return base::fail(
            "no memory for {} packet buffers of {} bytes ({}): lower memory.buffers or "
            "memory.large-buffers, raise memory.size, or reserve more hugepages (sysctl vm.nr_hugepages)",
            count, size, rte_strerror(rte_errno));
    }
    return pool;
}

}  // namespace

base::Result<Pools> Pools::create(uint32_t buffers, uint32_t large, int node) {
    Pools pools;
    auto first = create_pool("sluice-buffers", buffers, 256, kBufferSize, node);
    if (!first) return tl::unexpected(first.error());
    pools.buffers = *first;
    // A small cache: a worker that reads and writes segments in turn reuses the few last freed ones,
    // which are still in its L2 cache.
    auto second = create_pool("sluice-large", large, 16, kLargeSize, node);
    if (!second) {
        rte_mempool_free(pools.buffers);
        return tl::unexpected(second.error());
    }
    pools.large = *second;
    return pools;
}

}  // namespace sluice::port
