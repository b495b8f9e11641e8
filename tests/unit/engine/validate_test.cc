#include <gtest/gtest.h>

#include <regex>

#include "engine/combine.h"
#include "engine/config.h"
#include "engine/machine.h"
#include "engine/state.h"
#include "engine/switch.h"
#include "port/tap.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

Texts errors(std::string_view yaml, const std::vector<port::PortConfig>& added = {}) {
    Texts texts;
    auto config = load_config(yaml, "f", added, Machine{});
    if (config) return texts;
    for (const auto& error : config.error()) texts.push_back(error.text());
    return texts;
}

Texts one(std::string text) {
    return {std::move(text)};
}

TEST(Validate, NetworksHaveNamesOfTheirOwn) {
    EXPECT_EQ(errors("networks:\n  - {name: a}\n  - {name: a}"),
              one("networks[1].name (f:3:12): network a is declared already, at f:2:5: give one "
                  "another name"));
}

TEST(Validate, SubnetsOfANetworkDoNotOverlap) {
    EXPECT_EQ(errors("networks: [{name: a, subnets: [10.0.0.0/8, 'fd00::/64', 10.1.0.0/16]}]"),
              one("networks[0].subnets[2] (f:1:57): 10.1.0.0/16 overlaps 10.0.0.0/8"));
    EXPECT_EQ(errors("networks: [{name: a, subnets: [10.1.0.0/16, 10.0.0.0/8]}]").size(), 1u);
    // Different networks may use the same addresses.
    EXPECT_EQ(
        errors("networks: [{name: a, subnets: [10.0.0.0/8]}, {name: b, subnets: [10.0.0.0/8]}]"),
        Texts{});
}

TEST(Validate, ASubnetIsToldOnceHoweverManyItOverlaps) {
    EXPECT_EQ(errors("networks: [{name: a, subnets: [10.1.0.0/16, 10.2.0.0/16, '::/0', 10.0.0.0/8, 10.2.3.0/24, "
                     "10.3.0.0/16, 'fd00::/64', 11.0.0.0/8]}]"),
              (Texts{"networks[0].subnets[3] (f:1:66): 10.0.0.0/8 overlaps 10.1.0.0/16",
                     "networks[0].subnets[4] (f:1:78): 10.2.3.0/24 overlaps 10.2.0.0/16",
                     "networks[0].subnets[5] (f:1:91): 10.3.0.0/16 overlaps 10.0.0.0/8",
                     "networks[0].subnets[6] (f:1:104): fd00::/64 overlaps ::/0"}));
    EXPECT_EQ(
        errors("networks: [{name: a, subnets: [10.1.0.0/16, 10.2.0.0/16], flat: true},\n"
               "  {name: b, subnets: [10.1.1.0/24], flat: true},\n"
               "  {name: c, subnets: [10.0.0.0/8], flat: true}, {name: d, subnets: [10.0.0.0/8]}]"),
        (Texts{"networks[1].subnets[0] (f:2:23): 10.1.1.0/24 overlaps 10.1.0.0/16 of network a, and both are "
               "routed in domain main: give one another `domain`",
               "networks[2].subnets[0] (f:3:23): 10.0.0.0/8 overlaps 10.1.0.0/16 of network a, and both are "
               "routed in domain main: give one another `domain`"}));
}

