// A change in one flow domain while connections of another are under way: these keep what was decided for them.
// What is tightened bites at once where it is in force. Packets through a whole switch.
#include <gtest/gtest.h>

#include "golden/harness.h"
#include "golden/row.h"
#include "route/route_text.h"
#include "wire/headers.h"

namespace sluice {
namespace {

using namespace golden;
using golden::port;  // not the namespace
using test::Harness;
using Tcp = wire::TcpHeader;

const std::string kWeb = "{permit: {proto: tcp, port: 80}}";
const std::string kNothing = "{deny: {}}";

// Stations of the same addresses: A at port a and B at port b of the network left, and at c and d of right.
struct World {
    std::string left_rule = kWeb;
    std::string right_rule = kWeb;
    std::string gateway;  // of both networks, each of which has a routing domain then
    std::string more_networks;
    std::string more_ports;
    std::string rest;

    std::string yaml() const {
        const auto network = [&](const char* name, const char* one, const char* other) {
            return fmt::format(
                "{{name: {0}, subnets: 10.0.0.0/24, domain: {0}{1}, static: [{{mac: '{2}', port: {3}}}, "
                "{{mac: '{4}', port: {5}}}]}}",
                name, gateway, kA, one, kB, other);
        };
        const auto list = [](const char* at, const std::string& rule) {
            return fmt::format("{{name: at-{0}, apply: {{port: {0}, direction: ingress}}, rules: [{1}]}}", at,
                               rule);
        };
        return "networks: [" + network("left", "a", "b") + ", " + network("right", "c", "d") + more_networks +
               "]\n" + "ports:\n" + port("a", "left") + port("b", "left") + port("c", "right") +
               port("d", "right") + more_ports + "acls: [" + list("b", left_rule) + ", " + list("d", right_rule) +
               "]\n" + rest + "flows: {size: 1024}\n";
    }
};

class FlowDomains : public testing::TestWithParam<uint16_t> {
 protected:
    FlowDomains() : harness_(GetParam(), {"a", "b", "c", "d", "e"}, {.size = 1024}) {}
    ~FlowDomains() override { harness_.check_books(true); }

    void configure(const World& world) { harness_.apply(world.yaml()); }
    void change_route(const std::string& line) {
        route::Mistakes mistakes;
        const route::Changes changes = route::read_changes({.lines = line}, mistakes);
        ASSERT_EQ(mistakes.count, 0u);
        ASSERT_TRUE(harness_.running().change_routes(changes));
    }

    // Whether the frame leaves by that device, and by no other.
    bool passes(const std::string& from, const Bytes& frame, const std::string& to) {
        harness_.device(from).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
        bool passes = false;
        for (const char* name : {"a", "b", "c", "d", "e"}) {
            const size_t count = harness_.sent(name).size();
            passes |= name == to && count == 1;
            EXPECT_TRUE(count == 0 || name == to) << name;
        }
        return passes;
    }
    static Bytes there(uint8_t flags = Tcp::kAck) {
        return Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80, flags, 1000).payload(20);
    }
    static Bytes back(uint8_t flags = Tcp::kAck) {
        return Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1").tcp(80, 1234, flags, 1000).payload(20);
    }
    void establish() {
        for (const auto& [one, other] : {std::pair{"a", "b"}, std::pair{"c", "d"}}) {
            ASSERT_TRUE(passes(one, there(Tcp::kSyn), other));
            ASSERT_TRUE(passes(other, back(Tcp::kSyn | Tcp::kAck), one));
            ASSERT_TRUE(passes(one, there(), other));
        }
    }
    bool left_passes() { return passes("a", there(), "b") && passes("b", back(), "a"); }
    bool right_passes() { return passes("c", there(), "d") && passes("d", back(), "c"); }
    // How often the list at that port was evaluated.
    uint64_t evaluations(const char* at) {
        const auto& list = *harness_.running().acls().at(std::string("at-") + at);
        return list.hits(0) + list.hits(acl::kNoRule);
    }
    // Evaluations at left's list and at right's while a packet of either direction passes after the change.
    using Evaluated = std::pair<uint64_t, uint64_t>;
    template <class Change>
    Evaluated evaluated_after(Change change) {
        const uint64_t left = evaluations("b");
        const uint64_t right = evaluations("d");
        change();
        EXPECT_TRUE(left_passes());
        EXPECT_TRUE(right_passes());
        return {evaluations("b") - left, evaluations("d") - right};
    }

