#include "port/pci.h"

#include <gtest/gtest.h>

#include "support/pci_host.h"

namespace sluice::port::pci {
namespace {

constexpr char kNic[] = "0000:03:00.0";

class Pci : public testing::Test, public test::PciHost {
 protected:
    static std::string error_of(const base::Result<Device>& result) {
        return result ? "no error" : result.error().message;
    }
};

TEST(PciAddress, IsFoundInDeviceArguments) {
    EXPECT_EQ(address_of("0000:03:00.1"), "0000:03:00.1");
    EXPECT_EQ(address_of("03:00.1"), "0000:03:00.1");
    EXPECT_EQ(address_of("3:0.1,representor=[0]"), "0000:03:00.1");
    EXPECT_EQ(address_of("pci:0000:AF:1f.7"), "0000:af:1f.7");
    for (const char* other : {"", "net_null0", "net_pcap0,rx_pcap=03:00.1", "0000:03:00", "03:00.8",
                              "../03:00.1", "03:00.1/driver"}) {
        EXPECT_EQ(address_of(other), std::nullopt) << other;
    }
}

TEST_F(Pci, ListsNetworkFunctionsOnly) {
    add_function(kNic, "ixgbe");
    add_function("0000:00:1f.2", "ahci", "0x010601");
    add_function("0000:04:00.0", "", "0x020700");
    const auto devices = list(host_);
    ASSERT_TRUE(devices) << devices.error().message;
    ASSERT_EQ(devices->size(), 2u);
    EXPECT_EQ((*devices)[0].address, kNic);
    EXPECT_EQ((*devices)[0].id, "8086:1572");
    EXPECT_EQ((*devices)[0].driver, "ixgbe");
    EXPECT_EQ((*devices)[0].numa_node, 1);
    EXPECT_EQ((*devices)[1].driver, "");
}

TEST_F(Pci, AHostWithoutPciHasNone) {
    const auto devices = list(host_);
    ASSERT_TRUE(devices);
    EXPECT_TRUE(devices->empty());
}

TEST_F(Pci, TellsTheInterfacesWithTheirLinkAndRoute) {
    add_function(kNic, "ixgbe");
    add_interface(kNic, "eth0", 2);
    add_interface(kNic, "eth1", 3, "virtio1");
    write(sys_ / "class/net/eth1/speed", "-1");
    // Bridge over VLAN over eth1.
    write(sys_ / "class/net/br0/ifindex", "9");
    write(sys_ / "class/net/eth1.5/ifindex", "8");
    link(sys_ / "class/net/eth1.5", sys_ / "class/net/eth1/upper_eth1.5");
    link(sys_ / "class/net/br0", sys_ / "class/net/eth1.5/upper_br0");
    ways_out_ = {9};
    const auto device = find(host_, "03:00.0");
    ASSERT_TRUE(device) << device.error().message;
    ASSERT_EQ(device->interfaces.size(), 2u);
    EXPECT_EQ(device->interfaces[0].name, "eth0");
    EXPECT_EQ(device->interfaces[0].state, "up");
    EXPECT_EQ(device->interfaces[0].speed, 10000u);
    EXPECT_FALSE(device->interfaces[0].has_default_route);
    EXPECT_EQ(device->interfaces[1].speed, 0u);
    EXPECT_TRUE(device->interfaces[1].has_default_route);
}

TEST_F(Pci, TellsVirtualFromPhysicalFunctions) {
    add_function(kNic, "ixgbe");
    for (const char* vf : {"0000:03:10.2", "0000:03:10.0"}) {
        add_function(vf, "ixgbevf");
        link(folder(kNic), folder(vf) / "physfn");
    }
    link(folder("0000:03:10.2"), folder(kNic) / "virtfn1");
    link(folder("0000:03:10.0"), folder(kNic) / "virtfn0");
    EXPECT_EQ(find(host_, kNic)->virtual_functions,
              (std::vector<std::string>{"0000:03:10.0", "0000:03:10.2"}));
    EXPECT_EQ(find(host_, "0000:03:10.0")->physical_function, kNic);
}

TEST_F(Pci, TellsWhoHoldsTheGroup) {
    for (const char* address : {"0000:03:00.0", "0000:03:00.1", "0000:03:00.2"}) {
        add_function(address, address == std::string(kNic) ? "vfio-pci" : "ixgbe");
        put_in_group(address, "12");
    }
    add_function("0000:00:01.0", "pcieport", "0x060400");
    put_in_group("0000:00:01.0", "12");
    const auto device = find(host_, kNic);
    EXPECT_EQ(device->iommu_group, "12");
    EXPECT_EQ(device->group_held_by,
              (std::vector<std::string>{"0000:03:00.1 (ixgbe)", "0000:03:00.2 (ixgbe)"}));
}

TEST_F(Pci, KnowsMsixByItsCapability) {
    add_function(kNic, "ixgbe");
    std::string config(256, '\0');
    config[0x06] = 0x10;
    config[0x34] = 0x40;
    config[0x40] = 0x01;  // power management, then
    config[0x41] = 0x50;
    config[0x50] = 0x11;
    test::write_file(folder(kNic) / "config", config);
    EXPECT_TRUE(find(host_, kNic)->has_msix);
    config[0x50] = 0x05;
    config[0x51] = 0x40;  // a list without an end
    test::write_file(folder(kNic) / "config", config);
    EXPECT_FALSE(find(host_, kNic)->has_msix);
}

TEST_F(Pci, BindsAndGivesBack) {
    add_function(kNic, "ixgbe");
    add_interface(kNic, "eth0", 2);
    put_in_group(kNic, "12");
    const auto bound = bind(host_, kNic, "vfio-pci", Force::kNo);
    ASSERT_TRUE(bound) << bound.error().message;
    EXPECT_EQ(bound->driver, "vfio-pci");
    EXPECT_TRUE(bound->interfaces.empty());
    const size_t count = writes_.size();
    EXPECT_EQ(count, 3u);
    ASSERT_TRUE(bind(host_, kNic, "vfio-pci", Force::kNo));
    EXPECT_EQ(writes_.size(), count) << "bound already";

    const auto back = unbind(host_, kNic);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->driver, "ixgbe");
    EXPECT_EQ(writes_.size(), 2 * count);
    ASSERT_TRUE(unbind(host_, kNic));
    EXPECT_EQ(writes_.size(), 2 * count) << "the kernel has it already";
}

TEST_F(Pci, BindsWhatHasNoDriver) {
    add_function(kNic, "");
    put_in_group(kNic, "12");
    EXPECT_TRUE(bind(host_, kNic, "vfio-pci", Force::kNo));
    EXPECT_EQ(driver_of(kNic), "vfio-pci");
}

TEST_F(Pci, WhatCannotBeBoundIsExplained) {
    add_function(kNic, "ixgbe");
    add_function("0000:00:1f.2", "ahci", "0x010601");
    const auto error = [&](const char* address, const char* driver = "vfio-pci") {
        return error_of(bind(host_, address, driver, Force::kYes));
    };
    EXPECT_EQ(error("eth0"), "eth0 is not a PCI address, such as 0000:03:00.1");
    EXPECT_EQ(error("05:00.0"),
              "there is no PCI device 0000:05:00.0: `sluicectl device list` has those that there are");
    EXPECT_EQ(error("00:1f.2"), "0000:00:1f.2 is no network device (PCI class 0x010601)");
    EXPECT_EQ(error(kNic, "uio_pci_generic"),
              "the driver uio_pci_generic is not loaded: `modprobe uio_pci_generic`");
    EXPECT_EQ(error(kNic, "../ixgbe"), "\"../ixgbe\" is not a driver's name");
    EXPECT_NE(error(kNic).find("is behind no IOMMU"), std::string::npos);
    EXPECT_TRUE(writes_.empty());

    write(sys_ / "module/vfio/parameters/enable_unsafe_noiommu_mode", "Y");
    EXPECT_TRUE(bind(host_, kNic, "vfio-pci", Force::kNo));
}

TEST_F(Pci, TheWayOutIsTakenByForceOnly) {
    add_function(kNic, "ixgbe");
    add_interface(kNic, "eth0", 2);
    put_in_group(kNic, "12");
    ways_out_ = {2};
    EXPECT_EQ(error_of(bind(host_, kNic, "vfio-pci", Force::kNo)),
              "0000:03:00.0: this host's default route leads by its interface eth0, and would be lost "
              "with it: add --force if that is meant");
    EXPECT_TRUE(writes_.empty());
    EXPECT_EQ(driver_of(kNic), "ixgbe");
    EXPECT_TRUE(bind(host_, kNic, "vfio-pci", Force::kYes));
    EXPECT_EQ(driver_of(kNic), "vfio-pci");
}

TEST_F(Pci, APhysicalFunctionWithVirtualOnesIsTakenByForceOnly) {
    add_function(kNic, "ixgbe");
    put_in_group(kNic, "12");
    link(folder("0000:03:10.0"), folder(kNic) / "virtfn0");
    EXPECT_NE(error_of(bind(host_, kNic, "vfio-pci", Force::kNo)).find("1 virtual functions"),
              std::string::npos);
    EXPECT_TRUE(bind(host_, kNic, "vfio-pci", Force::kYes));
}

TEST_F(Pci, WhatWorksBesideItsKernelDriverStaysThere) {
    add_function(kNic, "ixgbe");
    put_in_group(kNic, "12");
    write(folder(kNic) / "vendor", "0x15b3");
    EXPECT_NE(error_of(bind(host_, kNic, "vfio-pci", Force::kNo)).find("leave it bound"),
              std::string::npos);
    EXPECT_TRUE(writes_.empty());
}

TEST_F(Pci, ADriverThatRefusesLeavesTheDeviceWithItsOld) {
    add_function(kNic, "ixgbe");
    put_in_group(kNic, "12");
    broken_driver_ = "vfio-pci";
    EXPECT_EQ(error_of(bind(host_, kNic, "vfio-pci", Force::kNo)),
              "the driver vfio-pci did not take 0000:03:00.0 (writing to it: Invalid argument); ixgbe "
              "has it");
    EXPECT_EQ(driver_of(kNic), "ixgbe");
}

TEST_F(Pci, ADeviceThatTheKernelHasNoDriverForSaysSo) {
    add_function(kNic, "vfio-pci");
    natural_driver_ = "";
    EXPECT_NE(error_of(unbind(host_, kNic)).find("modalias"), std::string::npos);
}

// The real one, as far as it can be looked at without harm.
TEST(PciOfThisHost, CanBeListed) {
    const auto devices = list(this_host());
    ASSERT_TRUE(devices) << devices.error().message;
    for (const Device& device : *devices) EXPECT_TRUE(address_of(device.address));
}

}  // namespace
}  // namespace sluice::port::pci
