#include "support/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace sluice::test {

namespace {

bool is_started = false;

// The CPUs that this process may use, as one lcore. `-l 0` would fail if CPU 0 is not among them, and would pin
// test programs that run at the same time to the same CPU.
std::string lcores() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return "0";
    std::string list;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &set)) continue;
        list += list.empty() ? "0@(" : ",";
        list += std::to_string(cpu);
    }
    return list + ')';
}

rte_mempool* make_pool(const char* name, unsigned count, uint16_t data_room) {
    start_eal();
    rte_mempool* pool = rte_pktmbuf_pool_create(name, count, 0, 0, data_room, SOCKET_ID_ANY);
    if (pool == nullptr) {
        std::fprintf(stderr, "pool %s: %s\n", name, rte_strerror(rte_errno));
        std::exit(1);
    }
    return pool;
}

void check_full(const char* name) {
    rte_mempool* pool = rte_mempool_lookup(name);
    if (pool != nullptr) {
        EXPECT_EQ(rte_mempool_avail_count(pool), pool->size) << name << " lost mbufs";
    }
}

}  // namespace

void start_eal() {
    if (is_started) return;
    // --no-shconf: no files and no other processes. --in-memory refuses --no-huge in 22.11.
    std::vector<std::string> words = {
        "test",           "--no-huge",        "-m",       "256",
        "--no-pci",       "--no-shconf",      "--lcores", lcores(),
        "--no-telemetry", "--log-level=error"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (rte_eal_init(static_cast<int>(words.size()), arguments.data()) < 0) {
        std::fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
        std::exit(1);
    }
    is_started = true;
}

rte_mempool* test_pool() {
    static rte_mempool* const pool = make_pool("test", 4095, 2048 + RTE_PKTMBUF_HEADROOM);
    return pool;
}

rte_mempool* large_pool() {
    static rte_mempool* const pool = make_pool("large", 127, 65535);
    return pool;
}

void PoolsAreFull::TearDown() {
    if (!is_started) return;
    for (const char* name : {"test", "large", "sluice-buffers", "sluice-large"}) check_full(name);
}

int run_tests(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    testing::AddGlobalTestEnvironment(new PoolsAreFull);  // gtest deletes it
    return RUN_ALL_TESTS();
}

}  // namespace sluice::test
