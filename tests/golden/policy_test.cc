// Policies that change while connections are under way, stations and routes that move, and a flow table that
// is full: what becomes of established connections. Packets through a whole switch.
#include <gtest/gtest.h>

#include "golden/harness.h"
#include "golden/row.h"
#include "wire/headers.h"

namespace sluice {
namespace {

using namespace golden;
using golden::port;  // not the namespace
using test::Harness;
using Tcp = wire::TcpHeader;

// A, B and C at the ports of their letter, on one bridge.
std::string bridge(const std::string& acls, bool fixed = true) {
    auto station = [](std::string_view mac, const char* port) {
        return fmt::format("{{mac: '{}', port: {}}}, ", mac, port);
    };
    const std::string statics = fixed ? station(kA, "a") + station(kB, "b") + station(kC, "c") : "";
    return "networks: [{name: blue, static: [" + statics + "]}]\nports:\n" + port("a") + port("b") +
           port("c") + acls;
}
std::string into_b(const std::string& rules) {
    return "acls: [{name: edge, apply: {port: b, direction: ingress}, rules: [" + rules + "]}]\n";
}
const std::string kWeb = "{permit: {proto: tcp, port: 80}}";
const std::string kDns = "{permit: {proto: udp, port: 53}}";
const std::string kNothing = "{deny: {}}";

constexpr uint32_t kSequence = 1000;
constexpr uint32_t kAcknowledged = 77;  // by every segment of the builder
Packet ab() { return Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2"); }
Packet ba() { return Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1"); }
Bytes request(uint8_t flags = Tcp::kAck, uint16_t from = 1234) {
    return ab().tcp(from, 80, flags, kSequence).payload(20);
}
Bytes answer(uint8_t flags = Tcp::kAck, uint16_t to = 1234) {
    return ba().tcp(80, to, flags, kSequence).payload(20);
}

class Policy : public testing::TestWithParam<uint16_t> {
 protected:
    Policy() : harness_(GetParam(), {"a", "b", "c"}, {.size = 1024}) {}
    ~Policy() override { harness_.check_books(); }

    void configure(const std::string& yaml) { harness_.apply(yaml + "flows: {size: 1024}\n"); }

    void put(const std::string& device, const Bytes& frame) {
        harness_.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
    }
    // Where the frame leaves: "b", "a c"; or why it doesn't: "denied".
    std::string fate(const std::string& device, const Bytes& frame) {
        const test::DropCounts before = harness_.drops();
        put(device, frame);
        std::string text;
        for (const char* name : {"a", "b", "c"}) {
            for (size_t n = harness_.sent(name).size(); n > 0; --n) {
                text += (text.empty() ? "" : " ") + std::string(name);
            }
        }
        for (const auto& [where, count] : harness_.drops()) {
            const auto was = before.find(where);
            if (was != before.end() && was->second == count) continue;
            text += (text.empty() ? "" : " ") + std::string(path::text(where.second).name);
        }
        return text;
    }
    // A frame to A, of which it is learned where its sender is.
    void learn(const std::string& device, std::string_view mac) {
        put(device, Packet().eth(mac, kA).payload(46));
        harness_.sent("a");
    }
    void establish(uint16_t from = 1234) {
        ASSERT_EQ(fate("a", request(Tcp::kSyn, from)), "b");
        ASSERT_EQ(fate("b", answer(Tcp::kSyn | Tcp::kAck, from)), "a");
        ASSERT_EQ(fate("a", request(Tcp::kAck, from)), "b");
    }
    std::vector<flow::Listed> flows() {
        std::vector<flow::Listed> flows;
        harness_.running().flows().for_each(engine::clock_seconds(),
                                            [&](const flow::Listed& flow) { flows.push_back(flow); });
        return flows;
    }
    flow::Listed only_flow() {
        const auto all = flows();
        EXPECT_EQ(all.size(), 1u);
        return all.empty() ? flow::Listed{} : all[0];
    }

    Harness harness_;
};

// Of two workers each has one direction: queue 0 of each of two ports is not the same one's.
INSTANTIATE_TEST_SUITE_P(Workers, Policy, testing::Values(uint16_t{1}, uint16_t{2}),
                         [](const auto& workers) { return workers.param == 1 ? "One" : "Two"; });

// --- generations ---

TEST_P(Policy, ATighterRuleBitesOnTheInitiatorsNextPacket) {
    configure(bridge(into_b(kWeb)));
    establish();
    configure(bridge(into_b(kNothing)));
    EXPECT_EQ(fate("a", request()), "denied");
    EXPECT_EQ(fate("b", answer()), "denied");
    EXPECT_EQ(only_flow().state, flow::State::kDenied);
}

TEST_P(Policy, ATighterRuleBitesOnTheNextAnswer) {
    configure(bridge(into_b(kWeb)));
    establish();
    configure(bridge(into_b(kNothing)));
    EXPECT_EQ(fate("b", answer()), "denied");
    EXPECT_EQ(fate("a", request()), "denied");
}

TEST_P(Policy, AnswersOfARefusedConnectionBeginNoOther) {
    configure(bridge(into_b(kWeb)));
    establish();
    configure(bridge(into_b(kNothing)));
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(fate("b", answer()), "denied");
        EXPECT_EQ(fate("b", answer(Tcp::kSyn | Tcp::kAck)), "denied");
        EXPECT_EQ(fate("b", answer(Tcp::kSyn)), "denied");
    }
    EXPECT_EQ(only_flow().original.key.destination_port().host(), 80);
    // Where nothing was refused, B may begin one.
    EXPECT_EQ(fate("b", answer(Tcp::kSyn, 1235)), "a");
}

TEST_P(Policy, AConnectionThatIsAllowedAgainGoesOn) {
    configure(bridge(into_b(kWeb)));
    establish();
    const flow::Listed before = only_flow();
    EXPECT_EQ(before.state, flow::State::kEstablished);
    configure(bridge(into_b(kNothing)));
    EXPECT_EQ(fate("a", request()), "denied");
    EXPECT_EQ(fate("b", answer()), "denied");
    configure(bridge(into_b(kWeb)));
    EXPECT_EQ(fate("b", answer()), "a");
    EXPECT_EQ(fate("a", request()), "b");
    const flow::Listed after = only_flow();
    EXPECT_EQ(after.state, flow::State::kEstablished);
    EXPECT_EQ(after.directions[0].packets, before.directions[0].packets + 1);
    EXPECT_EQ(after.directions[1].packets, before.directions[1].packets + 1);
    EXPECT_EQ(harness_.running().flows().created(), 1u);
}

TEST_P(Policy, AFlowWhoseVerdictStaysKeepsItsCountersThroughAnyChange) {
    configure(bridge(into_b(kWeb)));
    establish();
    for (int i = 0; i < 10; ++i) {
        configure(bridge(into_b(i % 2 == 0 ? kWeb + ", " + kDns : "{deny: {proto: udp}}, " + kWeb)));
        EXPECT_EQ(fate("a", request()), "b");
        EXPECT_EQ(fate("b", answer()), "a");
    }
    const flow::Listed flow = only_flow();
    EXPECT_EQ(flow.directions[0].packets, 12u);
    EXPECT_EQ(flow.directions[1].packets, 11u);
    EXPECT_EQ(flow.directions[0].bytes, 12 * request().size());
    EXPECT_EQ(flow.state, flow::State::kEstablished);
}

TEST_P(Policy, NothingThatAGuestSendsOutdatesFlows) {
    configure(bridge(into_b(kWeb), false));
    put("a", Packet().eth(kA, kBroadcast));
    put("b", Packet().eth(kB, kBroadcast));
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    establish();
    const uint32_t generation = only_flow().generation;
    for (int i = 0; i < 20; ++i) {
        put(i % 2 == 0 ? "c" : "b", Packet().eth(kC, kBroadcast));  // its MAC address moves
        put("c", Packet().eth(kC, kBroadcast).arp_reply(kC, "10.0.0.3", kC, "10.0.0.3"));  // gratuitous
        put("c", plain(kC, "02:ff:00:00:00:01"));  // flooded
        put("c", Packet().eth(kC, kBroadcast).arp_request(kC, "10.0.0.2", "10.0.0.1"));  // another's address
    }
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    EXPECT_EQ(fate("a", request(Tcp::kSyn, 77)), "b");
    for (const flow::Listed& flow : flows()) EXPECT_EQ(flow.generation, generation);
    // The same seen with what does it.
    configure(bridge(into_b(kWeb + ", " + kDns), false));
    EXPECT_EQ(fate("a", request(Tcp::kSyn, 78)), "b");
    const auto all = flows();
    EXPECT_TRUE(
        std::any_of(all.begin(), all.end(), [&](const auto& flow) { return flow.generation != generation; }));
}

TEST_P(Policy, ARuleThatBecomesStatefulLetsTheAnswersOfOldFlowsPass) {
    const std::string all_ways = "acls: [{name: edge, apply: {network: blue, direction: ingress}, rules: [";
    configure(bridge(all_ways + "{permit: {proto: udp, port: 53}, stateful: false}]}]\n"));
    const Bytes question = ab().udp(999, 53).payload(20);
    const Bytes reply = ba().udp(53, 999).payload(20);
    EXPECT_EQ(fate("a", question), "b");
    EXPECT_EQ(fate("b", reply), "denied");
    configure(bridge(all_ways + "{permit: {proto: udp, port: 53}}]}]\n"));
    EXPECT_EQ(fate("a", question), "b");
    EXPECT_EQ(fate("b", reply), "a");
    configure(bridge(all_ways + "{permit: {proto: udp, port: 53}, stateful: false}]}]\n"));
    EXPECT_EQ(fate("b", reply), "denied");
    EXPECT_EQ(fate("a", question), "b");
    EXPECT_EQ(fate("b", reply), "denied");
}

TEST_P(Policy, AnErrorAboutAConnectionPassesAfterAChangeThatLeavesItAllowed) {
    const std::string only_dns = "acls: [{name: edge, apply: {network: blue, direction: ingress}, rules: [";
    configure(bridge(only_dns + kDns + "]}]\n"));
    const Bytes question = ab().udp(999, 53).payload(20);
    const Bytes error = ba().icmp(3, 3, 0).payload(packet_of(question));
    EXPECT_EQ(fate("b", error), "denied");
    EXPECT_EQ(fate("a", question), "b");
    EXPECT_EQ(fate("b", error), "a");
    configure(bridge(only_dns + kDns + ", " + kWeb + "]}]\n"));
    EXPECT_EQ(fate("b", error), "a");
    configure(bridge(only_dns + kWeb + "]}]\n"));
    EXPECT_EQ(fate("b", error), "denied");
}

TEST_P(Policy, AFragmentOfAnAnswerPassesAfterAChangeThatLeavesItAllowed) {
    const std::string only_dns = "acls: [{name: edge, apply: {network: blue, direction: ingress}, rules: [";
    configure(bridge(only_dns + kDns + "]}]\n"));
    EXPECT_EQ(fate("a", ab().udp(999, 53).payload(20)), "b");
    EXPECT_EQ(fate("b", ba().fragment(0x2000).id(1).udp(53, 999).payload(24)), "a");
    configure(bridge(only_dns + kDns + ", " + kWeb + "]}]\n"));
    const Bytes later =
        Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1", 17).fragment(0x0004).id(1).payload(24);
    EXPECT_EQ(fate("b", later), "a");
    configure(bridge(only_dns + kWeb + "]}]\n"));
    EXPECT_EQ(fate("b", later), "denied");
}

// --- picked up ---

const std::string kOnlyWeb =
    "acls: [{name: in, apply: {network: blue, direction: ingress}, rules: [" + kWeb + "]}]\n";

// What a guarded station sends lets nobody begin anything with it.
TEST_P(Policy, WhatAGuardedStationSendsOpensNoWayBack) {
    configure(bridge(into_b(kNothing)));
    uint16_t to = 2000;
    for (const int flags : {+Tcp::kAck, Tcp::kAck | Tcp::kPsh, Tcp::kAck | Tcp::kFin, +Tcp::kRst,
                            Tcp::kRst | Tcp::kAck, Tcp::kSyn | Tcp::kAck, +Tcp::kFin, 0}) {
        const bool is_picked_up = (flags & (Tcp::kAck | Tcp::kSyn | Tcp::kRst)) == Tcp::kAck;
        ++to;
        EXPECT_EQ(fate("b", answer(static_cast<uint8_t>(flags), to)), "a") << flags;
        EXPECT_EQ(fate("a", request(Tcp::kSyn, to)), "denied") << flags;
        EXPECT_EQ(fate("a", request(Tcp::kAck, to)), is_picked_up ? "b" : "denied") << flags;
        EXPECT_EQ(fate("b", answer(Tcp::kAck, to)), "a") << flags;
        EXPECT_EQ(fate("a", request(Tcp::kSyn, to)), "denied") << flags;
    }
    EXPECT_EQ(fate("b", ba().icmp(0, 0, 7 << 16).payload(8)), "a") << "an echo reply";
    EXPECT_EQ(fate("a", ab().icmp(8, 0, 7 << 16).payload(8)), "denied");
    constexpr uint8_t kSctp = 132;
    const auto sctp = [](Packet packet, uint8_t from, uint8_t to_port, uint8_t chunk) -> Bytes {
        return packet.payload({0, from, 0, to_port, 0, 0, 0, 0, 0, 0, 0, 0, chunk, 0, 0, 20, 0, 0, 0, 1,
                               0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    };
    const auto sctp_ab = [] { return Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", kSctp); };
    const auto sctp_ba = [] { return Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1", kSctp); };
    for (const uint8_t chunk : {uint8_t{0}, uint8_t{6}, uint8_t{2}}) {  // DATA, ABORT, INIT ACK
        const auto port = static_cast<uint8_t>(10 + chunk);
        EXPECT_EQ(fate("b", sctp(sctp_ba(), 5, port, chunk)), "a") << int{chunk};
        EXPECT_EQ(fate("a", sctp(sctp_ab(), port, 5, 1)), "denied") << int{chunk};
    }
}

TEST_P(Policy, ASynOfTheResponderIsJudgedByItself) {
    configure(bridge(kOnlyWeb));
    establish();
    EXPECT_EQ(fate("b", answer(Tcp::kSyn)), "denied");
    EXPECT_EQ(fate("b", answer()), "a");
    EXPECT_EQ(fate("a", request(Tcp::kSyn)), "b") << "the initiator's own, again";
    EXPECT_EQ(only_flow().state, flow::State::kEstablished);
    // Where B may begin one, it does so when the other has ended.
    configure(bridge(into_b(kWeb)));
    EXPECT_EQ(fate("b", answer(Tcp::kSyn)), "a");
    EXPECT_EQ(only_flow().state, flow::State::kEstablished);
    EXPECT_EQ(only_flow().original.key.destination_port().host(), 80);
}

TEST_P(Policy, ASynInAStatelessFlowIsJudgedByItself) {
    configure(bridge(into_b("{permit: {proto: tcp, tcp-flags: [ack]}, stateful: false}")));
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "b");
    EXPECT_EQ(fate("a", request(Tcp::kSyn)), "denied");
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "b");
}

// Of a switch that has just started either end's packets may come first.
TEST_P(Policy, AConnectionOfBeforeARestartGoesOnWhoeverSpeaksFirst) {
    configure(bridge(kOnlyWeb));
    harness_.running().flows().recover_until(engine::clock_seconds() + 1000);
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "a");
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "b");
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "a");
    EXPECT_EQ(only_flow().state, flow::State::kEstablished);
    EXPECT_EQ(only_flow().original.key.destination_port().host(), 80) << "it is A's";
    EXPECT_EQ(fate("b", answer(Tcp::kSyn)), "denied");
    EXPECT_EQ(fate("a", request(Tcp::kAck, 1235)), "b");
    EXPECT_EQ(fate("b", answer(Tcp::kAck, 1235)), "a");
    // None that nobody may have begun.
    EXPECT_EQ(fate("a", ab().tcp(1234, 81).payload(20)), "denied");
    EXPECT_EQ(fate("b", ba().tcp(81, 1234).payload(20)), "denied");
    EXPECT_EQ(fate("b", answer(Tcp::kRst, 1299)), "a") << "the end of one that A may have begun";
    EXPECT_EQ(flows().size(), 2u) << "which makes no flow";
}

// What no connection's midst has is judged by the rules, however lately the switch has started.
TEST_P(Policy, AfterARestartOnlyWhatContinuesOrResetsAConnectionGoesOnWithoutARule) {
    configure(bridge(kOnlyWeb));
    harness_.running().flows().recover_until(engine::clock_seconds() + 1000);
    uint16_t port = 2000;
    const std::initializer_list<uint8_t> kNeither = {0, Tcp::kFin, Tcp::kSyn | Tcp::kAck, Tcp::kSyn | Tcp::kRst,
                                                     Tcp::kSyn | Tcp::kFin, Tcp::kFin | Tcp::kPsh | 0x20};
    for (const uint8_t flags : kNeither) {
        EXPECT_EQ(fate("b", answer(flags, port++)), "denied") << "flags " << +flags;
    }
    EXPECT_EQ(fate("b", answer(Tcp::kRst | Tcp::kAck, port++)), "a");
    EXPECT_EQ(fate("b", answer(Tcp::kFin | Tcp::kAck, port++)), "a");
}

TEST_P(Policy, AConnectionThatBeganWithARulesSynGoesOnAfterARestart) {
    configure(bridge(into_b("{permit: {proto: tcp, port: 80, tcp-flags: [syn, '!ack']}}")));
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "denied");
    harness_.running().flows().recover_until(engine::clock_seconds() + 1000);
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "b");
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "a");
}

