#include "explain/decider.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "explain/wall_clock.h"
#include "path/came_by.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::explain {
namespace {

using path::Drop;
using path::DropRecord;
using test::Bytes;
using test::Packet;

constexpr engine::Clock::time_point kNow{std::chrono::seconds(1000)};
constexpr std::string_view kBroadcast = "ff:ff:ff:ff:ff:ff";

class DeciderTest : public testing::Test {
 protected:
    void apply(const std::string& yaml) {
        auto config = engine::load_config(yaml, "f", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto changes = switch_.apply(*config, kNow);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    void add_route(std::string_view line) {
        route::Mistakes mistakes;
        const route::Changes changes = route::read_changes({.lines = line}, mistakes);
        ASSERT_EQ(mistakes.count, 0u);
        ASSERT_TRUE(switch_.change_routes(changes));
    }
    // What becomes of a frame from device a: the record of its drop.
    DropRecord dropped(const Bytes& frame) {
        rte_mbuf* packet = test::to_mbuf(pools_.buffers, frame);
        path::set_came_by(packet, id_of("a"));  // what most drivers do
        a_.put(packet);
        switch_.workers()[0]->turn();
        const auto records = switch_.workers()[0]->counters().log.recent();
        EXPECT_FALSE(records.empty());
        return records.empty() ? DropRecord{} : records.back();
    }
    std::string told(const DropRecord& record) const {
        const auto objects = deciders_of(switch_, record);
        return std::string(path::text(record.reason).name) + ": " + (objects.empty() ? "nobody" : text(objects));
    }
    std::string router_mac(const std::string& network) const {
        engine::NetworkConfig config;
        config.name = network;
        return engine::router_mac(config, "test").text();
    }
    path::PortId id_of(const std::string& port) const { return switch_.ports().at(port).port->id(); }
    // As a worker would note it now.
    DropRecord record(Drop reason, const std::string& network, const Bytes& frame) const {
        DropRecord record{};
        record.time = rte_get_tsc_cycles();
        record.port = record.ingress = id_of("a");
        record.egress = path::kNoPort;
        record.network = switch_.network_ids().at(network);
        record.reason = reason;
        record.length = static_cast<uint32_t>(frame.size());
        record.size = static_cast<uint8_t>(std::min(frame.size(), DropRecord::kBytes));
        std::copy_n(frame.begin(), record.size, record.bytes.begin());
        return record;
    }

    const port::Pools& pools_ = test::switch_pools();
    test::RingDevice a_{"a"};
    test::RingDevice b_{"b"};
    engine::Switch switch_{1, pools_, "test"};
};

TEST_F(DeciderTest, APortsSettingsAreThePorts) {
    apply(
        "networks: [{name: blue}]\n"
        "ports:\n"
        "  - {name: a, device: net_ring_a, network: blue, address: 10.0.0.1, mac: '02:00:00:00:00:0a'}\n"
        "  - {name: b, device: net_ring_b, network: blue}");
    const DropRecord record = dropped(Packet().eth().ipv4("10.0.0.9", "10.0.0.2").udp(1, 2));
    EXPECT_EQ(told(record), "spoofed-address: port a (f:3:5)");
    EXPECT_EQ(place_name(switch_, record.ingress, record.time), "a");
    EXPECT_EQ(network_name(switch_, record.network, record.time), "blue");
}

TEST_F(DeciderTest, APacketThatIsWrongIsThePortsThatItCameFrom) {
    apply("networks: [{name: blue}]\nports: [{name: a, device: net_ring_a, network: blue}]");
    EXPECT_EQ(told(dropped(Bytes(13))), "runt: port a (f:2:9)");
    for (const Drop reason : {Drop::kTtlExceeded, Drop::kMalformedIp, Drop::kReservedMac, Drop::kInvalidSource,
                              Drop::kMartian, Drop::kNotForRouter}) {
        EXPECT_EQ(told(record(reason, "blue", {})), std::string(path::text(reason).name) + ": port a (f:2:9)");
    }
    EXPECT_EQ(told(record(Drop::kBeyondScope, "blue", {})), "beyond-scope: nobody");
    EXPECT_EQ(told(dropped(Packet().eth().payload(46))), "no-member: network blue (f:1:12)");
    EXPECT_EQ(told(record(Drop::kBackground, "blue", Packet().eth().payload(46))), "background: network blue (f:1:12)");
}

TEST_F(DeciderTest, TheWayOutIsThePortsThere) {
    apply(
        "networks: [{name: blue}]\nports:\n"
        "  - {name: a, device: net_ring_a, network: blue, split-horizon: g}\n"
        "  - {name: b, device: net_ring_b, network: blue, split-horizon: g, mtu: 1400}");
    b_.put(test::to_mbuf(pools_.buffers, Packet().eth(test::kMacB, kBroadcast).payload(46)));
    switch_.workers()[0]->turn();
    EXPECT_EQ(told(dropped(Packet().eth().payload(46))), "split-horizon: port b (f:4:5)");
}

TEST_F(DeciderTest, ARouteIsTheOneThatSaysSo) {
    apply(
        "networks:\n"
        "  - {name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254, domain: other}\n"
        "routes:\n"
        "  - {to: 10.8.0.0/16, type: unreachable, domain: other}\n"
        "  - {to: 10.8.1.0/24, type: blackhole, domain: other}\n"
        "ports: [{name: a, device: net_ring_a, network: blue}]");
    auto to = [&](std::string_view address) {
        return Packet().eth(test::kMacA, router_mac("blue")).ipv4("10.0.0.1", address).udp(1, 2).bytes();
    };
    EXPECT_EQ(told(dropped(to("10.8.1.1"))), "blackhole: route 10.8.1.0/24 of domain other (f:5:5)");
    EXPECT_EQ(told(dropped(to("10.8.2.1"))), "unreachable-route: route 10.8.0.0/16 of domain other (f:4:5)");
    EXPECT_EQ(told(dropped(to("10.0.0.255"))), "directed-broadcast: route 10.0.0.255/32 of domain other (f:2:5)");
    EXPECT_EQ(told(dropped(to("10.9.0.1"))), "no-route: network blue (f:2:5)");
    // Now it would be another route's.
    EXPECT_EQ(told(record(Drop::kBlackhole, "blue", to("10.8.2.1"))), "blackhole: nobody");
}

TEST_F(DeciderTest, ARouteOfTheCommandLineHasNoPlace) {
    apply(
        "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.254, 'fd00::fe']}]\n"
        "ports: [{name: a, device: net_ring_a, network: blue}]");
    add_route("blackhole fd00:1::/32\n");
    const DropRecord record =
        dropped(Packet().eth(test::kMacA, router_mac("blue")).ipv6("fd00::1", "fd00:1::1").udp(1, 2));
    EXPECT_EQ(told(record), "blackhole: route fd00:1::/32 (added)");
    EXPECT_EQ(to_json(deciders_of(switch_, record).at(0)).dump(),
              R"({"column":null,"file":null,"kind":"route","line":null,"name":"fd00:1::/32"})");
}

TEST_F(DeciderTest, TunnelsAreTheUnderlaysAndTheNetworks) {
    apply(
        "networks: [{name: blue, vxlan: {vni: 100, remotes: [192.0.2.2]}}]\n"
        "underlay: {port: a, address: 192.0.2.1/24}\n"
        "ports: [{name: a, device: net_ring_a}]");
    const Bytes frame = Packet()
                            .eth()
                            .ipv4("192.0.2.9", "192.0.2.1")
                            .options(4)
                            .udp(5, 4789)
                            .vxlan(100)
                            .eth()
                            .payload(46);
    const std::string underlay(engine::kUnderlay);
    EXPECT_EQ(told(record(Drop::kUnknownRemote, underlay, frame)), "unknown-remote: network blue (f:1:12)");
    EXPECT_EQ(told(record(Drop::kVxlanInnerVlan, underlay, frame)), "vxlan-inner-vlan: network blue (f:1:12)");
    EXPECT_EQ(told(record(Drop::kTaggedIntoTunnel, "blue", frame)), "tagged-into-tunnel: network blue (f:1:12)");
    EXPECT_EQ(told(record(Drop::kUnknownVni, underlay, frame)), "unknown-vni: underlay a (f:2:11)");
    const Bytes ipv6 = Packet().eth().ipv6("fd00::9", "fd00::1").udp(5, 4789).vxlan(100).eth().payload(46);
    EXPECT_EQ(told(record(Drop::kUnknownRemote, underlay, ipv6)), "unknown-remote: network blue (f:1:12)");
    EXPECT_EQ(told(record(Drop::kUnknownRemote, underlay, Bytes(20))), "unknown-remote: nobody");

    DropRecord by_tunnel = record(Drop::kPortDown, "blue", frame);
    by_tunnel.egress = switch_.tunnels().begin()->second.id;
    EXPECT_EQ(told(by_tunnel), "port-down: tunnel 192.0.2.2 (f:2:11)");
    EXPECT_EQ(place_name(switch_, by_tunnel.egress, by_tunnel.time), "tunnel 192.0.2.2");
    by_tunnel.reason = Drop::kHostUnreachable;
    EXPECT_EQ(told(by_tunnel), "host-unreachable: underlay a (f:2:11)");
}

TEST_F(DeciderTest, ATunnelIsDownBecauseItsUnderlaysPortIs) {
    apply(
        "networks: [{name: blue, vxlan: {vni: 100, remotes: [192.0.2.2]}}]\n"
        "underlay: {port: u, address: 192.0.2.1/24}\n"
        "ports: [{name: a, device: net_ring_a, network: blue}, {name: u, device: net_nosuch0}]");
    const DropRecord down = dropped(Packet().eth().payload(46));
    EXPECT_EQ(told(down), "port-down: port u (f:3:55)");
    EXPECT_EQ(place_name(switch_, down.ingress, down.time), "a");
    EXPECT_EQ(place_name(switch_, down.egress, down.time), "tunnel 192.0.2.2");
}

// The frame that was to go into a tunnel is told as it came, and from where.
TEST_F(DeciderTest, WhatWaitsForATunnelsNextHopIsToldAsItCame) {
    apply(
        "networks: [{name: blue, vxlan: {vni: 100, remotes: [192.0.2.2]}}]\n"
        "underlay: {port: b, address: 192.0.2.1/24}\n"
        "ports: [{name: a, device: net_ring_a, network: blue}, {name: b, device: net_ring_b}]");
    const Bytes frame = Packet().eth(test::kMacA, kBroadcast).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2");
    // More than are kept.
    for (int i = 0; i < neighbor::kMaxHeld; ++i) {
        a_.put(test::to_mbuf(pools_.buffers, frame));
        switch_.workers()[0]->turn();
    }
    const DropRecord record = dropped(frame);
    EXPECT_EQ(told(record), "neighbor-pending: underlay b (f:2:11)");
    EXPECT_EQ(place_name(switch_, record.ingress, record.time), "a");
    EXPECT_EQ(place_name(switch_, record.egress, record.time), "tunnel 192.0.2.2");
    EXPECT_EQ(network_name(switch_, record.network, record.time), "blue");
    EXPECT_EQ(record.length, frame.size());
    ASSERT_GE(record.size, frame.size());
    EXPECT_TRUE(std::equal(frame.begin(), frame.end(), record.bytes.begin()));
    apply("ports: []");
}

TEST_F(DeciderTest, AnObjectIsTheRuleOfItsNumber) {
    apply("networks: [{name: blue}]\nports: [{name: a, device: net_ring_a, network: blue}]\n"
          "acls: [{name: edge, rules: [{permit: {}}, {deny: {}, name: rest}]}]");
    DropRecord denied = record(Drop::kDenied, "blue", {});
    denied.object = switch_.acls().at("edge")->object(1);
    EXPECT_EQ(told(denied), "denied: acl-rule edge rule 2 (rest) (f:3:43)");
    denied.object += 1000;
    EXPECT_EQ(told(denied), "denied: nobody");
}

TEST_F(DeciderTest, AStationThatIsNotFoundIsItsNetworks) {
    apply("networks:\n"
          "  - {name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254}\n"
          "  - {name: red, subnets: 10.0.1.0/24, gateway: 10.0.1.254}\n"
          "routes: [{to: 10.8.0.0/16, via: 10.0.1.8}]\n"
          "ports: [{name: a, device: net_ring_a, network: blue}]");
    const auto to = [&](std::string_view address) {
        const Bytes frame = Packet().eth().ipv4("10.0.0.1", address).udp(1, 2);
        return record(Drop::kHostUnreachable, "blue", frame);
    };
    EXPECT_EQ(told(to("10.0.1.77")), "host-unreachable: network red (f:3:5)");
    EXPECT_EQ(told(to("10.8.0.1")), "host-unreachable: network red (f:3:5)");
    EXPECT_EQ(neighbor_of(switch_, to("10.0.1.77"))->text(), "10.0.1.77");
    EXPECT_EQ(neighbor_of(switch_, to("10.8.0.1"))->text(), "10.0.1.8");
    EXPECT_FALSE(neighbor_of(switch_, to("10.9.0.1")));
    DropRecord other = to("10.0.1.77");
    other.reason = Drop::kNoRoute;
    EXPECT_FALSE(neighbor_of(switch_, other));
}

TEST_F(DeciderTest, APacketThatIsTooLongIsThePortsThatItWasToLeaveBy) {
    apply("networks: [{name: blue}]\nports: [{name: a, device: net_ring_a, network: blue}, "
          "{name: b, device: net_ring_b, network: blue}]");
    DropRecord too_long = record(Drop::kFragmentationNeeded, "blue", {});
    too_long.egress = id_of("b");
    EXPECT_EQ(told(too_long), "fragmentation-needed: port b (f:2:55)");
}

// A number may be another's by now.
TEST_F(DeciderTest, WhatHasGoneIsNotTakenForItsSuccessor) {
    const std::string networks = "networks: [{name: blue}, {name: red}]\n";
    apply(networks + "ports: [{name: a, device: net_ring_a, network: blue}]");
    DropRecord of_before = record(Drop::kMacLimit, "blue", {});
    EXPECT_EQ(told(of_before), "mac-limit: port a (f:2:9)");
    apply("networks: [{name: red}]\nports: []");
    apply("networks: [{name: green}, {name: red}]\nports: [{name: b, device: net_ring_b, network: green}]");
    ASSERT_EQ(id_of("b"), of_before.ingress);
    ASSERT_EQ(switch_.network_ids().at("green"), of_before.network);
    EXPECT_EQ(told(of_before), "mac-limit: nobody");
    EXPECT_EQ(place_name(switch_, of_before.ingress, of_before.time), "");
    EXPECT_EQ(network_name(switch_, of_before.network, of_before.time), "");
    of_before.time = rte_get_tsc_cycles();
    EXPECT_EQ(told(of_before), "mac-limit: port b (f:2:9)");
    EXPECT_EQ(network_name(switch_, of_before.network, of_before.time), "green");
    EXPECT_EQ(place_name(switch_, path::kNoPort, of_before.time), "");
}

TEST(WallClock, TranslatesBothWays) {
    const WallClock clock(1'000'000, 5'000'000'000, 2e9);
    EXPECT_EQ(clock.nanoseconds(1'000'000), 5'000'000'000);
    EXPECT_EQ(clock.nanoseconds(1'000'000 - 2'000), 5'000'000'000 - 1'000);
    EXPECT_EQ(clock.nanoseconds(1'000'000 + 20), 5'000'000'000 + 10);
    EXPECT_EQ(clock.seconds(1'000'000 + 20), 5.0);
    EXPECT_EQ(clock.seconds(1'000'000 - 2'000), 4.999999);
}

}  // namespace
}  // namespace sluice::explain
