#include "port/netns.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "support/directory.h"

namespace sluice::port {
namespace {

std::string error_of(const std::string& netns) {
    const auto id = identify_netns(netns);
    return id ? "no error" : id.error().message;
}

TEST(Netns, NamesStandForFiles) {
    EXPECT_EQ(netns_path(""), "/proc/self/ns/net");
    EXPECT_EQ(netns_path("web"), "/run/netns/web");
    EXPECT_EQ(netns_path("pid:71"), "/proc/71/ns/net");
    EXPECT_EQ(netns_path("/var/run/docker/netns/1-a"), "/var/run/docker/netns/1-a");
}

TEST(Netns, AllNamesOfOneNamespaceAreTheSame) {
    const auto own = identify_netns("");
    ASSERT_TRUE(own);
    EXPECT_NE(own->inode, 0u);
    EXPECT_EQ(*identify_netns("pid:" + std::to_string(getpid())), *own);
    EXPECT_EQ(*identify_netns("/proc/self/ns/net"), *own);
}

TEST(Netns, WhatIsNotThereIsNamed) {
    EXPECT_EQ(error_of("sluice-no-such"),
              "network namespace sluice-no-such does not exist (/run/netns/sluice-no-such is not "
              "there)");
    EXPECT_EQ(error_of("pid:999999999"), "process 999999999 is not running");
}

TEST(Netns, AFileOfAnotherKindIsNone) {
    EXPECT_EQ(error_of("/etc/passwd"), "/etc/passwd is not a network namespace");
    EXPECT_EQ(error_of("/"), "/ is not a network namespace");
}

TEST(Netns, APipeThatNobodyWritesToIsNotWaitedFor) {
    const test::Directory directory;
    const std::string pipe = directory / "pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(error_of(pipe), pipe + " is not a network namespace");
}

TEST(Netns, ANamespaceOfAnotherKindIsNone) {
    EXPECT_EQ(error_of("/proc/self/ns/uts"), "/proc/self/ns/uts is not a network namespace");
}

TEST(Netns, AllAreListedOnce) {
    std::vector<NetnsId> ids;
    for (const auto& path : all_netns()) {
        // Another process's may be gone by now.
        if (auto id = identify_netns(path)) ids.push_back(*id);
    }
    EXPECT_EQ(std::ranges::count(ids, *identify_netns("")), 1);
    std::ranges::sort(ids);
    EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
}

TEST(Netns, EnteringWhatIsNotThereFails) {
    EXPECT_FALSE(InNetns::enter("sluice-no-such"));
    EXPECT_FALSE(InNetns::enter("/etc/passwd"));
}

}  // namespace
}  // namespace sluice::port