TEST_P(Policy, WithoutLossesOnlyWhatItsSenderMayBeginIsPickedUp) {
    configure(bridge(kOnlyWeb));
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "denied");
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "b");
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "a");
}

// The answer comes first, and no policy has a say in it: the connection is still the other end's.
TEST_P(Policy, ATighterRuleBitesOnAConnectionThatWasPickedUpByAnAnswer) {
    configure(bridge(into_b(kWeb)));
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "a");
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "b");
    EXPECT_EQ(only_flow().original.key.destination_port().host(), 80);
    configure(bridge(into_b(kNothing)));
    EXPECT_EQ(fate("a", request(Tcp::kAck)), "denied");
    EXPECT_EQ(fate("b", answer(Tcp::kAck)), "denied");
}

// --- fragments of a connection that is known ---

TEST_P(Policy, EachDatagramsFragmentsFollowItsFirst) {
    configure(bridge(into_b(kDns)));
    for (uint16_t id = 1; id < 4; ++id) {
        EXPECT_EQ(fate("a", ab().fragment(0x2000).id(id).udp(999, 53).payload(24)), "b") << id;
        EXPECT_EQ(
            fate("a",
                 Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(id).payload(24)),
            "b")
            << id;
    }
}

// The notes of a thousand times as many refused datagrams as there is room for.
TEST_P(Policy, RefusedFragmentsUseUpNobodysNotes) {
    configure(bridge(into_b(kDns)));
    const auto first = [](uint16_t id, uint16_t port) -> Bytes {
        return ab().fragment(0x2000).id(id).udp(999, port).payload(24);
    };
    const auto later = [](uint16_t id) -> Bytes {
        return Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(id).payload(24);
    };
    for (uint16_t id = 0; id < 100; ++id) ASSERT_EQ(fate("a", first(id, 53)), "b");
    for (uint32_t id = 1000; id < 1000 + 2 * flow::Fragments::kEntries; ++id) {
        ASSERT_EQ(fate("a", first(static_cast<uint16_t>(id), 54)), "denied");
    }
    for (uint16_t id = 0; id < 100; ++id) ASSERT_EQ(fate("a", later(id)), "b") << id;
}

