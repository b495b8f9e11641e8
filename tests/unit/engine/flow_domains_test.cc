#include "engine/flow_domains.h"

#include <gtest/gtest.h>

namespace sluice::engine {
namespace {

class FlowDomainsTest : public testing::Test {
 protected:
    void arrange(std::set<std::string> names) {
        domains_.arrange(std::move(names), [this](const auto& gone) {
            for (const auto id : gone) forgotten_.insert(static_cast<int>(id));
        });
    }
    int id(const std::string& name) const { return static_cast<int>(domains_.names().at(name)); }

    FlowDomains domains_{3};
    std::set<int> forgotten_;
};

TEST_F(FlowDomainsTest, ANameKeepsItsNumber) {
    arrange({"a", "b"});
    const int b = id("b");
    arrange({"a"});
    arrange({"a", "c"});
    arrange({"a", "b"});
    EXPECT_EQ(id("b"), b) << "its connections go on";
    EXPECT_TRUE(forgotten_.empty());
}

TEST_F(FlowDomainsTest, NumbersAreUsedAgainWhenNoOtherIsLeft) {
    arrange({"a", "b", "c"});
    const int b = id("b");
    const int c = id("c");
    arrange({"a"});
    arrange({"a", "d"});
    EXPECT_EQ(id("a"), 1);
    EXPECT_EQ(forgotten_, (std::set{b, c})) << "their flows would be those of `d`";
    EXPECT_EQ(domains_.names().size(), 2u);
    forgotten_.clear();
    arrange({"a", "d", "e"});
    EXPECT_TRUE(forgotten_.empty());
    EXPECT_EQ((std::set{id("d"), id("e")}), (std::set{b, c}));
}

TEST_F(FlowDomainsTest, ANumberThatWorkersHaveIsNotGivenToAnother) {
    arrange({"a"});
    arrange({"a", "b"});
    const int a = id("a");
    const int b = id("b");
    arrange({"b", "c"});
    // Until the snapshot is published that comes of this, workers may have that of `b`.
    arrange({"c", "d"});
    EXPECT_EQ(id("d"), a);
    EXPECT_EQ(id("b"), b);
}

TEST_F(FlowDomainsTest, NoTwoNamesHaveOneNumber) {
    FlowDomains domains;
    std::set<path::FlowDomain> ids;
    for (int i = 0; i < 70'000; i += 1000) {
        std::set<std::string> names;
        for (int n = i; n < i + 1000; ++n) names.insert("network " + std::to_string(n));
        domains.arrange(names, [](const auto&) {});
        ids.clear();
        for (const auto& name : names) ids.insert(domains.names().at(name));
        ASSERT_EQ(ids.size(), names.size());
        ASSERT_LE(static_cast<int>(*ids.rbegin()), FlowDomains::kMost);
        ASSERT_GT(static_cast<int>(*ids.begin()), 0);
    }
}

}  // namespace
}  // namespace sluice::engine