// The largest text that a reader may send, of as many mistakes as fit: some are told, and that there are more.
TEST(Validate, MistakesAreBounded) {
    constexpr size_t kSize = 1 << 20;
    auto filled = [](std::string text, auto line) {
        for (int i = 0; text.size() < kSize; ++i) text += line(i);
        return text;
    };
    std::string names = "networks:\n";
    for (int i = 0; i < path::kMaxNetworks - 1; ++i)
        names += fmt::format("- {{name: a-long-name-of-a-network-{:031}}}\n", i);
    const std::vector<std::string> texts{
        filled("", [](int i) { return fmt::format("a-key-that-nobody-knows-{}: 1\n", i); }),
        filled("networks:\n- name: n\n", [](int i) { return fmt::format("  sub-nets-{}: 1\n", i); }),
        filled("networks:\n", [](int) { return "- {nam: 1}\n"; }),
        filled("networks:\n", [](int) { return "- {name: n}\n"; }),
        filled("networks:\n- name: n\n  subnets:\n", [](int) { return "  - 10.0.0.0/8\n"; }),
        filled(
            "networks:\n- name: n\n  flat: true\n  subnets: [10.0.0.0/8]\n- name: m\n  flat: true\n  subnets:\n",
            [](int i) { return fmt::format("  - 10.{}.{}.{}/32\n", i >> 16, i >> 8 & 255, i & 255); }),
        filled(names + "ports:\n",
               [](int i) {
                   return fmt::format("- {{name: p{0}, netns: x{0}, network: b-long-name-of-a-network-{0:031}}}\n",
                                      i % 4096);
               }),
        filled("networks: [{name: n}]\nports:\n- name: a\n  netns: x\n  network: n\n  address:\n",
               [](int) { return "  - 224.0.0.1\n"; }),
        filled("networks: [{name: n, flat: true}]\nroutes:\n",
               [](int) { return "- {to: 10.0.0.0/8, network: n}\n"; }),
        filled("networks: [{name: n, subnets: x, flat: true}]\nroutes:\n",
               [](int i) { return fmt::format("- {{to: 10.0.0.0/8, network: m{}}}\n", i); }),
        filled("ports: [{name: u, device: d}]\nunderlay:\n  port: u\n  address:\n",
               [](int) { return "  - 192.0.2.1\n"; }),
        filled("acls:\n", [](int) { return "- {name: a, rules: []}\n"; }),
        filled("acls:\n- name: a\n  rules:\n",
               [](int i) { return fmt::format("  - permit: {{from: [no-such-{}]}}\n", i); }),
        filled("address-sets:\n", [](int) { return "- {name: a, addresses: []}\n"; }),
        filled("mirrors:\n", [](int) { return "- {name: a, to: x, from: [x]}\n"; }),
    };
    for (const std::string& text : texts) {
        const Texts told = errors(text);
        EXPECT_GE(told.size(), 1u) << text.substr(0, 200);
        EXPECT_LE(told.size(), base::kMaxErrors + 1) << text.substr(0, 200);
        size_t size = 0;
        for (const std::string& line : told) size += line.size();
        EXPECT_LE(size, 100'000u) << text.substr(0, 200);
    }
    EXPECT_EQ(errors(texts[2]).back(), "f: there are more mistakes: these are 100 of them");
    EXPECT_EQ(errors(texts[4]).back(), "f: there are more mistakes: these are 100 of them");
}

TEST(Validate, PortsHaveNamesOfTheirOwn) {
    EXPECT_EQ(errors("ports:\n  - {name: a, netns: x}\n  - {name: a, netns: y}"),
              one("ports[1].name (f:3:12): port a is declared already: give one another name"));
}

TEST(Validate, AnAddedPortHasTheMistakeItself) {
    EXPECT_EQ(errors("networks: [{name: n, subnets: 10.0.0.0/24, gateway: 10.0.0.1}]\n",
                     {{.name = "a", .netns = "x", .network = "n", .address = {*InterfaceAddress::parse("10.0.0.1")}}}),
              one("ports[0].address[0]: 10.0.0.1 is the gateway of network n"));
}

// What isn't understood has no consequences that would be told as mistakes.
TEST(Validate, NothingFollowsFromWhatIsWrong) {
    const std::string rest =
        "ports: [{name: a, netns: a, network: n, address: 10.0.0.2}, {name: t, device: d, trunk: {networks: [n]}}]\n"
        "routes: [{to: 10.9.0.0/16, via: 10.0.0.7}]";
    EXPECT_EQ(errors("networks: [{name: n, vlan: 5, subnets: [10.0.0.1/24], gateway: 10.0.0.254}]\n" + rest),
              one("networks[0].subnets[0] (f:1:41): '10.0.0.1/24' has bits set beyond its length; did you mean "
                  "10.0.0.0/24?"));
    EXPECT_EQ(errors("networks: [{name: n, vlan: 5, subnets: 10.0.0.0/24, gatway: 10.0.0.254}]\n" + rest),
              one("networks[0] (f:1:53): unknown key 'gatway'; did you mean 'gateway'?"));
    EXPECT_EQ(errors("networks: [{name: n, vlan: 5000, subnets: 10.0.0.0/24, gateway: 10.0.0.254}]\n" + rest),
              one("networks[0].vlan (f:1:28): '5000' is out of range (0 to 4094)"));
    EXPECT_EQ(errors("ports: [{name: u, device: d}]\nunderlay: {port: u, address: x, gateway: 192.0.2.1}\n"
                     "networks: [{name: n, vxlan: {vni: 1, remotes: [192.0.2.2]}}]"),
              one("underlay.address (f:2:30): 'x' is not an IP address"));
    EXPECT_EQ(errors("ports: [{name: u, device: d}]\nunderlay: {port: u, address: 192.0.2.3/24}\nnetworks: [{name: n, "
                     "vxlan: {vni: 1, remotes: [x], static: [{mac: '02:00:00:00:00:01', remote: 192.0.2.2}]}}]"),
              one("networks[0].vxlan.remotes[0] (f:3:48): 'x' is not an IP address"));
    EXPECT_EQ(errors("networks: [{name: n, subnets: 10.0.0.0/24, gateway: 10.0.0.1}]\nroutes: [{to: defualt, via: 10.0.0.3},"
                     " {to: 10.1.0.0/16, type: blackhol}, {to: 10.2.0.0/16, next-hops: 5}]"),
              (Texts{"routes[0].to (f:2:15): 'defualt' is not an IP prefix (such as 10.0.0.0/24)",
                     "routes[1].type (f:2:64): 'blackhol' is not one of unicast, blackhole, unreachable",
                     "routes[2].next-hops (f:2:104): expected a list of mappings, found a scalar"}));
    EXPECT_EQ(errors("ports: [{name: a, netns: a, routes: [{to: 10.0.0.1/8, via: 10.0.0.1}]},"
                     " {name: b, vhost-user: {path: /x, mode: sever, group: g}}]").size(), 2u);
    EXPECT_EQ(errors("networks: [{name: n, gateway: {}, gateway-mac: '02:00:00:00:00:01'}]").size(), 1u);
    EXPECT_EQ(errors("acls: [{name: a, rules: [{permit: {proto: tpc, port: 80}}, {permit: {proto: icmpx, type: 8}}]}]")
                  .size(), 2u);
    // A default in the place of what isn't understood, or isn't there, is no one's mistake.
    EXPECT_EQ(
        errors("networks: [{name: n, subnets: 10.0.0.0/24, gateway: 10.0.0.1}]\n"
               "routes: [{to: 10.8.0.0, type: blackhol}, {via: 10.0.0.3}]"),
        (Texts{"routes[0].to (f:2:15): '10.8.0.0' has no prefix length; 10.8.0.0/32 is the address alone",
               "routes[0].type (f:2:31): 'blackhol' is not one of unicast, blackhole, unreachable",
               "routes[1] (f:2:42): the key 'to' is missing"}));
    EXPECT_EQ(errors("ports: [{name: h, host: yes}, {name: g, host: \"true\"}]"),
              (Texts{"ports[0].host (f:1:25): expected true or false, found 'yes'",
                     "ports[1].host (f:1:47): expected true or false, found the string 'true'"}));
    EXPECT_EQ(errors("ports: [{name: a, netns: a}]\nnetworks: [{name: n, vxlan: {remotes: "
                     "[]}}]\nunderlay: {address: "
                     "192.0.2.1/24}\nmirrors: [{from: [a]}, {from: [a]}]\n"),
              (Texts{"networks[0].vxlan (f:2:29): the key 'vni' is missing",
                     "underlay (f:3:11): the key 'port' is missing",
                     "mirrors[0] (f:4:11): the key 'name' is missing",
                     "mirrors[0] (f:4:11): the key 'to' is missing",
                     "mirrors[1] (f:4:24): the key 'name' is missing",
                     "mirrors[1] (f:4:24): the key 'to' is missing"}));
    // Two that aren't understood aren't the same either.
    EXPECT_EQ(errors("networks: [{name: n}]\nports: [{name: a, netns: a, network: n, address: x, mac: x},\n"
                     "  {name: b, netns: b, network: n, address: x, mac: x}]").size(), 4u);
}

TEST(Validate, ASecondMistakeIsToldToo) {
    EXPECT_EQ(errors("ports: [{name: 'a b', network: n, address: [224.0.0.1, 10.0.0.1, 10.0.0.1]}]").size(), 5u);
    EXPECT_EQ(errors("ports: [{name: a, netns: x/y, host: true, device: d}]").size(), 3u);
    EXPECT_EQ(errors("ports: [{nam: a}]").size(), 3u);
    EXPECT_EQ(errors("ports: [{name: a, device: [d]}]").size(), 1u);  // that one alone
}

TEST(Validate, SoManyPortsAndNetworks) {
    std::string networks = "networks:\n";
    for (int i = 0; i < path::kMaxNetworks; ++i) networks += fmt::format("  - {{name: n{}}}\n", i);
    EXPECT_EQ(errors(networks), one("networks[4095] (f:4097:5): is one network too many: there may be 4095"));
    std::string ports = "ports:\n";
    for (int i = 0; i <= path::kMaxPorts; ++i) ports += fmt::format("  - {{name: p{0}, netns: x{0}}}\n", i);
    EXPECT_EQ(errors(ports), one("ports[4096] (f:4098:5): is one port too many: with 0 remote end points there may be "
                                 "4096"));
    std::string remotes =
        "ports: [{name: u, device: d}]\nunderlay: {port: u, address: 192.0.2.1/24}\nnetworks:\n"
        "  - {name: n, vxlan: {vni: 1, remotes: [";
    for (int i = 0; i <= path::kMaxPorts; ++i)
        remotes += fmt::format("{}10.0.{}.{}", i == 0 ? "" : ", ", i >> 8, i & 255);
    const Texts told = errors(remotes + "]}}");
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0], "ports[0] (f:1:9): is one port too many: with 4097 remote end points there may be 0");
    EXPECT_EQ(told[1], "underlay (f:2:11): has 4097 remote end points: there may be 4096");
}