TEST_P(Policy, FragmentsWaitForTheirFirstInBoundedNumbers) {
    configure(bridge(into_b(kDns)));
    const auto later = [](std::string_view from, uint16_t id) -> Bytes {
        return Packet().eth(from, kB).ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(id).payload(24);
    };
    constexpr uint16_t kMost = flow::HeldFragments::kMostOfAPort;
    for (uint16_t id = 0; id < kMost; ++id) ASSERT_EQ(fate("a", later(kA, id)), "") << id;
    EXPECT_EQ(fate("a", later(kA, kMost)), "fragment-unknown") << "a's share is used up";
    EXPECT_EQ(fate("c", later(kC, 999)), "") << "c has its own";
    EXPECT_EQ(fate("a", ab().fragment(0x2000).id(3).udp(999, 53).payload(24)), "b b") << "with the one that waited";
    harness_.give_up_fragments();
    EXPECT_EQ((harness_.drops()[{"a", path::Drop::kFragmentUnknown}]), kMost);
    EXPECT_EQ((harness_.drops()[{"c", path::Drop::kFragmentUnknown}]), 1u);
}

// --- what moves ---

TEST_P(Policy, AStationAtAnotherPortIsJudgedByThatPortsPolicies) {
    const std::string acls = "acls: [{name: edge, apply: {port: b, direction: ingress}, rules: [" + kWeb +
                             "]}, "
                             "{name: none, apply: {port: c, direction: ingress}, rules: [" +
                             kNothing + "]}]\n";
    configure(bridge(acls, false));
    put("a", Packet().eth(kA, kBroadcast));
    put("b", Packet().eth(kB, kBroadcast));
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    establish();
    put("c", Packet().eth(kB, kBroadcast));
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    EXPECT_EQ(fate("a", request()), "denied");
    EXPECT_EQ(fate("c", answer()), "denied");
    // At home again, it goes on.
    put("b", Packet().eth(kB, kBroadcast));
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    EXPECT_EQ(fate("a", request()), "b");
    EXPECT_EQ(fate("b", answer()), "a");
    EXPECT_EQ(only_flow().state, flow::State::kEstablished);
}

