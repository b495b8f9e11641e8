// Services and NAT over the life of a connection: what two hosts get that want the same, what stays when the
// configuration changes, and what a packet becomes that has waited.
#include <gtest/gtest.h>

#include "golden/harness.h"
#include "golden/translation_world.h"
#include "kube/manifest.h"

namespace sluice {
namespace {

using namespace golden;
using namespace golden::translation;
using golden::port;  // not the namespace
using test::Harness;

struct Left {
    std::string device;
    Bytes frame;

    bool operator==(const Left&) const = default;
};
using AllLeft = std::vector<Left>;

// How gtest shows it.
void PrintTo(const Left& left, std::ostream* stream) {
    *stream << left.device << ": ";
    for (const uint8_t byte : left.frame) *stream << fmt::format("{:02x}", byte);
}

uint16_t source_port_of(const Bytes& frame) { return static_cast<uint16_t>(frame.at(34) << 8 | frame.at(35)); }
std::string source_of(const Bytes& frame) {
    return fmt::format("{}.{}.{}.{}", frame.at(26), frame.at(27), frame.at(28), frame.at(29));
}

class Translation : public testing::Test {
 protected:
    ~Translation() override {
        harness_.give_up_fragments();
        harness_.check_books();
        if (!HasFailure()) return;
        for (const auto& [where, count] : harness_.drops())
            std::cout << where.first << " " << path::text(where.second).name << " " << count << "\n";
    }
    // All that leaves on that packet's account.
    AllLeft send(const std::string& device, const Bytes& frame) {
        harness_.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
        AllLeft left;
        for (const char* name : {"a", "b", "c", "d"}) {
            for (Bytes& sent : harness_.sent(name)) {
                EXPECT_TRUE(test::checksums_valid(sent)) << "out of " << name;
                left.push_back({name, std::move(sent)});
            }
        }
        return left;
    }
    uint64_t drops(const std::string& device, Drop reason) {
        const auto all = harness_.drops();
        const auto found = all.find({device, reason});
        return found == all.end() ? 0 : found->second;
    }
    // A Service at kShop4 with these back ends, and nothing else.
    static std::string shop(const std::string& backends) {
        return networks_and_ports() +
               "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 80}, {port: 53, proto: udp}],\n"
               "     backends: [" + backends + "]}\n";
    }

