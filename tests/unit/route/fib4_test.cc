#include "route/fib4.h"

#include <gtest/gtest.h>

#include "sluice/address.h"

namespace sluice::route {
namespace {

uint32_t v4(std::string_view text) {
    return IpAddress::parse(text)->v4();
}

class Fib4Test : public testing::Test {
 protected:
    void set(std::string_view prefix, uint32_t next_hop) {
        const IpPrefix parsed = *IpPrefix::parse(prefix);
        fib_.set(parsed.address.v4(), parsed.length, next_hop);
    }
    void remove(std::string_view prefix, Covering covering = {}) {
        const IpPrefix parsed = *IpPrefix::parse(prefix);
        fib_.remove(parsed.address.v4(), parsed.length, covering);
    }
    uint32_t find(std::string_view address) const { return fib_.find(v4(address)); }

    Fib4 fib_;
};

TEST_F(Fib4Test, AnEmptyTableKnowsNoNextHop) {
    EXPECT_EQ(find("0.0.0.0"), kNone);
    EXPECT_EQ(find("255.255.255.255"), kNone);
}

TEST_F(Fib4Test, TheDefaultRouteTakesWhatNothingElseTakes) {
    set("10.0.0.0/8", 1);
    set("0.0.0.0/0", kMaxNextHop);
    EXPECT_EQ(find("0.0.0.0"), kMaxNextHop);
    EXPECT_EQ(find("255.255.255.255"), kMaxNextHop);
    EXPECT_EQ(find("10.255.255.255"), 1u);
    remove("10.0.0.0/8", {kMaxNextHop, 0});
    EXPECT_EQ(find("10.0.0.0"), kMaxNextHop);
    remove("0.0.0.0/0");
    EXPECT_EQ(find("10.0.0.0"), kNone);
}

TEST_F(Fib4Test, APrefixEndsWhereItEnds) {
    for (int length = 1; length <= 32; ++length) {
        const uint32_t size = static_cast<uint32_t>(uint64_t{1} << (32 - length));
        const uint32_t prefix = v4("170.170.170.170") / size * size;
        fib_.set(prefix, static_cast<uint8_t>(length), 7);
        EXPECT_EQ(fib_.find(prefix), 7u) << length;
        EXPECT_EQ(fib_.find(prefix + size - 1), 7u) << length;
        EXPECT_EQ(fib_.find(prefix - 1), kNone) << length;
        EXPECT_EQ(fib_.find(prefix + size), kNone) << length;
        fib_.remove(prefix, static_cast<uint8_t>(length), {});
        EXPECT_EQ(fib_.find(prefix), kNone) << length;
        EXPECT_EQ(fib_.find(prefix + size - 1), kNone) << length;
    }
}

TEST_F(Fib4Test, TheFirstAndLastAddresses) {
    set("0.0.0.0/32", 1);
    set("255.255.255.255/32", 2);
    set("128.0.0.0/1", 3);
    set("0.0.0.2/31", 4);
    EXPECT_EQ(find("0.0.0.0"), 1u);
    EXPECT_EQ(find("0.0.0.1"), kNone);
    EXPECT_EQ(find("0.0.0.2"), 4u);
    EXPECT_EQ(find("0.0.0.3"), 4u);
    EXPECT_EQ(find("0.0.0.4"), kNone);
    EXPECT_EQ(find("255.255.255.255"), 2u);
    EXPECT_EQ(find("255.255.255.254"), 3u);
    EXPECT_EQ(find("127.255.255.255"), kNone);
}

TEST_F(Fib4Test, AShorterPrefixLeavesLongerOnesAlone) {
    set("10.1.2.128/25", 25);
    set("10.1.2.0/24", 24);
    set("10.1.0.0/16", 16);
    EXPECT_EQ(find("10.1.2.200"), 25u);
    EXPECT_EQ(find("10.1.2.100"), 24u);
    EXPECT_EQ(find("10.1.3.0"), 16u);
    remove("10.1.2.0/24", {16, 16});
    EXPECT_EQ(find("10.1.2.200"), 25u);
    EXPECT_EQ(find("10.1.2.100"), 16u);
    remove("10.1.0.0/16");
    EXPECT_EQ(find("10.1.2.200"), 25u);
    EXPECT_EQ(find("10.1.2.100"), kNone);
}

TEST_F(Fib4Test, AnotherNextHopForARoute) {
    for (std::string_view prefix : {"10.0.0.0/8", "10.1.2.0/24", "10.1.2.128/25", "10.1.2.130/32"}) {
        set(prefix, 1);
        set(prefix, 2);
        EXPECT_EQ(find("10.1.2.130"), 2u) << prefix;
    }
}

TEST_F(Fib4Test, RemovingWhatIsNotThereChangesNothing) {
    set("10.0.0.0/8", 8);
    set("10.1.2.128/25", 25);
    for (std::string_view prefix : {"0.0.0.0/0", "10.0.0.0/7", "10.0.0.0/9", "10.1.2.0/24", "10.1.2.0/25",
                                    "10.1.2.128/26", "10.1.2.200/32", "11.0.0.0/32"}) {
        remove(prefix, {99, 0});
        EXPECT_EQ(find("10.1.2.200"), 25u) << prefix;
        EXPECT_EQ(find("10.1.2.1"), 8u) << prefix;
        EXPECT_EQ(find("11.0.0.0"), kNone) << prefix;
    }
}

TEST_F(Fib4Test, AGroupWithoutLongPrefixesIsUsedAgainAfterReclaim) {
    set("10.1.0.0/16", 16);
    set("10.1.2.4/30", 30);
    set("10.1.2.5/32", 32);
    remove("10.1.2.5/32", {30, 30});
    EXPECT_EQ(fib_.retired(), 0u);
    EXPECT_EQ(find("10.1.2.5"), 30u);
    remove("10.1.2.4/30", {16, 16});
    EXPECT_EQ(fib_.retired(), 1u);
    EXPECT_EQ(find("10.1.2.5"), 16u);
    const size_t memory = fib_.memory();
    fib_.reclaim();
    EXPECT_EQ(fib_.retired(), 0u);
    for (uint32_t i = 0; i < 1000; ++i) {
        set("10.1.2.9/32", i + 1);
        EXPECT_EQ(find("10.1.2.9"), i + 1);
        EXPECT_EQ(find("10.1.2.8"), 16u) << "a recycled group holds nothing of before";
        remove("10.1.2.9/32", {16, 16});
        fib_.reclaim();
    }
    EXPECT_LE(fib_.memory(), memory + 4096);
}

TEST_F(Fib4Test, FewRoutesTakeFewPages) {
    set("0.0.0.0/0", 1);
    set("10.0.0.0/24", 2);
    set("192.168.0.1/32", 3);
    EXPECT_LT(fib_.memory(), 100'000u);
}

TEST_F(Fib4Test, EveryGroupThatAPoolHoldsIsItsOwn) {
    // More than one chunk of groups, and all of it in huge pages where there are any.
    constexpr uint32_t kCount = 5000;
    for (uint32_t i = 0; i < kCount; ++i) fib_.set(i << 8 | (i & 255), 32, i + 1);
    for (uint32_t i = 0; i < kCount; ++i) {
        ASSERT_EQ(fib_.find(i << 8 | (i & 255)), i + 1);
        ASSERT_EQ(fib_.find(i << 8 | ((i + 1) & 255)), kNone);
    }
    EXPECT_GE(fib_.memory(), kCount * 1024u);
}

}  // namespace
}  // namespace sluice::route
