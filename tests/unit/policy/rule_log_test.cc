#include "policy/rule_log.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sluice::policy {
namespace {

using Texts = std::vector<std::string>;

class RuleLogTest : public testing::Test {
 protected:
    // A worker notes so many decisions of a rule.
    void decide(uint32_t rule, size_t count) {
        for (size_t i = 0; i < count; ++i) {
            worker_.record(path::PortId{1}, path::Drop::kDenied, nullptr, {.object = rule});
        }
    }
    // The lines of a second, none of whose rules is there any more.
    Texts written(path::Seconds second) {
        testing::internal::CaptureStderr();
        log_.write({&worker_}, names_, second);
        std::istringstream text(testing::internal::GetCapturedStderr());
        Texts lines;
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        return lines;
    }

    static constexpr size_t kLines = RuleLog::kLinesPerSecond;
    static constexpr size_t kRules = RuleLog::kRulesPerSecond;

    const RuleLogNames names_{.port = [](path::PortId) { return "-"; },
                              .rules = [](uint32_t) { return std::vector<acl::Object>{}; }};
    path::DropLog worker_;
    RuleLog log_;
};

TEST_F(RuleLogTest, ADecisionIsALine) {
    EXPECT_EQ(written(1), Texts{});
    decide(7, 1);
    const Texts lines = written(1);
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0], "warning acl: a rule since removed denies: port - to -: runt, length 0");
    EXPECT_EQ(written(1), Texts{});
}

TEST_F(RuleLogTest, ABusyRuleDoesNotHideAnother) {
    decide(1, 100);
    decide(2, 1);
    decide(1, 100);
    EXPECT_EQ(written(1).size(), kLines + 1);
    decide(1, 5);
    decide(3, 1);
    EXPECT_EQ(written(1).size(), 1u);
    // In the next second it has its say again.
    decide(1, 1);
    EXPECT_EQ(written(2), (Texts{"warning acl: 195 more decisions were not logged",
                                 "warning acl: a rule since removed denies: port - to -: runt, length 0"}));
}

TEST_F(RuleLogTest, ManyRulesAreBounded) {
    for (uint32_t rule = 1; rule <= 100; ++rule) decide(rule, 1);
    EXPECT_EQ(written(1).size(), kRules);
    EXPECT_EQ(written(2), Texts{fmt::format("warning acl: {} more decisions were not logged", 100 - kRules)});
}

// A worker may note more between two looks than there is room for.
TEST_F(RuleLogTest, WhatGaveWayIsCounted) {
    decide(1, 3);
    EXPECT_EQ(written(1).size(), 3u);
    decide(1, 1000);
    EXPECT_EQ(written(1).size(), kLines - 3);
    EXPECT_EQ(written(2), Texts{fmt::format("warning acl: {} more decisions were not logged", 1003 - kLines)});
}

}  // namespace
}  // namespace sluice::policy
