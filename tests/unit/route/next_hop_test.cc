#include "route/next_hop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sluice::route {
namespace {

constexpr path::NetworkId kBlue{1};

class NextHopTest : public testing::Test {
 protected:
    static HopKey via(uint32_t i) {
        return {.kind = HopKind::kVia, .network = kBlue, .via = IpAddress::from_v4(0x0a00'0000 + i)};
    }
    const NextHop& hop(HopId id) const { return hops_.data()[id]; }

    neighbor::Table neighbors_{8, 8};
    NextHops hops_{neighbors_};
};

TEST_F(NextHopTest, NumberZeroIsNoRoute) {
    EXPECT_EQ(hop(0).kind, HopKind::kNone);
}

TEST_F(NextHopTest, RoutesThatSayTheSameShareAHop) {
    const HopId id = hops_.take(via(1), 0);
    ASSERT_NE(id, 0u);
    EXPECT_EQ(hops_.take(via(1), 0), id);
    EXPECT_NE(hops_.take({.kind = HopKind::kBlackhole}, 0), id);
    EXPECT_EQ(hop(id).kind, HopKind::kVia);
    EXPECT_EQ(hop(id).network, kBlue);
    EXPECT_EQ(hop(id).neighbor, neighbors_.find(kBlue, via(1).via));
    EXPECT_EQ(hop(id).neighbor->pins, 1u);
    EXPECT_EQ(hops_.key(id), via(1));
}

TEST_F(NextHopTest, WithItsLastUserAHopGoesAfterTheGracePeriod) {
    const HopId id = hops_.take(via(1), 0);
    hops_.share(id, 2);
    neighbor::Entry* entry = hop(id).neighbor;
    hops_.give_back(id, 2);
    EXPECT_FALSE(hops_.has_retired());
    hops_.give_back(id);
    EXPECT_TRUE(hops_.has_retired());
    // Workers may still read it, and nobody else gets its number.
    EXPECT_EQ(hop(id).neighbor, entry);
    const HopId next = hops_.take(via(1), 0);
    EXPECT_NE(next, id);
    hops_.reclaim();
    EXPECT_EQ(hop(id).kind, HopKind::kNone);
    EXPECT_EQ(entry->pins, 1u);
    EXPECT_EQ(hops_.take(via(2), 0), id);
}

TEST_F(NextHopTest, AGroupKeepsItsMembers) {
    const HopId one = hops_.take(via(1), 0);
    const HopId two = hops_.take(via(2), 0);
    const HopKey key{.kind = HopKind::kGroup, .members = {one, two}};
    const HopId group = hops_.take(key, 0);
    hops_.give_back(one);
    hops_.give_back(two);
    EXPECT_FALSE(hops_.has_retired());
    std::set<HopId> picked;
    for (uint64_t hash = 0; hash < 1ULL << 32; hash += 1U << 24) {
        picked.insert(hop(group).pick(static_cast<uint32_t>(hash)));
    }
    EXPECT_EQ(picked, (std::set<HopId>{one, two}));
    hops_.give_back(group);
    hops_.reclaim();
    for (const HopId id : {group, one, two}) EXPECT_EQ(hop(id).kind, HopKind::kNone);
    EXPECT_EQ(neighbors_.find(kBlue, via(1).via)->pins, 0u);
}

// Of members 1 to `count`, each of which has answered.
class NextHopGroup : public NextHopTest {
 protected:
    static constexpr path::Seconds kNow = 1000;

    void make(uint32_t count) {
        HopKey key{.kind = HopKind::kGroup};
        for (uint32_t i = 1; i <= count; ++i) {
            key.members.push_back(hops_.take(via(i), kNow));
            comes(key.members.back());
        }
        members_ = key.members;
        group_ = hops_.take(key, kNow);
        for (const HopId member : members_) hops_.give_back(member);
    }
    void comes(HopId member) {
        neighbor::Held waiting;
        neighbors_.learn(*hop(member).neighbor, 0x0200'0000 + member, true, kNow, waiting);
    }
    void goes(HopId member) {
        hop(member).neighbor->mac = 0;
        hop(member).neighbor->state = neighbor::State::kFailed;
        hop(member).neighbor->is_gone = true;
    }
    // What each of many flows goes to.
    std::vector<HopId> picks() const {
        std::vector<HopId> picks;
        for (uint64_t hash = 0; hash < 1ULL << 32; hash += 1U << 20) {
            picks.push_back(hop(group_).pick(static_cast<uint32_t>(hash)));
        }
        return picks;
    }
    static size_t count(const std::vector<HopId>& picks, HopId member) {
        return static_cast<size_t>(std::count(picks.begin(), picks.end(), member));
    }

    std::vector<HopId> members_;
    HopId group_ = 0;
};

TEST_F(NextHopGroup, FlowsOfAMemberThatHasGoneAreSharedOutAndNoOthersMove) {
    make(4);
    const auto before = picks();
    for (const HopId member : members_) EXPECT_EQ(count(before, member), before.size() / 4);
    EXPECT_TRUE(hops_.rebalance().empty());

    goes(members_[1]);
    EXPECT_EQ(picks(), before);  // until somebody looks
    EXPECT_EQ(hops_.rebalance(), (std::map<HopId, bool>{{members_[1], true}}));
    EXPECT_TRUE(hops_.rebalance().empty());
    const auto without_one = picks();
    for (size_t i = 0; i < before.size(); ++i) {
        if (before[i] != members_[1]) {
            EXPECT_EQ(without_one[i], before[i]);
        }
    }
    EXPECT_EQ(count(without_one, members_[1]), 0u);
    for (const HopId member : {members_[0], members_[2], members_[3]}) {
        EXPECT_NEAR(static_cast<double>(count(without_one, member)), static_cast<double>(before.size()) / 3,
                    static_cast<double>(before.size()) / 64 + 1);
        EXPECT_NEAR(hops_.shares(group_).at(member), 1.0 / 3, 1.0 / 64);
    }
    EXPECT_EQ(hops_.shares(group_).at(members_[1]), 0);

    goes(members_[2]);
    hops_.rebalance();
    const auto without_two = picks();
    for (size_t i = 0; i < before.size(); ++i) {
        if (without_one[i] != members_[2]) {
            EXPECT_EQ(without_two[i], without_one[i]);
        }
        EXPECT_NE(without_two[i], members_[2]);
    }

    comes(members_[2]);
    hops_.rebalance();
    EXPECT_EQ(picks(), without_one);
    comes(members_[1]);
    EXPECT_EQ(hops_.rebalance(), (std::map<HopId, bool>{{members_[1], false}}));
    EXPECT_EQ(picks(), before);
}

TEST_F(NextHopGroup, WithoutAnyMemberEachKeepsItsOwn) {
    make(2);
    const auto before = picks();
    for (const HopId member : members_) goes(member);
    EXPECT_EQ(hops_.rebalance().size(), 2u);
    EXPECT_EQ(picks(), before);
    for (const HopId member : members_) EXPECT_FALSE(hops_.has_alternative(member));
}

TEST_F(NextHopGroup, TheLastMemberHasNoAlternative) {
    make(2);
    goes(members_[0]);
    hops_.rebalance();
    EXPECT_TRUE(hops_.has_alternative(members_[0]));
    goes(members_[1]);
    hops_.rebalance();
    EXPECT_FALSE(hops_.has_alternative(members_[1]));
    comes(members_[0]);
    hops_.rebalance();
    EXPECT_TRUE(hops_.has_alternative(members_[1]));
}

TEST_F(NextHopGroup, ItsMembersAreWatchedAsLongAsItIsThere) {
    make(2);
    neighbor::Entry& entry = *hop(members_[0]).neighbor;
    EXPECT_EQ(entry.watches, 1u);
    hops_.give_back(group_);
    EXPECT_EQ(entry.watches, 0u);
    hops_.reclaim();
    EXPECT_TRUE(hops_.rebalance().empty());
}

TEST_F(NextHopTest, WithoutRoomForItsNeighborThereIsNone) {
    for (uint32_t i = 0; i < 8; ++i) ASSERT_NE(hops_.take(via(i), 0), 0u);
    EXPECT_EQ(hops_.take(via(8), 0), 0u);
    // Others need none.
    EXPECT_NE(hops_.take({.kind = HopKind::kConnected, .network = kBlue}, 0), 0u);
}

}  // namespace
}  // namespace sluice::route
