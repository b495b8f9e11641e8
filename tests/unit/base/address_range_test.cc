#include "base/address_range.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

tl::expected<AddressRange, std::string> parse(std::string_view text) {
    return parse_value(text, static_cast<AddressRange*>(nullptr));
}

TEST(AddressRange, IsAnAddressOrHasTwoEnds) {
    EXPECT_EQ(parse("192.0.2.1").value(), (AddressRange{ip("192.0.2.1"), ip("192.0.2.1")}));
    EXPECT_EQ(parse("192.0.2.8-192.0.2.15").value(), (AddressRange{ip("192.0.2.8"), ip("192.0.2.15")}));
    EXPECT_EQ(parse("2001:db8::1-2001:db8::ff").value(), (AddressRange{ip("2001:db8::1"), ip("2001:db8::ff")}));
    for (const char* text : {"192.0.2.1", "192.0.2.8-192.0.2.15", "2001:db8::1-2001:db8::ff"})
        EXPECT_EQ(to_text(parse(text).value()), text);
}

TEST(AddressRange, OtherTextIsAnError) {
    EXPECT_EQ(parse("192.0.2.9-192.0.2.8").error(),
              "'192.0.2.9-192.0.2.8' ends before it begins; did you mean 192.0.2.8-192.0.2.9?");
    EXPECT_EQ(parse("192.0.2.9-2001:db8::1").error(),
              "'192.0.2.9-2001:db8::1' begins and ends in different address families");
    EXPECT_EQ(parse("192.0.2.9-224.0.0.1").error(), "224.0.0.1 is no address of a host");
    for (const char* text : {"", "-", "192.0.2.1-", "-192.0.2.1", "192.0.2.0/24", "a-b"})
        EXPECT_FALSE(parse(text));
}

TEST(AddressRange, ContainsWhatIsBetweenItsEnds) {
    const AddressRange range{ip("10.0.0.255"), ip("10.0.1.1")};
    EXPECT_FALSE(range.contains(ip("10.0.0.254")));
    EXPECT_TRUE(range.contains(ip("10.0.0.255")));
    EXPECT_TRUE(range.contains(ip("10.0.1.0")));
    EXPECT_TRUE(range.contains(ip("10.0.1.1")));
    EXPECT_FALSE(range.contains(ip("10.0.1.2")));
    EXPECT_FALSE(range.contains(ip("fd00::1")));
    EXPECT_EQ(next(ip("10.0.0.255")), ip("10.0.1.0"));
    EXPECT_EQ(next(ip("fd00::ffff")), ip("fd00::1:0"));
}

}  // namespace
}  // namespace sluice::base
