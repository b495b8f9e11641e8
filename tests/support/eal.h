// A real EAL for unit tests: no hugepages, no devices, no files, so that any user can run test programs, also at
// the same time. Started at the first use; main thread only.
#pragma once

#include <gtest/gtest.h>
#include <rte_mempool.h>

namespace sluice::test {

void start_eal();

// 4095 buffers as the switch's: 2048 bytes behind the headroom.
rte_mempool* test_pool();

// 127 buffers of the largest size that an mbuf can have (buf_len 65535): a 64 KiB segment in one piece.
rte_mempool* large_pool();

// Checks at the end of a program that all mbufs were returned.
class PoolsAreFull : public testing::Environment {
 public:
    void TearDown() override;
};

// The body of main(): gtest with the check above.
int run_tests(int argc, char** argv);

}  // namespace sluice::test
