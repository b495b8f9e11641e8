#include "explain/captures.h"

#include <gtest/gtest.h>

#include "support/pools.h"
#include "support/rings.h"

namespace sluice::explain {
namespace {

using test::Bytes;
using test::Packet;
using Form = Captures::Form;
using Texts = std::vector<std::string>;

constexpr engine::Clock::time_point kNow{std::chrono::seconds(1000)};
constexpr std::string_view kBroadcast = "ff:ff:ff:ff:ff:ff";
constexpr size_t kAll = 1000;


// Blocks of a pcapng section: their types, in order.
std::vector<uint32_t> blocks(const std::string& bytes) {
    std::vector<uint32_t> types;
    for (size_t at = 0; at < bytes.size();) {
        uint32_t type = 0;
        uint32_t size = 0;
        uint32_t again = 0;
        std::memcpy(&type, &bytes[at], 4);
        std::memcpy(&size, &bytes[at + 4], 4);
        EXPECT_LE(at + size, bytes.size());
        if (size < 12 || at + size > bytes.size()) break;
        std::memcpy(&again, &bytes[at + size - 4], 4);
        EXPECT_EQ(again, size);
        types.push_back(type);
        at += size;
    }
    return types;
}

constexpr uint32_t kSection = 0x0a0d0d0a;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kStatistics = 5;
constexpr uint32_t kFrame = 6;
using Blocks = std::vector<uint32_t>;

class CapturesTest : public testing::Test {
 protected:
    CapturesTest() { apply(kTwo); }
    ~CapturesTest() override { apply("ports: []"); }
    void apply(const std::string& yaml) {
        auto config = engine::load_config(yaml, "f", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto changes = switch_.apply(*config, kNow);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    uint32_t start(const std::string& port, const std::string& filter = "") {
        auto number = captures_.start(port, filter, owner_);
        EXPECT_TRUE(number) << number.error().text();
        return number.value_or(0);
    }
    std::string start_error(const std::string& port, const std::string& filter = "") {
        auto number = captures_.start(port, filter, owner_);
        return number ? "none" : number.error().text();
    }
    std::optional<Captures::Portion> read(uint32_t number, Form form = Form::kPackets, size_t most = kAll) {
        return captures_.read(number, owner_, form, most);
    }
    // "from a", "to b", "from a dropped runt"
    Texts told(uint32_t number) {
        Texts texts;
        const auto portion = read(number);
        for (const auto& packet : portion->packets) {
            std::string text = packet.at("direction").get<std::string>() + " " +
                               packet.at("port").get<std::string>();
            if (!packet.at("reason").is_null()) text += " dropped " + packet.at("reason").get<std::string>();
            texts.push_back(text);
        }
        return texts;
    }
    void send(test::RingDevice& device, const Bytes& frame, uint16_t queue = 0) {
        device.put(test::to_mbuf(pools_.buffers, frame), queue);
        for (const auto& worker : switch_.workers()) worker->turn();
        a_.drain();
        b_.drain();
    }

    static constexpr const char* kTwo =
        "networks: [{name: blue}]\n"
        "ports:\n"
        "  - {name: a, device: net_ring_a, network: blue}\n"
        "  - {name: b, device: net_ring_b, network: blue}\n";
    const Bytes broadcast_ = Packet().eth(test::kMacA, kBroadcast).payload(46);
    const port::Pools& pools_ = test::switch_pools();
    test::RingDevice a_{"a", 2};
    test::RingDevice b_{"b", 2};
    engine::Switch switch_{2, pools_, "test"};
    Captures captures_{switch_};
    std::shared_ptr<int> owner_ = std::make_shared<int>();
};

TEST_F(CapturesTest, APortIsSeenInBothDirections) {
    const uint32_t number = start("a");
    send(a_, broadcast_);
    send(b_, Packet().eth(test::kMacB, kBroadcast).payload(46));
    send(a_, broadcast_, 1);
    EXPECT_EQ(told(number), (Texts{"from a", "to a", "from a"}));
    EXPECT_EQ(told(number), Texts{});
}

TEST_F(CapturesTest, PacketsAreTold) {
    const uint32_t number = start("b", "udp");
    send(a_, broadcast_);
    send(a_, Packet().eth(test::kMacA, kBroadcast).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(40));
    const auto portion = read(number);
    ASSERT_EQ(portion->count, 1u);
    const auto& packet = portion->packets[0];
    EXPECT_EQ(packet["packet"], "02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff, length 82: 10.0.0.1.1 > 10.0.0.2.2: UDP");
    EXPECT_EQ(packet["length"], 82);
    EXPECT_FALSE(portion->more);
    EXPECT_EQ(portion->lost, 0u);
    EXPECT_EQ(portion->ended, "");
    const double now = static_cast<double>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    EXPECT_NEAR(packet["time"].get<double>(), now, 100);
}

TEST_F(CapturesTest, DropsAreToldWithWhatDecided) {
    const uint32_t number = start("");
    send(a_, Bytes(13));
    apply("networks: [{name: blue}]\nports:\n  - {name: a, device: net_ring_a}\n"
          "  - {name: b, device: net_ring_b, network: blue}\n");
    send(a_, broadcast_);
    const auto portion = read(number);
    ASSERT_EQ(portion->count, 2u);
    EXPECT_EQ(portion->packets[0]["reason"], "runt");
    EXPECT_EQ(portion->packets[0]["decided-by"][0]["name"], "a");
    EXPECT_EQ(portion->packets[1]["reason"], "no-network");
    EXPECT_EQ(portion->packets[1]["decided-by"][0]["name"], "a");
    EXPECT_EQ(portion->packets[1]["decided-by"][0]["line"], 3);
}

TEST_F(CapturesTest, AFileBeginsOnceAndEndsWithWhatWasLost) {
    const uint32_t number = start("a");
    EXPECT_EQ(blocks(read(number, Form::kPcapng)->pcapng), (Blocks{kSection, kInterface}));
    send(a_, broadcast_);
    send(a_, broadcast_);
    EXPECT_EQ(blocks(read(number, Form::kPcapng)->pcapng), (Blocks{kFrame, kFrame}));
    EXPECT_EQ(read(number, Form::kPcapng)->pcapng, "");
    send(a_, broadcast_);
    EXPECT_TRUE(captures_.stop(number, owner_));
    send(a_, broadcast_);
    const auto last = read(number, Form::kPcapng);
    EXPECT_EQ(blocks(last->pcapng), (Blocks{kFrame, kStatistics}));
    EXPECT_EQ(last->ended, "it was stopped");
    EXPECT_FALSE(read(number));
}

TEST_F(CapturesTest, AFileOfDropsHasAnInterfaceForEachPort) {
    const uint32_t number = start("");
    EXPECT_EQ(blocks(read(number, Form::kPcapng)->pcapng), Blocks{kSection});
    EXPECT_EQ(read(number, Form::kPcapng)->pcapng, "");
    send(a_, Bytes(13));
    send(b_, Bytes(13));
    send(a_, Bytes(13));
    const std::string bytes = read(number, Form::kPcapng)->pcapng;
    EXPECT_EQ(blocks(bytes), (Blocks{kInterface, kFrame, kInterface, kFrame, kFrame}));
    EXPECT_NE(bytes.find("dropped: runt, decided by port a (f:3:5), from a, network blue"), std::string::npos);
}

TEST_F(CapturesTest, APortionIsBounded) {
    const uint32_t number = start("a");
    for (int i = 0; i < 5; ++i) send(a_, broadcast_);
    const auto first = read(number, Form::kPackets, 3);
    EXPECT_EQ(first->count, 3u);
    EXPECT_TRUE(first->more);
    EXPECT_TRUE(captures_.stop(number, owner_));
    const auto second = read(number, Form::kPackets, 2);
    EXPECT_EQ(second->ended, "") << "there may be more";
    EXPECT_EQ(read(number)->ended, "it was stopped");
}

// Traffic goes on, and the books say nothing of it.
TEST_F(CapturesTest, WhatDoesNotFitIsLostToTheCaptureOnly) {
    const uint32_t number = start("a");
    const Bytes large = Packet().eth(test::kMacA, kBroadcast).payload(1400);
    uint64_t sent = 0;
    for (; sent < 4000; ++sent) send(a_, large);
    uint64_t count = 0;
    std::optional<Captures::Portion> portion;
    do {
        portion = read(number);
        EXPECT_LE(portion->count * large.size(), Captures::kPortion + large.size());
        count += portion->count;
    } while (portion->more);
    EXPECT_GT(portion->lost, 0u);
    EXPECT_EQ(count + portion->lost, sent);
    uint64_t transmitted = 0;
    uint64_t made = 0;
    for (const auto& worker : switch_.workers()) {
        transmitted += worker->counters().totals.transmitted.get();
        made += worker->counters().totals.made.get();
    }
    EXPECT_EQ(transmitted, sent);
    EXPECT_EQ(made, 0u);
}

TEST_F(CapturesTest, ACaptureIsItsOwners) {
    const uint32_t number = start("a");
    const auto other = std::make_shared<int>();
    EXPECT_FALSE(captures_.read(number, other, Form::kPackets, kAll));
    EXPECT_FALSE(captures_.stop(number, other));
    EXPECT_FALSE(read(number + 1));
    EXPECT_TRUE(read(number));
}

TEST_F(CapturesTest, ItEndsWithItsOwner) {
    const uint32_t number = start("a");
    const Owner owner = owner_;
    captures_.tick();
    EXPECT_EQ(captures_.count(), 1u);
    const uint64_t generation = switch_.generation();
    owner_.reset();
    captures_.tick();
    EXPECT_EQ(captures_.count(), 0u);
    EXPECT_EQ(switch_.generation(), generation + 1);
    captures_.tick();
    EXPECT_EQ(switch_.generation(), generation + 1) << "nothing to publish";
    EXPECT_FALSE(captures_.read(number, owner, Form::kPackets, kAll));
    send(a_, broadcast_);
}

TEST_F(CapturesTest, ItEndsWithItsPort) {
    const uint32_t number = start("a");
    send(a_, broadcast_);
    apply("networks: [{name: blue}]\nports: [{name: b, device: net_ring_b, network: blue}]");
    apply(kTwo);
    EXPECT_EQ(told(number), Texts{"from a"}) << "it was away for less than a tick";
    apply("networks: [{name: blue}]\nports: [{name: b, device: net_ring_b, network: blue}]");
    captures_.tick();
    apply(kTwo);
    send(a_, broadcast_);
    const auto portion = read(number);
    EXPECT_EQ(portion->count, 0u);
    EXPECT_EQ(portion->ended, "port a was deleted");
    EXPECT_FALSE(read(number));
}

TEST_F(CapturesTest, SeveralGoOnAtOnceAndNoMoreThanIsAllowed) {
    const uint32_t first = start("a");
    const uint32_t second = start("b");
    const uint32_t drops = start("");
    for (size_t i = 3; i < Captures::kMost; ++i) start("a", "arp");
    EXPECT_EQ(start_error("a"), "8 captures are running already, which is the limit");
    send(a_, broadcast_);
    send(b_, Bytes(13));
    EXPECT_EQ(told(first), Texts{"from a"});
    EXPECT_EQ(told(second), Texts{"to b"});
    EXPECT_EQ(told(drops), Texts{"from b dropped runt"});
}

TEST_F(CapturesTest, WhatCanNotBeIsRefused) {
    EXPECT_EQ(start_error("nobody"), "there is no port \"nobody\"");
    EXPECT_NE(start_error("a", "no filter").find("the filter: "), std::string::npos);
    EXPECT_EQ(captures_.count(), 0u);
}

}  // namespace
}  // namespace sluice::explain
