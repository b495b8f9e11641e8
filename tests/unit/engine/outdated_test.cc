// Which flow domains a change outdates: those that it concerns, and no others.
#include <gtest/gtest.h>

#include <functional>

#include "engine/diff.h"
#include "engine/machine.h"
#include "engine/switch.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

constexpr Clock::time_point kNow{std::chrono::seconds(1000)};

Config load(const std::string& yaml) {
    auto config = load_config(yaml, "f", {}, Machine{});
    EXPECT_TRUE(config) << config.error()[0].text() << "\n" << yaml;
    return config ? *config : Config{};
}

// Sections of a configuration, each of which a test may replace.
struct World {
    std::string left = "{name: left, subnets: 10.1.0.0/24, gateway: 10.1.0.1, domain: l}";
    std::string left_too = "{name: left-too, subnets: 10.2.0.0/24, gateway: 10.2.0.1, domain: l}";
    std::string right = "{name: right, subnets: 10.3.0.0/24, gateway: 10.3.0.1, domain: r}";
    std::string bridge = "{name: bridge, vlan: 7}";
    std::string more_networks;
    std::string a = "{name: a, device: net_ring_a, network: left}";
    std::string b = "{name: b, device: net_ring_b, network: right}";
    std::string more_ports;
    std::string rest =
        "routes: [{to: 0.0.0.0/0, via: 10.1.0.9, domain: l}]\n"
        "address-sets: [{name: friends, addresses: 10.9.0.0/16}, {name: nobody, addresses: []}]\n";
    std::string at_left = "{name: at-left, apply: {network: left, direction: ingress}, rules: [{permit: {}}]}";
    std::string at_b = "{name: at-b, apply: {port: b, direction: egress}, rules: [{permit: {from: friends}}]}";
    std::string nowhere = "{name: nowhere, rules: [{permit: {from: nobody}}]}";
    std::string order;  // of the lists: empty as above
    std::string last;

    Config config() const {
        const std::string acls = order.empty() ? at_left + ", " + at_b + ", " + nowhere : order;
        return load("networks: [" + left + ", " + left_too + ", " + right + ", " + bridge + more_networks +
                    "]\nports: [" + a + ", " + b + more_ports + "]\n" + rest + "acls: [" + acls + "]\n" + last);
    }
};

const FlowDomainNames kNone;
const FlowDomainNames kLeft{"domain l"};
const FlowDomainNames kRight{"domain r"};
const FlowDomainNames kBridge{"network bridge"};
const FlowDomainNames kBoth{"domain l", "domain r"};

// By a change from the first to the second, which is to be one; and back.
std::pair<FlowDomainNames, FlowDomainNames> outdated(const World& from, const World& to) {
    const Config before = from.config();
    const Config after = to.config();
    return {outdated_domains(before, after, diff(before, after)),
            outdated_domains(after, before, diff(after, before))};
}
// The same where both ways outdate the same.
FlowDomainNames outdated_by(void (*change)(World&)) {
    World changed;
    change(changed);
    const auto [there, back] = outdated(World{}, changed);
    EXPECT_EQ(there, back);
    return there;
}

TEST(Outdated, NothingByNothing) {
    EXPECT_EQ(outdated_by([](World&) {}), kNone);
    // Nor by what stands elsewhere in the file, or is what is in force anyway.
    EXPECT_EQ(outdated_by([](World& w) { w.left = "\n  " + w.left; }), kNone);
    EXPECT_EQ(outdated_by([](World& w) { w.a = "{name: a, device: net_ring_a, network: left, mtu: 1500}"; }),
              kNone);
}

TEST(Outdated, APortThatComesOutdatesNothingAndOneThatGoesItsNetworks) {
    World more;
    more.more_ports = ", {name: c, device: net_ring_c, network: right}";
    EXPECT_EQ(outdated(World{}, more), (std::pair{kNone, kRight}));
    more.more_ports = ", {name: c, device: net_ring_c, trunk: {networks: [bridge]}}";
    EXPECT_EQ(outdated(World{}, more), (std::pair{kNone, kBridge}));
    more.more_ports = ", {name: c, device: net_ring_c, trunk: {networks: [bridge], native: right}}";
    EXPECT_EQ(outdated(World{}, more), (std::pair{kNone, FlowDomainNames{"domain r", "network bridge"}}));
}

