#include "port/af_packet.h"

#include <gtest/gtest.h>

#include "support/pools.h"

namespace sluice::port {
namespace {

PortConfig device(const std::string& arguments) {
    PortConfig config{.device = arguments};
    config.name = "port";
    return config;
}

TEST(AfPacket, TakesTheArgumentsOfDpdksDriver) {
    EXPECT_TRUE(AfPacket::takes(device("net_af_packet0,iface=eth0")));
    EXPECT_TRUE(AfPacket::takes(device("net_af_packet_b,framecnt=512,iface=eth0")));
    EXPECT_FALSE(AfPacket::takes(device("net_af_packet0")));  // made by `dpdk: args:`
    EXPECT_FALSE(AfPacket::takes(device("net_af_xdp0,iface=eth0")));
    PortConfig bond;
    bond.bond = BondConfig{.members = {"net_af_packet0,iface=eth0"}};
    EXPECT_FALSE(AfPacket::takes(bond));
}

TEST(AfPacket, AnInterfaceThatIsNotThereIsExplained) {
    AfPacket port(path::PortId{1}, device("net_af_packet0,iface=no-such-one"),
                  {.pools = test::switch_pools(), .workers = 1, .instance = "test"});
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto opened = port.open();
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().message, "there is no interface no-such-one");
    }
}

}  // namespace
}  // namespace sluice::port
