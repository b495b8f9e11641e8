#include <gtest/gtest.h>

#include "engine/diff.h"
#include "engine/machine.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

Config load(std::string_view yaml, const std::vector<port::PortConfig>& added = {}) {
    auto config = load_config(yaml, "f", added, Machine{});
    EXPECT_TRUE(config) << yaml;
    return config ? *config : Config{};
}

// "change port web (f:1:2): mtu: 1500 -> 1400; port reopened"
Texts changes(const Config& from, const Config& to) {
    Texts texts;
    for (const Change& change : diff(from, to)) {
        texts.push_back(fmt::format("{} {} ({}): {}; {}", base::word_of(change.action), change.object, change.origin,
                                    change.detail, base::word_of(change.effect)));
    }
    return texts;
}

TEST(Diff, NothingBetweenEquals) {
    const Config config = load("ports: [{name: a, netns: a}]");
    EXPECT_EQ(changes(config, config), Texts{});
    // The same, elsewhere in the file.
    EXPECT_EQ(changes(config, load("\n\nports:\n- netns: a\n  name: a\n")), Texts{});
}

TEST(Diff, ADefaultIsTheSameAsItsValue) {
    const Config from = load("ports: [{name: a, netns: a}]");
    EXPECT_EQ(
        changes(from,
                load("ports: [{name: a, netns: a, mtu: 1500, flood-limit: {broadcast: 1000}}]")),
        Texts{});
    const Config to = load("ports: [{name: a, netns: a, mtu: 1400}]");
    ASSERT_EQ(changes(from, to).size(), 1u);
    EXPECT_NE(changes(from, to)[0].find("mtu: 1500 -> 1400"), std::string::npos)
        << changes(from, to)[0];
}

TEST(Diff, ARateLimitAloneChangesNoFlow) {
    const Config from = load("networks: [{name: n}]\nports: [{name: a, netns: a, network: n}]");
    const std::string port =
        "networks: [{name: n}]\nports: [{name: a, netns: a, network: n, rate-limit: {ingress: {rate: 1M}}";
    EXPECT_EQ(changes(from, load(port + "}]")),
              Texts{"change port a (f:2:9): rate-limit: none -> {ingress: {rate: 1M, burst: 256 KiB}}; nothing"});
    for (const Change& change : diff(from, load(port + "}]"))) EXPECT_TRUE(change.outdates.empty());
    EXPECT_EQ(changes(from, load(port + ", spoofing: allow}]")).size(), 1u);
    for (const Change& change : diff(from, load(port + ", spoofing: allow}]")))
        EXPECT_FALSE(change.outdates.empty());
}

// As many as a request may hold: what compares each with each is busy for minutes.
TEST(Diff, FindsEachOfManyByItsName) {
    Config from, to;
    constexpr uint32_t kCount = 100'000;
    for (uint32_t i = 0; i < kCount; ++i) {
        from.routes.push_back({.to = {IpAddress::from_v4(i << 8), 24}, .kind = route::Kind::kBlackhole});
        to.routes.push_back({.to = {IpAddress::from_v4((kCount - i) << 8), 24}, .kind = route::Kind::kBlackhole});
    }
    to.routes[1].kind = route::Kind::kUnreachable;
    EXPECT_EQ(changes(from, to),
              (Texts{"remove route 0.0.0.0/24 (added): ; flows decided anew",
                     "add route 1.134.160.0/24 (added): ; flows decided anew",
                     "change route 1.134.159.0/24 (added): type: blackhole -> unreachable; flows decided anew"}));
}

TEST(Diff, NamesSectionsAndTheirKeys) {
    EXPECT_EQ(changes(Config{}, load("workers: {idle: poll, cores: [1]}\nlog: {level: info}\n"
                                     "state: /s\ndpdk: {args: [x]}\npolicy: {default: deny}")),
              (Texts{"change workers (): idle: adaptive -> poll, cores: none -> [1]; needs a restart",
                     "change dpdk (): args: none -> [x]; needs a restart",
                     "change log (): level: notice -> info; nothing",
                     "change state (): /var/lib/sluice/state.json -> /s; needs a restart",
                     "change policy (): default: allow -> deny; flows decided anew"}));
}

TEST(Diff, NamesObjectsAndTheirKeys) {
    const Config from = load(
        "networks: [{name: blue}]\n"
        "ports: [{name: a, netns: a, network: blue}, {name: b, netns: b}]");
    const Config to = load(
        "networks: [{name: blue, ageing: 5}, {name: red}]\n"
        "ports: [{name: a, netns: a, mtu: 1400}, {name: c, netns: c}]");
    EXPECT_EQ(changes(from, to),
              (Texts{"change network blue (f:1:12): ageing: 300 -> 5; flows decided anew",
                     "add network red (f:1:37): ; flows decided anew", "remove port b (f:2:45): ; port closed",
                     "change port a (f:2:9): network: blue -> none, mtu: 1500 -> 1400; flows decided anew",
                     "add port c (f:2:41): ; port opened"}));
    const std::vector<Change> all = diff(from, to);
    ASSERT_EQ(all[0].keys.size(), 1u);
    EXPECT_EQ(all[0].keys[0].key, "ageing");
    EXPECT_EQ(all[0].keys[0].from.text, "300");
    EXPECT_EQ(all[0].keys[0].to.text, "5");
}

