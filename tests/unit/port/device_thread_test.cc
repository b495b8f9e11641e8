#include "port/device_thread.h"

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "port/claims.h"
#include "port/device_start.h"
#include "port/dpdk_log.h"
#include "port/port.h"
#include "support/device_thread.h"
#include "support/directory.h"
#include "support/opening.h"
#include "support/pools.h"

namespace sluice::port {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kHanging{600'000};

bool is_there(const char* name) {
    uint16_t port = 0;
    return rte_eth_dev_get_port_by_name(name, &port) == 0;
}

// Counts the devices that DPDK makes. Called inside of rte_dev_probe(), on its thread.
class NewDevices {
 public:
    NewDevices() { rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_NEW, count_one, &count_); }
    ~NewDevices() { rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_NEW, count_one, &count_); }
    int count() const { return count_; }

 private:
    static int count_one(uint16_t, rte_eth_event_type, void* count, void*) {
        ++*static_cast<std::atomic<int>*>(count);
        return 0;
    }
    std::atomic<int> count_ = 0;
};

class DeviceThreadTest : public testing::Test {
 protected:
    DeviceThreadTest() : pools_(test::switch_pools()) {}  // DPDK is up
    ~DeviceThreadTest() override { EXPECT_TRUE(is_idle()); }

    static bool is_idle() { return devices_are_idle(kHanging); }
    // When the thread has done all that it was given.
    static base::Result<MadeDevice> made(DeviceMaking& making) {
        EXPECT_TRUE(is_idle());
        EXPECT_TRUE(making.is_over());
        return making.take();
    }
    static void remove(const MadeDevice& device) {
        close_device(device, {}, nullptr).is_over();
        ASSERT_TRUE(is_idle());
    }
    std::unique_ptr<Port> make_port(const std::string& device) {
        PortConfig config{.device = device};
        config.name = "port";
        return port::make_port(path::PortId{3}, config, {pools_, 1, "test"});
    }

    const Pools& pools_;
    NewDevices new_devices_;
};

TEST_F(DeviceThreadTest, ADeviceIsMadeAndRemoved) {
    ASSERT_FALSE(is_there("net_ring_made"));
    DeviceMaking making("net_ring_made");
    const auto device = made(making);
    ASSERT_TRUE(device) << device.error().message;
    EXPECT_TRUE(device->is_ours);
    EXPECT_EQ(new_devices_.count(), 1);
    uint16_t port = 0;
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_ring_made", &port), 0);
    EXPECT_EQ(device->port, port);
    remove(*device);
    EXPECT_FALSE(is_there("net_ring_made"));
}

TEST_F(DeviceThreadTest, ADeviceThatIsThereIsFound) {
    DeviceMaking first("net_ring_found");
    const auto device = made(first);
    ASSERT_TRUE(device) << device.error().message;
    {
        DeviceMaking second("net_ring_found");
        const auto same = made(second);
        ASSERT_TRUE(same) << same.error().message;
        EXPECT_EQ(same->port, device->port);
        EXPECT_FALSE(same->is_ours);
        DeviceMaking never_taken("net_ring_found");
        ASSERT_TRUE(is_idle());
    }
    ASSERT_TRUE(is_idle());
    EXPECT_TRUE(is_there("net_ring_found")) << "it is the first one's";
    EXPECT_EQ(new_devices_.count(), 1);
    remove(*device);
}

TEST_F(DeviceThreadTest, WhatCannotBeMadeSaysSo) {
    DeviceMaking making("net_nonsense0");
    const auto device = made(making);
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().message,
              "DPDK can't make a device of \"net_nonsense0\": is the driver's name right, and its package "
              "installed (librte-net-*)?");
}

// The driver is there: its name is no question, and what it has logged is the reason.
TEST_F(DeviceThreadTest, WhatADriverRefusesIsToldInItsWords) {
    const auto why = [](const std::string& arguments) {
        DeviceMaking making(arguments);
        const auto device = made(making);
        return device ? "it was made" : device.error().message;
    };
    redirect_dpdk_log();
    EXPECT_EQ(why("net_pcap0,rx_pcap=/nowhere/in.pcap,tx_pcap=/nowhere/out.pcap"),
              "DPDK can't make a device of \"net_pcap0,rx_pcap=/nowhere/in.pcap,tx_pcap=/nowhere/out.pcap\": "
              "open_single_rx_pcap(): Couldn't open /nowhere/in.pcap: /nowhere/in.pcap: No such file or "
              "directory");
    EXPECT_EQ(why("net_af_packet3"),
              "DPDK can't make a device of \"net_af_packet3\": its driver doesn't say why: are all of its "
              "arguments there, and right?");
    EXPECT_EQ(why("net_virtio_user0,path=/nowhere/socket"),
              "DPDK can't make a device of \"net_virtio_user0,path=/nowhere/socket\": vhost_user_setup(): connect "
              "error, No such file or directory; virtio_user_dev_setup(): (/nowhere/socket) Failed to setup "
              "backend")
        << "the first of its lines name the cause";
    rte_openlog_stream(nullptr);
}

