#include "router/added_routes.h"

#include <gtest/gtest.h>

#include "engine/intent.h"
#include "support/directory.h"
#include "support/pools.h"

namespace sluice::router {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

constexpr engine::Clock::time_point kNow{1000s};
constexpr const char* kBlue = "  - {name: blue, subnets: 10.0.0.0/24, gateway: 10.0.0.254}\n";
constexpr const char* kCut = " is cut off: the line has no end, and is not in force";
constexpr const char* kRed = "  - {name: red, subnets: 10.0.1.0/24, gateway: 10.0.1.254}\n";

// A file, a state, and a switch that can be started again.
class AddedRoutesTest : public testing::Test {
 protected:
    void SetUp() override { configure(std::string(kBlue) + kRed); }

    void configure(const std::string& networks, const std::string& more = "") {
        test::write_file(file_, fmt::format("state: {}\nnetworks:\n{}{}", state_, networks, more));
    }
    void start() {
        switch_.emplace(1, test::switch_pools(), "test");
        auto intent = engine::Intent::load(file_);
        ASSERT_TRUE(intent) << intent.error()[0].text();
        intent_.emplace(std::move(*intent));
        ASSERT_TRUE(intent_->start(*switch_, kNow));
    }
    void reload() {
        auto done = intent_->reload(*switch_, kNow);
        ASSERT_TRUE(done) << done.error()[0].text();
    }
    AddedRoutes& routes() { return intent_->routes(); }

    static route::RouteConfig route(std::string_view line) {
        route::Mistakes mistakes;
        return route::read_changes({.lines = line}, mistakes).ways.at(0);
    }
    std::string add(std::string_view line, AddedRoutes::Existing existing = AddedRoutes::Existing::kRefuse) {
        auto done = routes().add(switch_->routing(), route(line), existing);
        return done ? "" : done.error().text();
    }
    std::string remove(const std::string& to) {
        auto done = routes().remove(switch_->routing(), *IpPrefix::parse(to), "main");
        return done ? "" : done.error().text();
    }
    Texts load(std::string_view lines) {
        Texts texts;
        auto done = routes().load(switch_->routing(), {.lines = lines, .file = "r"});
        if (done) return texts;
        for (const auto& error : done.error().errors) texts.push_back(error.text());
        return texts;
    }
    // The added routes that are in force.
    Texts added() const {
        Texts texts;
        for (const auto& [name, domain] : switch_->router().domains()) {
            domain->table.each([&, &domain = *domain](const IpPrefix& to, route::HopId hop) {
                if (domain.derived.contains(to)) return;
                texts.push_back(route::to_line(switch_->router().added_route(domain, to, hop)));
            });
        }
        return texts;
    }
    // Each text that was put aside.
    Texts aside() const {
        Texts texts;
        for (const auto& entry : std::filesystem::directory_iterator(directory_ / "state")) {
            const std::string path = entry.path();
            if (path.starts_with(state_ + ".routes.bad-")) texts.push_back(test::file_text(path));
        }
        return texts;
    }
    Texts waiting() const {
        Texts texts;
        for (const auto& [name, waiting] : intent_->routes().waiting()) {
            texts.push_back(route::to_line(waiting.route) + ": " + waiting.reason);
        }
        return texts;
    }
    std::string kept() const { return test::file_text(state_ + ".routes"); }