TEST(Validate, ANetworkMustExist) {
    EXPECT_EQ(
        errors("networks: [{name: blue}]\nports: [{name: a, netns: x, network: bleu}]"),
        one("ports[0].network (f:2:38): there is no network \"bleu\"; did you mean \"blue\"?"));
    EXPECT_EQ(errors("ports: [{name: a, netns: x, network: blue}]"),
              one("ports[0].network (f:1:38): there is no network \"blue\""));
    EXPECT_EQ(
        errors("", {{.name = "a", .netns = "x", .network = "blue"}}),
        one("ports[0].network: there is no network \"blue\""));
}

TEST(Validate, ADeviceBelongsToOnePort) {
    EXPECT_EQ(errors("ports:\n  - {name: a, device: 'net_null0'}\n"
                     "  - {name: b, device: 'net_null0,size=60'}"),
              one("ports[1].device (f:3:23): net_null0 is port a's already"));
    EXPECT_EQ(errors("ports:\n  - {name: a, device: '0000:03:00.1'}\n"
                     "  - {name: b, device: '3:0.1,foo=1'}"),
              one("ports[1].device (f:3:23): 0000:03:00.1 is port a's already"));
    EXPECT_EQ(errors("ports:\n  - {name: a, netns: x}\n  - {name: b, netns: x}"),
              one("ports[1].netns (f:3:22): interface eth0 in x is port a's already"));
    EXPECT_EQ(errors("ports:\n  - {name: a, netns: x}\n  - {name: b, netns: x, interface: eth0}"),
              one("ports[1].interface (f:3:36): interface eth0 in x is port a's already"));
    EXPECT_EQ(errors("ports:\n  - {name: a, host: true}\n  - {name: b, host: true, interface: a}"),
              one("ports[1].interface (f:3:38): interface a of the host is port a's already"));
    EXPECT_EQ(errors("ports: [{name: a, netns: x}, {name: b, netns: x, interface: eth1}, "
                     "{name: c, host: true, interface: eth0}, {name: d, netns: y}]"),
              Texts{});
}

TEST(Validate, AnInterfaceBelongsToOnePort) {
    const std::string first = "ports:\n  - {name: a, device: 'net_af_packet0,iface=eth1'}\n  - ";
    EXPECT_EQ(errors(first + "{name: b, device: 'net_af_packet1,iface=eth1'}"),
              one("ports[1].device (f:3:23): interface eth1 of the host is port a's already"));
    EXPECT_EQ(errors(first + "{name: b, device: 'net_af_xdp0,queue_count=2,iface=eth1'}"),
              one("ports[1].device (f:3:23): interface eth1 of the host is port a's already"));
    EXPECT_EQ(errors(first + "{name: eth1, host: true}"),
              one("ports[1].host (f:3:24): interface eth1 of the host is port a's already"));
    EXPECT_EQ(errors(first + "{name: b, bond: {members: ['0000:03:00.0', 'net_pcap0,iface=eth1']}}"),
              one("ports[1].bond.members[1] (f:3:48): interface eth1 of the host is port a's already"));
    EXPECT_EQ(errors(first + "{name: b, device: 'net_af_packet1,iface=eth2'}\n  - {name: c, netns: x, interface: eth1}"),
              Texts{});
    // One mistake is told once.
    EXPECT_EQ(errors(first + "{name: b, device: 'net_af_packet0,iface=eth1'}"),
              one("ports[1].device (f:3:23): net_af_packet0 is port a's already"));
}

