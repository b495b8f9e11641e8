#include "base/port_range.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

tl::expected<PortRange, std::string> parse(std::string_view text) {
    return parse_value(text, static_cast<PortRange*>(nullptr));
}

TEST(PortRange, ReadsAPortAndARange) {
    EXPECT_EQ(parse("80"), (PortRange{80, 80}));
    EXPECT_EQ(parse("9000-9010"), (PortRange{9000, 9010}));
    EXPECT_EQ(parse("0-65535"), (PortRange{0, 65535}));
    EXPECT_EQ(to_text(PortRange{80, 80}), "80");
    EXPECT_EQ(to_text(PortRange{9000, 9010}), "9000-9010");
    EXPECT_EQ((PortRange{0, 65535}).size(), 65536u);
}

TEST(PortRange, RefusesOtherText) {
    for (const char* text : {"", "-", "80-", "-80", "080", "65536", "80 ", "+80", "8e1", "1-2-3"}) {
        EXPECT_FALSE(parse(text)) << text;
    }
    EXPECT_EQ(parse("90-80").error(), "'90-80' ends before it begins; did you mean 80-90?");
}

TEST(PortRange, OverlapsWhereAPortIsInBoth) {
    EXPECT_TRUE((PortRange{10, 20}.overlaps({20, 30})));
    EXPECT_TRUE((PortRange{20, 30}.overlaps({10, 20})));
    EXPECT_TRUE((PortRange{10, 30}.overlaps({15, 16})));
    EXPECT_FALSE((PortRange{10, 19}.overlaps({20, 30})));
}

}  // namespace
}  // namespace sluice::base