    Harness harness_{1, {"a", "b", "c", "d"}};
};

TEST_F(Translation, TwoHostsWithOnePortGetTwoPortsOutside) {
    harness_.apply(kAll);
    EXPECT_EQ(send("a", from_a(kW4).udp(5000, 53)), (AllLeft{{"d", to_w(kOut4).udp(5000, 53)}}));
    const AllLeft other = send("b", from_b(kW4).udp(5000, 53));
    ASSERT_EQ(other.size(), 1u);
    const uint16_t port = source_port_of(other[0].frame);
    EXPECT_NE(port, 5000);
    EXPECT_EQ(other, (AllLeft{{"d", to_w(kOut4).udp(port, 53)}}));
    // Each answer finds its host, and a host keeps its port for all destinations.
    EXPECT_EQ(send("d", from_w(kOut4).udp(53, 5000)), (AllLeft{{"a", to_a(kW4).udp(53, 5000)}}));
    EXPECT_EQ(send("d", from_w(kOut4).udp(53, port)), (AllLeft{{"b", to_b(kW4).udp(53, 5000)}}));
    EXPECT_EQ(send("b", from_b(kW4).udp(5000, 54)), (AllLeft{{"d", to_w(kOut4).udp(port, 54)}}));
    // So do two pings with one identifier.
    EXPECT_EQ(send("a", ping(from_a(kW4))), (AllLeft{{"d", ping(to_w(kOut4))}}));
    const AllLeft second = send("b", ping(from_b(kW4)));
    ASSERT_EQ(second.size(), 1u);
    const auto id = static_cast<uint16_t>(second[0].frame.at(38) << 8 | second[0].frame.at(39));
    EXPECT_NE(id, 7000);
    EXPECT_EQ(second, (AllLeft{{"d", ping(to_w(kOut4), id)}}));
    EXPECT_EQ(send("d", pong(from_w(kOut4), id)), (AllLeft{{"b", pong(to_b(kW4))}}));
}

// RFC 4787, REQ-9: hosts behind one pool reach each other at their endpoints outside, and see each other so.
TEST_F(Translation, HostsBehindAPoolReachEachOtherAsTheOutsideKnowsThem) {
    harness_.apply(kAll);
    EXPECT_EQ(send("a", from_a(kW4).udp(5000, 53)), (AllLeft{{"d", to_w(kOut4).udp(5000, 53)}}));
    EXPECT_EQ(send("b", from_b(kW4).udp(6000, 53)), (AllLeft{{"d", to_w(kOut4).udp(6000, 53)}}));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(send("b", from_b(kOut4).udp(6000, 5000)), (AllLeft{{"a", to_a(kOut4).udp(6000, 5000)}}));
        EXPECT_EQ(send("a", from_a(kOut4).udp(5000, 6000)), (AllLeft{{"b", to_b(kOut4).udp(5000, 6000)}}));
        if (i == 1) harness_.running().outdate_all_flows();
    }
    // A host reaches itself.
    EXPECT_EQ(send("a", from_a(kOut4).udp(5001, 5000)), (AllLeft{{"a", to_a(kOut4).udp(5001, 5000)}}));
    // Nobody outside begins a connection, and no port that isn't in use leads anywhere: the switch has no
    // listener.
    const auto is_refused = [&](const std::string& device, const Bytes& frame) {
        const uint64_t before = drops(device, Drop::kNoListener);
        const AllLeft left = send(device, frame);
        return left.size() == 1 && left[0].device == device && drops(device, Drop::kNoListener) == before + 1;
    };
    EXPECT_TRUE(is_refused("d", from_w(kOut4).udp(99, 5000)));
    EXPECT_TRUE(is_refused("b", from_b(kOut4).udp(6000, 5002)));
    // Without the rule there is nobody behind the address.
    harness_.apply(networks_and_ports());
    EXPECT_TRUE(is_refused("b", from_b(kOut4).udp(6000, 5000)));
}

TEST_F(Translation, WithoutAFreePortAConnectionIsRefused) {
    harness_.apply(networks_and_ports() +
                   "nat:\n  - {masquerade: [pods], out: out, addresses: [192.0.2.1], ports: 40000-40003}\n");
    std::set<uint16_t> ports;
    for (uint16_t i = 0; i < 8; ++i) {
        for (const Left& left : send("a", from_a(kW4).udp(static_cast<uint16_t>(5000 + i), 53))) {
            const uint16_t port = source_port_of(left.frame);
            EXPECT_TRUE(port >= 40000 && port <= 40003 && ports.insert(port).second) << port;
        }
    }
    EXPECT_GE(ports.size(), 2u);
    EXPECT_EQ(drops("a", Drop::kNatExhausted) + ports.size(), 8u);
    // Another destination has room for as many, which share the ports.
    EXPECT_EQ(send("b", from_b(kW4).udp(5000, 54)).size(), 1u);
    EXPECT_EQ(send("a", from_a(kW4).udp(5007, 54)).size(), 1u);
}

// Its answers can't be told apart, unless the back end sees another client.
TEST_F(Translation, AClientThatReachesABackEndInTwoWays) {
    harness_.apply(shop("{address: 10.0.0.1}"));
    EXPECT_EQ(send("d", from_w(kA4).udp(5000, 53)), (AllLeft{{"a", to_a(kW4).udp(5000, 53)}}));
    EXPECT_EQ(send("d", from_w(kShop4).udp(5000, 53)), (AllLeft{{"a", to_a(kShop4).udp(5000, 53)}}));
    EXPECT_EQ(send("a", from_a(kW4).udp(53, 5000)), (AllLeft{{"d", to_w(kA4).udp(53, 5000)}}));
    EXPECT_EQ(send("a", from_a(kShop4).udp(53, 5000)), (AllLeft{{"d", to_w(kShop4).udp(53, 5000)}}));
    harness_.running().outdate_all_flows();
    EXPECT_EQ(send("a", from_a(kShop4).udp(53, 5000)), (AllLeft{{"d", to_w(kShop4).udp(53, 5000)}}));
    EXPECT_EQ(send("d", from_w(kShop4).udp(5000, 53)), (AllLeft{{"a", to_a(kShop4).udp(5000, 53)}}));
    // The other way round it sees another port of the client.
    EXPECT_EQ(send("d", from_w(kShop4).udp(5001, 53)), (AllLeft{{"a", to_a(kW4).udp(5001, 53)}}));
    const AllLeft second = send("d", from_w(kA4).udp(5001, 53));
    ASSERT_EQ(second.size(), 1u);
    const uint16_t port = source_port_of(second[0].frame);
    EXPECT_NE(port, 5001);
    EXPECT_EQ(second, (AllLeft{{"a", to_a(kW4).udp(port, 53)}}));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(send("a", from_a(kW4).udp(53, port)), (AllLeft{{"d", to_w(kA4).udp(53, 5001)}}));
        EXPECT_EQ(send("a", from_a(kW4).udp(53, 5001)), (AllLeft{{"d", to_w(kShop4).udp(53, 5001)}}));
        EXPECT_EQ(send("d", from_w(kA4).udp(5001, 53)), second);
        harness_.running().outdate_all_flows();
    }
    EXPECT_EQ(send("d", from_w(kA4).udp(5001, 53)), second);
    // What is bridged keeps its port.
    EXPECT_EQ(send("c", from_c(kShop4).udp(5002, 53)), (AllLeft{{"a", to_a(kC4).udp(5002, 53)}}));
    EXPECT_EQ(send("c", Packet().eth(kMacOfC, kMacOfA).ipv4(kC4, kA4).udp(5002, 53)), AllLeft{});
    EXPECT_EQ(drops("c", Drop::kTupleTaken), 1u);
}

