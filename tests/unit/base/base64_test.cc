#include "base/base64.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

// The vectors of RFC 4648, 10.
TEST(Base64, HasTheVectorsOfItsRfc) {
    const std::pair<const char*, const char*> rows[] = {
        {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : rows) {
        EXPECT_EQ(to_base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
}

TEST(Base64, CarriesEveryByte) {
    std::string bytes;
    for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(i * 7 + i / 256);
    for (size_t size = 0; size < bytes.size(); ++size) {
        const std::string some = bytes.substr(0, size);
        ASSERT_EQ(from_base64(to_base64(some)), some);
    }
}

TEST(Base64, RefusesWhatItDidNotMake) {
    for (const char* text : {"Z", "Zg", "Zg=", "Z===", "====", "Zm9v=", "Zg==Zg==", "Zm 9", "Zm9*", "Zh==", "Zm9=",
                             "=m9v", "Z=9v"}) {
        EXPECT_FALSE(from_base64(text)) << text;
    }
}

}  // namespace
}  // namespace sluice::base
