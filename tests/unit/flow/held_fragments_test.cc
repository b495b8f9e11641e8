#include "flow/held_fragments.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "support/pools.h"

namespace sluice::flow {
namespace {

class HeldFragmentsTest : public testing::Test {
 protected:
    ~HeldFragmentsTest() override {
        for (rte_mbuf* packet : taken_) rte_pktmbuf_free(packet);
    }

    // False if there is no room; the ports that had to make room are counted.
    bool hold(uint16_t port, path::Seconds since = 1) {
        if (!held_.has_room(path::PortId{port})) return false;
        rte_mbuf* packet = rte_pktmbuf_alloc(test::switch_pools().buffers);
        if (packet == nullptr) return false;
        const auto displaced = held_.hold({.packet = packet, .tuple = {}, .part = {}, .ingress = path::PortId{port},
                                           .network = {}, .layer3 = {}, .since = since});
        if (!displaced) return true;
        taken_.push_back(displaced->packet);
        ++displaced_[path::index(displaced->ingress)];
        return true;
    }

    HeldFragments held_;
    std::vector<rte_mbuf*> taken_;
    std::map<uint16_t, uint32_t> displaced_;
};

TEST_F(HeldFragmentsTest, APortHasAShare) {
    for (uint32_t i = 0; i < HeldFragments::kMostOfAPort; ++i) EXPECT_TRUE(hold(1));
    EXPECT_FALSE(hold(1));
    EXPECT_TRUE(hold(2));
    EXPECT_EQ(held_.count(), HeldFragments::kMostOfAPort + 1);
}

TEST_F(HeldFragmentsTest, WhoHasMostMakesRoomForWhoHasLess) {
    constexpr uint32_t kPorts = HeldFragments::kMost / HeldFragments::kMostOfAPort;
    for (uint16_t port = 1; port <= kPorts; ++port) {
        for (uint32_t i = 0; i < HeldFragments::kMostOfAPort; ++i) ASSERT_TRUE(hold(port));
    }
    ASSERT_EQ(held_.count(), HeldFragments::kMost);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(hold(99));
    EXPECT_EQ(held_.count(), HeldFragments::kMost);
    EXPECT_EQ(displaced_[99], 0u);
    EXPECT_EQ(displaced_[1] + displaced_[2] + displaced_[3] + displaced_[4], 10u);
    EXPECT_LE(displaced_[1], 4u) << "each of those with most in turn";
    for (int i = 0; i < 100; ++i) hold(99);
    EXPECT_EQ(displaced_[99], 0u);
    EXPECT_FALSE(hold(99)) << "it has as many as the others";
}

TEST_F(HeldFragmentsTest, TakesWhatIsDueTheOldestFirst) {
    for (path::Seconds since = 1; since <= 5; ++since) ASSERT_TRUE(hold(1, since));
    const auto& due = held_.take([](const auto& held) { return held.since % 2 == 1; });
    ASSERT_EQ(due.size(), 3u);
    EXPECT_EQ(due[0].since, 1u);
    EXPECT_EQ(due[2].since, 5u);
    for (const auto& held : due) taken_.push_back(held.packet);
    EXPECT_EQ(held_.count(), 2u);
    for (uint32_t i = 0; i < HeldFragments::kMostOfAPort - 2; ++i) EXPECT_TRUE(hold(1));
    EXPECT_FALSE(hold(1)) << "what was taken gave back its share";
}

TEST_F(HeldFragmentsTest, LooksWhenSomethingOrTheSecondHasChanged) {
    EXPECT_TRUE(held_.is_time(1, 10));
    EXPECT_FALSE(held_.is_time(1, 10));
    EXPECT_TRUE(held_.is_time(2, 10));
    EXPECT_TRUE(held_.is_time(2, 11));
}

}  // namespace
}  // namespace sluice::flow