const std::string kToBlue = router_of("blue");
const std::string kToRed = router_of("red");

// A in blue; B and C in red, which the router knows by what they say.
std::string routed(const std::string& more) {
    return "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}, "
           "{name: red, subnets: [10.0.1.0/24], gateway: [10.0.1.254]}]\nports:\n" +
           port("a", "blue", ", mac: '" + std::string(kA) + "', address: 10.0.0.1") + port("b", "red") +
           port("c", "red") + more;
}
Packet from_a(std::string_view to) { return Packet().eth(kA, kToBlue).ipv4("10.0.0.1", to); }
Bytes arp(std::string_view mac, std::string_view address) {
    return Packet().eth(mac, kToRed).arp_request(mac, address, "10.0.1.254");
}
const std::string kNoneToC =
    "acls: [{name: none, apply: {port: c, direction: ingress}, rules: [{deny: {proto: tcp}}, {permit: "
    "{}}]}]\n";

TEST_P(Policy, ANeighborAtAnotherPortIsJudgedByThatPortsPolicies) {
    configure(routed(kNoneToC));
    put("b", arp(kB, "10.0.1.2"));
    harness_.sent("b");
    const Bytes packet = from_a("10.0.1.2").tcp(1234, 80).payload(20);
    EXPECT_EQ(fate("a", packet), "b");
    EXPECT_EQ(fate("a", packet), "b");
    // The others are told that it has moved.
    put("c", arp(kC, "10.0.1.2"));
    EXPECT_EQ(harness_.sent("b").size(), 1u);
    harness_.sent("c");
    EXPECT_EQ(fate("a", packet), "denied");
    EXPECT_EQ(fate("a", packet), "denied");
    put("b", arp(kB, "10.0.1.2"));
    EXPECT_EQ(harness_.sent("c").size(), 1u);
    harness_.sent("b");
    EXPECT_EQ(fate("a", packet), "b");
    EXPECT_EQ(flows().size(), 1u);
}

// A's source is proven by its guard, so its flows remember where their frames go, without looking up either address.
std::string guarded_a(const std::string& acls) {
    return "networks: [{name: blue, subnets: [10.0.0.0/24]}]\nports:\n" +
           port("a", "blue", ", mac: '" + std::string(kA) + "', address: [10.0.0.1]") + port("b") + port("c") + acls;
}
const std::string kAllInBlue =
    "acls: [{name: all, apply: {network: blue, direction: ingress}, rules: [{permit: {}}]}]\n";

TEST_P(Policy, AStationThatMovesTakesTheFlowsToItAlong) {
    configure(guarded_a(kAllInBlue));
    learn("b", kB);
    establish();
    EXPECT_EQ(fate("a", request()), "b");
    learn("c", kB);
    EXPECT_EQ(fate("a", request()), "c");
    EXPECT_EQ(fate("a", request()), "c");
    learn("b", kB);
    EXPECT_EQ(fate("a", request()), "b");
    harness_.running().macs().at("blue")->flush(harness_.running().ports().at("b").port->id());
    EXPECT_EQ(fate("a", request()), "b b c c") << "flooded, with a question who has the address";
}

TEST_P(Policy, WhereAStationHasMovedToItsPolicyIsAsked) {
    configure(guarded_a("acls: [{name: none, apply: {port: c, direction: ingress}, rules: [{deny: {}}]}]\n"));
    learn("b", kB);
    establish();
    EXPECT_EQ(fate("a", request()), "b");
    learn("c", kB);
    EXPECT_EQ(fate("a", request()), "denied");
    EXPECT_EQ(fate("a", request()), "denied");
    learn("b", kB);
    EXPECT_EQ(fate("a", request()), "b");
}

