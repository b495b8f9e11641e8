// What a configuration may say about routing and overlays, what it may not, and what follows from it.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/diff.h"
#include "router/route_check.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

Texts errors(const std::string& yaml) {
    Texts texts;
    auto config = load_config(yaml, "f", {});
    if (config) return texts;
    for (const auto& error : config.error()) texts.push_back(error.text());
    return texts;
}

Config load(const std::string& yaml) {
    auto config = load_config(yaml, "f", {});
    if (config) return *config;
    for (const auto& error : config.error()) ADD_FAILURE() << error.text();
    return {};
}

Texts one(std::string text) { return {std::move(text)}; }

// --- gateways and subnets ---

// What would be the address of no station can't be the switch's either, nor lead to a router.
TEST(Routing, TheSwitchAndRoutersHaveAddressesOfStations) {
    EXPECT_EQ(errors("networks: [{name: a, subnets: 10.0.0.0/24, gateway: 10.0.0.255}]"),
              one("networks[0].gateway[0] (f:1:53): 10.0.0.255 is the broadcast address of 10.0.0.0/24"));
    EXPECT_EQ(errors("ports: [{name: u, device: d}]\nunderlay: {port: u, address: 192.0.2.0/24}"),
              one("underlay.address[0] (f:2:30): 192.0.2.0 is the network address of 192.0.2.0/24"));
    EXPECT_EQ(errors("networks: [{name: a, subnets: 10.0.0.0/24, gateway: 10.0.0.1}]\n"
                     "routes: [{to: 0.0.0.0/0, via: 10.0.0.0}]"),
              one("routes[0].via (f:2:31): 10.0.0.0 is the network address of 10.0.0.0/24"));
}

TEST(Routing, AGatewayLiesInASubnetOfItsNetwork) {
    EXPECT_EQ(errors("networks: [{name: a, subnets: 10.0.0.0/24, gateway: [10.0.0.1, 10.0.1.1]}]"),
              one("networks[0].gateway[1] (f:1:64): 10.0.1.1 is in none of the network's `subnets`"));
    EXPECT_EQ(errors("networks: [{name: a, gateway: 10.0.0.1}]").size(), 1u);
    // Of a flat network it may be any.
    EXPECT_EQ(errors("networks: [{name: a, flat: true, gateway: 169.254.9.9}]"), Texts{});
}

TEST(Routing, AGatewayIsNoPortsAddress) {
    EXPECT_EQ(errors("networks: [{name: a, subnets: 10.0.0.0/24, gateway: 10.0.0.1}]\n"
                     "ports: [{name: p, netns: x, network: a, address: 10.0.0.1}]"),
              one("networks[0].gateway[0] (f:1:53): 10.0.0.1 is port p's address"));
}

TEST(Routing, RoutedNetworksOfADomainDoNotOverlap) {
    const std::string a = "networks:\n  - {name: a, subnets: 10.0.0.0/16, gateway: 10.0.0.1}\n";
    EXPECT_EQ(errors(a + "  - {name: b, subnets: 10.0.1.0/24, gateway: 10.0.1.1}"),
              one("networks[1].subnets[0] (f:3:24): 10.0.1.0/24 overlaps 10.0.0.0/16 of network a, and both "
                  "are routed in domain main: give one another `domain`"));
    EXPECT_EQ(errors(a + "  - {name: b, subnets: 10.0.1.0/24, gateway: 10.0.1.1, domain: other}"), Texts{});
    EXPECT_EQ(errors(a + "  - {name: b, subnets: 10.0.1.0/24}"), Texts{});
}

TEST(Routing, AFlatNetworkHasNoOverlay) {
    EXPECT_NE(errors("networks: [{name: a, flat: true, vxlan: {vni: 5}}]")[0].find("spans hosts"),
              std::string::npos);
}

// --- routes ---

constexpr const char* kTwo =
    "networks:\n"
    "  - {name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}\n"
    "  - {name: red, subnets: 10.0.1.0/24, gateway: 10.0.1.254, domain: other}\n"
    "  - {name: plain, subnets: 10.0.2.0/24}\n"
    "ports: [{name: p, netns: x, network: blue}, {name: none, netns: y}]\n";

