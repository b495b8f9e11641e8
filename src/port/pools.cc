#include "port/pools.h"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

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
            "memory.large-buffers, raise memory.size, or reserve more hugepages ({})",
            count, size, rte_strerror(rte_errno), hugepages_command("COUNT", default_hugepage_size()));
    }
    return pool;
}

}  // namespace

base::Result<Pools> Pools::create(uint32_t buffers, uint32_t large, int node) {
    Pools pools;
    auto first = create_pool("sluice-buffers", buffers, 256, kBufferSize, node);
    if (!first) return tl::unexpected(first.error());
    pools.buffers = *first;
    // A small cache: a worker that reads and writes segments in turn reuses the buffers that it freed last, which
    // are still in its L2 cache.
    auto second = create_pool("sluice-large", large, 16, kLargeSize, node);
    if (!second) {
        rte_mempool_free(pools.buffers);
        return tl::unexpected(second.error());
    }
    pools.large = *second;
    return pools;
}

std::string hugepages_command(std::string_view count, uint64_t default_size) {
    constexpr uint64_t kTwoMiB = 2 << 20;
    if (default_size == kTwoMiB || default_size == 0) return fmt::format("sysctl vm.nr_hugepages={}", count);
    return fmt::format("echo {} >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", count);
}

uint64_t default_hugepage_size() {
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        unsigned long long kib = 0;
        if (std::sscanf(line.c_str(), "Hugepagesize: %llu kB", &kib) == 1) return kib << 10;
    }
    return 0;
}

uint64_t free_hugepage_bytes(const std::string& folder) {
    uint64_t bytes = 0;
    for (const uint64_t size : {uint64_t{2} << 20, uint64_t{1} << 30}) {
        const std::string pages = fmt::format("{}/hugepages-{}kB/", folder, size >> 10);
        uint64_t free = 0;
        uint64_t reserved = 0;
        std::ifstream(pages + "free_hugepages") >> free;
        std::ifstream(pages + "resv_hugepages") >> reserved;
        bytes += (free - std::min(free, reserved)) * size;
    }
    return bytes;
}

}  // namespace sluice::port
