#include "port/ethdev.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "path/batch.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::port {
namespace {

using path::Drop;
using path::PortId;
using test::Packet;

constexpr PortId kId{3};
constexpr path::WorkerId kWorker{0};

class EthdevTest : public testing::Test {
 protected:
    std::unique_ptr<Port> make(PortConfig config, uint16_t workers = 1) {
        config.name = "port";
        return make_port(kId, config, {pools_, workers, "test"});
    }
    rte_mbuf* packet() { return test::to_mbuf(pools_.buffers, Packet().eth().payload(46)); }

    const Pools& pools_ = test::switch_pools();
    path::Counters counters_;
    std::array<rte_mbuf*, path::kBatchSize> packets_{};
};

TEST_F(EthdevTest, ReceivesAndCountsByQueue) {
    test::RingDevice ring("rx", 2);
    auto port = make({.device = ring.device()}, 2);
    ASSERT_TRUE(port->open());
    EXPECT_EQ(port->receive_queues(), 2);
    EXPECT_EQ(port->wake(1), Wake::kNever);
    for (int i = 0; i < 3; ++i) ring.put(packet(), 1);

    EXPECT_EQ(port->receive(0, packets_.data(), 64, counters_).count, 0);
    const Received some = port->receive(1, packets_.data(), 2, counters_);
    EXPECT_EQ(some.count, 2);
    EXPECT_TRUE(some.more);
    const Received rest = port->receive(1, packets_.data() + 2, 62, counters_);
    EXPECT_EQ(rest.count, 1);
    EXPECT_FALSE(rest.more);
    EXPECT_EQ(counters_.port(kId).received[1].packets.get(), 3u);
    EXPECT_EQ(counters_.port(kId).received[1].bytes.get(), 180u);
    EXPECT_EQ(counters_.port(kId).received[0].packets.get(), 0u);
    rte_pktmbuf_free_bulk(packets_.data(), 3);
}

TEST_F(EthdevTest, WhatTheDeviceDoesNotTakeIsDroppedAsFull) {
    test::RingDevice ring("full", 1, 10);
    auto port = make({.device = ring.device()});
    ASSERT_TRUE(port->open());
    for (auto& m : packets_) m = packet();
    port->transmit(kWorker, packets_.data(), path::kBatchSize, path::kBatchSize * 60, counters_);
    EXPECT_EQ(counters_.port(kId).transmitted.packets.get(), 10u);
    EXPECT_EQ(counters_.port(kId).transmitted.bytes.get(), 600u);
    EXPECT_EQ(counters_.totals.dropped[static_cast<size_t>(Drop::kTransmitFull)].get(), 54u);
    ring.drain();
    EXPECT_TRUE(test::are_full(pools_));
}

TEST_F(EthdevTest, WorkersShareTheQueuesThatADeviceHas) {
    test::RingDevice ring("shared", 1);
    auto port = make({.device = ring.device()}, 4);
    ASSERT_TRUE(port->open());
    EXPECT_EQ(port->receive_queues(), 1);
    for (uint16_t worker = 0; worker < 4; ++worker) {
        rte_mbuf* m = packet();
        port->transmit(path::WorkerId{worker}, &m, 1, m->pkt_len, counters_);
    }
    EXPECT_EQ(counters_.totals.transmitted.get(), 4u);
}

TEST_F(EthdevTest, TakesAsManyQueuesAsConfigured) {
    test::RingDevice ring("queues", 4);
    auto port = make({.device = ring.device(), .queues = 3}, 2);
    ASSERT_TRUE(port->open());
    EXPECT_EQ(port->receive_queues(), 3);
}

TEST_F(EthdevTest, TakesFramesOfItsMtu) {
    test::RingDevice ring("mtu");
    auto port = make({.device = ring.device(), .mtu = 9000});
    ASSERT_TRUE(port->open());
    EXPECT_EQ(port->max_frame(), 9014u);
    EXPECT_FALSE(port->capabilities().tcp_segments);
    EXPECT_FALSE(port->capabilities().checksums);
}

TEST_F(EthdevTest, OpensAgainAfterClose) {
    test::RingDevice ring("again");
    auto port = make({.device = ring.device()});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(port->open());
        ASSERT_TRUE(port->check());
        port->close();
    }
}

TEST_F(EthdevTest, ADeviceMadeForThePortGoesWithIt) {
    const PortConfig config{.device = "net_null_ours,size=60"};
    uint16_t device = 0;
    for (int i = 0; i < 2; ++i) {
        auto port = make(config);
        ASSERT_TRUE(port->open()) << port->open().error().message;
        EXPECT_EQ(rte_eth_dev_get_port_by_name("net_null_ours", &device), 0);
        EXPECT_EQ(port->interface(), config.device);
        EXPECT_EQ(port->describe().at("driver"), "net_null");
        port.reset();
        EXPECT_NE(rte_eth_dev_get_port_by_name("net_null_ours", &device), 0);
    }
}

TEST_F(EthdevTest, ADeviceThatWasThereStaysThere) {
    test::RingDevice ring("stays");
    auto port = make({.device = ring.device()});
    ASSERT_TRUE(port->open());
    port->destroy();
    uint16_t device = 0;
    EXPECT_EQ(rte_eth_dev_get_port_by_name("net_ring_stays", &device), 0);
}

TEST_F(EthdevTest, AnUnknownDriverIsExplained) {
    auto port = make({.device = "net_nosuch0,x=1"});
    const auto opened = port->open();
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("\"net_nosuch0,x=1\""), std::string::npos);
    EXPECT_NE(opened.error().message.find("driver's name"), std::string::npos);
    // What can be said of a port that isn't open.
    EXPECT_FALSE(port->describe().contains("driver"));
}

TEST(SameInterface, OutlivesOtherQueues) {
    const PortConfig web{.name = "a", .netns = "web"};
    PortConfig other = web;
    other.queues = 2;
    EXPECT_TRUE(same_interface(web, other));
    EXPECT_FALSE(same_device(web, other));
    other.netns = "db";
    EXPECT_FALSE(same_interface(web, other));
}

TEST(SameDevice, IsAskedOfEveryKey) {
    const PortConfig base{.name = "a", .device = "net_null0", .network = "blue"};
    const auto same = [&](auto change) {
        PortConfig other = base;
        change(other);
        return same_device(base, other);
    };
    EXPECT_TRUE(same([](PortConfig&) {}));
    EXPECT_TRUE(same([](PortConfig& p) { p.network = "red"; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.mtu = 9000; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.queues = 2; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.device = "net_null1"; }));
    EXPECT_FALSE(same([](PortConfig& p) { p.device.clear(), p.netns = "web"; }));

    const PortConfig web{.name = "a", .netns = "web"};
    PortConfig other = web;
    other.mtu = 9000;  // which an interface takes while it is up
    EXPECT_TRUE(same_device(web, other));
    other.netns = "db";
    EXPECT_FALSE(same_device(web, other));
    other = web;
    other.interface = "eth1";
    EXPECT_FALSE(same_device(web, other));
    other.interface = "eth0";  // the default, said aloud
    EXPECT_TRUE(same_device(web, other));
}

}  // namespace
}  // namespace sluice::port