// What is wrong with a route, by both ways: in the file and alone.
std::string mistake(const std::string& route) {
    const Config config = load(kTwo);
    auto document = base::parse_yaml(route, "r");
    route::RouteConfig parsed;
    const base::Errors syntax = base::read(*document, parsed);
    if (!syntax.empty()) return syntax[0].message;
    const std::string alone = router::route_mistake(config, parsed);
    const Texts all = errors(kTwo + std::string("routes: [") + route + "]");
    if (alone.empty()) {
        EXPECT_EQ(all, Texts{});
    } else {
        EXPECT_EQ(all.size(), 1u);
        EXPECT_TRUE(all.at(0).starts_with("routes[0].") && all[0].ends_with("): " + alone)) << all[0];
    }
    return alone;
}

TEST(Routing, ARouteSaysWhereItLeads) {
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.0.1}"), "");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, network: blue}"), "");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, port: p}"), "");
    EXPECT_EQ(mistake("{to: 'fd01::/64', via: 'fd00:a::1'}"), "");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, type: blackhole, domain: other}"), "");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, next-hops: [{via: 10.0.0.1}, {network: blue}]}"), "");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16}"),
              "leads nowhere: give `via`, a `network`, `next-hops`, or `type: blackhole`");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, type: blackhole, via: 10.0.0.1}"),
              "has no next hop: leave out via, network, port and next-hops");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.0.1, next-hops: [{via: 10.0.0.1}]}"),
              "stands beside `via`, `network` or `port`: give one next hop, or a list of them");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.0.1, network: blue, port: p}"),
              "stands beside `network`: give one of them");
}

TEST(Routing, EveryMistakeOfARouteIsTold) {
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 'fd00:a::1'}"),
              "fd00:a::1 is of another address family than 10.9.0.0/16");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.5.1}"),
              "10.0.5.1 is in no subnet of a routed network of domain main: name the `network`");
    // Of another domain, and not routed.
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.1.1}"),
              "10.0.1.1 is in no subnet of a routed network of domain main: name the `network`");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.1.1, network: red}"),
              "network red is of routing domain other, the route of main");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.2.1, network: plain}"),
              "network plain is not routed: give it a `gateway`");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, network: green}"), "there is no network \"green\"");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, port: q}"), "there is no port \"q\"");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, port: none}"), "port none is in no network");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.5.1, network: blue}"),
              "10.0.5.1 is in none of network blue's subnets");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, via: 10.0.0.254}"), "10.0.0.254 is the switch's own address");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, type: blackhole, domain: none}"),
              "no network with a `gateway` is of routing domain \"none\"");
    EXPECT_EQ(mistake("{to: 10.9.0.0/16, next-hops: [{via: 10.0.0.1}, {via: 10.0.0.254}]}"),
              "10.0.0.254 is the switch's own address");
}

TEST(Routing, EveryMistakeOfARouteIsToldAtItsKey) {
    EXPECT_EQ(errors(kTwo + std::string("routes: [{to: 10.9.0.0/16, next-hops: [{via: 'fd00:a::1'}, {network: green}]},\n"
                                        "  {to: 10.8.0.0/16, via: 'fd00:a::1', domain: none}]")),
              (Texts{"routes[0].next-hops[0].via (f:6:46): fd00:a::1 is of another address family than 10.9.0.0/16",
                     "routes[0].next-hops[1].network (f:6:70): there is no network \"green\"",
                     "routes[1].via (f:7:26): fd00:a::1 is of another address family than 10.8.0.0/16",
                     "routes[1].domain (f:7:47): no network with a `gateway` is of routing domain \"none\""}));
}