TEST_P(Policy, FramesOfOneFlowGoWhereTheirDestinationAddressIs) {
    configure(guarded_a(kAllInBlue));
    learn("b", kB);
    learn("c", kC);
    const auto to = [](std::string_view mac) -> Bytes {
        return Packet().eth(kA, mac).ipv4("10.0.0.1", "10.0.0.2").udp(1234, 53).payload(20);
    };
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(fate("a", to(kB)), "b");
        EXPECT_EQ(fate("a", to(kB)), "b");
        EXPECT_EQ(fate("a", to(kC)), "c");
        EXPECT_EQ(fate("a", to(kC)), "c");
    }
    EXPECT_EQ(flows().size(), 1u);
}

// The rules aren't asked again for what the flow has noted.
TEST_P(Policy, WhatAFlowRemembersOfStationsIsNoNewDecision) {
    configure(guarded_a(into_b(kWeb)));
    learn("b", kB);
    establish();
    const uint64_t hits = harness_.running().acls().at("edge")->hits(0);
    EXPECT_NE(hits, 0u);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(fate("a", request()), "b");
    EXPECT_EQ(harness_.running().acls().at("edge")->hits(0), hits);
}

// What the flow has noted spares its frames the guard and the MAC table, and no others.
TEST_P(Policy, AKnownFlowIsNoWayAroundAGuardOrAStaticAddress) {
    const auto as = [](std::string_view mac, std::string_view from) -> Bytes {
        return Packet().eth(mac, kB).ipv4(from, "10.0.0.2").udp(1234, 53).payload(20);
    };
    configure(guarded_a(kAllInBlue));
    learn("b", kB);
    learn("c", kC);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "b");
    EXPECT_EQ(fate("a", as(kC, "10.0.0.1")), "spoofed-mac");
    EXPECT_EQ(fate("a", as("33:33:00:00:00:01", "10.0.0.1")), "spoofed-mac");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.9")), "spoofed-address");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "b");

    configure(bridge(into_b(kDns)));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "b");
    EXPECT_EQ(fate("a", as(kC, "10.0.0.1")), "foreign-mac");
    EXPECT_EQ(fate("a", as("33:33:00:00:00:01", "10.0.0.1")), "invalid-source");
    EXPECT_EQ(fate("a", as("02:00:00:00:00:77", "10.0.0.1")), "b") << "an address that nobody has";
    EXPECT_EQ(fate("b", Packet().eth(kB, "02:00:00:00:00:77").payload(46)), "a") << "and that is learned";
}

TEST_P(Policy, AKnownRoutedFlowIsNoWayAroundAGuardOrAStaticAddress) {
    const auto as = [](std::string_view mac, std::string_view from, uint8_t ttl = 64) -> Bytes {
        return Packet().eth(mac, kToBlue).ipv4(from, "10.0.1.2").ttl(ttl).udp(1234, 53).payload(20);
    };
    const std::string all_in_red =
        "acls: [{name: all, apply: {network: red, direction: ingress}, rules: [{permit: {}}]}]\n";
    configure(routed(all_in_red));
    put("b", arp(kB, "10.0.1.2"));
    harness_.sent("b");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "b");
    EXPECT_EQ(fate("a", as(kC, "10.0.0.1")), "spoofed-mac");
    EXPECT_EQ(fate("a", as("33:33:00:00:00:01", "10.0.0.1")), "spoofed-mac");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.9")), "spoofed-address");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.1", 1)), "a ttl-exceeded");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "b");
    // The neighbor has moved: to another port, and beyond all.
    put("c", arp(kB, "10.0.1.2"));
    harness_.sent("c");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "c");
    EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "c");
    // The same configuration without the guard; C's address is B's port's now.
    configure("networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254], static: [{mac: '" +
              std::string(kC) +
              "', port: b}]}, {name: red, subnets: [10.0.1.0/24], gateway: [10.0.1.254]}]\nports:\n" +
              port("a", "blue") + port("b", "blue") + port("c", "red") + all_in_red);
    put("c", arp(kB, "10.0.1.2"));
    harness_.sent("c");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(fate("a", as(kA, "10.0.0.1")), "c");
    EXPECT_EQ(fate("a", as(kC, "10.0.0.1")), "foreign-mac");
    EXPECT_EQ(fate("a", as("33:33:00:00:00:01", "10.0.0.1")), "invalid-source");
}

TEST_P(Policy, AnswersReachAStationWhoseAddressIsForgottenAndNobodyElse) {
    configure(
        routed("acls: [{name: none, apply: {network: red, direction: ingress}, rules: [{deny: {}}]}]\n"));
    put("b", arp(kB, "10.0.1.2"));
    harness_.sent("b");
    EXPECT_EQ(fate("b", Packet().eth(kB, kToRed).ipv4("10.0.1.2", "10.0.0.1").tcp(1234, 80).payload(20)),
              "a");
    const Bytes reply = from_a("10.0.1.2").tcp(80, 1234).payload(20);
    EXPECT_EQ(fate("a", reply), "b");
    harness_.running().macs().at("red")->flush(harness_.running().ports().at("b").port->id());
    EXPECT_EQ(fate("a", reply), "b denied");
    EXPECT_EQ(fate("a", reply), "b denied");
}

TEST_P(Policy, ARouteThatChangesTakesItsFlowsAlong) {
    const auto via = [](const char* station) {
        return fmt::format("routes: [{{to: 10.9.0.0/16, via: {}}}]\n", station);
    };
    const std::string acls =
        "acls: [{name: all, apply: {network: red, direction: ingress}, rules: [{permit: {}}]}]\n";
    configure(routed(via("10.0.1.2") + acls));
    put("b", arp(kB, "10.0.1.2"));
    put("c", arp(kC, "10.0.1.3"));
    for (const char* device : {"b", "c"}) harness_.sent(device);
    const Bytes packet = from_a("10.9.0.7").tcp(1234, 80).payload(20);
    EXPECT_EQ(fate("a", packet), "b");
    EXPECT_EQ(fate("a", packet), "b");
    configure(routed(via("10.0.1.3") + acls));
    EXPECT_EQ(fate("a", packet), "c");
    EXPECT_EQ(fate("a", packet), "c");
    const flow::Listed flow = only_flow();
    EXPECT_EQ(flow.directions[0].packets, 4u);
    EXPECT_EQ(flow.directions[0].egress, harness_.running().ports().at("c").port->id());
    // A policy of where it goes now.
    configure(routed(via("10.0.1.3") + kNoneToC));
    EXPECT_EQ(fate("a", packet), "denied");
    configure(routed("routes: [{to: 10.9.0.0/16, type: blackhole}]\n" + acls));
    EXPECT_EQ(fate("a", packet), "blackhole");
}