TEST(Outdated, APortThatChangesOutdatesItsNetworksOfBeforeAndAfter) {
    EXPECT_EQ(outdated_by([](World& w) { w.a = "{name: a, device: net_ring_a, network: left, mac-limit: 3}"; }),
              kLeft);
    EXPECT_EQ(outdated_by([](World& w) { w.a = "{name: a, device: net_ring_c, network: left}"; }), kLeft)
        << "another device";
    EXPECT_EQ(outdated_by([](World& w) { w.a = "{name: a, device: net_ring_a, network: right}"; }), kBoth);
    EXPECT_EQ(outdated_by([](World& w) { w.a = "{name: a, device: net_ring_a}"; }), kLeft);
    EXPECT_EQ(outdated_by([](World& w) { w.a = "{name: a, device: net_ring_a, trunk: {networks: [bridge]}}"; }),
              (FlowDomainNames{"domain l", "network bridge"}));
}

TEST(Outdated, ANetworkOutdatesItsDomainOfBeforeAndAfter) {
    EXPECT_EQ(outdated_by([](World& w) { w.more_networks = ", {name: new}"; }), FlowDomainNames{"network new"});
    EXPECT_EQ(outdated_by([](World& w) {
                  w.more_networks = ", {name: new, subnets: 10.4.0.0/24, gateway: 10.4.0.1, domain: r}";
              }),
              kRight);
    EXPECT_EQ(outdated_by([](World& w) { w.bridge = "{name: bridge, vlan: 8}"; }), kBridge);
    EXPECT_EQ(outdated_by([](World& w) {
                  w.left_too = "{name: left-too, subnets: 10.2.0.0/24, gateway: 10.2.0.1, domain: r}";
              }),
              kBoth);
    EXPECT_EQ(outdated_by([](World& w) { w.left_too = "{name: left-too, subnets: 10.2.0.0/24}"; }),
              (FlowDomainNames{"domain l", "network left-too"}))
        << "it is no longer routed";
}

TEST(Outdated, ARouteOutdatesItsDomain) {
    EXPECT_EQ(outdated_by([](World& w) { w.rest.replace(w.rest.find("0.9"), 3, "0.8"); }), kLeft);
    EXPECT_EQ(outdated_by([](World& w) {
                  w.rest.insert(w.rest.find("{to"), "{to: 10.77.0.0/16, via: 10.3.0.9, domain: r}, ");
              }),
              kRight);
}

TEST(Outdated, AListOutdatesTheDomainsWhereItIsInForce) {
    EXPECT_EQ(outdated_by([](World& w) { w.at_left.replace(w.at_left.find("permit"), 6, "deny"); }), kLeft);
    EXPECT_EQ(outdated_by([](World& w) { w.at_b.replace(w.at_b.find("permit"), 6, "deny"); }), kRight);
    EXPECT_EQ(outdated_by([](World& w) { w.nowhere.replace(w.nowhere.find("permit"), 6, "deny"); }), kNone);
    EXPECT_EQ(outdated_by([](World& w) {
                  w.at_left = "{name: at-left, apply: {port: b, direction: ingress}, rules: [{permit: {}}]}";
              }),
              kBoth)
        << "it was in force in the one, and is in the other";
    EXPECT_EQ(outdated_by([](World& w) { w.order = w.at_left + ", " + w.nowhere; }), kRight)
        << "one goes or comes";
    // The port has gone elsewhere with its list.
    EXPECT_EQ(outdated_by([](World& w) { w.b = "{name: b, device: net_ring_b, network: bridge}"; }),
              (FlowDomainNames{"domain r", "network bridge"}));
}

TEST(Outdated, AnotherOrderOfListsOutdatesWhereTheyAreInForce) {
    EXPECT_EQ(outdated_by([](World& w) { w.order = w.at_b + ", " + w.at_left + ", " + w.nowhere; }), kBoth);
    const char* more = "{name: more, apply: {network: bridge, direction: ingress}, rules: []}";
    World between;
    between.order = between.at_left + ", " + more + ", " + between.at_b + ", " + between.nowhere;
    EXPECT_EQ(outdated(World{}, between), (std::pair{kBridge, kBridge})) << "those of before stand as they stood";
}

TEST(Outdated, ASetOutdatesWhereAListThatNamesItIsInForce) {
    EXPECT_EQ(outdated_by([](World& w) { w.rest.replace(w.rest.find("10.9"), 4, "10.8"); }), kRight);
    EXPECT_EQ(outdated_by([](World& w) { w.rest.replace(w.rest.find("[]"), 2, "10.8.0.0/16"); }), kNone);
}