TEST(Routing, TheDefaultRouteIsOfItsGatewaysFamily) {
    auto to = [](const std::string& route) {
        auto document = base::parse_yaml(route, "r");
        route::RouteConfig parsed;
        EXPECT_EQ(base::read(*document, parsed).size(), 0u) << route;
        return parsed.to.text();
    };
    EXPECT_EQ(to("{to: default, via: 10.0.0.1}"), "0.0.0.0/0");
    EXPECT_EQ(to("{to: default, via: 'fd00::1'}"), "::/0");
    EXPECT_EQ(to("{next-hops: [{network: blue}, {via: 'fd00::1'}], to: default}"), "::/0");
    EXPECT_EQ(to("{to: default, type: blackhole}"), "0.0.0.0/0");
    EXPECT_EQ(to("{to: 10.0.0.0/8, via: 10.0.0.1}"), "10.0.0.0/8");
    const Config config = load("ports: [{name: a, netns: a, routes: [{to: default, via: 'fd00::1'}, {to: default, via: 10.0.0.1}]}]");
    ASSERT_EQ(config.ports.at(0).routes.size(), 2u);
    EXPECT_EQ(config.ports[0].routes[0].to.text(), "::/0");
    EXPECT_EQ(config.ports[0].routes[1].to.text(), "0.0.0.0/0");
    // What is shown is read as the same.
    EXPECT_TRUE(diff(load(show(config)), config).empty());
}

TEST(Routing, ADestinationHasOneRouteInADomain) {
    EXPECT_EQ(errors(kTwo + std::string("routes:\n  - {to: 10.9.0.0/16, via: 10.0.0.1}\n"
                                        "  - {to: 10.9.0.0/16, via: 10.0.0.2}\n"
                                        "  - {to: 10.9.0.0/16, via: 10.0.1.2, domain: other}")),
              one("routes[1].to (f:8:10): 10.9.0.0/16 has a route already, at f:7:5: give several "
                  "`next-hops` to one"));
}

// --- overlays ---

std::string overlay(const std::string& network, const std::string& underlay, const std::string& more = "") {
    return "networks: [{name: a" + network + "}" + more + "]\n" +
           "ports: [{name: w, netns: x, mtu: 1600}, {name: p, netns: y, network: a}, "
           "{name: m, host: true}]\n" +
           (underlay.empty() ? "" : "underlay: {port: w" + underlay + "}\n");
}
constexpr const char* kOwn = ", address: 192.0.2.1/24";

TEST(Routing, AnOverlayNeedsAnUnderlay) {
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: 192.0.2.2}", kOwn)), Texts{});
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: 192.0.2.2}", "")),
              one("networks[0].vxlan (f:1:29): needs an `underlay` (a network, or a port and address) to send its "
                  "packets "
                  "by"));
}

TEST(Routing, TheUnderlaysPortIsItsOwn) {
    EXPECT_EQ(errors("underlay: {port: w, address: 192.0.2.1/24}"),
              one("underlay.port (f:1:18): there is no port \"w\""));
    EXPECT_EQ(errors("networks: [{name: a}]\nports: [{name: w, netns: x, network: a}]\n"
                     "underlay: {port: w, address: 192.0.2.1/24}"),
              one("underlay.port (f:3:18): port w is in a network: the underlay's is in none; to share it, "
                  "write `network: a` in place of `port` and `address`"));
    EXPECT_EQ(errors("ports: [{name: w, host: true}, {name: v, netns: x}]\n"
                     "mirrors: [{name: m, from: [v], to: w}]\n"
                     "underlay: {port: w, address: 192.0.2.1/24}"),
              one("underlay.port (f:3:18): port w is where mirror m sends its copies"));
}

TEST(Routing, TheUnderlaysAddressesHaveLengthsAndOneOfEachFamily) {
    EXPECT_EQ(errors(overlay("", ", address: 192.0.2.1")),
              one("underlay.address[0] (f:3:30): 192.0.2.1 has no prefix length: write 192.0.2.1/24, say"));
    EXPECT_EQ(errors(overlay("", ", address: [192.0.2.1/24, 'fd00::1/64', 192.0.2.2/24]")),
              one("underlay.address[2] (f:3:59): is a second address of its family: give one for IPv4, one "
                  "for IPv6"));
    EXPECT_EQ(errors(overlay("", ", address: 192.0.2.1/24, gateway: 198.51.100.1")),
              one("underlay.gateway[0] (f:3:53): 198.51.100.1 is not on the link of the underlay's "
                  "addresses"));
}

