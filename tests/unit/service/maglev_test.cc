#include "service/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

namespace sluice::service {
namespace {

using Entries = std::vector<Maglev::Entry>;

Entries entries(size_t count, uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    Entries list(count);
    for (Maglev::Entry& entry : list) entry.id = random();
    return list;
}

Entries numbered(size_t count) {
    Entries list(count);
    for (size_t i = 0; i < count; ++i) list[i].id = i;
    return list;
}

// Slots of each entry.
std::vector<size_t> shares(const Maglev& table, size_t count) {
    std::vector<size_t> of(count);
    for (const uint16_t index : table.slots()) ++of.at(index);
    return of;
}

std::vector<uint64_t> ids(const Entries& list, const Maglev& table) {
    std::vector<uint64_t> of;
    for (const uint16_t index : table.slots()) of.push_back(list.at(index).id);
    return of;
}

// Slots whose back end changes though it is in both, by those that must change, if `gone` leaves (or comes).
double needless(const Entries& list, size_t gone) {
    Entries rest = list;
    rest.erase(rest.begin() + static_cast<ptrdiff_t>(gone));
    const std::vector<uint64_t> before = ids(list, Maglev(list));
    const std::vector<uint64_t> after = ids(rest, Maglev(rest));
    EXPECT_EQ(before.size(), after.size()) << list.size() << " and " << rest.size() << " have tables of one size";
    size_t must = 0;
    size_t changed = 0;
    for (size_t i = 0; i < before.size(); ++i) {
        if (before[i] == list[gone].id) {
            ++must;
        } else {
            changed += before[i] != after[i];
        }
    }
    return static_cast<double>(changed) / static_cast<double>(must);
}

TEST(Maglev, WithoutBackendsChoosesNone) {
    EXPECT_EQ(Maglev().choose(7), Maglev::kNone);
    EXPECT_EQ(Maglev(Entries{}).choose(7), Maglev::kNone);
    EXPECT_EQ(Maglev(Entries{{.id = 1, .weight = 0}}).choose(7), Maglev::kNone);
}

TEST(Maglev, OneBackendGetsAllAndCostsOneSlot) {
    const Maglev table(Entries{{.id = 1, .weight = 0}, {.id = 2}});
    EXPECT_EQ(table.slots().size(), 1U);
    for (const uint32_t hash : {0U, 1U, 0x8000'0000U, UINT32_MAX}) EXPECT_EQ(table.choose(hash), 1U);
}

TEST(Maglev, SizesArePrimeAndGiveEachAHundredSlots) {
    for (const size_t count : {2, 10, 11, 24, 25, 48, 49, 120, 121, 250, 251, 350, 351, 10'000}) {
        const size_t size = Maglev(entries(count)).slots().size();
        EXPECT_GE(size, 100 * count);
        for (size_t divisor = 2; divisor * divisor <= size; ++divisor) ASSERT_NE(size % divisor, 0U) << size;
    }
}

TEST(Maglev, TenThousandTablesOfTenFitInto64MiB) {
    EXPECT_LT(Maglev(entries(10)).slots().size_bytes() * 10'000, size_t{60} << 20);
}

TEST(Maglev, ManyBackendsAllGetSlots) {
    const Maglev table(entries(Maglev::kMaxBackends));
    const std::vector<size_t> of = shares(table, Maglev::kMaxBackends);
    EXPECT_GE(*std::min_element(of.begin(), of.end()), 100U);
    EXPECT_LE(*std::max_element(of.begin(), of.end()), *std::min_element(of.begin(), of.end()) + 1);
}

TEST(Maglev, OrderDoesNotMatter) {
    std::mt19937 random(3);
    for (const size_t count : {2, 3, 10, 50, 200}) {
        Entries list = entries(count, count);
        for (Maglev::Entry& entry : list) entry.weight = random() % 5;
        const std::vector<uint64_t> before = ids(list, Maglev(list));
        std::shuffle(list.begin(), list.end(), random);
        EXPECT_EQ(ids(list, Maglev(list)), before);
    }
}

TEST(Maglev, OnlyTheRatioOfWeightsMatters) {
    Entries list = entries(7);
    const std::vector<uint64_t> before = ids(list, Maglev(list));
    for (Maglev::Entry& entry : list) entry.weight = 100;
    EXPECT_EQ(ids(list, Maglev(list)), before);
    for (Maglev::Entry& entry : list) entry.weight = UINT32_MAX;
    EXPECT_EQ(ids(list, Maglev(list)), before);
}

TEST(Maglev, EqualSharesDifferByOneSlot) {
    for (size_t count = 2; count <= 400; count += count < 30 ? 1 : 37) {
        const std::vector<size_t> of = shares(Maglev(entries(count, count)), count);
        const auto [least, most] = std::minmax_element(of.begin(), of.end());
        EXPECT_LE(*most, *least + 1) << count;
        EXPECT_LT(static_cast<double>(*most) / static_cast<double>(*least), 1.01) << count;
    }
}

TEST(Maglev, SharesFollowWeightsWithinASlot) {
    std::mt19937 random(5);
    for (int round = 0; round < 200; ++round) {
        const size_t count = 2 + random() % 60;
        Entries list = entries(count, 1000 + static_cast<uint64_t>(round));
        uint64_t sum = 0;
        for (Maglev::Entry& entry : list) {
            entry.weight = round % 2 == 0 ? random() % 10 : 1 + random() % 100;
            sum += entry.weight;
        }
        if (sum == 0) continue;
        const Maglev table(list);
        const std::vector<size_t> of = shares(table, count);
        for (size_t i = 0; i < count; ++i) {
            const double share =
                static_cast<double>(table.slots().size()) * list[i].weight / static_cast<double>(sum);
            EXPECT_LT(std::abs(static_cast<double>(of[i]) - share), 1) << list[i].weight << " of " << sum;
            EXPECT_TRUE(list[i].weight != 0 || of[i] == 0);
        }
    }
}

TEST(Maglev, ATinyWeightGetsASlot) {
    Entries list = entries(10);
    list[0].weight = UINT32_MAX;
    const Maglev table(list);
    const std::vector<size_t> of = shares(table, 10);
    for (size_t i = 1; i < 10; ++i) EXPECT_EQ(of[i], 1U);
    EXPECT_EQ(of[0], table.slots().size() - 9);
}

TEST(Maglev, ABackendThatGoesMovesFewOthers) {
    double worst = 0;
    for (size_t count = 3; count <= 450; count += count < 30 ? 1 : count / 7) {
        // Not where the size of the table changes.
        if (count == 11 || count == 25 || count == 49 || count == 121 || count == 251 || count == 351) continue;
        const int rounds = count <= 30 ? 20 : 2;
        double sum = 0;
        for (int round = 0; round < rounds; ++round) {
            const Entries list =
                round == 0 ? numbered(count) : entries(count, count * 100 + static_cast<uint64_t>(round));
            const double each = needless(list, count / 2);
            worst = std::max(worst, each);
            sum += each;
        }
        EXPECT_LE(sum / rounds, 0.5) << count;
    }
    EXPECT_LE(worst, 0.5);
    RecordProperty("worst", std::to_string(worst));
}

TEST(Maglev, AWeightedBackendThatGoesMovesFewOthers) {
    std::mt19937 random(7);
    for (const size_t count : {4, 9, 20, 60}) {
        double sum = 0;
        constexpr int kRounds = 20;
        for (int round = 0; round < kRounds; ++round) {
            Entries list = entries(count, 50 + static_cast<uint64_t>(round));
            for (Maglev::Entry& entry : list) entry.weight = 1 + random() % 10;
            list[0].weight = 5;
            sum += needless(list, 0);
        }
        EXPECT_LE(sum / kRounds, 0.5) << count;
    }
}

TEST(Maglev, EveryBitOfTheHashCounts) {
    const Maglev table(entries(10));
    for (const int shift : {0, 12, 20}) {
        std::vector<size_t> of(10);
        constexpr uint32_t kHashes = 4096;
        for (uint32_t i = 0; i < kHashes; ++i) ++of[table.choose(i << shift)];
        for (const size_t hits : of) EXPECT_NEAR(static_cast<double>(hits), kHashes / 10.0, kHashes / 40.0);
    }
}

}  // namespace
}  // namespace sluice::service
