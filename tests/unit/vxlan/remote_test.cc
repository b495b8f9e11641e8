#include "vxlan/remote.h"

#include <gtest/gtest.h>

namespace sluice::vxlan {
namespace {

constexpr Remote::Seconds kNow = 1000;

TEST(Remote, WhoSendsIsReachableAndNotAsked) {
    Remote remote;
    for (Remote::Seconds i = 0; i < 20; ++i) {
        EXPECT_FALSE(remote.look(i + 1, kNow + i));
        EXPECT_EQ(remote.state(kNow + i), RemoteState::kReachable);
    }
}

TEST(Remote, WhoIsQuietIsAskedAndSilentWithoutAnAnswer) {
    Remote remote;
    remote.look(1, kNow);
    EXPECT_FALSE(remote.look(1, kNow + 1));
    EXPECT_FALSE(remote.look(1, kNow + 2));
    EXPECT_TRUE(remote.look(1, kNow + 3));
    EXPECT_EQ(remote.state(kNow + 3), RemoteState::kReachable);  // it has had no time to answer
    EXPECT_TRUE(remote.look(1, kNow + 4));
    EXPECT_EQ(remote.state(kNow + 4), RemoteState::kProbe);
    EXPECT_TRUE(remote.look(1, kNow + 5));
    EXPECT_EQ(remote.state(kNow + 5), RemoteState::kProbe);
    EXPECT_FALSE(remote.look(1, kNow + 6));
    EXPECT_EQ(remote.state(kNow + 6), RemoteState::kSilent);
    // Then it is asked now and then.
    int asked = 0;
    for (Remote::Seconds i = 7; i < 27; ++i) {
        asked += remote.look(1, kNow + i);
        EXPECT_EQ(remote.state(kNow + i), RemoteState::kSilent);
    }
    EXPECT_EQ(asked, 4);
    remote.answered(kNow + 27);
    EXPECT_EQ(remote.state(kNow + 27), RemoteState::kReachable);
    EXPECT_FALSE(remote.look(1, kNow + 28));
}

TEST(Remote, AnAnswerIsAsGoodAsAPacket) {
    Remote remote;
    EXPECT_EQ(remote.state(kNow), RemoteState::kProbe);
    for (Remote::Seconds i = 0; i < 30; ++i) {
        if (remote.look(0, kNow + i)) remote.answered(kNow + i);
        EXPECT_EQ(remote.state(kNow + i), RemoteState::kReachable);
    }
}

TEST(Remote, WhatOthersSayOfItCounts) {
    Remote remote;
    remote.look(1, kNow);
    remote.failed(Remote::Error::kUnreachable, kNow + 1);
    EXPECT_EQ(remote.state(kNow + 1), RemoteState::kUnreachable);
    // For as long as it isn't heard of itself, and not for ever.
    remote.answered(kNow + 2);
    EXPECT_EQ(remote.state(kNow + 2), RemoteState::kReachable);
    remote.failed(Remote::Error::kUnreachable, kNow + 3);
    EXPECT_EQ(remote.state(kNow + 12), RemoteState::kUnreachable);
    EXPECT_NE(remote.state(kNow + 13), RemoteState::kUnreachable);
}

// Its host answers pings, and takes no tunnels.
TEST(Remote, WhoRefusesTunnelsIsNotReachable) {
    Remote remote;
    remote.look(1, kNow);
    remote.failed(Remote::Error::kPortUnreachable, kNow + 1);
    remote.answered(kNow + 2);
    EXPECT_EQ(remote.state(kNow + 2), RemoteState::kRefused);
    remote.look(2, kNow + 3);
    EXPECT_EQ(remote.state(kNow + 3), RemoteState::kReachable);
}

}  // namespace
}  // namespace sluice::vxlan