TEST_F(Translation, AHostHasNoMorePortsThanItMay) {
    harness_.apply(networks_and_ports() +
                   "nat:\n  - {masquerade: [pods], out: out, addresses: [192.0.2.1], ports-per-host: 2}\n");
    for (uint16_t i = 0; i < 4; ++i) send("a", from_a(kW4).udp(static_cast<uint16_t>(5000 + i), 53));
    EXPECT_EQ(drops("a", Drop::kNatHostLimit), 2u);
    EXPECT_EQ(send("b", from_b(kW4).udp(5000, 53)).size(), 1u);
}

// A station that uses any address sends what the host's next packet would answer, to see that leave untranslated.
TEST_F(Translation, AFalseAnswerIsTranslated) {
    harness_.apply(
        "networks:\n"
        "  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
        "  - {name: out, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
        "ports:\n" +
        port("a", "pods") + port("b", "pods", ", mac: '" + std::string(kMacOfB) + "', address: [10.0.0.2]") +
        port("d", "out", ", mac: '" + std::string(kMacOfW) + "', address: [192.0.2.80]") +
        "routes:\n  - {to: 198.51.100.0/24, via: 192.0.2.80}\n"
        "nat:\n  - {masquerade: [pods], out: out}\n");
    constexpr const char* kServer = "198.51.100.8";
    for (const uint16_t port : {5000, 5001}) {
        const std::string_view mac = port == 5000 ? kMacOfB : std::string_view(kPods);
        EXPECT_EQ(send("a", Packet().eth(kMacOfA, mac).ipv4(kServer, kB4).udp(53, port)).size(), 1u);
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(send("b", from_b(kServer).udp(port, 53)),
                      (AllLeft{{"d", Packet().eth(kOut, kMacOfW).ipv4(kOut4, kServer).ttl(63).udp(port, 53)}}));
        }
    }
    EXPECT_EQ(send("a", Packet().eth(kMacOfA, kMacOfB).ipv4(kServer, kB4).tcp(53, 5000, Tcp::kSyn)).size(), 1u);
    EXPECT_EQ(send("b", from_b(kServer).tcp(5000, 53, Tcp::kSyn)),
              (AllLeft{{"d", Packet().eth(kOut, kMacOfW).ipv4(kOut4, kServer).ttl(63).tcp(5000, 53, Tcp::kSyn)}}));
}

