#include "engine/retry.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;

constexpr Clock::time_point kNow{1000s};

TEST(Retry, PausesDoubleUpToTheLongest) {
    Retry retry;
    for (auto pause : {200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms}) {
        retry.failed(kNow, 0ms);
        EXPECT_EQ(retry.due - kNow, pause);
    }
    EXPECT_EQ(retry.failures, 6u);
}

TEST(Retry, WhatTakesLongIsTriedSeldom) {
    Retry retry;
    retry.failed(kNow, 10ms);
    EXPECT_EQ(retry.due - kNow, 1s);
    retry.failed(kNow, 100ms);
    EXPECT_EQ(retry.due - kNow, 10s);
    retry.failed(kNow, 30s);
    EXPECT_EQ(retry.due - kNow, 60s);
    retry.failed(kNow, 0ms);
    EXPECT_EQ(retry.due - kNow, 1600ms);
}

TEST(Retry, WhatTakesAMomentGoesFirst) {
    const Retry slow_and_early{.due = kNow - 10s, .cost = 5ms};
    const Retry slow_and_late{.due = kNow - 9s, .cost = 2ms};
    const Retry quick_and_early{.due = kNow - 2s, .cost = 900us};
    const Retry quick_and_late{.due = kNow - 1s};
    EXPECT_LT(quick_and_early, quick_and_late);
    EXPECT_LT(quick_and_late, slow_and_early);
    EXPECT_LT(slow_and_early, slow_and_late);
    EXPECT_FALSE(slow_and_late < slow_and_early);
}

TEST(Retry, ATickHasRoomForItsShareAndForOneAttemptAtLeast) {
    Clock::time_point clock = kNow;
    auto tried_of_ten = [&](Clock::duration cost) {
        int tried = 0;
        try_in_turn(std::vector<int>(10), [&] { return clock; }, [&](int) {
            clock += cost;
            ++tried;
        });
        return tried;
    };
    EXPECT_EQ(tried_of_ten(0ms), 10);
    EXPECT_EQ(tried_of_ten(1ms), 10);
    EXPECT_EQ(tried_of_ten(6ms), 4);
    EXPECT_EQ(tried_of_ten(20ms), 1);
    EXPECT_EQ(tried_of_ten(5s), 1);
}

}  // namespace
}  // namespace sluice::engine
