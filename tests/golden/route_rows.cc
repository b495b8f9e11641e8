#include "golden/row.h"
#include "wire/flow_hash.h"

namespace sluice::golden {

uint32_t hash_of(const Bytes& frame) {
    Bytes copy = frame;
    rte_mbuf packet{};
    packet.buf_addr = copy.data();
    packet.buf_len = packet.data_len = static_cast<uint16_t>(copy.size());
    packet.pkt_len = packet.data_len;
    packet.nb_segs = 1;
    packet.refcnt = 1;
    return wire::flow_hash(&packet);
}

namespace {

const std::string kToBlue = router_of("blue");
const std::string kToRed = router_of("red");

// Two networks. Station B, whose MAC address is known, is behind port b in red.
const std::string kNetworks =
    "networks:\n"
    "  - {name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}\n"
    "  - {name: red, subnets: [10.0.1.0/24, 'fd00:b::/64'], gateway: [10.0.1.254, 'fd00:b::fe'],\n"
    "     static: [{mac: '" +
    std::string(kB) + "', port: b}]}\n";
const std::string kStationB = ", mac: '" + std::string(kB) + "', address: [10.0.1.2, 'fd00:b::2']";
const std::string kRouted = kNetworks + "ports:\n" + port("a") + port("b", "red", kStationB);

// From a station of blue to the router, and what the router makes of it for B.
Packet in4(std::string_view to = "10.0.1.2", std::string_view from = "10.0.0.1") {
    return Packet().eth(kA, kToBlue).ipv4(from, to);
}
Packet out4(std::string_view from = "10.0.0.1") {
    return Packet().eth(kToRed, kB).ipv4(from, "10.0.1.2").ttl(63);
}
Packet in6(std::string_view to = "fd00:b::2", std::string_view from = "fd00:a::1") {
    return Packet().eth(kA, kToBlue).ipv6(from, to);
}
Packet out6() {
    return Packet().eth(kToRed, kB).ipv6("fd00:a::1", "fd00:b::2").ttl(63);
}
Bytes full(Packet packet) {
    return packet.udp(7, 7).payload(100);
}

// The router's ICMP error to that station, about a frame of its own.
Bytes error4(uint8_t type, uint8_t code, const Bytes& about, uint32_t rest = 0,
             std::string_view to = "10.0.0.1") {
    Bytes quoted = packet_of(about);
    if (quoted.size() > 548) quoted.resize(548);  // RFC 1812, 4.3.2.3: 576 bytes in all
    return Packet()
        .eth(kToBlue, kA)
        .ipv4("10.0.0.254", to)
        .traffic_class(0xc0)
        .fragment(0)
        .icmp(type, code, rest)
        .payload(quoted);
}
Bytes error6(uint8_t type, uint8_t code, const Bytes& about, uint32_t rest = 0) {
    Bytes quoted = packet_of(about);
    if (quoted.size() > 1232) quoted.resize(1232);  // RFC 4443, 2.4 (c): 1280 bytes in all
    return Packet()
        .eth(kToBlue, kA)
        .ipv6("fd00:a::fe", "fd00:a::1")
        .traffic_class(0xc0)
        .icmp(type, code, rest)
        .payload(quoted);
}

// A frame with one byte changed, its IPv4 header's checksum made right again.
Bytes changed(Bytes frame, size_t at, uint8_t value) {
    frame[at] = value;
    const size_t size = (frame[14] & 0xf) * 4u;
    frame[24] = frame[25] = 0;
    uint32_t sum = 0;
    for (size_t i = 14; i < 14 + size; i += 2) sum += frame[i] << 8 | frame[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    frame[24] = static_cast<uint8_t>(~sum >> 8);
    frame[25] = static_cast<uint8_t>(~sum);
    return frame;
}

Bytes with_byte(Bytes frame, size_t at, uint8_t value) {
    frame[at] = value;
    return frame;
}

void add_forwarding(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "HeadersInSeveralBuffers",
         .configuration = kRouted,
         .in = {{"a", full(in4()), {}, {14, 6, 20}}, {"a", full(in6()), {}, {20, 1, 1}}},
         .out = {{"b", full(out4())}, {"b", full(out6())}}});
    add({.name = "RoutesIpv4",
         .configuration = kRouted,
         .in = {{"a", full(in4()), {}, {}, 3}, {"a", full(in4()), {}, {34, 3, 20}}},
         .out = {{"b", full(out4()), 4}}});
    add({.name = "RoutesIpv6",
         .configuration = kRouted,
         .in = {{"a", full(in6()), {}, {}, 3}},
         .out = {{"b", full(out6()), 3}}});
    add({.name = "RoutesBetweenStationsOfOneNetwork",
         .configuration = kRouted,
         .in = {{"b", full(Packet().eth(kB, kToRed).ipv4("10.0.1.2", "10.0.1.2"))}},
         .out = {{"b", full(Packet().eth(kToRed, kB).ipv4("10.0.1.2", "10.0.1.2").ttl(63))}}});
    add({.name = "BridgingGoesOnBesideRouting",
         .configuration = kRouted + port("c"),
         .in = {{"a", plain(kA, kC)}, {"a", full(in4())}, {"a", plain(kA, kC)}},
         .out = {{"c", plain(kA, kC), 2}, {"b", full(out4())}}});
    const Bytes data = test::pattern(2000);
    const Bytes first(data.begin(), data.begin() + 1000);
    const Bytes second(data.begin() + 1000, data.end());
    add({.name = "RoutedSegmentsAreCut",
         .configuration = kRouted,
         .in = {{"a", in4().tcp(1, 2).payload(data).unfinished(),
                 Unfinished{.segment_size = 1000}}},
         .out = {{"b", out4().tcp(1, 2).payload(first)},
                 {"b", out4().id(2).tcp(1, 2, test::kAck, 1001).payload(second)}}});
    add({.name = "OptionsPass",
         .configuration = kRouted,
         .in = {{"a", full(in4().options(8))}},
         .out = {{"b", full(out4().options(8))}}});

