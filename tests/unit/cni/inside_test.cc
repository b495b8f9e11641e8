// Looking into a network namespace, which needs privilege; tests/smoke/cni.sh looks into those of containers.
#include "sluice-cni/inside.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace sluice::cni {
namespace {

ino_t own_namespace() {
    struct stat status {};
    stat("/proc/thread-self/ns/net", &status);
    return status.st_ino;
}

TEST(CniInside, SeesAnInterface) {
    if (geteuid() != 0) GTEST_SKIP() << "may not enter a network namespace";
    const ino_t before = own_namespace();
    const auto inside = look_inside("/proc/self/ns/net", "lo");
    ASSERT_TRUE(inside) << inside.error();
    EXPECT_TRUE(inside->exists);
    EXPECT_EQ(inside->mac, "00:00:00:00:00:00");
    EXPECT_GT(inside->mtu, 0);
    if (inside->is_up) {
        const auto loopback = InterfaceAddress::parse("127.0.0.1/8").value();
        EXPECT_NE(std::find(inside->addresses.begin(), inside->addresses.end(), loopback),
                  inside->addresses.end());
    }
    EXPECT_FALSE(look_inside("/proc/self/ns/net", "no-such")->exists);
    EXPECT_EQ(own_namespace(), before);
}

TEST(CniInside, TellsWhyItSeesNothing) {
    const auto missing = look_inside("/run/netns/no-such", "lo");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error(), "network namespace '/run/netns/no-such': No such file or directory");
    const auto file = look_inside("/proc/self/status", "lo");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().substr(0, 31), "entering the network namespace ");
}

}  // namespace
}  // namespace sluice::cni