    test::Directory directory_;
    const std::string file_ = directory_ / "sluice.yaml";
    const std::string state_ = directory_ / "state/state.json";
    std::optional<engine::Switch> switch_;
    std::optional<engine::Intent> intent_;
};

TEST_F(AddedRoutesTest, WhatIsAddedIsInForceAndKept) {
    start();
    EXPECT_EQ(add("10.9.0.0/16 via 10.0.0.1"), "");
    EXPECT_EQ(add("blackhole 10.8.0.0/16"), "");
    EXPECT_EQ(added(), (Texts{"blackhole 10.8.0.0/16", "10.9.0.0/16 via 10.0.0.1 network blue"}));
    EXPECT_EQ(kept(), "10.9.0.0/16 via 10.0.0.1\nblackhole 10.8.0.0/16\n");
    EXPECT_EQ(remove("10.8.0.0/16"), "");
    EXPECT_EQ(added(), Texts{"10.9.0.0/16 via 10.0.0.1 network blue"});
    EXPECT_EQ(kept(), "10.9.0.0/16 via 10.0.0.1\nblackhole 10.8.0.0/16\ndelete 10.8.0.0/16\n");
}

TEST_F(AddedRoutesTest, ItComesBackAfterARestartAndTheFileIsTidied) {
    start();
    ASSERT_EQ(load("10.9.0.0/16 via 10.0.0.1\n10.9.0.0/16 via 10.0.1.1 via 10.0.0.1\n"
                   "10.7.0.0/16 network red\nblackhole 10.8.0.0/16\ndelete 10.7.0.0/16\n"),
              Texts{});
    const Texts before = added();
    EXPECT_EQ(before.size(), 2u);
    start();
    EXPECT_EQ(added(), before);
    EXPECT_EQ(kept(), "blackhole 10.8.0.0/16\n10.9.0.0/16 nexthop via 10.0.1.1 nexthop via 10.0.0.1\n");
    start();
    EXPECT_EQ(added(), before);
}

TEST_F(AddedRoutesTest, WhatIsWrongIsRefusedAndNotKept) {
    start();
    EXPECT_EQ(add("10.9.0.0/16 via 10.0.7.1"),
              "10.0.7.1 is in no subnet of a routed network of domain main: name the `network`");
    EXPECT_EQ(add("blackhole 10.0.0.0/24"),
              "10.0.0.0/24 has a route already, at " + file_ +
                  ":3:5: it is the network's own: choose another destination");
    EXPECT_EQ(add("blackhole 127.0.0.0/8"), "127.0.0.0/8 is never routed");
    EXPECT_EQ(remove("10.9.0.0/16"), "there is no route to 10.9.0.0/16 in domain main");
    EXPECT_EQ(remove("10.0.0.0/24"),
              "the route to 10.0.0.0/24 follows from the networks: it goes with them");
    EXPECT_FALSE(std::filesystem::exists(state_ + ".routes"));
    EXPECT_EQ(added(), Texts{});
}

TEST_F(AddedRoutesTest, ARouteOfTheFileIsChangedThere) {
    configure(kBlue, "routes: [{to: 10.9.0.0/16, via: 10.0.0.1}]\n");
    start();
    EXPECT_EQ(add("blackhole 10.9.0.0/16"), "10.9.0.0/16 has a route already, at " + file_ +
                                                ":4:10: change it there and `config reload`");
    EXPECT_EQ(remove("10.9.0.0/16"), "the route to 10.9.0.0/16 is declared in " + file_ +
                                         ":4:10: remove it there and `config reload`");
}

TEST_F(AddedRoutesTest, AnExistingRouteIsReplacedOnRequest) {
    start();
    ASSERT_EQ(add("10.9.0.0/16 via 10.0.0.1"), "");
    EXPECT_EQ(add("10.9.0.0/16 via 10.0.0.2"),
              "10.9.0.0/16 has a route already (added): delete it, add it with `route add --replace`, or give several "
              "next hops to one");
    EXPECT_EQ(add("10.9.0.0/16 via 10.0.0.2", AddedRoutes::Existing::kReplace), "");
    EXPECT_EQ(added(), Texts{"10.9.0.0/16 via 10.0.0.2 network blue"});
}

TEST_F(AddedRoutesTest, ATextIsLoadedAsAWholeOrNotAtAll) {
    start();
    EXPECT_EQ(load("10.9.0.0/16 via 10.0.0.1\n"
                   "10.8.0.0/16 via 10.0.7.1\n"
                   "10.7.0.0/16 vai 10.0.0.1\n"
                   "blackhole 10.0.0.0/24\n"
                   "blackhole 10.5.0.0/24 domain none\n"),
              (Texts{"r:2:1: 10.0.7.1 is in no subnet of a routed network of domain main: name the `network`",
                     "r:3:13: 'vai' is no word of a route; did you mean 'via'?",
                     "r:4:1: 10.0.0.0/24 has a route already, at " + file_ +
                         ":3:5: it is the network's own: choose another destination",
                     "r:5:1: no network with a `gateway` is of routing domain \"none\""}));
    EXPECT_EQ(added(), Texts{});
    EXPECT_FALSE(std::filesystem::exists(state_ + ".routes"));
    auto checked = routes().check(switch_->routing(), {.lines = "10.9.0.0/16 via 10.0.0.1\ndelete 10.1.0.0/16\n"});
    ASSERT_TRUE(checked);
    EXPECT_EQ(checked->set, 1u);
    EXPECT_EQ(checked->deleted, 0u);
    EXPECT_EQ(checked->missing, 1u);
    EXPECT_EQ(added(), Texts{});
}

TEST_F(AddedRoutesTest, WhatIsDeletedAndWasNotThereIsCountedApart) {
    start();
    const auto count = [&](std::string_view lines) {
        const auto checked = routes().check(switch_->routing(), {.lines = lines, .file = "r"});
        const auto loaded = routes().load(switch_->routing(), {.lines = lines, .file = "r"});
        if (!checked || !loaded) return std::string("refused");
        EXPECT_EQ(checked->missing, loaded->missing);
        return fmt::format("{} {} {}", loaded->set, loaded->deleted, loaded->missing);
    };
    EXPECT_EQ(count("delete 10.222.0.0/16\n"), "0 0 1");
    EXPECT_EQ(count("10.222.0.0/16 via 10.0.0.1\ndelete 10.222.0.0/16\ndelete "
                    "10.222.0.0/16\n10.2.0.0/16 via 10.0.0.1\n"),
              "2 1 1");
    EXPECT_EQ(count("delete 10.2.0.0/16\ndelete 10.2.0.0/16\n"), "0 1 1");
}

// As with `route delete` it doesn't matter whether the route could be added now.
TEST_F(AddedRoutesTest, ATextDeletesWhatCouldNotBeAddedAnyMore) {
    start();
    ASSERT_EQ(load("10.9.0.0/16 via 10.0.1.1\n10.8.0.0/16 via 10.0.1.1\n10.7.0.0/16 network red\n"), Texts{});
    configure(kBlue, "routes: [{to: 10.8.0.0/16, type: blackhole}]\n");
    reload();
    ASSERT_EQ(waiting().size(), 3u);
    // It is not the file's that is deleted, as long as one waits.
    EXPECT_EQ(load("delete 10.8.0.0/16\n"), Texts{});
    EXPECT_EQ(load("delete 10.8.0.0/16\n").size(), 1u);
    configure("  - {name: blue}\n");
    reload();
    ASSERT_EQ(waiting().size(), 2u);
    EXPECT_TRUE(routes().check(switch_->routing(), {.lines = "delete 10.9.0.0/16\n"}));
    EXPECT_EQ(load("delete 10.9.0.0/16\ndelete 10.7.0.0/16\ndelete 10.6.0.0/16 domain gone\n"), Texts{});
    EXPECT_EQ(waiting(), Texts{});
    start();
    EXPECT_EQ(waiting(), Texts{});
}

// A reload and a restart come to the same.
TEST_F(AddedRoutesTest, ARenamedNetworkKeepsTheRoutesByItsGateways) {
    const char* renamed = "  - {name: green, subnets: 10.0.1.0/24, gateway: 10.0.1.254}\n";
    start();
    ASSERT_EQ(load("10.9.0.0/16 via 10.0.1.1\n10.8.0.0/16 via 10.0.1.1 via 10.0.0.1 network blue\n"
                   "10.6.0.0/16 via 10.0.1.1 network red\n10.7.0.0/16 network red\n"),
              Texts{});
    configure(std::string(kBlue) + renamed);
    reload();
    const Texts added_then = added();
    const Texts waiting_then = waiting();
    EXPECT_EQ(waiting_then, Texts{"10.7.0.0/16 network red: there is no network \"red\""});
    EXPECT_EQ(added_then.size(), 3u);
    start();
    EXPECT_EQ(added(), added_then);
    EXPECT_EQ(waiting(), waiting_then);
    // Where they find no way both let them wait, for the same reason.
    configure(kBlue);
    reload();
    const Texts reasons = waiting();
    EXPECT_EQ(reasons.size(), 4u);
    start();
    EXPECT_EQ(waiting(), reasons);
}

TEST_F(AddedRoutesTest, APortStandsForItsNetworkAndMayGo) {
    configure(kBlue, "ports: [{name: p, device: net_null0, network: blue}]\n");
    start();
    ASSERT_EQ(add("10.9.0.0/16 port p"), "");
    EXPECT_EQ(kept(), "10.9.0.0/16 network blue\n");
    configure(kBlue);
    reload();
    EXPECT_EQ(added(), Texts{"10.9.0.0/16 network blue"});
}

TEST_F(AddedRoutesTest, WhatLosesItsNetworkWaitsForIt) {
    start();
    ASSERT_EQ(load("10.9.0.0/16 via 10.0.1.1\n10.8.0.0/16 via 10.0.0.1\n"), Texts{});
    configure(kBlue);
    reload();
    EXPECT_EQ(added(), Texts{"10.8.0.0/16 via 10.0.0.1 network blue"});
    const Texts reasons{
        "10.9.0.0/16 via 10.0.1.1: 10.0.1.1 is in no subnet of a routed network of domain main: name "
        "the `network`"};
    EXPECT_EQ(waiting(), reasons);
    // A restart changes nothing about it.
    start();
    EXPECT_EQ(waiting(), reasons);
    EXPECT_EQ(added(), Texts{"10.8.0.0/16 via 10.0.0.1 network blue"});
    EXPECT_EQ(waiting().size(), 1u);
    EXPECT_NE(kept().find("10.9.0.0/16"), std::string::npos);
    configure(std::string(kBlue) + kRed);
    reload();
    EXPECT_EQ(added(), (Texts{"10.8.0.0/16 via 10.0.0.1 network blue",
                              "10.9.0.0/16 via 10.0.1.1 network red"}));
    EXPECT_EQ(waiting(), Texts{});
}

TEST_F(AddedRoutesTest, WhatTheFileDeclaresWaitsTillItDoesNot) {
    start();
    ASSERT_EQ(add("10.9.0.0/16 via 10.0.1.1"), "");
    configure(std::string(kBlue) + kRed, "routes: [{to: 10.9.0.0/16, type: blackhole}]\n");
    reload();
    EXPECT_EQ(added(), Texts{});
    EXPECT_EQ(waiting(), Texts{"10.9.0.0/16 via 10.0.1.1: 10.9.0.0/16 has a route already, at " + file_ +
                               ":5:10: change it there and `config reload`"});
    start();
    EXPECT_EQ(waiting().size(), 1u);
    configure(std::string(kBlue) + kRed);
    reload();
    EXPECT_EQ(added(), Texts{"10.9.0.0/16 via 10.0.1.1 network red"});
}

TEST_F(AddedRoutesTest, WhatWaitsForARouteOfTheFileCanBeDeleted) {
    start();
    ASSERT_EQ(add("10.9.0.0/16 via 10.0.1.1"), "");
    configure(std::string(kBlue) + kRed, "routes: [{to: 10.9.0.0/16, type: blackhole}]\n");
    reload();
    ASSERT_EQ(waiting().size(), 1u);
    EXPECT_EQ(remove("10.9.0.0/16"), "");
    EXPECT_EQ(waiting(), Texts{});
    EXPECT_NE(remove("10.9.0.0/16"), "") << "now it is the file's";
    start();
    EXPECT_EQ(waiting(), Texts{});
}

TEST_F(AddedRoutesTest, WhatWaitsCanBeDeleted) {
    start();
    ASSERT_EQ(add("10.9.0.0/16 via 10.0.1.1"), "");
    configure(kBlue);
    reload();
    ASSERT_EQ(waiting().size(), 1u);
    EXPECT_EQ(remove("10.9.0.0/16"), "");
    EXPECT_EQ(waiting(), Texts{});
    configure(std::string(kBlue) + kRed);
    start();
    EXPECT_EQ(added(), Texts{});
}

TEST_F(AddedRoutesTest, ALineThatIsCutOffIsToldAndPutAside) {
    start();
    ASSERT_EQ(add("10.9.0.0/16 via 10.0.0.1"), "");
    const std::string cut = kept() + "10.8.0.0/16 via 10.0.0.1\n10.7.0.0/16 via 10.0.0.1";  // ...17, perhaps
    test::write_file(state_ + ".routes", cut);
    EXPECT_EQ(engine::Intent::load(file_)->remarks(), Texts{state_ + ".routes:3:1: '10.7.0.0/16 via 10.0.0.1'" + kCut});
    start();
    EXPECT_EQ(added().size(), 2u);
    EXPECT_EQ(aside(), Texts{cut});
    ASSERT_EQ(add("10.7.0.0/16 via 10.0.0.2"), "");
    start();
    EXPECT_EQ(added().size(), 3u);
    EXPECT_EQ(aside(), Texts{cut});
}

// The routes that can be read come into force, and the file is kept.
TEST_F(AddedRoutesTest, ADamagedFileIsPutAside) {
    start();
    ASSERT_EQ(add("10.9.0.0/16 via 10.0.0.1"), "");
    const std::string damaged = kept() + "nonsense\n10.8.0.0/16 via 10.0.0.1\n10.7.0.0/16 via 10.0";
    test::write_file(state_ + ".routes", damaged);
    EXPECT_EQ(engine::Intent::load(file_)->remarks(), (Texts{state_ + ".routes:2:1: 'nonsense' is not an IP address",
                     state_ + ".routes:4:1: '10.7.0.0/16 via 10.0'" + kCut}));
    EXPECT_EQ(kept(), damaged);  // a look changes nothing
    start();
    EXPECT_EQ(added().size(), 2u);
    EXPECT_EQ(kept(), "10.8.0.0/16 via 10.0.0.1\n10.9.0.0/16 via 10.0.0.1\n");
    EXPECT_EQ(aside(), Texts{damaged});
    start();
    EXPECT_EQ(added().size(), 2u);
}

TEST_F(AddedRoutesTest, AStartTellsBeforehandWhatWouldWait) {
    start();
    ASSERT_EQ(load("10.9.0.0/16 via 10.0.1.1\n10.8.0.0/16 via 10.0.0.1\n10.7.0.0/16 via 10.0.0.1\ndelete 10.9.0.0/16\n"
                   "10.9.0.0/16 via 10.0.1.1\ndelete 10.7.0.0/16\n"), Texts{});
    configure(kBlue, "routes: [{to: 10.8.0.0/16, via: 10.0.0.2}]\n");
    EXPECT_EQ(engine::Intent::load(file_)->remarks(),
              Texts{"2 added routes of " + state_ + ".routes would wait, as the configuration has no place for them, "
                    "such as 10.8.0.0/16"});
    start();
    EXPECT_EQ(waiting().size(), 2u);
}

TEST_F(AddedRoutesTest, WithoutAStateNothingIsAdded) {
    start();
    test::write_file(directory_ / "state", "a file where the folder should be");
    EXPECT_NE(add("10.9.0.0/16 via 10.0.0.1").find(state_ + ".routes"), std::string::npos);
    EXPECT_EQ(added(), Texts{});
}

TEST_F(AddedRoutesTest, WhatHasNoRoomIsTakenOutOfTheFileAgain) {
    configure("  - {name: blue, subnets: 10.0.0.0/8, gateway: 10.0.0.254}\n");
    start();
    ASSERT_EQ(add("20.0.0.0/16 via 10.0.0.1"), "");
    const std::string before = kept();
    std::string lines;
    for (uint32_t i = 0; i <= switch_->router().neighbors().capacity(); ++i) {
        lines += "30.0.0.0/16 via " + IpAddress::from_v4(0x0a02'0000 + i).text() + "\n";
    }
    const Texts errors = load(lines);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_NE(errors[0].find("no room"), std::string::npos);
    EXPECT_EQ(kept(), before);
    EXPECT_EQ(added().size(), 1u);
}

// What a start can't bring into force isn't lost with the next change: a later start may have room.
TEST_F(AddedRoutesTest, RoutesForWhichThereIsNoRoomWaitAndAreKept) {
    configure("  - {name: blue, subnets: 10.0.0.0/8, gateway: 10.0.0.254}\n");
    start();
    std::string lines = "blackhole 10.9.0.0/16\ndelete 10.9.0.0/16\n";
    std::string last;
    for (uint32_t i = 0; i <= switch_->router().neighbors().capacity(); ++i) {
        last = "30.0.0.0/16 via " + IpAddress::from_v4(0x0a02'0000 + i).text() + "\n";
        lines += last;
    }
    std::filesystem::create_directories(directory_ / "state");
    test::write_file(state_ + ".routes", lines);
    start();
    EXPECT_EQ(added(), Texts{});
    EXPECT_EQ(kept(), last);
    EXPECT_EQ(add("blackhole 20.0.0.0/16"), "");
    // So many void lines have it rewritten.
    std::string voids;
    for (int i = 0; i < 70'000; ++i) voids += "blackhole 21.0.0.0/16\ndelete 21.0.0.0/16\n";
    EXPECT_EQ(load(voids), Texts{});
    EXPECT_EQ(kept(), "blackhole 20.0.0.0/16\n" + last);
}

TEST_F(AddedRoutesTest, AFileOfVoidLinesIsRewrittenWhileRunning) {
    start();
    std::string lines;
    for (int i = 0; i < 60'000; ++i) lines += "10.9.0.0/16 via 10.0.0.1\n";
    ASSERT_EQ(load(lines), Texts{});
    EXPECT_GT(kept().size(), 60'000u);
    ASSERT_EQ(load(lines), Texts{});
    EXPECT_EQ(kept(), "10.9.0.0/16 via 10.0.0.1\n");
}

}  // namespace
}  // namespace sluice::router
