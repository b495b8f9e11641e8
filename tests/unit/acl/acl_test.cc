#include "acl/acl.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace sluice::acl {
namespace {

AclConfig read_acl(std::string_view yaml) {
    AclConfig acl;
    const auto document = base::parse_yaml(yaml, "f.yaml");
    for (const auto& error : base::read(*document, acl)) ADD_FAILURE() << error.text();
    return acl;
}

Subject to_port(uint16_t port) {
    Subject subject;
    subject.protocol = 6;
    subject.has_ports = true;
    subject.source_port = 40000;
    subject.destination_port = port;
    return subject;
}

constexpr const char* kApi = R"(
name: api
rules:
  - permit: {proto: tcp, port: 80}
    name: web
    stateful: false
  - reject: {proto: tcp, port: 81}
    log: true
  - permit: {proto: tcp, port: 82}
)";

TEST(List, AnswersWhatTheFirstMatchingRuleSays) {
    uint32_t next = 10;
    const auto list = compile(read_acl(kApi), {}, nullptr, next);
    EXPECT_EQ(next, 14u);
    const Answer web = list->judge(to_port(80));
    EXPECT_EQ(web.action, Action::kPermit);
    EXPECT_FALSE(web.stateful);
    EXPECT_FALSE(web.log);
    EXPECT_EQ(web.object, 10u);
    EXPECT_EQ(web.rule, 0u);
    const Answer rejected = list->judge(to_port(81));
    EXPECT_EQ(rejected.action, Action::kReject);
    EXPECT_TRUE(rejected.log);
    EXPECT_EQ(rejected.object, 11u);
    EXPECT_TRUE(list->judge(to_port(82)).stateful);
}

TEST(List, DeniesAtItsEnd) {
    uint32_t next = 1;
    const auto list = compile(read_acl(kApi), {}, nullptr, next);
    const Answer end = list->judge(to_port(83));
    EXPECT_EQ(end.action, Action::kDeny);
    EXPECT_FALSE(end.log);
    EXPECT_EQ(end.rule, kNoRule);
    EXPECT_EQ(end.object, 4u);
    EXPECT_EQ(list->hits(kNoRule), 1u);
    const auto none = compile(read_acl("{name: none, rules: []}"), {}, nullptr, next);
    EXPECT_EQ(none->judge(to_port(80)).rule, kNoRule);
    EXPECT_EQ(none->hits(kNoRule), 1u);
}

TEST(List, CountsWhatItJudgesAndNotWhatIsAsked) {
    uint32_t next = 1;
    const auto list = compile(read_acl(kApi), {}, nullptr, next);
    for (int i = 0; i < 3; ++i) list->judge(to_port(81));
    const Answer asked = list->look_up(to_port(81));
    EXPECT_EQ(asked.rule, 1u);
    EXPECT_EQ(asked.object, 2u);
    EXPECT_EQ(list->hits(0), 0u);
    EXPECT_EQ(list->hits(1), 3u);
}

TEST(List, NamesItsRules) {
    uint32_t next = 7;
    const auto list = compile(read_acl(kApi), {}, nullptr, next);
    const Object web = list->describe(0);
    EXPECT_EQ(web.kind, "acl-rule");
    EXPECT_EQ(web.name, "api rule 1 (web)");
    EXPECT_EQ(web.place.file, "f.yaml");
    EXPECT_EQ(web.place.line, 4);
    EXPECT_EQ(list->describe(1).name, "api rule 2");
    EXPECT_EQ(list->describe(kNoRule).name, "api end");
    EXPECT_EQ(list->describe(kNoRule).place.line, 2);
    EXPECT_EQ(list->find_object(8), 1u);
    EXPECT_EQ(list->find_object(list->object(kNoRule)), kNoRule);
    EXPECT_EQ(list->find_object(11), std::nullopt);
}

