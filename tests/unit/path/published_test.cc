#include "path/published.h"

#include <gtest/gtest.h>

namespace sluice::path {
namespace {

// A value that knows how many of its kind live.
struct Counted {
    explicit Counted(int& count) : living(count) { ++living; }
    ~Counted() { --living; }
    int& living;
};

TEST(Published, IsEmptyAtFirst) {
    const Published<int> published;
    EXPECT_EQ(published.get(), nullptr);
}

TEST(Published, ExchangeHandsBackTheOldValue) {
    Published<int> published;
    EXPECT_EQ(published.exchange(std::make_unique<const int>(1)), nullptr);
    EXPECT_EQ(*published.get(), 1);
    const auto old = published.exchange(std::make_unique<const int>(2));
    EXPECT_EQ(*old, 1);
    EXPECT_EQ(*published.get(), 2);
}

TEST(Published, FreesTheLastValue) {
    int living = 0;
    {
        Published<Counted> published;
        published.exchange(std::make_unique<const Counted>(living));
        published.exchange(std::make_unique<const Counted>(living));
        EXPECT_EQ(living, 1);
    }
    EXPECT_EQ(living, 0);
}

TEST(Grace, NobodyOnlineIsNobodyToWaitFor) {
    Grace grace(kMaxWorkers);
    grace.wait();
}

TEST(Grace, AReaderThatLeftIsNotWaitedFor) {
    Grace grace(2);
    grace.online(WorkerId{0});
    grace.online(WorkerId{1});
    grace.quiescent(WorkerId{0});
    grace.offline(WorkerId{0});
    grace.offline(WorkerId{1});
    grace.wait();
}

TEST(Grace, PassesWhenAllWhoWereInsideATurnHaveLeftIt) {
    Grace grace(3);
    grace.online(WorkerId{0});
    grace.online(WorkerId{1});
    const uint64_t token = grace.start();
    EXPECT_FALSE(grace.passed(token));
    grace.quiescent(WorkerId{0});
    grace.quiescent(WorkerId{0});
    EXPECT_FALSE(grace.passed(token));
    grace.offline(WorkerId{1});
    EXPECT_TRUE(grace.passed(token));
    // Who comes later looks at what is there then.
    grace.online(WorkerId{2});
    EXPECT_TRUE(grace.passed(token));
    EXPECT_FALSE(grace.passed(grace.start()));
}

}  // namespace
}  // namespace sluice::path