TEST(Validate, ANamespaceIsTheSameUnderAllItsNames) {
    for (const char* netns : {"/run/netns/x", "/var/run/netns/x", "/run//netns/../netns/x"}) {
        EXPECT_EQ(errors(std::string("ports:\n  - {name: a, netns: x}\n  - {name: b, netns: ") + netns + "}"),
                  one(std::string("ports[1].netns (f:3:22): interface eth0 in ") + netns + " is port a's already"));
    }
    EXPECT_EQ(errors("ports: [{name: a, netns: 'pid:7'}, {name: b, netns: /proc/7/ns/net}]").size(), 1u);
    EXPECT_EQ(errors("ports: [{name: eth0, host: true}, {name: b, netns: /proc/self/ns/net}]").size(), 1u);
}

TEST(Validate, ASocketBelongsToOnePort) {
    EXPECT_EQ(errors("ports:\n  - {name: a, vhost-user: {path: /run/x.sock}}\n"
                     "  - {name: b, vhost-user: {path: /run//x.sock}}"),
              one("ports[1].vhost-user (f:3:27): /run//x.sock is port a's already"));
    EXPECT_EQ(errors("ports: [{name: a, vhost-user: {path: /run/x.sock}}, "
                     "{name: b, device: 'net_virtio_user0,path=/run/x.sock'}]").size(), 1u);
    EXPECT_EQ(errors("ports: [{name: a, vhost-user: {path: /run/x.sock}}, "
                     "{name: b, device: 'net_vhost0,iface=/run/x.sock'}]").size(), 1u);
    EXPECT_EQ(errors("ports: [{name: a, device: 'net_memif0,socket=/run/m'}, "
                     "{name: b, device: 'net_memif1,socket=/run/m,id=0'}]").size(), 1u);
    EXPECT_EQ(errors("ports: [{name: a, device: 'net_memif0,socket=/run/m'}, "
                     "{name: b, device: 'net_memif1,socket=/run/m,id=1'}]"), Texts{});
}

TEST(Validate, ABondProbesWhoIsOnItsLink) {
    const auto probe = [](const std::string& keys, const std::string& place = "network: n") {
        return errors("networks:\n  - {name: n, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.254], vlan: 7}\n"
                      "  - {name: other}\n"
                      "ports: [{name: a, bond: {members: [net_x0], probe: {" + keys + "}}, " + place + "}]");
    };
    EXPECT_EQ(probe("targets: [10.0.0.1, 'fd00::1', 'fe80::1']"), Texts{});
    EXPECT_EQ(probe("targets: [10.0.0.1, 'fd00::1']", "mtu: 1500"), Texts{}) << "the underlay's, in no network";
    EXPECT_EQ(probe("targets: [192.0.2.1]", "network: other"), Texts{}) << "no subnets are known";
    EXPECT_EQ(probe("targets: [10.0.0.1, 10.0.0.1]"),
              one("ports[0].bond.probe.targets[1] (f:4:73): 10.0.0.1 is given twice"));
    EXPECT_EQ(probe("targets: 224.0.0.1"), one("ports[0].bond.probe.targets[0] (f:4:62): 224.0.0.1 is a group address"));
    EXPECT_EQ(probe("targets: [10.0.1.1]"),
              one("ports[0].bond.probe.targets[0] (f:4:63): 10.0.1.1 is outside network n, which has 10.0.0.0/24, "
                  "fd00::/64: it can be asked only where no router is between"));
    EXPECT_EQ(probe("targets: [10.0.0.254]"),
              one("ports[0].bond.probe.targets[0] (f:4:63): 10.0.0.254 is the gateway of network n, the switch itself: "
                  "nobody beyond the bond answers"));
    // In a trunk the network follows from the tag.
    EXPECT_EQ(probe("targets: [10.0.0.1], vlan: 7", "trunk: {networks: [n]}"), Texts{});
    EXPECT_EQ(probe("targets: [10.0.1.1], vlan: 7", "trunk: {networks: [n]}").size(), 1u);
    EXPECT_EQ(probe("targets: [10.0.0.1]", "trunk: {native: n}"), Texts{});
    EXPECT_EQ(probe("targets: [10.0.0.1], vlan: 8", "trunk: {networks: [n]}"),
              one("ports[0].bond.probe.vlan (f:4:80): 8 is of none of the trunk's `networks`"));
    EXPECT_EQ(probe("targets: [10.0.0.1]", "trunk: {networks: [n]}"),
              one("ports[0].bond.probe (f:4:52): is untagged, and the trunk has no `native` network: say by `vlan` in "
                  "which one the targets are"));
}

TEST(Validate, DpdkOpensSoManyDevices) {
    auto devices = [](int count, const std::string& more) {
        std::string text = "ports:\n";
        for (int i = 0; i < count; ++i) text += fmt::format("  - {{name: p{0}, device: net_null{0}}}\n", i);
        return errors(text + more);
    };
    const std::string message =
        "is more than the 32 devices that DPDK opens (RTE_MAX_ETHPORTS; a bond is one beside its members): "
        "containers, guests and net_af_packet need none of them";
    EXPECT_EQ(devices(32, ""), Texts{});
    EXPECT_EQ(devices(34, ""), one("ports[32].device (f:34:25): " + message));  // told once
    EXPECT_EQ(devices(32, "  - {name: a, device: 'net_af_packet0,iface=x'}\n  - {name: c, netns: x}\n"
                          "  - {name: g, vhost-user: {path: /x}}\n"), Texts{});
    EXPECT_EQ(devices(29, "  - {name: b, bond: {members: [net_null_a, net_null_b]}}\n"), Texts{});
    EXPECT_EQ(devices(30, "  - {name: b, bond: {members: [net_null_a, net_null_b]}}\n"),
              one("ports[30].bond (f:32:21): " + message));
    // Those that DPDK makes at its start count too, and once.
    EXPECT_EQ(devices(32, "dpdk: {args: ['--vdev=net_null0', --vdev, 'net_null1,size=60']}"), Texts{});
    EXPECT_EQ(devices(31, "dpdk: {args: ['--vdev', net_null_other, --vdev=net_null_another]}").size(), 1u);
}

