#include "engine/next_hop.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::engine {
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

TEST_F(NextHopTest, WithoutRoomForItsNeighborThereIsNone) {
    for (uint32_t i = 0; i < 8; ++i) ASSERT_NE(hops_.take(via(i), 0), 0u);
    EXPECT_EQ(hops_.take(via(8), 0), 0u);
    // Others need none.
    EXPECT_NE(hops_.take({.kind = HopKind::kConnected, .network = kBlue}, 0), 0u);
}

}  // namespace
}  // namespace sluice::engine
