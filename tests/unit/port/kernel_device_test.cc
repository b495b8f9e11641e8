#include "port/kernel_device.h"

#include <gtest/gtest.h>

#include "support/pools.h"

namespace sluice::port {
namespace {

std::unique_ptr<KernelDevice> kernel_device(const std::string& device, uint16_t mtu) {
    PortConfig config{.device = device, .mtu = mtu};
    config.name = "port";
    return KernelDevice::make(path::PortId{1}, config, test::switch_pools());
}

std::string arguments(const std::string& device, uint16_t mtu) {
    return kernel_device(device, mtu)->arguments();
}

TEST(KernelDevice, IsOfTwoDriversOnly) {
    EXPECT_TRUE(kernel_device("net_af_xdp0,iface=eth0", 1500));
    EXPECT_FALSE(kernel_device("net_null0", 1500));
    EXPECT_FALSE(kernel_device("0000:03:00.1", 1500));
}

TEST(KernelDevice, FramesFitTheMtu) {
    const std::string packet = "net_af_packet0,iface=eth0";
    EXPECT_EQ(arguments(packet, 1500), packet + ",framesz=2048,blocksz=65536,framecnt=4096");
    EXPECT_EQ(arguments(packet, 1950), packet + ",framesz=2048,blocksz=65536,framecnt=4096");
    EXPECT_EQ(arguments(packet, 1951), packet + ",framesz=4096,blocksz=4096,framecnt=2048");
    EXPECT_EQ(arguments(packet, 9000), packet + ",framesz=12288,blocksz=12288,framecnt=682");
    EXPECT_EQ(arguments(packet, 50000), packet + ",framesz=53248,blocksz=53248,framecnt=512");
    const std::string counted = packet + ",framecnt=1024";
    EXPECT_EQ(arguments(counted, 1500), counted);
    EXPECT_EQ(arguments(counted, 9000), counted + ",framesz=12288,blocksz=12288");
    const std::string decided = packet + ",framesz=16384,blocksz=32768";
    EXPECT_EQ(arguments(decided, 9000), decided);
    EXPECT_EQ(arguments("net_af_xdp0,iface=eth0", 3000), "net_af_xdp0,iface=eth0");
}

std::string refusal(const std::string& device, uint16_t mtu) {
    const auto opened = kernel_device(device, mtu)->open(1);
    return opened ? "" : opened.error().message;
}

TEST(KernelDevice, RefusesWhatItsDriverWouldLose) {
    EXPECT_EQ(refusal("net_af_xdp0,iface=eth0", 9000), "net_af_xdp takes an MTU of up to 3502, not 9000");
    EXPECT_EQ(refusal("net_af_packet0,iface=eth0", 65000),
              "net_af_packet takes an MTU of up to 61342, not 65000");
    EXPECT_EQ(refusal("net_af_packet0,iface=eth0,framesz=4096,blocksz=4096", 9000),
              "framesz=4096 is too small for an MTU of 9000: 9098 or more, or leave it out");
    EXPECT_EQ(refusal("net_af_packet0,iface=no-such-one", 9000),
              "there is no interface no-such-one");
}

}  // namespace
}  // namespace sluice::port
