// Services and NAT: what becomes of packets whose addresses and ports the switch changes.
#include "golden/translation_world.h"

namespace sluice::golden {
namespace {

using namespace translation;

void add_masquerade(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "MasqueradedTcp",
         .configuration = kAll,
         .in = {{"a", from_a(kW4).tcp(5000, 80, Tcp::kSyn)},
                {"d", from_w(kOut4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                {"a", from_a(kW4).tcp(5000, 80, test::kAck, 2).payload(101)}},
         .out = {{"d", to_w(kOut4).tcp(5000, 80, Tcp::kSyn)},
                 {"a", to_a(kW4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"d", to_w(kOut4).tcp(5000, 80, test::kAck, 2).payload(101)}}});
    add({.name = "MasqueradedUdp",
         .configuration = kAll,
         .in = {{"a", from_a(kW4).udp(5000, 53).payload(33), {}, {}, 2},
                {"a", from_a(kW4).udp(5000, 53).payload(33).without_checksum()},
                {"a", from_a(kW4).udp(5000, 53).payload(33), {}, {20, 3, 13}},
                {"d", from_w(kOut4).udp(53, 5000).payload(44)}},
         .out = {{"d", to_w(kOut4).udp(5000, 53).payload(33), 2},
                 {"d", to_w(kOut4).udp(5000, 53).payload(33).without_checksum()},
                 {"d", to_w(kOut4).udp(5000, 53).payload(33)},
                 {"a", to_a(kW4).udp(53, 5000).payload(44)}}});
    add({.name = "MasqueradedUdpBehindOptions",
         .configuration = kAll,
         .in = {{"a", from_a(kW4).options(8).udp(5000, 53).payload(33), {}, {}, 2},
                {"d", from_w(kOut4).options(4).udp(53, 5000).payload(44)}},
         .out = {{"d", to_w(kOut4).options(8).udp(5000, 53).payload(33), 2},
                 {"a", to_a(kW4).options(4).udp(53, 5000).payload(44)}}});
    add({.name = "MasqueradedEcho",
         .configuration = kAll,
         .in = {{"a", ping(from_a(kW4))}, {"d", pong(from_w(kOut4))}},
         .out = {{"d", ping(to_w(kOut4))}, {"a", pong(to_a(kW4))}}});
    add({.name = "MasqueradedGre",
         .configuration = kAll,
         .in = {{"a", from_a(kW4, 47).payload(40)}, {"d", from_w(kOut4, 47).payload(41)}},
         .out = {{"d", to_w(kOut4, 47).payload(40)}, {"a", to_a(kW4, 47).payload(41)}}});
    // Of a protocol without ports one connection to a server has room.
    add({.name = "MasqueradedGreOfTwo",
         .configuration = kAll,
         .in = {{"a", from_a(kW4, 47).payload(40)}, {"b", from_b(kW4, 47).payload(40)}},
         .out = {{"d", to_w(kOut4, 47).payload(40)}},
         .drops = {{"b", Drop::kNatExhausted, 1}}});
    add({.name = "MasqueradedIpv6",
         .configuration = kAll,
         .in = {{"a", from_a6(kW6).tcp(5000, 80, Tcp::kSyn)},
                {"d", from_w6(kOut6).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                {"b", from_b6(kW6).extension(60, 16).udp(5001, 53).payload(9), {}, {}, 2},
                {"d", from_w6(kOut6).udp(53, 5001).payload(9)},
                {"a", ping(from_a6(kW6))},
                {"d", pong(from_w6(kOut6), 7000, true)}},
         .out = {{"d", to_w6(kOut6).tcp(5000, 80, Tcp::kSyn)},
                 {"a", to_a6(kW6).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"d", to_w6(kOut6).extension(60, 16).udp(5001, 53).payload(9), 2},
                 {"b", to_b6(kW6).udp(53, 5001).payload(9)},
                 {"d", ping(to_w6(kOut6))},
                 {"a", pong(to_a6(kW6), 7000, true)}}});
    add({.name = "NothingFromOutsideReachesAMapping",
         .configuration = kAll,
         .in = {{"a", from_a(kW4).udp(5000, 53).payload(33)},
                {"d", from_w(kOut4).udp(54, 5000).payload(33)}},
         .out = {{"d", to_w(kOut4).udp(5000, 53).payload(33)},
                 {"d", error(Packet().eth(kOut, kMacOfW).ipv4(kOut4, kW4).traffic_class(0xc0).fragment(0), 3, 3,
                             from_w(kOut4).udp(54, 5000).payload(33), 548)}},
         .drops = {{"d", Drop::kNoListener, 1}}});
    add({.name = "NothingIsMasqueradedWithinANetwork",
         .configuration = kAll,
         .in = {{"a", from_a(kB4).udp(5000, 53).payload(33)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(5001, 53).payload(33)}},
         .out = {{"b", to_b(kA4).udp(5000, 53).payload(33)},
                 {"b", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(5001, 53).payload(33)}}});
}

void add_static(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "AStaticAddressFromInside",
         .configuration = kAll,
         .in = {{"c", from_c(kW4).tcp(80, 80, Tcp::kSyn)},
                {"d", from_w(kStatic4).tcp(80, 80, Tcp::kSyn | Tcp::kAck)},
                {"c", ping(from_c(kW4))},
                {"d", pong(from_w(kStatic4))},
                {"c", from_c(kW4, 47).payload(9)}},
         .out = {{"d", to_w(kStatic4).tcp(80, 80, Tcp::kSyn)},
                 {"c", to_c(kW4).tcp(80, 80, Tcp::kSyn | Tcp::kAck)},
                 {"d", ping(to_w(kStatic4))},
                 {"c", pong(to_c(kW4))},
                 {"d", to_w(kStatic4, 47).payload(9)}}});
    add({.name = "AStaticAddressFromOutside",
         .configuration = kAll,
         .in = {{"d", from_w(kStatic4).udp(99, 100).payload(1)},
                {"c", from_c(kW4).udp(100, 99).payload(2)},
                {"d", ping(from_w(kStatic4))},
                {"c", pong(from_c(kW4))}},
         .out = {{"c", to_c(kW4).udp(99, 100).payload(1)},
                 {"d", to_w(kStatic4).udp(100, 99).payload(2)},
                 {"c", ping(to_c(kW4))},
                 {"d", pong(to_w(kStatic4))}}});
    // The address is that host's within its own network, too.
    add({.name = "AStaticAddressFromANeighbor",
         .configuration = kAll,
         .in = {{"b", from_b(kStatic4).udp(99, 100).payload(1)},
                {"c", Packet().eth(kMacOfC, kMacOfB).ipv4(kC4, kB4).udp(100, 99).payload(2)}},
         .out = {{"c", to_c(kB4).udp(99, 100).payload(1)}, {"b", to_b(kStatic4).udp(100, 99).payload(2)}}});
}

void add_published(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "APublishedPort",
         .configuration = kAll,
         .in = {{"d", from_w(kOut4).tcp(5000, 8080, Tcp::kSyn)},
                {"a", from_a(kW4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                {"d", from_w(kOut4).tcp(5000, 8080, test::kAck, 2).payload(7)}},
         .out = {{"a", to_a(kW4).tcp(5000, 80, Tcp::kSyn)},
                 {"d", to_w(kOut4).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"a", to_a(kW4).tcp(5000, 80, test::kAck, 2).payload(7)}}});
    add({.name = "APublishedPortFromANeighbor",
         .configuration = kAll,
         .in = {{"b", from_b(kOut4).tcp(5000, 8080, Tcp::kSyn)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)}},
         .out = {{"a", to_a(kB4).tcp(5000, 80, Tcp::kSyn)},
                 {"b", to_b(kOut4).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)}}});
    add({.name = "APublishedPortOfOnesOwn",
         .configuration = kAll,
         .in = {{"a", from_a(kOut4).tcp(5000, 8080, Tcp::kSyn)},
                {"a", from_a(kOut4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)}},
         .out = {{"a", to_a(kOut4).tcp(5000, 80, Tcp::kSyn)},
                 {"a", to_a(kOut4).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)}}});
}

