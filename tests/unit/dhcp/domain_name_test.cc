#include "dhcp/domain_name.h"

#include <gtest/gtest.h>

namespace sluice::dhcp {
namespace {

TEST(DomainName, KnowsNames) {
    const std::string label(63, 'a');
    for (const std::string& name : {std::string("a"), std::string("blue.test"), std::string("_tcp.A-1.test."),
                                    label + "." + label + "." + label + "." + label.substr(2)}) {
        EXPECT_TRUE(is_domain_name(name)) << name;
    }
    for (const std::string& name :
         {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a.."),
          std::string("-a"), std::string("a-.b"), std::string("a b"), std::string("a\0b", 3), label + "a",
          label + "." + label + "." + label + "." + label}) {
        EXPECT_FALSE(is_domain_name(name)) << name;
    }
}

TEST(DomainName, EncodesLabels) {
    EXPECT_EQ(encode_name("ab.c"), (Bytes{2, 'a', 'b', 1, 'c', 0}));
    EXPECT_EQ(encode_name("ab.c."), (Bytes{2, 'a', 'b', 1, 'c', 0}));
    const std::vector<std::string> names{"a", "b"};
    EXPECT_EQ(encode_names(names), (Bytes{1, 'a', 0, 1, 'b', 0}));
}

TEST(DomainName, TakesAHostsNameFromAStranger) {
    EXPECT_EQ(host_label("Web-1"), "web-1");
    EXPECT_EQ(host_label("web.blue.test"), "web");
    EXPECT_EQ(host_label(std::string_view("web\0", 4)), "web");
    for (const char* text : {"", "a_b", "-a", "a\x1b[2J", "..", " a"}) EXPECT_EQ(host_label(text), "") << text;
    EXPECT_EQ(host_label(std::string(64, 'a')), "");
}

}  // namespace
}  // namespace sluice::dhcp
