// ACLs and the connections that they let in.
#include "golden/row.h"
#include "wire/headers.h"

namespace sluice::golden {
namespace {

using Tcp = wire::TcpHeader;

const std::string kToBlue = router_of("blue");
const std::string kToRed = router_of("red");

// A at port a, B at port b, C at port c of one bridge, where each is known.
const std::string kStations = "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], static: ["
                              "{mac: '" + std::string(kA) + "', port: a}, "
                              "{mac: '" + std::string(kB) + "', port: b}, "
                              "{mac: '" + std::string(kC) + "', port: c}]}]\nports:\n" +
                              port("a") + port("b") + port("c");

std::string acl(const std::string& apply, const std::string& rules) {
    return "acls: [{name: edge, apply: {" + apply + "}, rules: [" + rules + "]}]\n";
}

const std::string kIntoB = "port: b, direction: ingress";
const std::string kWeb = "{permit: {proto: tcp, port: 80}}";

Packet ab() { return Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2"); }
Packet ba() { return Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1"); }
Packet ab6() { return Packet().eth(kA, kB).ipv6("fd00::1", "fd00::2"); }
Packet ba6() { return Packet().eth(kB, kA).ipv6("fd00::2", "fd00::1"); }
Bytes syn(uint16_t to = 80) { return ab().tcp(1234, to, Tcp::kSyn).payload(20); }
Bytes udp(Packet packet, uint16_t from, uint16_t to) { return packet.udp(from, to).payload(20); }

void add_rules(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "PolicyPermitsAndDenies",
         .configuration = kStations + acl(kIntoB, kWeb),
         .in = {{"a", syn()}, {"a", syn(81)}, {"a", syn(), {}, {}, 3}, {"a", udp(ab(), 80, 80)}},
         .out = {{"b", syn(), 4}},
         .drops = {{"a", Drop::kDenied, 2}}});
    add({.name = "PolicyIsForItsPortAlone",
         .configuration = kStations + acl(kIntoB, "{deny: {}}"),
         .in = {{"a", plain(kA, kC)}, {"c", plain(kC, kA)}},
         .out = {{"c", plain(kA, kC)}, {"a", plain(kC, kA)}}});
    add({.name = "PolicyOfWhatIsSent",
         .configuration = kStations + acl("port: a, direction: egress", kWeb),
         .in = {{"a", syn()}, {"a", syn(81)}, {"b", udp(ba(), 1, 2)}},
         .out = {{"b", syn()}, {"a", udp(ba(), 1, 2)}},
         .drops = {{"a", Drop::kDenied, 1}}});
    add({.name = "PolicyOfANetworkIsForEachOfItsPorts",
         .configuration = kStations + acl("network: blue, direction: ingress", kWeb),
         .in = {{"a", syn()}, {"a", udp(ab(), 1, 2)}, {"c", udp(Packet().eth(kC, kA).ipv4("10.0.0.3", "10.0.0.1"), 1, 2)}},
         .out = {{"b", syn()}},
         .drops = {{"a", Drop::kDenied, 1}, {"c", Drop::kDenied, 1}}});
    add({.name = "PolicyOfTheSourcesPrefixAndOfSets",
         .configuration = kStations + "address-sets: [{name: friends, addresses: [10.0.0.1, 'fd00::1']}]\n" +
                          acl(kIntoB, "{permit: {from: [friends]}}"),
         .in = {{"a", udp(ab(), 1, 2)}, {"a", udp(ab6(), 1, 2)},
                {"c", udp(Packet().eth(kC, kB).ipv4("10.0.0.3", "10.0.0.2"), 1, 2)}},
         .out = {{"b", udp(ab(), 1, 2)}, {"b", udp(ab6(), 1, 2)}},
         .drops = {{"c", Drop::kDenied, 1}}});
    add({.name = "PolicyLeavesArpAndNeighborDiscoveryAlone",
         .configuration = kStations + acl("network: blue, direction: ingress", "{deny: {}}"),
         .in = {{"a", Packet().eth(kA, kB).arp_request(kA, "10.0.0.1", "10.0.0.2")},
                {"a", ab6().ttl(255).icmp(135, 0, 0).payload(16)}},
         .out = {{"b", Packet().eth(kA, kB).arp_request(kA, "10.0.0.1", "10.0.0.2")},
                 {"b", ab6().ttl(255).icmp(135, 0, 0).payload(16)}}});
    // MPLS, PPPoE in its two stages, a tag that no standard knows, a length (LLC), RARP.
    const auto typed = [](uint16_t type) -> Bytes { return Packet().eth(kA, kB, type).payload(60); };
    const std::vector<uint16_t> types = {0x8847, 0x8848, 0x8863, 0x8864, 0x9100, 60, 0x8035};
    const auto under = [](const std::string& name, const std::string& rule) {
        return Row{.name = name, .configuration = kStations + acl(kIntoB, rule), .in = {}};
    };
    Row denied = under("PolicyDeniesWhatIsNotIp", "{deny: {}}");
    Row ended = under("PolicyWithoutARuleForWhatIsNotIp", kWeb);
    Row permitted = under("PolicyPermitsWhatIsNotIp", "{permit: {}}");
    for (const uint16_t type : types) {
        for (Row* row : {&denied, &ended, &permitted}) row->in.push_back({"a", typed(type)});
        permitted.out.push_back({"b", typed(type)});
    }
    denied.drops = ended.drops = {{"a", Drop::kDenied, types.size()}};
    for (const Row& row : {denied, ended, permitted}) add(row);
    add({.name = "PolicyNamesAnEtherType",
         .configuration = kStations + acl(kIntoB, "{permit: {ethertype: [0x8847, ipv6]}}"),
         .in = {{"a", typed(0x8847)}, {"a", typed(0x8848)}, {"a", udp(ab6(), 1, 2)}, {"a", udp(ab(), 1, 2)},
                {"a", Packet().eth(kA, kB).vlan(5, 0x8100, 0x8847).payload(60)}},
         .out = {{"b", typed(0x8847)}, {"b", udp(ab6(), 1, 2)},
                 {"b", Packet().eth(kA, kB).vlan(5, 0x8100, 0x8847).payload(60)}},
         .drops = {{"a", Drop::kDenied, 2}}});
    add({.name = "PolicyFloodsWhatIsNotIpToWhomItMay",
         .configuration = kBlue + port("a") + port("b") + port("c") + acl(kIntoB, "{deny: {}}"),
         .in = {{"a", Packet().eth(kA, kBroadcast, 0x8863).payload(60)}},
         .out = {{"c", Packet().eth(kA, kBroadcast, 0x8863).payload(60)}},
         .drops = {{"b", Drop::kDenied, 1}}});
    add({.name = "PolicyLooksBehindATag",
         .configuration = kStations + acl(kIntoB, kWeb),
         .in = {{"a", Packet().eth(kA, kB).vlan(5).ipv4("10.0.0.1", "10.0.0.2").udp(1, 80)}},
         .drops = {{"a", Drop::kDenied, 1}}});
    const auto solicitation = [](Packet packet) -> Bytes {
        return packet.ipv6("fd00::1", "fd00::2").ttl(255).icmp(135, 0, 0).payload(Bytes(16));
    };
    const Bytes asks = Packet().eth(kA, kB).vlan(0).arp_request(kA, "10.0.0.1", "10.0.0.2");
    const Bytes asked = Packet().eth(kA, kB).arp_request(kA, "10.0.0.1", "10.0.0.2");
    add({.name = "PolicyLetsNoNeighborMessagesOfAnotherLinkPass",
         .configuration = kStations + acl(kIntoB, kWeb),
         .in = {{"a", asks}, {"a", solicitation(Packet().eth(kA, kB))},
                {"a", Packet().eth(kA, kB).vlan(5).arp_request(kA, "10.0.0.1", "10.0.0.2")},
                {"a", Packet().eth(kA, kB).vlan(0).vlan(5).arp_request(kA, "10.0.0.1", "10.0.0.2")},
                {"a", solicitation(Packet().eth(kA, kB).vlan(5))}},
         .out = {{"b", asked}, {"b", solicitation(Packet().eth(kA, kB))}},
         .drops = {{"a", Drop::kDenied, 3}}});
    Packet deep = Packet().eth(kA, kB);
    for (int i = 0; i < 6; ++i) deep.vlan(0);  // the first one comes off
    add({.name = "PolicyOfMoreTagsThanAnybodyNeeds",
         .configuration = kStations + acl(kIntoB, "{deny: {}}"),
         .in = {{"a", deep.ipv4("10.0.0.1", "10.0.0.2").udp(1, 80)}},
         .drops = {{"a", Drop::kMalformedIp, 1}}});
    Bytes cut = ab().tcp(1, 2);
    cut.resize(40);
    add({.name = "PolicyOfWhatHasBrokenHeaders",
         .configuration = kStations + acl(kIntoB, "{permit: {}}"),
         .in = {{"a", cut}},
         .drops = {{"a", Drop::kMalformedIp, 1}}});
    add({.name = "PolicyFloodsOnlyToWhomItMay",
         .configuration = kBlue + port("a") + port("b") + port("c") + acl(kIntoB, kWeb),
         .in = {{"a", plain(kA, kBroadcast)}, {"a", syn()}},
         .out = {{"c", plain(kA, kBroadcast)}, {"b", syn()}, {"c", syn()}},
         .drops = {{"b", Drop::kDenied, 1}}});
    add({.name = "PolicyFloodsToNobody",
         .configuration = kBlue + port("a") + port("b") + acl(kIntoB, kWeb),
         .in = {{"a", plain(kA, kBroadcast)}},
         .drops = {{"b", Drop::kDenied, 1}}});
}

void add_connections(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string only_web =
        "acls: [{name: in, apply: {network: blue, direction: ingress}, rules: [{permit: {proto: tcp, port: 80}}, "
        "{permit: {proto: udp, port: 53}}, {permit: {proto: icmp, type: 8}}, {permit: {proto: icmpv6, type: 128}}]}]\n";
    add({.name = "AnswersOfAConnectionPass",
         .configuration = kStations + only_web,
         .in = {{"a", syn()},
                {"b", ba().tcp(80, 1234, Tcp::kSyn | Tcp::kAck)},
                {"b", ba().tcp(80, 1235, Tcp::kSyn | Tcp::kAck)},
                {"a", udp(ab(), 999, 53)},
                {"b", udp(ba(), 53, 999)},
                {"a", udp(ab6(), 999, 53)},
                {"b", udp(ba6(), 53, 999)},
                {"b", udp(ba6(), 53, 998)}},
         .out = {{"b", syn()},
                 {"a", ba().tcp(80, 1234, Tcp::kSyn | Tcp::kAck)},
                 {"b", udp(ab(), 999, 53)},
                 {"a", udp(ba(), 53, 999)},
                 {"b", udp(ab6(), 999, 53)},
                 {"a", udp(ba6(), 53, 999)}},
         .drops = {{"b", Drop::kDenied, 2}}});
    add({.name = "AnswersOfAPingPass",
         .configuration = kStations + only_web,
         .in = {{"a", ab().icmp_echo(7, 1)},
                {"b", ba().icmp(0, 0, 7u << 16 | 1)},
                {"b", ba().icmp(0, 0, 8u << 16 | 1)},
                {"a", ab6().icmp(128, 0, 9u << 16)},
                {"b", ba6().icmp(129, 0, 9u << 16)}},
         .out = {{"b", ab().icmp_echo(7, 1)},
                 {"a", ba().icmp(0, 0, 7u << 16 | 1)},
                 {"b", ab6().icmp(128, 0, 9u << 16)},
                 {"a", ba6().icmp(129, 0, 9u << 16)}},
         .drops = {{"b", Drop::kDenied, 1}}});
    add({.name = "AnswersToAStatelessRuleAreJudged",
         .configuration = kStations + acl("network: blue, direction: ingress",
                                          "{permit: {proto: tcp, port: 80}, stateful: false}"),
         .in = {{"a", syn(), {}, {}, 2}, {"b", ba().tcp(80, 1234, Tcp::kSyn | Tcp::kAck)}},
         .out = {{"b", syn(), 2}},
         .drops = {{"b", Drop::kDenied, 1}}});
    add({.name = "ErrorsAboutAConnectionPass",
         .configuration = kStations + only_web,
         .in = {{"a", udp(ab(), 999, 53)},
                {"b", ba().icmp(3, 3, 0).payload(packet_of(udp(ab(), 999, 53)))},
                {"b", ba().icmp(3, 3, 0).payload(packet_of(udp(ab(), 998, 53)))},
                {"a", syn()},
                {"c", Packet().eth(kC, kA).ipv4("10.0.0.3", "10.0.0.1").icmp(3, 4, 1400).payload(packet_of(syn()))}},
         .out = {{"b", udp(ab(), 999, 53)},
                 {"a", ba().icmp(3, 3, 0).payload(packet_of(udp(ab(), 999, 53)))},
                 {"b", syn()},
                 {"a", Packet().eth(kC, kA).ipv4("10.0.0.3", "10.0.0.1").icmp(3, 4, 1400).payload(packet_of(syn()))}},
         .drops = {{"b", Drop::kDenied, 1}}});
    const Bytes first = ab().fragment(0x2000).id(5).udp(999, 53).payload(24);
    const Bytes later = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(5).payload(24);
    const Bytes other = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(6).payload(24);
    const Bytes refused = ab().fragment(0x2000).id(7).udp(999, 54).payload(24);
    const Bytes after = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(7).payload(24);
    add({.name = "FragmentsFollowTheirFirst",
         .configuration = kStations + acl(kIntoB, "{permit: {proto: udp, port: 53}}"),
         .in = {{"a", first}, {"a", later}, {"a", other}, {"a", refused}, {"a", after}},
         .out = {{"b", first}, {"b", later}},
         .drops = {{"a", Drop::kDenied, 2}, {"a", Drop::kFragmentUnknown, 1}}});
    add({.name = "FragmentsThatOvertakeTheirFirst",
         .configuration = kStations + acl(kIntoB, "{permit: {proto: udp, port: 53}}"),
         .in = {{"a", later}, {"a", after}, {"a", first}, {"a", refused}},
         .out = {{"b", first}, {"b", later}},
         .drops = {{"a", Drop::kDenied, 2}}});
    // What is cut begins with an extension header: a later fragment shows that, and no protocol.
    const auto first6 = [](uint32_t id, uint16_t to) -> Bytes {
        return ab6().ipv6_fragment(0, true, id).extension(60, 8).udp(999, to).payload(24);
    };
    const auto later6 = [](uint32_t id) -> Bytes {
        Bytes bytes = ab6().ipv6_fragment(40, false, id).payload(24);
        bytes[14 + 40] = 60;
        return bytes;
    };
    add({.name = "FragmentsBehindExtensionHeaders",
         .configuration = kStations + acl(kIntoB, "{permit: {proto: udp, port: 53}}"),
         .in = {{"a", first6(5, 53)}, {"a", later6(5)}, {"a", later6(6)}, {"a", first6(6, 53)},
                {"a", first6(7, 54)}, {"a", later6(7)}},
         .out = {{"b", first6(5, 53)}, {"b", later6(5)}, {"b", first6(6, 53)}, {"b", later6(6)}},
         .drops = {{"a", Drop::kDenied, 2}}});
    Bytes over = ab6().ipv6_fragment(8, false, 5).payload(24);
    over[14 + 40] = 60;
    add({.name = "FragmentsThatWriteOverTheirFirst",
         .configuration = kStations + acl(kIntoB, "{permit: {proto: udp, port: 53}}"),
         .in = {{"a", first6(5, 53)}, {"a", over}, {"a", later6(5)}},
         .out = {{"b", first6(5, 53)}, {"b", later6(5)}},
         .drops = {{"a", Drop::kMalformedIp, 1}}});
    add({.name = "FragmentsWithoutAFirst",
         .configuration = kStations + acl(kIntoB, "{permit: {proto: udp, from: 10.0.0.1}}"),
         .in = {{"a", other}},
         .drops = {{"a", Drop::kFragmentUnknown, 1}}});
    add({.name = "NoConnectionIsPickedUp",
         .configuration = kStations + "flows: {pick-up: false}\n" + acl(kIntoB, "{permit: {proto: tcp}}"),
         .in = {{"a", ab().tcp(1, 2, Tcp::kAck)}, {"a", ab().tcp(1, 2, Tcp::kSyn)}, {"a", ab().tcp(1, 2, Tcp::kAck)}},
         .out = {{"b", ab().tcp(1, 2, Tcp::kSyn)}, {"b", ab().tcp(1, 2, Tcp::kAck)}},
         .drops = {{"a", Drop::kNoConnection, 1}}});
}

void add_refusals(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "RejectedUdpIsAnsweredByIcmp",
         .configuration = kStations + acl(kIntoB, "{reject: {}}"),
         .in = {{"a", udp(ab(), 5, 6)}},
         .out = {{"a", Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1").traffic_class(0xc0).fragment(0)
                           .icmp(3, 13, 0).payload(packet_of(udp(ab(), 5, 6)))}},
         .drops = {{"a", Drop::kRejected, 1}}});
    const auto to_group = [](std::string_view mac) {
        return Packet().eth(kA, mac).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80, Tcp::kSyn).payload(20);
    };
    add({.name = "WhatIsRejectedOfAGroupsIsNotAnswered",
         .configuration = kStations + acl("port: a, direction: egress", "{reject: {}}"),
         .in = {{"a", to_group(kBroadcast)}, {"a", to_group("01:00:5e:00:00:01")},
                {"a", ab().udp(1, 2).payload(20)}, {"a", Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.255").udp(1, 2)},
                {"a", Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.255").tcp(1, 2, Tcp::kSyn)},
                {"a", Packet().eth(kA, kB).ipv4("10.0.0.255", "10.0.0.2").tcp(1, 2, Tcp::kSyn)}},
         .out = {{"a", Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1").traffic_class(0xc0).fragment(0)
                           .icmp(3, 13, 0).payload(packet_of(ab().udp(1, 2).payload(20)))}},
         .drops = {{"a", Drop::kRejected, 6}}});
}

void add_routed(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string routed =
        "networks:\n"
        "  - {name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}\n"
        "  - {name: red, subnets: [10.0.1.0/24, 'fd00:b::/64'], gateway: [10.0.1.254, 'fd00:b::fe'],\n"
        "     static: [{mac: '" + std::string(kB) + "', port: b}]}\n"
        "ports:\n" + port("a") + port("b", "red", ", mac: '" + std::string(kB) + "', address: [10.0.1.2, 'fd00:b::2']");
    auto there = [] { return Packet().eth(kA, kToBlue).ipv4("10.0.0.1", "10.0.1.2"); };
    auto arrived = [] { return Packet().eth(kToRed, kB).ipv4("10.0.0.1", "10.0.1.2").ttl(63); };
    auto back = [] { return Packet().eth(kB, kToRed).ipv4("10.0.1.2", "10.0.0.1"); };
    auto home = [] { return Packet().eth(kToBlue, kA).ipv4("10.0.1.2", "10.0.0.1").ttl(63); };
    const Bytes arp = Packet().eth(kA, kToBlue).arp_request(kA, "10.0.0.1", "10.0.0.254");
    const Bytes answer = padded(Packet().eth(kToBlue, kA).arp_reply(kToBlue, "10.0.0.254", kA, "10.0.0.1"));
    add({.name = "PolicyOfRoutedPackets",
         .configuration = routed + "acls: [{name: edge, apply: [{port: b, direction: ingress}, "
                                   "{network: blue, direction: ingress}], rules: [" + kWeb + "]}]\n",
         .in = {{"a", arp},
                {"a", there().tcp(1234, 80, Tcp::kSyn)},
                {"b", back().tcp(80, 1234, Tcp::kSyn | Tcp::kAck)},
                {"a", there().tcp(1234, 80), {}, {}, 3},
                {"a", there().tcp(1234, 81, Tcp::kSyn)},
                {"b", back().tcp(81, 1235, Tcp::kSyn)}},
         .out = {{"a", answer},
                 {"b", arrived().tcp(1234, 80, Tcp::kSyn)},
                 {"a", home().tcp(80, 1234, Tcp::kSyn | Tcp::kAck)},
                 {"b", arrived().tcp(1234, 80), 3}},
         .drops = {{"a", Drop::kDenied, 1}, {"b", Drop::kDenied, 1}}});
    add({.name = "PolicyOfWhatWaitsForANeighbor",
         .configuration = routed + acl("network: blue, direction: ingress", kWeb),
         .in = {{"b", back().tcp(9, 80, Tcp::kSyn)},
                {"b", back().tcp(9, 81, Tcp::kSyn)},
                {"a", Packet().eth(kA, kToBlue).arp_reply(kA, "10.0.0.1", kToBlue, "10.0.0.254")}},
         .out = {{"a", padded(Packet().eth(kToBlue, kBroadcast).arp_request(kToBlue, "10.0.0.254", "10.0.0.1"))},
                 {"a", home().tcp(9, 80, Tcp::kSyn)}},
         .drops = {{"b", Drop::kDenied, 1}}});
    add({.name = "PolicyAndTheRoutersOwnAddress",
         .configuration = routed + acl("port: a, direction: egress", "{permit: {proto: udp}}"),
         .in = {{"a", Packet().eth(kA, kToBlue).ipv4("10.0.0.1", "10.0.0.254").icmp_echo(1, 1)}},
         .drops = {{"a", Drop::kDenied, 1}}});
    add({.name = "TtlOfAPacketThatHasAFlow",
         .configuration = routed + acl("port: b, direction: ingress", kWeb),
         .in = {{"a", there().tcp(1234, 80, Tcp::kSyn)}, {"a", there().ttl(0).tcp(1234, 80)}},
         .out = {{"b", arrived().tcp(1234, 80, Tcp::kSyn)},
                 {"a", Packet().eth(kToBlue, kA).ipv4("10.0.0.254", "10.0.0.1").traffic_class(0xc0).fragment(0)
                           .icmp(11, 0, 0).payload(packet_of(there().ttl(0).tcp(1234, 80)))}},
         .drops = {{"a", Drop::kTtlExceeded, 1}}});
}

}  // namespace

std::vector<Row> policy_rows() {
    std::vector<Row> rows;
    add_rules(rows);
    add_connections(rows);
    add_refusals(rows);
    add_routed(rows);
    return rows;
}

}  // namespace sluice::golden