void add_services(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "AServiceFromAnotherNetwork",
         .configuration = kAll,
         .in = {{"d", from_w(kShop4).tcp(5000, 80, Tcp::kSyn)},
                {"a", from_a(kW4).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)},
                {"d", from_w(kShop4).udp(5000, 53).payload(3)},
                {"a", from_a(kW4).udp(53, 5000).payload(4)}},
         .out = {{"a", to_a(kW4).tcp(5000, 8080, Tcp::kSyn)},
                 {"d", to_w(kShop4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"a", to_a(kW4).udp(5000, 53).payload(3)},
                 {"d", to_w(kShop4).udp(53, 5000).payload(4)}}});
    // Its answer is bridged, as the back end sees its client in its own network.
    add({.name = "AServiceFromItsBackEndsNetwork",
         .configuration = kAll,
         .in = {{"b", from_b(kShop4).tcp(5000, 80, Tcp::kSyn)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)},
                {"b", from_b(kShop4).tcp(5000, 80, test::kAck, 2).payload(5)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).tcp(8080, 5000, test::kAck, 2).payload(6), {}, {}, 2}},
         .out = {{"a", to_a(kB4).tcp(5000, 8080, Tcp::kSyn)},
                 {"b", to_b(kShop4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)},
                 {"a", to_a(kB4).tcp(5000, 8080, test::kAck, 2).payload(5)},
                 {"b", to_b(kShop4).tcp(80, 5000, test::kAck, 2).payload(6), 2}}});
    add({.name = "AnIpv6Service",
         .configuration = kAll,
         .in = {{"b", from_b6(kShop6).tcp(5000, 80, Tcp::kSyn)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv6(kA6, kB6).tcp(8080, 5000, Tcp::kSyn | Tcp::kAck)}},
         .out = {{"a", to_a6(kB6).tcp(5000, 8080, Tcp::kSyn)},
                 {"b", to_b6(kShop6).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)}}});
    add({.name = "APodReachesItself",
         .configuration = kAll,
         .in = {{"a", from_a(kShop4).udp(5000, 53).payload(5)}, {"a", from_a(kShop4).udp(53, 5000).payload(6)}},
         .out = {{"a", to_a(kShop4).udp(5000, 53).payload(5)}, {"a", to_a(kShop4).udp(53, 5000).payload(6)}}});
    // What acknowledges nothing has zeros there, and in its window.
    Bytes reset = Packet().eth(kPods, kMacOfB).ipv4(kIdle4, kB4).fragment(0x4000).id(0).tcp(80, 5000, Tcp::kRst, 77);
    const uint32_t sum = (reset[50] << 8 | reset[51]) + reset[45] + (reset[48] << 8 | reset[49]);
    reset[50] = static_cast<uint8_t>((sum + (sum >> 16)) >> 8);
    reset[51] = static_cast<uint8_t>(sum + (sum >> 16));
    reset[45] = reset[48] = reset[49] = 0;
    add({.name = "AServiceWithoutBackEnds",
         .configuration = kAll,
         .in = {{"b", from_b(kIdle4).tcp(5000, 80, test::kAck, 9)}, {"b", from_b(kIdle4).udp(5000, 53).payload(5)}},
         .out = {{"b", reset},
                 {"b", switch_error(kMacOfB, kB4, 3, 3, from_b(kIdle4).udp(5000, 53).payload(5))}},
         .drops = {{"b", Drop::kNoEndpoint, 2}}});
    add({.name = "AnotherPortOfAServicesAddress",
         .configuration = kAll,
         .in = {{"b", from_b(kShop4).udp(5000, 54).payload(5)}, {"b", from_b(kShop4, 47).payload(5)}},
         .out = {{"b", switch_error(kMacOfB, kB4, 3, 3, from_b(kShop4).udp(5000, 54).payload(5))},
                 {"b", switch_error(kMacOfB, kB4, 3, 3, from_b(kShop4, 47).payload(5))}},
         .drops = {{"b", Drop::kNoServicePort, 2}}});
    add({.name = "AnEchoToAServicesAddress",
         .configuration = kAll,
         .in = {{"b", ping(from_b(kShop4))}, {"b", ping(from_b6(kShop6))}, {"b", ping(from_b(kStatic4))}},
         .out = {{"b", pong(Packet().eth(kPods, kMacOfB).ipv4(kShop4, kB4))},
                 {"b", pong(Packet().eth(kPods, kMacOfB).ipv6(kShop6, kB6), 7000, true)},
                 {"c", ping(to_c(kB4))}}});
    add({.name = "OutsideAddressesAnswerOnTheirLink",
         .configuration = kAll,
         .in = {{"d", Packet().eth(kMacOfW, kBroadcast).arp_request(kMacOfW, kW4, kStatic4)},
                {"d", Packet().eth(kMacOfW, kBroadcast).arp_request(kMacOfW, kW4, kEdge4)},
                {"d", Packet().eth(kMacOfW, kBroadcast).arp_request(kMacOfW, kW4, kOut4)},
                {"d", Packet().eth(kMacOfW, kBroadcast).arp_request(kMacOfW, kW4, "192.0.2.34")}},
         .out = {{"d", padded(Packet().eth(kOut, kMacOfW).arp_reply(kOut, kStatic4, kMacOfW, kW4))},
                 {"d", padded(Packet().eth(kOut, kMacOfW).arp_reply(kOut, kEdge4, kMacOfW, kW4))},
                 {"d", padded(Packet().eth(kOut, kMacOfW).arp_reply(kOut, kOut4, kMacOfW, kW4))}},
         .drops = {{"d", Drop::kNoMember, 1}}});
    add({.name = "AStaticAddressOfOnesOwn",
         .configuration = kAll,
         .in = {{"c", from_c(kStatic4).udp(99, 100).payload(1)}, {"c", from_c(kStatic4).udp(100, 99).payload(2)}},
         .out = {{"c", to_c(kStatic4).udp(99, 100).payload(1)}, {"c", to_c(kStatic4).udp(100, 99).payload(2)}}});
    add({.name = "AnExternalAddressOfAService",
         .configuration = kAll,
         .in = {{"d", from_w(kEdge4).tcp(5000, 80, Tcp::kSyn)},
                {"b", from_b(kW4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)}},
         .out = {{"b", to_b(kW4).tcp(5000, 80, Tcp::kSyn)},
                 {"d", to_w(kEdge4).tcp(80, 5000, Tcp::kSyn | Tcp::kAck)}}});
}