TEST_F(Translation, WhatBeginsNoConnectionDoesNotLeaveUntranslated) {
    harness_.apply(kAll);
    const Bytes unknown = from_a("192.0.2.81").udp(1, 2);
    for (const auto& [device, from] : {std::pair{"a", &from_a}, std::pair{"c", &from_c}}) {
        SCOPED_TRACE(device);
        const auto packet = [&, make = from] { return make(kW4, 253); };
        const std::vector<Bytes> frames{packet().tcp(5000, 80, Tcp::kSyn | Tcp::kAck),
                                        packet().tcp(5000, 80, Tcp::kRst),
                                        packet().tcp(5000, 80, 0),
                                        pong(packet()),
                                        packet().icmp(13, 0, 7).payload(12),
                                        error(packet(), 3, 1, unknown)};
        for (const Bytes& frame : frames) EXPECT_EQ(send(device, frame), AllLeft{});
        EXPECT_EQ(drops(device, Drop::kNoConnection), frames.size());
    }
}

// A router between the ends quotes a packet as it was translated. Its sender is shown the one that it had sent.
TEST_F(Translation, AnErrorOfARouterBetweenIsTranslated) {
    harness_.apply(networks_and_ports(", spoofing: allow") + kRules);
    send("c", from_c(kShop4).udp(5000, 53));
    const Bytes sent = Packet().eth(kPods, kMacOfA).ipv4(kC4, kShop4).ttl(63).udp(5000, 53);
    EXPECT_EQ(send("d", error(from_w(kC4), 3, 4, to_a(kC4).udp(5000, 53), 28, 1400)),
              (AllLeft{{"c", error(to_c(kShop4), 3, 4, sent, 28, 1400)}}));
}

// A station with declared addresses is no router: it tells of nothing that was sent to others.
TEST_F(Translation, AStationTellsNothingOfOthersConnections) {
    harness_.apply(kAll);
    EXPECT_EQ(send("a", from_a(kW4).udp(5000, 53)), (AllLeft{{"d", to_w(kOut4).udp(5000, 53)}}));
    EXPECT_EQ(send("b", error(from_b(kOut4), 3, 3, to_w(kOut4).udp(5000, 53))), AllLeft{});
    EXPECT_EQ(send("d", error(from_w(kOut4), 3, 3, to_w(kOut4).udp(5000, 53))),
              (AllLeft{{"a", error(to_a(kW4), 3, 3,
                                   Packet().eth(kPods, kMacOfA).ipv4(kA4, kW4).ttl(63).udp(5000, 53))}}));
}

