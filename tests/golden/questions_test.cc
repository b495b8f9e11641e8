// Questions to the switch that the protocol thread answers: who asks comes to it, and its answer goes there.
#include <gtest/gtest.h>

#include <cstring>

#include "golden/harness.h"
#include "support/packet.h"
#include "wire/headers.h"

namespace sluice::test {
namespace {

using path::Drop;

constexpr const char* kMac = "02:00:00:00:00:0a";
constexpr const char* kRouter = "02:00:00:00:00:01";

std::string networks(const std::string& keys) {
    return "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.254, 'fd00::fe'], "
           "gateway-mac: '02:00:00:00:00:01'" +
           keys +
           "}]\nports:\n  - {name: a, device: net_ring_a, network: blue}\n"
           "  - {name: b, device: net_ring_b, network: blue}\n";
}

class Questions : public testing::Test {
 protected:
    void put(const Bytes& frame) { harness_.device("a").put(to_mbuf(switch_pools().buffers, frame)); }
    // Each question's payload, of this run.
    std::vector<std::string> ask(const Bytes& frame) {
        put(frame);
        harness_.run();
        std::vector<std::string> asked;
        for (punt::Line& line = harness_.line(0); const punt::Message* question = line.question();) {
            last_ = question->head;
            asked.emplace_back(reinterpret_cast<const char*>(question->bytes.data()), question->size);
            line.end_question();
        }
        return asked;
    }
    void answer(const punt::Head& head, std::string_view text) {
        punt::Message* message = harness_.line(0).begin_answer();
        ASSERT_NE(message, nullptr);
        message->head = head;
        message->size = static_cast<uint16_t>(text.size());
        std::memcpy(message->bytes.data(), text.data(), text.size());
        harness_.line(0).answer();
        harness_.run();
    }
    std::string text(const Bytes& frame, size_t headers) { return {frame.begin() + headers, frame.end()}; }

    Harness harness_{1, {"a", "b"}};
    punt::Head last_{};
};

TEST_F(Questions, ANameIsAskedForAndTheAnswerComesBack) {
    harness_.apply(networks(""));
    const std::string payload(30, '\0');
    const auto asked = ask(Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(30));
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].size(), 30U);
    EXPECT_EQ(last_.kind, punt::Kind::kUdp);
    EXPECT_EQ(last_.station.text(), "10.0.0.5");
    EXPECT_EQ(last_.own.text(), "10.0.0.254");
    EXPECT_EQ(last_.station_port, 4000);
    answer(last_, "10.0.0.9");
    const auto sent = harness_.sent("a");
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(text(sent[0], 42), "10.0.0.9");
    harness_.check_books();

    // By TCP the segment comes, and so does the answer's.
    ASSERT_EQ(ask(Packet().eth(kMac, kRouter).ipv6("fd00::5", "fd00::fe").tcp(4000, 53, wire::TcpHeader::kSyn)).size(),
              1U);
    EXPECT_EQ(last_.kind, punt::Kind::kTcp);
    EXPECT_EQ(last_.flags, wire::TcpHeader::kSyn);
    answer(last_, "x");
    EXPECT_EQ(harness_.sent("a").size(), 1U);
    harness_.check_books();
}

TEST_F(Questions, OnlyWhatIsServedIsAsked) {
    harness_.apply(networks(", dns: {enabled: false}"));
    const Bytes query = Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(30);
    const Bytes discover =
        Packet().eth(kMac, "ff:ff:ff:ff:ff:ff").ipv4("0.0.0.0", "255.255.255.255").udp(68, 67).payload(300);
    EXPECT_TRUE(ask(query).empty());
    EXPECT_EQ(harness_.drops().at({"a", Drop::kNoListener}), 1U);
    EXPECT_TRUE(ask(discover).empty());
    EXPECT_EQ(harness_.sent("b").size(), 1U) << "another station may give addresses";
    harness_.apply(networks(", dhcp: true"));
    EXPECT_EQ(ask(query).size(), 1U);
    EXPECT_EQ(ask(discover).size(), 1U);
    EXPECT_EQ(harness_.sent("b").size(), 0U);
    // To the group's address, and from nobody.
    EXPECT_TRUE(ask(Packet().eth("03:00:00:00:00:0a", kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53)).empty());
    EXPECT_TRUE(ask(Packet().eth(kMac, kRouter).ipv4("10.0.0.255", "10.0.0.254").udp(4000, 53).payload(9)).empty());
}

TEST_F(Questions, APortHasAShareOfThoseThatWait) {
    harness_.apply(networks(""));
    for (int i = 0; i < punt::Line::kMostOfAPort + 5; ++i)
        put(Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(9));
    harness_.run();
    EXPECT_EQ(harness_.drops().at({"a", Drop::kResponderBusy}), 5U);
    harness_.check_books();
}

// Who can send from its own addresses only asks for itself.
TEST_F(Questions, AGuardedPortMayAskAtAnyRate) {
    std::string yaml = networks("");
    yaml.replace(yaml.find("net_ring_a, "), 12, "net_ring_a, address: [10.0.0.5], ");
    harness_.apply(yaml);
    for (int run = 0; run < 10; ++run) {
        for (int i = 0; i < 100; ++i)
            put(Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(9));
        harness_.run();
    }
    EXPECT_EQ(harness_.drops(), DropCounts{});
    harness_.check_books();
}

TEST_F(Questions, AnAnswerToAStationThatIsGoneIsNotSent) {
    harness_.apply(networks(""));
    ASSERT_EQ(ask(Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(9)).size(), 1U);
    harness_.apply("ports: [{name: b, device: net_ring_b}]\n");
    answer(last_, "late");
    EXPECT_TRUE(harness_.sent("a").empty());
    EXPECT_TRUE(harness_.sent("b").empty());
}

// It has the first one's id, and stands in the same network.
TEST_F(Questions, AnAnswerIsNotForTheNextPort) {
    harness_.apply(networks(""));
    ASSERT_EQ(ask(Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(9)).size(), 1U);
    const path::PortId id = harness_.running().ports().at("a").port->id();
    std::string yaml = networks("");
    yaml.replace(yaml.find("name: a,"), 8, "name: c,");
    harness_.apply(yaml);
    ASSERT_EQ(harness_.running().ports().at("c").port->id(), id);
    answer(last_, "late");
    EXPECT_TRUE(harness_.sent("a").empty());
    // The next port's own question has its answer.
    ASSERT_EQ(ask(Packet().eth(kMac, kRouter).ipv4("10.0.0.5", "10.0.0.254").udp(4000, 53).payload(9)).size(), 1U);
    answer(last_, "in time");
    EXPECT_EQ(harness_.sent("a").size(), 1U);
}

}  // namespace
}  // namespace sluice::test
