#include "acl/classifier.h"

#include <gtest/gtest.h>

#include "unit/acl/rule_sets.h"

namespace sluice::acl {
namespace {

using testing::Maker;
using testing::RuleSet;
using testing::Shape;

// Every shape, of few rules and of many, against a look at one rule after the other.
TEST(Classifier, FindsWhatALinearScanFinds) {
    for (const auto& [shape, name] : testing::kShapes) {
        for (const auto& [count, lists, packets] :
             {std::tuple{1, 60, 50}, {5, 60, 100}, {60, 40, 200}, {600, 6, 1000}, {3000, 1, 2000}}) {
            size_t found = 0;
            for (int list = 0; list < lists; ++list) {
                Maker maker(static_cast<uint64_t>(1000 * count + list));
                const RuleSet set = maker.make(shape, static_cast<size_t>(count));
                const Classifier classifier(set.rules, set.sets);
                for (int i = 0; i < packets; ++i) {
                    const Subject subject = maker.subject(set);
                    const uint32_t expected = find_linearly(set, subject);
                    ASSERT_EQ(classifier.find(subject), expected)
                        << name << ", " << count << " rules, list " << list << ", packet " << i;
                    found += expected != kNoRule;
                }
            }
            // Packets that find nothing would prove little.
            EXPECT_GT(found, static_cast<size_t>(lists * packets / 5)) << name << ", " << count << " rules";
        }
    }
}

TEST(Classifier, NoRulesMatchNothingAndAnEmptyOneMatchesAll) {
    EXPECT_EQ(Classifier({}, {}).find({}), kNoRule);
    EXPECT_EQ(Classifier({{}}, {}).find({}), 0u);
    Subject six;
    six.ipv6 = true;
    EXPECT_EQ(Classifier({{}}, {}).find(six), 0u);
}

TEST(Classifier, WhatIsNotIpMatchesRulesThatAskForNothingOfIp) {
    RuleConfig port, mpls, ipv6, any;
    port.match.protocol = ProtocolNumber{6};
    mpls.match.ether_type = testing::ether_types({0x8848, 0x8847});
    ipv6.match.ether_type = testing::ether_types({0x86dd});
    const auto of_type = [](uint16_t type) { return Subject{.is_ip = false, .ether_type = type}; };
    const Classifier closed({port, ipv6, mpls}, {});
    EXPECT_EQ(closed.find(of_type(0x8847)), 2u);
    EXPECT_EQ(closed.find(of_type(0x8863)), kNoRule);
    EXPECT_EQ(closed.find(of_type(0)), kNoRule);
    EXPECT_EQ(closed.find(Subject{.ipv6 = true}), 1u);
    EXPECT_EQ(closed.find(Subject{}), kNoRule);
    const Classifier open({port, mpls, any, mpls}, {});
    EXPECT_EQ(open.find(of_type(0x8848)), 1u);
    EXPECT_EQ(open.find(of_type(0x88f7)), 2u);
    EXPECT_EQ(open.find(of_type(38)), 2u) << "an LLC frame's length";
    EXPECT_EQ(Classifier({any, mpls}, {}).find(of_type(0x8847)), 0u);
}

// The first address and port there are, and the last.
TEST(Classifier, TheEndsOfTheRangesAreInThem) {
    RuleConfig first, last, last6;
    first.match.from = {{IpPrefix{IpAddress::from_v4(0), 32}, {}}};
    last.match.from = {{IpPrefix{IpAddress::from_v4(0xffff'ffff), 32}, {}}};
    last.match.protocol = ProtocolNumber{6};
    last.match.to_port = {{65535, 65535}};
    IpAddress ones;
    ones.bytes.fill(0xff);
    last6.match.to = {{IpPrefix{ones, 128}, {}}};
    const Classifier classifier({first, last, last6}, {});
    Subject subject;
    EXPECT_EQ(classifier.find(subject), 0u);
    subject.source = wire::be32(0xffff'ffff);
    EXPECT_EQ(classifier.find(subject), kNoRule);
    subject.protocol = 6;
    subject.has_ports = true;
    subject.destination_port = 65535;
    EXPECT_EQ(classifier.find(subject), 1u);
    subject.destination_port = 65534;
    EXPECT_EQ(classifier.find(subject), kNoRule);
    subject.ipv6 = true;
    EXPECT_EQ(classifier.find(subject), kNoRule);
    subject.destination6 = ones.bytes;
    EXPECT_EQ(classifier.find(subject), 2u);
}

// What a fragment behind the first doesn't have, no rule can ask for; a rule that doesn't ask matches it.
TEST(Classifier, ALaterFragmentHasNoPortsFlagsOrTypes) {
    RuleConfig port, flags, type, any;
    port.match.protocol = flags.match.protocol = ProtocolNumber{6};
    port.match.to_port = {{0, 65535}};
    flags.match.tcp_flags = {{2, false}};
    type.match.protocol = ProtocolNumber{1};
    type.match.icmp_type = 0;
    const Classifier classifier({port, flags, type, any}, {});
    Subject subject;
    subject.fragment = subject.later_fragment = true;
    for (const uint8_t protocol : {6, 1}) {
        subject.protocol = protocol;
        EXPECT_EQ(classifier.find(subject), 3u);
    }
    subject.later_fragment = false;
    EXPECT_EQ(classifier.find(subject), 2u);
}

// The last rules of a list longer than any power of two that the classifier may count in.
TEST(Classifier, FindsTheLastOfAsManyRulesAsThereMayBe) {
    RuleSet set;
    for (size_t i = 0; i < kMaxRules; ++i) {
        RuleConfig rule;
        rule.match.from = {{IpPrefix{IpAddress::from_v4(static_cast<uint32_t>(i)), 32}, {}}};
        set.rules.push_back(std::move(rule));
    }
    const Classifier classifier(set.rules, {});
    for (const uint32_t i : {0U, 511U, 512U, 32767U, 65535U}) {
        Subject subject;
        subject.source = wire::be32(i);
        EXPECT_EQ(classifier.find(subject), i);
    }
    Subject beyond;
    beyond.source = wire::be32(65536);
    EXPECT_EQ(classifier.find(beyond), kNoRule);
}

}  // namespace
}  // namespace sluice::acl