TEST_P(Policy, ANetworkIsDeletedUnderItsFlowsAndUnderWhatWaits) {
    const std::string acls =
        "acls: [{name: all, apply: {port: a, direction: egress}, rules: [{permit: {}}]}]\n";
    configure(routed(acls));
    put("b", arp(kB, "10.0.1.2"));
    harness_.sent("b");
    const Bytes packet = from_a("10.0.1.2").tcp(1234, 80).payload(20);
    EXPECT_EQ(fate("a", packet), "b");
    EXPECT_EQ(fate("a", packet), "b");
    // From red, for a station of blue that nobody knows yet: it waits.
    put("b", Packet().eth(kB, kToRed).ipv4("10.0.1.2", "10.0.0.77").udp(1, 2).payload(20));
    harness_.sent("a");
    configure("networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}]\nports:\n" +
              port("a", "blue", ", mac: '" + std::string(kA) + "', address: 10.0.0.1") + port("b") + port("c") +
              acls);
    EXPECT_EQ(fate("a", packet), "a no-route") << "it is told so";
    put("c", Packet().eth(kC, kToBlue).arp_reply(kC, "10.0.0.77", kToBlue, "10.0.0.254"));
    for (const char* device : {"a", "b", "c"}) EXPECT_TRUE(harness_.sent(device).empty()) << device;
}

// What answers a first packet may come with an address that nobody has learned.
TEST_P(Policy, AFirstAnswerToAllReachesTheInitiatorAndNobodyElse) {
    configure(bridge("acls: [{name: out, apply: {network: blue, direction: ingress}, rules: "
                     "[{permit: {proto: udp, to: 10.0.0.2, port: 53}}]}]\n"));
    EXPECT_EQ(fate("a", ab().udp(1000, 53).payload(20)), "b");
    const Bytes answer = Packet().eth(kB, kBroadcast).ipv4("10.0.0.2", "10.0.0.1").udp(53, 1000).payload(20);
    EXPECT_EQ(fate("b", answer), "a denied");
    EXPECT_EQ(fate("b", answer), "a denied");
}

TEST_P(Policy, APingLetsNoOtherMessagesInAndNoPingBack) {
    configure(bridge("acls: [{name: ping, apply: {network: blue, direction: ingress}, rules: "
                     "[{permit: {proto: icmp, to: 10.0.0.2, type: 8}}]}]\n"));
    EXPECT_EQ(fate("a", ab().icmp_echo(0, 1)), "b");
    EXPECT_EQ(fate("b", ba().icmp(0, 0, 1).payload(8)), "a");
    EXPECT_EQ(fate("b", ba().icmp(8, 0, 1).payload(8)), "denied");
    const Bytes timestamp =
        Packet().eth(kA, kBroadcast).ipv4("10.0.0.1", "10.0.0.2").icmp(13, 0, 0).payload(12);
    EXPECT_EQ(fate("a", timestamp), "denied denied") << "by b and c";
}

