#include "acl/steps.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "acl/classifier.h"

namespace sluice::acl {
namespace {

// Of as many numbers, few of them far from their neighbours, against a binary search.
template <class Key, class Intervals>
void expect_found(size_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto any = [&] {
        auto key = static_cast<Key>(random());
        if constexpr (sizeof(Key) > 8) key = key << 64 | random();
        return random() % 2 == 0 ? key : static_cast<Key>(key % (4 * count));
    };
    constexpr Key kHighest = static_cast<Key>(~Key{0});
    std::set<Key> chosen{0};
    if (seed % 2 == 0) chosen.insert(kHighest);
    while (chosen.size() < count) chosen.insert(any());
    const std::vector<Key> begins(chosen.begin(), chosen.end());
    const Intervals intervals(begins);
    const auto check = [&](Key key) {
        const auto above = std::upper_bound(begins.begin(), begins.end(), key);
        ASSERT_EQ(intervals.find(key), above - begins.begin() - 1) << count << " numbers, seed " << seed;
    };
    check(kHighest);
    for (int i = 0; i < 500; ++i) {
        const Key begin = begins[random() % begins.size()];
        check(begin);
        check(static_cast<Key>(begin + 1));
        check(static_cast<Key>(begin - 1));
        check(any());
    }
}

TEST(Steps, FindsTheIntervalThatANumberIsIn) {
    for (const size_t count : {1, 2, 7, 8, 9, 16, 17, 31, 32, 33, 64, 65, 300, 1025, 5000, 20000}) {
        for (const uint64_t seed : {1, 2}) {
            if (count == 1 && seed == 2) continue;  // has the highest number too
            expect_found<uint16_t, Steps<uint16_t>>(count, seed);
            expect_found<uint32_t, Steps<uint32_t>>(count, seed);
            expect_found<uint64_t, Steps<uint64_t>>(count, seed);
            expect_found<Ipv6Number, Ipv6Steps>(count, seed);
        }
    }
}

// All of them in one /64, and a few elsewhere.
TEST(Steps, Ipv6AddressesMayShareTheirFirstHalf) {
    std::vector<Ipv6Number> begins{0, 5};
    const Ipv6Number net = Ipv6Number{0xfd00} << 112;
    for (uint64_t i = 1; i < 1000; ++i) begins.push_back(net | i * 3);
    const Ipv6Steps steps(begins);
    for (uint64_t i = 0; i < 3010; ++i) {
        const auto expected = std::upper_bound(begins.begin(), begins.end(), net | i) - begins.begin() - 1;
        ASSERT_EQ(steps.find(net | i), expected) << i;
    }
    EXPECT_EQ(steps.find(4), 0u);
    EXPECT_EQ(steps.find(net - 1), 1u);
    EXPECT_EQ(steps.find(Ipv6Number{0xfd01} << 112), begins.size() - 1);
}

}  // namespace
}  // namespace sluice::acl