TEST_F(DeviceThreadTest, ADeviceThatCouldNotBeMadeCanBeMadeLater) {
    const test::Directory directory;
    const std::string arguments =
        "net_memif_later,role=server,socket-abstract=no,socket=" + (directory / "later/socket");
    for (int i = 0; i < 2; ++i) {
        DeviceMaking early(arguments);
        ASSERT_FALSE(made(early));
    }
    std::filesystem::create_directory(directory / "later");
    DeviceMaking making(arguments);
    const auto device = made(making);
    ASSERT_TRUE(device) << device.error().message;
    remove(*device);
}

TEST_F(DeviceThreadTest, WhatIsNoEthernetDeviceIsRemoved) {
    for (int i = 0; i < 2; ++i) {
        DeviceMaking making("crypto_null_sluice");
        const auto device = made(making);
        ASSERT_FALSE(device);
        EXPECT_EQ(device.error().message, "\"crypto_null_sluice\" is not an Ethernet device");
        EXPECT_NE(rte_eal_hotplug_remove("vdev", "crypto_null_sluice"), 0) << "it is still there";
    }
}

// The one that asks goes on; what comes later waits for its turn.
TEST_F(DeviceThreadTest, ASlowDeviceHoldsNobodyUp) {
    auto blocked = std::make_unique<test::BlockedDeviceThread>();
    DeviceMaking first("net_ring_late");
    EXPECT_FALSE(first.is_over());
    EXPECT_FALSE(first.is_over());
    EXPECT_FALSE(devices_are_idle(milliseconds(0)));
    EXPECT_FALSE(is_there("net_ring_late"));
    blocked.reset();
    const auto device = made(first);
    ASSERT_TRUE(device) << device.error().message;
    remove(*device);
}

// Or a device that fails at once would rest for as long as another one has taken.
TEST_F(DeviceThreadTest, TheWaitForOthersIsNotTheDevicesTime) {
    auto blocked = std::make_unique<test::BlockedDeviceThread>();
    DeviceMaking making("net_nonsense0");
    const auto queued = steady_clock::now();
    while (steady_clock::now() - queued < milliseconds(50)) {
    }
    const auto released = steady_clock::now();
    blocked.reset();
    EXPECT_FALSE(made(making));
    EXPECT_LE(making.took(), steady_clock::now() - released);
}

TEST_F(DeviceThreadTest, ADeviceThatNobodyWantsAnyMoreIsNotMade) {
    {
        const test::BlockedDeviceThread blocked;
        const DeviceMaking unwanted("net_ring_unwanted");
    }
    DeviceMaking wanted("net_ring_wanted");
    const auto device = made(wanted);
    ASSERT_TRUE(device) << device.error().message;
    EXPECT_EQ(new_devices_.count(), 1);
    EXPECT_FALSE(is_there("net_ring_unwanted"));
    remove(*device);
}

TEST_F(DeviceThreadTest, ADeviceThatNobodyTakesIsRemoved) {
    {
        DeviceMaking making("net_ring_untaken");
        ASSERT_TRUE(is_idle());
        ASSERT_TRUE(is_there("net_ring_untaken"));
    }
    ASSERT_TRUE(is_idle());
    EXPECT_FALSE(is_there("net_ring_untaken"));
    EXPECT_EQ(new_devices_.count(), 1);
}

// Its port is deleted while DPDK is at it.
TEST_F(DeviceThreadTest, ADeviceThatIsGivenUpHalfWayIsRemoved) {
    struct Gate {
        std::promise<void> begun, open;
    } gate;
    const auto wait = [](uint16_t, rte_eth_event_type, void* at, void*) {
        static_cast<Gate*>(at)->begun.set_value();
        static_cast<Gate*>(at)->open.get_future().wait();
        return 0;
    };
    ASSERT_EQ(rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_NEW, wait, &gate), 0);
    {
        const DeviceMaking making("net_ring_given_up");
        gate.begun.get_future().wait();
    }
    gate.open.set_value();
    ASSERT_TRUE(is_idle());
    ASSERT_EQ(rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_NEW, wait, &gate), 0);
    EXPECT_FALSE(is_there("net_ring_given_up"));
    EXPECT_EQ(new_devices_.count(), 1);
}