Bytes part(size_t begin, size_t size) {
    const Bytes whole = test::pattern(begin + size);
    return Bytes(whole.begin() + static_cast<ptrdiff_t>(begin), whole.end());
}

void add_odd_packets(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "AnUnfinishedChecksumIsTranslated",
         .configuration = kAll,
         .in = {{"a", from_a(kW4).tcp(5000, 80, Tcp::kSyn).unfinished(), Unfinished{}},
                {"a", from_a(kW4).udp(5000, 53).payload(9).unfinished(), Unfinished{.l4_len = 8, .udp = true}},
                {"b", from_b6(kShop6).tcp(5000, 80, Tcp::kSyn).unfinished(),
                 Unfinished{.l3_len = 40, .ipv6 = true}}},
         .out = {{"d", to_w(kOut4).tcp(5000, 80, Tcp::kSyn)},
                 {"d", to_w(kOut4).udp(5000, 53).payload(9)},
                 {"a", to_a6(kB6).tcp(5000, 8080, Tcp::kSyn)}}});
    add({.name = "ASegmentIsTranslatedAndCut",
         .configuration = kAll,
         .in = {{"b", from_b(kShop4).tcp(5000, 80, Tcp::kSyn)},
                {"b", from_b(kShop4).tcp(5000, 80, test::kAck, 2).payload(3000).unfinished(),
                 Unfinished{.segment_size = 1448}, {60}}},
         .out = {{"a", to_a(kB4).tcp(5000, 8080, Tcp::kSyn)},
                 {"a", to_a(kB4).tcp(5000, 8080, test::kAck, 2).payload(part(0, 1448))},
                 {"a", to_a(kB4).id(2).tcp(5000, 8080, test::kAck, 1450).payload(part(1448, 1448))},
                 {"a", to_a(kB4).id(3).tcp(5000, 8080, test::kAck, 2898).payload(part(2896, 104))}}});
    // The first one makes the connection. A later one that comes before it waits for it.
    const auto first = [](Packet packet) { return packet.fragment(0x2000).id(77); };
    const auto later = [](Packet packet) { return packet.fragment(0x0004).id(77).payload(16); };
    add({.name = "FragmentsAreTranslated",
         .configuration = kAll,
         .in = {{"a", first(from_a(kW4)).udp(5000, 53).payload(24)},
                {"a", later(from_a(kW4, 17))},
                {"d", first(from_w(kOut4)).udp(53, 5000).payload(24)},
                {"d", later(from_w(kOut4, 17))}},
         .out = {{"d", first(to_w(kOut4)).udp(5000, 53).payload(24)},
                 {"d", later(to_w(kOut4, 17))},
                 {"a", first(to_a(kW4)).udp(53, 5000).payload(24)},
                 {"a", later(to_a(kW4, 17))}}});
    add({.name = "ALaterFragmentThatComesFirst",
         .configuration = kAll,
         .in = {{"b", later(from_b(kShop4, 17))}, {"b", first(from_b(kShop4)).udp(5000, 53).payload(24)}},
         .out = {{"a", first(to_a(kB4)).udp(5000, 53).payload(24)}, {"a", later(to_a(kB4, 17))}}});
    add({.name = "BridgedFragmentsOfAnAnswer",
         .configuration = kAll,
         .in = {{"b", from_b(kShop4).udp(5000, 53).payload(1)},
                {"a", later(Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4, 17))},
                {"a", first(Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4)).udp(53, 5000).payload(24)}},
         .out = {{"a", to_a(kB4).udp(5000, 53).payload(1)},
                 {"b", first(to_b(kShop4)).udp(53, 5000).payload(24)},
                 {"b", later(to_b(kShop4, 17))}}});
    const auto later6 = [](Packet packet) {
        Bytes bytes = packet.ipv6_fragment(32, false, 9).payload(16);
        bytes[14 + 40] = 17;
        return bytes;
    };
    const auto first6 = [](Packet packet, uint16_t from, uint16_t to) {
        return packet.ipv6_fragment(0, true, 9).udp(from, to).payload(24).bytes();
    };
    add({.name = "Ipv6FragmentsAreTranslated",
         .configuration = kAll,
         .in = {{"a", later6(from_a6(kW6))},
                {"a", first6(from_a6(kW6), 5000, 53)},
                {"d", first6(from_w6(kOut6), 53, 5000)},
                {"d", later6(from_w6(kOut6))}},
         .out = {{"d", first6(to_w6(kOut6), 5000, 53)},
                 {"d", later6(to_w6(kOut6))},
                 {"a", first6(to_a6(kW6), 53, 5000)},
                 {"a", later6(to_a6(kW6))}}});
    add({.name = "TheLastHopIsToldOfWhatItSent",
         .configuration = kAll,
         .in = {{"b", from_b(kShop4).ttl(1).udp(5000, 53).payload(5)},
                {"b", from_b(kW4).ttl(1).udp(5000, 53).payload(5)},
                {"b", from_b(kShop4).udp(5000, 53).payload(5)},
                {"b", from_b(kShop4).ttl(1).udp(5000, 53).payload(5)}},
         .out = {{"b", switch_error(kMacOfB, kB4, 11, 0, from_b(kShop4).ttl(1).udp(5000, 53).payload(5))},
                 {"b", switch_error(kMacOfB, kB4, 11, 0, from_b(kW4).ttl(1).udp(5000, 53).payload(5))},
                 {"a", to_a(kB4).udp(5000, 53).payload(5)},
                 {"b", switch_error(kMacOfB, kB4, 11, 0, from_b(kShop4).ttl(1).udp(5000, 53).payload(5))}},
         .drops = {{"b", Drop::kTtlExceeded, 3}}});
    const Bytes big = from_a(kW4).fragment(0x4000).udp(5000, 53).payload(1000);
    add({.name = "TooBigIsToldOfWhatWasSent",
         .configuration = networks_and_ports(", mtu: 600") + kRules,
         .in = {{"a", big}, {"a", big}},
         .out = {{"a", switch_error(kMacOfA, kA4, 3, 4, big, 600), 2}},
         .drops = {{"a", Drop::kFragmentationNeeded, 2}}});
    // Nobody is told of a later fragment.
    Bytes fragment = from_a(kW4, 17).fragment(0x4004).id(77).payload(1000);
    add({.name = "ALaterFragmentThatIsTooBig",
         .configuration = networks_and_ports(", mtu: 600") + kRules,
         .in = {{"a", first(from_a(kW4)).udp(5000, 53).payload(24)}, {"a", fragment}},
         .out = {{"d", first(to_w(kOut4)).udp(5000, 53).payload(24)}},
         .drops = {{"a", Drop::kFragmentationNeeded, 1}}});
}