TEST_F(Translation, AStaleFlowKeepsItsBackEndAndItsPort) {
    const std::string nat = "nat:\n  - {masquerade: [pods], out: out, ports: 40000-40100}\n";
    harness_.apply(shop("{address: 10.0.0.1}, {address: 10.0.0.2}") + nat);
    std::map<uint16_t, AllLeft> shops;
    std::map<uint16_t, AllLeft> outside;
    for (uint16_t client = 6000; client < 6008; ++client) {
        shops[client] = send("c", from_c(kShop4).udp(client, 53));
        outside[client] = send("c", from_c(kW4).udp(client, 53));
        ASSERT_EQ(shops[client].size(), 1u);
        ASSERT_EQ(outside[client].size(), 1u);
    }
    const auto check = [&] {
        for (uint16_t client = 6000; client < 6008; ++client) {
            EXPECT_EQ(send("c", from_c(kShop4).udp(client, 53)), shops[client]) << client;
            EXPECT_EQ(send("c", from_c(kW4).udp(client, 53)), outside[client]) << client;
            const uint16_t port = source_port_of(outside[client][0].frame);
            EXPECT_EQ(send("d", from_w(kOut4).udp(53, port)), (AllLeft{{"c", to_c(kW4).udp(53, client)}}));
        }
    };
    harness_.running().outdate_all_flows();
    check();
    harness_.apply(shop("{address: 10.0.0.1}, {address: 10.0.0.2}, {address: 192.0.2.80, weight: 50}") + nat);
    check();
    harness_.apply(shop("{address: 10.0.0.1}, {address: 10.0.0.2}") +
                   "nat:\n  - {masquerade: [pods], out: out, ports: 40000-50000}\n");
    check();
}

TEST_F(Translation, ABackEndIsRemoved) {
    harness_.apply(shop("{address: 10.0.0.1}"));
    EXPECT_EQ(send("c", from_c(kShop4).udp(5000, 53)), (AllLeft{{"a", to_a(kC4).udp(5000, 53)}}));
    EXPECT_EQ(send("c", from_c(kShop4).udp(5001, 53)), (AllLeft{{"a", to_a(kC4).udp(5001, 53)}}));
    EXPECT_EQ(send("c", from_c(kShop4).tcp(5000, 80, Tcp::kSyn)), (AllLeft{{"a", to_a(kC4).tcp(5000, 80, Tcp::kSyn)}}));
    const Packet answer = Packet().eth(kMacOfA, kMacOfC).ipv4(kA4, kC4);
    EXPECT_EQ(send("a", Packet(answer).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)),
              (AllLeft{{"c", to_c(kShop4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)}}));
    harness_.apply(shop("{address: 10.0.0.2}"));
    // What it still says is no answer to anybody.
    EXPECT_EQ(send("a", Packet(answer).udp(53, 5001)), AllLeft{});
    EXPECT_EQ(drops("a", Drop::kNoConnection), 1u);
    // UDP moves. The new back end knows nothing of the TCP connection and resets it.
    EXPECT_EQ(send("c", from_c(kShop4).udp(5000, 53)), (AllLeft{{"b", to_b(kC4).udp(5000, 53)}}));
    EXPECT_EQ(send("c", from_c(kShop4).tcp(5000, 80, test::kAck, 2)), (AllLeft{{"b", to_b(kC4).tcp(5000, 80, test::kAck, 2)}}));
    EXPECT_EQ(send("b", Packet().eth(kMacOfB, kMacOfC).ipv4(kB4, kC4).tcp(80, 5000, Tcp::kRst, 2)),
              (AllLeft{{"c", to_c(kShop4).tcp(80, 5000, Tcp::kRst, 2)}}));
    // Without a new one it is told so.
    harness_.apply(shop(""));
    EXPECT_EQ(send("c", from_c(kShop4).udp(5000, 53)).size(), 1u);
    EXPECT_EQ(drops("c", Drop::kNoEndpoint), 1u);
}

TEST_F(Translation, AServiceAppearsOverAFlow) {
    const std::string routes = "routes:\n  - {to: 10.96.0.0/16, via: 192.0.2.80}\n";
    harness_.apply(networks_and_ports() + routes);
    const Bytes query = from_c(kShop4).udp(5000, 53);
    const AllLeft to_server{{"d", Packet().eth(kOut, kMacOfW).ipv4(kC4, kShop4).ttl(63).udp(5000, 53)}};
    EXPECT_EQ(send("c", query), to_server);
    harness_.apply(shop("{address: 10.0.0.1}") + routes);
    EXPECT_EQ(send("c", query), (AllLeft{{"a", to_a(kC4).udp(5000, 53)}}));
    EXPECT_EQ(send("a", Packet().eth(kMacOfA, kMacOfC).ipv4(kA4, kC4).udp(53, 5000)),
              (AllLeft{{"c", to_c(kShop4).udp(53, 5000)}}));
    harness_.apply(networks_and_ports() + routes);
    EXPECT_EQ(send("c", query), to_server);
}

