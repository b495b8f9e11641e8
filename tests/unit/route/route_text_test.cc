#include "route/route_text.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice::route {
namespace {

using Texts = std::vector<std::string>;

// Each line as it is written back.
Texts read(std::string_view lines, const std::string& domain = "main") {
    Mistakes mistakes;
    const Changes changes = read_changes({.lines = lines, .file = "f", .domain = domain}, mistakes);
    for (const auto& error : mistakes.errors) ADD_FAILURE() << error.text();
    Texts texts;
    for (const auto& change : changes.changes) {
        RouteConfig route = changes.ways[change.way];
        route.to = change.to;
        texts.push_back(change.deletes ? "delete " + route.to.text() + way_text(route) : to_line(route));
    }
    return texts;
}

Texts errors(std::string_view lines, uint32_t first_line = 1) {
    Mistakes mistakes;
    read_changes({.lines = lines, .file = "f", .first_line = first_line}, mistakes);
    Texts texts;
    for (const auto& error : mistakes.errors) texts.push_back(error.text());
    return texts;
}

TEST(RouteText, ReadsTheWordsOfIpRoute) {
    EXPECT_EQ(read("10.1.0.0/16 via 10.0.0.1\n"
                   "10.2.0.0/16 via 10.0.0.1 via 10.0.0.2\n"
                   "10.3.0.0/16 network blue\n"
                   "10.4.0.1 via 10.0.0.1 network red\n"
                   "blackhole 10.5.0.0/16\n"
                   "unreachable fd00::/64\n"
                   "unicast fd01::/64 via fd00::1 domain red\n"
                   "delete 10.1.0.0/16\n"
                   "delete 10.1.0.0/16 domain red"),
              (Texts{"10.1.0.0/16 via 10.0.0.1",
                     "10.2.0.0/16 nexthop via 10.0.0.1 nexthop via 10.0.0.2",
                     "10.3.0.0/16 network blue",
                     "10.4.0.1/32 via 10.0.0.1 network red",
                     "blackhole 10.5.0.0/16",
                     "unreachable fd00::/64",
                     "fd01::/64 via fd00::1 domain red",
                     "delete 10.1.0.0/16",
                     "delete 10.1.0.0/16 domain red"}));
}

TEST(RouteText, WordsBelongToTheNextHopThatLacksThem) {
    EXPECT_EQ(read("10.1.0.0/16 network blue via 10.0.0.1"), Texts{"10.1.0.0/16 via 10.0.0.1 network blue"});
    EXPECT_EQ(read("10.1.0.0/16 via 10.0.0.1 port web via 10.0.0.2"),
              Texts{"10.1.0.0/16 nexthop via 10.0.0.1 port web nexthop via 10.0.0.2"});
    EXPECT_EQ(read("10.1.0.0/16 nexthop via 10.0.0.1 nexthop network red"),
              Texts{"10.1.0.0/16 nexthop via 10.0.0.1 nexthop network red"});
}

TEST(RouteText, ADefaultRouteIsOfItsGatewaysFamily) {
    EXPECT_EQ(read("default via 10.0.0.1\ndefault via fd00::1\nblackhole default"),
              (Texts{"0.0.0.0/0 via 10.0.0.1", "::/0 via fd00::1", "blackhole 0.0.0.0/0"}));
}

TEST(RouteText, CommentsAndEmptyLinesAreNoRoutes) {
    EXPECT_EQ(read("# all of them\n\n  \t\n 10.1.0.0/16\tvia 10.0.0.1  # the first\r\n"),
              Texts{"10.1.0.0/16 via 10.0.0.1"});
    EXPECT_EQ(read(""), Texts{});
}

TEST(RouteText, ADomainMayBeGivenForAllLines) {
    EXPECT_EQ(read("10.1.0.0/16 via 10.0.0.1\n10.2.0.0/16 via 10.0.0.1 domain blue\n"
                   "delete 10.3.0.0/16", "red"),
              (Texts{"10.1.0.0/16 via 10.0.0.1 domain red", "10.2.0.0/16 via 10.0.0.1 domain blue",
                     "delete 10.3.0.0/16 domain red"}));
}

TEST(RouteText, LinesThatSayTheSameShareAWay) {
    Mistakes mistakes;
    const Changes changes = read_changes({.lines = "10.1.0.0/16 via 10.0.0.1\n"
                                                   "10.2.0.0/16 via 10.0.0.1\n"
                                                   "blackhole 10.3.0.0/16\n"
                                                   "blackhole fd00::/16\n"},
                                         mistakes);
    ASSERT_EQ(changes.changes.size(), 4u);
    EXPECT_EQ(changes.changes[0].way, changes.changes[1].way);
    // Those of two families don't: a gateway of one is no gateway of the other.
    EXPECT_EQ(changes.ways.size(), 3u);
    EXPECT_EQ(changes.changes[3].line, 4u);
}

TEST(RouteText, EveryMistakeIsToldWithItsPlace) {
    EXPECT_EQ(errors("10.1.0.0/16 vai 10.0.0.1\n"
                     "10.1.0.1/16 via 10.0.0.1\n"
                     "10.2.0.0/16 via 10.0.0.300\n"
                     "10.3.0.0/16\n"
                     "10.4.0.0/16 via\n"
                     "blackhole 10.5.0.0/16 via 10.0.0.1\n"
                     "blackhole\n"
                     "delete 10.6.0.0/16 via 10.0.0.1\n"
                     "10.7.0.0/16 via 10.0.0.1 domain a domain b\n"
                     "10.8.0.0/16 via 10.0.0.1 metric 5\n"
                     "10.9.0.0/16 via 10.0.0.1",
                     101),
              (Texts{"f:101:13: 'vai' is no word of a route; did you mean 'via'?",
                     "f:102:1: '10.1.0.1/16' has bits set beyond its length; did you mean 10.1.0.0/16?",
                     "f:103:17: '10.0.0.300' is not an IP address",
                     "f:104:12: leads nowhere: give `via ADDRESS` or `network NAME`, or write `blackhole` "
                     "before the destination",
                     "f:105:13: nothing follows 'via'",
                     "f:106:23: no next hop belongs here: leave it out",
                     "f:107:10: no destination follows: 10.1.0.0/16, say",
                     "f:108:20: no next hop belongs here: leave it out",
                     "f:109:35: a second domain: give one",
                     "f:110:26: 'metric' is no word of a route: via, network, port, nexthop and domain "
                     "are"}));
}

TEST(RouteText, OfAMillionMistakesTheFirstAreKept) {
    std::string lines;
    for (int i = 0; i < 1000; ++i) lines += "nonsense\n";
    Mistakes mistakes;
    EXPECT_TRUE(read_changes({.lines = lines}, mistakes).changes.empty());
    EXPECT_EQ(mistakes.count, 1000u);
    EXPECT_EQ(mistakes.errors.size(), Mistakes::kKept);
    EXPECT_EQ(mistakes.errors.back().place.line, static_cast<int>(Mistakes::kKept));
}

TEST(RouteText, TooManyNextHopsAreRefused) {
    std::string line = "10.0.0.0/8";
    for (int i = 1; i <= 64; ++i) line += " via 10.0.0." + std::to_string(i);
    EXPECT_EQ(read(line).size(), 1u);
    EXPECT_EQ(errors(line + " via 10.0.0.65"), Texts{"f:1:12: 65 next hops are too many: 64 at most"});
}

TEST(RouteText, WhatIsWrittenIsReadAsTheSame) {
    std::mt19937 random(1);
    auto pick = [&](uint32_t count) { return random() % count; };
    for (int i = 0; i < 2000; ++i) {
        RouteConfig route;
        const bool v4 = pick(2) == 0;
        auto address = [&] {
            IpAddress made;
            for (auto& byte : made.bytes) byte = static_cast<uint8_t>(random());
            made.bytes[0] = 0xfd;
            return v4 ? IpAddress::from_v4(random()) : made;
        };
        route.to = IpPrefix::around(address(), static_cast<uint8_t>(pick(v4 ? 33 : 129)));
        route.kind = static_cast<Kind>(pick(3));
        if (pick(2) == 0) route.domain = "red";
        if (route.kind == Kind::kUnicast) {
            std::vector<HopConfig> hops(1 + pick(3));
            for (auto& hop : hops) {
                const uint32_t form = pick(4);
                if (form != 0) hop.via = address();
                if (form == 0 || form == 1) hop.network = "blue";
                if (form == 2) hop.port = "web";
            }
            if (hops.size() == 1) {
                route.hop = hops[0];
            } else {
                route.hops = hops;
            }
        }
        Mistakes mistakes;
        const std::string line = to_line(route);
        const Changes changes = read_changes({.lines = line}, mistakes);
        ASSERT_EQ(changes.ways.size(), 1u) << line << ": " << mistakes.errors[0].text();
        EXPECT_EQ(changes.ways[0], route) << line;
    }
}

}  // namespace
}  // namespace sluice::route