TEST(List, RulesThatStayKeepTheirNumbersAndHits) {
    uint32_t next = 1;
    const auto before = compile(read_acl(kApi), {}, nullptr, next);
    for (const uint16_t port : {80, 81, 81, 82, 82, 82, 83}) before->judge(to_port(port));
    // The second is moved to the front, the third changed, a fourth is new.
    const auto after = compile(read_acl(R"(
name: api
rules:
  - reject: {proto: tcp, port: 81}
    log: true
  - permit: {proto: tcp, port: 80}
    name: web
    stateful: false
  - permit: {proto: tcp, port: [82, 84]}
  - permit: {proto: udp}
)"), {}, before.get(), next);
    EXPECT_EQ(after->object(0), before->object(1));
    EXPECT_EQ(after->object(1), before->object(0));
    EXPECT_EQ(after->object(2), 5u);
    EXPECT_EQ(after->object(3), 6u);
    EXPECT_EQ(after->object(kNoRule), before->object(kNoRule));
    EXPECT_EQ(next, 7u);
    EXPECT_EQ(after->hits(0), 2u);
    EXPECT_EQ(after->hits(1), 1u);
    EXPECT_EQ(after->hits(2), 0u);
    EXPECT_EQ(after->hits(kNoRule), 1u);
    // A worker that still has the list before doesn't count in vain.
    before->judge(to_port(80));
    EXPECT_EQ(after->hits(1), 2u);
    EXPECT_EQ(after->describe(0).place.line, 4);
}

TEST(List, EqualRulesAreToldApart) {
    constexpr const char* kTwice = "{name: a, rules: [{deny: {proto: tcp}}, {deny: {proto: tcp}}]}";
    constexpr const char* kThrice =
        "{name: a, rules: [{permit: {proto: udp}}, {deny: {proto: tcp}}, {permit: {proto: sctp}},"
        " {deny: {proto: tcp}}, {deny: {proto: tcp}}]}";
    uint32_t next = 1;
    const auto twice = compile(read_acl(kTwice), {}, nullptr, next);
    const auto thrice = compile(read_acl(kThrice), {}, twice.get(), next);
    const auto again = compile(read_acl(kTwice), {}, thrice.get(), next);
    for (const auto& list : {twice, thrice, again}) {
        std::vector<uint32_t> objects;
        for (uint32_t i = 0; i < list->config().rules.size(); ++i) objects.push_back(list->object(i));
        std::sort(objects.begin(), objects.end());
        EXPECT_EQ(std::adjacent_find(objects.begin(), objects.end()), objects.end());
    }
    EXPECT_EQ(next, 7u);  // three at first, then three new ones
}

// Changes of any kind at any place: rules that are in both lists keep their numbers, others get new ones.
TEST(List, NumbersFollowRulesThroughAnyChange) {
    std::mt19937 random(3);
    const auto rule = [](size_t i) {
        RuleConfig config;
        config.match.protocol = ProtocolNumber{6};
        config.match.to_port = {{static_cast<uint16_t>(i), static_cast<uint16_t>(i)}};
        return config;
    };
    uint32_t next = 1;
    AclConfig config{.name = "a"};
    std::shared_ptr<const List> list;
    for (int change = 0; change < 50; ++change) {
        std::vector<size_t> ports(100);
        for (size_t i = 0; i < ports.size(); ++i) ports[i] = i + 10 * (random() % 3);
        std::sort(ports.begin(), ports.end());
        ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
        if (change % 2 == 0) std::shuffle(ports.begin(), ports.end(), random);
        config.rules.clear();
        for (const size_t port : ports) config.rules.push_back(rule(port));
        const uint32_t first_new = next;
        const auto after = compile(config, {}, list.get(), next);
        for (uint32_t i = 0; i < config.rules.size(); ++i) {
            const Answer before = list ? list->look_up(to_port(static_cast<uint16_t>(ports[i]))) : Answer{};
            if (list && before.rule != kNoRule) {
                ASSERT_EQ(after->object(i), before.object);
            } else {
                ASSERT_GE(after->object(i), first_new);
            }
            ASSERT_EQ(after->find_object(after->object(i)), i);
        }
        list = after;
    }
}

TEST(List, FollowsItsSets) {
    const AclConfig config = read_acl("{name: a, rules: [{permit: {from: web}}]}");
    const auto set = [](const char* address) {
        return std::vector<AddressSetConfig>{{"web", {*parse_value(address, static_cast<Block*>(nullptr))}}};
    };
    Subject subject;
    subject.source = wire::be32(0x0a000001);
    uint32_t next = 1;
    const auto before = compile(config, set("10.0.0.1"), nullptr, next);
    EXPECT_EQ(before->judge(subject).rule, 0u);
    const auto after = compile(config, set("10.0.0.2"), before.get(), next);
    EXPECT_EQ(after->judge(subject).rule, kNoRule);
    EXPECT_EQ(after->object(0), before->object(0));
    EXPECT_EQ(compile(config, set("10.0.0.1"), after.get(), next)->judge(subject).rule, 0u);
}

// What a change of words alone leaves shared answers as before.
TEST(List, AChangeOfTheActionTakesEffect) {
    uint32_t next = 1;
    const auto before = compile(read_acl("{name: a, rules: [{permit: {proto: tcp}}]}"), {}, nullptr, next);
    const auto after = compile(read_acl("{name: a, rules: [{deny: {proto: tcp}}]}"), {}, before.get(), next);
    EXPECT_EQ(after->judge(to_port(1)).action, Action::kDeny);
    EXPECT_EQ(before->judge(to_port(1)).action, Action::kPermit);
    EXPECT_NE(after->object(0), before->object(0));
}

TEST(List, NoHitOfTwoWorkersIsLost) {
    uint32_t next = 1;
    const auto list = compile(read_acl(kApi), {}, nullptr, next);
    constexpr uint64_t kHits = 20'000;
    const auto work = [&] {
        for (uint64_t i = 0; i < kHits; ++i) list->judge(to_port(static_cast<uint16_t>(80 + i % 2)));
    };
    std::thread other(work);
    work();
    other.join();
    EXPECT_EQ(list->hits(0), kHits);
    EXPECT_EQ(list->hits(1), kHits);
}

}  // namespace
}  // namespace sluice::acl