TEST_F(Translation, ANatRuleAppearsOverAFlowAndGoes) {
    const std::string service = "services:\n  - {name: x, address: [10.96.0.99], ports: [{port: 1}]}\n";
    const std::string rule = "nat:\n  - {masquerade: [pods], out: out}\n";
    const std::string other = "nat:\n  - {masquerade: [pods], out: out, addresses: [192.0.2.7]}\n";
    const Bytes query = from_a(kW4).udp(5000, 53);
    const AllLeft plain{{"d", to_w(kA4).udp(5000, 53)}};
    const AllLeft hidden{{"d", to_w(kOut4).udp(5000, 53)}};
    for (const std::string& more : {std::string(), service}) {
        SCOPED_TRACE(more);
        harness_.apply(networks_and_ports() + more);
        EXPECT_EQ(send("a", query), plain);
        harness_.apply(networks_and_ports() + more + rule);
        EXPECT_EQ(send("a", query), hidden);
        EXPECT_EQ(send("d", from_w(kOut4).udp(53, 5000)), (AllLeft{{"a", to_a(kW4).udp(53, 5000)}}));
        harness_.apply(networks_and_ports() + more + other);
        EXPECT_EQ(send("a", query), (AllLeft{{"d", to_w("192.0.2.7").udp(5000, 53)}}));
        harness_.apply(networks_and_ports() + more + rule);
        // An answer to what the connection was says nothing to its host.
        EXPECT_EQ(send("d", from_w("192.0.2.7").udp(53, 5000)).size(), 0u);
        EXPECT_EQ(send("a", query), hidden);
        harness_.apply(networks_and_ports() + more);
        EXPECT_EQ(send("a", query), plain);
        EXPECT_EQ(send("d", from_w(kA4).udp(53, 5000)), (AllLeft{{"a", to_a(kW4).udp(53, 5000)}}));
    }
}

// Stations that the switch doesn't know yet.
TEST_F(Translation, APacketThatWaitsForItsNeighborIsTranslatedThen) {
    harness_.apply("networks:\n"
                   "  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
                   "  - {name: out, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
                   "ports:\n" + port("a", "pods") + port("b", "pods") + port("d", "out") +
                   "nat:\n  - {masquerade: [pods], out: out}\n"
                   "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 53, proto: udp}],\n"
                   "     backends: [{address: 192.0.2.80}]}\n");
    const auto asked = [](const AllLeft& left) { return left.size() == 1 && left[0].frame.at(13) == 6; };
    const Bytes reply = Packet().eth(kMacOfW, kOut).arp_reply(kMacOfW, kW4, kOut, kOut4);
    const auto first = [](Packet packet) { return packet.fragment(0x2000).id(77); };
    const auto later = [](Packet packet) { return packet.fragment(0x0004).id(77).payload(16); };
    EXPECT_TRUE(asked(send("b", first(from_b(kShop4)).udp(5000, 53).payload(24))));
    EXPECT_EQ(send("b", later(from_b(kShop4, 17))), AllLeft{});
    EXPECT_EQ(send("b", from_b(kW4).udp(5001, 53)), AllLeft{});
    AllLeft left = send("d", reply);
    EXPECT_EQ(left, (AllLeft{{"d", first(to_w(kOut4)).udp(5000, 53).payload(24)},
                             {"d", to_w(kOut4).udp(5001, 53)},
                             {"d", later(to_w(kOut4, 17))}}));
}

