#include "vxlan/path_mtu.h"

#include <gtest/gtest.h>

namespace sluice::vxlan {
namespace {

constexpr PathMtu::Seconds kNow = 1000;

TEST(PathMtu, IsWhatTheRouterTellsWithinBounds) {
    EXPECT_EQ(PathMtu::of(1400, 1500, false), 1400u);
    EXPECT_EQ(PathMtu::of(1400, 1500, true), 1400u);
    // Less than any host must take is no link's: RFC 791; RFC 8201, 4 ignores it.
    EXPECT_EQ(PathMtu::of(68, 1500, false), PathMtu::kLeastIpv4);
    EXPECT_EQ(PathMtu::of(1279, 1500, true), 0u);
    EXPECT_EQ(PathMtu::of(0, 1500, true), 0u);
    EXPECT_EQ(PathMtu::of(1280, 1500, true), 1280u);
    // A packet that fits isn't too big.
    EXPECT_EQ(PathMtu::of(1500, 1500, false), 0u);
    EXPECT_EQ(PathMtu::of(0xffff'ffff, 1500, true), 0u);
}

// RFC 1191, 5: the next lower of the usual ones.
TEST(PathMtu, IsGuessedWhereARouterDoesNotTell) {
    EXPECT_EQ(PathMtu::of(0, 9000, false), 8166u);
    EXPECT_EQ(PathMtu::of(0, 1500, false), 1492u);
    EXPECT_EQ(PathMtu::of(0, 1492, false), 1006u);
    EXPECT_EQ(PathMtu::of(0, 1006, false), PathMtu::kLeastIpv4);
    EXPECT_EQ(PathMtu::of(0, 576, false), 0u);
}

TEST(PathMtu, IsOnlyLowered) {
    PathMtu path;
    EXPECT_EQ(path.get(), 0u);
    EXPECT_FALSE(path.learn(0, kNow));
    EXPECT_TRUE(path.learn(1400, kNow));
    EXPECT_FALSE(path.learn(1450, kNow));
    EXPECT_FALSE(path.learn(1400, kNow));
    EXPECT_TRUE(path.learn(1300, kNow));
    EXPECT_EQ(path.get(), 1300u);
}

TEST(PathMtu, IsForgottenTenMinutesAfterItWasLastTold) {
    PathMtu path;
    EXPECT_FALSE(path.expire(kNow));
    path.learn(1400, kNow);
    EXPECT_EQ(path.left(kNow), 600u);
    EXPECT_EQ(path.left(kNow - 1), 600u);  // by a clock that is behind
    EXPECT_FALSE(path.expire(kNow + 599));
    path.learn(1400, kNow + 599);
    path.learn(1500, kNow + 700);
    EXPECT_FALSE(path.expire(kNow + 1198));
    EXPECT_EQ(path.left(kNow + 1198), 1u);
    EXPECT_TRUE(path.expire(kNow + 1199));
    EXPECT_EQ(path.get(), 0u);
    EXPECT_TRUE(path.learn(1450, kNow + 1200));
}

}  // namespace
}  // namespace sluice::vxlan
