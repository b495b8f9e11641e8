#include "port/rate_limit.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace sluice::port {
namespace {

constexpr uint64_t kSecond = 2'000'000'000;
constexpr uint64_t kMega = 1'000'000;

class RateLimitTest : public testing::Test {
 protected:
    RateLimitTest() {
        for (size_t i = 0; i < packets_.size(); ++i) packets_[i] = &mbufs_[i];
    }
    // How many of so many packets of that size pass at once.
    uint16_t passing(uint16_t count, uint32_t size) {
        for (uint16_t i = 0; i < count; ++i) mbufs_[i].pkt_len = size;
        const uint64_t passes = limit_.pass(packets_.data(), count, now_);
        const auto number = static_cast<uint16_t>(__builtin_popcountll(passes));
        EXPECT_EQ(passes, number == 64 ? ~uint64_t{0} : (uint64_t{1} << number) - 1) << "not the first ones";
        return number;
    }
    // The bytes of packets of that size that pass in a second in which many come, a burst each millisecond.
    uint64_t bytes_in_a_second(uint16_t count, uint32_t size) {
        uint64_t bytes = 0;
        for (int millisecond = 0; millisecond < 1000; ++millisecond) {
            now_ += kSecond / 1000;
            bytes += uint64_t{passing(count, size)} * size;
        }
        return bytes;
    }

    std::array<rte_mbuf, RateLimit::kMost> mbufs_{};
    std::array<rte_mbuf*, RateLimit::kMost> packets_{};
    RateLimit limit_;
    uint64_t now_ = 1000 * kSecond;
};

TEST_F(RateLimitTest, ABurstPassesAtOnceAndNoMore) {
    limit_.set(8 * kMega, 10'000, kSecond);
    EXPECT_EQ(passing(64, 1000), 10);
    EXPECT_EQ(passing(64, 1000), 0);
    now_ += kSecond / 1000;  // 1000 bytes' time
    EXPECT_EQ(passing(64, 1000), 1);
}

TEST_F(RateLimitTest, InTheLongRunItIsTheRate) {
    for (const uint64_t rate : {8 * kMega, 100 * kMega, 400 * kMega}) {
        limit_.set(rate, 100'000, kSecond);
        passing(64, 65'000);  // empties the bucket
        const auto bytes = bytes_in_a_second(64, 1500);
        EXPECT_NEAR(static_cast<double>(bytes), static_cast<double>(rate) / 8,
                    static_cast<double>(rate) / 800 + 200'000);
    }
}

TEST_F(RateLimitTest, SilenceIsSavedUpToTheBurstOnly) {
    limit_.set(8 * kMega, 10'000, kSecond);
    now_ += 1000 * kSecond;
    EXPECT_EQ(passing(64, 1000), 10);
}

TEST_F(RateLimitTest, APacketLargerThanTheBurstPassesAndIsPaidForLater) {
    limit_.set(8 * kMega, 1, kSecond);  // a megabyte a second
    EXPECT_EQ(passing(2, 50'000), 1);
    now_ += kSecond / 20 - kSecond / 1000;
    EXPECT_EQ(passing(1, 100), 0);
    now_ += 2 * kSecond / 1000;
    EXPECT_EQ(passing(1, 100), 1);
}

TEST_F(RateLimitTest, SegmentsCountWithTheirWholeLength) {
    limit_.set(100 * kMega, 256 * 1024, kSecond);
    passing(64, 65'000);
    EXPECT_NEAR(static_cast<double>(bytes_in_a_second(8, 65'000)), 12.5e6, 0.2e6);
}

TEST_F(RateLimitTest, TheSameLimitAgainFillsNoBucket) {
    limit_.set(8 * kMega, 10'000, kSecond);
    EXPECT_EQ(passing(64, 1000), 10);
    limit_.set(8 * kMega, 10'000, kSecond);
    EXPECT_EQ(passing(64, 1000), 0);
}

TEST_F(RateLimitTest, AnotherLimitHoldsAtOnce) {
    limit_.set(8'000, 1'000'000, kSecond);
    EXPECT_EQ(passing(64, 15'000), 64);  // a thousand seconds' worth
    limit_.set(8 * kMega, 2'000, kSecond);
    EXPECT_EQ(passing(64, 1000), 2);
    now_ += kSecond / 1000;
    EXPECT_EQ(passing(64, 1000), 1);
}

TEST_F(RateLimitTest, TheLowestAndTheHighestRateWork) {
    limit_.set(1000, uint64_t{4} << 30, kSecond);
    EXPECT_EQ(passing(64, 65'535), 64);
    limit_.set(1000 * 1000 * kMega, 1, kSecond);
    EXPECT_EQ(passing(64, 65'535), 1);
    now_ += kSecond / 1'000'000;
    EXPECT_EQ(passing(64, 65'535), 1);
}

TEST_F(RateLimitTest, PolicingKeepsTheOrderOfWhatPasses) {
    limit_.set(8 * kMega, 2'500, kSecond);
    for (uint16_t i = 0; i < 5; ++i) mbufs_[i].pkt_len = 1000;
    std::vector<rte_mbuf*> dropped;
    EXPECT_EQ(limit_.police(packets_.data(), 5, now_, [&](rte_mbuf* packet) { dropped.push_back(packet); }), 3);
    EXPECT_EQ(packets_[2], &mbufs_[2]);
    EXPECT_EQ(dropped, (std::vector<rte_mbuf*>{&mbufs_[3], &mbufs_[4]}));
}

}  // namespace
}  // namespace sluice::port