TEST(Validate, CoresAreThere) {
    auto config = load_config("workers: {cores: [1, 4]}", "f", {}, Machine{.cores = {0, 1, 2, 3, 8}});
    ASSERT_FALSE(config);
    ASSERT_EQ(config.error().size(), 1u);
    EXPECT_EQ(config.error()[0].text(), "workers.cores[1] (f:1:22): there is no core 4: this machine has 0-3,8");
    EXPECT_TRUE(load_config("workers: {cores: [1, 8]}", "f", {}, Machine{.cores = {0, 1, 8}}));
    EXPECT_TRUE(load_config("workers: {cores: [60]}", "f", {}, Machine{}));  // nobody knows
}

TEST(Validate, AddressesAreThoseOfStations) {
    auto of = [](const std::string& subnet, const std::string& address) {
        return errors("networks: [{name: n" + (subnet.empty() ? "" : ", subnets: ['" + subnet + "']") +
                      "}]\nports: [{name: a, netns: x, network: n, address: ['" + address + "']}]");
    };
    auto wrong = [](const std::string& what) { return one("ports[0].address[0] (f:2:51): " + what); };
    EXPECT_EQ(of("10.0.2.0/24", "10.0.2.0"), wrong("10.0.2.0 is the network address of 10.0.2.0/24"));
    EXPECT_EQ(of("10.0.2.0/24", "10.0.2.255"), wrong("10.0.2.255 is the broadcast address of 10.0.2.0/24"));
    EXPECT_EQ(of("", "10.0.2.127/25"), wrong("10.0.2.127 is the broadcast address of 10.0.2.0/25"));
    EXPECT_EQ(of("fd00:1::/64", "fd00:1::"), wrong("fd00:1:: is the subnet-router anycast address of fd00:1::/64"));
    EXPECT_EQ(of("", "224.0.0.1/4"), wrong("224.0.0.1 is a group address"));
    EXPECT_EQ(of("", "127.0.0.1/8"), wrong("127.0.0.1 is a loopback address"));
    EXPECT_EQ(of("", "::1"), wrong("::1 is the loopback address"));
    EXPECT_EQ(of("", "0.0.0.0"), wrong("0.0.0.0 is no station's address"));
    EXPECT_EQ(of("", "255.255.255.255"), wrong("255.255.255.255 is the broadcast address"));
    // A link of two, and single addresses, have neither.
    EXPECT_EQ(of("10.0.2.0/31", "10.0.2.0"), Texts{});
    EXPECT_EQ(of("10.0.2.0/31", "10.0.2.1"), Texts{});
    EXPECT_EQ(of("fd00:1::/127", "fd00:1::"), Texts{});
    EXPECT_EQ(of("", "10.0.2.0"), Texts{});
    EXPECT_EQ(errors("networks: [{name: n, subnets: [10.0.2.0/24], flat: true}]\n"
                     "ports: [{name: a, netns: x, network: n, address: [10.0.2.0, 10.0.2.255]}]"), Texts{});
}

TEST(Validate, AddressesLieInTheirNetwork) {
    EXPECT_EQ(errors("networks: [{name: n, subnets: [10.0.0.0/24, 10.0.1.0/24]}]\n"
                     "ports: [{name: a, netns: x, network: n, address: [10.0.1.3, 10.0.2.3]}]"),
              one("ports[0].address[1] (f:2:61): 10.0.2.3 is outside network n, which has "
                  "10.0.0.0/24, 10.0.1.0/24"));
    // A network without subnets takes any.
    EXPECT_EQ(errors("networks: [{name: n}]\n"
                     "ports: [{name: a, netns: x, network: n, address: [10.0.2.3/24]}]"),
              Texts{});
}

TEST(Validate, AddressesAreGivenOnceANetwork) {
    EXPECT_EQ(errors("networks: [{name: n}, {name: m}]\n"
                     "ports:\n"
                     "  - {name: a, netns: x, network: n, address: [10.0.0.3/24]}\n"
                     "  - {name: b, netns: y, network: n, address: [10.0.0.3/16]}\n"
                     "  - {name: c, netns: z, network: m, address: [10.0.0.3/24]}\n"),
              one("ports[1].address[0] (f:4:47): 10.0.0.3 is port a's already"));
}

TEST(Validate, AnAddressGivenTwiceIsNotAnotherPorts) {
    EXPECT_EQ(errors("networks: [{name: n}]\nports: [{name: a, netns: a, network: n, address: "
                     "[10.0.0.9, 10.0.0.9]}]"),
              one("ports[0].address[1] (f:2:61): 10.0.0.9 is given twice"));
}

TEST(Validate, AnAddressHasItsSubnetsLength) {
    const std::string port =
        "\nports: [{name: a, netns: a, network: n, address: [10.0.0.9/16, 10.0.0.8/24, 10.0.0.7, "
        "10.0.0.6/32]}]";
    EXPECT_EQ(errors("networks: [{name: n, subnets: 10.0.0.0/24}]" + port),
              one("ports[0].address[0] (f:2:51): 10.0.0.9/16 has another length than its subnet "
                  "10.0.0.0/24 of network n: "
                  "write 10.0.0.9/24, or the address alone"));
    EXPECT_EQ(errors("networks: [{name: n}]" + port), Texts{});
}

TEST(Validate, SoManyMirrors) {
    std::string yaml = "ports: [{name: a, netns: a}, {name: m, netns: m}]\nmirrors:\n";
    for (int i = 0; i < 64; ++i)
        yaml += fmt::format("  - {{name: m{}, from: [a], to: m, filter: arp}}\n", i);
    EXPECT_EQ(errors(yaml), Texts{});
    EXPECT_EQ(
        errors(
            yaml +
            "  - {name: more, from: [a], to: m, filter: no}\n  - {name: last, from: [a], to: m}"),
        one("mirrors[64] (f:67:5): is one mirror too many: there may be 64"));
}

TEST(Validate, MacsAreGivenOnceANetwork) {
    EXPECT_EQ(errors("networks: [{name: n}, {name: m}]\n"
                     "ports:\n"
                     "  - {name: a, netns: x, network: n, mac: '02:00:00:00:00:01'}\n"
                     "  - {name: b, netns: y, network: n, mac: '02:00:00:00:00:01'}\n"
                     "  - {name: c, netns: z, network: m, mac: '02:00:00:00:00:01'}\n"),
              one("ports[1].mac (f:4:42): 02:00:00:00:00:01 is port a's already"));
}

