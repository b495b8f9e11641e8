#include "base/text.h"

#include <gtest/gtest.h>

#include <array>

#include "base/error.h"
#include "base/log.h"

namespace sluice::base {
namespace {

constexpr std::array<std::string_view, 4> kKeys = {"address", "network", "name", "netns"};

TEST(Text, NearestFindsASlipOfTheFinger) {
    EXPECT_EQ(nearest("adress", kKeys), "address");
    EXPECT_EQ(nearest("nmae", kKeys), "name");  // a swap is one edit
    EXPECT_EQ(nearest("networks", kKeys), "network");
}

TEST(Text, NearestSuggestsNothingFarFetched) {
    EXPECT_EQ(nearest("colour", kKeys), std::nullopt);
    EXPECT_EQ(nearest("x", kKeys), std::nullopt);
    EXPECT_EQ(nearest("", kKeys), std::nullopt);
    EXPECT_EQ(nearest(std::string(100'000, 'a'), kKeys), std::nullopt);
}

TEST(Text, EscapedTextIsOneHarmlessLine) {
    EXPECT_EQ(escaped("a\nb\x1b[2J"), "a\\x0ab\\x1b[2J");
    EXPECT_EQ(escaped("Zür\xff"), "Zür\\xff");
    EXPECT_EQ(escaped("\xc2\x9b"), "\\x9b");  // CSI in one character
}

TEST(Text, LowerTextHasSmallLetters) {
    EXPECT_EQ(lower("NetworkPolicy-Ä7"), "networkpolicy-Ä7");
}

TEST(Text, ShownTextIsCutBetweenCharacters) {
    EXPECT_EQ(shown("web"), "'web'");
    std::string longer(59, 'a');
    for (int i = 0; i < 10; ++i) longer += "ü";
    EXPECT_EQ(shown(longer), "'" + std::string(59, 'a') + "…'");
}

TEST(Text, Utf8DecoderRefusesOverlongSurrogateAndTruncated) {
    for (std::string_view bad : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                 "\xe2\x82", "\x80", "\xff"}) {
        std::string_view rest = bad;
        EXPECT_EQ(take_character(rest), std::nullopt) << escaped(bad);
        EXPECT_EQ(rest, bad);
    }
    std::string_view rest = "\xf0\x9f\x98\x80!";
    EXPECT_EQ(take_character(rest), char32_t{0x1f600});
    EXPECT_EQ(rest, "!");
}

TEST(Error, TextNamesKeyAndPlace) {
    const std::string message = "5000 is not a VLAN id";
    const Place place{"host.yaml", 41, 11};
    EXPECT_EQ((Error{message, "ports[2].vlan", place}.text()),
              "ports[2].vlan (host.yaml:41:11): 5000 is not a VLAN id");
    EXPECT_EQ((Error{message, "", place}.text()), "host.yaml:41:11: 5000 is not a VLAN id");
    EXPECT_EQ((Error{message, "vlan", {}}.text()), "vlan: 5000 is not a VLAN id");
    EXPECT_EQ((Error{message, "", {}}.text()), message);
}

TEST(Error, FailErrnoEndsWithTheReason) {
    errno = ENOENT;
    EXPECT_EQ(fail_errno("opening x").value().message, "opening x: No such file or directory");
}

TEST(Log, WritesOneLineAndOnlyWhatIsEnabled) {
    ::testing::internal::CaptureStderr();
    log::info("port", "quiet by default");
    log::warning("port", "{}: gone\nforged", "web");
    log::notice("port", "link up");
    log::set_level(log::Level::kDebug);
    log::debug("port", "heard");
    log::set_level(log::Level::kNotice);
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find("warning port: web: gone\\x0aforged\n"), text.npos);
    EXPECT_NE(text.find("notice port: link up\n"), text.npos);
    EXPECT_NE(text.find("debug port: heard\n"), text.npos);
    EXPECT_EQ(text.find("quiet"), text.npos);
}

}  // namespace
}  // namespace sluice::base