TEST(Outdated, TheUnderlayOutdatesItselfAndWhatItCarries) {
    const auto with = [](std::string underlay) {
        World w;
        w.more_networks = ", {name: far, vxlan: {vni: 5, remotes: 192.0.2.2}}";
        w.more_ports = ", {name: u, device: net_ring_u}, {name: v, device: net_ring_v}";
        w.last = std::move(underlay);
        return w;
    };
    const FlowDomainNames carried{"domain (underlay)", "network far"};
    const World one = with("underlay: {port: u, address: 192.0.2.1/24}\n");
    for (const char* other :
         {"underlay: {port: v, address: 192.0.2.1/24}\n", "underlay: {port: u, address: 192.0.2.7/24}\n",
          "underlay: {port: u, address: 192.0.2.1/24, udp-port: 8472}\n"}) {
        EXPECT_EQ(outdated(one, with(other)), (std::pair{carried, carried})) << other;
    }
    World without = with("");
    without.more_networks = "";
    EXPECT_EQ(outdated(one, without), (std::pair{carried, carried}));
    World another = one;
    another.more_networks = ", {name: far, vxlan: {vni: 5, remotes: [192.0.2.2, 192.0.2.3]}}";
    EXPECT_EQ(outdated(one, another), (std::pair{FlowDomainNames{"network far"}, FlowDomainNames{"network far"}}));
}

TEST(Outdated, TheUnderlaysNetworkOutdatesItsDomainAndWhatItCarries) {
    const auto with = [](const std::string& gateway, std::string underlay) {
        World w;
        w.more_networks =
            ", {name: far, vxlan: {vni: 5, remotes: 192.0.2.2}}, {name: outside, domain: world, subnets: "
            "192.0.2.0/24, gateway: " +
            gateway + "}";
        w.more_ports = ", {name: u, device: net_ring_u, network: outside}";
        w.last = std::move(underlay);
        return w;
    };
    const FlowDomainNames carried{"domain world", "network far"};
    const World one = with("192.0.2.1", "underlay: {network: outside}\n");
    EXPECT_EQ(outdated(one, with("192.0.2.1", "underlay: {network: outside, udp-port: 8472}\n")),
              (std::pair{carried, carried}));
    EXPECT_EQ(outdated(one, with("192.0.2.7", "underlay: {network: outside}\n")), (std::pair{carried, carried}));
}

TEST(Outdated, WhatDecidesNothingOutdatesNothing) {
    EXPECT_EQ(outdated_by([](World& w) { w.last = "log: {level: info}\n"; }), kNone);
    EXPECT_EQ(outdated_by([](World& w) { w.last = "workers: {idle: poll}\n"; }), kNone);
    EXPECT_EQ(outdated_by([](World& w) {
                  w.more_ports = ", {name: probe, device: net_ring_p}";
                  w.last = "mirrors: [{name: m, from: [a], to: probe}]\n";
              }),
              kNone);
    EXPECT_EQ(outdated_by([](World& w) { w.last = "flows: {timeouts: {udp: 7}}\n"; }), kNone);
    EXPECT_EQ(outdated_by([](World& w) { w.last = "flows: {pick-up: false}\n"; }), kNone);
}

// --- of a switch that runs ---

class OutdatedFlows : public testing::Test {
 protected:
    OutdatedFlows() { apply(World{}); }