void add_errors(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    // Each names what its receiver has sent.
    const Bytes query = from_a(kW4).udp(5000, 53).payload(33);
    const Bytes outside = to_w(kOut4).udp(5000, 53).payload(33);
    add({.name = "AnErrorAboutAMasqueradedPacket",
         .configuration = kAll,
         .in = {{"a", query},
                {"d", error(from_w(kOut4), 3, 3, outside)},
                {"d", error(from_w(kOut4), 11, 0, outside, 61)}},
         .out = {{"d", outside},
                 {"a", error(to_a(kW4), 3, 3, to_w(kA4).udp(5000, 53).payload(33))},
                 {"a", error(to_a(kW4), 11, 0, to_w(kA4).udp(5000, 53).payload(33), 61)}}});
    const Bytes asked = from_b(kShop4).udp(5000, 53).payload(33);
    const Bytes served = to_a(kB4).udp(5000, 53).payload(33);
    const Bytes as_sent = Packet().eth().ipv4(kB4, kShop4).ttl(63).udp(5000, 53).payload(33);
    add({.name = "AnErrorOfABackEnd",
         .configuration = kAll,
         .in = {{"b", asked},
                {"a", error(Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4), 3, 3, served)},
                {"a", error(from_a(kB4), 3, 3, served, 61)}},
         .out = {{"a", served},
                 {"b", error(to_b(kShop4), 3, 3, as_sent)},
                 {"b", error(to_b(kShop4), 3, 3, as_sent, 61)}}});
    // Of the client, about an answer.
    const Bytes answer = Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(53, 5000).payload(20);
    const Bytes answered = to_b(kShop4).udp(53, 5000).payload(20);
    const Bytes as_answered = Packet().eth().ipv4(kA4, kB4).ttl(63).udp(53, 5000).payload(20);
    add({.name = "AnErrorOfAClient",
         .configuration = kAll,
         .in = {{"b", asked}, {"a", answer}, {"b", error(from_b(kShop4), 3, 3, answered)}},
         .out = {{"a", served}, {"b", answered}, {"a", error(to_a(kB4), 3, 3, as_answered)}}});
    const Bytes reply = from_w(kOut4).udp(53, 5000).payload(20);
    add({.name = "AnErrorOfAMasqueradedHost",
         .configuration = kAll,
         .in = {{"a", query}, {"d", reply}, {"a", error(from_a(kW4), 3, 3, to_a(kW4).udp(53, 5000).payload(20))}},
         .out = {{"d", outside},
                 {"a", to_a(kW4).udp(53, 5000).payload(20)},
                 {"d", error(to_w(kOut4), 3, 3, Packet().eth().ipv4(kW4, kOut4).ttl(63).udp(53, 5000).payload(20))}}});
    const Bytes query6 = from_a6(kW6).udp(5000, 53).payload(33);
    const Bytes outside6 = to_w6(kOut6).udp(5000, 53).payload(33);
    add({.name = "AnErrorAboutAnIpv6Packet",
         .configuration = kAll,
         .in = {{"a", query6}, {"d", error(from_w6(kOut6), 1, 4, outside6, 81)}},
         .out = {{"d", outside6}, {"a", error(to_a6(kW6), 1, 4, to_w6(kA6).udp(5000, 53).payload(33), 81)}}});
    add({.name = "AnErrorAboutAnEcho",
         .configuration = kAll,
         .in = {{"a", ping(from_a(kW4))}, {"d", error(from_w(kOut4), 3, 1, ping(to_w(kOut4)))}},
         .out = {{"d", ping(to_w(kOut4))}, {"a", error(to_a(kW4), 3, 1, ping(to_w(kA4)))}}});
    // It shows the packet as it was before: not of anybody who has seen it behind the switch.
    add({.name = "AnErrorThatQuotesWhatWasNeverSeen",
         .configuration = kAll,
         .in = {{"b", asked}, {"c", error(from_c(kB4), 3, 3, asked)}},
         .out = {{"a", served}, {"b", error(to_b(kC4), 3, 3, asked)}}});
    add({.name = "AnErrorToAnOutsideAddressAboutNothing",
         .configuration = kAll,
         .in = {{"d", error(from_w(kOut4), 3, 3, to_w(kOut4).udp(5000, 53).payload(33))}},
         .drops = {{"d", Drop::kNoListener, 1}}});
    add({.name = "AMessageToAnOutsideAddressThatNoConnectionHas",
         .configuration = kAll,
         .in = {{"d", from_w("192.0.2.10").icmp(13, 0, 0).payload(12)},
                {"d", error(from_w("192.0.2.10"), 3, 3, to_w("192.0.2.10").udp(5000, 53).payload(33))}},
         .drops = {{"d", Drop::kNoListener, 2}}});
    // Behind the datagram's end stands nothing that a checksum covers.
    Bytes trailed = error(from_w(kOut4), 3, 3, to_w(kOut4).tcp(5000, 80, Tcp::kSyn), 28);
    trailed.resize(trailed.size() + 30, 0xee);
    Bytes without = error(to_a(kW4), 3, 3, to_w(kA4).tcp(5000, 80, Tcp::kSyn), 28);
    without.resize(without.size() + 30, 0xee);
    add({.name = "AnErrorWithATrailer",
         .configuration = kAll,
         .in = {{"a", from_a(kW4).tcp(5000, 80, Tcp::kSyn)}, {"d", trailed}},
         .out = {{"d", to_w(kOut4).tcp(5000, 80, Tcp::kSyn)}, {"a", without}}});
}

