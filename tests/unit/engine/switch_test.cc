#include "engine/switch.h"

#include <gtest/gtest.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "engine/machine.h"
#include "port/device_thread.h"
#include "support/directory.h"
#include "support/opening.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;
using test::Packet;

constexpr Clock::time_point kStart{1000s};

Config load(const std::string& yaml) {
    auto config = load_config(yaml, "f", {}, Machine{});
    if (config) return *config;
    ADD_FAILURE() << config.error()[0].text();
    return {};
}

class SwitchTest : public testing::Test {
 protected:
    void apply(const std::string& yaml, Clock::time_point now = kStart) {
        auto changes = switch_.apply(load(yaml), now);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    const HeldPort& held(const std::string& name) const { return switch_.ports().at(name); }
    Texts names() const {
        Texts list;
        for (const auto& [name, port] : switch_.ports()) list.push_back(name);
        return list;
    }
    // With the ticks that follow until no port waits for its device any more.
    void tick(Clock::time_point now) {
        ASSERT_TRUE(port::devices_are_idle(std::chrono::minutes(10)));
        switch_.tick(now);
        test::finish_opening(switch_, now);
    }
    // Whether a broadcast from one device reaches the other.
    bool reaches(test::RingDevice& from, test::RingDevice& to) {
        from.put(test::to_mbuf(pools_.buffers,
                               Packet().eth(test::kMacA, "ff:ff:ff:ff:ff:ff").payload(46)));
        switch_.workers()[0]->turn();
        rte_mbuf* frame = to.take();
        rte_pktmbuf_free(frame);
        return frame != nullptr;
    }
    bridge::Entry find_mac(const std::string& network, std::string_view mac) const {
        test::Bytes bytes = test::mac_bytes(mac);
        bytes.resize(8);
        const uint64_t key = path::mac_key(bytes.data());
        return switch_.macs().at(network)->find(key, bridge::MacTable::hash(key));
    }

    const port::Pools& pools_ = test::switch_pools();
    test::RingDevice a_{"a"};
    test::RingDevice b_{"b"};
    Switch switch_{1, pools_, "test", {}, [] { return kStart; }};
};

constexpr const char* kTwo =
    "networks: [{name: blue}]\n"
    "ports: [{name: a, device: net_ring_a, network: blue}, "
    "{name: b, device: net_ring_b, network: blue}]";

TEST_F(SwitchTest, IsEmptyAtFirst) {
    EXPECT_TRUE(switch_.ports().empty());
    EXPECT_FALSE(switch_.workers()[0]->turn());
}

TEST_F(SwitchTest, AppliedPortsAreUpAndForward) {
    apply(kTwo);
    EXPECT_EQ(names(), (Texts{"a", "b"}));
    EXPECT_TRUE(held("a").up);
    EXPECT_EQ(held("a").reason, "");
    EXPECT_TRUE(reaches(a_, b_));
    EXPECT_TRUE(reaches(b_, a_));
    EXPECT_EQ(switch_.config(), load(kTwo));
}

constexpr const char* kOwned =
    "networks: [{name: blue}]\n"
    "ports: [{name: a, device: net_ring_a, network: blue, mac: '02:00:00:00:00:0a', address: [10.0.0.1]}, "
    "{name: b, device: net_ring_b, network: blue}]";

TEST_F(SwitchTest, ADeclaredMacIsFreeOnceItsPortIsGone) {
    apply(kOwned);
    EXPECT_TRUE(find_mac("blue", test::kMacA).is_static());
    EXPECT_EQ(find_mac("blue", test::kMacA).port(), held("a").port->id());
    EXPECT_FALSE(reaches(b_, a_)) << "b sends from a's address";
    apply("networks: [{name: blue}]\nports: [{name: b, device: net_ring_b, network: blue}]");
    EXPECT_FALSE(find_mac("blue", test::kMacA).found());
    EXPECT_FALSE(reaches(b_, a_)) << "there is nobody else";
    EXPECT_EQ(find_mac("blue", test::kMacA).port(), held("b").port->id());
    apply(kOwned);
    EXPECT_EQ(find_mac("blue", test::kMacA).port(), held("a").port->id());
}

TEST_F(SwitchTest, ADownPortsAddressesAreKeptFromOthersButInAnOverlay) {
    const auto may_use = [&](const std::string& vxlan, const std::string& more = "") {
        apply("networks: [{name: blue, subnets: [10.0.0.0/24]" + vxlan + "}]\n"
              "ports: [{name: a, device: net_nosuch0, network: blue, mac: '02:00:00:00:00:0a', address: [10.0.0.1]" +
              more + "}, {name: b, device: net_ring_b, network: blue}, {name: wire, device: net_ring_a}]");
        EXPECT_FALSE(held("a").up);
        const auto network = switch_.network_ids().at("blue");
        const path::PortId b = held("b").port->id();
        const auto& owners = switch_.snapshot().owners;
        EXPECT_TRUE(owners.may_use(network, *IpAddress::parse("10.0.0.2"), b, false));
        const bool by_ipv4 = owners.may_use(network, *IpAddress::parse("10.0.0.1"), b, false);
        EXPECT_EQ(owners.may_use(network, *IpAddress::parse("fe80::ff:fe00:a"), b, false), by_ipv4);
        return by_ipv4;
    };
    EXPECT_FALSE(may_use(""));
    EXPECT_TRUE(may_use("", ", spoofing: allow")) << "its station may be anywhere";
    EXPECT_TRUE(may_use(", vxlan: {vni: 5, remotes: [192.0.2.2]}}]\nunderlay: {port: wire, address: 192.0.2.1/24}\n#"))
        << "its container may be on another host by now";
}

TEST_F(SwitchTest, APortThatComesIsAnnouncedInAPlainNetwork) {
    apply(kOwned);
    switch_.tick(kStart);
    switch_.workers()[0]->turn();
    rte_mbuf* frame = b_.take();
    ASSERT_NE(frame, nullptr);
    test::Bytes expected =
        Packet().eth(test::kMacA, "ff:ff:ff:ff:ff:ff").arp_request(test::kMacA, "10.0.0.1", "10.0.0.1");
    const test::Bytes bytes = test::bytes_of(frame);
    rte_pktmbuf_free(frame);
    expected.resize(bytes.size());
    EXPECT_EQ(bytes, expected);
}

TEST_F(SwitchTest, AfterAFailoverWhoIsBeyondTheBondIsToldOfOurStations) {
    test::RingDevice watch("watch");
    apply("networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254], gateway-mac: '02:00:00:00:00:fe'}]\n"
          "mirrors: [{name: m, from: [pair], to: watch, direction: tx}]\n"
          "ports: [{name: a, device: net_ring_a, network: blue, mac: '02:00:00:00:00:0a', address: [10.0.0.1]}, "
          "{name: b, device: net_ring_b, network: blue}, {name: watch, device: net_ring_watch}, "
          "{name: pair, bond: {members: ['net_null_failing,no-rx=1', 'net_null_waiting,no-rx=1']}, network: blue}]");
    ASSERT_TRUE(held("pair").up) << held("pair").reason;
    const auto told = [&](Clock::time_point now) {
        switch_.tick(now);
        while (switch_.workers()[0]->turn()) {}
        std::set<test::Bytes> frames;
        while (rte_mbuf* frame = watch.take()) {
            frames.insert(test::bytes_of(frame));
            rte_pktmbuf_free(frame);
        }
        return frames;
    };
    uint16_t member = 0;
    uint16_t bond = 0;
    const std::string name = fmt::format("net_bonding{}", path::index(held("pair").port->id()));
    ASSERT_EQ(rte_eth_dev_get_port_by_name("net_null_waiting", &member), 0);
    ASSERT_EQ(rte_eth_dev_get_port_by_name(name.c_str(), &bond), 0);
    // DPDK's interrupt thread finds out that they have links.
    std::array<uint16_t, 2> active;
    for (int i = 0; i < 3000 && rte_eth_bond_active_slaves_get(bond, active.data(), 2) != 2; ++i) {
        std::this_thread::sleep_for(10ms);
    }
    b_.put(test::to_mbuf(test::test_pool(), Packet().eth(test::kMacB, "ff:ff:ff:ff:ff:ff").payload(46)));
    told(kStart);
    EXPECT_TRUE(told(kStart + 1s).empty()) << "nothing has failed";
    rte_eth_bond_primary_set(bond, member);
    std::set<test::Bytes> expected;
    const auto expect = [&](std::string_view mac, std::string_view address) {
        test::Bytes frame = Packet().eth(mac, "ff:ff:ff:ff:ff:ff").arp_request(mac, address, address);
        frame.resize(60);
        expected.insert(frame);
    };
    expect("02:00:00:00:00:fe", "10.0.0.254");
    expect(test::kMacA, "10.0.0.1");
    // Of b's station no address is known: a RARP request.
    test::Bytes station =
        Packet().eth(test::kMacB, "ff:ff:ff:ff:ff:ff").arp_reply(test::kMacB, "0.0.0.0", test::kMacB, "0.0.0.0");
    station.resize(60);
    station[12] = 0x80;
    station[13] = 0x35;
    station[21] = 3;
    expected.insert(station);
    EXPECT_EQ(told(kStart + 2s), expected);
    EXPECT_TRUE(told(kStart + 3s).empty()) << "once is enough";
    apply(kTwo);  // before the ring goes
}

TEST_F(SwitchTest, APortWithoutAnAddressIsAnnouncedByItsMac) {
    apply("networks: [{name: blue, vlan: 7}]\n"
          "ports: [{name: a, device: net_ring_a, network: blue, mac: '02:00:00:00:00:0a'}, "
          "{name: b, device: net_ring_b, trunk: {networks: [blue]}}]");
    switch_.tick(kStart);
    switch_.workers()[0]->turn();
    rte_mbuf* frame = b_.take();
    ASSERT_NE(frame, nullptr);
    const test::Bytes bytes = test::bytes_of(frame);
    rte_pktmbuf_free(frame);
    EXPECT_EQ(test::Bytes(bytes.begin() + 6, bytes.begin() + 12), test::mac_bytes(test::kMacA));
    EXPECT_EQ(test::Bytes(bytes.begin() + 12, bytes.begin() + 18), (test::Bytes{0x81, 0, 0, 7, 0x80, 0x35}));
    EXPECT_EQ(b_.take(), nullptr);
}

// An address that is seen on both ports in turn.
TEST_F(SwitchTest, ALoopBetweenTwoPortsIsToldAndBounded) {
    apply(kTwo);
    for (int i = 0; i < 10; ++i) {
        reaches(a_, b_);
        reaches(b_, a_);
    }
    testing::internal::CaptureStderr();
    switch_.tick(kStart);
    EXPECT_NE(testing::internal::GetCapturedStderr().find(
                  "warning loop: network blue: a loop between port a and port b, or one MAC address on both: "
                  "02:00:00:00:00:0a was seen on both"),
              std::string::npos);
    EXPECT_EQ(held("a").loop, "port b");
    EXPECT_EQ(held("b").loop, "port a");
    for (uint32_t i = 0; i < 500; ++i) {
        a_.put(test::to_mbuf(pools_.buffers, Packet().eth(test::kMacA, "ff:ff:ff:ff:ff:ff").payload(46)));
    }
    while (switch_.workers()[0]->turn()) {
    }
    const auto& dropped = switch_.workers()[0]->counters().port(held("a").port->id()).dropped;
    EXPECT_NE(dropped[static_cast<size_t>(path::Drop::kFloodLimit)].get(), 0u);
    while (rte_mbuf* frame = b_.take()) rte_pktmbuf_free(frame);
    // The loop ends with one of its ports.
    apply("networks: [{name: blue}]\nports: [{name: a, device: net_ring_a, network: blue}]");
    EXPECT_TRUE(held("a").port->config().flood_limits().broadcast == 0);
}

// Who still sends to a station that has gone with its port learns who has its address now.
TEST_F(SwitchTest, AStationIsSoughtWhosePortHasGone) {
    test::RingDevice c("c");
    const std::string three = std::string(kTwo).substr(0, std::string(kTwo).size() - 1) +
                              ", {name: c, device: net_ring_c, network: blue}]";
    constexpr std::string_view kGone = "02:00:00:00:00:0c";
    apply(three);
    c.put(test::to_mbuf(pools_.buffers, Packet().eth(kGone, "ff:ff:ff:ff:ff:ff").payload(46)));
    switch_.workers()[0]->turn();
    for (test::RingDevice* device : {&a_, &b_}) rte_pktmbuf_free(device->take());
    const test::Bytes frame =
        Packet().eth(test::kMacB, kGone).ipv4("10.0.0.2", "10.0.0.3").udp(7, 7).payload(20);
    const auto sent = [&](test::RingDevice& to) {
        b_.put(test::to_mbuf(pools_.buffers, frame));
        switch_.workers()[0]->turn();
        std::vector<test::Bytes> frames;
        while (rte_mbuf* taken = to.take()) {
            frames.push_back(test::bytes_of(taken));
            rte_pktmbuf_free(taken);
        }
        return frames;
    };
    EXPECT_EQ(sent(c), std::vector<test::Bytes>{frame});
    apply(kTwo);
    test::Bytes question = Packet()
                               .eth(test::kMacB, "ff:ff:ff:ff:ff:ff")
                               .arp_request(test::kMacB, "10.0.0.2", "10.0.0.3");
    question.resize(60);
    EXPECT_EQ(sent(a_), (std::vector<test::Bytes>{question, frame}));
}

// Not in the name of another.
TEST_F(SwitchTest, NobodyHasAStationSoughtFromAForeignAddress) {
    constexpr std::string_view kGone = "02:00:00:00:00:0c";
    apply(kOwned);
    b_.put(test::to_mbuf(pools_.buffers, Packet().eth(kGone, "ff:ff:ff:ff:ff:ff").payload(46)));
    switch_.workers()[0]->turn();
    rte_pktmbuf_free(a_.take());
    test::Bytes mac = test::mac_bytes(kGone);
    mac.resize(8);
    switch_.macs().at("blue")->flush(held("b").port->id());
    ASSERT_TRUE(switch_.macs().at("blue")->has_departed(path::mac_key(mac.data()),
                                                        bridge::MacTable::hash(path::mac_key(mac.data()))));
    const uint64_t before = switch_.workers()[0]->counters().totals.made.get();
    b_.put(test::to_mbuf(pools_.buffers,
                         Packet().eth(test::kMacB, kGone).ipv4("10.0.0.1", "10.0.0.3").udp(7, 7).payload(20)));
    switch_.workers()[0]->turn();
    EXPECT_EQ(switch_.workers()[0]->counters().totals.made.get(), before);
    rte_pktmbuf_free(a_.take());
}

TEST_F(SwitchTest, ApplyTellsWhatChanged) {
    auto changes = switch_.apply(load(kTwo), kStart);
    ASSERT_TRUE(changes);
    ASSERT_EQ(changes->size(), 3u);
    EXPECT_EQ((*changes)[0].object, "network blue");
    EXPECT_EQ((*changes)[2].object, "port b");
    EXPECT_TRUE(switch_.apply(load(kTwo), kStart)->empty());
}

TEST_F(SwitchTest, ARemovedPortIsGoneAndItsDeviceFree) {
    apply(kTwo);
    ASSERT_TRUE(reaches(a_, b_));
    apply("networks: [{name: blue}]\nports: [{name: b, device: net_ring_b, network: blue}]");
    EXPECT_EQ(names(), Texts{"b"});
    EXPECT_FALSE(find_mac("blue", test::kMacA).found());
    apply(
        "networks: [{name: blue}]\n"
        "ports: [{name: c, device: net_ring_a, network: blue}, "
        "{name: b, device: net_ring_b, network: blue}]");
    EXPECT_TRUE(reaches(a_, b_));
}

TEST_F(SwitchTest, WhatDidNotChangeStaysAsItIs) {
    apply(kTwo);
    const port::Port* a = held("a").port.get();
    const bridge::MacTable* macs = switch_.macs().at("blue").get();
    ASSERT_TRUE(reaches(a_, b_));
    apply(
        "networks: [{name: blue, ageing: 5}, {name: red}]\n"
        "ports: [{name: a, device: net_ring_a, network: blue}, "
        "{name: b, device: net_ring_b, network: red}]");
    EXPECT_EQ(held("a").port.get(), a);
    EXPECT_EQ(switch_.macs().at("blue").get(), macs);
    EXPECT_TRUE(find_mac("blue", test::kMacA).found());
}

TEST_F(SwitchTest, APortThatChangesItsNetworkKeepsItsDevice) {
    apply(kTwo);
    const port::Port* b = held("b").port.get();
    ASSERT_TRUE(reaches(b_, a_));
    apply(
        "networks: [{name: blue}, {name: red}]\n"
        "ports: [{name: a, device: net_ring_a, network: blue}, "
        "{name: b, device: net_ring_b, network: red}]");
    EXPECT_EQ(held("b").port.get(), b);
    EXPECT_EQ(b->config().network, "red");
    EXPECT_FALSE(find_mac("blue", test::kMacA).found());  // it was learned at b
    EXPECT_FALSE(reaches(a_, b_));
    EXPECT_FALSE(reaches(b_, a_));
}

TEST_F(SwitchTest, ANewMtuOpensTheDeviceAgain) {
    apply(kTwo);
    apply(
        "networks: [{name: blue}]\n"
        "ports: [{name: a, device: net_ring_a, network: blue, mtu: 9000}, "
        "{name: b, device: net_ring_b, network: blue}]");
    EXPECT_TRUE(held("a").up);
    EXPECT_EQ(held("a").port->max_frame(), 9014u);
    EXPECT_TRUE(reaches(a_, b_));
}

TEST_F(SwitchTest, APortThatIsOpenedAnewKeepsItsCounters) {
    apply(kTwo);
    ASSERT_TRUE(reaches(a_, b_));
    ASSERT_TRUE(reaches(b_, a_));
    switch_.tick(kStart);
    const path::PortId id = held("a").port->id();
    const path::PortCounters& a = switch_.workers()[0]->counters().port(id);
    for (const char* change : {"mtu: 9000", "mtu: 1400", "queues: 1", "mtu: 1500"}) {
        // A port that is new, and comes before it in the file, doesn't get its number meanwhile.
        apply(std::string("networks: [{name: blue}]\n"
                          "ports: [{name: 0-new, device: net_null0, network: blue}, "
                          "{name: a, device: net_ring_a, network: blue, ") +
              change + "}, {name: b, device: net_ring_b, network: blue}]");
        EXPECT_TRUE(held("a").up) << held("a").reason;
        EXPECT_EQ(held("a").port->id(), id);
        EXPECT_EQ(held("a").downs, 0u);
        EXPECT_EQ(held("a").traffic.latest.rx_packets, 1u);
        EXPECT_EQ(a.received[0].packets.get(), 1u);
        EXPECT_EQ(a.transmitted.packets.get(), 1u);
        EXPECT_TRUE(switch_.is_same_since(id, 1));
        apply(kTwo);
    }
    EXPECT_TRUE(reaches(a_, b_));
    EXPECT_EQ(a.received[0].packets.get(), 2u);
}

TEST_F(SwitchTest, AnotherDeviceUnderTheSameNameCountsFromZero) {
    apply(kTwo);
    ASSERT_TRUE(reaches(a_, b_));
    const path::PortId id = held("a").port->id();
    apply("networks: [{name: blue}]\n"
          "ports: [{name: a, device: net_null0, network: blue}, {name: b, device: net_ring_b, network: blue}]");
    ASSERT_EQ(held("a").port->id(), id);
    EXPECT_EQ(switch_.workers()[0]->counters().port(id).received[0].packets.get(), 0u);
}

TEST_F(SwitchTest, WhatWasWrongWithAPortIsTriedAnewWhenItIsChanged) {
    apply("ports: [{name: bad, netns: /nosuch/bad}]");
    for (int i = 1; i < 5; ++i) switch_.tick(kStart + i * 100s);
    ASSERT_EQ(held("bad").retry.failures, 5u);
    apply("ports: [{name: bad, netns: /nosuch/bad, mac-limit: 1}]", kStart + 400s);
    EXPECT_EQ(held("bad").retry.failures, 6u);
}

TEST_F(SwitchTest, APortWithABadDeviceIsDownAndTheRestRuns) {
    apply(
        "networks: [{name: blue}]\n"
        "ports: [{name: a, device: net_ring_a, network: blue}, "
        "{name: b, device: net_ring_b, network: blue}, "
        "{name: bad, device: net_nosuch0, network: blue}]");
    EXPECT_FALSE(held("bad").up);
    EXPECT_NE(held("bad").reason.find("net_nosuch0"), std::string::npos);
    EXPECT_EQ(held("bad").retry.failures, 1u);
    EXPECT_EQ(held("bad").downs, 0u);
    EXPECT_TRUE(reaches(a_, b_));
}

// Of a namespace that isn't there: such a port fails on the control thread, at once and alone. A
// device is made on another thread, and the real time that takes would mix with the times of a
// test.
port::PortConfig without_namespace(int i) {
    return {.name = fmt::format("bad{}", i), .netns = fmt::format("/nosuch/{}", i)};
}

TEST_F(SwitchTest, APortThatIsDownIsTriedAgainEverMoreSeldom) {
    Switch idle(1, pools_, "test", {}, [] { return kStart; });  // attempts take no time
    Config config;
    config.ports.push_back(without_namespace(0));
    ASSERT_TRUE(idle.apply(config, kStart));
    const Retry& retry = idle.ports().at("bad0").retry;
    auto now = kStart;
    for (auto wait : {200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms}) {
        const uint64_t failures = retry.failures;
        idle.tick(now + wait - 1ms);
        EXPECT_EQ(retry.failures, failures) << wait.count();
        now += wait;
        idle.tick(now);
        EXPECT_EQ(retry.failures, failures + 1) << wait.count();
    }
}

// An attempt takes 10 ms by this clock, which has moved on by 5 ms whenever it is read: a tick has
// room for two.
TEST_F(SwitchTest, FailingPortsShareATickFairly) {
    Clock::time_point clock = kStart;
    Switch slow(1, pools_, "test", {}, [&] { return clock += 5ms; });
    constexpr int kPorts = 40;
    Config config;
    for (int i = 0; i < kPorts; ++i) config.ports.push_back(without_namespace(i));
    ASSERT_TRUE(slow.apply(config, kStart));
    auto failures = [&] {
        std::vector<uint64_t> counts;
        for (const auto& [name, held] : slow.ports()) counts.push_back(held.retry.failures);
        return counts;
    };
    EXPECT_EQ(failures(), std::vector<uint64_t>(kPorts, 1));
    slow.tick(kStart + 100ms);  // none is due yet
    EXPECT_EQ(failures(), std::vector<uint64_t>(kPorts, 1));
    for (uint64_t round = 2; round < 5; ++round) {
        for (int tick = 0; tick < kPorts / 2; ++tick) slow.tick(kStart + round * 10s + tick * 200ms);
        EXPECT_EQ(failures(), std::vector<uint64_t>(kPorts, round));
    }
}

TEST_F(SwitchTest, APortComesUpWhenItsDeviceAppears) {
    const test::Directory directory;
    const std::string file = directory / "in.pcap";
    apply(
        "networks: [{name: blue}]\n"
        "ports: [{name: a, device: net_ring_a, network: blue}, "
        "{name: late, device: 'net_pcap_late,rx_pcap=" +
        file + "', network: blue}]");
    ASSERT_FALSE(held("late").up);
    // A file without packets (its header alone) is a device that is never heard from.
    const uint32_t header[] = {0xa1b2c3d4, 0x0004'0002, 0, 0, 65535, 1};
    test::write_file(file, std::string(reinterpret_cast<const char*>(header), sizeof header));
    tick(kStart + 1s);
    EXPECT_TRUE(held("late").up) << held("late").reason;
    EXPECT_EQ(held("late").reason, "");
    EXPECT_EQ(held("late").retry.failures, 0u);
    // It is a member now: what a broadcast meets there is a file that takes nothing.
    a_.put(
        test::to_mbuf(pools_.buffers, Packet().eth(test::kMacA, "ff:ff:ff:ff:ff:ff").payload(46)));
    switch_.workers()[0]->turn();
    EXPECT_EQ(
        switch_.workers()[0]->counters().port(held("late").port->id()).transmitted.packets.get(),
        1u);
}

TEST_F(SwitchTest, WhatIsFixedAtTheStartIsRefused) {
    apply(kTwo);
    const uint64_t generation = switch_.generation();
    auto refused =
        switch_.apply(load("workers: {cores: [1]}\nmemory: {buffers: 2048}\ncontrol: {socket: /x}\n"
                           "dpdk: {args: [x]}\nstate: /x"),
                      kStart);
    ASSERT_FALSE(refused);
    Texts keys;
    for (const auto& error : refused.error()) {
        keys.push_back(error.path);
        EXPECT_EQ(error.message, "can't be changed while running: restart sluiced");
    }
    EXPECT_EQ(keys, (Texts{"workers.cores", "memory", "control", "dpdk", "state"}));
    EXPECT_EQ(switch_.config(), load(kTwo));
    EXPECT_EQ(switch_.generation(), generation);
    EXPECT_TRUE(reaches(a_, b_));
}

TEST_F(SwitchTest, TheFirstConfigurationMaySayAnything) {
    apply("workers: {cores: [0]}\nstate: /x\nmemory: {buffers: 2048}");
    EXPECT_EQ(switch_.config().state, "/x");
}

TEST_F(SwitchTest, IdleMayChangeWhileRunning) {
    apply(kTwo);
    apply(std::string("workers: {idle: poll}\n") + kTwo);
    EXPECT_EQ(switch_.config().workers.idle, view::Idle::kPoll);
}

TEST_F(SwitchTest, ANewPortThatTakesAnOldNumberCountsFromZero) {
    apply(kTwo);
    ASSERT_TRUE(reaches(a_, b_));
    const path::PortId old = held("a").port->id();
    path::Counters& counters = switch_.workers()[0]->counters();
    EXPECT_EQ(counters.port(old).received[0].packets.get(), 1u);
    apply("networks: [{name: blue}]\nports: [{name: b, device: net_ring_b, network: blue}]");
    apply(
        "networks: [{name: blue}]\n"
        "ports: [{name: b, device: net_ring_b, network: blue}, "
        "{name: c, device: net_ring_a, network: blue}]");
    ASSERT_EQ(held("c").port->id(), old);
    EXPECT_EQ(counters.port(old).received[0].packets.get(), 0u);
    EXPECT_EQ(counters.totals.received.get(), 1u);
    // Nor has the other port forgotten anything.
    EXPECT_EQ(counters.port(held("b").port->id()).transmitted.packets.get(), 1u);
}

TEST_F(SwitchTest, StaticAddressesFollowTheConfiguration) {
    const std::string ports =
        "ports: [{name: a, device: net_ring_a, network: blue}, "
        "{name: b, device: net_ring_b, network: blue}]\n";
    const std::string mac = "02:00:00:00:00:77";
    apply(ports + "networks: [{name: blue, static: [{mac: '" + mac + "', port: b}]}]");
    EXPECT_TRUE(find_mac("blue", mac).is_static());
    EXPECT_EQ(find_mac("blue", mac).port(), held("b").port->id());
    apply(ports + "networks: [{name: blue, static: [{mac: '" + mac + "', port: a}]}]");
    EXPECT_EQ(find_mac("blue", mac).port(), held("a").port->id());
    // A table of another size is another table, with the same static entries.
    apply(ports + "networks: [{name: blue, mac-table-size: 16, static: [{mac: '" + mac +
          "', port: a}]}]");
    EXPECT_EQ(switch_.macs().at("blue")->capacity(), 16u);
    EXPECT_EQ(find_mac("blue", mac).port(), held("a").port->id());
    apply(ports + "networks: [{name: blue}]");
    EXPECT_FALSE(find_mac("blue", mac).found());
}

TEST_F(SwitchTest, AStaticAddressFollowsItsPortToANewNumber) {
    const std::string network =
        "networks: [{name: blue, static: [{mac: '02:00:00:00:00:77', port: b}]}]\n";
    apply(network +
          "ports: [{name: a, device: net_ring_a, network: blue}, "
          "{name: b, device: net_ring_b, network: blue}]");
    // Both go and come back in the other order: b takes the number that was a's.
    apply(network + "ports: [{name: b, device: net_ring_b, network: blue, mtu: 9000}]");
    EXPECT_EQ(find_mac("blue", "02:00:00:00:00:77").port(), held("b").port->id());
}

TEST_F(SwitchTest, QueuesSpreadOverWorkers) {
    Switch two(2, pools_, "test");
    test::RingDevice wide("wide", 2);
    ASSERT_TRUE(two.apply(load("networks: [{name: n}]\n"
                               "ports: [{name: w, device: net_ring_wide, network: n}]"),
                          kStart));
    for (uint16_t queue = 0; queue < 2; ++queue) {
        wide.put(test::to_mbuf(pools_.buffers, Packet().eth().payload(46)), queue);
    }
    for (auto& worker : two.workers()) {
        EXPECT_TRUE(worker->turn());
        EXPECT_EQ(worker->counters().totals.received.get(), 1u);
        EXPECT_FALSE(worker->turn());
    }
    ASSERT_TRUE(two.apply({}, kStart));
}

TEST_F(SwitchTest, MeasuresWhatPassesAPort) {
    apply(kTwo);
    switch_.tick(kStart);
    EXPECT_TRUE(reaches(a_, b_));
    EXPECT_TRUE(reaches(a_, b_));
    switch_.tick(kStart + 500ms);  // too early to measure anew
    EXPECT_EQ(held("a").traffic.latest.rx_packets, 0u);
    switch_.tick(kStart + 2s);
    const PortTraffic::Measured& a = held("a").traffic;
    EXPECT_EQ(a.latest.rx_packets - a.before.rx_packets, 2u);
    EXPECT_EQ(a.latest.rx_bytes - a.before.rx_bytes, 120u);
    EXPECT_EQ(a.latest.time - a.before.time, 2s);
    EXPECT_EQ(held("b").traffic.latest.tx_packets, 2u);
    EXPECT_EQ(held("b").traffic.latest.rx_packets, 0u);
}

TEST_F(SwitchTest, AGuestsFixedAddressIsAStaticEntry) {
    const std::string guest =
        "networks: [{name: blue}]\nports: [{name: g, network: blue, vhost-user: {path: /nowhere/g}";
    apply(guest + ", mac: '02:00:00:00:00:0a'}]");
    EXPECT_TRUE(held("g").up);
    EXPECT_FALSE(held("g").port->has_link());
    EXPECT_TRUE(find_mac("blue", test::kMacA).is_static());
    apply(guest + "}]");
    EXPECT_FALSE(find_mac("blue", test::kMacA).found());
}

TEST(RouterMac, IsTheConfiguredOneOrAlwaysTheSame) {
    const Config config = load(
        "networks:\n"
        "  - {name: a, subnets: [10.0.0.0/24], gateway: 10.0.0.1, gateway-mac: '02:00:00:00:00:01'}\n"
        "  - {name: b, subnets: [10.0.1.0/24], gateway: 10.0.1.1}\n"
        "  - {name: c, subnets: [10.0.2.0/24], gateway: 10.0.2.1, vxlan: {vni: 1}}\n"
        "ports: [{name: u, device: net_ring_u}]\n"
        "underlay: {port: u, address: 192.0.2.1/24, mac: '02:00:00:00:00:02'}\n");
    const auto networks = networks_of(config);
    ASSERT_EQ(networks.size(), 4u);
    EXPECT_EQ(router_mac(networks[0], "x").text(), "02:00:00:00:00:01");
    EXPECT_EQ(router_mac(networks[1], "x"), router_mac(networks[1], "x"));
    EXPECT_NE(router_mac(networks[1], "x"), router_mac(networks[1], "y"));
    // Of an overlay, on every host.
    EXPECT_EQ(router_mac(networks[2], "x"), router_mac(networks[2], "y"));
    EXPECT_EQ(router_mac(networks[3], "x").text(), "02:00:00:00:00:02");
}

// Between the old state and the new one a trunk still names the network that is gone.
TEST_F(SwitchTest, ATrunkLosesANetworkTogetherWithItsPort) {
    apply("networks: [{name: one, vlan: 1}, {name: two, vlan: 2}]\n"
          "ports: [{name: a, device: net_ring_a, trunk: {networks: [one, two]}}, "
          "{name: b, device: net_ring_b, network: two}]");
    apply("networks: [{name: one, vlan: 1}]\n"
          "ports: [{name: a, device: net_ring_a, trunk: {networks: [one]}}]");
    EXPECT_EQ(names(), (Texts{"a"}));
    EXPECT_TRUE(held("a").up);
    apply("networks: [{name: one}]\n"
          "ports: [{name: a, device: net_ring_a, trunk: {native: one}}, "
          "{name: b, device: net_ring_b, network: one}]");
    EXPECT_TRUE(reaches(a_, b_));
}

}  // namespace
}  // namespace sluice::engine
