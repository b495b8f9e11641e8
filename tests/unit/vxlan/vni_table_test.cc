#include "vxlan/vni_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>

namespace sluice::vxlan {
namespace {

using path::NetworkId;

TEST(VniTable, FindsWhatItHoldsAndNothingElse) {
    const VniTable table({{0, NetworkId{7}},
                          {100, NetworkId{0}},
                          {wire::VxlanHeader::kMaxVni, NetworkId{9}}});
    EXPECT_EQ(table.find(0), NetworkId{7});
    EXPECT_EQ(table.find(100), NetworkId{0});
    EXPECT_EQ(table.find(wire::VxlanHeader::kMaxVni), NetworkId{9});
    EXPECT_EQ(table.find(1), path::kNoNetworkId);
    EXPECT_EQ(table.find(101), path::kNoNetworkId);
}

TEST(VniTable, AnEmptyOneFindsNothing) {
    const VniTable table;
    for (uint32_t vni : {0U, 1U, 100U, wire::VxlanHeader::kMaxVni}) {
        EXPECT_EQ(table.find(vni), path::kNoNetworkId);
    }
}

TEST(NumberTable, OfTwoWithTheSameKeyTheFirstCounts) {
    const NumberTable<uint32_t> table({{5, 1}, {5, 2}, {6, 3}});
    EXPECT_EQ(table.find(5), 1);
    EXPECT_EQ(table.find(6), 3);
}

TEST(NumberTable, DoesAsAMapDoes) {
    std::mt19937 random(5);
    for (uint32_t count : {1u, 2u, 3u, 4u, 7u, 8u, 100u, 5000u}) {
        for (const uint32_t range : {2 * count, 0x100'0000u}) {
            std::map<uint32_t, uint16_t> model;
            std::vector<NumberTable<uint32_t>::Entry> entries;
            for (uint32_t i = 0; i < count; ++i) {
                const uint32_t key = random() % range;
                const auto number = static_cast<uint16_t>(random() % kNoNumber);
                if (model.emplace(key, number).second) entries.push_back({key, number});
            }
            const NumberTable<uint32_t> table(entries);
            for (const auto& [key, number] : model) ASSERT_EQ(table.find(key), number);
            for (int i = 0; i < 20'000; ++i) {
                const uint32_t key = random() % (2 * range);
                const auto found = model.find(key);
                ASSERT_EQ(table.find(key), found == model.end() ? kNoNumber : found->second) << key;
            }
        }
    }
}

TEST(EndPointTable, HoldsBothFamilies) {
    wire::Ipv6Bytes first{0xfd}, last{0xfd}, mapped{};
    first[15] = 1;
    last[0] = 0xfe;
    const wire::be32 v4(0xc000'0201);
    std::memcpy(&mapped[12], &v4, sizeof v4);
    const EndPointTable table{.ipv4 = NumberTable<wire::be32>({{v4, 4}, {wire::be32(0xc000'0202), 5}}),
                              .ipv6 = NumberTable<wire::Ipv6Bytes>({{first, 6}, {last, 0}})};
    EXPECT_EQ(table.find(v4), 4);
    EXPECT_EQ(table.find(wire::be32(0xc000'0202)), 5);
    EXPECT_EQ(table.find(wire::be32(0xc000'0203)), kNoNumber);
    EXPECT_EQ(table.find(wire::be32(0)), kNoNumber);
    EXPECT_EQ(table.find(first), 6);
    EXPECT_EQ(table.find(last), 0);
    EXPECT_EQ(table.find(mapped), kNoNumber);
    EXPECT_EQ(table.find(wire::Ipv6Bytes{}), kNoNumber);
}

}  // namespace
}  // namespace sluice::vxlan