TEST(Routing, RemotesAreOtherHosts) {
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: [192.0.2.2, 192.0.2.2]}", kOwn)),
              one("networks[0].vxlan.remotes[1] (f:1:59): 192.0.2.2 is named already"));
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: [239.0.0.1]}", kOwn)),
              one("networks[0].vxlan.remotes[0] (f:1:48): 239.0.0.1 is a group address: name each end "
                  "point"));
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: ['fd00::2']}", kOwn)),
              one("networks[0].vxlan.remotes[0] (f:1:48): fd00::2 is of a family that the underlay has no "
                  "address of"));
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: [192.0.2.1]}", kOwn)),
              one("networks[0].vxlan.remotes[0] (f:1:48): 192.0.2.1 is this host's own address"));
}

TEST(Routing, AStationIsBehindARemoteOfItsNetwork) {
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5, remotes: 192.0.2.2, static: [{mac: '02:00:00:00:00:01', "
                             "remote: 192.0.2.3}]}",
                             kOwn)),
              one("networks[0].vxlan.static[0].remote (f:1:102): 192.0.2.3 is not among the network's "
                  "`remotes`"));
    EXPECT_NE(errors(overlay(", vxlan: {vni: 5, remotes: 192.0.2.2, static: [{mac: '03:00:00:00:00:01', "
                             "remote: 192.0.2.2}]}",
                             kOwn))[0]
                  .find("is a group or zero address"),
              std::string::npos);
}

TEST(Routing, AVniIsOneNetworks) {
    EXPECT_EQ(errors(overlay(", vxlan: {vni: 5}", kOwn, ", {name: b, vxlan: {vni: 5}}")),
              one("networks[1].vxlan.vni (f:1:63): VNI 5 is network a's already"));
    EXPECT_NE(errors(overlay(", vxlan: {vni: 16777216}", kOwn)), Texts{});
    EXPECT_NE(errors(overlay(", vxlan: {vni: 0}", kOwn)), Texts{});
}

TEST(Routing, APortsMtuFitsIntoTheUnderlay) {
    EXPECT_EQ(errors("networks: [{name: a, vxlan: {vni: 5}}]\n"
                     "ports: [{name: w, netns: x}, {name: p, netns: y, network: a, mtu: 1451}]\n"
                     "underlay: {port: w, address: 192.0.2.1/24}"),
              one("ports[1].mtu (f:2:67): is more than network a carries: 1450 is what the underlay leaves"));
}

// --- a network as the underlay ---

std::string one_nic(const std::string& outside = "gateway: 192.0.2.1", const std::string& more = "",
                    const std::string& remotes = "192.0.2.2") {
    return "networks:\n"
           "  - {name: outside, subnets: 192.0.2.0/24, " +
           outside +
           "}\n"
           "  - {name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254, vxlan: {vni: 5, remotes: [" +
           remotes +
           "]}}\n"
           "underlay: {network: outside}\n"
           "ports: [{name: w, device: d, network: outside, mtu: 1600}, {name: p, netns: y, network: blue}]\n" +
           more;
}

TEST(Routing, ANetworkMayBeTheUnderlay) {
    const Config config = load(one_nic());
    EXPECT_EQ(underlay_network(config), "outside");
    EXPECT_EQ(underlay_domain(config), "main");
    EXPECT_EQ(end_points_of(config), std::vector{*IpAddress::parse("192.0.2.1")});
    EXPECT_EQ(networks_of(config).size(), 2u) << "none is added";
    EXPECT_EQ(find_port(config, "p")->mtu, 1550);
    // By a network's NICs alone, and by any port where it has none.
    const std::string container = "ports: [{name: c, netns: z, network: outside, mtu: 1400}, ";
    std::string with_container = one_nic();
    with_container.replace(with_container.find("ports: ["), 8, container);
    EXPECT_EQ(find_port(load(with_container), "p")->mtu, 1550);
    with_container.replace(with_container.find("device: d"), 9, "netns: d");
    EXPECT_EQ(find_port(load(with_container), "p")->mtu, 1350);
}

TEST(Routing, TheFirstGatewayOfEachFamilyIsTheEndPoint) {
    const Config config = load(
        "networks: [{name: outside, subnets: [192.0.2.0/24, 'fd00::/64', 198.51.100.0/24],\n"
        "            gateway: [192.0.2.1, 'fd00::1', 198.51.100.1]}]\n"
        "underlay: {network: outside}");
    EXPECT_EQ(end_points_of(config), (std::vector{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("fd00::1")}));
}