TEST(Diff, SaysWhetherTrafficIsDisturbed) {
    auto effect = [](const std::string& from, const std::string& to) {
        const auto all = diff(load(from), load(to));
        EXPECT_EQ(all.size(), 1u);
        return base::word_of(all.at(0).effect);
    };
    EXPECT_EQ(effect("ports: [{name: a, device: d}]", "ports: [{name: a, device: d, mtu: 9000}]"), "port reopened");
    EXPECT_EQ(effect("ports: [{name: a, netns: d}]", "ports: [{name: a, netns: d, queues: 2}]"), "port reopened");
    EXPECT_EQ(effect("ports: [{name: a, netns: d}]", "ports: [{name: a, netns: e}]"), "port reopened");
    EXPECT_EQ(effect("ports: [{name: a, netns: d}]", "ports: [{name: a, netns: d, mac-limit: 2}]"), "flows decided anew");
    EXPECT_EQ(effect("networks: [{name: n}]", "networks: [{name: n, mac-table-size: 16}]"), "addresses learned anew");
    EXPECT_EQ(effect("acls: [{name: l, rules: []}]", "acls: [{name: l, rules: [{permit: {}}]}]"), "flows decided anew");
    EXPECT_EQ(effect("workers: {idle: poll}", ""), "nothing");
    EXPECT_EQ(effect("policy: {default: deny}", ""), "flows decided anew");
}

// Of a long value what differs in it.
TEST(Diff, TellsTheRulesThatDiffer) {
    auto list = [](int first) {
        std::string text = "acls: [{name: l, rules: [";
        for (int i = 0; i < 20; ++i) text += fmt::format("{{permit: {{proto: tcp, port: {}}}}},", i == 7 ? first : i);
        return load(text + "]}]");
    };
    EXPECT_EQ(changes(list(7), list(70)),
              Texts{"change acl l (f:1:8): rules[7].permit: {proto: tcp, port: [7]} -> {proto: tcp, port: "
                    "[70]}; flows decided anew"});
}

TEST(Diff, NamesWhatWasAddedWhileRunning) {
    const std::vector<port::PortConfig> added{{.name = "x", .netns = "x"}};
    EXPECT_EQ(changes(Config{}, load("", added)), Texts{"add port x (added): ; port opened"});
    EXPECT_EQ(changes(load("", added), Config{}), Texts{"remove port x (added): ; port closed"});
}

TEST(Diff, EntriesOfTranslationAreToldOneByOne) {
    const std::string networks =
        "networks:\n"
        "- {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.1]}\n"
        "- {name: out, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n";
    const std::string web = "{name: web, address: 10.9.0.1, ports: [{port: 80}], backends: [{address: 10.0.0.2}]}";
    const Config from = load(networks + "services: [" + web + "]\nnat: [{masquerade: [pods], out: out}]\n" +
                             "publish: [{port: 80, to: '10.0.0.2:80'}, {port: 81, to: '10.0.0.3:81'}]\n");
    const Config to =
        load(networks +
             "services: [{name: web, address: 10.9.0.3, ports: [{port: 80}], backends: [{address: 10.0.0.2}]},\n"
             "  {name: db, address: 10.9.0.2, ports: [{port: 5432}], backends: [{address: 10.0.0.3}]}]\n"
             "nat: [{masquerade: [pods], out: out, ipv6: true}]\n"
             "publish: [{port: 81, to: '10.0.0.3:81'}, {port: 53, proto: udp, to: '10.0.0.3:53'}]\n");
    EXPECT_EQ(changes(from, to),
              (Texts{"change service web (f:4:12): address: [10.9.0.1] -> [10.9.0.3]; flows decided anew",
                     "add service db (f:5:3): ; flows decided anew",
                     "change nat pods by out (f:6:7): ipv6: false -> true; flows decided anew",
                     "remove publish port 80/tcp (f:6:11): ; flows decided anew",
                     "add publish port 53/udp (f:7:42): ; flows decided anew"}));
    const Config turned = load(networks + "services: [" + web + "]\nnat: [{masquerade: [pods], out: out}]\n" +
                               "publish: [{port: 81, to: '10.0.0.3:81'}, {port: 80, to: '10.0.0.2:80'}]\n");
    EXPECT_EQ(changes(from, turned),
              Texts{"change publish (f:6:11): the order of the entries; flows decided anew"});
}

}  // namespace
}  // namespace sluice::engine
