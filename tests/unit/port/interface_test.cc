#include "port/interface.h"

#include <gtest/gtest.h>

#include "support/netns.h"

namespace sluice::port {
namespace {

class InterfaceTest : public testing::Test {
 protected:
    void SetUp() override {
        if (!netns_.is_there()) GTEST_SKIP() << "needs root";
        ASSERT_TRUE(netns_.shell("ip link add wire type veth peer name other"));
        if (!netns_.shell("ethtool -K wire gro on && ethtool -k wire >/dev/null")) GTEST_SKIP() << "needs ethtool";
    }
    bool has_gro(const std::string& interface) {
        return netns_.shell("ethtool -k " + interface + " | grep -q '^generic-receive-offload: on'");
    }
    void turn_off() {
        netns_.run([&] {
            const auto link = Netlink::open()->find_link("wire");
            ASSERT_TRUE(link && *link);
            off_.turn_off(**link, {"rx-gro"});
        });
        ASSERT_FALSE(has_gro("wire"));
    }
    void restore() {
        netns_.run([&] { off_.restore(); });
    }

    test::Netns netns_;
    FeaturesOff off_;
};

TEST_F(InterfaceTest, FeaturesComeBackUnderAnotherName) {
    turn_off();
    ASSERT_TRUE(netns_.shell("ip link set wire name renamed && ip link add wire type veth peer name third && "
                             "ethtool -K wire gro off"));
    restore();
    EXPECT_TRUE(has_gro("renamed"));
    EXPECT_FALSE(has_gro("wire")) << "that is another one";
}

TEST_F(InterfaceTest, AnInterfaceThatWasMadeAnewStaysAsItIs) {
    turn_off();
    ASSERT_TRUE(netns_.shell("ip link delete wire && ip link add wire type veth peer name other && "
                             "ethtool -K wire gro off"));
    restore();
    EXPECT_FALSE(has_gro("wire"));
}

}  // namespace
}  // namespace sluice::port
