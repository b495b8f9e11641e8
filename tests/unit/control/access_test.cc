#include "control/access.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"

namespace sluice::control {
namespace {

constexpr Grants kGrants{.owner = 900, .group = 50, .read_only_group = 60};

struct Row {
    const char* name;
    Credentials peer;
    std::optional<Access> access;
};

TEST(Access, IsDecidedByUserThenGroups) {
    const Row rows[] = {
        {"root", {0, {0}}, Access::kWrite},
        {"the daemon's own user", {900, {900}}, Access::kWrite},
        {"primary group", {1000, {50}}, Access::kWrite},
        {"supplementary group", {1000, {1000, 4, 50}}, Access::kWrite},
        {"read-only group", {1000, {1000, 60}}, Access::kRead},
        {"both groups", {1000, {60, 50}}, Access::kWrite},
        {"stranger", {1000, {1000, 0}}, std::nullopt},
        {"no groups at all", {1000, {}}, std::nullopt},
    };
    for (const Row& row : rows) EXPECT_EQ(access_of(row.peer, kGrants), row.access) << row.name;
}

TEST(Access, AGroupThatDoesNotExistLetsNobodyIn) {
    const Grants none{.owner = 0, .group = std::nullopt, .read_only_group = std::nullopt};
    EXPECT_EQ(access_of({1000, {0, 50, 60}}, none), std::nullopt);
    EXPECT_EQ(access_of({0, {}}, none), Access::kWrite);
}

TEST(Access, CredentialsAreThoseOfTheConnectingProcess) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const base::Fd ours(pair[0]), theirs(pair[1]);
    const auto peer = credentials_of(ours.get());
    ASSERT_TRUE(peer) << peer.error().text();
    EXPECT_EQ(peer->uid, geteuid());
    EXPECT_NE(std::ranges::find(peer->groups, getegid()), peer->groups.end());
}

TEST(Access, AMissingGroupIsNoError) {
    const auto missing = group_named("sluice-no-such-group");
    ASSERT_TRUE(missing) << missing.error().text();
    EXPECT_FALSE(*missing);
    EXPECT_EQ(group_named("root").value(), gid_t{0});
}

}  // namespace
}  // namespace sluice::control