TEST(Routing, TheUnderlaysNetworkSaysAllOfIt) {
    const auto told = [](const std::string& more) {
        return errors(
            "networks: [{name: a, subnets: 192.0.2.0/24, gateway: 192.0.2.1}]\n"
            "ports: [{name: w, device: d}]\nunderlay: {network: a, " +
            more + "}");
    };
    EXPECT_EQ(told("udp-port: 8472, checksum: full"), Texts{});
    EXPECT_EQ(told("port: w"), one("underlay.port (f:3:30): stands beside `network`: give one of them"));
    EXPECT_EQ(told("address: 192.0.2.1/24"),
              one("underlay.address (f:3:33): stands beside `network`: leave it out, the network's "
                  "`gateway` addresses are this host's end points"));
    EXPECT_EQ(told("mac: '02:00:00:00:00:01'"),
              one("underlay.mac (f:3:29): stands beside `network`: give the network this "
                  "`gateway-mac`"));
    EXPECT_EQ(told("gateway: 192.0.2.254"),
              one("underlay.gateway (f:3:33): stands beside `network`: write `routes` by that gateway"));
}

TEST(Routing, TheUnderlaysNetworkIsALinkWithAGateway) {
    EXPECT_EQ(errors("underlay: {network: a}"), one("underlay.network (f:1:21): there is no network \"a\""));
    EXPECT_EQ(
        errors(one_nic("vlan: 5")),
        one("underlay.network (f:4:21): network outside has no `gateway`: its gateway addresses are this host's "
            "tunnel end points"));
    EXPECT_EQ(
        errors(one_nic("flat: true, gateway: 192.0.2.1")),
        one("underlay.network (f:4:21): network outside is `flat`: name a network that the NIC's link is bridged "
            "to"));
    EXPECT_EQ(
        errors(one_nic("gateway: 192.0.2.1, vxlan: {vni: 6}")),
        one("underlay.network (f:4:21): network outside spans hosts by tunnels itself, and tunnels can't carry "
            "their own packets: name the network of the NIC"));
    std::string small = one_nic();
    small.replace(small.find("mtu: 1600"), 9, "mtu: 1300");
    EXPECT_EQ(errors(small),
              one("underlay.network (f:4:21): port w has an MTU of 1300: an underlay needs 1350 at least"));
}

TEST(Routing, NoTunnelLeadsIntoATunnel) {
    EXPECT_EQ(errors(one_nic("gateway: 192.0.2.1", "", "192.0.2.1")),
              one("networks[1].vxlan.remotes[0] (f:3:87): 192.0.2.1 is this host's own address"));
    EXPECT_EQ(
        errors(one_nic("gateway: 192.0.2.1", "", "10.0.0.2")),
        one("networks[1].vxlan.remotes[0] (f:3:87): 10.0.0.2 lies in network blue (10.0.0.0/24), but tunnel "
            "packets leave by the underlay's network outside: give one of them another subnet, or network blue "
            "another `domain`"));
    EXPECT_EQ(
        errors(one_nic("gateway: 192.0.2.1", "routes: [{to: 198.51.100.0/24, via: 10.0.0.2}]", "198.51.100.2")),
        one("networks[1].vxlan.remotes[0] (f:3:87): 198.51.100.2 is routed by network blue (route "
            "198.51.100.0/24 at f:6:10), but tunnel packets leave by the underlay's network outside: give it a "
            "route there"));
    EXPECT_EQ(
        errors(one_nic("gateway: 192.0.2.1", "routes: [{to: 198.51.100.0/24, via: 192.0.2.254}]", "198.51.100.2")),
        Texts{});
    // A port with that address could send into tunnels.
    std::string port = one_nic();
    port.replace(port.find("ports: ["), 8, "ports: [{name: c, netns: z, network: outside, address: 192.0.2.2}, ");
    EXPECT_EQ(errors(port),
              one("ports[0].address[0] (f:5:56): 192.0.2.2 is a remote tunnel end point's: what the port "
                  "sends would be taken for tunnel packets"));
}

