#include "engine/flow_generations.h"

#include <gtest/gtest.h>

namespace sluice::engine {
namespace {

using path::FlowDomain;

constexpr FlowDomain kOne{1};
constexpr FlowDomain kTwo{2};
constexpr FlowDomain kThree{3};

// Networks 0 and 2 are of the first domain, network 1 is of the second one. There is no network 3.
std::vector<view::Network> networks() {
    static bridge::MacTable table(16);
    std::vector<view::Network> networks(4);
    for (size_t i = 0; i < 3; ++i) {
        networks[i].table = &table;
        networks[i].flow_domain = i == 1 ? kTwo : kOne;
    }
    return networks;
}

TEST(FlowGenerations, NetworksOfADomainAreToldItsGeneration) {
    FlowGenerations generations;
    const flow::Generations before = generations.tell(networks());
    generations.outdate({kOne});
    const flow::Generations after = generations.tell(networks());
    EXPECT_NE(after.of_network[0], before.of_network[0]);
    EXPECT_EQ(after.of_network[2], after.of_network[0]);
    EXPECT_EQ(after.of_network[1], before.of_network[1]) << "another domain's";
    EXPECT_GT(after.serial, before.serial);
}

TEST(FlowGenerations, NoGenerationIsThatOfFlowsThatNobodyHasDecided) {
    FlowGenerations generations;
    for (const uint32_t generation : generations.tell(networks()).of_network) EXPECT_NE(generation, 0u);
}

TEST(FlowGenerations, DomainsThatAreOutdatedTogetherGetOneNumber) {
    FlowGenerations generations;
    generations.outdate({kOne, kTwo});
    EXPECT_EQ(generations.of(kOne), generations.of(kTwo));
    const uint32_t both = generations.of(kOne);
    generations.outdate({kTwo});
    EXPECT_EQ(generations.of(kOne), both);
    EXPECT_TRUE(flow::is_as_new(generations.of(kTwo), both));
    EXPECT_NE(generations.of(kTwo), both);
    generations.outdate({});
    EXPECT_EQ(generations.of(kOne), both);
}

TEST(FlowGenerations, AllAreOutdatedAlsoThoseThatComeLater) {
    FlowGenerations generations;
    const flow::Generations before = generations.tell(networks());
    generations.outdate_all();
    for (const FlowDomain domain : {kOne, kTwo, kThree}) {
        EXPECT_NE(generations.of(domain), before.of_network[0]);
        EXPECT_EQ(generations.of(domain), generations.of(kOne));
    }
}

// A flow's generation and its domain's are compared by which is newer, within half of all numbers.
TEST(FlowGenerations, ADomainThatNothingOutdatesStaysNearTheOthers) {
    constexpr uint32_t kFurthest = 100;
    FlowGenerations generations(kFurthest);
    generations.outdate({kOne, kTwo});
    const uint32_t begun = generations.of(kTwo);
    for (uint32_t i = 0; i < kFurthest; ++i) generations.outdate({kOne});
    EXPECT_EQ(generations.of(kTwo), begun);
    generations.outdate({kOne});
    EXPECT_EQ(generations.of(kTwo), generations.of(kOne));
}

// Once round all numbers.
TEST(FlowGenerations, NumbersComeBackWhenNoDomainHasThemAnyMore) {
    FlowGenerations generations;
    generations.outdate({kOne, kTwo});
    for (uint32_t i = 0; i <= flow::Decided::kGenerations; ++i) {
        const uint32_t before = generations.of(kOne);
        generations.outdate({kOne});
        ASSERT_TRUE(flow::is_as_new(generations.of(kOne), before) && generations.of(kOne) != before) << i;
        ASSERT_TRUE(flow::is_as_new(generations.of(kOne), generations.of(kTwo))) << i;
        ASSERT_NE(generations.of(kOne), 0u);
    }
}

}  // namespace
}  // namespace sluice::engine
