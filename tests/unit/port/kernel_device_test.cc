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

TEST(KernelDevice, IsOfOneDriverOnly) {
    EXPECT_TRUE(kernel_device("net_af_xdp0,iface=eth0", 1500));
    EXPECT_FALSE(kernel_device("net_af_packet0,iface=eth0", 1500));
    EXPECT_FALSE(kernel_device("net_null0", 1500));
    EXPECT_FALSE(kernel_device("0000:03:00.1", 1500));
}

TEST(KernelDevice, RefusesWhatItsDriverWouldLose) {
    const auto opened = kernel_device("net_af_xdp0,iface=eth0", 1500)->open(1, 9000);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message, "net_af_xdp takes an MTU of up to 3502, not 9000");
}

}  // namespace
}  // namespace sluice::port