    // Each direction's first packet after a change.
    static constexpr uint64_t kBothWays = 2;
    static constexpr Evaluated kNone{0, 0};
    static constexpr Evaluated kLeft{kBothWays, 0};
    static constexpr Evaluated kRight{0, kBothWays};

    Harness harness_;
};

INSTANTIATE_TEST_SUITE_P(Workers, FlowDomains, testing::Values(uint16_t{1}, uint16_t{2}),
                         [](const auto& workers) { return workers.param == 1 ? "One" : "Two"; });

TEST_P(FlowDomains, AListDecidesFlowsAnewWhereItIsInForce) {
    World world;
    configure(world);
    establish();
    EXPECT_EQ(evaluated_after([] {}), kNone);
    world.left_rule = kWeb + ", {permit: {proto: udp}}";
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kLeft);
    world.right_rule = kWeb + ", {permit: {proto: udp}}";
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kRight);
}

TEST_P(FlowDomains, ATighterListBitesAtOnceAndNowhereElse) {
    World world;
    configure(world);
    establish();
    const uint64_t right = evaluations("d");
    world.left_rule = kNothing;
    configure(world);
    EXPECT_FALSE(passes("a", there(), "b"));
    EXPECT_FALSE(passes("b", back(), "a"));
    EXPECT_TRUE(right_passes());
    EXPECT_EQ(evaluations("d"), right);
    world.right_rule = kNothing;
    configure(world);
    EXPECT_FALSE(passes("d", back(), "c"));
    EXPECT_FALSE(passes("c", there(), "d"));
    world.left_rule = kWeb;
    configure(world);
    EXPECT_TRUE(left_passes());
    EXPECT_FALSE(passes("c", there(), "d"));
}

TEST_P(FlowDomains, APortThatIsAddedOrDeletedAloneDecidesNoFlowAnew) {
    World world;
    configure(world);
    establish();
    World more = world;
    more.more_ports = port("e", "right");
    EXPECT_EQ(evaluated_after([&] { configure(more); }), kNone);
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kRight);
    more.more_ports = port("e", "left");
    auto config = engine::load_config(more.yaml(), "golden", {});
    ASSERT_TRUE(config);
    EXPECT_EQ(evaluated_after([&] { harness_.running().add_port(config->ports.back(), {}); }), kNone);
    EXPECT_EQ(evaluated_after([&] { harness_.running().delete_port("e"); }), kNone);
}