// A port without a `mac`, and the gateway, have addresses that anyone can see.
TEST(Validate, DerivedMacAddressesHaveOneOwnerInANetwork) {
    const std::string instance = Config{}.control.socket;
    const std::string derived = port::Tap::mac_of({.name = "a", .netns = "x"}, instance).text();
    const std::string ports = "networks: [{name: n}, {name: m, vlan: 7}]\nports:\n";
    const std::string a = "  - {name: a, netns: x, network: n}\n";
    const std::string z = fmt::format("  - {{name: z, netns: z, network: n, mac: '{}'}}\n", derived);
    EXPECT_EQ(errors(ports + a + z), one(fmt::format("ports[1].mac (f:4:42): {} is port a's already", derived)));
    EXPECT_EQ(errors(ports + z + a),
              one(fmt::format("ports[1].mac (f:4:5): {}, which is derived from the port's name, is port z's "
                              "already: give one of them another `mac`",
                              derived)));
    const std::string trunk =
        fmt::format("  - {{name: z, netns: z, trunk: {{networks: [m], native: n}}, mac: '{}'}}\n", derived);
    EXPECT_EQ(errors(ports + a + trunk).size(), 1u);
    EXPECT_EQ(errors(ports + a + std::regex_replace(z, std::regex("network: n"), "network: m")), Texts{});
}

TEST(Validate, NoPortHasTheGatewaysMacAddress) {
    const NetworkConfig routed{.name = "n", .gateway = {*IpAddress::parse("10.0.0.254")}};
    for (const std::string& given : {std::string(), std::string(", gateway-mac: '02:00:00:00:00:01'")}) {
        const std::string mac =
            given.empty() ? router_mac(routed, Config{}.control.socket).text() : "02:00:00:00:00:01";
        const std::string networks =
            fmt::format("networks: [{{name: n, subnets: [10.0.0.0/24], gateway: 10.0.0.254{}}}]\n", given);
        EXPECT_EQ(errors(networks + "ports:\n  - {name: z, netns: z, network: n, mac: '" + mac + "'}"),
                  one(fmt::format("ports[0].mac (f:3:42): {} is the gateway's already", mac)));
        EXPECT_EQ(errors(networks + "ports:\n  - {name: z, netns: z, mac: '" + mac + "'}"), Texts{});
    }
}

TEST(Validate, AStaticEntryTakesNoPortsMacAddress) {
    const std::string derived = port::Tap::mac_of({.name = "a", .netns = "x"}, Config{}.control.socket).text();
    const auto text = [&](const std::string& port) {
        return fmt::format("networks: [{{name: n, static: [{{port: {}, mac: '{}'}}]}}]\nports:\n"
                           "  - {{name: a, netns: x, network: n}}\n  - {{name: b, netns: y, network: n}}\n",
                           port, derived);
    };
    EXPECT_EQ(errors(text("a")), Texts{});
    EXPECT_EQ(errors(text("b")),
              one(fmt::format("networks[0].static[0].mac (f:1:46): {} is port a's already", derived)));
}

TEST(Validate, AnAddedPortThatTakesAMacAddressWaits) {
    const std::string derived = port::Tap::mac_of({.name = "a", .netns = "x"}, Config{}.control.socket).text();
    const std::string yaml = "networks: [{name: n}]\nports:\n  - {name: a, netns: x, network: n}\n";
    const base::Document keys = base::from_json(
        {{"name", "z"}, {"netns", "z"}, {"network", "n"}, {"mac", derived}});
    const auto file = read_config(yaml, "f", WithManifests::kNo);
    ASSERT_TRUE(file);
    const auto combined = combine(**file, {read_object(ObjectKind::kPort, keys)});
    ASSERT_TRUE(combined) << combined.error().front().text();
    ASSERT_EQ(combined->waiting.size(), 1u);
    EXPECT_EQ(combined->waiting[0].reason(), fmt::format("mac: {} is port a's already", derived));
}

TEST(Validate, StaticEntriesNameAPortOfTheirNetwork) {
    EXPECT_EQ(
        errors("networks:\n"
               "  - name: n\n"
               "    static:\n"
               "      - {mac: '02:00:00:00:00:01', port: nobody}\n"
               "      - {mac: '02:00:00:00:00:02', port: b}\n"
               "      - {mac: '02:00:00:00:00:02', port: a}\n"
               "ports: [{name: a, netns: x, network: n}, {name: b, netns: y}]\n"),
        (Texts{"networks[0].static[0].port (f:4:42): there is no port \"nobody\"",
               "networks[0].static[1].port (f:5:42): port b is not in network n",
               "networks[0].static[2].mac (f:6:15): 02:00:00:00:00:02 has an entry already"}));
}

TEST(Validate, ACoreHasOneWorker) {
    EXPECT_EQ(errors("workers: {cores: [1, 2, 1]}"),
              one("workers.cores[2] (f:1:25): core 1 has a worker already"));
    std::string cores = "0";
    for (int core = 1; core <= path::kMaxWorkers; ++core) cores += fmt::format(", {}", core);
    EXPECT_EQ(errors("workers: {cores: [" + cores + "]}"),
              one("workers.cores (f:1:18): are too many: 64 workers at most"));
}

TEST(Validate, ATrunksNetworksCanBeToldApart) {
    const std::string networks = "networks: [{name: a, vlan: 5}, {name: b, vlan: 5}, {name: c}]\n";
    const std::string port = "ports: [{name: t, device: d, trunk: ";
    EXPECT_EQ(errors(networks + port + "{networks: [a], native: c}}]"), Texts{});
    EXPECT_EQ(errors(networks + port + "{networks: [a, b]}}]"),
              one("ports[0].trunk.networks[1] (f:2:52): network b has VLAN ID 5, as a has: a trunk can't "
                  "tell them apart"));
    EXPECT_EQ(errors(networks + port + "{networks: [c]}}]"),
              one("ports[0].trunk.networks[0] (f:2:49): network c has no VLAN ID: give it a `vlan`, or "
                  "carry it as `native`"));
    EXPECT_EQ(errors(networks + port + "{networks: [a, a]}}]"),
              one("ports[0].trunk.networks[1] (f:2:52): a is named already"));
    EXPECT_EQ(errors(networks + port + "{networks: [a], native: a}}]"),
              one("ports[0].trunk.native (f:2:61): a is one of `networks` too: its frames are tagged or "
                  "they are not"));
    EXPECT_EQ(errors(networks + port + "{networks: [aa]}}]"),
              one("ports[0].trunk.networks[0] (f:2:49): there is no network \"aa\""));
}

