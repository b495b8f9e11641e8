#include "router/router.h"

#include <gtest/gtest.h>

#include "engine/config.h"

namespace sluice::router {
namespace {

using Texts = std::vector<std::string>;

class RouterTest : public testing::Test {
 protected:
    // As Switch::apply() does it. Networks have the numbers of their letters.
    void apply(const std::string& yaml) {
        auto config = engine::load_config(yaml, "f", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        config_ = *config;
        ids_.clear();
        for (const auto& network : networks_of(config_)) {
            ids_[network.name] = path::NetworkId{static_cast<uint16_t>(network.name[0])};
        }
        router_.arrange_domains(config_);
        router_.withdraw(config_, ids_);
        router_.install(config_, ids_, 0);
    }
    void change(std::string_view lines) {
        route::Mistakes mistakes;
        const route::Changes changes = route::read_changes({.lines = lines}, mistakes);
        ASSERT_EQ(mistakes.count, 0u);
        auto done = router_.change(config_, ids_, changes, 0);
        ASSERT_TRUE(done) << done.error().text();
        router_.settle();
    }
    const route::Domain& domain(const std::string& name = "main") const { return *router_.domains().at(name); }
    // The kind and network of the route that an address takes.
    std::string way(const std::string& address, const std::string& name = "main") const {
        const auto found = domain(name).table.longest(*IpAddress::parse(address));
        if (!found) return "none";
        const route::HopKey& key = router_.hops().key(found->second);
        std::string text = found->first.text() + " ";
        switch (key.kind) {
            case route::HopKind::kVia: text += "via " + key.via.text(); break;
            case route::HopKind::kConnected: text += "link"; break;
            case route::HopKind::kLocal: text += "local"; break;
            case route::HopKind::kBroadcast: text += "broadcast"; break;
            case route::HopKind::kBlackhole: text += "blackhole"; break;
            case route::HopKind::kUnreachable: text += "unreachable"; break;
            case route::HopKind::kMartian: text += "martian"; break;
            case route::HopKind::kGroup: text += fmt::format("{} ways", key.members.size()); break;
            case route::HopKind::kNone: text += "nothing"; break;
        }
        const auto network = router_.network_name(key.network);
        return text + (network.empty() ? "" : " in ") + std::string(network);
    }
    // Routes that lead to a neighbor, all those that say the same as one.
    uint16_t neighbor_pins(const std::string& address) const {
        uint16_t pins = 0;
        router_.neighbors().each([&](const neighbor::Entry& entry) {
            if (entry.address.text() == address) pins = entry.pins;
        });
        return pins;
    }
    Texts displaced() {
        Texts texts;
        for (const auto& route : router_.take_displaced()) texts.push_back(route::to_line(route));
        return texts;
    }

    path::Grace grace_{1};
    Router router_{grace_};
    engine::Config config_;
    NetworkIds ids_;
};

constexpr const char* kTwo =
    "networks:\n"
    "  - {name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}\n"
    "  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254}\n";

TEST_F(RouterTest, NetworksBringTheirRoutes) {
    apply(kTwo);
    EXPECT_EQ(way("10.0.0.7"), "10.0.0.0/24 link in blue");
    EXPECT_EQ(way("10.0.0.254"), "10.0.0.254/32 local in blue");
    EXPECT_EQ(way("10.0.0.255"), "10.0.0.255/32 broadcast in blue");
    EXPECT_EQ(way("10.0.0.0"), "10.0.0.0/32 broadcast in blue");
    EXPECT_EQ(way("fd00:a::7"), "fd00:a::/64 link in blue");
    EXPECT_EQ(way("10.0.1.7"), "10.0.1.0/24 link in red");
    EXPECT_EQ(way("10.0.2.7"), "none");
    EXPECT_EQ(way("127.0.0.1"), "127.0.0.0/8 martian");
    EXPECT_EQ(way("fe80::1"), "fe80::/10 martian");
}

TEST_F(RouterTest, ANetworkWithoutAGatewayHasNone) {
    apply("networks: [{name: blue, subnets: 10.0.0.0/24}]");
    EXPECT_TRUE(router_.domains().empty());
}

TEST_F(RouterTest, AFlatNetworkHasNoBroadcastAddress) {
    apply("networks: [{name: blue, subnets: 10.0.0.0/24, flat: true}]");
    EXPECT_EQ(way("10.0.0.255"), "10.0.0.0/24 link in blue");
    EXPECT_EQ(way("10.0.0.0"), "10.0.0.0/24 link in blue");
}

TEST_F(RouterTest, DomainsDoNotKnowEachOther) {
    apply("networks:\n"
          "  - {name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254, domain: a}\n"
          "  - {name: red, subnets: 10.0.0.0/24, gateway: 10.0.0.254, domain: b}\n"
          "routes: [{to: 0.0.0.0/0, via: 10.0.0.1, domain: b}]\n");
    EXPECT_EQ(way("10.0.0.7", "a"), "10.0.0.0/24 link in blue");
    EXPECT_EQ(way("10.0.0.7", "b"), "10.0.0.0/24 link in red");
    EXPECT_EQ(way("10.9.0.7", "a"), "none");
    EXPECT_EQ(way("10.9.0.7", "b"), "0.0.0.0/0 via 10.0.0.1 in red");
}

TEST_F(RouterTest, RoutesOfTheConfigurationComeAndGo) {
    apply(std::string(kTwo) +
          "routes:\n"
          "  - {to: 10.9.0.0/16, next-hops: [{via: 10.0.0.1}, {via: 10.0.1.1}]}\n"
          "  - {to: 10.8.0.0/16, type: unreachable}\n"
          "  - {to: 10.7.0.0/16, network: red}\n");
    EXPECT_EQ(way("10.9.0.1"), "10.9.0.0/16 2 ways");
    EXPECT_EQ(way("10.8.0.1"), "10.8.0.0/16 unreachable");
    EXPECT_EQ(way("10.7.0.1"), "10.7.0.0/16 link in red");
    const auto* declared = router_.declared("main", *IpPrefix::parse("10.8.0.0/16"));
    ASSERT_NE(declared, nullptr);
    EXPECT_EQ(origin(declared->place), "f:6:5");
    apply(std::string(kTwo) + "routes: [{to: 10.9.0.0/16, via: 10.0.0.2}]\n");
    EXPECT_EQ(way("10.9.0.1"), "10.9.0.0/16 via 10.0.0.2 in blue");
    EXPECT_EQ(way("10.8.0.1"), "none");
    EXPECT_EQ(displaced(), Texts{});
}

TEST_F(RouterTest, AddedRoutesAreInForceTillTheyAreDeleted) {
    apply(kTwo);
    change("10.9.0.0/16 via 10.0.0.1\nblackhole 10.9.1.0/24\n");
    EXPECT_EQ(way("10.9.0.1"), "10.9.0.0/16 via 10.0.0.1 in blue");
    EXPECT_EQ(way("10.9.1.1"), "10.9.1.0/24 blackhole");
    EXPECT_TRUE(router_.has_added("main", *IpPrefix::parse("10.9.0.0/16")));
    EXPECT_FALSE(router_.has_added("main", *IpPrefix::parse("10.0.0.0/24")));
    EXPECT_EQ(neighbor_pins("10.0.0.1"), 1u);
    change("10.9.0.0/16 via 10.0.1.1\ndelete 10.9.1.0/24\ndelete 10.10.0.0/16\n");
    EXPECT_EQ(way("10.9.1.1"), "10.9.0.0/16 via 10.0.1.1 in red");
    EXPECT_EQ(neighbor_pins("10.0.0.1"), 0u);
    change("delete 10.9.0.0/16");
    EXPECT_EQ(way("10.9.1.1"), "none");
    // Nor do they stand in for what the configuration says.
    change("blackhole 10.0.0.0/24\ndelete 10.0.1.0/24\n");
    EXPECT_EQ(way("10.0.0.7"), "10.0.0.0/24 link in blue");
    EXPECT_EQ(way("10.0.1.7"), "10.0.1.0/24 link in red");
}

TEST_F(RouterTest, OfSeveralLinesForOneDestinationTheLastCounts) {
    apply(kTwo);
    change("10.9.0.0/16 via 10.0.0.1\n10.9.0.0/16 via 10.0.0.2\n"
           "10.8.0.0/16 via 10.0.0.1\ndelete 10.8.0.0/16\n");
    EXPECT_EQ(way("10.9.0.1"), "10.9.0.0/16 via 10.0.0.2 in blue");
    EXPECT_EQ(way("10.8.0.1"), "none");
    EXPECT_EQ(neighbor_pins("10.0.0.1"), 0u);
}

TEST_F(RouterTest, AnAddedRouteGivesWayToTheConfiguration) {
    apply(kTwo);
    change("10.9.0.0/16 via 10.0.0.1\n10.8.0.0/16 network red\n10.7.0.0/16 via 10.0.0.1 via 10.0.1.1\n"
           "blackhole 10.6.0.0/16\n");
    apply(std::string(kTwo) + "routes: [{to: 10.9.0.0/16, type: blackhole}]\n");
    EXPECT_EQ(way("10.9.0.1"), "10.9.0.0/16 blackhole");
    EXPECT_EQ(displaced(), Texts{"10.9.0.0/16 via 10.0.0.1 network blue"});
    // What leads into a network that is gone goes with it.
    apply("networks: [{name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254}]");
    EXPECT_EQ(displaced(),
              (Texts{"10.7.0.0/16 nexthop via 10.0.0.1 network blue nexthop via 10.0.1.1 network red",
                     "10.8.0.0/16 network red"}));
    EXPECT_EQ(way("10.8.0.1"), "none");
    EXPECT_EQ(way("10.6.0.1"), "10.6.0.0/16 blackhole");
    // With its last network all of a domain.
    apply("networks: [{name: blue}]");
    EXPECT_EQ(displaced(), Texts{"blackhole 10.6.0.0/16"});
    EXPECT_TRUE(router_.domains().empty());
}

TEST_F(RouterTest, ANetworkThatChangesItsDomainTakesNoRouteAlong) {
    apply(kTwo);
    change("10.9.0.0/16 via 10.0.1.1\n");
    apply("networks:\n"
          "  - {name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254}\n"
          "  - {name: red, subnets: 10.0.1.0/24, gateway: 10.0.1.254, domain: other}\n");
    EXPECT_EQ(way("10.9.0.1"), "none");
    EXPECT_EQ(way("10.0.1.1"), "none");
    EXPECT_EQ(way("10.0.1.1", "other"), "10.0.1.0/24 link in red");
    EXPECT_EQ(displaced(), Texts{"10.9.0.0/16 via 10.0.1.1 network red"});
}

TEST_F(RouterTest, WithoutRoomForAllNextHopsNothingChanges) {
    apply("networks: [{name: blue, subnets: 10.0.0.0/8, gateway: 10.0.0.254}]");
    std::string lines = "20.0.0.0/16 via 10.1.0.1\n";
    for (uint32_t i = 0; i <= router_.neighbors().capacity(); ++i) {
        lines += "30.0.0.0/16 via " + IpAddress::from_v4(0x0a02'0000 + i).text() + "\n";
    }
    route::Mistakes mistakes;
    auto done = router_.change(config_, ids_, route::read_changes({.lines = lines}, mistakes), 0);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().message.find("no room"), std::string::npos);
    router_.settle();
    EXPECT_EQ(way("20.0.0.1"), "none");
    EXPECT_EQ(neighbor_pins("10.1.0.1"), 0u);
    change("20.0.0.0/16 via 10.1.0.1\n");
}

TEST_F(RouterTest, AStaticNeighborIsKnownWithoutAsking) {
    apply(kTwo);
    const auto place = std::pair(ids_.at("blue"), *IpAddress::parse("10.0.0.7"));
    router_.set_static_neighbors({{place, 5}}, 0);
    EXPECT_EQ(router_.neighbors().find(place.first, place.second)->mac, 5u);
    router_.set_static_neighbors({}, 0);
    EXPECT_EQ(router_.neighbors().find(place.first, place.second)->mac, 0u);
}

TEST_F(RouterTest, TheWayToAnAddressOnALinkIsToItsNeighbor) {
    apply(kTwo);
    const path::NetworkId blue = ids_.at("blue");
    const route::HopId hop = router_.take_hop_to(domain(), blue, *IpAddress::parse("10.0.0.7"), 0);
    EXPECT_EQ(router_.hops().key(hop).kind, route::HopKind::kVia);
    EXPECT_EQ(router_.hops().key(hop).via.text(), "10.0.0.7");
    EXPECT_EQ(router_.take_hop_to(domain(), blue, *IpAddress::parse("99.0.0.7"), 0), 0u);
    EXPECT_EQ(router_.take_hop_to(domain(), blue, *IpAddress::parse("10.1.0.7"), 0), 0u) << "another network's";
    router_.give_back(hop);
}

}  // namespace
}  // namespace sluice::router
