// A node with one NIC: its network carries tunnels and all other traffic of the host.
#include <gtest/gtest.h>

#include "golden/translation_world.h"
#include "port/derived_mac.h"

namespace sluice::golden {
namespace {

using translation::error;
using translation::ping;
using translation::pong;
using translation::Tcp;

// Container a is in the overlay, container c and the NIC e in the underlay's network, the guest d in a network of
// its own. Behind the NIC are R, a remote host, and W, a server. B is a station behind R.
constexpr std::string_view kR = "02:00:00:00:00:1a";
constexpr std::string_view kW = "02:00:00:00:00:80";
constexpr std::string_view kD = "02:00:00:00:00:0d";
constexpr std::string_view kOwn4 = "192.0.2.1";
constexpr std::string_view kOwn6 = "2001:db8::1";
constexpr std::string_view kR4 = "192.0.2.2";
constexpr std::string_view kR6 = "2001:db8::2";
constexpr std::string_view kW4 = "192.0.2.80";
constexpr std::string_view kC4 = "192.0.2.70";
constexpr std::string_view kC6 = "2001:db8::70";
constexpr std::string_view kA4 = "10.0.0.1";
constexpr std::string_view kA6 = "fd00::1";
const std::string kHere = router_of("outside");
const std::string kInside = router_of("inside");
const std::string kRouter = port::derived_mac("router:vni:100:10.0.0.254:fd00::fe").text();

std::string one_nic(const std::string& remotes = "192.0.2.2") {
    return "networks:\n"
           "  - {name: outside, subnets: [192.0.2.0/24, '2001:db8::/64'], gateway: [192.0.2.1, '2001:db8::1']}\n"
           "  - {name: inside, subnets: [10.9.0.0/24], gateway: 10.9.0.254}\n"
           "  - {name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.254, 'fd00::fe'], vxlan: {vni: "
           "100, "
           "remotes: [" +
           remotes +
           "]}}\n"
           "underlay: {network: outside, checksum: zero}\n"
           "routes: [{to: 0.0.0.0/0, via: 192.0.2.254}]\n"
           "ports:\n" +
           port("e", "outside") +
           port("c", "outside", ", mac: '" + std::string(kC) + "', address: [192.0.2.70, '2001:db8::70']") +
           port("a", "blue", ", mac: '" + std::string(kA) + "', address: [10.0.0.1, 'fd00::1']") +
           port("d", "inside");
}
const std::string kNat =
    "nat: [{masquerade: [blue], out: outside, ipv6: true}]\n"
    "publish: [{port: 8080, to: 'a:80'}, {port: 53, proto: udp, to: 'a:53'}]\n";
const std::string kPlain = one_nic();
const std::string kAll = one_nic() + kNat;
const std::string kBoth = one_nic("192.0.2.2, '2001:db8::2'") + kNat;

// Stations behind the NIC ask for the gateway, and are known from then on.
In meets(std::string_view mac, std::string_view address) {
    return {"e", Packet().eth(mac, kBroadcast).arp_request(mac, address, kOwn4)};
}
Out met(std::string_view mac, std::string_view address) {
    return {"e", padded(Packet().eth(kHere, mac).arp_reply(kHere, kOwn4, mac, address))};
}

Bytes b_to_a() {
    return Packet().eth(kB, kA).ipv4("10.0.0.2", kA4).udp(7, 7).payload(60);
}
Bytes a_to_b(size_t size = 60) {
    return Packet().eth(kA, kB).ipv4(kA4, "10.0.0.2").udp(7, 7).payload(size);
}
// A frame in a tunnel packet, from R and to it.
Packet wrapped(Packet packet) {
    return packet.udp(50000, 4789).without_checksum().vxlan(100);
}
Bytes from_r(const Bytes& frame) {
    return wrapped(Packet().eth(kR, kHere).ipv4(kR4, kOwn4)).payload(frame);
}
Bytes to_r(const Bytes& frame) {
    return Packet()
        .eth(kHere, kR)
        .ipv4(kOwn4, kR4)
        .id(0)
        .udp(static_cast<uint16_t>(0xc000 | hash_of(frame) >> 18), 4789)
        .without_checksum()
        .vxlan(100)
        .payload(frame);
}

Packet from_a(std::string_view to, uint8_t protocol = 253) {
    return Packet().eth(kA, kRouter).ipv4(kA4, to, protocol);
}
Packet from_a6(std::string_view to) {
    return Packet().eth(kA, kRouter).ipv6(kA6, to);
}
Packet to_a(std::string_view from) {
    return Packet().eth(kRouter, kA).ipv4(from, kA4).ttl(63);
}
Packet from_w(std::string_view to) {
    return Packet().eth(kW, kHere).ipv4(kW4, to);
}
Packet to_w(std::string_view from) {
    return Packet().eth(kHere, kW).ipv4(from, kW4).ttl(63);
}
// The switch's own word to a.
Packet from_router() {
    return Packet().eth(kRouter, kA).ipv4("10.0.0.254", kA4).traffic_class(0xc0).fragment(0);
}

void add_all_by_one(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "OneNicCarriesTunnelsAndAllElse",
         .configuration = kAll,
         .in = {meets(kR, kR4),
                meets(kW, kW4),
                {"e", from_r(b_to_a()), {}, {}, 2},
                {"a", a_to_b(), {}, {}, 2},
                {"a", from_a(kW4).tcp(5000, 80, Tcp::kSyn)},
                {"e", from_w(kOwn4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                {"a", from_a(kW4).tcp(5000, 80, test::kAck, 2).payload(9), {}, {}, 2},
                {"e", from_w(kOwn4).tcp(80, 5000, test::kAck, 2).payload(9), {}, {}, 2},
                {"e", from_r(b_to_a())}},
         .out = {met(kR, kR4),
                 met(kW, kW4),
                 {"a", b_to_a(), 2},
                 {"e", to_r(a_to_b()), 2},
                 {"e", to_w(kOwn4).tcp(5000, 80, Tcp::kSyn)},
                 {"a", to_a(kW4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"e", to_w(kOwn4).tcp(5000, 80, test::kAck, 2).payload(9), 2},
                 {"a", to_a(kW4).tcp(80, 5000, test::kAck, 2).payload(9), 2},
                 {"a", b_to_a()}}});
    // Its answers come back as what R's own packets look like, but for the port.
    add({.name = "OneNicMasqueradesConnectionsToARemoteHostToo",
         .configuration = kAll,
         .in = {meets(kR, kR4),
                {"a", from_a(kR4).udp(5000, 53).payload(9)},
                {"e", Packet().eth(kR, kHere).ipv4(kR4, kOwn4).udp(53, 5000).payload(8), {}, {}, 2},
                {"a", from_a(kR4).tcp(5000, 4789, Tcp::kSyn)}},
         .out = {met(kR, kR4),
                 {"e", Packet().eth(kHere, kR).ipv4(kOwn4, kR4).ttl(63).udp(5000, 53).payload(9)},
                 {"a", to_a(kR4).udp(53, 5000).payload(8), 2},
                 {"e", Packet().eth(kHere, kR).ipv4(kOwn4, kR4).ttl(63).tcp(5000, 4789, Tcp::kSyn)}}});
    add({.name = "OneNicIsReachedAtPublishedPorts",
         .configuration = kAll,
         .in = {meets(kW, kW4),
                {"e", from_w(kOwn4).tcp(5000, 8080, Tcp::kSyn)},
                {"a", from_a(kW4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                {"e", from_w(kOwn4).udp(5000, 53).payload(9)},
                {"a", from_a(kW4).udp(53, 5000).payload(8)},
                {"e", ping(from_w(kOwn4))}},
         .out = {met(kW, kW4),
                 {"a", to_a(kW4).tcp(5000, 80, Tcp::kSyn)},
                 {"e", to_w(kOwn4).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"a", to_a(kW4).udp(5000, 53).payload(9)},
                 {"e", to_w(kOwn4).udp(53, 5000).payload(8)},
                 {"e", pong(Packet().eth(kHere, kW).ipv4(kOwn4, kW4))}}});
    add({.name = "OneNicCarriesBothFamilies",
         .configuration = kBoth,
         .in = {{"a", from_a6(kC6).tcp(5000, 80, Tcp::kSyn)},
                {"c", Packet().eth(kC, kHere).ipv6(kC6, kOwn6).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                {"e", wrapped(Packet().eth(kR, kHere).ipv6(kR6, kOwn6)).payload(b_to_a()), {}, {}, 2}},
         .out = {{"c", Packet().eth(kHere, kC).ipv6(kOwn6, kC6).ttl(63).tcp(5000, 80, Tcp::kSyn)},
                 {"a", Packet().eth(kRouter, kA).ipv6(kC6, kA6).ttl(63).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"a", b_to_a(), 2}}});
    add({.name = "OneNicOfASwitchWithoutNat",
         .configuration = kPlain,
         .in = {meets(kR, kR4),
                meets(kW, kW4),
                {"e", from_r(b_to_a())},
                {"a", a_to_b()},
                {"a", from_a(kW4).udp(5000, 53).payload(9), {}, {}, 2},
                {"e", from_w(kA4).udp(53, 5000).payload(8), {}, {}, 2}},
         .out = {met(kR, kR4),
                 met(kW, kW4),
                 {"a", b_to_a()},
                 {"e", to_r(a_to_b())},
                 {"e", to_w(kA4).udp(5000, 53).payload(9), 2},
                 {"a", to_a(kW4).udp(53, 5000).payload(8), 2}}});
    const auto first = [](Packet packet) { return packet.fragment(0x2000).id(77); };
    const auto later = [](Packet packet) { return packet.fragment(0x0004).id(77).payload(16); };
    add({.name = "OneNicTakesFragmentsOfConnectionsAndNoneOfTunnels",
         .configuration = kAll,
         .in = {meets(kW, kW4),
                {"a", from_a(kW4).udp(5000, 53).payload(9)},
                {"e", first(from_w(kOwn4)).udp(53, 5000).payload(24)},
                {"e", later(Packet().eth(kW, kHere).ipv4(kW4, kOwn4, 17))},
                {"e", first(Packet().eth(kR, kHere).ipv4(kR4, kOwn4)).udp(50000, 4789).payload(24)},
                {"e", later(Packet().eth(kR, kHere).ipv4(kR4, kOwn4, 17))}},
         .out = {met(kW, kW4),
                 {"e", to_w(kOwn4).udp(5000, 53).payload(9)},
                 {"a", first(to_a(kW4)).udp(53, 5000).payload(24)},
                 {"a", later(Packet().eth(kRouter, kA).ipv4(kW4, kA4, 17).ttl(63))}},
         .drops = {{"e", Drop::kVxlanFragment, 1}, {"e", Drop::kFragmentUnknown, 1}}});
    add({.name = "StationsInTheUnderlaysNetworkAreBridged",
         .configuration = kAll,
         .in = {{"c", Packet().eth(kC, kBroadcast).arp_request(kC, kC4, kW4)},
                {"e", Packet().eth(kW, kC).ipv4(kW4, kC4).udp(5000, 53).payload(9), {}, {}, 2},
                // VXLAN of their own as well: nobody takes it for the switch's.
                {"c", Packet().eth(kC, kW).ipv4(kC4, kW4).udp(5000, 4789).payload(9), {}, {}, 2}},
         .out = {{"e", Packet().eth(kC, kBroadcast).arp_request(kC, kC4, kW4)},
                 {"c", Packet().eth(kW, kC).ipv4(kW4, kC4).udp(5000, 53).payload(9), 2},
                 {"e", Packet().eth(kC, kW).ipv4(kC4, kW4).udp(5000, 4789).payload(9), 2}}});
}

void add_errors(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    // A router on the way, about that frame of ours.
    const auto too_big = [](const Bytes& about) {
        return error(Packet().eth(kR, kHere).ipv4("198.51.100.9", kOwn4), 3, 4, about, 548, 1400);
    };
    const auto unreachable = [](const Bytes& about) {
        return error(Packet().eth(kR, kHere).ipv4("198.51.100.9", kOwn4), 3, 1, about, 548);
    };
    const Bytes long_one = a_to_b(1323);
    const Bytes told = error(from_router(), 3, 4, long_one, 548, 1350);
    // An ACL at the network says nothing about the tunnels.
    const std::string closed =
        "acls:\n"
        "  - {name: closed, apply: {network: outside, direction: egress}, rules: [{permit: {proto: tcp}}]}\n";
    for (const std::string& more : {std::string(), closed}) {
        add({.name =
                 more.empty() ? "OneNicTellsErrorsAboutTunnelsFromOthers" : "OneNicHearsOfTunnelsInSpiteOfAcls",
             .configuration = kAll + more,
             .in = {meets(kR, kR4),
                    meets(kW, kW4),
                    {"e", from_r(b_to_a())},
                    {"a", from_a(kW4).udp(5000, 53).payload(9)},
                    {"e", unreachable(to_w(kOwn4).udp(5000, 53).payload(9))},
                    {"e", too_big(to_r(long_one))},
                    {"a", long_one}},
             .out = {met(kR, kR4),
                     met(kW, kW4),
                     {"a", b_to_a()},
                     {"e", to_w(kOwn4).udp(5000, 53).payload(9)},
                     {"a", error(Packet().eth(kRouter, kA).ipv4("198.51.100.9", kA4).ttl(63), 3, 1,
                                 Bytes(Packet().eth(kRouter, kA).ipv4(kA4, kW4).ttl(63).udp(5000, 53).payload(9)),
                                 548)},
                     {"a", told}},
             .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
    }
    add({.name = "OneNicHoldsAclsForAllElse",
         .configuration = kAll + closed,
         .in = {meets(kR, kR4),
                meets(kW, kW4),
                {"e", from_r(b_to_a())},
                {"e", from_w(kOwn4).udp(5000, 53).payload(9)},
                {"e", from_w(kOwn4).tcp(5000, 8080, Tcp::kSyn)}},
         .out = {met(kR, kR4), met(kW, kW4), {"a", b_to_a()}, {"a", to_a(kW4).tcp(5000, 80, Tcp::kSyn)}},
         .drops = {{"e", Drop::kDenied, 1}}});
}

// What a container may try.
void add_imitations(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const Bytes lie = Packet().eth(kB, kBroadcast).ipv4("10.0.0.2", "10.0.0.255").udp(7, 7).payload(60);
    add({.name = "AContainerCannotSendIntoTheTunnelsOfOthers",
         .configuration = kBoth,
         .in = {meets(kR, kR4),
                {"a", wrapped(from_a(kR4)).payload(lie), {}, {}, 2},
                {"a", wrapped(from_a(kW4)).payload(lie)},  // whose remote end point it could be
                {"a", wrapped(from_a("203.0.113.9")).payload(lie)},
                {"a", wrapped(from_a(kC4)).payload(lie)},
                {"a", wrapped(from_a6(kR6)).payload(lie), {}, {}, 2},
                {"a", wrapped(from_a6(kR6).extension(60, 8)).payload(lie)},
                {"a", wrapped(from_a(kR4).options(4)).payload(lie)}},
         .out = {met(kR, kR4)},
         .drops = {{"a", Drop::kVxlanPort, 9}}});
    add({.name = "NorInFragments",
         .configuration = kAll,
         .in = {meets(kR, kR4),
                {"a", from_a(kR4).id(9).fragment(0x2000).udp(50000, 4789).payload(40)},
                {"a", from_a(kR4, 17).id(9).fragment(6).payload(40)}},
         .out = {met(kR, kR4)},
         .drops = {{"a", Drop::kVxlanPort, 1}, {"a", Drop::kFragmentUnknown, 1}}});
    add({.name = "NorWhereNothingIsTranslated",
         .configuration = kPlain,
         .in = {meets(kR, kR4),
                {"a", wrapped(from_a(kR4)).payload(lie), {}, {}, 2},
                // A guest whose addresses nobody has declared sends as another remote host, and as this one.
                {"d", wrapped(Packet().eth(kD, kInside).ipv4("198.51.100.2", kR4)).payload(lie), {}, {}, 2},
                {"d", wrapped(Packet().eth(kD, kInside).ipv4("192.0.2.3", kR4)).payload(lie)},
                {"d", wrapped(Packet().eth(kD, kInside).ipv4(kOwn4, kR4)).payload(lie)}},
         .out = {met(kR, kR4)},
         .drops = {{"a", Drop::kVxlanPort, 2}, {"d", Drop::kVxlanPort, 2}, {"d", Drop::kForeignAddress, 2}}});
    add({.name = "NorInAnAnswer",
         .configuration = kAll,
         .in = {meets(kR, kR4), {"e", Packet().eth(kR, kHere).ipv4(kR4, kOwn4).udp(4789, 53).payload(9)}},
         .out = {met(kR, kR4)},
         .drops = {{"e", Drop::kVxlanPort, 1}}});
    add({.name = "NorByAServiceWhoseBackEndIsARemoteHost",
         .configuration = kAll +
                          "services:\n"
                          "  - {name: far, address: [10.96.0.10], ports: [{port: 53, to: 4789, proto: udp}],\n"
                          "     backends: [{address: 192.0.2.2}]}\n",
         .in = {meets(kR, kR4), {"a", from_a("10.96.0.10").udp(50000, 53).payload(lie)}},
         .out = {met(kR, kR4)},
         .drops = {{"a", Drop::kVxlanPort, 1}}});
    add({.name = "NorSayThatATunnelsPacketsWereTooBig",
         .configuration = kAll,
         .in = {meets(kR, kR4),
                {"a", error(from_a(kR4), 3, 4, from_r(b_to_a()), 80, 576)},
                {"a", error(from_a6(kR6), 2, 0,
                            wrapped(Packet().eth(kR, kHere).ipv6(kR6, kOwn6)).payload(b_to_a()), 90, 1280)}},
         .out = {met(kR, kR4)},
         .drops = {{"a", Drop::kVxlanPort, 2}}});
    // To our own end point: from a network of its own, and from the underlay's under another's address.
    const Bytes own = wrapped(from_a(kOwn4)).payload(lie);
    const Bytes of_d = wrapped(Packet().eth(kD, kInside).ipv4("203.0.113.9", kOwn4)).payload(lie);
    const Packet to_d =
        Packet().eth(kInside, kD).ipv4("10.9.0.254", "203.0.113.9").traffic_class(0xc0).fragment(0);
    add({.name = "TunnelPacketsComeByTheUnderlaysNetworkOnly",
         .configuration = kAll,
         .in = {{"a", own},
                {"d", of_d},
                {"c", wrapped(Packet().eth(kC, kHere).ipv4(kC4, kOwn4)).payload(lie)},
                {"c", wrapped(Packet().eth(kC, kHere).ipv4(kR4, kOwn4)).payload(lie)}},
         .out = {{"a", error(from_router(), 3, 3, own, 548)}, {"d", error(to_d, 3, 3, of_d, 548)}},
         .drops = {{"a", Drop::kNoListener, 1},
                   {"d", Drop::kNoListener, 1},
                   {"c", Drop::kUnknownRemote, 1},
                   {"c", Drop::kSpoofedAddress, 1}}});
}

void put(test::Harness& harness, const In& in) {
    harness.device(in.port).put(test::to_mbuf(test::switch_pools().buffers, in.frame));
    harness.run();
}

// Answers to it would come to the tunnels.
TEST(GoldenOneNic, NoConnectionIsMasqueradedToTheTunnelsPort) {
    for (const auto& [id, port] : {std::pair<uint16_t, bool>{4789, true}, {4789, false}}) {
        test::Harness harness(1, {"a", "c", "d", "e"});
        ASSERT_NO_FATAL_FAILURE(harness.apply(kAll));
        put(harness, meets(kW, kW4));
        harness.sent("e");
        put(harness, {"a", port ? Bytes(from_a(kW4).udp(id, 53).payload(9)) : Bytes(ping(from_a(kW4), id))});
        const auto sent = harness.sent("e");
        ASSERT_EQ(sent.size(), 1u);
        const size_t at = port ? 34 : 38;  // the source port, or the identifier of an echo
        EXPECT_NE(sent[0][at] << 8 | sent[0][at + 1], id);
        EXPECT_EQ((Bytes(sent[0].begin() + 26, sent[0].begin() + 30)), test::address_bytes(kOwn4));
        harness.check_books();
    }
}

// A route into a tunnel, or to a container, is none for tunnels.
TEST(GoldenOneNic, TunnelsLeaveByTheUnderlaysNetworkWhateverRoutesSay) {
    test::Harness harness(1, {"a", "c", "d", "e"});
    ASSERT_NO_FATAL_FAILURE(harness.apply(kAll));
    put(harness, meets(kR, kR4));
    put(harness, {"e", from_r(b_to_a())});
    harness.sent("e");
    harness.sent("a");
    route::RouteConfig route;
    route.to = *IpPrefix::parse("192.0.2.2/32");
    route.hop.via = *IpAddress::parse("10.0.0.1");
    route.hop.network = "blue";
    ASSERT_TRUE(harness.running().change_routes({.ways = {route}, .changes = {{.to = route.to}}}));
    put(harness, {"a", a_to_b()});
    EXPECT_EQ(harness.sent("e"), std::vector<Bytes>{});
    EXPECT_EQ(harness.sent("a"), std::vector<Bytes>{});
    EXPECT_EQ(harness.drops(), (test::DropCounts{{{"192.0.2.2", Drop::kPortDown}, 1}}));
    harness.check_books();
}

// A connection of before may not go on.
TEST(GoldenOneNic, AConnectionOfBeforeTheNetworkWasTheUnderlayEnds) {
    test::Harness harness(1, {"a", "c", "d", "e"});
    const std::string before =
        "networks:\n"
        "  - {name: outside, subnets: [192.0.2.0/24], gateway: 192.0.2.1}\n"
        "  - {name: inside, subnets: [10.9.0.0/24], gateway: 10.9.0.254}\n"
        "nat: [{masquerade: [inside], out: outside}]\nports:\n" +
        port("e", "outside") + port("d", "inside", ", mac: '" + std::string(kD) + "', address: 10.9.0.1");
    const Bytes packet = wrapped(Packet().eth(kD, kInside).ipv4("10.9.0.1", kR4)).payload(a_to_b());
    ASSERT_NO_FATAL_FAILURE(harness.apply(before));
    put(harness, meets(kR, kR4));
    harness.sent("e");
    put(harness, {"d", packet});
    EXPECT_EQ(harness.sent("e").size(), 1u);
    ASSERT_NO_FATAL_FAILURE(harness.apply(before + "underlay: {network: outside}\n"));
    put(harness, {"d", packet});
    put(harness, {"d", packet});
    EXPECT_EQ(harness.sent("e").size(), 0u);
    EXPECT_EQ(harness.drops(), (test::DropCounts{{{"d", Drop::kVxlanPort}, 2}}));
    harness.check_books();
}

}  // namespace

std::vector<Row> one_nic_rows() {
    std::vector<Row> rows;
    add_all_by_one(rows);
    add_errors(rows);
    add_imitations(rows);
    return rows;
}

}  // namespace sluice::golden
