#include <gtest/gtest.h>

#include "golden/row.h"
#include "port/derived_mac.h"

namespace sluice::golden {
namespace {

// Station A is here, behind port a; port e is the underlay's. R and S are remote hosts' underlay
// interfaces, B and C stations behind them.
constexpr std::string_view kR = "02:00:00:00:00:1a";
constexpr std::string_view kS = "02:00:00:00:00:1b";
const std::string kHere = router_of("(underlay)");
// The router of the overlay network, the same on all hosts.
const std::string kRouter = port::derived_mac("router:vni:100:10.0.0.254").text();

std::string overlay(const std::string& remotes, const std::string& checksum = "zero",
                    const std::string& more = "") {
    return "networks:\n"
           "  - {name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254], vxlan: {vni: 100, "
           "remotes: [" +
           remotes + "]}}\n" + more +
           "underlay: {port: e, address: [192.0.2.1/24, '2001:db8::1/64'], checksum: " + checksum +
           "}\nports:\n" + port("a") + port("e", "");
}
const std::string kOne = overlay("192.0.2.2");
const std::string kTwo = overlay("192.0.2.2, 192.0.2.3");
const std::string kOneV6 = overlay("'2001:db8::2'");

// A remote host says where it is on the underlay, which nobody answers.
In meet(std::string_view mac = kR, std::string_view address = "192.0.2.2") {
    return {"e", Packet().eth(mac, kHere).arp_reply(mac, address, kHere, "192.0.2.1")};
}
In meet6() {
    Bytes target = test::address_bytes("2001:db8::2");
    const Bytes mac = test::mac_bytes(kR);
    target.insert(target.end(), {2, 1});
    target.insert(target.end(), mac.begin(), mac.end());
    return {"e", Packet()
                     .eth(kR, kHere)
                     .ipv6("2001:db8::2", "2001:db8::1")
                     .ttl(255)
                     .icmp(136, 0, 0x2000'0000)
                     .payload(target)};
}

uint16_t source_port(const Bytes& frame) {
    return static_cast<uint16_t>(0xc000 | hash_of(frame) >> 18);
}

// A frame as it goes to a remote host.
Bytes to4(const Bytes& frame, bool full = false, uint8_t traffic_class = 0,
          std::string_view mac = kR, std::string_view address = "192.0.2.2",
          std::optional<uint16_t> from = {}) {
    Packet packet = Packet()
                        .eth(kHere, mac)
                        .ipv4("192.0.2.1", address)
                        .id(0)
                        .traffic_class(traffic_class)
                        .udp(from.value_or(source_port(frame)), 4789);
    if (!full) packet.without_checksum();
    return packet.vxlan(100).payload(frame);
}
Bytes to6(const Bytes& frame, bool full = false, uint8_t traffic_class = 0) {
    Packet packet = Packet()
                        .eth(kHere, kR)
                        .ipv6("2001:db8::1", "2001:db8::2")
                        .traffic_class(traffic_class)
                        .udp(source_port(frame), 4789);
    if (!full) packet.without_checksum();
    return packet.vxlan(100).payload(frame);
}

// And as it comes from one.
Packet from4(std::string_view address = "192.0.2.2", uint32_t vni = 100,
             std::string_view mac = kR) {
    return Packet()
        .eth(mac, kHere)
        .ipv4(address, "192.0.2.1")
        .udp(50000, 4789)
        .without_checksum()
        .vxlan(vni);
}
Packet from6() {
    return Packet()
        .eth(kR, kHere)
        .ipv6("2001:db8::2", "2001:db8::1")
        .udp(50000, 4789)
        .without_checksum()
        .vxlan(100);
}

Packet marked(uint8_t traffic_class) {
    return Packet()
        .eth(kA, kB)
        .ipv4("10.0.0.1", "10.0.0.2")
        .traffic_class(traffic_class)
        .udp(7, 7)
        .payload(60);
}
Packet marked6(uint8_t traffic_class) {
    return Packet()
        .eth(kA, kB)
        .ipv6("fd00::1", "fd00::2")
        .traffic_class(traffic_class)
        .udp(7, 7)
        .payload(60);
}

void add_tunnels(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "IntoATunnel",
         .configuration = kOne,
         .in = {meet(), {"a", plain(kA, kB), {}, {}, 2}, {"a", plain(kA, kB), {}, {20, 30}}},
         .out = {{"e", to4(plain(kA, kB)), 3}}});
    add({.name = "IntoATunnelWithAChecksum",
         .configuration = overlay("192.0.2.2", "full"),
         .in = {meet(), {"a", plain(kA, kB)}, {"a", plain(kA, kB, 101)}},
         .out = {{"e", to4(plain(kA, kB), true)}, {"e", to4(plain(kA, kB, 101), true)}}});
    add({.name = "IntoATunnelOverIpv6",
         .configuration = kOneV6,
         .in = {meet6(), {"a", plain(kA, kB)}},
         .out = {{"e", to6(plain(kA, kB))}}});
    add({.name = "IntoATunnelOverIpv6WithAChecksum",
         .configuration = overlay("'2001:db8::2'", "full"),
         .in = {meet6(), {"a", plain(kA, kB)}},
         .out = {{"e", to6(plain(kA, kB), true)}}});
    add({.name = "ByDefaultTheChecksumIsFullOverIpv6AndZeroOverIpv4",
         .configuration = overlay("192.0.2.2, '2001:db8::2'", "auto"),
         .in = {meet(), meet6(), {"a", plain(kA, kB)}},
         .out = {{"e", to4(plain(kA, kB))}, {"e", to6(plain(kA, kB), true)}}});
    add({.name = "TheTrafficClassIsTheInnerPackets",
         .configuration = kOne,
         .in = {meet(), {"a", marked(0xb9)}, {"a", marked6(0xba)}},
         .out = {{"e", to4(marked(0xb9), false, 0xb9)}, {"e", to4(marked6(0xba), false, 0xba)}}});
    add({.name = "TheTrafficClassIsTheInnerPacketsOverIpv6",
         .configuration = kOneV6,
         .in = {meet6(), {"a", marked(0xb9)}, {"a", marked6(0xba)}},
         .out = {{"e", to6(marked(0xb9), false, 0xb9)}, {"e", to6(marked6(0xba), false, 0xba)}}});
    add({.name = "AnUnknownRemoteHostIsAskedForAndItsPacketsWait",
         .configuration = kOne,
         .in = {{"a", plain(kA, kB), {}, {}, 2}, meet()},
         .out = {
             {"e",
              padded(Packet().eth(kHere, kBroadcast).arp_request(kHere, "192.0.2.1", "192.0.2.2"))},
             {"e", to4(plain(kA, kB)), 2}}});
    add({.name = "WhatTheStationsOfTheUnderlaysLinkAskEachOtherIsBackground",
         .configuration = kOne,
         .in = {{"e", Packet().eth(kR, kBroadcast).arp_request(kR, "192.0.2.7", "192.0.2.8")}},
         .drops = {{"e", Drop::kBackground, 1}}});
    add({.name = "OutOfATunnel",
         .configuration = kOne,
         .in = {{"e", from4().payload(plain(kB, kA))},
                {"e", from4().payload(plain(kB, kA)), {}, {14, 20, 9, 20}}},
         .out = {{"a", plain(kB, kA), 2}}});
    add({.name = "OutOfATunnelOverIpv6",
         .configuration = kOneV6,
         .in = {{"e", from6().payload(plain(kB, kA))}},
         .out = {{"a", plain(kB, kA)}}});
    add({.name = "AStationIsLearnedBehindItsTunnel",
         .configuration = kTwo,
         .in = {meet(),
                meet(kS, "192.0.2.3"),
                {"e", from4("192.0.2.3", 100, kS).payload(plain(kC, kA))},
                {"a", plain(kA, kC)}},
         .out = {{"a", plain(kC, kA)}, {"e", to4(plain(kA, kC), false, 0, kS, "192.0.2.3")}}});
    add({.name = "AFloodGoesToEachRemoteHost",
         .configuration = kTwo + port("b"),
         .in = {meet(), meet(kS, "192.0.2.3"), {"a", plain(kA, kBroadcast)}},
         .out = {{"e", to4(plain(kA, kBroadcast))},
                 {"e", to4(plain(kA, kBroadcast), false, 0, kS, "192.0.2.3")},
                 {"b", plain(kA, kBroadcast)}}});
    Packet tcp99 = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(99);
    const Bytes finished = tcp99;
    add({.name = "AFloodWithAnUnfinishedChecksumIsFinishedForAll",
         .configuration = kTwo,
         .in = {meet(), meet(kS, "192.0.2.3"), {"a", tcp99.unfinished(), Unfinished{}}},
         .out = {{"e", to4(finished)}, {"e", to4(finished, false, 0, kS, "192.0.2.3")}}});
    add({.name = "WhatComesFromATunnelGoesIntoNone",
         .configuration = kTwo,
         .in = {meet(),
                meet(kS, "192.0.2.3"),
                {"e", from4().payload(plain(kB, kBroadcast))},
                {"e", from4("192.0.2.3", 100, kS).payload(plain(kC, kB))}},
         .out = {{"a", plain(kB, kBroadcast)}},
         .drops = {{"192.0.2.3", Drop::kSplitHorizon, 1}}});
    // Who is behind a remote host guides nobody here, unless that is said.
    const Bytes router = Packet().eth(kB, kA).ipv6("fe80::1", "ff02::1", 58).payload(Bytes{134, 0, 0, 0, 0, 0, 0, 0});
    const Bytes redirect = Packet().eth(kB, kA).ipv6("fe80::1", "fd00::1", 58).payload(Bytes{137, 0, 0, 0, 0, 0, 0, 0});
    const Bytes echo = Packet().eth(kB, kA).ipv6("fe80::1", "fd00::1", 58).payload(Bytes{128, 0, 0, 0, 0, 0, 0, 0});
    const Bytes hidden = Packet().eth(kB, kA).ipv6("fe80::1", "ff02::1").extension(60, 8).payload(Bytes{});
    const Bytes offer = Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1").udp(67, 68).payload(10);
    const Bytes offer6 = Packet().eth(kB, kA).ipv6("fd00::2", "fd00::1").udp(547, 546).payload(10);
    const auto serving = [](const std::string& services) {
        return "networks: [{name: blue, vxlan: {vni: 100, remotes: [192.0.2.2]" + services +
               "}}]\nunderlay: {port: e, address: [192.0.2.1/24]}\nports:\n" + port("a") + port("e", "");
    };
    const auto remotely = [](const Bytes& frame, std::vector<size_t> chain = {}) {
        return In{"e", from4().payload(frame), {}, std::move(chain)};
    };
    add({.name = "RouterAdvertisementsComeOutOfNoTunnel",
         .configuration = serving(""),
         .in = {remotely(router), remotely(redirect), remotely(router, {14, 20, 9, 20}), remotely(echo),
                remotely(offer), remotely(offer6)},
         .out = {{"a", echo}, {"a", offer}, {"a", offer6}},
         .drops = {{"192.0.2.2", Drop::kRogueRa, 3}}});
    add({.name = "UnlessANetworkTakesThem",
         .configuration = serving(", serves: [ra]"),
         .in = {remotely(router), remotely(redirect), remotely(echo), remotely(offer), remotely(offer6)},
         .out = {{"a", router}, {"a", redirect}, {"a", echo}},
         .drops = {{"192.0.2.2", Drop::kRogueDhcp, 2}}});
    add({.name = "ATunnelMayServeAll",
         .configuration = serving(", serves: [dhcp, ra]"),
         .in = {remotely(router), remotely(offer), remotely(hidden)},
         .out = {{"a", router}, {"a", offer}, {"a", hidden}}});
    add({.name = "NobodyHereForWhatComesFromATunnel",
         .configuration = "networks: [{name: blue, vxlan: {vni: 100, remotes: [192.0.2.2]}}]\n"
                          "underlay: {port: e, address: [192.0.2.1/24]}\nports:\n" +
                          port("e", ""),
         .in = {{"e", from4().payload(plain(kB, kBroadcast))}},
         .drops = {{"192.0.2.2", Drop::kNoMember, 1}}});