TEST(Validate, Mirrors) {
    const std::string ports =
        "networks: [{name: n}]\nports: [{name: a, netns: a, network: n}, {name: b, host: true}]\n";
    EXPECT_EQ(errors(ports + "mirrors: [{name: m, from: [a], to: b, filter: tcp}]"), Texts{});
    EXPECT_EQ(errors(ports + "mirrors: [{name: m, from: [x], to: y}]").size(), 2u);
    EXPECT_EQ(errors(ports + "mirrors: [{name: m, from: [b], to: b}]"),
              one("mirrors[0].from[0] (f:3:28): b would be mirrored to itself"));
    EXPECT_EQ(errors(ports + "mirrors: [{name: m, from: [b], to: a}]"),
              one("mirrors[0].to (f:3:36): port a is in a network: copies go to a port that is in none"));
    EXPECT_EQ(errors(ports + "mirrors: [{name: m, from: [a], to: b, filter: prot tcp}]").size(), 1u);
    EXPECT_EQ(errors(ports + "mirrors: [{name: m, from: [a], to: b}, {name: m, from: [a], to: b}]"),
              one("mirrors[1].name (f:3:47): mirror m is declared already, at f:3:11: give one another name"));
}

TEST(Validate, AnAclIsAppliedToWhatThereIs) {
    const std::string start =
        "networks: [{name: n}]\nports: [{name: a, netns: a, network: n}, {name: u, device: d}]\n"
        "underlay: {port: u, address: 192.0.2.1/24}\nacls: [{name: l, rules: [], apply: ";
    EXPECT_EQ(errors(start + "[{port: a, direction: ingress}, {network: n, direction: egress}]}]"), Texts{});
    EXPECT_EQ(errors(start + "{port: b, direction: ingress}}]"),
              one("acls[0].apply[0].port (f:4:43): there is no port \"b\""));
    EXPECT_EQ(errors(start + "{network: m, direction: ingress}}]"),
              one("acls[0].apply[0].network (f:4:46): there is no network \"m\""));
    EXPECT_EQ(errors(start + "{port: u, direction: ingress}}]"),
              one("acls[0].apply[0].port (f:4:43): port u is the underlay's, and what comes and goes in "
                  "tunnels is not judged there: apply the list to the networks that they carry"));
}

TEST(Validate, ARoutersMacIsAStationsAndHasARouter) {
    const std::string start = "networks: [{name: a, subnets: [10.0.0.0/24], gateway: 10.0.0.1, gateway-mac: ";
    EXPECT_EQ(errors(start + "'02:00:00:00:00:01'}]"), Texts{});
    EXPECT_EQ(errors(start + "'03:00:00:00:00:01'}]"),
              one("networks[0].gateway-mac (f:1:78): '03:00:00:00:00:01' is a group or zero "
                  "address, which no router has"));
    EXPECT_EQ(errors("networks: [{name: a, gateway-mac: '02:00:00:00:00:01'}]"),
              one("networks[0].gateway-mac (f:1:35): is of no use without a `gateway`"));
    const std::string underlay =
        "ports: [{name: u, device: d}]\nunderlay: {port: u, address: 192.0.2.1/24, mac: ";
    EXPECT_EQ(errors(underlay + "'02:00:00:00:00:01'}"), Texts{});
    EXPECT_EQ(errors(underlay + "'00:00:00:00:00:00'}"),
              one("underlay.mac (f:2:49): '00:00:00:00:00:00' is a group or zero address, which no "
                  "host has"));
}

TEST(Validate, DhcpNeedsAddressesAndAGateway) {
    constexpr const char* kNeeds =
        "needs `subnets`, of which guests get addresses, and a `gateway`, which answers them: give both";
    EXPECT_EQ(errors("networks: [{name: a, dhcp: true}]"),
              one(std::string("networks[0].dhcp (f:1:28): ") + kNeeds));
    EXPECT_EQ(errors("networks: [{name: a, dhcp: {lease: 2h}, subnets: [10.0.0.0/8]}]"),
              one(std::string("networks[0].dhcp (f:1:28): ") + kNeeds));
    EXPECT_EQ(errors("networks: [{name: a, dhcp: true, subnets: [10.0.0.0/8], gateway: 10.0.0.1}]"), Texts{});
    EXPECT_EQ(errors("networks: [{name: a, dhcp: false}]"), Texts{});
}

TEST(Validate, TwoPortsCannotShareAGuest) {
    EXPECT_EQ(errors("ports:\n  - {name: a, vhost-user: {path: /x}}\n  - {name: b, vhost-user: {path: /x}}"),
              one("ports[1].vhost-user (f:3:27): /x is port a's already"));
}

constexpr std::string_view kTwoNetworks =
    "networks:\n"
    "  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.1, ipam: {ranges: [10.0.0.8-10.0.0.9]}}\n"
    "  - {name: out, subnets: [192.0.2.0/24], gateway: 192.0.2.1}\n"
    "ports:\n"
    "  - {name: web, netns: web, network: blue, address: [10.0.0.2]}\n"
    "  - {name: ext, netns: ext, network: out, address: [192.0.2.80]}\n";

Texts errors_of(std::string_view more) {
    return errors(std::string(kTwoNetworks) + std::string(more));
}

