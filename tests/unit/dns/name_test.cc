#include "dns/name.h"

#include <gtest/gtest.h>

#include "unit/dns/ask.h"

namespace sluice::dns {
namespace {

using namespace std::string_literals;

TEST(Name, WireFormIsInLowerCaseAndEndsWithTheRoot) {
    EXPECT_EQ(wire_name("Web.Blue"), "\3web\4blue\0"s);
    EXPECT_EQ(wire_name("web.blue."), "\3web\4blue\0"s);
    EXPECT_EQ(wire_name("."), "\0"s);
}

TEST(Name, EmptyAndLongLabelsAreNoNames) {
    for (const std::string& text : {""s, ".."s, "a..b"s, ".a"s, std::string(64, 'a')}) {
        EXPECT_EQ(wire_name(text), "") << text;
    }
    EXPECT_NE(wire_name(std::string(63, 'a')), "");
}

TEST(Name, OfMoreThan255BytesIsNone) {
    const std::string label(61, 'a');  // with its length and the dot 62 and more
    const std::string three = label + "." + label + "." + label + ".";
    EXPECT_EQ(wire_name(three + std::string(67, 'a')), "");
    EXPECT_EQ(wire_name(three + std::string(63, 'a') + "." + "aa").size(), 254U);
    EXPECT_EQ(wire_name(three + std::string(63, 'a') + "." + "aaaaa"), "");
}

TEST(Name, TextEscapesWhatIsNoPrintableCharacter) {
    EXPECT_EQ(text_of("\3web\4blue\0"s), "web.blue");
    EXPECT_EQ(text_of("\0"s), ".");
    EXPECT_EQ(text_of("\4a.\\\n\0"s), "a\\.\\\\\\010");
}

TEST(Name, IsInItsZone) {
    const std::string zone = wire_name("cluster.local");
    EXPECT_TRUE(is_in(zone, zone));
    EXPECT_TRUE(is_in(wire_name("a.b.cluster.local"), zone));
    EXPECT_FALSE(is_in(wire_name("mycluster.local"), zone)) << "labels, not characters";
    EXPECT_FALSE(is_in(wire_name("local"), zone));
    EXPECT_TRUE(is_in(zone, kRoot));
}

TEST(Name, ReverseNamesReadBack) {
    for (const char* text :
         {"10.0.0.1", "255.254.253.252", "0.0.0.0", "fd00:10::1", "::", "2001:db8::abcd:ef01"}) {
        const IpAddress address = ip(text);
        EXPECT_EQ(reversed(reverse_name(address)), address) << text;
    }
    EXPECT_EQ(text_of(reverse_name(ip("10.3.0.1"))), "1.0.3.10.in-addr.arpa");
    EXPECT_EQ(text_of(reverse_zone(ip("10.3.0.1"))), "0.3.10.in-addr.arpa");
    EXPECT_EQ(text_of(reverse_zone(ip("fd00::1"))), "0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa");
}

TEST(Name, OtherNamesOfTheReverseTreeAreNoAddresses) {
    for (const char* text : {"3.10.in-addr.arpa", "in-addr.arpa", "256.0.0.10.in-addr.arpa",
                             "01.0.0.10.in-addr.arpa", "a.0.0.10.in-addr.arpa", "1.0.0.0.10.in-addr.arpa",
                             "1.0.0.10.in-addr.arp", "1.ip6.arpa", "10.0.0.1", "."}) {
        EXPECT_FALSE(reversed(wire_name(text))) << text;
    }
}

}  // namespace
}  // namespace sluice::dns