TEST(Routing, TheVxlanPortOfAnEndPointIsTheTunnels) {
    const auto told = [](const std::string& more) { return errors(one_nic("gateway: 192.0.2.1", more)); };
    const std::string taken =
        "UDP port 4789 of this host's tunnel end points is VXLAN's: publish another port, or at another `address`";
    EXPECT_EQ(told("publish: [{port: 4780-4790, proto: udp, to: '10.0.0.1:80-90'}]"),
              one("publish[0].port (f:6:18): " + taken));
    EXPECT_EQ(told("publish: [{address: 192.0.2.1, port: 4789, proto: udp, to: '10.0.0.1:80'}]"),
              one("publish[0].port (f:6:38): " + taken));
    EXPECT_EQ(told("publish: [{address: 192.0.2.7, port: 4789, proto: udp, to: '10.0.0.1:80'}]"), Texts{});
    EXPECT_EQ(told("publish: [{port: 4789, to: '10.0.0.1:80'}]"), Texts{});
    EXPECT_EQ(
        told("services: [{name: s, address: 192.0.2.1, ports: [{port: 4789, proto: udp}]}]"),
        one("services[0].ports[0].port (f:6:57): UDP port 4789 of this host's tunnel end points is VXLAN's: give "
            "the Service another address or port"));
    EXPECT_EQ(
        told("service-ranges: {node-ports: 4000-5000}"),
        one("underlay.udp-port (f:4:11): 4789 is in the range of node ports (`service-ranges: {node-ports: "
            "4000-5000}`), which are reached at the end points too: take another one on all hosts, or another "
            "range"));
    EXPECT_EQ(
        told("nat: [{out: outside, static: {inside: 10.0.0.1, outside: 192.0.2.1}}]"),
        one("nat[0].static.outside (f:6:58): 192.0.2.1 is this host's tunnel end point, and a static address has "
            "all of its ports for itself: take another address of the network"));
    EXPECT_EQ(
        told("nat: [{out: blue, masquerade: [outside], addresses: [192.0.2.1-192.0.2.9]}]"),
        one("nat[0].addresses[0] (f:6:54): has 192.0.2.1, this host's tunnel end point, which only what leaves "
            "by network outside may have"));
    EXPECT_EQ(told("acls: [{name: l, rules: [], apply: {port: w, direction: ingress}}]"), Texts{});
}

// --- what follows ---

TEST(Routing, APortInAnOverlayHasTheMtuThatTheUnderlayLeaves) {
    const auto mtu = [](const std::string& remotes, const std::string& address) {
        const Config config = load(overlay(", vxlan: {vni: 5" + remotes + "}", ", address: " + address));
        EXPECT_EQ(find_port(config, "w")->mtu, 1600);
        EXPECT_EQ(find_port(config, "m")->mtu, std::nullopt);
        return find_port(config, "p")->mtu.value_or(0);
    };
    EXPECT_EQ(mtu(", remotes: 192.0.2.2", "192.0.2.1/24"), 1550);
    EXPECT_EQ(mtu(", remotes: 'fd00::2'", "'fd00::1/64'"), 1530);
    EXPECT_EQ(mtu(", remotes: [192.0.2.2, 'fd00::2']", "[192.0.2.1/24, 'fd00::1/64']"), 1530);
    // Without remotes: by the underlay's own address.
    EXPECT_EQ(mtu("", "192.0.2.1/24"), 1550);
    EXPECT_EQ(mtu("", "'fd00::1/64'"), 1530);
    // What is given is kept.
    const Config config = load("networks: [{name: a, vxlan: {vni: 5}}]\n"
                               "ports: [{name: w, netns: x}, {name: p, netns: y, network: a, mtu: 1400}]\n"
                               "underlay: {port: w, address: 192.0.2.1/24}");
    EXPECT_EQ(find_port(config, "p")->mtu, 1400);
}

Texts routes_inside(const Config& config, const std::string& port) {
    Texts texts;
    for (const auto& route : find_port(config, port)->routes) {
        texts.push_back(route.to.text() + (route.via ? " via " + route.via->text() : "") +
                        (route.metric ? fmt::format(" metric {}", *route.metric) : ""));
    }
    return texts;
}

