// The pools of a switch, made as the daemon makes them, once per test program. PoolsAreFull (eal.h) checks at the
// end that all packets were returned. Main thread.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "port/pools.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::test {

inline constexpr uint32_t kPoolBuffers = 4095;
inline constexpr uint32_t kPoolLarge = 127;

inline const port::Pools& switch_pools() {
    static const port::Pools pools = [] {
        start_eal();
        auto made = port::Pools::create(kPoolBuffers, kPoolLarge);
        if (!made) {
            std::fprintf(stderr, "%s\n", made.error().message.c_str());
            std::exit(1);
        }
        return *made;
    }();
    return pools;
}

inline bool are_full(const port::Pools& pools) {
    return rte_mempool_full(pools.buffers) != 0 && rte_mempool_full(pools.large) != 0;
}

// Leaves only so many buffers in a pool as long as the object lives.
class Shortage {
 public:
    Shortage(rte_mempool* pool, unsigned left) {
        while (rte_mempool_avail_count(pool) > left) held_.push_back(rte_pktmbuf_alloc(pool));
    }
    Shortage(const Shortage&) = delete;
    ~Shortage() {
        for (rte_mbuf* buffer : held_) rte_pktmbuf_free(buffer);
    }

 private:
    std::vector<rte_mbuf*> held_;
};

}  // namespace sluice::test
