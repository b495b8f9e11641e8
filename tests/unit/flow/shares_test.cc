#include "flow/shares.h"

#include <gtest/gtest.h>

#include <set>

#include "flow/state.h"
#include "tuples.h"

namespace sluice::flow {
namespace {

constexpr uint32_t kCapacity = 1000;

class SharesTest : public testing::Test {
 protected:
    static Owner owner(uint16_t port, uint32_t address = 0) { return {path::PortId{port}, address}; }
    void add(uint16_t port, uint32_t count, uint32_t address = 0) {
        for (uint32_t i = 0; i < count; ++i) shares_.add(owner(port, address));
    }
    Shares::Claim claim(uint16_t port, uint32_t address = 0) { return {shares_, owner(port, address)}; }

    Shares shares_{kCapacity};
};

TEST_F(SharesTest, WhoIsAloneMayHaveAll) {
    add(1, kCapacity);
    EXPECT_FALSE(claim(1).is_over());
    EXPECT_FALSE(claim(1).has_less());
}

TEST_F(SharesTest, EachPortMayHaveAsManyAsEveryOther) {
    add(1, 900);
    add(2, 100);
    EXPECT_TRUE(claim(1).is_over());
    EXPECT_FALSE(claim(2).is_over());
    EXPECT_TRUE(claim(2).has_less());
    EXPECT_TRUE(claim(2).may_take_from(owner(1), false));
    EXPECT_FALSE(claim(1).may_take_from(owner(2), true));
    EXPECT_TRUE(claim(1).must_spare(owner(2)));
    EXPECT_FALSE(claim(2).must_spare(owner(1)));
    // One that comes is counted before it has any.
    EXPECT_TRUE(claim(3).may_take_from(owner(1), false));
    EXPECT_FALSE(claim(3).may_take_from(owner(2), false));
    for (uint32_t i = 0; i < 900; ++i) shares_.remove(owner(1));
    EXPECT_EQ(shares_.of(path::PortId{1}), 0u);
    EXPECT_FALSE(claim(2).has_less()) << "it is alone again";
}

TEST_F(SharesTest, AnAddressGivesPlacesWhereAllElseIsOpen) {
    add(1, 126, 7);
    add(1, 10, 8);
    EXPECT_TRUE(claim(1, 7).is_over());
    EXPECT_TRUE(claim(1, 8).has_less());
    EXPECT_FALSE(claim(1, 8).may_take_from(owner(1, 7), false));
    EXPECT_TRUE(claim(1, 8).may_take_from(owner(1, 7), true));
    EXPECT_FALSE(claim(1, 7).may_take_from(owner(1, 8), true));
    shares_.remove(owner(1, 7));
    EXPECT_FALSE(claim(1, 8).may_take_from(owner(1, 7), true)) << "an eighth is what it may have";
    EXPECT_FALSE(claim(1, 8).has_less());
}

TEST_F(SharesTest, AddressesAreToldApartByTheirFirst64Bits) {
    std::set<uint32_t> places;
    for (uint32_t n = 0; n < 1000; ++n) places.insert(Shares::address_place(tuple4(n, 1, 2, 3), 0x1234'5678'9abc));
    EXPECT_GT(places.size(), 980u);
    EXPECT_EQ(Shares::address_place(tuple6(1, 2, 3, 4), 99), Shares::address_place(tuple6(5, 2, 3, 4), 99))
        << "of one network";
    EXPECT_NE(Shares::address_place(tuple4(1, 2, 3, 4, wire::Protocol::kUdp, 1), 99),
              Shares::address_place(tuple4(1, 2, 3, 4, wire::Protocol::kUdp, 2), 99))
        << "of two domains";
}

TEST(Timeouts, AreHalvedAsTheTableFills) {
    EXPECT_EQ(Timeouts::halvings(649, 1000), 0u);
    EXPECT_EQ(Timeouts::halvings(650, 1000), 1u);
    EXPECT_EQ(Timeouts::halvings(1000, 1000), 8u);
    EXPECT_EQ(Timeouts::halvings(4'194'304, 4'194'304), 8u);
    EXPECT_EQ(Timeouts::shortened(86400, 0), 86400u);
    EXPECT_EQ(Timeouts::shortened(86400, 8), 337u);
    EXPECT_EQ(Timeouts::shortened(30, 8), 10u);
    EXPECT_EQ(Timeouts::shortened(5, 8), 5u) << "what is short stays as it is";
}

}  // namespace
}  // namespace sluice::flow