    void apply(const World& world) {
        const auto changes = switch_.apply(world.config(), kNow);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    // As workers are told by a snapshot.
    std::map<std::string, uint32_t> generations() {
        switch_.set_captures({});
        std::map<std::string, uint32_t> generations;
        for (const auto& [name, id] : switch_.network_ids()) {
            generations[name] = switch_.snapshot().flow_generations.of_network[path::index(id)];
        }
        return generations;
    }
    // The networks whose flows the change outdates.
    std::set<std::string> outdated(const std::function<void()>& change) {
        const auto before = generations();
        change();
        std::set<std::string> names;
        for (const auto& [name, generation] : generations()) {
            const auto was = before.find(name);
            if (was == before.end() || was->second != generation) names.insert(name);
        }
        return names;
    }
    static port::PortConfig read_port(const std::string& text) {
        World world;
        world.more_ports = ", " + text;
        return world.config().ports.back();
    }
    void change_route(const std::string& line) {
        route::Mistakes mistakes;
        const route::Changes changes = route::read_changes({.lines = line}, mistakes);
        ASSERT_EQ(mistakes.count, 0u);
        ASSERT_TRUE(switch_.change_routes(changes));
    }

    test::RingDevice ring_a_{"a"};
    test::RingDevice ring_b_{"b"};
    test::RingDevice ring_c_{"c"};
    Switch switch_{1, test::switch_pools(), "test"};
};

using Names = std::set<std::string>;

TEST_F(OutdatedFlows, ByAReloadThoseOfTheNetworksItConcerns) {
    EXPECT_EQ(outdated([&] { apply(World{}); }), Names{});
    World changed;
    changed.at_b.replace(changed.at_b.find("permit"), 6, "deny");
    EXPECT_EQ(outdated([&] { apply(changed); }), Names{"right"});
    EXPECT_EQ(outdated([&] { apply(World{}); }), Names{"right"});
    changed.left_too = "{name: left-too, subnets: 10.2.0.0/24, gateway: 10.2.0.1, domain: r}";
    EXPECT_EQ(outdated([&] { apply(changed); }), (Names{"left", "left-too", "right"}));
}

TEST_F(OutdatedFlows, NotByAPortThatIsAddedOrDeleted) {
    const port::PortConfig c = read_port("{name: c, device: net_ring_c, network: bridge}");
    EXPECT_EQ(outdated([&] { switch_.add_port(c, kNow); }), Names{});
    EXPECT_EQ(outdated([&] { switch_.delete_port("c"); }), Names{});
}

// Port a has no address of its own: it may have sent from the new port's.
TEST_F(OutdatedFlows, ByAddressesThatAStationWithoutAnyMayHaveUsed) {
    const port::PortConfig left = read_port("{name: c, device: net_ring_c, network: left, address: [10.1.0.7/24]}");
    EXPECT_EQ(outdated([&] { switch_.add_port(left, kNow); }), (Names{"left", "left-too"}));
    switch_.delete_port("c");
    const port::PortConfig alone = read_port("{name: c, device: net_ring_c, network: bridge, address: [10.9.0.7/24]}");
    EXPECT_EQ(outdated([&] { switch_.add_port(alone, kNow); }), Names{});
}

// Before another port gets the number of a deleted one, the flows that may name it are outdated.
TEST_F(OutdatedFlows, WhenADeletedPortsNumberIsUsedAgain) {
    const auto id_of = [&](const std::string& name) { return switch_.ports().at(name).port->id(); };
    switch_.add_port(read_port("{name: c, device: net_ring_c, network: bridge}"), kNow);
    const path::PortId id = id_of("c");
    switch_.delete_port("c");
    base::log::set_level(base::log::Level::kError);  // about thousands of namespaces that aren't there
    const port::PortConfig other = read_port("{name: other, netns: sluice-no-such, network: right}");
    size_t added = 0;
    Names names;
    for (bool again = false; !again; ++added) {
        ASSERT_LT(added, path::kMaxPorts);
        ASSERT_EQ(names, Names{});
        names = outdated([&] { switch_.add_port(other, kNow); });
        again = id_of("other") == id;
        EXPECT_EQ(outdated([&] { switch_.delete_port("other"); }), Names{});
    }
    base::log::set_level(base::log::Level::kNotice);
    EXPECT_GT(added, path::kMaxPorts - 10u);
    EXPECT_EQ(names, (Names{"bridge", "right"}));
}

TEST_F(OutdatedFlows, ByARouteThoseOfItsDomain) {
    EXPECT_EQ(outdated([&] { change_route("10.77.0.0/16 via 10.3.0.9 domain r\n"); }), Names{"right"});
    EXPECT_EQ(outdated([&] { change_route("delete 10.77.0.0/16 domain r\n"); }), Names{"right"});
    EXPECT_EQ(outdated([&] {
                  change_route("10.78.0.0/16 via 10.1.0.9 domain l\n10.79.0.0/16 via 10.3.0.9 domain r\n");
              }),
              (Names{"left", "left-too", "right"}));
    EXPECT_EQ(outdated([&] { ASSERT_TRUE(switch_.change_routes({})); }), Names{});
}

TEST_F(OutdatedFlows, NotByCapturesNorByTheTick) {
    EXPECT_EQ(outdated([&] { switch_.tick(kNow); }), Names{});
    EXPECT_EQ(outdated([&] { switch_.set_captures({}); }), Names{});
    EXPECT_EQ(outdated([&] { switch_.set_witnesses({}); }), Names{});
}

TEST_F(OutdatedFlows, AllOfThemWhenThatIsAskedFor) {
    EXPECT_EQ(outdated([&] { switch_.outdate_all_flows(); }), (Names{"bridge", "left", "left-too", "right"}));
}

// A network that comes back finds its flows again, and they are decided anew.
TEST_F(OutdatedFlows, ByANetworkThatComesBack) {
    const uint32_t before = generations().at("bridge");
    World without;
    without.bridge = "{name: other}";
    apply(without);
    apply(World{});
    EXPECT_NE(generations().at("bridge"), before);
}

}  // namespace
}  // namespace sluice::engine