// Its own flows don't go on by another port, not even by one with the same station.
TEST_P(FlowDomains, TheFlowsOfADeletedPortEndThere) {
    World world;
    world.more_ports = port("e", "left");
    std::string yaml = world.yaml();
    const std::string list = "{name: at-left, apply: {network: left, direction: ingress}, rules: [" + kWeb + "]}, ";
    yaml.insert(yaml.find("acls: [") + 7, list);
    harness_.apply(yaml);
    establish();
    const auto to_e = [](uint8_t flags) {
        return Packet().eth(kA, kC).ipv4("10.0.0.1", "10.0.0.3").tcp(5678, 80, flags, 1000).payload(20);
    };
    const auto from_e = [](uint8_t flags) {
        return Packet().eth(kC, kA).ipv4("10.0.0.3", "10.0.0.1").tcp(80, 5678, flags, 1000).payload(20);
    };
    const auto introduce_e = [&](uint16_t from) {
        return passes("e", Packet().eth(kC, kA).ipv4("10.0.0.3", "10.0.0.1").tcp(from, 80, Tcp::kSyn), "a");
    };
    ASSERT_TRUE(introduce_e(1));
    ASSERT_TRUE(passes("a", to_e(Tcp::kSyn), "e"));
    ASSERT_TRUE(passes("e", from_e(Tcp::kSyn | Tcp::kAck), "a"));
    ASSERT_TRUE(passes("a", to_e(Tcp::kAck), "e"));
    const port::PortConfig config = harness_.running().ports().at("e").port->config();
    const path::PortId id = harness_.running().ports().at("e").port->id();
    harness_.running().delete_port("e");
    harness_.device("a").put(test::to_mbuf(test::switch_pools().buffers, to_e(Tcp::kAck)));
    harness_.run();
    for (const char* name : {"c", "d", "e"}) EXPECT_EQ(harness_.sent(name).size(), 0u) << name;
    EXPECT_GT(harness_.sent("b").size(), 0u) << "flooded: nobody knows where the station is";
    EXPECT_TRUE(left_passes());
    harness_.running().add_port(config, {});
    EXPECT_NE(harness_.running().ports().at("e").port->id(), id);
    // The station is back: its connection goes on behind the new port, decided anew.
    const uint64_t before = harness_.running().acls().at("at-left")->hits(0);
    ASSERT_TRUE(introduce_e(2));
    EXPECT_TRUE(passes("a", to_e(Tcp::kAck), "e"));
    EXPECT_TRUE(passes("e", from_e(Tcp::kAck), "a"));
    EXPECT_GT(harness_.running().acls().at("at-left")->hits(0), before);
}

TEST_P(FlowDomains, ANetworkMoreOrLessDecidesNoOthersFlowsAnew) {
    World world;
    configure(world);
    establish();
    world.more_networks = ", {name: new, subnets: 10.0.0.0/24}";
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kNone);
    world.more_networks = ", {name: newer, subnets: 10.0.0.0/24}";
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kNone);
    world.more_networks = "";
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kNone);
}

TEST_P(FlowDomains, ARouteDecidesFlowsOfItsDomainAnew) {
    World world;
    world.gateway = ", gateway: 10.0.0.254";
    configure(world);
    establish();
    EXPECT_EQ(evaluated_after([&] { change_route("10.9.0.0/16 via 10.0.0.9 domain left\n"); }), kLeft);
    EXPECT_EQ(evaluated_after([&] { change_route("delete 10.9.0.0/16 domain left\n"); }), kLeft);
    EXPECT_EQ(evaluated_after([&] { change_route("10.9.0.0/16 via 10.0.0.9 domain right\n"); }), kRight);
    world.rest = "routes: [{to: 10.8.0.0/16, via: 10.0.0.9, domain: right}]\n";
    EXPECT_EQ(evaluated_after([&] { configure(world); }), kRight);
}

// What was published in the midst of a change decides nothing beyond it: a network's number is another's at once.
TEST_P(FlowDomains, ANetworkThatTakesAnothersPlaceFindsNoDecisionsOfThat) {
    World world;
    configure(world);
    establish();
    harness_.apply("networks: [{name: right}]\nports:\n" + port("c", "right") + port("d", "right") +
                   "flows: {size: 1024}\n");
    harness_.apply("networks: [{name: right}, {name: third, static: [{mac: '" + std::string(kA) +
                   "', port: a}, {mac: '" + std::string(kB) + "', port: b}]}]\nports:\n" + port("c", "right") +
                   port("d", "right") + port("a", "third") + port("b", "third") +
                   "acls: [{name: none, apply: {port: b, direction: ingress}, rules: [{deny: {}}]}]\n"
                   "flows: {size: 1024}\n");
    EXPECT_FALSE(passes("a", there(), "b"));
    // The connection of left goes on when that comes back, by what is in force then.
    world.right_rule = kNothing;
    configure(world);
    EXPECT_TRUE(left_passes());
    EXPECT_FALSE(passes("c", there(), "d"));
}

}  // namespace
}  // namespace sluice