TEST(Routing, AContainersDefaultRoutesAreByTheGateway) {
    const Config config =
        load("networks: [{name: a, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.1, 'fd00::1']}]\n"
             "ports:\n"
             "  - {name: both, netns: x, network: a, address: [10.0.0.2, 'fd00::2']}\n"
             "  - {name: v4, netns: y, network: a, address: 10.0.0.3}\n"
             "  - {name: own, netns: z, network: a, address: 10.0.0.4, routes: [{to: 10.0.0.0/8}]}\n"
             "  - {name: h, host: true, network: a, address: 10.0.0.5}\n");
    EXPECT_EQ(routes_inside(config, "both"), (Texts{"0.0.0.0/0 via 10.0.0.1", "::/0 via fd00::1"}));
    EXPECT_EQ(routes_inside(config, "v4"), Texts{"0.0.0.0/0 via 10.0.0.1"});
    EXPECT_EQ(routes_inside(config, "own"), Texts{"10.0.0.0/8"});
    EXPECT_EQ(routes_inside(config, "h"), Texts{});
    // What is shown gives the same again.
    EXPECT_TRUE(diff(load(show(config)), config).empty());
}

// Each port of a namespace has its own, and the first one's comes first.
TEST(Routing, OfSeveralPortsInANamespaceTheDefaultRoutesHaveMetrics) {
    const std::string networks =
        "networks: [{name: a, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.1, 'fd00::1']},\n"
        "  {name: f, subnets: [10.1.0.0/24], flat: true}, {name: g, subnets: [10.2.0.0/24], flat: true}]\n"
        "ports:\n";
    const std::string first = "  - {name: p, netns: x, network: a, address: [10.0.0.2, 'fd00::2']}\n";
    const Config config =
        load(networks + first +
             "  - {name: q, netns: /run/netns/x, interface: eth1, network: a, address: [10.0.0.3, 'fd00::3']}\n"
             "  - {name: f, netns: x, interface: eth2, network: f, address: 10.1.0.2}\n"
             "  - {name: g, netns: x, interface: eth3, network: g, address: 10.2.0.2}\n"
             "  - {name: o, netns: o, network: a, address: 10.0.0.4}\n");
    EXPECT_EQ(routes_inside(config, "p"), (Texts{"0.0.0.0/0 via 10.0.0.1", "::/0 via fd00::1"}));
    EXPECT_EQ(routes_inside(config, "q"),
              (Texts{"0.0.0.0/0 via 10.0.0.1 metric 1", "::/0 via fd00::1 metric 1025"}));
    EXPECT_EQ(routes_inside(config, "f"),
              (Texts{"169.254.1.1/32 metric 2", "0.0.0.0/0 via 169.254.1.1 metric 2"}));
    EXPECT_EQ(routes_inside(config, "g"),
              (Texts{"169.254.1.1/32 metric 3", "0.0.0.0/0 via 169.254.1.1 metric 3"}));
    EXPECT_EQ(routes_inside(config, "o"), Texts{"0.0.0.0/0 via 10.0.0.1"});
    EXPECT_TRUE(diff(load(show(config)), config).empty());
    // The same where one port is looked at alone.
    const std::string two =
        networks + first +
        "  - {name: q, netns: x, interface: eth1, network: a, address: [10.0.0.3, 'fd00::3']}\n";
    Config unfinished;
    EXPECT_TRUE(base::read(*base::parse_yaml(two, "f"), unfinished).empty());
    for (port::PortConfig port : unfinished.ports) {
        complete(unfinished, port);
        EXPECT_EQ(port.routes, find_port(load(two), port.name)->routes) << port.name;
    }
    // What is declared comes before what follows from the network.
    const Config mixed = load(networks + first +
                              "  - {name: q, netns: x, interface: eth1, network: a, address: 10.0.0.3,\n"
                              "     routes: [{to: default, via: 10.0.0.9},\n"
                              "       {to: default, via: 10.0.0.9, metric: 1}]}\n");
    EXPECT_EQ(routes_inside(mixed, "p"), (Texts{"0.0.0.0/0 via 10.0.0.1 metric 2", "::/0 via fd00::1"}));
}

