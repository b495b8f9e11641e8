#include "port/pools.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/directory.h"

namespace sluice::port {
namespace {

TEST(Hugepages, AreReservedWhereThoseOfTwoMiBAreCounted) {
    EXPECT_EQ(hugepages_command("128", 2 << 20), "sysctl vm.nr_hugepages=128");
    EXPECT_EQ(hugepages_command("128", 1 << 30),
              "echo 128 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
}

// Those of 2 MiB serve as well where the default size is another.
TEST(Hugepages, OfEverySizeAreCounted) {
    const test::Directory directory;
    const auto reserve = [&](const char* size, int free, int reserved) {
        const std::string pages = directory / size;
        std::filesystem::create_directory(pages);
        std::ofstream(pages + "/free_hugepages") << free << "\n";
        std::ofstream(pages + "/resv_hugepages") << reserved << "\n";
    };
    const std::string folder = directory / "";
    EXPECT_EQ(free_hugepage_bytes(folder), 0u);
    reserve("hugepages-2048kB", 100, 30);
    EXPECT_EQ(free_hugepage_bytes(folder), uint64_t{70} << 21);
    reserve("hugepages-1048576kB", 2, 0);
    EXPECT_EQ(free_hugepage_bytes(folder), (uint64_t{70} << 21) + (uint64_t{2} << 30));
    reserve("hugepages-1048576kB", 1, 3);
    EXPECT_EQ(free_hugepage_bytes(folder), uint64_t{70} << 21) << "more was promised than is free";
}

}  // namespace
}  // namespace sluice::port
