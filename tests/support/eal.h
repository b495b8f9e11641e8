// A real EAL for unit tests: no hugepages, no devices, no files, so that test programs run as any
// user and beside each other. Started at first use; the main thread only.
#pragma once

#include <gtest/gtest.h>
#include <rte_mempool.h>

namespace sluice::test {

void start_eal();

// Buffers as the switch's: 2048 bytes behind the headroom. 4095 of them.
rte_mempool* test_pool();

// Buffers of the greatest size an mbuf can have (buf_len 65535): a 64 KiB segment in one piece.
// 127.
rte_mempool* large_pool();

// Checks at the end of a program that every mbuf came home.
class PoolsAreFull : public testing::Environment {
 public:
    void TearDown() override;
};

// What main() does: gtest with the check above.
int run_tests(int argc, char** argv);

}  // namespace sluice::test
