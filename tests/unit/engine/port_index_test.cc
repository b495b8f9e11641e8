#include "engine/port_index.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/added_object.h"
#include "engine/machine.h"

namespace sluice::engine {
namespace {

constexpr const char* kFile = R"(
networks:
  - {name: blue, subnets: [10.0.0.0/29], gateway: 10.0.0.1}
  - {name: red, vlan: 7}
  - {name: span, subnets: [10.1.0.0/29], vxlan: {vni: 5, remotes: [192.0.2.2]}}
underlay: {port: uplink, address: 192.0.2.1/24}
acls: [{name: edge, apply: {port: listed, direction: ingress}, rules: [{permit: {}}]}]
ports:
  - {name: uplink, device: net_ring_u}
  - {name: listed, device: net_ring_l, network: blue}
)";

// The same with a network as the underlay, which is the NIC's and nobody else's.
std::string one_nic() {
    std::string file = kFile;
    const auto replace = [&](std::string_view before, std::string_view after) {
        file.replace(file.find(before), before.size(), after);
    };
    replace("underlay: {port: uplink, address: 192.0.2.1/24}",
            "  - {name: outside, subnets: [192.0.2.0/24], gateway: 192.0.2.1}\nunderlay: {network: outside}");
    replace("device: net_ring_u", "device: net_ring_u, network: outside");
    return file;
}

class Ports {
 public:
    port::PortConfig make() {
        port::PortConfig port;
        port.name = pick({"a", "b", "c", "d", "e", "f", "g", "h", "uplink", "listed"});
        if (chance(2)) {
            port.netns = pick({"x", "y", "/run/netns/x", "z"});
            port.interface = pick({"", "e1", "e2"});
        } else {
            port.device = pick({"net_ring_a", "net_ring_b", "net_ring_u", "net_af_xdp0,iface=e1", "net_null1"});
        }
        if (chance(5)) {
            port.trunk = port::TrunkConfig{.networks = {pick({"red", "blue"})}, .native = pick({"", "blue", "gone"})};
        } else {
            port.network = pick({"", "blue", "blue", "red", "span", "gone"});
        }
        if (chance(3)) port.mac = *MacAddress::parse(pick({"02:00:00:00:00:01", "02:00:00:00:00:02"}));
        while (!port.network.empty() && chance(2)) {
            port.address.push_back(*InterfaceAddress::parse(
                pick({"10.0.0.1", "10.0.0.2", "10.0.0.3/29", "10.0.0.4/24", "10.1.0.2", "10.1.0.3", "10.0.0.7"})));
        }
        if (chance(4)) port.mtu = chance(2) ? 1500 : 1400;
        return port;
    }

 private:
    bool chance(int of) { return std::uniform_int_distribution(1, of)(random_) == 1; }
    std::string pick(std::initializer_list<const char*> list) {
        return list.begin()[std::uniform_int_distribution<size_t>(0, list.size() - 1)(random_)];
    }
    std::mt19937 random_{7};
};

// Whatever is found to stand alone is found right by who looks at everything, and most of what is right stands alone.
void expect_right_beside_all_others(const std::string& text) {
    const auto file = load_config(text, "f", {});
    ASSERT_TRUE(file) << file.error()[0].text();
    Ports ports;
    int alone = 0, right = 0;
    for (int round = 0; round < 300; ++round) {
        Config config = *file;
        PortIndex index(config.ports, config.control.socket);
        for (int i = 0; i < 12; ++i) {
            const port::PortConfig port = ports.make();
            const bool stands_alone = may_stand_alone(config, index, port);
            config.ports.push_back(port);
            const Verdict whole = judge(config, nullptr, this_machine(), {}, {}, declared_in(*file));
            const bool is_right = whole.errors.empty() && whole.added.empty();
            ASSERT_TRUE(is_right || !stands_alone)
                << port.name << ": " << (whole.added.empty() ? whole.errors : whole.added.begin()->second)[0].text();
            alone += stands_alone;
            right += is_right;
            if (!is_right) {
                config.ports.pop_back();
                continue;
            }
            index.add(port);
            if (round % 3 != 0) continue;
            index.remove(port);
            EXPECT_TRUE(index.is_free_for(port));
            index.add(port);
        }
    }
    EXPECT_GT(right, 100);
    EXPECT_EQ(alone, right);
}

TEST(PortIndex, WhatStandsAloneIsRightBesideAllOthers) {
    expect_right_beside_all_others(kFile);
    expect_right_beside_all_others(one_nic());
}

// Overlays depend on its MTU, and its addresses must be no remote end point's.
TEST(PortIndex, APortOfTheUnderlaysNetworkDoesNotStandAlone) {
    auto config = load_config(one_nic(), "f", {});
    ASSERT_TRUE(config) << config.error()[0].text();
    const PortIndex index(config->ports, config->control.socket);
    port::PortConfig port;
    port.name = "c";
    port.netns = "x";
    port.network = "outside";
    port.address.push_back(*InterfaceAddress::parse("192.0.2.2"));
    EXPECT_FALSE(may_stand_alone(*config, index, port));
}

TEST(PortIndex, APortThatTheFileNamesDoesNotStandAlone) {
    auto config = load_config(kFile, "f", {});
    ASSERT_TRUE(config);
    for (const char* name : {"listed", "uplink"}) EXPECT_TRUE(names_port(*config, name)) << name;
    EXPECT_FALSE(names_port(*config, "blue"));
    config->mirrors = {{.name = "m", .from = {"seen"}, .to = "tap"}};
    config->networks[0].static_macs = {{.port = "fixed"}};
    config->routes.resize(2);
    config->routes[0].hop.port = "way";
    config->routes[1].hops = {{.port = "one"}, {.port = "two"}};
    for (const char* name : {"seen", "tap", "fixed", "way", "one", "two"}) EXPECT_TRUE(names_port(*config, name)) << name;
    EXPECT_FALSE(names_port(*config, "m"));
}

TEST(PortIndex, ThePortThatIsAloneInItsNamespaceIsCompletedWithoutTheOthers) {
    auto config = load_config(kFile, "f", {});
    ASSERT_TRUE(config);
    PortIndex index(config->ports, "i");
    Ports ports;
    size_t alone = 0;
    for (int i = 0; i < 2000; ++i) {
        port::PortConfig port = ports.make();
        const bool shares = index.shares_namespace(port);
        port::PortConfig first = port;
        complete(*config, port);
        complete_first(*config, first);
        if (!shares) EXPECT_EQ(port, first) << port.name;
        alone += !shares && !port.routes.empty();
        if (i % 100 != 0) continue;
        config->ports.push_back(port);
        index.add(port);
    }
    EXPECT_GT(alone, 10u);
}

}  // namespace
}  // namespace sluice::engine
