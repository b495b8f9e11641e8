#include "route/rib.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sluice::route {
namespace {

TEST(Rib, TheSamePrefixWithAnotherLengthIsAnother) {
    Rib<uint32_t> rib;
    EXPECT_EQ(rib.exact(0, 0), std::nullopt);
    EXPECT_EQ(rib.remove(0, 0), std::nullopt);
    EXPECT_EQ(rib.set(0, 0, 1), std::nullopt);
    EXPECT_EQ(rib.set(0, 32, 2), std::nullopt);
    EXPECT_EQ(rib.set(0, 0, 3), 1u);
    EXPECT_EQ(rib.exact(0, 0), 3u);
    EXPECT_EQ(rib.exact(0, 32), 2u);
    EXPECT_EQ(rib.exact(0, 8), std::nullopt);
    EXPECT_EQ(rib.remove(0, 0), 3u);
    EXPECT_EQ(rib.exact(0, 0), std::nullopt);
    EXPECT_EQ(rib.size(), 1u);
}

TEST(Rib, TheLongestOfUpToALength) {
    Rib<uint32_t> rib;
    rib.set(0, 0, 1);
    rib.set(0x0a00'0000, 8, 2);
    rib.set(0x0a01'0200, 24, 3);
    EXPECT_EQ(rib.longest(0x0a01'0203, 32)->length, 24);
    EXPECT_EQ(rib.longest(0x0a01'0203, 23)->next_hop, 2u);
    EXPECT_EQ(rib.longest(0x0a01'0203, 7)->length, 0);
    EXPECT_EQ(rib.longest(0x0b00'0000, 32)->next_hop, 1u);
    rib.remove(0, 0);
    EXPECT_FALSE(rib.longest(0x0b00'0000, 32));
}

TEST(Rib, TheFirstAreThoseOfTheSortedList) {
    std::mt19937 random(7);
    Rib<uint32_t> rib;
    size_t none = 0;
    EXPECT_TRUE(rib.first(0, 0, 10, none).empty());
    EXPECT_EQ(none, 0u);
    for (int i = 0; i < 3000; ++i) {
        const auto length = static_cast<uint8_t>(random() % 33);
        rib.set(Rib<uint32_t>::masked(random(), length), length, 1);
    }
    const std::pair<uint32_t, uint8_t> places[] = {{0, 0}, {0x8000'0000, 1}, {0xc000'0000, 6}};
    for (const auto& [within, length] : places) {
        std::vector<std::pair<uint32_t, uint8_t>> sorted;
        for (const auto& route : rib.sorted()) {
            if (route.length >= length && Rib<uint32_t>::masked(route.prefix, length) == within) {
                sorted.emplace_back(route.prefix, route.length);
            }
        }
        ASSERT_GT(sorted.size(), 20u);
        for (const size_t most : {size_t{0}, size_t{1}, size_t{17}, sorted.size(), sorted.size() + 1}) {
            size_t count = 0;
            std::vector<std::pair<uint32_t, uint8_t>> first;
            for (const auto& route : rib.first(within, length, most, count)) {
                first.emplace_back(route.prefix, route.length);
            }
            EXPECT_EQ(count, sorted.size());
            auto expected = sorted;
            expected.resize(std::min(most, sorted.size()));
            EXPECT_EQ(first, expected);
        }
    }
}

// Among so few prefixes, clusters of slots grow, wrap around the end and shrink.
TEST(Rib, LikeAMap) {
    constexpr uint32_t kSeed = 42;
    std::mt19937 random(kSeed);
    Rib<uint64_t> rib;
    std::map<std::pair<uint64_t, uint8_t>, uint32_t> map;
    for (int i = 0; i < 200'000; ++i) {
        const auto length = static_cast<uint8_t>(random() % 65);
        const uint64_t prefix = Rib<uint64_t>::masked(uint64_t{random() % 64} << 58 | random() % 8, length);
        const std::pair key(prefix, length);
        const auto known = map.find(key);
        const auto before = known == map.end() ? std::nullopt : std::optional(known->second);
        ASSERT_EQ(rib.exact(prefix, length), before) << "seed " << kSeed << ", step " << i;
        // Grows for a while, then shrinks, by turns.
        if (random() % 10 < (i / 20'000 % 2 == 0 ? 7 : 3)) {
            const uint32_t next_hop = random() % 0xff'ffff + 1;
            ASSERT_EQ(rib.set(prefix, length, next_hop), before) << "seed " << kSeed << ", step " << i;
            map[key] = next_hop;
        } else {
            ASSERT_EQ(rib.remove(prefix, length), before) << "seed " << kSeed << ", step " << i;
            map.erase(key);
        }
        ASSERT_EQ(rib.size(), map.size());
    }
    auto expected = map.begin();
    for (const auto& route : rib.sorted()) {
        EXPECT_EQ(std::pair(route.prefix, route.length), expected->first);
        EXPECT_EQ(route.next_hop, expected->second);
        ++expected;
    }
    EXPECT_EQ(expected, map.end());
}

}  // namespace
}  // namespace sluice::route