TEST(Validate, AStationsAddressIsNobodyElses) {
    const std::string end = " is the address of port ext: packets for it would not reach that port";
    EXPECT_EQ(errors_of("services: [{name: s, address: [192.0.2.80], ports: [{port: 80}]}]"),
              one("services[0].address[0] (f:7:32): 192.0.2.80" + end));
    EXPECT_EQ(errors_of("nat: [{masquerade: [blue], out: out, addresses: [192.0.2.79-192.0.2.81]}]"),
              one("nat[0].addresses[0] (f:7:50): 192.0.2.80" + end));
    EXPECT_EQ(errors_of("nat: [{static: {inside: 10.0.0.2, outside: 192.0.2.80}, out: out}]"),
              one("nat[0].static.outside (f:7:44): 192.0.2.80" + end));
    EXPECT_EQ(errors_of("publish: [{address: 192.0.2.80, port: 80, to: 'web:80'}]"),
              one("publish[0].address (f:7:21): 192.0.2.80" + end));
    // Of another routing domain it is another address.
    EXPECT_EQ(errors("networks: [{name: red, subnets: [192.0.2.0/24], gateway: 192.0.2.1, domain: red}]\n"
                     "ports: [{name: ext, netns: ext, network: red, address: [192.0.2.80]}]\n"
                     "services: [{name: s, address: [192.0.2.80], ports: [{port: 80}]}]"),
              Texts{});
}

TEST(Validate, AnAddedPortTakesNoAddressOfAService) {
    port::PortConfig added;
    added.name = "late";
    added.netns = "late";
    added.network = "out";
    added.address = {{*IpAddress::parse("192.0.2.33")}};
    EXPECT_EQ(
        errors(std::string(kTwoNetworks) + "services: [{name: s, address: [192.0.2.33], ports: [{port: 80}]}]",
               {added}),
        one("ports[2].address[0]: 192.0.2.33 is an address of service s (f:7:12) already"));
}

TEST(Validate, AnAddressForClientsIsAHosts) {
    EXPECT_EQ(errors_of("services: [{name: s, address: [127.0.0.1, 192.0.2.255], ports: [{port: 80}],\n"
                        "  backends: [{address: 255.255.255.255}]}]"),
              (Texts{"services[0].address[0] (f:7:32): 127.0.0.1 is a loopback address",
                     "services[0].address[1] (f:7:43): 192.0.2.255 is the broadcast address of 192.0.2.0/24",
                     "services[0].backends[0].address (f:8:24): 255.255.255.255 is the broadcast address"}));
    EXPECT_EQ(
        errors_of(
            "services: [{name: s, address: [10.9.9.9], ports: [{port: 80}], backends: [{address: 10.9.9.9}]}]"),
        one("services[0].backends[0].address (f:7:85): 10.9.9.9 is the Service's own address"));
    EXPECT_EQ(
        errors_of(
            "nat: [{masquerade: [blue], out: out}, {static: {inside: 10.0.0.2, outside: 192.0.2.1}, out: out}]"),
        one("nat[1].static.outside (f:7:76): 192.0.2.1 is the gateway of network out: a static address has all "
            "of its ports for itself"));
}

TEST(Validate, AServiceAndAPublishedPortAreTwo) {
    EXPECT_EQ(errors_of("services: [{name: s, address: [192.0.2.1], ports: [{port: 80}]}]\n"
                        "publish: [{port: 79-81, to: '10.0.0.2:79-81'}, {port: 82, to: 'web:82'}]"),
              one("publish[0].port (f:8:18): port 80 of 192.0.2.1 is that of service s (f:7:12) already"));
}

TEST(Validate, PortsPublishTheirOwn) {
    const auto with = [](std::string_view publish) {
        return errors(
            "networks:\n"
            "  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.1}\n"
            "ports:\n"
            "  - {name: a, netns: a, network: blue, address: [10.0.0.2], publish: [{port: 80-81}]}\n"
            "  - {name: b, netns: b, network: blue, address: [10.0.0.3], publish: [" +
            std::string(publish) + "]}\npublish: [{port: 90, to: 'a:80'}]");
    };
    EXPECT_EQ(with("{port: 82, to: 80}, {port: 80, proto: udp}"), Texts{});
    EXPECT_EQ(with("{port: 81, to: 80}"), one("ports[1].publish[0].port (f:5:78): 81 overlaps 80-81, which is "
                                              "published by port a already"));
    EXPECT_EQ(with("{port: 90}"),
              one("ports[1].publish[0].port (f:5:78): 90 overlaps 90, which is published at f:6:11 already"));
    EXPECT_EQ(with("{port: 82, to: 80-81}"),
              one("ports[1].publish[0].to (f:5:86): has another number of ports than `port`"));
    EXPECT_EQ(errors("networks: [{name: blue}]\n"
                     "ports: [{name: a, netns: a, network: blue, publish: [{port: 80}]}]"),
              one("ports[0].publish (f:2:53): needs the port's `address`, to which the packets could go"));
}

TEST(Validate, NamesAreAskedElsewhereAndHaveADomainOfTheirOwn) {
    const std::string blue = "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.1}]\n";
    EXPECT_EQ(
        errors(blue + "dns: {upstreams: [192.0.2.53, 10.0.0.1]}"),
        one("dns.upstreams[1] (f:2:31): 10.0.0.1 is the gateway of network blue, the switch itself: give a name "
            "server beyond it"));
    EXPECT_EQ(
        errors(blue + "dns: {domain: Blue}"),
        one("dns.domain (f:2:15): Blue is a network's name too: its containers, NAME.blue, would have no names. "
            "Choose another one"));
    EXPECT_EQ(errors("networks: [{name: blue, dns: {enabled: false}}]\ndns: {domain: blue}"), Texts{});
}

TEST(Validate, RangesForContainersAreOfTheSubnets) {
    EXPECT_EQ(
        errors("networks: [{name: a, subnets: [10.0.0.0/24], ipam: {ranges: [10.0.0.250-10.0.1.2], "
               "exclude: [fd00::1]}}]"),
        (Texts{"networks[0].ipam.ranges[0] (f:1:62): 10.0.0.250-10.0.1.2 is in none of the network's `subnets`",
               "networks[0].ipam.exclude[0] (f:1:94): fd00::1 is in none of the network's `subnets`"}));
}

}  // namespace
}  // namespace sluice::engine