void add_policies(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const auto acl = [](const std::string& where, const std::string& rules) {
        return kAll + "acls:\n  - {name: l, apply: {" + where + "}, rules: [" + rules + "]}\n";
    };
    // The client's egress sees the back end, the back end's ingress the client.
    add({.name = "AnEgressAclSeesTheBackEnd",
         .configuration = acl("port: b, direction: egress",
                              "{permit: {proto: tcp, to: [10.0.0.1/32], port: 8080}}, {deny: {}}"),
         .in = {{"b", from_b(kShop4).tcp(5000, 80, Tcp::kSyn)}, {"b", from_b(kShop4).udp(5000, 53).payload(5)}},
         .out = {{"a", to_a(kB4).tcp(5000, 8080, Tcp::kSyn)}},
         .drops = {{"b", Drop::kDenied, 1}}});
    add({.name = "AnIngressAclSeesTheClient",
         .configuration = acl("port: a, direction: ingress", "{permit: {from: [10.0.0.2/32]}}, {reject: {}}"),
         .in = {{"b", from_b(kShop4).udp(5000, 53).payload(5)}, {"c", from_c(kShop4).udp(5000, 53).payload(5)}},
         .out = {{"a", to_a(kB4).udp(5000, 53).payload(5)},
                 {"c", switch_error(kMacOfC, kC4, 3, 13, from_c(kShop4).udp(5000, 53).payload(5))}},
         .drops = {{"c", Drop::kRejected, 1}}});
    add({.name = "AnIngressAclSeesWhoIsMasqueraded",
         .configuration = acl("port: d, direction: ingress", "{permit: {from: [10.0.0.1/32]}}, {deny: {}}"),
         .in = {{"a", from_a(kW4).udp(5000, 53).payload(5)}, {"b", from_b(kW4).udp(5000, 53).payload(5)}},
         .out = {{"d", to_w(kOut4).udp(5000, 53).payload(5)}},
         .drops = {{"b", Drop::kDenied, 1}}});
    // Answers pass where the connection does.
    add({.name = "AnAnswerPassesAStatefulAcl",
         .configuration = acl("port: b, direction: ingress", "{deny: {}}"),
         .in = {{"b", from_b(kShop4).udp(5000, 53).payload(5)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(53, 5000).payload(6)},
                {"a", Packet().eth(kMacOfA, kMacOfB).ipv4(kA4, kB4).udp(53, 5001).payload(6)}},
         .out = {{"a", to_a(kB4).udp(5000, 53).payload(5)}, {"b", to_b(kShop4).udp(53, 5000).payload(6)}},
         .drops = {{"a", Drop::kDenied, 1}}});
}