// A packet whose bytes a mirror's copy shares becomes a copy itself, and reaches no more ports than before.
TEST_F(Translation, ATranslatedPacketIsFloodedWhereItMayGo) {
    harness_.apply("networks:\n"
                   "  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
                   "  - {name: out, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
                   "ports:\n" + port("a", "pods") + port("b", "") + port("c", "out") + port("d", "out") +
                   "mirrors: [{name: m, from: [a], to: b}]\n"
                   "acls: [{name: l, apply: {port: c, direction: ingress}, rules: [{deny: {}}]}]\n"
                   "nat:\n  - {masquerade: [pods], out: out}\n");
    send("d", Packet().eth(kMacOfW, kOut).arp_request(kMacOfW, kW4, kOut4));
    const Bytes query = from_a(kW4).udp(5000, 53);
    const Bytes hidden = to_w(kOut4).udp(5000, 53);
    EXPECT_EQ(send("a", query), (AllLeft{{"b", query}, {"d", hidden}}));
    harness_.running().macs().at("out")->flush(harness_.running().ports().at("d").port->id());
    harness_.running().outdate_all_flows();
    EXPECT_EQ(send("a", query), (AllLeft{{"b", query}, {"d", hidden}}));
}

// What is bridged is no part of NAT, though a rule names its source.
TEST_F(Translation, AStationBesideItsOutsideAddressIsBridged) {
    harness_.apply("networks:\n"
                   "  - {name: out, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
                   "ports:\n" + port("a", "out") + port("b", "out") +
                   "nat:\n  - {static: {inside: 192.0.2.5, outside: 192.0.2.33}, out: out}\n");
    const Bytes there = Packet().eth(kA, kB).ipv4("192.0.2.5", "192.0.2.6").udp(1, 2);
    const Bytes back = Packet().eth(kB, kA).ipv4("192.0.2.6", "192.0.2.5").udp(2, 1);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(send("a", there), (AllLeft{{"b", there}}));
        EXPECT_EQ(send("b", back), (AllLeft{{"a", back}}));
    }
    EXPECT_EQ(harness_.running().flows().count(), 1u);
}

TEST_F(Translation, NetworkPoliciesSeeTheClientAndTheBackEnd) {
    std::string yaml = "networks:\n  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\nports:\n";
    for (const auto& [name, mac] : {std::pair{"a", kMacOfA}, std::pair{"b", kMacOfB}, std::pair{"c", kMacOfC}}) {
        const std::string address = fmt::format("10.0.0.{}", name[0] - 'a' + 1);
        yaml += port(name, "pods", fmt::format(", mac: '{}', address: [{}], namespace: shop, labels: {{app: {}}}", mac,
                                               address, name));
    }
    yaml += "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 53, to: 5353, proto: udp}],\n"
            "     backends: [{address: 10.0.0.1}]}\n";
    constexpr const char* kPolicies = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: shop}
spec:
  podSelector: {matchLabels: {app: a}}
  ingress: [{from: [{podSelector: {matchLabels: {app: b}}}], ports: [{protocol: UDP, port: 5353}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: shop}
spec:
  podSelector: {matchLabels: {app: b}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: a}}}], ports: [{protocol: UDP, port: 5353}]}]
)";
    auto config = engine::load_config(yaml, "golden", {});
    ASSERT_TRUE(config) << config.error()[0].text();
    auto manifest = kube::parse_manifest(kPolicies, "objects", kube::UnknownKinds::kRefuse);
    ASSERT_TRUE(manifest) << manifest.error()[0].text();
    config->objects = std::make_shared<const std::vector<kube::Object>>(std::move(manifest->objects));
    ASSERT_TRUE(harness_.running().apply(*config, {}));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(send("b", from_b(kShop4).udp(5000, 53)), (AllLeft{{"a", to_a(kB4).udp(5000, 5353)}}));
        EXPECT_EQ(send("a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(5353, 5000)),
                  (AllLeft{{"b", to_b(kShop4).udp(53, 5000)}}));
        EXPECT_EQ(send("c", from_c(kShop4).udp(5000, 53)), AllLeft{});
        harness_.running().outdate_all_flows();
    }
    EXPECT_EQ(drops("c", Drop::kDenied), 2u);
}

