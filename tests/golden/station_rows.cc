// Who may say which address it has, what is learned of stations, and whom the switch answers.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "golden/row.h"
#include "port/derived_mac.h"

namespace sluice::golden {
namespace {

constexpr std::string_view kD = "02:00:00:00:00:0d";

std::string owner(const std::string& name, const std::string& addresses = "10.0.0.1, 'fd00::1'") {
    return port(name, "blue", ", mac: '" + std::string(kA) + "', address: [" + addresses + "]");
}

// A message of Neighbor Discovery with the sender's link-layer address as its option.
Bytes discovery(uint8_t type, std::string_view mac, std::string_view source, const Bytes& body,
                std::string_view to = "33:33:00:00:00:01", std::string_view destination = "ff02::1") {
    Bytes payload = body;
    const Bytes bytes = test::mac_bytes(mac);
    payload.insert(payload.end(), {static_cast<uint8_t>(type == 136 ? 2 : 1), 1});
    payload.insert(payload.end(), bytes.begin(), bytes.end());
    return Packet().eth(mac, to).ipv6(source, destination).ttl(255).icmp(type, 0, 0).payload(payload);
}
Bytes neighbor(uint8_t type, std::string_view mac, std::string_view source, std::string_view target) {
    return discovery(type, mac, source, test::address_bytes(target));
}
Packet arp(std::string_view mac, std::string_view to = kBroadcast) { return Packet().eth(mac, to); }

void add_claims(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kOwned = kBlue + owner("a") + port("b") + port("c");
    add({.name = "NobodyElseSaysInArpThatItHasADeclaredAddress",
         .configuration = kOwned,
         .in = {{"c", plain(kC, kB)},
                {"b", arp(kB).arp_request(kB, "10.0.0.1", "10.0.0.2")},
                {"b", arp(kB).arp_request(kB, "10.0.0.1", "10.0.0.1")},
                {"b", arp(kB, kC).arp_reply(kB, "10.0.0.1", kC, "10.0.0.3"), {}, {}, 2},
                {"b", arp(kB, kC).arp_reply(kD, "10.0.0.1", kC, "10.0.0.3"), {}, {14, 9}},
                {"b", Packet().eth(kB, kC).vlan(0).arp_reply(kB, "10.0.0.1", kC, "10.0.0.3")}},
         .out = {{"a", plain(kC, kB)}, {"b", plain(kC, kB)}},
         .drops = {{"b", Drop::kForeignAddress, 6}}});
    add({.name = "NobodyElseSaysInNeighborDiscoveryThatItHasADeclaredAddress",
         .configuration = kOwned,
         .in = {{"b", neighbor(136, kB, "fe80::b", "fd00::1")},
                {"b", neighbor(135, kB, "fd00::1", "fd00::2")},
                {"b", discovery(133, kB, "fd00::1", {})},
                {"b", discovery(134, kB, "fd00::1", Bytes(8))},
                {"b", discovery(136, kB, "fe80::b", test::address_bytes("fd00::1"), kC, "fd00::3")},
                {"b", neighbor(136, kB, "fe80::b", "fe80::ff:fe00:a")},  // what a's MAC makes
                {"b", Packet()
                          .eth(kB, "33:33:00:00:00:01")
                          .ipv6("fe80::b", "ff02::1")
                          .ttl(255)
                          .extension(0, 8)
                          .icmp(136, 0, 0)
                          .payload(test::address_bytes("fd00::1"))}},
         .drops = {{"b", Drop::kForeignAddress, 7}}});
    const auto behind_options = [](int count) -> Bytes {
        Packet packet = Packet().eth(kB, "33:33:00:00:00:01").ipv6("fe80::b", "ff02::1").ttl(255);
        for (int i = 0; i < count; ++i) packet.extension(60, 8);
        return packet.icmp(136, 0, 0).payload(test::address_bytes("fd00::1"));
    };
    add({.name = "NobodyHidesWhatHeSaysOfAddresses",
         .configuration = kOwned,
         .in = {{"b", behind_options(4)}, {"b", behind_options(5)}, {"b", behind_options(8)},
                {"b", Packet().eth(kB, kC).vlan(0).vlan(0).vlan(0).arp_reply(kB, "10.0.0.1", kC, "10.0.0.3")}},
         .drops = {{"b", Drop::kForeignAddress, 4}}});
    const Bytes gratuitous = arp(kA).arp_request(kA, "10.0.0.1", "10.0.0.1");
    const Bytes own = arp(kB).arp_request(kB, "10.0.0.2", "10.0.0.1");
    const Bytes inside = Packet().eth(kB, kC).vlan(5).arp_reply(kB, "10.0.0.1", kC, "10.0.0.3");
    add({.name = "TheOwnerMaySayItAndAnybodyMayAskForIt",
         .configuration = kOwned,
         .in = {{"a", gratuitous}, {"b", own}, {"b", inside}},
         .out = {{"b", gratuitous}, {"c", gratuitous}, {"a", own}, {"c", own},
                 {"a", inside}, {"c", inside}}});
    const Bytes taken = arp(kB).arp_request(kB, "10.0.0.1", "10.0.0.1");
    add({.name = "APortThatIsTrustedMayUseTheAddressesOfOthers",
         .configuration = kBlue + owner("a") + port("b", "blue", ", spoofing: allow"),
         .in = {{"b", taken}},
         .out = {{"a", taken}}});
    add({.name = "AnAddressIsFreeInAnotherNetwork",
         .configuration = "networks: [{name: blue}, {name: red}]\nports:\n" + owner("a") + port("b", "red") +
                          port("c", "red"),
         .in = {{"b", taken}},
         .out = {{"c", taken}}});
}

// RFC 5227, 2.1.1, and RFC 4862, 5.4.2. The message to a solicited-node group goes to all here.
Bytes probe(std::string_view mac, std::string_view target) {
    if (target.find(':') == std::string_view::npos) return arp(mac).arp_request(mac, "0.0.0.0", target);
    const Bytes bytes = test::address_bytes(target);
    const std::string group = fmt::format("{:02x}:{:02x}{:02x}", bytes[13], bytes[14], bytes[15]);
    return Packet()
        .eth(mac, fmt::format("33:33:ff:{:02x}:{:02x}:{:02x}", bytes[13], bytes[14], bytes[15]))
        .ipv6("::", "ff02::1:ff" + group)
        .ttl(255)
        .icmp(135, 0, 0)
        .payload(bytes);
}

void add_probes(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    constexpr std::string_view kLinkLocalOfA = "fe80::ff:fe00:a";
    const std::string kOwned = kBlue + owner("a") + port("b") + port("c");
    add({.name = "NobodyProbesForTheAddressOfAPort",
         .configuration = kOwned,
         .in = {{"b", probe(kB, "10.0.0.1")}, {"b", probe(kB, "fd00::1")}, {"b", probe(kB, kLinkLocalOfA)}},
         .drops = {{"b", Drop::kForeignAddress, 3}}});
    add({.name = "NorForTheLinkLocalAddressOfAPortWithoutOthers",
         .configuration = kBlue + port("a", "blue", ", mac: '" + std::string(kA) + "'") + port("b"),
         .in = {{"b", probe(kB, kLinkLocalOfA)}, {"b", neighbor(136, kB, "fe80::b", kLinkLocalOfA)}},
         .drops = {{"b", Drop::kForeignAddress, 2}}});
    Row free{.name = "AnybodyProbesForAFreeAddressAndTheOwnerForItsOwn", .configuration = kOwned};
    for (const std::string_view address : {"10.0.0.1", "fd00::1", "fe80::ff:fe00:a"}) {
        free.in.push_back({"a", probe(kA, address)});
        free.out.insert(free.out.end(), {{"b", probe(kA, address)}, {"c", probe(kA, address)}});
    }
    for (const std::string_view address : {"10.0.0.9", "fd00::9", "fe80::ff:fe00:b"}) {
        free.in.push_back({"b", probe(kB, address)});
        free.out.insert(free.out.end(), {{"a", probe(kB, address)}, {"c", probe(kB, address)}});
    }
    add(free);
    add({.name = "APortThatIsTrustedMayProbeForTheAddressesOfOthers",
         .configuration = kBlue + owner("a") + port("b", "blue", ", spoofing: allow"),
         .in = {{"b", probe(kB, "10.0.0.1")}},
         .out = {{"a", probe(kB, "10.0.0.1")}}});

    const std::string kRouted = "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], "
                                "gateway: [10.0.0.254, 'fd00::fe']}]\nports:\n" + owner("a") + port("b") +
                                port("c") + port("d", "blue", ", address: [10.0.0.4]");
    const auto taken = [](std::string_view mac, std::string_view address) {
        return padded(Packet().eth(mac, kB).arp_reply(mac, address, kB, "0.0.0.0"));
    };
    const auto taken6 = [](std::string_view address) -> Bytes {
        Bytes body = test::address_bytes(address);
        const Bytes mac = test::mac_bytes(kA);
        body.insert(body.end(), {2, 1});
        body.insert(body.end(), mac.begin(), mac.end());
        return Packet()
            .eth(kA, "33:33:00:00:00:01")
            .ipv6(address, "ff02::1")
            .ttl(255)
            .icmp(136, 0, 0)
            .payload(body);
    };
    add({.name = "TheSwitchTellsAProberThatTheAddressIsTaken",
         .configuration = kRouted,
         .in = {{"b", probe(kB, "10.0.0.1")}, {"b", probe(kB, "fd00::1")}, {"b", probe(kB, kLinkLocalOfA)},
                {"b", probe(kB, "10.0.0.4")}},
         .out = {{"b", taken(kA, "10.0.0.1")}, {"b", taken6("fd00::1")}, {"b", taken6(kLinkLocalOfA)},
                 {"b", taken(router_of("blue"), "10.0.0.4")}},
         .drops = {{"b", Drop::kForeignAddress, 4}}});
}

void add_macs(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const auto rarp = [](std::string_view mac, std::string_view sender_mac) {
        Bytes frame = arp(mac).arp_request(sender_mac, "0.0.0.0", "0.0.0.0");
        frame[12] = 0x80;
        frame[13] = 0x35;
        frame[21] = 3;
        return frame;
    };
    const auto with_options = [](uint8_t type, const std::vector<std::string_view>& macs) -> Bytes {
        Bytes body = type == 133 ? Bytes{} : test::address_bytes("fd00::9");
        for (const std::string_view mac : macs) {
            const Bytes bytes = test::mac_bytes(mac);
            body.insert(body.end(), {static_cast<uint8_t>(type == 136 ? 2 : 1), 1});
            body.insert(body.end(), bytes.begin(), bytes.end());
        }
        return Packet()
            .eth(kB, "33:33:00:00:00:01")
            .ipv6("fe80::b", "ff02::1")
            .ttl(255)
            .icmp(type, 0, 0)
            .payload(body);
    };
    const std::string kOwned = "networks: [{name: blue, static: [{mac: '" + std::string(kD) +
                               "', port: c}]}]\nports:\n" +
                               port("a", "blue", ", mac: '" + std::string(kA) + "'") + port("b") + port("c");
    add({.name = "NobodySaysThatItIsAtTheMacOfAnotherPort",
         .configuration = kOwned,
         .in = {{"b", arp(kB).arp_request(kA, "10.0.0.9", "10.0.0.2")},
                {"b", arp(kB, kC).arp_reply(kA, "10.0.0.9", kC, "10.0.0.3")},
                {"b", arp(kB).arp_request(kA, "0.0.0.0", "10.0.0.9")},
                {"b", arp(kB).arp_request(kD, "10.0.0.9", "10.0.0.2")},
                {"b", rarp(kB, kA)},
                {"b", with_options(133, {kA})},
                {"b", with_options(135, {kA})},
                {"b", with_options(136, {kA})},
                {"b", with_options(136, {kD})}},
         .drops = {{"b", Drop::kForeignMac, 9}}});
    add({.name = "NobodyHidesAMacAddressAmongOthers",
         .configuration = kOwned,
         .in = {{"b", with_options(136, {kB, kA})}, {"b", with_options(135, {kB, kB, kA})},
                {"b", with_options(136, std::vector<std::string_view>(65, kB))}},
         .drops = {{"b", Drop::kForeignAddress, 3}}});
    const Bytes own[]{rarp(kB, kB), with_options(136, {kB}), with_options(136, {kB, kB}),
                      arp(kB).arp_request(kC, "10.0.0.9", "10.0.0.2")};
    Row row{.name = "AStationMaySayThatItIsAtItsOwnMacOrAtAFreeOne", .configuration = kOwned};
    for (const Bytes& frame : own) {
        row.in.push_back({"b", frame});
        row.out.insert(row.out.end(), {{"a", frame}, {"c", frame}});
    }
    add(row);
}

void add_gateway(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kRouted = "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], "
                                "gateway: [10.0.0.254, 'fd00::fe']}]\nports:\n" +
                                port("a") + port("b") + port("c", "blue", ", spoofing: allow");
    const std::string kToBlue = router_of("blue");
    add({.name = "NobodySaysThatItHasTheGatewaysAddress",
         .configuration = kRouted,
         .in = {{"b", arp(kB).arp_request(kB, "10.0.0.254", "10.0.0.254")},
                {"b", arp(kB, kA).arp_reply(kB, "10.0.0.254", kA, "10.0.0.1")},
                {"b", arp(kB, kToBlue).arp_reply(kB, "10.0.0.254", kToBlue, "10.0.0.254")},
                {"b", neighbor(136, kB, "fe80::b", "fd00::fe")},
                {"c", arp(kC).arp_request(kC, "10.0.0.254", "10.0.0.254")}},
         .drops = {{"b", Drop::kForeignAddress, 4}, {"c", Drop::kForeignAddress, 1}}});
    add({.name = "NobodySaysThatItIsAtTheGatewaysMac",
         .configuration = kRouted,
         .in = {{"b", arp(kB).arp_request(kToBlue, "10.0.0.2", "10.0.0.1")}},
         .drops = {{"b", Drop::kForeignMac, 1}}});
}

void add_connections(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kTracked = kBlue + owner("a") + port("b") + port("c") +
                                 "acls: [{name: all, apply: {network: blue, direction: ingress}, "
                                 "rules: [{permit: {}}]}]\n";
    const auto from = [](std::string_view mac, std::string_view address) {
        return Packet().eth(mac, kC).ipv4(address, "10.0.0.3").udp(7, 7).payload(20);
    };
    const Bytes known = Packet().eth(kC, kBroadcast).ipv4("10.0.0.3", "255.255.255.255").udp(1, 2).payload(20);
    add({.name = "NobodyElseBeginsAConnectionFromADeclaredAddress",
         .configuration = kTracked,
         .in = {{"c", known}, {"b", from(kB, "10.0.0.1")}, {"a", from(kA, "10.0.0.1")}, {"b", from(kB, "10.0.0.1")},
                {"b", Packet().eth(kB, kC).ipv6("fd00::1", "fd00::3").udp(7, 7).payload(20)},
                {"b", from(kB, "10.0.0.2")}},
         .out = {{"a", known}, {"b", known}, {"c", from(kA, "10.0.0.1")}, {"c", from(kB, "10.0.0.2")}},
         .drops = {{"b", Drop::kForeignAddress, 3}}});

    const std::string kDomain =
        "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}, "
        "{name: red, subnets: [10.0.1.0/24, 'fd00:b::/64'], gateway: [10.0.1.254, 'fd00:b::fe']}]\n"
        "routes: [{to: 10.7.0.0/16, via: 10.0.0.77}]\nports:\n" +
        port("c", "blue", ", mac: '" + std::string(kC) + "', address: [10.0.0.3, 'fd00:a::3']") + port("b", "red") +
        port("a", "red", ", spoofing: allow") +
        "acls: [{name: all, apply: {network: blue, direction: egress}, rules: [{permit: {}}]}]\n";
    const auto routed = [](std::string_view source) {
        return Packet().eth(kB, router_of("red")).ipv4(source, "10.0.0.3").udp(7, 7).payload(20);
    };
    const auto arrives = [](std::string_view source) {
        return Packet().eth(router_of("blue"), kC).ipv4(source, "10.0.0.3").ttl(63).udp(7, 7).payload(20);
    };
    add({.name = "NobodyBeginsAConnectionFromAnAddressOfAnotherNetwork",
         .configuration = kDomain,
         .in = {{"b", routed("10.0.1.9")}, {"b", routed("10.0.0.3")}, {"b", routed("10.0.0.9")},
                {"b", routed("10.0.0.254")}, {"b", routed("10.0.1.254")}, {"b", routed("10.7.0.1")},
                {"b", routed("192.0.2.1")}, {"b", routed("10.0.0.255")},
                {"b", Packet().eth(kB, router_of("red")).ipv6("fd00:a::9", "fd00:a::3").udp(7, 7).payload(20)}},
         .out = {{"c", arrives("10.0.1.9")}, {"c", arrives("10.7.0.1")}, {"c", arrives("192.0.2.1")}},
         .drops = {{"b", Drop::kForeignAddress, 6}}});
    add({.name = "ARouterOfAnotherNetworkMayIfItIsAllowed",
         .configuration = kDomain,
         .in = {{"a", routed("10.0.0.9")}, {"a", routed("10.0.0.254")}, {"a", routed("10.0.1.254")}},
         .out = {{"c", arrives("10.0.0.9")}},
         .drops = {{"a", Drop::kForeignAddress, 2}}});
}

// Others are told of a station's new MAC address by a frame from that address: only the station itself causes one.
void add_news(std::vector<Row>& rows) {
    const std::string kRouted =
        "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}]\nports:\n" + port("a") + port("b");
    const std::string kToBlue = router_of("blue");
    const auto asks = [&](std::string_view from, std::string_view mac) -> Bytes {
        return Packet().eth(from, kToBlue).arp_request(mac, "10.0.0.9", "10.0.0.254");
    };
    const auto told = [&](std::string_view to, std::string_view mac) -> Bytes {
        return padded(Packet().eth(kToBlue, to).arp_reply(kToBlue, "10.0.0.254", mac, "10.0.0.9"));
    };
    rows.push_back(Row{.name = "AStationsNewMacAddressIsToldToOthers",
                    .configuration = kRouted,
                    .in = {{"b", asks(kB, kB)}, {"b", asks(kC, kC)}},
                    .out = {{"b", told(kB, kB)}, {"b", told(kC, kC)},
                            {"a", padded(arp(kC).arp_request(kC, "10.0.0.9", "10.0.0.9"))}}});
    rows.push_back(Row{.name = "NobodySpeaksFromAMacAddressThatAMessageOnlyNames",
                    .configuration = kRouted,
                    .in = {{"b", asks(kB, kB)}, {"b", asks(kB, kC)}},
                    .out = {{"b", told(kB, kB), 2}}});
}

void add_overlay(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kRouter = port::derived_mac("router:vni:100:10.0.0.254").text();
    const std::string kHere = router_of("(underlay)");
    const std::string kOverlay =
        "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254], vxlan: {vni: 100, "
        "remotes: [192.0.2.2], static: [{mac: '" + std::string(kC) +
        "', address: [10.0.0.3], remote: 192.0.2.2}]}}]\n"
        "underlay: {port: e, address: 192.0.2.1/24}\nports:\n" + owner("a", "10.0.0.1") + port("b") + port("e", "");
    const auto tunneled = [&](const Bytes& frame) {
        return In{"e", Packet()
                           .eth("02:00:00:00:00:1a", kHere)
                           .ipv4("192.0.2.2", "192.0.2.1")
                           .udp(50000, 4789)
                           .without_checksum()
                           .vxlan(100)
                           .payload(frame)};
    };
    const Bytes by_router = arp(kRouter).arp_request(kRouter, "10.0.0.254", "10.0.0.1");
    const Bytes by_station = arp(kC).arp_request(kC, "10.0.0.3", "10.0.0.9");
    add({.name = "NobodyBehindATunnelSaysThatItHasADeclaredAddress",
         .configuration = kOverlay,
         .in = {tunneled(arp(kD).arp_request(kD, "10.0.0.1", "10.0.0.9")),
                tunneled(arp(kD, kB).arp_reply(kD, "10.0.0.1", kB, "10.0.0.2")),
                tunneled(arp(kD).arp_request(kD, "10.0.0.254", "10.0.0.254")),
                {"b", arp(kB).arp_request(kB, "10.0.0.3", "10.0.0.9")}},
         .drops = {{"192.0.2.2", Drop::kForeignAddress, 3}, {"b", Drop::kForeignAddress, 1}}});
    add({.name = "TheRoutersOfOtherHostsHaveTheGatewaysAddressAsWell",
         .configuration = kOverlay,
         .in = {tunneled(by_router), tunneled(by_station)},
         .out = {{"a", by_router}, {"b", by_router}, {"a", by_station}, {"b", by_station}}});
}

// The router of another host sends what it has routed from its own MAC address, whatever the packet's source.
void add_other_routers(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kRouter = port::derived_mac("router:vni:100:10.0.0.254").text();
    const std::string kHere = router_of("(underlay)");
    const std::string kDomain =
        "networks:\n"
        "  - {name: blue, subnets: [10.0.0.0/24], gateway: [10.0.0.254], "
        "vxlan: {vni: 100, remotes: [192.0.2.2]}}\n"
        "  - {name: red, subnets: [10.2.0.0/24, 'fd00:2::/64'], gateway: [10.2.0.254, 'fd00:2::fe'], "
        "vxlan: {vni: 200, remotes: [192.0.2.2]}}\n"
        "  - {name: far, subnets: [10.3.0.0/24], gateway: [10.3.0.254], vxlan: {vni: 300, remotes: [192.0.2.3]}}\n"
        "  - {name: local, subnets: [10.1.0.0/24, 'fd00:1::/64'], gateway: [10.1.0.254, 'fd00:1::fe']}\n"
        "underlay: {port: e, address: 192.0.2.1/24}\nports:\n" + port("a") +
        port("b", "local", ", mac: '" + std::string(kB) + "', address: [10.1.0.1]") +
        port("c", "red", ", mac: '" + std::string(kC) + "', address: [10.2.0.1, 'fd00:2::1']") + port("e", "") +
        "acls: [{name: all, apply: {port: a, direction: ingress}, rules: [{permit: {}}]}]\n";
    const auto routed = [&](std::string_view source) -> Bytes {
        return Packet().eth(kRouter, kA).ipv4(source, "10.0.0.1").udp(7, 7).payload(20);
    };
    const auto routed6 = [&](std::string_view source) -> Bytes {
        return Packet().eth(kRouter, kA).ipv6(source, "fd00:9::1").udp(7, 7).payload(20);
    };
    const auto tunneled = [&](const Bytes& frame) {
        return In{"e", Packet()
                           .eth("02:00:00:00:00:1a", kHere)
                           .ipv4("192.0.2.2", "192.0.2.1")
                           .udp(50000, 4789)
                           .without_checksum()
                           .vxlan(100)
                           .payload(frame)};
    };
    add({.name = "AnotherHostsRouterRoutesFromTheNetworksThatSpanToIt",
         .configuration = kDomain,
         .in = {tunneled(routed("10.2.0.9")), tunneled(routed("10.2.0.254")), tunneled(routed("10.0.0.9")),
                tunneled(routed("8.8.8.8")), tunneled(routed6("fd00:2::9"))},
         .out = {{"a", routed("10.2.0.9")}, {"a", routed("10.2.0.254")}, {"a", routed("10.0.0.9")},
                 {"a", routed("8.8.8.8")}, {"a", routed6("fd00:2::9")}}});
    add({.name = "AnotherHostsRouterRoutesFromNoPortOfThisHost",
         .configuration = kDomain,
         .in = {tunneled(routed("10.2.0.1")), tunneled(routed6("fd00:2::1"))},
         .drops = {{"192.0.2.2", Drop::kForeignAddress, 2}}});
    add({.name = "AnotherHostsRouterRoutesFromNoNetworkThatDoesntSpanToIt",
         .configuration = kDomain,
         .in = {tunneled(routed("10.1.0.1")), tunneled(routed("10.1.0.9")), tunneled(routed("10.1.0.254")),
                tunneled(routed("10.1.0.255")), tunneled(routed6("fd00:1::9")), tunneled(routed("10.3.0.9"))},
         .drops = {{"192.0.2.2", Drop::kForeignAddress, 6}}});
}

void add_learning(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    // Who is flooded to was not learned.
    const auto is_flooded = [](Row& row, std::string_view to) {
        row.in.push_back({"b", plain(kB, to)});
        row.out.push_back({"a", plain(kB, to)});
        row.out.push_back({"c", plain(kB, to)});
    };
    Row limited{.name = "NothingIsLearnedFromWhatTheFloodLimitDrops",
                .configuration = kBlue + port("a", "blue", ", flood-limit: {broadcast: 1}") + port("b") + port("c"),
                .in = {{"a", plain(kA, kBroadcast)}, {"a", plain(kD, kBroadcast)}},
                .out = {{"b", plain(kA, kBroadcast)}, {"c", plain(kA, kBroadcast)}},
                .drops = {{"a", Drop::kFloodLimit, 1}}};
    is_flooded(limited, kD);
    add(limited);
    Row same{.name = "NothingIsLearnedFromAFrameToItsSender",
             .configuration = kThree,
             .in = {{"a", plain(kD, kD)}},
             .drops = {{"a", Drop::kSamePort, 1}}};
    is_flooded(same, kD);
    add(same);
    add({.name = "AStationBehindAHubIsLearned",
         .configuration = kThree,
         .in = {{"a", plain(kA, kBroadcast)}, {"a", plain(kD, kA)}, {"b", plain(kB, kD)}},
         .out = {{"b", plain(kA, kBroadcast)}, {"c", plain(kA, kBroadcast)}, {"a", plain(kB, kD)}},
         .drops = {{"a", Drop::kSamePort, 1}}});
    add({.name = "WhatHasArrivedAlreadyTakesNoStationFromAnotherPort",
         .configuration = kThree,
         .in = {{"a", plain(kA, kBroadcast)}, {"b", plain(kB, kBroadcast)}, {"a", plain(kB, kA)},
                {"c", plain(kC, kB)}},
         .out = {{"b", plain(kA, kBroadcast)}, {"c", plain(kA, kBroadcast)}, {"a", plain(kB, kBroadcast)},
                 {"c", plain(kB, kBroadcast)}, {"b", plain(kC, kB)}},
         .drops = {{"a", Drop::kSamePort, 1}}});
    Row denied{.name = "NothingIsLearnedFromWhatAPolicyDenies",
               .configuration = kThree + "acls: [{name: none, apply: {port: c, direction: egress}, "
                                         "rules: [{deny: {}}]}]\n",
               .in = {{"c", plain(kD, kB)}, {"c", plain(kD, kBroadcast)}},
               .drops = {{"c", Drop::kDenied, 2}}};
    is_flooded(denied, kD);
    add(denied);
    Row claimed{.name = "NothingIsLearnedFromAFalseClaim",
                .configuration = kBlue + owner("a") + port("b") + port("c"),
                .in = {{"c", arp(kD).arp_request(kD, "10.0.0.1", "10.0.0.9")}},
                .drops = {{"c", Drop::kForeignAddress, 1}}};
    is_flooded(claimed, kD);
    add(claimed);
    add({.name = "AFrameThatPassesIsLearnedFrom",
         .configuration = kThree + "acls: [{name: all, apply: {port: c, direction: egress}, "
                                   "rules: [{permit: {}}]}]\n",
         .in = {{"c", plain(kD, kBroadcast)}, {"b", plain(kB, kD)}},
         .out = {{"a", plain(kD, kBroadcast)}, {"b", plain(kD, kBroadcast)}, {"c", plain(kB, kD)}}});
}

void add_answers(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kRouted = "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], "
                                "gateway: [10.0.0.254, 'fd00::fe']}]\nports:\n" + port("a");
    const std::string kToBlue = router_of("blue");
    const auto question = [](std::string_view sender_mac, std::string_view sender) {
        return arp(kA).arp_request(sender_mac, sender, "10.0.0.254");
    };
    add({.name = "NoArpAnswerToAGroup",
         .configuration = kRouted,
         .in = {{"a", question(kA, "10.0.0.255")},
                {"a", question(kA, "10.0.0.0")},
                {"a", question(kA, "224.0.0.1")},
                {"a", question(kA, "255.255.255.255")},
                {"a", question(kA, "0.0.0.1")},
                {"a", question(kBroadcast, "10.0.0.1")}},
         .drops = {{"a", Drop::kMalformedNeighbor, 4}, {"a", Drop::kNoMember, 2}}});
    add({.name = "WhoProbesForTheGatewaysAddressIsToldThatItIsTaken",
         .configuration = kRouted,
         .in = {{"a", question(kA, "0.0.0.0")}},
         .out = {{"a", padded(Packet().eth(kToBlue, kA).arp_reply(kToBlue, "10.0.0.254", kA, "0.0.0.0"))}}});
    const auto echo = [&](std::string_view source) {
        return Packet().eth(kA, kToBlue).ipv4(source, "10.0.0.254").icmp_echo(5, 6).payload(56);
    };
    const auto udp = [&](std::string_view source) {
        return Packet().eth(kA, kToBlue).ipv4(source, "10.0.0.254").udp(5, 6).payload(56);
    };
    add({.name = "NoEchoReplyAndNoErrorToAGroup",
         .configuration = kRouted,
         .in = {{"a", echo("10.0.0.255")}, {"a", echo("10.0.0.0")}, {"a", udp("10.0.0.255")},
                {"a", echo("224.0.0.1")}, {"a", echo("255.255.255.255")}},
         .drops = {{"a", Drop::kNoListener, 3}, {"a", Drop::kMartian, 2}}});
}

// The ports that policies let a packet reach are no other packet's, though the first one was dropped before it was
// flooded.
TEST(GoldenStations, AFloodGoesToItsOwnNetworkBesideOneThatWasDropped) {
    test::Harness harness(1, {"a", "b", "c", "e"});
    ASSERT_NO_FATAL_FAILURE(harness.apply(
        "networks:\n"
        "  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}\n"
        "  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254}\n"
        "  - {name: green}\n"
        "ports:\n" + port("a", "blue") + port("b", "red") + port("c", "green") + port("e", "green") +
        "  - {name: gone, device: net_nosuch0, network: red, mac: '02:00:00:00:00:0d', address: [10.0.1.4]}\n"
        "acls: [{name: all, apply: {network: red, direction: ingress}, rules: [{permit: {}}]}]\n"));
    const auto put = [&](const char* device, const Bytes& frame) {
        harness.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
    };
    // Its MAC address is known, and is at a port that is down.
    engine::Switch& running = harness.running();
    const path::Seconds now = engine::clock_seconds();
    neighbor::Entry* entry =
        running.neighbors().add(running.network_ids().at("red"), *IpAddress::parse("10.0.1.4"), now);
    ASSERT_NE(entry, nullptr);
    neighbor::Held nothing;
    running.neighbors().learn(*entry, path::mac_key(*MacAddress::parse(kD)), true, now, nothing);
    const Bytes shout = Packet().eth(kC, kBroadcast).payload(46);
    put("a", Packet().eth(kA, router_of("blue")).ipv4("10.0.0.1", "10.0.1.4").udp(5, 6).payload(20));
    put("c", shout);
    harness.run();
    EXPECT_EQ(harness.sent("e"), std::vector<Bytes>{shout});
    EXPECT_TRUE(harness.sent("b").empty());
    harness.check_books();
}

TEST(GoldenStations, APacketThatWaitsIsGivenUpWhenNothingIsRoutedAnyMore) {
    test::Harness harness(1, {"a", "b"});
    const std::string ports = "ports:\n" + port("a") + port("b");
    ASSERT_NO_FATAL_FAILURE(harness.apply(
        "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]\n" + ports));
    engine::Switch& running = harness.running();
    const path::NetworkId blue = running.network_ids().at("blue");
    harness.device("a").put(test::to_mbuf(
        test::switch_pools().buffers,
        Packet().eth(kA, router_of("blue")).ipv4("10.0.0.1", "10.0.0.9").udp(5, 6).payload(20)));
    harness.run();
    neighbor::Entry* entry = running.neighbors().find(blue, *IpAddress::parse("10.0.0.9"));
    ASSERT_NE(entry, nullptr);
    ASSERT_EQ(running.waiting_for(*entry), 1u);

    ASSERT_NO_FATAL_FAILURE(harness.apply("networks: [{name: blue}]\n" + ports));
    // As if it had been asked for, in vain.
    entry->state = neighbor::State::kFailed;
    running.tick(engine::Clock::now());
    harness.run();
    EXPECT_EQ(running.waiting_for(*entry), 0u);
    harness.check_books();
}

TEST(GoldenStations, APacketForANeighborWhoseNetworkHasGoneIsDropped) {
    test::Harness harness(1, {"a", "b"});
    const std::string blue = "networks:\n  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}\n";
    const std::string ports = "ports:\n" + port("a");
    ASSERT_NO_FATAL_FAILURE(harness.apply(
        blue + "  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254}\n" + ports + port("b", "red")));
    engine::Switch& running = harness.running();
    const path::NetworkId red = running.network_ids().at("red");
    harness.device("a").put(test::to_mbuf(
        test::switch_pools().buffers,
        Packet().eth(kA, router_of("blue")).ipv4("10.0.0.1", "10.0.1.9").udp(5, 6).payload(20)));
    harness.run();
    neighbor::Entry* entry = running.neighbors().find(red, *IpAddress::parse("10.0.1.9"));
    ASSERT_NE(entry, nullptr);
    ASSERT_EQ(running.waiting_for(*entry), 1u);

    ASSERT_NO_FATAL_FAILURE(harness.apply(blue + ports));
    ASSERT_GE(path::index(red), running.snapshot().networks.size());
    // Its answer was on the way.
    entry->mac = path::mac_key(*MacAddress::parse(kB));
    entry->state = neighbor::State::kReachable;
    running.tick(engine::Clock::now());
    harness.run();
    EXPECT_EQ(running.waiting_for(*entry), 0u);
    uint64_t dropped = 0;
    for (const auto& [where, count] : harness.drops()) dropped += where.second == path::Drop::kNoNetwork ? count : 0;
    EXPECT_EQ(dropped, 1u);
    harness.check_books(true);
}

// Behind a port come new MAC addresses, as many at a time as there are neighbors.
TEST(GoldenStations, AllNeighborsBehindAPortAreAskedWhereAStationComesUp) {
    constexpr uint8_t kStations = 40;
    test::Harness harness(1, {"a", "b"});
    ASSERT_NO_FATAL_FAILURE(harness.apply(
        "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]\nports:\n" + port("a") + port("b")));
    engine::Switch& running = harness.running();
    const auto put = [&](const Bytes& frame) {
        harness.device("b").put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness.run();
    };
    const auto turn = [&] {
        running.tick(engine::Clock::now());
        harness.run();
    };
    const path::NetworkId blue = running.network_ids().at("blue");
    std::set<std::string> wanted;
    for (uint8_t i = 1; i <= kStations; ++i) {
        const std::string address = fmt::format("10.0.0.{}", i);
        const path::Seconds now = engine::clock_seconds();
        neighbor::Entry* entry = running.neighbors().add(blue, *IpAddress::parse(address), now);
        ASSERT_NE(entry, nullptr);
        neighbor::Held nothing;
        running.neighbors().learn(*entry, path::mac_key(*MacAddress::parse(kB)), true, now, nothing);
        wanted.insert(address);
    }
    put(Packet().eth(kB, kBroadcast).payload(46));
    turn();
    harness.sent("b");

    std::set<std::string> asked;
    put(Packet().eth(kD, kBroadcast).payload(46));
    for (int i = 0; i < 5; ++i) turn();
    for (const Bytes& frame : harness.sent("b")) {
        if (frame.size() < 42 || frame[12] != 8 || frame[13] != 6) continue;
        asked.insert(fmt::format("{}.{}.{}.{}", frame[38], frame[39], frame[40], frame[41]));
    }
    EXPECT_EQ(asked, wanted);
}

// A frame that is dropped early leaves in its place of the batch what an earlier batch knew of another. One that
// follows it with the same source must not pass for its repetition.
TEST(GoldenStations, NoGroupAddressIsLearnedBehindAFrameThatWasDroppedEarly) {
    test::Harness harness(1, {"a", "b"});
    ASSERT_NO_FATAL_FAILURE(harness.apply(
        "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]\nports:\n" +
        port("a", "blue", ", serves: []") + port("b")));
    const std::string router = router_of("blue");
    const auto put = [&](const Bytes& frame) {
        harness.device("a").put(test::to_mbuf(test::switch_pools().buffers, frame));
    };
    const auto routed = [&](std::string_view source, uint16_t to) -> Bytes {
        return Packet().eth(source, router).ipv4("10.0.0.1", "10.9.0.1").udp(1000, to).payload(20);
    };
    for (int i = 0; i < 4; ++i) put(routed(kA, 53));
    harness.run();
    put(routed(kBroadcast, 68));
    put(routed(kBroadcast, 53));
    harness.run();
    const test::DropCounts expected{
        {{"a", Drop::kRogueDhcp}, 1}, {{"a", Drop::kInvalidSource}, 1}, {{"a", Drop::kNoRoute}, 4}};
    EXPECT_EQ(harness.drops(), expected);
    const uint64_t broadcast = path::mac_key(*MacAddress::parse(kBroadcast));
    const auto& table = *harness.running().macs().at("blue");
    EXPECT_FALSE(table.find(broadcast, bridge::MacTable::hash(broadcast)).found());
}

}  // namespace

std::vector<Row> station_rows() {
    std::vector<Row> rows;
    add_claims(rows);
    add_probes(rows);
    add_macs(rows);
    add_gateway(rows);
    add_connections(rows);
    add_news(rows);
    add_overlay(rows);
    add_other_routers(rows);
    add_learning(rows);
    add_answers(rows);
    return rows;
}

}  // namespace sluice::golden