    // Segments are cut before they go in, to what fits.
    const Bytes data = test::pattern(2500);
    const auto tcp = [&](size_t begin, size_t size, uint16_t id) {
        const Bytes part(data.begin() + static_cast<ptrdiff_t>(begin),
                         data.begin() + static_cast<ptrdiff_t>(begin + size));
        return Bytes(Packet()
                         .eth(kA, kB)
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .id(id)
                         .tcp(1, 2, test::kAck, static_cast<uint32_t>(1 + begin))
                         .payload(part));
    };
    const Bytes segment =
        Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(data).unfinished();
    add({.name = "ASegmentIsCutBeforeItsTunnel",
         .configuration = kOne,
         .in = {meet(), {"a", segment, Unfinished{.segment_size = 1000}}},
         .out = {{"e", to4(tcp(0, 1000, 1))},
                 {"e", to4(tcp(1000, 1000, 2))},
                 {"e", to4(tcp(2000, 500, 3))}}});
    add({.name = "ASegmentIsCutBeforeEachOfTwoTunnels",
         .configuration = overlay("192.0.2.2, 192.0.2.3", "full"),
         .in = {meet(), meet(kS, "192.0.2.3"), {"a", segment, Unfinished{.segment_size = 1400}}},
         .out = {{"e", to4(tcp(0, 1400, 1), true)},
                 {"e", to4(tcp(1400, 1100, 2), true)},
                 {"e", to4(tcp(0, 1400, 1), true, 0, kS, "192.0.2.3")},
                 {"e", to4(tcp(1400, 1100, 2), true, 0, kS, "192.0.2.3")}}});
    add({.name = "ATunnelWithoutBuffers",
         .configuration = kTwo,
         .in = {meet(), meet(kS, "192.0.2.3"), {"a", plain(kA, kBroadcast)}},
         .out = {},
         .drops = {{"192.0.2.2", Drop::kNoBuffer, 1}, {"192.0.2.3", Drop::kNoBuffer, 1}},
         .buffers_left = 0});

