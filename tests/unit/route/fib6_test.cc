#include "route/fib6.h"

#include <gtest/gtest.h>

#include "sluice/address.h"

namespace sluice::route {
namespace {

class Fib6Test : public testing::Test {
 protected:
    static Number number(std::string_view text) {
        return number_of(IpAddress::parse(text)->bytes.data());
    }
    void set(std::string_view prefix, uint32_t next_hop) {
        const IpPrefix parsed = *IpPrefix::parse(prefix);
        fib_.set(number_of(parsed.address.bytes.data()), parsed.length, next_hop);
    }
    void remove(std::string_view prefix, Covering covering = {}) {
        const IpPrefix parsed = *IpPrefix::parse(prefix);
        fib_.remove(number_of(parsed.address.bytes.data()), parsed.length, covering);
    }
    uint32_t find(Number address) const {
        // At an odd address, as in a packet.
        uint8_t bytes[17];
        for (int i = 0; i < 16; ++i) bytes[1 + i] = static_cast<uint8_t>(address >> (120 - 8 * i));
        return fib_.find(bytes + 1);
    }
    uint32_t find(std::string_view address) const { return find(number(address)); }

    Fib6 fib_;
};

TEST_F(Fib6Test, AnEmptyTableKnowsNoNextHop) {
    EXPECT_EQ(find("::"), kNone);
    EXPECT_EQ(find("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), kNone);
}

TEST_F(Fib6Test, TheDefaultRouteTakesWhatNothingElseTakes) {
    set("2001:db8::/32", 1);
    set("::/0", kMaxNextHop);
    EXPECT_EQ(find("::"), kMaxNextHop);
    EXPECT_EQ(find("2001:db9::"), kMaxNextHop);
    EXPECT_EQ(find("2001:db8::5"), 1u);
    remove("2001:db8::/32", {kMaxNextHop, 0});
    EXPECT_EQ(find("2001:db8::5"), kMaxNextHop);
    remove("::/0");
    EXPECT_EQ(find("2001:db8::5"), kNone);
}

TEST_F(Fib6Test, APrefixEndsWhereItEnds) {
    const Number around = number("aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa");
    for (uint32_t length = 1; length <= 128; ++length) {
        const Number size = Number{1} << (128 - length);
        const Number prefix = around / size * size;
        fib_.set(prefix, static_cast<uint8_t>(length), 7);
        EXPECT_EQ(find(prefix), 7u) << length;
        EXPECT_EQ(find(prefix + size - 1), 7u) << length;
        EXPECT_EQ(find(prefix - 1), kNone) << length;
        EXPECT_EQ(find(prefix + size), kNone) << length;
        fib_.remove(prefix, static_cast<uint8_t>(length), {});
        EXPECT_EQ(find(prefix), kNone) << length;
        EXPECT_EQ(find(prefix + size - 1), kNone) << length;
    }
    EXPECT_EQ(fib_.nodes(), 0u);
}

// Every pair of lengths, one prefix inside the other or beside it, set and removed in both orders.
TEST_F(Fib6Test, TwoPrefixesOfAnyLengths) {
    struct Part {
        Number first, last;
        uint8_t length;
        bool there = false;
        bool contains(Number address) const { return first <= address && address <= last; }
    };
    const auto part = [](Number around, uint32_t length) {
        const Number rest = (Number{1} << (128 - length)) - 1;
        return Part{around & ~rest, around | rest, static_cast<uint8_t>(length)};
    };
    const Number around = number("aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa");
    // Shorter ones write a million words and more; the test above has them.
    for (uint32_t i = 14; i <= 128; ++i) {
        for (uint32_t j = i; j <= 128; ++j) {
            for (const bool inside : {true, false}) {
                if (i == j && inside) continue;
                Part a = part(around, i);
                // Beside it: another last bit of the shorter one.
                Part b = part(inside ? around : around ^ Number{1} << (128 - i), j);
                const auto check = [&] {
                    for (Number address : {a.first, a.first - 1, a.last, a.last + 1, b.first, b.first - 1,
                                           b.last, b.last + 1}) {
                        const uint32_t expected = b.there && b.contains(address)   ? 2
                                                  : a.there && a.contains(address) ? 1
                                                                                   : kNone;
                        ASSERT_EQ(find(address), expected) << "/" << i << " and /" << j;
                    }
                };
                for (const bool set_a_first : {true, false}) {
                    for (const bool remove_a_first : {true, false}) {
                        for (Part* p : {set_a_first ? &a : &b, set_a_first ? &b : &a}) {
                            fib_.set(p->first, p->length, p == &a ? 1 : 2);
                            p->there = true;
                            ASSERT_NO_FATAL_FAILURE(check());
                        }
                        for (Part* p : {remove_a_first ? &a : &b, remove_a_first ? &b : &a}) {
                            const bool covered = p == &b && inside && a.there;
                            fib_.remove(p->first, p->length, covered ? Covering{1, a.length} : Covering{});
                            p->there = false;
                            ASSERT_NO_FATAL_FAILURE(check());
                        }
                        ASSERT_EQ(fib_.nodes(), 0u);
                        fib_.reclaim();
                    }
                }
            }
        }
    }
}

TEST_F(Fib6Test, HostRoutesOfOneSubnetShareTheirWay) {
    set("fd00:10::/64", 1);
    for (uint32_t i = 0; i < 256; ++i) fib_.set(number("fd00:10::") + i, 128, 100 + i);
    for (uint32_t i = 0; i < 256; ++i) EXPECT_EQ(find(number("fd00:10::") + i), 100 + i);
    EXPECT_EQ(find("fd00:10::100"), 1u);
    EXPECT_EQ(find("fd00:10::1:0:0:0"), 1u);
    EXPECT_EQ(find("fd00:10:0:1::"), kNone);
    EXPECT_EQ(fib_.nodes(), 2u) << "one branch below the subnet's own";
    for (uint32_t i = 0; i < 256; ++i) fib_.remove(number("fd00:10::") + i, 128, {1, 64});
    EXPECT_EQ(find("fd00:10::5"), 1u);
    EXPECT_EQ(fib_.nodes(), 1u);
}

TEST_F(Fib6Test, AShorterPrefixLeavesLongerOnesAlone) {
    set("2001:db8:1:2::/64", 64);
    set("2001:db8:1::/48", 48);
    set("2001:db8::/32", 32);
    set("2001:d00::/24", 24);
    set("2001::/16", 16);
    EXPECT_EQ(find("2001:db8:1:2::1"), 64u);
    EXPECT_EQ(find("2001:db8:1:3::1"), 48u);
    EXPECT_EQ(find("2001:db8:2::"), 32u);
    EXPECT_EQ(find("2001:d00::"), 24u);
    EXPECT_EQ(find("2001:e00::"), 16u);
    remove("2001:db8:1::/48", {32, 32});
    EXPECT_EQ(find("2001:db8:1:3::1"), 32u);
    EXPECT_EQ(find("2001:db8:1:2::1"), 64u);
    remove("2001:d00::/24", {16, 16});
    remove("2001:db8::/32", {16, 16});
    EXPECT_EQ(find("2001:db8:1:3::1"), 16u);
    EXPECT_EQ(find("2001:db8:1:2::1"), 64u);
    remove("2001::/16");
    EXPECT_EQ(find("2001:db8:1:3::1"), kNone);
    EXPECT_EQ(find("2001:db8:1:2::1"), 64u);
}

TEST_F(Fib6Test, AnotherNextHopForARoute) {
    for (std::string_view prefix : {"2000::/3", "2001:d00::/24", "2001:db8::/32", "2001:db8::/45",
                                    "2001:db8::/127", "2001:db8::1/128"}) {
        set(prefix, 1);
        set(prefix, 2);
        EXPECT_EQ(find("2001:db8::1"), 2u) << prefix;
    }
}

TEST_F(Fib6Test, RemovingWhatIsNotThereChangesNothing) {
    set("2001:db8::/32", 32);
    set("2001:db8:0:8000::/49", 49);
    set("2001:db8:0:8000::1/128", 128);
    for (std::string_view prefix : {"::/0", "2000::/3", "2001:d00::/24", "2001:db8::/33", "2001:db8::/48",
                                    "2001:db8::/49", "2001:db8:0:8000::/50", "2001:db8:0:8000::2/128",
                                    "2001:db8:0:8000::/127", "2001:db9::/32", "fd00::/128"}) {
        remove(prefix, {99, 0});
        EXPECT_EQ(find("2001:db8::"), 32u) << prefix;
        EXPECT_EQ(find("2001:db8:0:8000::"), 49u) << prefix;
        EXPECT_EQ(find("2001:db8:0:8000::1"), 128u) << prefix;
        EXPECT_EQ(find("2001:db9::"), kNone) << prefix;
    }
}

TEST_F(Fib6Test, NodesAreUsedAgainAfterReclaim) {
    set("2001:db8::/32", 1);
    set("2001:db8:5::/48", 2);
    const size_t memory = fib_.memory();
    const size_t nodes = fib_.nodes();
    for (uint32_t i = 0; i < 1000; ++i) {
        set("2001:db8:5:1::/64", i + 1);
        EXPECT_EQ(find("2001:db8:5:1::"), i + 1);
        EXPECT_EQ(find("2001:db8:5:2::"), 2u);
        remove("2001:db8:5:1::/64", {2, 48});
        EXPECT_EQ(fib_.nodes(), nodes);
        EXPECT_GT(fib_.retired(), 0u);
        fib_.reclaim();
        EXPECT_EQ(fib_.retired(), 0u);
    }
    EXPECT_LE(fib_.memory(), memory + 8192);
}

}  // namespace
}  // namespace sluice::route
