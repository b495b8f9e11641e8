#include "service/affinity.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::service {
namespace {

constexpr path::Seconds kNow = 1000;
constexpr path::Seconds kTimeout = 100;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

const std::vector<Backend> kList{{.address = ip("10.0.0.1"), .port = 80},
                                 {.address = ip("10.0.0.2"), .port = 80},
                                 {.address = ip("10.0.0.3"), .port = 80}};

Frontend frontend(std::vector<Backend> list = kList, uint64_t id = 1) {
    Frontend made;
    made.id = id;
    made.affinity = kTimeout;
    made.backends = std::make_shared<const Backends>(std::move(list));
    return made;
}

struct AffinityTest : testing::Test {
    // What the client gets where another connection would go to this one of the list.
    IpAddress keep(const Frontend& at, const char* client, size_t proposal, path::Seconds now = kNow) {
        return table.keep(at, ip(client), at.backends->list()[proposal], now).address;
    }

    Affinity table{1024};
};

TEST_F(AffinityTest, AClientKeepsItsBackend) {
    const Frontend at = frontend();
    EXPECT_EQ(table.find(at, ip("192.0.2.1"), kNow), nullptr);
    EXPECT_EQ(keep(at, "192.0.2.1", 0), kList[0].address);
    EXPECT_EQ(keep(at, "192.0.2.1", 1), kList[0].address);
    EXPECT_EQ(keep(at, "192.0.2.2", 1), kList[1].address);
    EXPECT_EQ(keep(at, "2001:db8::1", 2), kList[2].address);
    EXPECT_EQ(table.find(at, ip("192.0.2.1"), kNow)->address, kList[0].address);
}

TEST_F(AffinityTest, EachServiceHasItsOwn) {
    EXPECT_EQ(keep(frontend(kList, 1), "192.0.2.1", 0), kList[0].address);
    EXPECT_EQ(keep(frontend(kList, 2), "192.0.2.1", 1), kList[1].address);
    EXPECT_EQ(keep(frontend(kList, 1), "192.0.2.1", 2), kList[0].address);
}

TEST_F(AffinityTest, ExpiresAfterTheLastConnection) {
    const Frontend at = frontend();
    keep(at, "192.0.2.1", 0, kNow);
    EXPECT_EQ(keep(at, "192.0.2.1", 1, kNow + kTimeout), kList[0].address);
    EXPECT_EQ(keep(at, "192.0.2.1", 1, kNow + 2 * kTimeout), kList[0].address) << "the last one counts";
    EXPECT_EQ(table.find(at, ip("192.0.2.1"), kNow + 3 * kTimeout + 1), nullptr);
    EXPECT_EQ(keep(at, "192.0.2.1", 1, kNow + 3 * kTimeout + 1), kList[1].address);
}

TEST_F(AffinityTest, ADryRunDoesNotProlong) {
    const Frontend at = frontend();
    keep(at, "192.0.2.1", 0, kNow);
    EXPECT_NE(table.find(at, ip("192.0.2.1"), kNow + kTimeout), nullptr);
    EXPECT_EQ(table.find(at, ip("192.0.2.1"), kNow + kTimeout + 1), nullptr);
}

TEST_F(AffinityTest, AClockThatIsBehindAnotherWorkersDoesNotExpire) {
    const Frontend at = frontend();
    keep(at, "192.0.2.1", 0, 5);
    EXPECT_EQ(keep(at, "192.0.2.1", 1, 4), kList[0].address);
    EXPECT_EQ(keep(at, "192.0.2.1", 1, UINT32_MAX), kList[0].address) << "and may pass zero";
}

TEST_F(AffinityTest, AChangedTimeoutCountsAtOnce) {
    Frontend at = frontend();
    keep(at, "192.0.2.1", 0, kNow);
    at.affinity = 10;
    EXPECT_EQ(keep(at, "192.0.2.1", 1, kNow + 11), kList[1].address);
}

TEST_F(AffinityTest, SurvivesChangesOfOtherBackends) {
    keep(frontend(), "192.0.2.1", 1);
    EXPECT_EQ(keep(frontend({kList[1], kList[2]}), "192.0.2.1", 1), kList[1].address);
    EXPECT_EQ(keep(frontend({{.address = ip("10.0.0.0"), .port = 80}, kList[1]}), "192.0.2.1", 0),
              kList[1].address);
}

TEST_F(AffinityTest, LeavesABackendThatGetsNoNewConnections) {
    keep(frontend(), "192.0.2.1", 1);
    EXPECT_EQ(keep(frontend({kList[0], kList[2]}), "192.0.2.1", 0), kList[0].address);
    EXPECT_EQ(keep(frontend(), "192.0.2.1", 1), kList[0].address) << "and stays with the next one";

    std::vector<Backend> terminating = kList;
    terminating[0].state = State::kTerminating;
    EXPECT_EQ(keep(frontend(terminating), "192.0.2.1", 2), kList[2].address);
    std::vector<Backend> drained = kList;
    drained[2].weight = 0;
    EXPECT_EQ(keep(frontend(drained), "192.0.2.1", 1), kList[1].address);
}

TEST(Affinity, AFullTableForgetsTheExpiredThenTheOldest) {
    Affinity table(4);  // one set
    Frontend lasting = frontend();
    Frontend brief = frontend(kList, 2);
    brief.affinity = 1;
    const Backend& first = lasting.backends->list()[0];
    const auto client = [](uint32_t i) { return IpAddress::from_v4(i); };
    table.keep(lasting, client(0), first, kNow);
    table.keep(lasting, client(1), first, kNow + 1);
    table.keep(brief, client(2), brief.backends->list()[0], kNow + 2);
    table.keep(lasting, client(3), first, kNow + 3);

    table.keep(lasting, client(4), first, kNow + 10);
    EXPECT_EQ(table.find(brief, client(2), kNow + 2), nullptr) << "had expired";
    for (const uint32_t i : {0, 1, 3, 4}) EXPECT_NE(table.find(lasting, client(i), kNow + 10), nullptr);
    table.keep(lasting, client(5), first, kNow + 11);
    EXPECT_EQ(table.find(lasting, client(0), kNow + 11), nullptr) << "the oldest";
    for (const uint32_t i : {1, 3, 4, 5}) EXPECT_NE(table.find(lasting, client(i), kNow + 11), nullptr);
}

TEST(Affinity, KeepsMostOfAsManyClientsAsItHasEntries) {
    Affinity table(1024);
    const Frontend at = frontend();
    for (uint32_t i = 0; i < 512; ++i) {
        table.keep(at, IpAddress::from_v4(i), at.backends->list()[i % 3], kNow);
    }
    int kept = 0;
    for (uint32_t i = 0; i < 512; ++i) {
        const Backend* backend = table.find(at, IpAddress::from_v4(i), kNow);
        if (backend == nullptr) continue;
        ++kept;
        EXPECT_EQ(backend, &at.backends->list()[i % 3]);
    }
    EXPECT_GT(kept, 460);
}

}  // namespace
}  // namespace sluice::service