    // Flows spread over two next hops, each by one of them.
    Row spread{
        .name = "FlowsSpreadOverNextHops",
        .configuration =
            kNetworks +
            "  - {name: green, subnets: [10.0.2.0/24], gateway: [10.0.2.254],\n"
            "     static: [{mac: '" +
            std::string(kC) +
            "', port: c}]}\n"
            "routes: [{to: 10.9.0.0/16, next-hops: [{via: 10.0.1.2}, {via: 10.0.2.3}]}]\nports:\n" +
            port("a") + port("b", "red", kStationB) +
            port("c", "green", ", mac: '" + std::string(kC) + "', address: [10.0.2.3]")};
    const std::string to_green = router_of("green");
    for (uint16_t flow = 0; flow < 16; ++flow) {
        const Bytes frame = in4("10.9.0.1").udp(flow, 7).payload(100);
        const bool second_hop = uint64_t{hash_of(frame)} * 2 >> 32 != 0;
        spread.in.push_back({"a", frame, {}, {}, 2});
        spread.out.push_back({second_hop ? "c" : "b",
                              Packet()
                                  .eth(second_hop ? to_green : kToRed, second_hop ? kC : kB)
                                  .ipv4("10.0.0.1", "10.9.0.1")
                                  .ttl(63)
                                  .udp(flow, 7)
                                  .payload(100),
                              2});
    }
    add(std::move(spread));
}

void add_errors(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const Bytes last4 = full(in4().ttl(1));
    const Bytes last6 = full(in6().ttl(1));
    add({.name = "TheLastHopIsTold",
         .configuration = kRouted,
         .in = {{"a", last4}, {"a", last6}},
         .out = {{"a", error4(11, 0, last4)}, {"a", error6(3, 0, last6)}},
         .drops = {{"a", Drop::kTtlExceeded, 2}}});
    const Bytes about_error = in4().ttl(1).icmp(11, 0, 0).payload(packet_of(last4));
    add({.name = "AnErrorIsAnsweredByNone",
         .configuration = kRouted,
         .in = {{"a", about_error}},
         .drops = {{"a", Drop::kTtlExceeded, 1}}});
    add({.name = "ErrorsAreFewerThanTheirCauses",
         .configuration = kRouted,
         .in = {{"a", last4, {}, {}, 60}},
         .out = {{"a", error4(11, 0, last4), 20}},
         .drops = {{"a", Drop::kTtlExceeded, 60}}});
    const Bytes lost4 = full(in4("10.9.9.9"));
    const Bytes lost6 = full(in6("fd00:c::1"));
    add({.name = "NoRouteIsTold",
         .configuration = kRouted,
         .in = {{"a", lost4}, {"a", lost6}},
         .out = {{"a", error4(3, 0, lost4)}, {"a", error6(1, 0, lost6)}},
         .drops = {{"a", Drop::kNoRoute, 2}}});
    const Bytes hidden = full(in4("10.8.0.1"));
    const Bytes refused = full(in4("10.7.0.1"));
    add({.name = "ABlackholeIsSilentAndAnUnreachableRouteIsNot",
         .configuration =
             "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}]\n"
             "routes: [{to: 10.8.0.0/16, type: blackhole}, {to: 10.7.0.0/16, type: unreachable}]\n"
             "ports:\n" +
             port("a"),
         .in = {{"a", hidden}, {"a", refused}},
         .out = {{"a", error4(3, 1, refused)}},
         .drops = {{"a", Drop::kBlackhole, 1}, {"a", Drop::kUnreachableRoute, 1}}});

    // What is too big for b.
    const std::string kSmall =
        kNetworks + "ports:\n" + port("a") + port("b", "red", kStationB + ", mtu: 1300");
    const Bytes firm = in4().udp(7, 7).payload(1372);
    const Bytes big6 = in6().udp(7, 7).payload(1352);
    // The error about it is cut to what carries it back.
    const Bytes firm258 = in4().udp(7, 7).payload(258);
    Bytes quoted = packet_of(firm258);
    quoted.resize(300 - 28);
    add({.name = "AnErrorFitsThePortThatItGoesBackBy",
         .configuration = kNetworks + "ports:\n" + port("a", "blue", ", mtu: 300") +
                          port("b", "red", kStationB + ", mtu: 200"),
         .in = {{"a", firm258}},
         .out = {{"a", Packet().eth(kToBlue, kA).ipv4("10.0.0.254", "10.0.0.1").traffic_class(0xc0).fragment(0)
                           .icmp(3, 4, 200).payload(quoted)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
    add({.name = "TooBigIsToldItsMtu",
         .configuration = kSmall,
         .in = {{"a", firm}, {"a", big6}, {"a", in4().udp(7, 7).payload(1272)}},
         .out = {{"a", error4(3, 4, firm, 1300)},
                 {"a", error6(2, 0, big6, 1300)},
                 {"b", out4().udp(7, 7).payload(1272)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 2}}});
    const Bytes whole = in4().fragment(0).udp(7, 7).payload(1372);
    // 1280 bytes at once, the most that is a multiple of 8.
    const Bytes rest(whole.begin() + 34 + 1280, whole.end());
    const Bytes begin(whole.begin() + 34, whole.begin() + 34 + 1280);
    const auto piece = [](uint16_t flags_offset, const Bytes& bytes) {
        return Bytes(Packet()
                         .eth(kToRed, kB)
                         .ipv4("10.0.0.1", "10.0.1.2", 17)
                         .ttl(63)
                         .fragment(flags_offset)
                         .payload(bytes));
    };
    add({.name = "TooBigIsFragmentedWhereItMayBe",
         .configuration = kSmall,
         .in = {{"a", whole}},
         .out = {{"b", piece(0x2000, begin)}, {"b", piece(160, rest)}}});
    add({.name = "NoBufferForFragments",
         .configuration = kSmall,
         .in = {{"a", whole}},
         .out = {{"b", piece(0x2000, begin)}},
         .drops = {{"a", Drop::kNoBuffer, 1}},
         .buffers_left = 1});
}

void add_refusals(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "Martians",
         .configuration = kRouted,
         .in = {{"a", full(in4("10.0.1.2", "127.0.0.1"))},
                {"a", full(in4("10.0.1.2", "224.0.0.1"))},
                {"a", full(in4("10.0.1.2", "255.255.255.255"))},
                {"a", full(in4("127.0.0.1"))},
                {"a", full(in4("0.0.0.1"))},
                {"a", full(in4("224.0.0.1"))},
                {"a", full(in4("240.0.0.1"))},
                {"a", full(in6("fd00:b::2", "::1"))},
                {"a", full(in6("fd00:b::2", "ff02::1"))},
                {"a", full(in6("::1"))},
                {"a", full(in6("ff02::5"))}},
         .drops = {{"a", Drop::kMartian, 11}}});
    add({.name = "LinkLocalAddressesStayOnTheirLink",
         .configuration = kRouted,
         .in = {{"a", full(in4("10.0.1.2", "169.254.0.1"))},
                {"a", full(in4("169.254.0.1"))},
                {"a", full(in6("fd00:b::2", "fe80::1"))},
                {"a", full(in6("fe80::1"))}},
         .drops = {{"a", Drop::kBeyondScope, 4}}});
    add({.name = "NobodyBroadcastsIntoAnotherNetwork",
         .configuration = kRouted,
         .in = {{"a", full(in4("10.0.1.255"))}, {"a", full(in4("10.0.1.0"))}},
         .drops = {{"a", Drop::kDirectedBroadcast, 2}}});
    add({.name = "SourceRoutesAreNotFollowed",
         .configuration = kRouted,
         .in = {{"a", changed(full(in4().options(8)), 34, 131)},
                {"a", changed(full(in4().options(8)), 35, 137)}},
         .drops = {{"a", Drop::kSourceRoute, 2}}});
    add({.name = "MalformedIpHeaders",
         .configuration = kRouted,
         .in = {{"a", with_byte(full(in4()), 24, 0x55)},  // checksum
                {"a", changed(full(in4()), 14, 0x44)},    // shorter than a header
                {"a", changed(full(in4()), 14, 0x55)},    // version
                {"a", changed(full(in4()), 16, 0x10)},    // longer than the frame
                {"a", changed(full(in4()), 17, 10)},      // shorter than its header
                {"a", with_byte(full(in6()), 14, 0x40)},  // version
                {"a", with_byte(full(in6()), 18, 0x10)},  // longer than the frame
                {"a", Packet().eth(kA, kToBlue, 0x0800).payload(9)},
                {"a", Packet().eth(kA, kToBlue, 0x86dd).payload(39)}},
         .drops = {{"a", Drop::kMalformedIp, 9}}});
    add({.name = "NeitherIpNorArpForTheRouter",
         .configuration = kRouted,
         .in = {{"a", Packet().eth(kA, kToBlue).payload(50)}},
         .drops = {{"a", Drop::kNotForRouter, 1}}});
    const Bytes arp = Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.254");
    const auto solicitation = [](uint8_t hop_limit) {
        Bytes target = test::address_bytes("fd00:a::fe");
        target.insert(target.end(), {1, 1, 2, 0, 0, 0, 0, 0x0a});
        return Packet()
            .eth(kA, kToBlue)
            .ipv6("fd00:a::1", "fd00:a::fe")
            .ttl(hop_limit)
            .icmp(135, 0, 0)
            .payload(target);
    };
    add({.name = "MalformedArpAndNeighborDiscovery",
         .configuration = kRouted,
         .in = {{"a", with_byte(arp, 18, 7)},  // size of a MAC address
                {"a", Bytes(arp.begin(), arp.end() - 1)},
                {"a", solicitation(64)}},  // it has come over a router
         .drops = {{"a", Drop::kMalformedNeighbor, 3}}});
}

void add_conversation(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const auto echo = [](Packet packet) { return Bytes(packet.icmp_echo(5, 6).payload(56)); };
    const auto reply = [](std::string_view from) {
        return Bytes(
            Packet().eth(kToBlue, kA).ipv4(from, "10.0.0.1").icmp(0, 0, 5 << 16 | 6).payload(56));
    };
    add({.name = "TheRouterAnswersPings",
         .configuration = kRouted,
         .in = {{"a", echo(in4("10.0.0.254"))},
                {"a", echo(in4("10.0.1.254"))},
                {"a", echo(in6("fd00:a::fe"))}},
         .out = {{"a", reply("10.0.0.254")},
                 {"a", reply("10.0.1.254")},
                 {"a", Packet()
                           .eth(kToBlue, kA)
                           .ipv6("fd00:a::fe", "fd00:a::1")
                           .icmp(129, 0, 5 << 16 | 6)
                           .payload(56)}}});
    const Bytes udp = full(in4("10.0.0.254"));
    const Bytes other = in4("10.0.0.254", "10.0.0.1").payload(40);
    add({.name = "NobodyListensAtTheRouter",
         .configuration = kRouted,
         .in = {{"a", udp}, {"a", other}, {"a", in4("10.0.0.254").icmp(13, 0, 0).payload(12)}},
         .out = {{"a", error4(3, 3, udp)}, {"a", error4(3, 2, other)}},
         .drops = {{"a", Drop::kNoListener, 3}}});
    add({.name = "TheRouterAnswersArpAndNeighborDiscovery",
         .configuration = kRouted + port("c"),
         .in = {{"a", Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.254")},
                {"a", Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.77")}},
         .out = {
             {"a",
              padded(Packet().eth(kToBlue, kA).arp_reply(kToBlue, "10.0.0.254", kA, "10.0.0.1"))},
             {"c", Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.77")}}});

    const auto priority = [](std::string_view to) { return Packet().eth(kA, to).vlan(0x6000); };
    add({.name = "APriorityTagIsNoTagToTheRouter",
         .configuration = kRouted,
         .in = {{"a", priority(kBroadcast).arp_request(kA, "10.0.0.1", "10.0.0.254")},
                {"a", echo(priority(kToBlue).ipv4("10.0.0.1", "10.0.0.254"))},
                {"a", full(priority(kToBlue).ipv4("10.0.0.1", "10.0.1.2"))},
                {"a", full(priority(kToBlue).ipv6("fd00:a::1", "fd00:b::2"))},
                {"a", full(Packet().eth(kA, kToBlue).vlan(5).ipv4("10.0.0.1", "10.0.1.2"))}},
         .out = {{"a",
                  padded(Packet().eth(kToBlue, kA).arp_reply(kToBlue, "10.0.0.254", kA, "10.0.0.1"))},
                 {"a", reply("10.0.0.254")},
                 {"b", full(out4())},
                 {"b", full(out6())}},
         .drops = {{"a", Drop::kNotForRouter, 1}}});

    // A neighbor that has to be asked for, behind port b.
    const std::string kUnknown =
        "networks:\n"
        "  - {name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, "
        "'fd00:a::fe']}\n"
        "  - {name: red, subnets: [10.0.1.0/24, 'fd00:b::/64'], gateway: [10.0.1.254, "
        "'fd00:b::fe']}\nports:\n" +
        port("a") + port("b", "red");
    const Bytes question =
        padded(Packet().eth(kToRed, kBroadcast).arp_request(kToRed, "10.0.1.254", "10.0.1.2"));
    const Bytes answer = Packet().eth(kB, kToRed).arp_reply(kB, "10.0.1.2", kToRed, "10.0.1.254");
    add({.name = "AnUnknownNeighborIsAskedForAndItsPacketsWait",
         .configuration = kUnknown,
         .in =
             {{"a", full(in4())}, {"a", full(in4()), {}, {}, 2}, {"b", answer}, {"a", full(in4())}},
         .out = {{"b", question}, {"b", full(out4()), 4}}});
    const std::string kAbsent =
        "networks:\n"
        "  - {name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
        "  - {name: red, subnets: [10.0.1.0/24], gateway: [10.0.1.254]}\nports:\n" +
        port("a") + port("c", "red") + "  - {name: b, device: net_nosuch0, network: red, address: 10.0.1.2}\n";
    const Bytes to_absent = full(in4());
    add({.name = "NoPacketWaitsForADeclaredAddressWhosePortIsDown",
         .configuration = kAbsent,
         .in = {{"a", to_absent, {}, {}, 2}},
         .out = {{"c", question}, {"a", error4(3, 1, to_absent), 2}},
         .drops = {{"b", Drop::kPortDown, 2}}});
    add({.name = "NoMoreThanAFewPacketsWait",
         .configuration = kUnknown,
         .in = {{"a", full(in4()), {}, {}, 20}, {"b", answer}},
         .out = {{"b", question}, {"b", full(out4()), 16}},
         .drops = {{"a", Drop::kNeighborPending, 4}}});
    Bytes target = test::address_bytes("fd00:b::2");
    Bytes from_router = target;
    const Bytes router = test::mac_bytes(kToRed);
    from_router.insert(from_router.end(), {1, 1});
    from_router.insert(from_router.end(), router.begin(), router.end());
    target.insert(target.end(), {2, 1, 2, 0, 0, 0, 0, 0x0b});
    add({.name = "AnUnknownIpv6NeighborIsAskedFor",
         .configuration = kUnknown,
         .in = {{"a", full(in6())},
                {"b", Packet()
                          .eth(kB, kToRed)
                          .ipv6("fd00:b::2", "fd00:b::fe")
                          .ttl(255)
                          .icmp(136, 0, 0x6000'0000)
                          .payload(target)}},
         .out = {{"b", Packet()
                           .eth(kToRed, "33:33:ff:00:00:02")
                           .ipv6("fd00:b::fe", "ff02::1:ff00:2")
                           .ttl(255)
                           .icmp(135, 0, 0)
                           .payload(from_router)},
                 {"b", full(out6())}}});
    add({.name = "NobodyTakesTheRoutersMacAddressForItsOwn",
         .configuration = kUnknown,
         .in = {{"a", full(in4())},
                {"b", Packet().eth(kB, kToRed).arp_reply(kToRed, "10.0.1.2", kToRed, "10.0.1.254")},
                {"b", answer}},
         .out = {{"b", question}, {"b", full(out4())}},
         .drops = {{"b", Drop::kForeignMac, 1}}});
}

void add_flat(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kFlat =
        "networks: [{name: blue, subnets: [10.0.0.0/24], flat: true}]\nports:\n" + port("a") +
        port("b", "blue", ", mac: '" + std::string(kB) + "', address: [10.0.0.2]");
    add({.name = "ThePodsOfAFlatNetworkAreNotBridged",
         .configuration = kFlat,
         .in = {{"b", Packet().eth(kB, kBroadcast).arp_request(kB, "10.0.0.2", "10.0.0.1")},
                {"a", plain(kA, kB)},
                {"a", plain(kA, kBroadcast)}},
         .out = {{"b",
                  padded(
                      Packet().eth(kToBlue, kB).arp_reply(kToBlue, "10.0.0.1", kB, "10.0.0.2"))}},
         .drops = {{"a", Drop::kFlatNetwork, 2}}});
    add({.name = "ThePodsOfAFlatNetworkAreRouted",
         .configuration = kFlat,
         .in = {{"b", Packet().eth(kB, kBroadcast).arp_request(kB, "10.0.0.2", "169.254.1.1")},
                {"a", full(Packet().eth(kA, kToBlue).ipv4("10.0.0.1", "10.0.0.2"))}},
         .out = {
             {"b",
              padded(Packet().eth(kToBlue, kB).arp_reply(kToBlue, "169.254.1.1", kB, "10.0.0.2"))},
             {"b", full(Packet().eth(kToBlue, kB).ipv4("10.0.0.1", "10.0.0.2").ttl(63))}}});
}

}  // namespace

std::vector<Row> route_rows() {
    std::vector<Row> rows;
    add_forwarding(rows);
    add_errors(rows);
    add_refusals(rows);
    add_conversation(rows);
    add_flat(rows);
    return rows;
}

}  // namespace sluice::golden
