#include "port/device_thread.h"

#include <gtest/gtest.h>
#include <rte_ethdev.h>

#include <future>

#include "support/eal.h"

namespace sluice::port {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kHanging{600'000};

bool is_there(const char* name) {
    uint16_t port = 0;
    return rte_eth_dev_get_port_by_name(name, &port) == 0;
}

class DeviceThreadTest : public testing::Test {
 protected:
    DeviceThreadTest() { test::test_pool(); }  // DPDK is up
    ~DeviceThreadTest() override { EXPECT_TRUE(devices_are_idle(kHanging)); }

    // The thread is inside of a job from now on, until release().
    void block() {
        std::promise<void> begun;
        run_on_device_thread([&begun, gate = gate_.get_future().share()] {
            begun.set_value();
            gate.wait();
        });
        begun.get_future().wait();
    }
    void release() { gate_.set_value(); }

    std::promise<void> gate_;
};

TEST_F(DeviceThreadTest, ADeviceIsMadeAndRemoved) {
    DeviceMaking making("net_ring_made");
    while (!making.is_over()) {
    }
    EXPECT_EQ(making.status(), 0);
    ASSERT_TRUE(is_there("net_ring_made"));
    uint16_t port = 0;
    rte_eth_dev_info info{};
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_ring_made", &port), 0);
    ASSERT_EQ(rte_eth_dev_info_get(port, &info), 0);
    ASSERT_EQ(rte_eth_dev_close(port), 0);
    remove_device(info.device);
    ASSERT_TRUE(devices_are_idle(kHanging));
    EXPECT_FALSE(is_there("net_ring_made"));
}

TEST_F(DeviceThreadTest, WhatCannotBeMadeSaysSo) {
    DeviceMaking making("net_nonsense0");
    while (!making.is_over()) {
    }
    EXPECT_NE(making.status(), 0);
}

// The one that asks goes on; whoever waits for another's device learns it soon.
TEST_F(DeviceThreadTest, ASlowDeviceHoldsNobodyUp) {
    block();
    DeviceMaking first("net_ring_late");
    EXPECT_FALSE(first.is_over());
    EXPECT_FALSE(first.is_over());
    EXPECT_FALSE(devices_are_idle(milliseconds(0)));
    release();
    while (!first.is_over()) {
    }
    EXPECT_TRUE(is_there("net_ring_late"));
}

TEST_F(DeviceThreadTest, ADeviceThatNobodyWantsAnyMoreIsNotMade) {
    block();
    { DeviceMaking unwanted("net_ring_unwanted"); }
    release();
    ASSERT_TRUE(devices_are_idle(kHanging));
    EXPECT_FALSE(is_there("net_ring_unwanted"));
}

}  // namespace
}  // namespace sluice::port
