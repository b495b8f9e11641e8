#include "control/turns.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

const Peer kRoot{.access = Access::kWrite, .is_owner = true, .uid = 0};

Peer writer(uid_t uid) { return {.access = Access::kWrite, .uid = uid}; }
Peer reader(uid_t uid) { return {.access = Access::kRead, .uid = uid}; }

// Sessions are only handed through: each stands here for a letter.
class TurnsTest : public testing::Test {
 protected:
    static std::shared_ptr<Session> session(char name) {
        const auto letter = std::make_shared<char>(name);
        return {letter, reinterpret_cast<Session*>(letter.get())};
    }
    static char name_of(const std::shared_ptr<Session>& session) {
        return *reinterpret_cast<const char*>(session.get());
    }
    void add(const Peer& peer, std::string_view names) {
        for (const char name : names) turns_.add(peer, session(name));
    }
    std::string take(size_t count) {
        std::string names;
        for (size_t i = 0; i < count && !turns_.empty(); ++i) names += name_of(turns_.take());
        return names;
    }

    Turns turns_;
};

TEST_F(TurnsTest, UsersTakeTurnsHoweverManyRequestsOneHas) {
    add(reader(1), "abcdef");
    add(reader(2), "x");
    add(reader(3), "y");
    EXPECT_EQ(take(99), "axybcdef");
    EXPECT_TRUE(turns_.empty());
}

TEST_F(TurnsTest, RootHasEverySecondTurn) {
    for (uid_t user = 1; user <= 4; ++user) add(reader(user), std::string(3, 'r'));
    add(kRoot, "ABCD");
    EXPECT_EQ(take(8), "ArBrCrDr");
    EXPECT_EQ(take(99), "rrrrrrrr");
}

TEST_F(TurnsTest, ThoseWhoChangeComeBeforeReadersAndStarveNoneOfThem) {
    add(kRoot, "AAAA");
    add(writer(1), "wwww");
    add(reader(2), "rrrr");
    EXPECT_EQ(take(8), "AwArAwAr");
}

TEST_F(TurnsTest, AUserGoesOnWithWhatItHasBegun) {
    add(reader(1), "ab");
    add(reader(2), "x");
    const auto first = turns_.take();
    EXPECT_EQ(name_of(first), 'a');
    turns_.put_back(reader(1), first);
    EXPECT_EQ(take(99), "xab");
    turns_.put_back(reader(1), first);
    EXPECT_EQ(take(99), "a");
}

}  // namespace
}  // namespace sluice::control
