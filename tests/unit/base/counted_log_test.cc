#include "base/counted_log.h"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>
#include <vector>

namespace sluice::base {
namespace {

using Lines = std::vector<std::string>;
using std::chrono::seconds;

class CountedLogTest : public testing::Test {
 protected:
    template <class Do>
    static Lines written(Do what) {
        testing::internal::CaptureStderr();
        what();
        std::istringstream text(testing::internal::GetCapturedStderr());
        Lines lines;
        // Times of day are this machine's.
        for (std::string line; std::getline(text, line);) {
            lines.push_back(std::regex_replace(line, std::regex(R"(\d\d:\d\d:\d\d)"), "TIME"));
        }
        return lines;
    }
    Lines tell(int second, const std::string& key, const std::string& message, uint64_t count = 1) {
        return written([&] { log_.tell(at(second), log::Level::kWarning, "tunnel", key, message, count); });
    }
    Lines tick(int second) {
        return written([&] { log_.tick(at(second)); });
    }
    static CountedLog::Clock::time_point at(int second) {
        return CountedLog::Clock::time_point{} + std::chrono::hours(1) + seconds(second);
    }

    CountedLog log_;
};

TEST_F(CountedLogTest, TheFirstIsALineAndRepetitionsAreCounted) {
    EXPECT_EQ(tell(0, "k", "it is gone"), Lines{"warning tunnel: it is gone"});
    for (int i = 1; i <= 41; ++i) EXPECT_EQ(tell(i, "k", "it is gone"), Lines{});
    EXPECT_EQ(tick(59), Lines{});
    EXPECT_EQ(tick(60), Lines{"warning tunnel: it is gone (41 times since TIME)"});
    EXPECT_EQ(tick(61), Lines{});
    EXPECT_EQ(tell(62, "k", "it is gone, by port b"), Lines{});
    EXPECT_EQ(tick(120), Lines{"warning tunnel: it is gone, by port b (once more since TIME)"});
}

TEST_F(CountedLogTest, WhatHasNotHappenedForAMinuteIsALineAgain) {
    EXPECT_EQ(tell(0, "k", "a"), Lines{"warning tunnel: a"});
    EXPECT_EQ(tick(60), Lines{});
    EXPECT_EQ(tell(61, "k", "a"), Lines{"warning tunnel: a"});
}

TEST_F(CountedLogTest, SeveralAtOnceAreALineAndACount) {
    EXPECT_EQ(tell(0, "k", "a", 0), Lines{});
    EXPECT_EQ(tell(0, "k", "a", 5), Lines{"warning tunnel: a"});
    EXPECT_EQ(tick(60), Lines{"warning tunnel: a (4 times since TIME)"});
}

TEST_F(CountedLogTest, EventsAreBounded) {
    for (size_t i = 0; i < CountedLog::kMost; ++i) EXPECT_EQ(tell(0, std::to_string(i), "a").size(), 1u);
    for (size_t i = 0; i < 7; ++i) EXPECT_EQ(tell(1, "more " + std::to_string(i), "a"), Lines{});
    EXPECT_EQ(tick(60), Lines{});
    EXPECT_EQ(tick(61), Lines{"warning log: 7 more events were not logged since TIME"});
    EXPECT_EQ(tick(200), Lines{});
    EXPECT_EQ(tell(201, "more", "a").size(), 1u);
}

TEST_F(CountedLogTest, TheLevelCounts) {
    EXPECT_EQ(written([&] {
                  log_.tell(at(0), log::Level::kInfo, "tunnel", "k", "a");
                  log_.tell(at(0), log::Level::kInfo, "tunnel", "k", "a");
                  log_.tick(at(60));
              }),
              Lines{});
}

}  // namespace
}  // namespace sluice::base