// What the switch answers for follows a Service at once.
TEST_F(Translation, AServiceIsAppliedWithAnAddressOnALink) {
    harness_.apply(networks_and_ports());
    const Bytes asks = Packet().eth(kMacOfW, kBroadcast).arp_request(kMacOfW, kW4, kEdge4);
    EXPECT_EQ(send("d", asks), AllLeft{});
    auto manifest = kube::parse_manifest(
        "{apiVersion: v1, kind: Service, metadata: {name: edge, namespace: shop}, "
        "spec: {clusterIP: 10.96.0.1, externalIPs: [192.0.2.10], ports: [{port: 80, protocol: UDP}]}}\n---\n"
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, endpoints: [{addresses: "
        "[10.0.0.2]}], "
        "metadata: {name: edge-1, namespace: shop, labels: {kubernetes.io/service-name: edge}}, "
        "ports: [{name: '', port: 8080, protocol: UDP}]}\n",
        "f", kube::UnknownKinds::kRefuse);
    ASSERT_TRUE(manifest) << manifest.error()[0].text();
    harness_.running().apply_objects(std::move(manifest->objects), 0);
    EXPECT_EQ(send("d", asks),
              (AllLeft{{"d", padded(Packet().eth(kOut, kMacOfW).arp_reply(kOut, kEdge4, kMacOfW, kW4))}}));
    EXPECT_EQ(send("d", from_w(kEdge4).udp(5000, 80)), (AllLeft{{"b", to_b(kW4).udp(5000, 8080)}}));
    harness_.running().remove_objects({{kube::Kind::kService, "shop", "edge"}});
    EXPECT_EQ(send("d", asks), AllLeft{});
}

// In another routing domain than main, a Service's address is anybody's.
TEST_F(Translation, AnotherRoutingDomainHasItsOwnAddresses) {
    harness_.apply(
        "networks:\n"
        "  - {name: pods, domain: red, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
        "  - {name: out, domain: red, subnets: [10.96.0.0/24], gateway: [10.96.0.254]}\n"
        "  - {name: else, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
        "ports:\n" +
        port("a", "pods") + port("d", "out", ", mac: '" + std::string(kMacOfW) + "', address: [10.96.0.10]") +
        port("c", "else") +
        "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 53, proto: udp}], backends: []}\n");
    EXPECT_EQ(send("a", from_a(kShop4).udp(5000, 53)),
              (AllLeft{{"d", Packet().eth(kOut, kMacOfW).ipv4(kA4, kShop4).ttl(63).udp(5000, 53)}}));
    send("c", Packet().eth(kMacOfC, router_of("else")).ipv4(kC4, kShop4).udp(5000, 53));
    EXPECT_EQ(drops("c", Drop::kNoEndpoint), 1u);
}

// The same bytes by the flow and by the tables, of all kinds of packets.
TEST_F(Translation, AFlowTranslatesAsItsDecisionDid) {
    harness_.apply(kAll);
    const std::vector<std::pair<std::string, Bytes>> packets{
        {"a", from_a(kW4).tcp(5000, 80, Tcp::kSyn)},
        {"d", from_w(kOut4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
        {"a", from_a(kW4).tcp(5000, 80, test::kAck, 2).payload(300)},
        {"b", from_b(kShop4).udp(5000, 53).payload(20)},
        {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(53, 5000).payload(21)},
        {"a", ping(from_a6(kW6))},
        {"d", pong(from_w6(kOut6), 7000, true)},
        {"c", from_c(kW4, 47).payload(9)},
    };
    for (const auto& [device, frame] : packets) {
        const AllLeft decided = send(device, frame);
        EXPECT_EQ(decided.size(), 1u);
        EXPECT_EQ(send(device, frame), decided);
        EXPECT_EQ(send(device, frame), decided);
        harness_.running().outdate_all_flows();
        EXPECT_EQ(send(device, frame), decided);
        EXPECT_EQ(send(device, frame), decided);
    }
}

}  // namespace
}  // namespace sluice
