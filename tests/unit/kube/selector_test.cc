#include "kube/selector.h"

#include <gtest/gtest.h>

namespace sluice::kube {
namespace {

const Labels kWeb({{"tier", "front"}, {"app", "web"}, {"empty", ""}});

bool matches(std::string_view selector, const Labels& labels = kWeb) {
    const auto parsed = Selector::parse(selector);
    EXPECT_TRUE(parsed) << selector << ": " << parsed.error();
    return parsed && parsed->matches(labels);
}

TEST(Labels, AreSortedAndUnique) {
    const Labels labels({{"b", "1"}, {"a", "2"}, {"b", "3"}});
    EXPECT_EQ(labels.text(), "a=2,b=3");
    Labels more = labels;
    more.set("aa", "x");
    more.set("a", "y");
    EXPECT_EQ(more.text(), "a=y,aa=x,b=3");
    EXPECT_EQ(more.find("c"), nullptr);
}

TEST(Selector, EachOperatorMeansWhatTheApiSays) {
    EXPECT_TRUE(matches(""));
    EXPECT_TRUE(matches("app=web"));
    EXPECT_TRUE(matches("app==web,tier=front"));
    EXPECT_FALSE(matches("app=web,tier=back"));
    EXPECT_TRUE(matches("app in (api, web)"));
    EXPECT_FALSE(matches("app in (api)"));
    EXPECT_TRUE(matches("tier"));
    EXPECT_FALSE(matches("zone"));
    EXPECT_TRUE(matches("!zone"));
    EXPECT_FALSE(matches("!tier"));
}

// What implementers get wrong: NotIn holds for an object that lacks the key; an empty value is a value.
TEST(Selector, AbsentKeysAndEmptyValuesAreTwoThings) {
    EXPECT_TRUE(matches("zone!=a"));
    EXPECT_TRUE(matches("zone notin (a,b)"));
    EXPECT_FALSE(matches("app notin (web)"));
    EXPECT_TRUE(matches("empty="));
    EXPECT_FALSE(matches("zone="));
    EXPECT_FALSE(matches("app="));
    EXPECT_TRUE(matches("empty in ()") && !matches("zone in ()"));
}

TEST(Selector, TheSameInAnotherOrderIsEqual) {
    EXPECT_EQ(*Selector::parse("a in (x,y),b"), *Selector::parse("b , a in ( y,x,x )"));
    EXPECT_NE(*Selector::parse("a in (x,y)"), *Selector::parse("a notin (x,y)"));
}

TEST(Selector, TextParsesBack) {
    for (const char* text : {"a=x", "a!=x", "a in (x,y)", "a notin (x,y)", "a", "!a", "a=x,b,!c", "x.io/k=v", "a="}) {
        const auto parsed = Selector::parse(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(*Selector::parse(parsed->text()), *parsed) << text;
    }
}

TEST(Selector, MistakesAreSentences) {
    const auto mistake = [](std::string_view text) {
        const auto parsed = Selector::parse(text);
        return parsed ? std::string("none") : parsed.error();
    };
    EXPECT_TRUE(mistake("=x").starts_with("'' is not a label's key"));
    EXPECT_TRUE(mistake("a=-x").starts_with("'-x' is not a label's value"));
    EXPECT_EQ(mistake("a b"), "expected =, ==, !=, in or notin behind 'a', found 'b'");
    EXPECT_EQ(mistake("a in x"), "expected '(' behind 'in'");
    EXPECT_EQ(mistake("a in (x"), "the ')' of 'in' is missing");
    EXPECT_EQ(mistake("a=x,"), "a requirement is missing behind the last ','");
    EXPECT_EQ(mistake("a=x=y"), "expected ',' before '=y'");
}

TEST(Names, FollowTheApisRules) {
    const std::string long_name(63, 'a');
    EXPECT_TRUE(why_no_label_key("app").empty());
    EXPECT_TRUE(why_no_label_key("kubernetes.io/metadata.name").empty());
    EXPECT_TRUE(why_no_label_key("A_b.C-9").empty());
    for (const char* key : {"", "-a", "a-", "/a", "a/", "A.io/x", "a/b/c", "a b"}) {
        EXPECT_FALSE(why_no_label_key(key).empty()) << key;
    }
    EXPECT_TRUE(why_no_label_value("").empty());
    EXPECT_TRUE(why_no_label_value(long_name).empty());
    EXPECT_FALSE(why_no_label_value(long_name + "a").empty());
    EXPECT_TRUE(why_no_dns_label("a-1").empty());
    for (const char* label : {"", "A", "a.b", "-a", "a-", "a_b"}) EXPECT_FALSE(why_no_dns_label(label).empty());
    EXPECT_TRUE(why_no_dns_subdomain("a.b-c.1").empty());
    for (const char* name : {"", ".a", "a.", "a..b", "a.-b"}) EXPECT_FALSE(why_no_dns_subdomain(name).empty());
    EXPECT_TRUE(why_no_port_name("http-2").empty());
    for (const char* name : {"", "80", "a--b", "-a", "a-", "Http", "sixteen-letters-"}) {
        EXPECT_FALSE(why_no_port_name(name).empty()) << name;
    }
}

}  // namespace
}  // namespace sluice::kube