// It is made and waits to be started: the port says so, and is up when it has been.
TEST_F(DeviceThreadTest, ADeviceThatIsBeingStartedHoldsNobodyUp) {
    auto port = make_port("net_null_starting");
    const auto blocked_open = [&] {
        const test::BlockedDeviceThread blocked;
        return port->open();
    };
    EXPECT_FALSE(blocked_open());
    ASSERT_TRUE(is_idle());
    ASSERT_TRUE(is_there("net_null_starting"));
    {
        const test::BlockedDeviceThread blocked;
        for (int i = 0; i < 2; ++i) {
            const auto opened = port->open();
            ASSERT_FALSE(opened);
            EXPECT_EQ(opened.error().message,
                      "DPDK has not finished starting its device, or another one that comes first");
            EXPECT_TRUE(port->is_opening());
            EXPECT_EQ(port->receive_queues(), 0);
            EXPECT_FALSE(port->describe().contains("driver")) << "the device is the thread's";
        }
    }
    ASSERT_TRUE(is_idle());
    const auto opened = test::open_at_last(*port);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_FALSE(port->is_opening());
    EXPECT_EQ(port->receive_queues(), 1);
    EXPECT_EQ(port->describe().at("driver"), "net_null");
}

TEST_F(DeviceThreadTest, APortThatIsClosedWhileItsDeviceIsStartedLeavesNothing) {
    auto port = make_port("net_null_dropped");
    {
        const test::BlockedDeviceThread blocked;
        ASSERT_FALSE(port->open());
    }
    ASSERT_TRUE(is_idle());
    {
        const test::BlockedDeviceThread blocked;
        ASSERT_FALSE(port->open());
        port.reset();
        EXPECT_TRUE(is_there("net_null_dropped"));
    }
    ASSERT_TRUE(is_idle());
    EXPECT_FALSE(is_there("net_null_dropped"));
}

// The next one of that name comes after it.
TEST_F(DeviceThreadTest, ClosingADeviceHoldsNobodyUp) {
    auto port = make_port("net_null_closing");
    ASSERT_TRUE(test::open_at_last(*port));
    {
        const test::BlockedDeviceThread blocked;
        port->close();
        EXPECT_TRUE(is_there("net_null_closing"));
        EXPECT_FALSE(port->open());
    }
    ASSERT_TRUE(is_idle());
    ASSERT_TRUE(test::open_at_last(*port));
    EXPECT_EQ(new_devices_.count(), 2);
    port.reset();
    ASSERT_TRUE(is_idle());
    EXPECT_FALSE(is_there("net_null_closing"));
}

// The first port's device was made, and the port was deleted before it has asked again.
TEST_F(DeviceThreadTest, APortDoesNotTakeADeviceThatIsAboutToBeRemoved) {
    auto first = make_port("net_null_heir");
    {
        const test::BlockedDeviceThread blocked;
        ASSERT_FALSE(first->open());
        ASSERT_TRUE(first->is_opening());
    }
    ASSERT_TRUE(is_idle());
    ASSERT_TRUE(is_there("net_null_heir"));
    auto second = make_port("net_null_heir");
    {
        const test::BlockedDeviceThread blocked;
        first.reset();
        EXPECT_FALSE(second->open());
        EXPECT_TRUE(second->is_opening()) << "it waits for the removal";
    }
    ASSERT_TRUE(is_idle());
    const auto opened = test::open_at_last(*second);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(new_devices_.count(), 2);
    second.reset();
    ASSERT_TRUE(is_idle());
    EXPECT_FALSE(is_there("net_null_heir"));
}

TEST_F(DeviceThreadTest, PortsThatAreGivenUpLeaveNoDevices) {
    const uint16_t before = rte_eth_dev_count_total();
    for (size_t i = 0; i < kMostDevices + 1; ++i) {
        auto port = make_port("net_null_again" + std::to_string(i));
        {
            const test::BlockedDeviceThread blocked;
            ASSERT_FALSE(port->open());
            ASSERT_TRUE(port->is_opening());
        }
        ASSERT_TRUE(is_idle());
    }
    ASSERT_TRUE(is_idle());
    EXPECT_EQ(rte_eth_dev_count_total(), before);
}

}  // namespace
}  // namespace sluice::port
