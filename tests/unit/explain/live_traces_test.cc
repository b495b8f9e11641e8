#include "explain/live_traces.h"

#include <gtest/gtest.h>

#include "support/pools.h"
#include "support/rings.h"

namespace sluice::explain {
namespace {

using test::Bytes;
using test::Packet;
using Texts = std::vector<std::string>;

constexpr engine::Clock::time_point kNow{std::chrono::seconds(1000)};
constexpr size_t kAll = 1000;

constexpr const char* kHost = R"(
networks:
  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254, gateway-mac: '02:00:00:00:00:fe'}
  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254, gateway-mac: '02:00:00:00:00:fd'}
ports:
  - {name: a, device: net_ring_a, network: blue, mac: '02:00:00:00:00:0a', address: 10.0.0.1}
  - {name: b, device: net_ring_b, network: blue, mac: '02:00:00:00:00:0b', address: 10.0.0.2}
  - {name: c, device: net_ring_c, network: red}
acls:
  - name: edge
    apply: {port: b, direction: ingress}
    rules:
      - permit: {proto: udp, port: 80}
routes:
  - {to: 10.8.0.0/16, type: blackhole}
)";

class LiveTracesTest : public testing::Test {
 protected:
    LiveTracesTest() {
        apply(kHost);
        // Who has spoken is not flooded to.
        b_.put(test::to_mbuf(pools_.buffers, Packet().eth(test::kMacB, test::kMacA).payload(46)));
        send(std::vector<Bytes>{});
    }
    ~LiveTracesTest() override { apply("ports: []"); }
    void apply(const std::string& yaml) {
        auto config = engine::load_config(yaml, "f", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto changes = switch_.apply(*config, kNow);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    uint32_t start(const std::string& filter = "") {
        auto number = traces_.start(filter, owner_);
        EXPECT_TRUE(number) << number.error().text();
        return number.value_or(0);
    }
    void send(const Bytes& frame) { send(std::vector<Bytes>{frame}); }
    void send(const std::vector<Bytes>& frames) {
        for (const Bytes& frame : frames) a_.put(test::to_mbuf(pools_.buffers, frame));
        switch_.workers()[0]->turn();
        a_.drain();
        c_.drain();
        arrived_.clear();
        while (rte_mbuf* packet = b_.take()) {
            arrived_.push_back(test::bytes_of(packet));
            rte_pktmbuf_free(packet);
        }
    }
    static Bytes request(uint16_t port, std::string_view to = "10.0.0.2") {
        return Packet().eth(test::kMacA, test::kMacB).ipv4("10.0.0.1", to).udp(4000, port).payload(20);
    }
    // "deliver to b: ingress, bridge, policy, transmit"
    static std::string text(const Trace& trace) {
        std::string text;
        for (const auto& [value, word] : names(trace.verdict)) {
            if (value == trace.verdict) text = word;
        }
        if (!trace.reason.empty()) text += " " + trace.reason;
        for (const std::string& to : trace.to) text += " to " + to;
        for (const Stage& stage : trace.stages) {
            text += (&stage == &trace.stages.front() ? ": " : ", ") + stage.name;
        }
        return text;
    }
    Texts told(uint32_t number) {
        Texts texts;
        const auto portion = traces_.read(number, owner_, kAll);
        for (const auto& packet : portion->packets) texts.push_back(text(packet.trace));
        return texts;
    }

    const port::Pools& pools_ = test::switch_pools();
    test::RingDevice a_{"a", 1};
    test::RingDevice b_{"b", 1};
    test::RingDevice c_{"c", 1};
    engine::Switch switch_{1, pools_, "test"};
    LiveTraces traces_{switch_};
    std::shared_ptr<int> owner_ = std::make_shared<int>();
    std::vector<Bytes> arrived_;
};

TEST_F(LiveTracesTest, TheFirstPacketIsJudgedAndTheNextFollowsItsFlow) {
    const uint32_t number = start();
    send(request(80));
    send(request(80));
    send(request(81));
    EXPECT_EQ(told(number), (Texts{"deliver to b: ingress, bridge, policy, transmit",
                                   "deliver to b: ingress, bridge, flow, transmit",
                                   "drop denied: ingress, policy, drop"}));
    EXPECT_EQ(told(number), Texts{});
}

TEST_F(LiveTracesTest, WhatDecidedIsNamedWithItsPlace) {
    const uint32_t number = start();
    send({request(80), request(80), request(81)});
    const auto portion = traces_.read(number, owner_, kAll);
    ASSERT_EQ(portion->packets.size(), 3u);
    for (size_t i = 0; i < 2; ++i) {
        ASSERT_EQ(portion->packets[i].trace.decided_by.size(), 1u);
        EXPECT_EQ(portion->packets[i].trace.decided_by[0].name, "edge rule 1");
        EXPECT_EQ(portion->packets[i].trace.decided_by[0].place.line, 13);
    }
    EXPECT_EQ(portion->packets[2].trace.decided_by[0].name, "edge end");
    EXPECT_NE(portion->packets[0].packet.find("10.0.0.1.4000 > 10.0.0.2.80: UDP"), std::string::npos);
    EXPECT_EQ(portion->packets[0].length, request(80).size());
}

TEST_F(LiveTracesTest, OnlyWhatTheFilterLetsThroughIsToldAndNobodyIsOvertaken) {
    const uint32_t number = start("udp dst port 81 or udp dst port 83");
    apply(std::string(kHost).replace(std::string(kHost).find("port: 80}"), 9, "port: [80-90]}"));
    send({request(80), request(81), request(82), request(83), request(84)});
    EXPECT_EQ(told(number).size(), 2u);
    ASSERT_EQ(arrived_.size(), 5u);
    for (uint16_t i = 0; i < 5; ++i) EXPECT_EQ(arrived_[i], request(80 + i));
}

TEST_F(LiveTracesTest, ARoutedPacketsRouteAndNeighborAreTold) {
    const auto routed = [](std::string_view to) -> Bytes {
        return Packet().eth(test::kMacA, "02:00:00:00:00:fe").ipv4("10.0.0.1", to).udp(1, 2).payload(20);
    };
    const uint32_t number = start("udp");
    send(routed("10.8.0.1"));
    send(routed("10.0.1.1"));
    const auto portion = traces_.read(number, owner_, kAll);
    ASSERT_EQ(portion->packets.size(), 2u);
    EXPECT_EQ(text(portion->packets[0].trace), "drop blackhole: ingress, route, drop");
    EXPECT_EQ(portion->packets[0].trace.decided_by.at(0).kind, "route");
    const Trace& waiting = portion->packets[1].trace;
    EXPECT_EQ(text(waiting), "ask: ingress, route, neighbor, wait");
    EXPECT_EQ(waiting.stages.at(2).text, "the MAC address of 10.0.1.1 is not known yet");
}

TEST_F(LiveTracesTest, TheBooksBalanceAndCountersGoOn) {
    const uint32_t number = start();
    send({request(80), request(81), request(80)});
    const path::WorkerTotals& totals = switch_.workers()[0]->counters().totals;
    uint64_t dropped = 0;
    for (const auto& reason : totals.dropped) dropped += reason.get();
    EXPECT_EQ(totals.received.get() + totals.made.get(),
              totals.transmitted.get() + dropped + totals.consumed.get());
    EXPECT_EQ(dropped, 1u);
    EXPECT_EQ(told(number).size(), 3u);
}

TEST_F(LiveTracesTest, WhatIsNotFetchedIsLostAndCounted) {
    const uint32_t number = start();
    for (uint32_t i = 0; i < path::Witness::kRingSize + 10; ++i) send(request(80));
    const auto portion = traces_.read(number, owner_, kAll);
    EXPECT_GE(portion->packets.size(), path::Witness::kRingSize - 1);
    EXPECT_EQ(portion->packets.size() + portion->lost, path::Witness::kRingSize + 10);
}

TEST_F(LiveTracesTest, ItIsItsOwnersAndEndsWithHim) {
    const uint32_t number = start();
    const auto stranger = std::make_shared<int>();
    EXPECT_FALSE(traces_.read(number, stranger, kAll));
    EXPECT_FALSE(traces_.stop(number, stranger));
    EXPECT_TRUE(traces_.stop(number, owner_));
    EXPECT_FALSE(traces_.read(number, owner_, kAll));
    EXPECT_TRUE(switch_.snapshot().witnesses.empty());

    start();
    EXPECT_EQ(switch_.snapshot().witnesses.size(), 1u);
    owner_ = std::make_shared<int>();
    traces_.tick();
    EXPECT_TRUE(switch_.snapshot().witnesses.empty());
}

TEST_F(LiveTracesTest, ABadFilterAndOneTooManyAreRefused) {
    const auto bad = traces_.start("no such thing", owner_);
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().text().find("the filter"), std::string::npos) << bad.error().text();
    for (size_t i = 0; i < LiveTraces::kMost; ++i) start();
    EXPECT_FALSE(traces_.start("", owner_));
}

}  // namespace
}  // namespace sluice::explain