    // 1500 bytes less 50.
    const Bytes fits = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(1422);
    const Bytes firm = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(1423);
    Bytes quoted = packet_of(firm);
    quoted.resize(548);
    add({.name = "TooBigForATunnelIsTold",
         .configuration = kOne,
         .in = {meet(), {"e", from4().payload(plain(kB, kA))}, {"a", fits}, {"a", firm}},
         .out = {{"a", plain(kB, kA)},
                 {"e", to4(fits)},
                 {"a", Packet()
                           .eth(kRouter, kA)
                           .ipv4("10.0.0.254", "10.0.0.1")
                           .traffic_class(0xc0)
                           .fragment(0)
                           .icmp(3, 4, 1450)
                           .payload(quoted)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
    // To a station that nobody knows: into all tunnels, and too long for each of them.
    const Bytes lost = Packet().eth(kA, kC).ipv4("10.0.0.1", "10.0.0.3").udp(7, 7).payload(1423);
    Bytes quoted_lost = packet_of(lost);
    quoted_lost.resize(548);
    add({.name = "TooBigForAFloodIntoTunnelsIsToldOnce",
         .configuration = kTwo,
         .in = {meet(), meet(kS, "192.0.2.3"), {"a", lost}},
         .out = {{"a", Packet()
                           .eth(kRouter, kA)
                           .ipv4("10.0.0.254", "10.0.0.1")
                           .traffic_class(0xc0)
                           .fragment(0)
                           .icmp(3, 4, 1450)
                           .payload(quoted_lost)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 2}}});
    const Bytes shout =
        Packet().eth(kA, "01:00:5e:01:02:03").ipv4("10.0.0.1", "239.1.2.3").udp(7, 7).payload(1423);
    add({.name = "TooBigForATunnelIsNotToldOfMulticastOnIpv4",
         .configuration = kTwo,
         .in = {meet(), meet(kS, "192.0.2.3"), {"a", shout}},
         .out = {},
         .drops = {{"a", Drop::kFragmentationNeeded, 2}}});
}

// A router on the way to 192.0.2.2 says that a packet of ours is too long; what it quotes of that.
Packet too_big(uint32_t mtu, const Bytes& sent, size_t quoted = 548) {
    Bytes quote = packet_of(sent);
    quote.resize(quoted);
    return Packet().eth(kR, kHere).ipv4("198.51.100.9", "192.0.2.1").icmp(3, 4, mtu).payload(quote);
}

void add_path_mtu(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const auto udp = [](size_t size) {
        return Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(size);
    };
    const Bytes fits = udp(1322);  // 1400 with all that is around it
    const Bytes firm = udp(1323);
    const In from_b{"e", from4().payload(plain(kB, kA))};
    const Out at_a{"a", plain(kB, kA)};
    const auto told = [](const Bytes& frame, uint32_t mtu) {
        Bytes quoted = packet_of(frame);
        quoted.resize(548);
        return Bytes(Packet()
                         .eth(kRouter, kA)
                         .ipv4("10.0.0.254", "10.0.0.1")
                         .traffic_class(0xc0)
                         .fragment(0)
                         .icmp(3, 4, mtu)
                         .payload(quoted));
    };
    add({.name = "ASmallerMtuOnTheWayIsLearnedAndTheSenderTold",
         .configuration = kOne,
         .in = {meet(), from_b, {"a", firm}, {"e", too_big(1400, to4(firm))}, {"a", firm}, {"a", fits}},
         .out = {at_a, {"e", to4(firm)}, {"a", told(firm, 1350)}, {"e", to4(fits)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
    add({.name = "ARouterMayQuoteAsLittleAsRfc792Wants",
         .configuration = kOne,
         .in = {meet(), from_b, {"e", too_big(1400, to4(firm), 28)}, {"a", firm}},
         .out = {at_a, {"a", told(firm, 1350)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
    // Without DF it goes on in pieces.
    const Bytes loose = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").fragment(0).udp(7, 7).payload(1400);
    // In the tunnel with the source port of the whole packet, so that all pieces take one way.
    const auto piece = [&](size_t begin, size_t size, uint16_t flags) {
        const auto at = loose.begin() + 34 + static_cast<ptrdiff_t>(begin);
        const Bytes inner = Packet()
                                .eth(kA, kB)
                                .ipv4("10.0.0.1", "10.0.0.2", 17)
                                .fragment(static_cast<uint16_t>(flags | begin / 8))
                                .payload(Bytes(at, at + static_cast<ptrdiff_t>(size)));
        return to4(inner, false, 0, kR, "192.0.2.2", source_port(loose));
    };
    add({.name = "WhatMayBeFragmentedIsAfterThat",
         .configuration = kOne,
         .in = {meet(), from_b, {"e", too_big(1400, to4(firm))}, {"a", loose}},
         .out = {at_a,
                 {"e", piece(0, 1328, 0x2000)},
                 {"e", piece(1328, 80, 0)}}});
    const Bytes quoted = packet_of(to6(udp(1400), true));
    add({.name = "ASmallerMtuOnTheWayOverIpv6",
         .configuration = overlay("'2001:db8::2'", "auto"),
         .in = {meet6(),
                {"e", from6().payload(plain(kB, kA))},
                {"e", Packet()
                          .eth(kR, kHere)
                          .ipv6("2001:db8:9::9", "2001:db8::1")
                          .icmp(2, 0, 1400)
                          .payload(Bytes(quoted.begin(), quoted.begin() + 1232))},
                {"a", udp(1302)},
                {"a", udp(1303)}},
         .out = {at_a, {"e", to6(udp(1302), true)}, {"a", told(udp(1303), 1330)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
    // Forged by who isn't on the way, or by who is and means another packet.
    const auto forged = [](std::string_view from, std::string_view to, uint16_t source_port, uint16_t port,
                           uint32_t vni, uint16_t fragment = 0x4000) {
        return Bytes(Packet()
                         .eth(kHere, kR)
                         .ipv4(from, to)
                         .fragment(fragment)
                         .udp(source_port, port)
                         .without_checksum()
                         .vxlan(vni)
                         .payload(1450));
    };
    Bytes wrong = too_big(1400, to4(firm));
    wrong.back() ^= 1;
    add({.name = "WhatQuotesNoPacketOfOursTeachesNothing",
         .configuration = kOne,
         .in = {meet(),
                {"e", too_big(1400, forged("192.0.2.7", "192.0.2.2", 50000, 4789, 100))},
                {"e", too_big(1400, forged("192.0.2.1", "192.0.2.7", 50000, 4789, 100))},
                {"e", too_big(1400, forged("192.0.2.1", "192.0.2.2", 49151, 4789, 100))},
                {"e", too_big(1400, forged("192.0.2.1", "192.0.2.2", 50000, 4790, 100))},
                {"e", too_big(1400, forged("192.0.2.1", "192.0.2.2", 50000, 4789, 101))},
                {"e", too_big(1400, forged("192.0.2.1", "192.0.2.2", 50000, 4789, 100, 0))},
                {"e", too_big(1500, to4(firm))},
                {"e", wrong},
                {"a", firm}},
         .out = {{"e", to4(firm)}},
         .drops = {{"e", Drop::kNoListener, 8}}});
    add({.name = "NobodyMakesTheMtuSmallerThanWhatEveryHostTakes",
         .configuration = kOne,
         .in = {meet(), {"e", too_big(68, to4(firm))}, {"a", udp(576 - 50 - 28)}},
         .out = {{"e", to4(udp(576 - 50 - 28))}}});
}

void add_refusals(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const Bytes frame = plain(kB, kA);
    const Bytes good = from4().payload(frame);
    const auto outer = [](uint8_t traffic_class, uint16_t fragment = 0x4000) {
        return Packet()
            .eth(kR, kHere)
            .ipv4("192.0.2.2", "192.0.2.1")
            .traffic_class(traffic_class)
            .fragment(fragment)
            .udp(50000, 4789)
            .without_checksum()
            .vxlan(100);
    };
    const auto with_byte = [](Bytes bytes, size_t at, uint8_t value) {
        bytes[at] = value;
        return bytes;
    };
    add({.name = "ATunnelPacketIsCutOff",
         .configuration = kOne,
         .in = {{"e", Bytes(good.begin(), good.end() - 1)},
                {"e", Packet().eth(kR, kHere).ipv4("192.0.2.2", "192.0.2.1", 17).payload(7)}},
         .drops = {{"e", Drop::kVxlanTruncated, 2}}});
    add({.name = "ATunnelPacketsIpHeaderIsWrong",
         .configuration = kOne,
         .in = {{"e", with_byte(good, 24, 0x55)}},
         .drops = {{"e", Drop::kVxlanOuterHeader, 1}}});
    add({.name = "ATunnelPacketIsAFragment",
         .configuration = kOne,
         .in = {{"e", outer(0, 0x2000).payload(frame)}},
         .drops = {{"e", Drop::kVxlanFragment, 1}}});
    add({.name = "ATunnelPacketsChecksumIsWrong",
         .configuration = kOne,
         .in = {{"e", with_byte(good, 40, 0x55)},
                {"e", Packet()
                          .eth(kR, kHere)
                          .ipv4("192.0.2.2", "192.0.2.1")
                          .udp(50000, 4789)
                          .vxlan(100)
                          .payload(frame)}},
         .out = {{"a", frame}},
         .drops = {{"e", Drop::kVxlanUdpChecksum, 1}}});
    add({.name = "ATunnelPacketWithoutAVni",
         .configuration = kOne,
         .in = {{"e", with_byte(good, 42, 0)}},
         .drops = {{"e", Drop::kVxlanNoVniFlag, 1}}});
    add({.name = "ReservedFlagsDontMatter",
         .configuration = kOne,
         .in = {{"e", with_byte(good, 42, 0xff)}},
         .out = {{"a", frame}}});
    add({.name = "ATunnelWithLessThanAFrame",
         .configuration = kOne,
         .in = {{"e", from4().payload(13)}},
         .drops = {{"e", Drop::kVxlanInnerRunt, 1}}});
    add({.name = "ATunnelWithATaggedFrame",
         .configuration = kOne,
         .in = {{"e", from4().payload(Bytes(Packet().eth(kB, kA).vlan(5).payload(60)))}},
         .drops = {{"e", Drop::kVxlanInnerVlan, 1}}});
    const auto inner = [](uint8_t traffic_class) {
        return Bytes(Packet()
                         .eth(kB, kA)
                         .ipv4("10.0.0.2", "10.0.0.1")
                         .traffic_class(traffic_class)
                         .udp(7, 7)
                         .payload(60));
    };
    add({.name = "CongestionInTheUnderlayReachesTheStation",
         .configuration = kOne,
         .in = {{"e", outer(3).payload(inner(2))},
                {"e", outer(3).payload(inner(0))},
                {"e", outer(2).payload(inner(0))}},
         .out = {{"a", inner(3)}, {"a", inner(0)}},
         .drops = {{"e", Drop::kVxlanEcn, 1}}});
    add({.name = "StrangersAtTheTunnel",
         .configuration = overlay("192.0.2.2", "zero",
                                  "  - {name: red, vxlan: {vni: 200, remotes: [192.0.2.3]}}\n"),
         .in = {{"e", from4("192.0.2.2", 101).payload(frame)},
                {"e", from4("192.0.2.9").payload(frame)},
                {"e", from4("192.0.2.3").payload(frame)},
                {"e", from4("192.0.2.2", 200).payload(frame)}},
         .drops = {{"e", Drop::kUnknownVni, 1}, {"e", Drop::kUnknownRemote, 3}}});
    add({.name = "AnotherPortThanVxlansIsNoTunnel",
         .configuration = kOne,
         .in = {{"e", Packet()
                          .eth(kR, kHere)
                          .ipv4("192.0.2.2", "192.0.2.1")
                          .ttl(64)
                          .icmp_echo(1, 2)
                          .payload(56)}},
         .out = {{"e", Packet()
                           .eth(kHere, kR)
                           .ipv4("192.0.2.1", "192.0.2.2")
                           .icmp(0, 0, 1 << 16 | 2)
                           .payload(56)}}});
}

void add_tags(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const auto tagged = [](std::string_view from, std::string_view to, uint16_t id, uint16_t type = 0x8100) {
        return Bytes(
            Packet().eth(from, to).vlan(id, type).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(100));
    };
    const In from_b{"e", from4().payload(plain(kB, kA))};
    const Out at_a{"a", plain(kB, kA)};
    add({.name = "ATunnelTakesNoTaggedFrames",
         .configuration = kOne + port("b"),
         .in = {meet(),
                from_b,
                {"a", tagged(kA, kB, 5)},
                {"a", tagged(kA, kB, 5, 0x88a8)},
                {"a", tagged(kA, kB, 0, 0x9100)},
                {"a", tagged(kA, kBroadcast, 5)}},
         .out = {at_a, {"b", plain(kB, kA)}, {"b", tagged(kA, kBroadcast, 5)}},
         .drops = {{"a", Drop::kTaggedIntoTunnel, 4}}});
    add({.name = "AFloodOfTaggedFramesHasNobodyButTunnels",
         .configuration = kOne,
         .in = {meet(), {"a", tagged(kA, kBroadcast, 5), {}, {}, 2}},
         .drops = {{"a", Drop::kTaggedIntoTunnel, 2}}});
    add({.name = "APriorityTagIsNoTagInATunnel",
         .configuration = kOne + port("b"),
         .in = {meet(), from_b, {"a", tagged(kA, kB, 0x6000)}, {"a", tagged(kA, kBroadcast, 0x6000)}},
         .out = {at_a,
                 {"b", plain(kB, kA)},
                 {"e", to4(plain(kA, kB))},
                 {"e", to4(plain(kA, kBroadcast))},
                 {"b", plain(kA, kBroadcast)}}});
    const auto tagged_twice = [](std::string_view from, std::string_view to) -> Bytes {
        return Packet().eth(from, to).vlan(0).vlan(5).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(100);
    };
    add({.name = "APriorityTagComesOffOutOfATunnelAsWell",
         .configuration = kOne,
         .in = {meet(), {"e", from4().payload(tagged(kB, kA, 0x6000))}},
         .out = {at_a}});
    add({.name = "APriorityTagHidesNoOther",
         .configuration = kOne,
         .in = {meet(), from_b, {"a", tagged_twice(kA, kB)}, {"e", from4().payload(tagged_twice(kB, kA))}},
         .out = {at_a},
         .drops = {{"a", Drop::kTaggedIntoTunnel, 1}, {"e", Drop::kVxlanInnerVlan, 1}}});
    std::string carries = kOne;
    carries.replace(carries.find("vni: 100"), 8, "vni: 100, inner-vlan: carry");
    add({.name = "ANetworkMayCarryTagsInItsTunnels",
         .configuration = carries,
         .in = {meet(),
                {"e", from4().payload(tagged(kB, kA, 5))},
                {"e", from4().payload(tagged_twice(kB, kA))},
                {"e", from4().payload(tagged(kB, kA, 0))},
                {"a", tagged(kA, kB, 5)},
                {"a", tagged(kA, kB, 5, 0x88a8)},
                {"a", tagged(kA, kBroadcast, 5)}},
         .out = {{"a", tagged(kB, kA, 5), 2}, at_a,
                 {"e", to4(tagged(kA, kB, 5))},
                 {"e", to4(tagged(kA, kB, 5, 0x88a8))},
                 {"e", to4(tagged(kA, kBroadcast, 5))}}});
}

void add_stations(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const Bytes from_b = Packet().eth(kB, kBroadcast).arp_request(kB, "10.0.0.2", "10.0.0.77");
    const Bytes for_b = Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.2");
    const Bytes for_c = Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.3");
    add({.name = "TheUnderlayIsNoRouter",
         .configuration = kOne,
         .in = {{"e", Packet()
                          .eth(kR, kHere)
                          .ipv4("192.0.2.2", "192.0.2.3")
                          .udp(50000, 4789)
                          .payload(60)},
                {"e", Packet().eth(kR, kHere).ipv4("192.0.2.2", "8.8.8.8").udp(7, 7).payload(60)}},
         .drops = {{"e", Drop::kUnderlayTransit, 2}}});
    add({.name = "AStationThatIsKnownIsNotAskedForInTheUnderlay",
         .configuration = kOne + port("b"),
         .in = {meet(), {"e", from4().payload(from_b)}, {"a", for_b}, {"a", for_c}},
         .out = {{"a", from_b},
                 {"b", from_b},
                 {"a", padded(Packet().eth(kB, kA).arp_reply(kB, "10.0.0.2", kA, "10.0.0.1"))},
                 {"e", to4(for_c)},
                 {"b", for_c}}});
    const Bytes answer = Packet().eth(kA, kRouter).arp_reply(kA, "10.0.0.1", kRouter, "10.0.0.254");
    add({.name = "AnAnswerToTheRouterReachesTheRoutersOfAllHosts",
         .configuration = kTwo,
         .in = {meet(),
                meet(kS, "192.0.2.3"),
                {"a", answer},
                {"e",
                 from4().payload(Bytes(
                     Packet().eth(kB, kRouter).arp_reply(kB, "10.0.0.2", kRouter, "10.0.0.254")))}},
         .out = {{"e", to4(answer)}, {"e", to4(answer, false, 0, kS, "192.0.2.3")}}});
    const std::string kGreen =
        overlay("192.0.2.2", "zero",
                "  - {name: green, subnets: [10.0.5.0/24], gateway: [10.0.5.254]}\n") +
        port("b", "green");
    const Bytes routed =
        Packet().eth(kRouter, kB).ipv4("10.0.5.1", "10.0.0.2").ttl(63).udp(7, 7).payload(100);
    add({.name = "RoutedIntoATunnel",
         .configuration = kGreen,
         .in = {meet(),
                {"e", from4().payload(from_b)},
                {"b",
                 Packet()
                     .eth(kC, router_of("green"))
                     .ipv4("10.0.5.1", "10.0.0.2")
                     .udp(7, 7)
                     .payload(100),
                 {},
                 {},
                 2}},
         .out = {{"a", from_b}, {"e", to4(routed), 2}}});
}

// Which port an address is behind in blue, as far as is known.
std::optional<path::PortId> behind(test::Harness& harness, std::string_view mac) {
    const auto address = MacAddress::parse(std::string(mac));
    const uint64_t key = path::mac_key(*address);
    const bridge::Entry entry =
        harness.running().macs().at("blue")->find(key, bridge::MacTable::hash(key));
    if (!entry.found()) return std::nullopt;
    return entry.port();
}

void put(test::Harness& harness, const In& in) {
    harness.device(in.port).put(test::to_mbuf(test::switch_pools().buffers, in.frame));
    harness.run();
}

TEST(GoldenVxlan, TheRoutersOfOtherHostsAreBehindNoPort) {
    test::Harness harness(1, {"a", "e"});
    ASSERT_NO_FATAL_FAILURE(harness.apply(kOne));
    put(harness, {"e", from4().payload(plain(kB, kA))});
    EXPECT_TRUE(behind(harness, kB));
    put(harness, {"e", from4().payload(plain(kRouter, kA))});
    EXPECT_FALSE(behind(harness, kRouter));
    const std::vector<Bytes> both{plain(kB, kA), plain(kRouter, kA)};
    EXPECT_EQ(harness.sent("a"), both);
    harness.check_books();
}

// A container moves from another host to this one: its address is told to the others, is known here
// at once, and is no news to the container.
TEST(GoldenVxlan, AStationThatHasMovedHereIsNoLongerBehindATunnel) {
    test::Harness harness(1, {"a", "b", "e"});
    const auto with_network = [](const std::string& network) {
        return "networks:\n"
               "  - {name: blue, subnets: [10.0.0.0/24], vxlan: {vni: 100, remotes: [192.0.2.2]}}\n"
               "  - {name: red}\n"
               "underlay: {port: e, address: [192.0.2.1/24]}\nports:\n" +
               port("e", "") + port("b") +
               port("a", network, ", mac: '" + std::string(kA) + "', address: [10.0.0.1/24]");
    };
    ASSERT_NO_FATAL_FAILURE(harness.apply(with_network("red")));
    put(harness, meet());
    put(harness, {"e", from4().payload(plain(kA, kBroadcast))});
    ASSERT_TRUE(behind(harness, kA));
    EXPECT_EQ(*behind(harness, kA), harness.running().tunnels().begin()->second.id);
    harness.sent("b");

    ASSERT_NO_FATAL_FAILURE(harness.apply(with_network("blue")));
    harness.running().tick(engine::Clock::now());
    harness.run();
    const Bytes news = padded(Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.1"));
    ASSERT_TRUE(behind(harness, kA));
    EXPECT_EQ(*behind(harness, kA), harness.running().ports().at("a").port->id());
    EXPECT_EQ(harness.sent("e"), std::vector<Bytes>{to4(news)});
    EXPECT_EQ(harness.sent("b"), std::vector<Bytes>{news});
    EXPECT_EQ(harness.sent("a"), std::vector<Bytes>{});
    harness.check_books();
}

// Another network may get the number of one that is gone, and must not find its neighbors.
TEST(GoldenVxlan, TheNeighborsOfANetworkGoWithIt) {
    test::Harness harness(1, {"a", "e"});
    ASSERT_NO_FATAL_FAILURE(harness.apply(kOne));
    put(harness,
        {"e", from4().payload(
                  Bytes(Packet().eth(kB, kBroadcast).arp_request(kB, "10.0.0.2", "10.0.0.77")))});
    const path::NetworkId blue = harness.running().network_ids().at("blue");
    const auto b = IpAddress::parse("10.0.0.2");
    EXPECT_NE(harness.running().router().neighbors().find(blue, *b), nullptr);
    ASSERT_NO_FATAL_FAILURE(harness.apply("networks: [{name: red}]\nports:\n" + port("a", "red")));
    EXPECT_EQ(harness.running().router().neighbors().find(blue, *b), nullptr);
    EXPECT_EQ(harness.running().router().neighbors().size(), 0u);
}

}  // namespace

std::vector<Row> vxlan_rows() {
    std::vector<Row> rows;
    add_tunnels(rows);
    add_path_mtu(rows);
    add_refusals(rows);
    add_tags(rows);
    add_stations(rows);
    return rows;
}

}  // namespace sluice::golden
