#include "port/pools.h"

#include <gtest/gtest.h>

namespace sluice::port {
namespace {

TEST(Hugepages, AreReservedWhereThoseOfTwoMiBAreCounted) {
    EXPECT_EQ(hugepages_command("128", 2 << 20), "sysctl vm.nr_hugepages=128");
    EXPECT_EQ(hugepages_command("128", 1 << 30),
              "echo 128 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
}

}  // namespace
}  // namespace sluice::port
