#include "bridge/flood_limit.h"

#include <gtest/gtest.h>

namespace sluice::bridge {
namespace {

using enum FloodKind;

class FloodLimiterTest : public testing::Test {
 protected:
    uint32_t allowed(FloodKind kind, int asked) {
        uint32_t count = 0;
        for (int i = 0; i < asked; ++i) count += limiter_.allow(kind, now_) ? 1 : 0;
        return count;
    }

    static constexpr uint64_t kSecond = 1'000'000'000;
    FloodLimiter limiter_{kSecond};
    uint64_t now_ = 100 * kSecond;
};

TEST_F(FloodLimiterTest, WithoutALimitAllPass) { EXPECT_EQ(allowed(kUnknown, 10'000), 10'000u); }

TEST_F(FloodLimiterTest, ATenthOfASecondMayComeAtOnce) {
    limiter_.set(kBroadcast, 100);
    EXPECT_EQ(allowed(kBroadcast, 1000), 10u);
    EXPECT_EQ(allowed(kMulticast, 1000), 1000u) << "classes have buckets of their own";
}

TEST_F(FloodLimiterTest, InTheLongRunItIsTheRate) {
    limiter_.set(kUnknown, 1000);
    uint32_t count = 0;
    for (int step = 0; step < 10'000; ++step) {
        count += allowed(kUnknown, 5);
        now_ += kSecond / 1000;
    }
    EXPECT_NEAR(count, 10'000, 110);
}

TEST_F(FloodLimiterTest, OneASecondStillPasses) {
    limiter_.set(kMulticast, 1);
    EXPECT_EQ(allowed(kMulticast, 5), 1u);
    now_ += kSecond + 1;
    EXPECT_EQ(allowed(kMulticast, 5), 1u);
}

TEST_F(FloodLimiterTest, SilenceIsNotSavedUp) {
    limiter_.set(kBroadcast, 100);
    now_ += 1000 * kSecond;
    EXPECT_EQ(allowed(kBroadcast, 1000), 10u);
}

TEST_F(FloodLimiterTest, ALimitCanBeTakenBack) {
    limiter_.set(kBroadcast, 10);
    allowed(kBroadcast, 10);
    limiter_.set(kBroadcast, 0);
    EXPECT_EQ(allowed(kBroadcast, 100), 100u);
}

}  // namespace
}  // namespace sluice::bridge