TEST_P(Policy, FragmentsOfAnEchosReplyFollowTheirFirst) {
    configure(bridge("acls: [{name: ping, apply: {network: blue, direction: ingress}, rules: "
                     "[{permit: {proto: icmp, to: 10.0.0.2, type: 8}}]}]\n"));
    const auto later = [](Packet packet) -> Bytes { return packet.fragment(0x0005).id(9).payload(24); };
    EXPECT_EQ(fate("a", ab().fragment(0x2000).id(9).icmp(8, 0, 7 << 16).payload(32)), "b");
    EXPECT_EQ(fate("a", later(Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", 1))), "b");
    EXPECT_EQ(fate("b", ba().fragment(0x2000).id(9).icmp(0, 0, 7 << 16).payload(32)), "a");
    EXPECT_EQ(fate("b", later(Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1", 1))), "a");
}

TEST_P(Policy, AnErrorGoesWhereItsPacketCameFromAndNowhereElse) {
    configure(bridge("acls: [{name: in, apply: {network: blue, direction: ingress}, rules: "
                     "[{permit: {proto: tcp, port: 80}}]}, "
                     "{name: mute, apply: {port: c, direction: egress}, rules: [{deny: {}}]}]\n"));
    establish();
    Bytes quote = request();
    quote.erase(quote.begin(), quote.begin() + 14);
    quote.resize(28);
    const auto error = [&](std::string_view from, std::string_view to) -> Bytes {
        return Packet().eth(from, to).ipv4("10.0.0.2", "10.0.0.1").icmp(3, 1, 0).payload(quote);
    };
    EXPECT_EQ(fate("b", error(kB, kA)), "a");
    EXPECT_EQ(fate("b", error(kB, kC)), "denied") << "c has sent nothing of the kind";
    EXPECT_EQ(fate("c", error(kC, kA)), "denied") << "c may say nothing";
}

TEST_P(Policy, TaggedFramesForTheRouterGoNoFlowsWay) {
    configure(routed("acls: [{name: all, apply: {network: red, direction: ingress}, rules: [{permit: {}}]}]\n"));
    put("b", arp(kB, "10.0.1.2"));
    harness_.sent("b");
    EXPECT_EQ(fate("a", from_a("10.0.1.2").tcp(1234, 80).payload(20)), "b");
    const Bytes tagged =
        Packet().eth(kA, kToBlue).vlan(5).ipv4("10.0.0.1", "10.0.1.2").tcp(1234, 80).payload(20);
    EXPECT_EQ(fate("a", tagged), "not-for-router");
}

TEST_P(Policy, NeighborDiscoveryIsNoWayAroundPoliciesBehindARouter) {
    configure("networks: [{name: blue, subnets: [fd00::/64], gateway: ['fd00::fe']}, "
              "{name: red, subnets: ['fd01::/64'], gateway: ['fd01::fe']}]\nports:\n" +
              port("a", "blue") + port("b", "red", ", mac: '" + std::string(kB) + "', address: 'fd01::2'") + port("c", "red") +
              "acls: [{name: none, apply: {network: red, direction: ingress}, rules: [{deny: {}}]}]\n");
    put("b", Packet().eth(kB, kBroadcast));
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    const Bytes message = Packet().eth(kA, kToBlue).ipv6("fd00::1", "fd01::2").ttl(255).icmp(136, 0, 0).payload(40);
    EXPECT_EQ(fate("a", message), "denied");
}

// One port in two networks that a router joins: the same 5-tuple may be in either.
TEST_P(Policy, WhatATrunkSendsIsJudgedInTheNetworkThatItIsIn) {
    configure("networks: [{name: blue, vlan: 10, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}, "
              "{name: red, vlan: 20, subnets: [10.0.1.0/24], gateway: [10.0.1.254]}]\nports:\n" +
              port("a", "", ", trunk: {networks: [blue, red]}") + port("b", "red") +
              port("c", "", ", trunk: {networks: [blue, red]}") +
              "acls: [{name: in-red, apply: {network: red, direction: ingress}, rules: [{deny: {}}]}]\n");
    put("c", Packet().eth(kC, kBroadcast).vlan(10));
    put("c", Packet().eth(kC, kBroadcast).vlan(20));
    for (const char* device : {"a", "b", "c"}) harness_.sent(device);
    const auto in = [](uint16_t vlan) -> Bytes {
        return Packet().eth(kA, kC).vlan(vlan).ipv4("192.0.2.1", "192.0.2.2").udp(1, 53).payload(20);
    };
    EXPECT_EQ(fate("a", in(10)), "c");
    EXPECT_EQ(fate("a", in(10)), "c");
    EXPECT_EQ(fate("a", in(20)), "denied");
    EXPECT_EQ(fate("a", in(10)), "c");
}

TEST_P(Policy, APacketThatWaitsIsCountedAndLoggedOnce) {
    configure(routed("acls: [{name: all, apply: {port: a, direction: egress}, rules: [{permit: {}}]}]\n"));
    const Bytes packet = from_a("10.0.1.2").udp(1234, 53).payload(20);
    EXPECT_EQ(fate("a", packet), "b c") << "the router asks";
    EXPECT_EQ(flows().size(), 0u);
    EXPECT_EQ(harness_.running().acls().at("all")->hits(0), 0u);
    put("b", Packet().eth(kB, kToRed).arp_reply(kB, "10.0.1.2", kToRed, "10.0.1.254"));
    EXPECT_EQ(harness_.sent("b").size(), 1u);
    EXPECT_EQ(only_flow().directions[0].packets, 1u);
    EXPECT_EQ(harness_.running().acls().at("all")->hits(0), 1u);
    EXPECT_EQ(fate("a", packet), "b");
    EXPECT_EQ(only_flow().directions[0].packets, 2u);
}

// Of every other key that a rule may have: a packet that it means, and one that differs in that (and its ports, as
// a flow is judged by what began it).
TEST_P(Policy, WhatARuleAsksOfAPacketIsLookedAt) {
    const auto matches = [&](const std::string& match, const Bytes& meant, const Bytes& other) {
        configure(bridge(into_b("{permit: {" + match + "}}")));
        EXPECT_EQ(fate("a", meant), "b") << match;
        EXPECT_EQ(fate("a", other), "denied") << match;
    };
    matches("proto: udp, from-port: 1000", ab().udp(1000, 2).payload(20), ab().udp(1001, 2).payload(20));
    matches("proto: udp, port: [5-7, 9]", ab().udp(1, 9).payload(20), ab().udp(1, 8).payload(20));
    matches("dscp: 46", ab().traffic_class(46 << 2).udp(1, 2).payload(20), ab().udp(3, 2).payload(20));
    matches("proto: tcp, tcp-flags: [syn, '!ack']", request(Tcp::kSyn), request(Tcp::kSyn | Tcp::kAck, 99));
    matches("proto: icmp, type: 3, code: 1", ab().icmp(3, 1, 0).payload(28), ab().icmp(3, 2, 0).payload(28));
    matches("fragments: true", ab().fragment(0x2000).id(5).udp(11, 12).payload(24), ab().udp(1, 3).payload(20));
    matches("to: 10.0.0.2/31", ab().udp(1, 2).payload(20),
            Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.4").udp(1, 2).payload(20));
}

TEST_P(Policy, WhoIsRejectedIsTold) {
    configure(bridge(into_b("{reject: {}}")));
    EXPECT_EQ(fate("a", request(Tcp::kSyn)), "a rejected");
    EXPECT_EQ(fate("a", Packet().eth(kA, kB).ipv6("fd00::1", "fd00::2").udp(1, 2).payload(20)), "a rejected");
    EXPECT_EQ(fate("a", Packet().eth(kA, kB).ipv6("fd00::1", "fd00::2").tcp(1, 2, Tcp::kSyn)), "a rejected");
}

TEST_P(Policy, AListAtAPortAndAtItsNetworkIsAskedOnce) {
    configure(bridge("acls: [{name: twice, apply: [{port: b, direction: ingress}, {port: b, direction: ingress}, "
                     "{network: blue, direction: ingress}], rules: [{permit: {}}]}]\n"));
    EXPECT_EQ(fate("a", request()), "b");
    EXPECT_EQ(harness_.running().acls().at("twice")->hits(0), 1u);
}

// --- a table that is full ---

TEST_P(Policy, AFullTableRefusesNewConnectionsAndKeepsTheOpenOnes) {
    configure(bridge(into_b(kWeb)));
    std::vector<uint16_t> open;
    std::string refused;
    for (uint16_t from = 2000; from < 6000; ++from) {
        refused = fate("a", request(Tcp::kSyn, from));
        if (refused != "b") break;
        open.push_back(from);
        EXPECT_EQ(fate("b", answer(Tcp::kSyn | Tcp::kAck, from)), "a");
        EXPECT_EQ(fate("a", request(Tcp::kAck, from)), "b");
    }
    EXPECT_EQ(refused, "flow-table-full");
    EXPECT_EQ(open.size(), 1024u);
    EXPECT_EQ(harness_.running().flows().count(), 1024u);
    EXPECT_GT(harness_.running().flows().pressure().refused_full, 0u);
    for (const uint16_t from : open) {
        ASSERT_EQ(fate("a", request(Tcp::kAck, from)), "b");
        ASSERT_EQ(fate("b", answer(Tcp::kAck, from)), "a");
    }
    // Those that end make room; not at once, and not for each one.
    for (int i = 0; i < 100; ++i) {
        // In sequence: it is what B has acknowledged up to.
        EXPECT_EQ(fate("a", ab().tcp(open[i], 80, Tcp::kRst, kAcknowledged)), "b");
    }
    int accepted = 0;
    for (uint16_t from = 7000; from < 8000; ++from) {
        accepted += fate("a", request(Tcp::kSyn, from)) == "b" ? 1 : 0;
    }
    EXPECT_GT(accepted, 0);
    // The rest are open still.
    for (size_t i = 100; i < open.size(); ++i) ASSERT_EQ(fate("a", request(Tcp::kAck, open[i])), "b");
}

TEST_P(Policy, WhatNobodyMayHearBeginsNoConnection) {
    configure("networks: [{name: blue}]\nports:\n" + port("a") + port("b") + port("c") +
              "acls: [{name: none, apply: {network: blue, direction: ingress}, rules: [{permit: {proto: udp, port: 80}}]}]\n");
    const Bytes refused = Packet().eth(kA, "ff:ff:ff:ff:ff:ff").ipv4("10.0.0.1", "10.0.0.255").udp(9592, 99);
    EXPECT_EQ(fate("a", refused), "denied denied");
    EXPECT_EQ(harness_.running().flows().count(), 0u);
    const Bytes heard = Packet().eth(kA, "ff:ff:ff:ff:ff:ff").ipv4("10.0.0.1", "10.0.0.255").udp(9592, 80);
    EXPECT_EQ(fate("a", heard), "b c");
    EXPECT_EQ(harness_.running().flows().count(), 1u);
}

TEST_P(Policy, AFloodOfConnectionsTakesNoneThatIsOpen) {
    configure(bridge(into_b(kWeb)));
    establish();
    for (uint32_t i = 0; i < 20'000; ++i) {
        const std::string source = fmt::format("20.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255);
        const Bytes syn = Packet().eth(kA, kB).ipv4(source, "10.0.0.2").tcp(1, 80, Tcp::kSyn);
        ASSERT_EQ(fate("a", syn), "b");
        if (i % 1000 != 0) continue;
        EXPECT_EQ(fate("a", request()), "b");
        EXPECT_EQ(fate("b", answer()), "a");
    }
    EXPECT_GT(harness_.running().flows().pressure().evicted_embryonic, 10'000u);
    EXPECT_LE(harness_.running().flows().count(), 1024u);
    uint64_t packets = 0;
    for (const flow::Listed& flow : flows()) {
        if (flow.state == flow::State::kEstablished)
            packets += flow.directions[0].packets + flow.directions[1].packets;
    }
    EXPECT_EQ(packets, 3u + 40u);
}

// Two ports that invent open connections with a third's help fill the table for nobody else.
TEST_P(Policy, WhoHasMoreThanAShareGivesPlacesToThoseWhoHaveLess) {
    configure(bridge("acls: [{name: all, apply: {network: blue, direction: ingress}, rules: [{permit: {}}]}]\n"));
    const auto from_c = [](uint16_t port, uint8_t flags) -> Bytes {
        return Packet().eth(kC, kB).ipv4("10.0.0.3", "10.0.0.2").tcp(port, 80, flags, kSequence).payload(20);
    };
    const auto to_c = [](uint16_t port) -> Bytes {
        return Packet().eth(kB, kC).ipv4("10.0.0.2", "10.0.0.3").tcp(80, port, Tcp::kAck, kSequence).payload(20);
    };
    std::map<std::string, int> refused;
    for (uint16_t i = 0; i < 800; ++i) {
        const auto port = static_cast<uint16_t>(2000 + i);
        const std::string a = fate("a", request(Tcp::kAck, port));
        const std::string c = fate("c", from_c(port, Tcp::kAck));
        if (a == "b") {
            EXPECT_EQ(fate("b", answer(Tcp::kAck, port)), "a");
        }
        if (c == "b") {
            EXPECT_EQ(fate("b", to_c(port)), "c");
        }
        ++refused[a];
        ++refused[c];
        ASSERT_LE(harness_.running().flows().count(), 1024u);
    }
    EXPECT_EQ(refused["b"], 1024);
    EXPECT_EQ(refused["flow-share"], 576);
    // B's own, of which each is opened.
    const auto from_b = [](uint16_t port, uint8_t flags) -> Bytes {
        return ba().tcp(port, 99, flags, kSequence).payload(20);
    };
    for (uint16_t port = 5000; port < 5200; ++port) {
        ASSERT_EQ(fate("b", from_b(port, Tcp::kSyn)), "a") << port;
        ASSERT_EQ(fate("a", ab().tcp(99, port, Tcp::kSyn | Tcp::kAck, kAcknowledged - 1).payload(0)), "b");
        ASSERT_EQ(fate("b", from_b(port, Tcp::kAck)), "a");
    }
    EXPECT_EQ(harness_.running().flows().count(), 1024u);
    EXPECT_GE(harness_.running().flows().pressure().evicted_share, 200u);
    // A and C go on trying, and take none of B's.
    for (uint16_t port = 9000; port < 9100; ++port) {
        EXPECT_EQ(fate("a", request(Tcp::kSyn, port)), "flow-share");
        EXPECT_EQ(fate("c", from_c(port, Tcp::kSyn)), "flow-share");
    }
    const auto from_port_b = harness_.running().ports().at("b").port->id();
    EXPECT_EQ(harness_.running().flows().count_of(from_port_b), 200u);
    EXPECT_EQ(harness_.drops().count({"b", path::Drop::kFlowShare}), 0u);
}

// --- two workers ---

TEST(PolicyOfTwoWorkers, EachHasOneDirection) {
    Harness harness(2, {"a", "b", "c"}, {.size = 1024});
    harness.apply(bridge(into_b(kWeb)) + "flows: {size: 1024}\n");
    auto put = [&](const std::string& device, const Bytes& frame) {
        harness.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
    };
    // Both directions in one turn of both workers.
    put("a", request(Tcp::kSyn));
    harness.run();
    for (int i = 0; i < 50; ++i) {
        put("a", request());
        put("b", answer(i == 0 ? Tcp::kSyn | Tcp::kAck : Tcp::kAck));
        harness.run();
    }
    EXPECT_EQ(harness.sent("b").size(), 51u);
    EXPECT_EQ(harness.sent("a").size(), 50u);
    EXPECT_EQ(harness.running().workers()[0]->counters().totals.received.get(), 51u);
    EXPECT_EQ(harness.running().workers()[1]->counters().totals.received.get(), 50u);
    harness.running().flows().for_each(0, [&](const flow::Listed& flow) {
        EXPECT_EQ(flow.directions[0].packets, 51u);
        EXPECT_EQ(flow.directions[1].packets, 50u);
        EXPECT_EQ(flow.state, flow::State::kEstablished);
    });
    harness.check_books();
}

}  // namespace
}  // namespace sluice