TEST(Routing, ANamespaceHasOneRouteToADestinationUnderAMetric) {
    const std::string ports = "ports:\n  - {name: a, netns: x, routes: [{to: 10.0.0.0/8}, {to: 'fd00::/8'}]}\n";
    const auto second = [&](const std::string& route, const std::string& netns = "x") {
        return errors(ports + fmt::format("  - {{name: b, netns: {}, interface: e, routes: [{}]}}", netns, route));
    };
    EXPECT_EQ(second("{to: 10.0.0.0/8}"),
              one("ports[1].routes[0].to (f:3:53): 10.0.0.0/8 has a route by port a of the same namespace: give "
                  "one another `metric`"));
    EXPECT_EQ(second("{to: 'fd00::/8', metric: 1024}").size(), 1u);
    EXPECT_EQ(second("{to: 10.0.0.0/8, metric: 1}"), Texts{});
    EXPECT_EQ(second("{to: 10.0.0.0/8}", "y"), Texts{});
    EXPECT_EQ(errors("ports: [{name: a, netns: x, routes: [{to: 10.0.0.0/8}, {to: 10.0.0.0/8}]}]"),
              one("ports[0].routes[1].to (f:1:61): 10.0.0.0/8 has a route already: give one another `metric`"));
}

TEST(Routing, AFlatNetworksContainersReachOthersByTheGatewayAlone) {
    const Config config = load("networks: [{name: a, subnets: [10.0.0.0/24, 'fd00::/64'], flat: true}]\n"
                               "ports: [{name: p, netns: x, network: a, address: [10.0.0.2, 'fd00::2']}]\n");
    EXPECT_EQ(find_port(config, "p")->address[0].text(), "10.0.0.2/32");
    EXPECT_EQ(find_port(config, "p")->address[1].text(), "fd00::2/128");
    EXPECT_EQ(routes_inside(config, "p"), (Texts{"169.254.1.1/32", "0.0.0.0/0 via 169.254.1.1", "fe80::1/128",
                                                 "::/0 via fe80::1"}));
}

TEST(Routing, TheUnderlayIsANetworkOfItsOwnDomain) {
    const Config config =
        load(overlay(", vxlan: {vni: 5}",
                     ", address: [192.0.2.1/24, 'fd00::1/64'], gateway: [192.0.2.254, 'fd00::fe']"));
    const auto networks = networks_of(config);
    ASSERT_EQ(networks.size(), 2u);
    EXPECT_EQ(networks[1].name, kUnderlay);
    EXPECT_EQ(networks[1].domain, kUnderlay);
    EXPECT_EQ(networks[1].subnets[0].text(), "192.0.2.0/24");
    EXPECT_EQ(networks[1].gateway[0].text(), "192.0.2.1");
    EXPECT_EQ(network_of(config, *find_port(config, "w")), kUnderlay);
    EXPECT_EQ(network_of(config, *find_port(config, "p")), "a");
    Texts texts;
    for (const auto& route : router::routes_of(config)) {
        texts.push_back(route.to.text() + " via " + route.hop.via->text());
    }
    EXPECT_EQ(texts, (Texts{"0.0.0.0/0 via 192.0.2.254", "::/0 via fd00::fe"}));
    EXPECT_TRUE(router::routes_of(load(kTwo)).empty());
}

TEST(Routing, TheNetworkOfANextHopFollowsFromItsAddress) {
    const Config config = load(kTwo);
    const auto network = [&](const route::HopConfig& hop, const std::string& domain = "main") {
        return router::resolve_network(config, hop, domain);
    };
    EXPECT_EQ(network({.via = *IpAddress::parse("10.0.0.1")}), "blue");
    EXPECT_EQ(network({.via = *IpAddress::parse("10.0.1.1")}, "other"), "red");
    EXPECT_EQ(network({.via = *IpAddress::parse("10.0.1.1")}), "");
    EXPECT_EQ(network({.port = "p"}), "blue");
    EXPECT_EQ(network({.via = *IpAddress::parse("192.0.2.254")}, std::string(kUnderlay)), kUnderlay);
}

}  // namespace
}  // namespace sluice::engine
