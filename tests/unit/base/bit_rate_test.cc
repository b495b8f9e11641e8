#include "base/bit_rate.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

tl::expected<BitRate, std::string> parse(std::string_view text) {
    return parse_value(text, static_cast<BitRate*>(nullptr));
}

TEST(BitRate, TakesPowersOfAThousand) {
    for (const auto& [text, bits] :
         {std::pair("800000", 800'000UL), std::pair("64k", 64'000UL), std::pair("64K", 64'000UL),
          std::pair("100M", 100'000'000UL), std::pair("2.5G", 2'500'000'000UL), std::pair("0.000001M", 1UL),
          std::pair("1T", 1'000'000'000'000UL), std::pair("0", 0UL)}) {
        const auto rate = parse(text);
        ASSERT_TRUE(rate) << text << ": " << rate.error();
        EXPECT_EQ(rate->bits, bits) << text;
    }
}

TEST(BitRate, RefusesAllElse) {
    for (const char* text : {"", "M", "-1", "1.5", "1.", ".5M", "1.5.5M", "100 M", "100Mbit", "1e9", "1m",
                             "99999999999999999999", "9999T", "1.0123456789G"}) {
        EXPECT_FALSE(parse(text)) << text;
    }
    EXPECT_EQ(parse("12x").error(), "'12x' is not a rate in bits a second (such as 100M, 2.5G or 800000)");
}

TEST(BitRate, IsWrittenWithTheLargestUnitThatFits) {
    EXPECT_EQ(to_text(BitRate{100'000'000}), "100M");
    EXPECT_EQ(to_text(BitRate{2'500'000'000}), "2500M");
    EXPECT_EQ(to_text(BitRate{1001}), "1001");
    EXPECT_EQ(to_text(BitRate{0}), "0");
}

}  // namespace
}  // namespace sluice::base
