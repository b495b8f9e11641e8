#include "sluice/address.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace sluice {
namespace {

template <class T>
std::string error_of(std::string_view text) {
    const auto parsed = T::parse(text);
    return parsed ? "" : parsed.error();
}

TEST(MacAddress, ParsesOneFormOnly) {
    EXPECT_EQ(MacAddress::parse("02:00:00:00:0A:ff")->text(), "02:00:00:00:0a:ff");
    for (std::string_view bad :
         {"", "2:0:0:0:0:1", "02-00-00-00-00-01", "020000000001", "02:00:00:00:00:0g",
          "02:00:00:00:00:01 ", "02:00:00:00:00", "02:00:00:00:00:01:02", "+2:00:00:00:00:01"}) {
        EXPECT_NE(error_of<MacAddress>(bad), "") << bad;
    }
    EXPECT_EQ(error_of<MacAddress>("x"), "'x' is not a MAC address (such as 02:00:00:00:00:01)");
}

TEST(MacAddress, ConvertsToAnIntegerAndBack) {
    const auto mac = MacAddress::from_uint64(0x0200'0000'0001);
    EXPECT_EQ(mac.text(), "02:00:00:00:00:01");
    EXPECT_EQ(mac.as_uint64(), 0x0200'0000'0001U);
    EXPECT_FALSE(mac.is_multicast());
    EXPECT_TRUE(MacAddress::from_uint64(0xffff'ffff'ffff).is_multicast());
    EXPECT_TRUE(MacAddress{}.is_zero());
}

TEST(IpAddress, PrintsTheCanonicalForm) {
    EXPECT_EQ(IpAddress::parse("10.0.0.1")->text(), "10.0.0.1");
    EXPECT_EQ(IpAddress::parse("2001:DB8:0:0:1:0:0:1")->text(), "2001:db8::1:0:0:1");
    EXPECT_EQ(IpAddress::parse("::")->text(), "::");
    EXPECT_EQ(IpAddress::parse("2001:db8:0:1:1:1:1:1")->text(), "2001:db8:0:1:1:1:1:1");
}

TEST(IpAddress, RefusesEveryOtherSpelling) {
    for (std::string_view bad : {"", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", " 10.0.0.1",
                                 "0x0a.0.0.1", "fe80::1%eth0", "1::2::3", "10.0.0.1/24", "[::1]"}) {
        EXPECT_NE(error_of<IpAddress>(bad), "") << bad;
    }
    EXPECT_NE(error_of<IpAddress>(std::string_view("10.0.0.1\0x", 10)), "");
    EXPECT_EQ(error_of<IpAddress>("::ffff:10.0.0.1"),
              "'::ffff:10.0.0.1' is an IPv4 address in IPv6 form; write 10.0.0.1");
}

TEST(IpAddress, KnowsItsFamilyAndKind) {
    const IpAddress v4 = *IpAddress::parse("224.0.0.1"), v6 = *IpAddress::parse("ff02::1");
    EXPECT_TRUE(v4.is_v4());
    EXPECT_EQ(v4.v4(), 0xe0000001U);
    EXPECT_TRUE(v4.is_multicast());
    EXPECT_FALSE(v6.is_v4());
    EXPECT_TRUE(v6.is_multicast());
    EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
    EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
    EXPECT_FALSE(IpAddress::parse("::1")->is_unspecified());
    EXPECT_LT(*IpAddress::parse("10.0.0.9"), *IpAddress::parse("10.0.0.10"));
    EXPECT_LT(*IpAddress::parse("255.0.0.1"), *IpAddress::parse("2001:db8::"));
    EXPECT_EQ((std::unordered_set<IpAddress>{v4, v6, v4}.size()), 2U);
}

TEST(IpPrefix, HostBitsAreAnErrorThatNamesTheRightPrefix) {
    EXPECT_EQ(IpPrefix::parse("10.0.0.0/24")->text(), "10.0.0.0/24");
    EXPECT_EQ(error_of<IpPrefix>("10.0.0.7/24"),
              "'10.0.0.7/24' has bits set beyond its length; did you mean 10.0.0.0/24?");
    EXPECT_EQ(error_of<IpPrefix>("10.0.5.0/21"),
              "'10.0.5.0/21' has bits set beyond its length; did you mean 10.0.0.0/21?");
    EXPECT_EQ(error_of<IpPrefix>("2001:db8::1/64"),
              "'2001:db8::1/64' has bits set beyond its length; did you mean 2001:db8::/64?");
}

TEST(IpPrefix, RefusesABadLength) {
    for (std::string_view bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/024",
                                 "10.0.0.0/24x", "10.0.0.0/24/24", "::/129", "/24", "10.0.0.0/+8",
                                 "10.0.0.0/99999999999", "10.0.0.0/255.0.0.0"}) {
        EXPECT_NE(error_of<IpPrefix>(bad), "") << bad;
    }
    EXPECT_EQ(error_of<IpPrefix>("10.0.0.1"),
              "'10.0.0.1' has no prefix length; 10.0.0.1/32 is the address alone");
}

TEST(IpPrefix, ContainsItsAddressesOnly) {
    const auto prefix = *IpPrefix::parse("10.0.0.0/23");
    EXPECT_TRUE(prefix.contains(*IpAddress::parse("10.0.1.255")));
    EXPECT_FALSE(prefix.contains(*IpAddress::parse("10.0.2.0")));
    const auto all_v4 = *IpPrefix::parse("0.0.0.0/0"), all_v6 = *IpPrefix::parse("::/0");
    EXPECT_TRUE(all_v4.contains(*IpAddress::parse("192.0.2.1")));
    EXPECT_FALSE(all_v4.contains(*IpAddress::parse("::1")));
    EXPECT_TRUE(all_v6.contains(*IpAddress::parse("fd00::1")));
    EXPECT_FALSE(all_v6.contains(*IpAddress::parse("192.0.2.1")));
    EXPECT_TRUE(IpPrefix::parse("fd00::1/128")->contains(*IpAddress::parse("fd00::1")));
}

TEST(InterfaceAddress, LengthIsOptional) {
    const auto with = *InterfaceAddress::parse("10.0.0.2/24");
    EXPECT_EQ(with.text(), "10.0.0.2/24");
    EXPECT_EQ(with.prefix().text(), "10.0.0.0/24");
    const auto without = *InterfaceAddress::parse("fd00::2");
    EXPECT_FALSE(without.has_length());
    EXPECT_EQ(without.text(), "fd00::2");
    EXPECT_EQ(without.prefix().text(), "fd00::2/128");
    EXPECT_NE(error_of<InterfaceAddress>("10.0.0.2/33"), "");
    EXPECT_NE(error_of<InterfaceAddress>("10.0.0/24"), "");
}

}  // namespace
}  // namespace sluice
