#include "golden/row.h"

namespace sluice::golden {
namespace {

const std::string kVlans =
    "networks: [{name: blue, vlan: 10}, {name: red, vlan: 20}, {name: plain}]\nports:\n";

std::string trunk(const std::string& name, const std::string& networks, const std::string& native = "") {
    return port(name, "", ", trunk: {networks: [" + networks + "]" +
                              (native.empty() ? "" : ", native: " + native) + "}");
}

Packet tagged(std::string_view from, std::string_view to, uint16_t id, size_t size = 100) {
    return Packet().eth(from, to).vlan(id).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(size);
}

std::string guarded(const std::string& name, const std::string& more = "") {
    return port(name, "blue", ", mac: '" + std::string(kA) + "', address: [10.0.0.1]" + more);
}

void add_vlans(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kTwo = kVlans + port("a", "blue") + port("b", "red") + trunk("c", "blue, red");
    add({.name = "AnAccessPortsFramesAreTaggedOnATrunk",
         .configuration = kTwo,
         .in = {{"a", plain(kA, kC)}, {"b", plain(kB, kC)}},
         .out = {{"c", tagged(kA, kC, 10)}, {"c", tagged(kB, kC, 20)}}});
    add({.name = "ATrunksTagSaysTheNetwork",
         .configuration = kTwo,
         .in = {{"c", tagged(kC, kBroadcast, 10)}, {"c", tagged(kC, kBroadcast, 20)}},
         .out = {{"a", plain(kC, kBroadcast)}, {"b", plain(kC, kBroadcast)}}});
    add({.name = "OneStationInTwoVlansOfATrunk",
         .configuration = kTwo,
         .in = {{"c", tagged(kC, kBroadcast, 10)},
                {"c", tagged(kC, kBroadcast, 20)},
                {"a", plain(kA, kC), {}, {}, 2},
                {"b", plain(kB, kC), {}, {}, 2}},
         .out = {{"a", plain(kC, kBroadcast)},
                 {"b", plain(kC, kBroadcast)},
                 {"c", tagged(kA, kC, 10), 2},
                 {"c", tagged(kB, kC, 20), 2}}});
    add({.name = "ARunOverTwoVlansIsTwoRuns",
         .configuration = kTwo,
         .in = {{"a", plain(kA, kBroadcast)}, {"b", plain(kA, kBroadcast)}, {"c", tagged(kC, kA, 10)}, {"c", tagged(kC, kA, 20)}},
         .out = {{"c", tagged(kA, kBroadcast, 10)}, {"c", tagged(kA, kBroadcast, 20)}, {"a", plain(kC, kA)}, {"b", plain(kC, kA)}}});
    add({.name = "ATrunkAllowsItsNetworksOnly",
         .configuration = kVlans + port("a", "blue") + trunk("c", "blue"),
         .in = {{"c", tagged(kC, kA, 20)}, {"c", plain(kC, kA)}},
         .drops = {{"c", Drop::kVlanNotAllowed, 2}}});
    add({.name = "TheNativeNetworkGoesUntagged",
         .configuration = kVlans + port("a", "blue") + port("b", "plain") + trunk("c", "blue", "plain"),
         .in = {{"b", plain(kB, kC)}, {"c", plain(kC, kB)}, {"a", plain(kA, kC)}},
         .out = {{"c", plain(kB, kC)}, {"b", plain(kC, kB)}, {"c", tagged(kA, kC, 10)}}});
    add({.name = "APriorityTagIsTheNativeNetworks",
         .configuration = kVlans + port("a", "blue") + trunk("c", "red", "blue"),
         .in = {{"c", tagged(kC, kA, 0)}},
         .out = {{"a", plain(kC, kA)}}});
    add({.name = "TrunkToTrunkKeepsTheVlan",
         .configuration = kVlans + trunk("a", "blue, red") + trunk("c", "blue, red"),
         .in = {{"a", tagged(kA, kC, 10)}, {"a", tagged(kA, kC, 20)}},
         .out = {{"c", tagged(kA, kC, 10)}, {"c", tagged(kA, kC, 20)}}});
    const Packet inner = Packet().eth(kA, kC).vlan(10).vlan(33).payload(60);
    const Packet alone = Packet().eth(kA, kC).vlan(33).payload(60);
    add({.name = "TagsInsideATrunksTagArePayload",
         .configuration = kVlans + port("a", "blue") + trunk("c", "blue"),
         .in = {{"a", alone}, {"c", Packet().eth(kC, kA).vlan(10).vlan(33).payload(60)}},
         .out = {{"c", inner}, {"a", Packet().eth(kC, kA).vlan(33).payload(60)}}});
    const auto service = [](std::string_view from, std::string_view to, uint16_t type, uint16_t id = 7) {
        return Bytes(Packet().eth(from, to).vlan(id, type).vlan(8).payload(60));
    };
    add({.name = "ServiceTagsPassAsPayload",
         .configuration = kVlans + port("a", "blue") + port("b", "blue") + trunk("c", "blue"),
         .in = {{"a", service(kA, kC, 0x88a8)}, {"a", service(kA, kC, 0x9100)}},
         .out = {{"b", service(kA, kC, 0x88a8)},
                 {"b", service(kA, kC, 0x9100)},
                 {"c", Packet().eth(kA, kC).vlan(10).vlan(7, 0x88a8).vlan(8).payload(60)},
                 {"c", Packet().eth(kA, kC).vlan(10).vlan(7, 0x9100).vlan(8).payload(60)}}});
    add({.name = "ServiceTagsAreNotTheNativeNetworks",
         .configuration = kVlans + port("a", "blue") + trunk("c", "red", "blue"),
         .in = {{"a", service(kA, kC, 0x88a8)},
                {"a", service(kA, kC, 0x9100)},
                {"c", service(kC, kA, 0x88a8)},
                {"c", service(kC, kA, 0x9100)},
                {"c", service(kC, kA, 0x88a8, 0)}},
         .drops = {{"c", Drop::kTaggedOnNative, 2}, {"c", Drop::kVlanNotAllowed, 3}}});
    // VLAN 0 with a priority.
    const auto priority = [](std::string_view from, std::string_view to, size_t size = 100) {
        return tagged(from, to, 0x6000, size);
    };
    add({.name = "APriorityTagIsNoTagOfAPortWithAddresses",
         .configuration = kVlans + guarded("a") + port("b", "blue") + trunk("c", "blue"),
         .in = {{"c", tagged(kC, "01:00:5e:00:00:fb", 10)},
                {"a", priority(kA, kBroadcast)},
                {"a", priority(kA, kB)},
                {"a", priority(kA, kC)}},
         .out = {{"a", plain(kC, "01:00:5e:00:00:fb")},
                 {"b", plain(kC, "01:00:5e:00:00:fb")},
                 {"b", plain(kA, kBroadcast)},
                 {"c", tagged(kA, kBroadcast, 10)},
                 {"b", plain(kA, kB)},
                 {"c", tagged(kA, kB, 10)},
                 {"c", tagged(kA, kC, 10)}}});
    add({.name = "APriorityTagIsNoTagOfAnyAccessPort",
         .configuration = kVlans + port("a", "blue") + port("b", "blue") + trunk("c", "blue"),
         .in = {{"c", tagged(kC, kBroadcast, 10)},
                {"a", priority(kA, kBroadcast)},
                {"a", priority(kA, kC), {}, {18}}},
         .out = {{"a", plain(kC, kBroadcast)},
                 {"b", plain(kC, kBroadcast)},
                 {"b", plain(kA, kBroadcast)},
                 {"c", tagged(kA, kBroadcast, 10)},
                 {"c", tagged(kA, kC, 10)}}});
    const std::string routed =
        "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}]\nports:\n";
    for (const auto& [name, networks] : {std::pair("APriorityTagIsNoTagBetweenAccessPorts", kVlans),
                                         std::pair("APriorityTagIsNoTagBesideARouter", routed)}) {
        add({.name = name,
             .configuration = networks + port("a", "blue") + port("b", "blue"),
             .in = {{"b", plain(kB, kBroadcast)},
                    {"a", priority(kA, kB)},
                    {"a", priority(kA, kB)},
                    {"a", tagged(kA, kB, 7)}},
             .out = {{"a", plain(kB, kBroadcast)},
                     {"b", plain(kA, kB)},
                     {"b", plain(kA, kB)},
                     {"b", tagged(kA, kB, 7)}}});
    }
    add({.name = "APriorityTagDoesNotKeepAFrameFromTheNativeNetwork",
         .configuration = kVlans + port("a", "blue") + trunk("c", "red", "blue"),
         .in = {{"c", plain(kC, kBroadcast)}, {"a", priority(kA, kC)}, {"a", priority(kA, kBroadcast)}},
         .out = {{"a", plain(kC, kBroadcast)}, {"c", plain(kA, kC)}, {"c", plain(kA, kBroadcast)}}});
    add({.name = "NobodyHopsIntoAVlanByTheNativeOne",
         .configuration = kVlans + port("a", "blue") + trunk("c", "red", "blue"),
         .in = {{"a", tagged(kA, kC, 20)}},
         .drops = {{"c", Drop::kTaggedOnNative, 1}}});
    add({.name = "AFloodIsTaggedForTrunksOnly",
         .configuration = kVlans + port("a", "blue") + port("b", "blue") + trunk("c", "blue") + trunk("d", "blue"),
         .in = {{"a", plain(kA, kBroadcast)}},
         .out = {{"b", plain(kA, kBroadcast)},
                 {"c", tagged(kA, kBroadcast, 10)},
                 {"d", tagged(kA, kBroadcast, 10)}}});
    add({.name = "ATaggedFrameMayBeFourBytesLonger",
         .configuration = kTwo,
         .in = {{"a", plain(kA, kC, 1500 - 28)}, {"a", plain(kA, kC, 1501 - 28)}},
         .out = {{"c", tagged(kA, kC, 10, 1500 - 28)}},
         .drops = {{"c", Drop::kTooBig, 1}}});
    const Packet tcp = Packet().eth(kA, kC).ipv4("10.0.0.1", "10.0.0.2").id(1).tcp(1, 2, 0x10, 1);
    auto piece = [](uint32_t sequence, uint16_t id, size_t at, size_t size) {
        const Bytes whole = test::pattern(3000);
        const auto begin = whole.begin() + static_cast<ptrdiff_t>(at);
        return Packet().eth(kA, kC).vlan(10).ipv4("10.0.0.1", "10.0.0.2").id(id).tcp(1, 2, 0x10, sequence).payload(
            Bytes(begin, begin + static_cast<ptrdiff_t>(size)));
    };
    add({.name = "ASegmentIsTaggedAndCut",
         .configuration = kTwo,
         .in = {{"a", Packet(tcp).payload(3000).unfinished(), Unfinished{.segment_size = 1448}}},
         .out = {{"c", piece(1, 1, 0, 1448)}, {"c", piece(1449, 2, 1448, 1448)}, {"c", piece(2897, 3, 2896, 104)}}});
    add({.name = "ATrunksRuntTag",
         .configuration = kTwo,
         .in = {{"c", Packet().eth(kC, kA, 0x8100).payload(2)}},
         .drops = {{"c", Drop::kRunt, 1}}});
}

void add_security(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    add({.name = "APortSendsFromItsOwnAddresses",
         .configuration = kBlue + guarded("a") + port("b"),
         .in = {{"a", plain(kA, kB)},
                {"a", plain(kC, kB)},
                {"a", Packet().eth(kA, kB).ipv4("10.0.0.66", "10.0.0.2").udp(7, 7)},
                {"a", Packet().eth(kA, kBroadcast).arp_request(kA, "10.0.0.66", "10.0.0.2")}},
         .out = {{"b", plain(kA, kB)}},
         .drops = {{"a", Drop::kSpoofedMac, 1}, {"a", Drop::kSpoofedAddress, 1}, {"a", Drop::kSpoofedNeighbor, 1}}});
    add({.name = "ADeclaredMacBelongsToItsPort",
         .configuration = kBlue + port("a", "blue", ", mac: '" + std::string(kA) + "'") + port("b") + port("c"),
         .in = {{"b", plain(kA, kBroadcast)}, {"b", plain(kA, kC)}, {"c", plain(kC, kA)}, {"a", plain(kA, kC)}},
         .out = {{"a", plain(kC, kA)}, {"c", plain(kA, kC)}},
         .drops = {{"b", Drop::kForeignMac, 2}}});
    add({.name = "ADeclaredMacIsKnownBeforeItSpeaks",
         .configuration = kBlue + guarded("a") + port("b") + port("c"),
         .in = {{"b", Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1").udp(7, 7)}},
         .out = {{"a", Packet().eth(kB, kA).ipv4("10.0.0.2", "10.0.0.1").udp(7, 7)}}});
    add({.name = "AReservedFrameTeachesNothing",
         .configuration = kThree,
         .in = {{"a", plain(kA, kBroadcast)}, {"b", plain(kA, "01:80:c2:00:00:00")}, {"c", plain(kC, kA)}},
         .out = {{"b", plain(kA, kBroadcast)}, {"c", plain(kA, kBroadcast)}, {"a", plain(kC, kA)}},
         .drops = {{"b", Drop::kReservedMac, 1}}});
    add({.name = "SpoofingCanBeAllowed",
         .configuration = kBlue + guarded("a", ", spoofing: allow") + port("b"),
         .in = {{"a", plain(kC, kB)}, {"a", Packet().eth(kA, kB).ipv4("10.0.0.66", "10.0.0.2").udp(7, 7)}},
         .out = {{"b", plain(kC, kB)}, {"b", Packet().eth(kA, kB).ipv4("10.0.0.66", "10.0.0.2").udp(7, 7)}}});
    const Packet offer = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").udp(67, 68).payload(10);
    const Packet router = Packet().eth(kA, kB).ipv6("fe80::1", "ff02::1", 58).payload(Bytes{134, 0, 0, 0, 0, 0, 0, 0});
    add({.name = "WhoMayNotServeDoesNot",
         .configuration = kBlue + port("a", "blue", ", serves: []") + port("b"),
         .in = {{"a", offer}, {"a", router}, {"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kB)}},
         .drops = {{"a", Drop::kRogueDhcp, 1}, {"a", Drop::kRogueRa, 1}}});
    // RFC 6105: stations don't guide others, a network behind a device may.
    const Packet redirect = Packet().eth(kA, kB).ipv6("fe80::1", "fd00::2", 58).payload(Bytes{137, 0, 0, 0, 0, 0, 0, 0});
    add({.name = "ADeviceWithoutAddressesMayBeARouter",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", router}, {"a", redirect}},
         .out = {{"b", router}, {"b", redirect}}});
    add({.name = "ADeviceWithAddressesIsNoRouter",
         .configuration = kBlue + port("a", "blue", ", address: [10.0.0.1/24], spoofing: allow") + port("b"),
         .in = {{"a", router}, {"a", redirect}, {"a", offer}, {"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kB)}},
         .drops = {{"a", Drop::kRogueDhcp, 1}, {"a", Drop::kRogueRa, 2}}});
    add({.name = "WhoMayServeDoes",
         .configuration = kBlue + port("a", "blue", ", serves: [dhcp]") + port("b"),
         .in = {{"a", offer}, {"a", router}},
         .out = {{"b", offer}},
         .drops = {{"a", Drop::kRogueRa, 1}}});
    add({.name = "ALimitOfAddresses",
         .configuration = kBlue + port("a", "blue", ", mac-limit: 1") + port("b"),
         .in = {{"a", plain(kA, kB)}, {"a", plain(kC, kB)}, {"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kB), 2}},
         .drops = {{"a", Drop::kMacLimit, 1}}});
    add({.name = "ALimitOfFloods",
         .configuration = kBlue + port("a", "blue", ", flood-limit: {broadcast: 1}") + port("b"),
         .in = {{"a", plain(kA, kBroadcast), {}, {}, 5}, {"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kBroadcast)}, {"b", plain(kA, kB)}},
         .drops = {{"a", Drop::kFloodLimit, 4}}});
    // 100 bytes of payload are 142, and take a second.
    add({.name = "ALimitOfWhatComesFromAPort",
         .configuration = kBlue + port("a", "blue", ", rate-limit: {egress: {rate: 1k, burst: 300}}") + port("b"),
         .in = {{"a", plain(kA, kB), {}, {}, 5}, {"b", plain(kB, kA), {}, {}, 5}},
         .out = {{"b", plain(kA, kB), 3}, {"a", plain(kB, kA), 5}},
         .drops = {{"a", Drop::kEgressRateLimit, 2}}});
    add({.name = "ALimitOfWhatGoesToAPort",
         .configuration = kBlue + port("a", "blue", ", rate-limit: {ingress: {rate: 1k, burst: 300}}") + port("b"),
         .in = {{"a", plain(kA, kB), {}, {}, 5}, {"b", plain(kB, kA), {}, {}, 5}},
         .out = {{"b", plain(kA, kB), 5}, {"a", plain(kB, kA), 3}},
         .drops = {{"a", Drop::kIngressRateLimit, 2}}});
}

void add_groups_and_mirrors(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kGroup = kBlue + port("a", "blue", ", split-horizon: g") +
                               port("b", "blue", ", split-horizon: g") + port("c") +
                               port("d", "blue", ", split-horizon: h");
    add({.name = "PortsOfAGroupDoNotTalkToEachOther",
         .configuration = kGroup,
         .in = {{"a", plain(kA, kBroadcast)}, {"b", plain(kB, kA)}, {"c", plain(kC, kA)}},
         .out = {{"c", plain(kA, kBroadcast)}, {"d", plain(kA, kBroadcast)}, {"a", plain(kC, kA)}},
         .drops = {{"b", Drop::kSplitHorizon, 1}}});
    auto mirrored = [](const std::string& more) {
        return "mirrors: [{name: m, from: [a], to: e" + more + "}]\n" + kBlue + port("a") + port("b") +
               port("e", "");
    };
    add({.name = "AMirrorSeesBothDirections",
         .configuration = mirrored(""),
         .in = {{"a", plain(kA, kB)}, {"b", plain(kB, kA), {}, {}, 2}},
         .out = {{"b", plain(kA, kB)}, {"a", plain(kB, kA), 2}, {"e", plain(kA, kB)}, {"e", plain(kB, kA), 2}}});
    add({.name = "AMirrorOfOneDirection",
         .configuration = mirrored(", direction: tx"),
         .in = {{"a", plain(kA, kB)}, {"b", plain(kB, kA)}},
         .out = {{"b", plain(kA, kB)}, {"a", plain(kB, kA)}, {"e", plain(kB, kA)}}});
    add({.name = "AMirrorOfTheOtherDirection",
         .configuration = mirrored(", direction: rx"),
         .in = {{"a", plain(kA, kB)}, {"b", plain(kB, kA)}},
         .out = {{"b", plain(kA, kB)}, {"a", plain(kB, kA)}, {"e", plain(kA, kB)}}});
    const Packet tcp = Packet().eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80);
    add({.name = "AMirrorWithAFilter",
         .configuration = mirrored(", filter: tcp port 80"),
         .in = {{"a", plain(kA, kB)}, {"a", tcp}},
         .out = {{"b", plain(kA, kB)}, {"b", tcp}, {"e", tcp}}});
    add({.name = "AMirrorSeesWhatIsDroppedToo",
         .configuration = mirrored(""),
         .in = {{"a", plain(kBroadcast, kB)}},
         .out = {{"e", plain(kBroadcast, kB)}},
         .drops = {{"a", Drop::kInvalidSource, 1}}});
    add({.name = "AMirrorSeesUnfinishedChecksumsFinished",
         .configuration = mirrored(""),
         .in = {{"a", Packet(tcp).payload(100).unfinished(), Unfinished{}}},
         .out = {{"b", Packet(tcp).payload(100)}, {"e", Packet(tcp).payload(100)}}});
    add({.name = "AMirrorOfATrunkSeesItsTags",
         .configuration = "mirrors: [{name: m, from: [c], to: e}]\n" + kVlans + port("a", "blue") +
                          trunk("c", "blue") + port("e", ""),
         .in = {{"a", plain(kA, kC)}, {"c", tagged(kC, kA, 10)}},
         .out = {{"c", tagged(kA, kC, 10)}, {"a", plain(kC, kA)}, {"e", tagged(kA, kC, 10)}, {"e", tagged(kC, kA, 10)}}});
}

}  // namespace

std::vector<Row> layer2_rows() {
    std::vector<Row> rows;
    add_vlans(rows);
    add_security(rows);
    add_groups_and_mirrors(rows);
    return rows;
}

}  // namespace sluice::golden