// An address that is the switch's is nobody else's.
void add_claims(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string open = "networks:\n"
                             "  - {name: out, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
                             "ports:\n" + port("a", "out") + port("b", "out") +
                             "services:\n"
                             "  - {name: edge, address: [192.0.2.10, 10.96.0.10], ports: [{port: 53, proto: udp}],\n"
                             "     backends: [{address: 192.0.2.2}]}\n"
                             "nat:\n"
                             "  - {static: {inside: 10.0.0.3, outside: 192.0.2.33}, out: out}\n";
    for (const auto& [name, address] : {std::pair{"AServicesAddressIsClaimed", kEdge4},
                                        std::pair{"AnOutsideAddressIsClaimed", kStatic4}}) {
        add({.name = name,
             .configuration = open,
             .in = {{"a", Packet().eth(kA, kBroadcast).arp_request(kA, address, address)},
                    {"a", Packet().eth(kA, kBroadcast).arp_reply(kA, address, kA, address)}},
             .drops = {{"a", Drop::kForeignAddress, 2}}});
    }
    add({.name = "AServicesAddressAsSource",
         .configuration = open,
         .in = {{"a", Packet().eth(kA, kB).ipv4(kEdge4, "192.0.2.2").udp(53, 5000)},
                {"a", Packet().eth(kA, kB).ipv4(kStatic4, "192.0.2.2").udp(53, 5000)},
                {"a", Packet().eth(kA, kB).ipv4(kShop4, "192.0.2.2").udp(53, 5000)}},
         .drops = {{"a", Drop::kForeignAddress, 3}}});
}

}  // namespace

std::vector<Row> translation_rows() {
    std::vector<Row> rows;
    add_masquerade(rows);
    add_static(rows);
    add_published(rows);
    add_services(rows);
    add_odd_packets(rows);
    add_errors(rows);
    add_policies(rows);
    add_claims(rows);
    return rows;
}

}  // namespace sluice::golden
