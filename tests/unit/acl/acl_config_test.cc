#include "acl/acl_config.h"

#include <gtest/gtest.h>

namespace sluice::acl {
namespace {

using Texts = std::vector<std::string>;

// The sections of a configuration that are about ACLs.
struct Sections {
    std::vector<AddressSetConfig> sets;
    std::vector<AclConfig> acls;

    bool operator==(const Sections&) const = default;
};

template <class V>
void fields(V& v, Sections& s) {
    v.optional("address-sets", s.sets);
    v.optional("acls", s.acls);
}

struct Loaded {
    Sections sections;
    Texts errors;
};

Loaded load(std::string_view yaml) {
    Loaded loaded;
    const auto document = base::parse_yaml(yaml, "f");
    if (!document) {
        ADD_FAILURE() << document.error()[0].text();
        return loaded;
    }
    for (const auto& error : base::read(*document, loaded.sections)) loaded.errors.push_back(error.text());
    for (const auto& error : validate(loaded.sections.acls, loaded.sections.sets, &*document).errors) {
        loaded.errors.push_back(error.text());
    }
    return loaded;
}

// What is wrong with a rule that is the only one.
Texts rule_errors(std::string_view rule) {
    return load(fmt::format("address-sets: [{{name: web, addresses: [10.0.0.1]}}]\n"
                            "acls:\n- name: api\n  rules:\n  - {}\n", rule)).errors;
}

Texts one(std::string text) {
    return {std::move(text)};
}

constexpr const char* kEverything = R"(
address-sets:
  - name: frontends
    addresses: [10.0.0.0/24, 10.1.0.7, "fd00::/64"]
  - {name: nobody, addresses: []}
acls:
  - name: api
    apply: {port: api, direction: ingress}
    rules:
      - permit: {proto: tcp, from: [frontends, 10.2.0.0/16], to: 10.0.0.9, from-port: [1024-65535],
                 port: [8080, 9000-9010]}
        name: web
        stateful: false
        log: true
      - reject: {proto: icmp, type: 8, code: 0}
      - deny: {proto: 6, dscp: 46, tcp-flags: [syn, "!ack"], fragments: true}
      - permit: {}
      - permit: {ethertype: [ipv6, 0x8847, 34525]}
  - name: lan
    apply: [{network: blue, direction: egress}, {port: api, direction: ingress}]
    rules: []
)";

TEST(AclConfig, ReadsEveryKey) {
    const auto [sections, errors] = load(kEverything);
    EXPECT_EQ(errors, Texts{});
    ASSERT_EQ(sections.sets.size(), 2u);
    EXPECT_EQ(to_text(sections.sets[0].addresses[1]), "10.1.0.7");
    EXPECT_EQ(sections.sets[0].addresses[1].prefix.length, 32);
    ASSERT_EQ(sections.acls.size(), 2u);
    const AclConfig& api = sections.acls[0];
    ASSERT_EQ(api.apply.size(), 1u);
    EXPECT_EQ(api.apply[0].port, "api");
    EXPECT_EQ(api.apply[0].direction, Direction::kIngress);
    ASSERT_EQ(api.rules.size(), 5u);
    const RuleConfig& web = api.rules[0];
    EXPECT_EQ(web.action, Action::kPermit);
    EXPECT_EQ(web.name, "web");
    EXPECT_FALSE(web.stateful);
    EXPECT_TRUE(web.log);
    EXPECT_EQ(web.match.protocol->value, 6);
    EXPECT_EQ(web.match.from->at(0).set, "frontends");
    EXPECT_EQ(web.match.from->at(1).prefix.text(), "10.2.0.0/16");
    EXPECT_EQ(web.match.to->at(0).prefix.text(), "10.0.0.9/32");
    EXPECT_EQ(web.match.from_port->at(0), (PortRange{1024, 65535}));
    EXPECT_EQ(web.match.to_port->at(0), (PortRange{8080, 8080}));
    EXPECT_EQ(web.match.to_port->at(1), (PortRange{9000, 9010}));
    EXPECT_EQ(web.place.line, 10);
    EXPECT_EQ(api.rules[1].action, Action::kReject);
    EXPECT_TRUE(api.rules[1].stateful);
    EXPECT_FALSE(api.rules[1].log);
    EXPECT_EQ(api.rules[1].match.icmp_type, 8);
    EXPECT_EQ(api.rules[1].match.icmp_code, 0);
    const MatchConfig& denied = api.rules[2].match;
    EXPECT_EQ(api.rules[2].action, Action::kDeny);
    EXPECT_EQ(denied.dscp, 46);
    EXPECT_EQ(denied.fragments, true);
    EXPECT_EQ(denied.flag_bits().set, 2);
    EXPECT_EQ(denied.flag_bits().clear, 16);
    EXPECT_EQ(api.rules[3].match, MatchConfig{});
    const auto& types = *api.rules[4].match.ether_type;
    EXPECT_EQ(types[0].value, 0x86dd);
    EXPECT_EQ(to_text(types[1]), "0x8847");
    EXPECT_EQ(to_text(types[2]), "ipv6");
    EXPECT_EQ(sections.acls[1].apply[0].network, "blue");
    EXPECT_EQ(sections.acls[1].apply[0].direction, Direction::kEgress);
    EXPECT_TRUE(sections.acls[1].rules.empty());
}

TEST(AclConfig, WhatIsWrittenReadsBackEqual) {
    const Sections sections = load(kEverything).sections;
    const std::string text = base::to_yaml(base::write(sections));
    EXPECT_EQ(load(text).errors, Texts{}) << text;
    EXPECT_EQ(load(text).sections, sections) << text;
}

TEST(AclConfig, PlacesDontMakeADifferenceAndEveryKeyDoes) {
    const Sections sections = load(kEverything).sections;
    EXPECT_EQ(load("\n\n" + std::string(kEverything)).sections, sections);
    const std::pair<std::string, std::string> changes[] = {
        {"10.1.0.7", "10.1.0.8"}, {"port: api,", "port: apj,"},     {"ingress", "egress"},
        {"permit", "deny"},       {"proto: tcp", "proto: udp"},     {"frontends, 10", "nobody, 10"},
        {"10.0.0.9", "10.0.0.8"}, {"1024-", "1025-"},               {"8080", "8081"},
        {"name: web", "name: w"}, {"log: true", "log: false"},      {"stateful: false", "stateful: true"},
        {"type: 8", "type: 0"},   {"code: 0", "code: 1"},           {"dscp: 46", "dscp: 45"},
        {"0x8847", "0x8848"},     {"!ack", "ack"},          {"fragments: true", "fragments: false"}};
    for (const auto& [from, to] : changes) {
        std::string text = kEverything;
        text.replace(text.find(from), from.size(), to);
        EXPECT_FALSE(load(text).sections == sections) << from;
    }
}

TEST(AclConfig, ARuleHasOneAction) {
    EXPECT_EQ(rule_errors("{name: web}"),
              one("acls[0].rules[0] (f:5:5): one of the keys permit, deny, reject is missing"));
    EXPECT_EQ(rule_errors("{permit: {}, deny: {}}"),
              one("acls[0].rules[0].deny (f:5:24): stands beside `permit`: give one of them"));
    EXPECT_EQ(rule_errors("{permit: }"),
              one("acls[0].rules[0].permit (f:5:14): expected a mapping, found nothing"));
    EXPECT_EQ(rule_errors("{permit: {}, lgo: true}"),
              one("acls[0].rules[0] (f:5:18): unknown key 'lgo'; did you mean 'log'?"));
    EXPECT_EQ(rule_errors("{permit: {prto: tcp}}"),
              one("acls[0].rules[0].permit (f:5:15): unknown key 'prto'; did you mean 'proto'?"));
    EXPECT_EQ(rule_errors("{deny: {}, stateful: false}"),
              one("acls[0].rules[0].stateful (f:5:26): is for a `permit` only"));
}

TEST(AclConfig, AddressesAndSetsAreTold) {
    EXPECT_EQ(rule_errors("permit: {from: wbe}"),
              one("acls[0].rules[0].permit.from (f:5:20): there is no address set wbe; did you mean "
                  "'web'?"));
    EXPECT_EQ(rule_errors("reject: {to: [web, backends]}"),
              one("acls[0].rules[0].reject.to[1] (f:5:24): there is no address set backends"));
    EXPECT_EQ(rule_errors("permit: {from: 10.0.0.256}"),
              one("acls[0].rules[0].permit.from (f:5:20): '10.0.0.256' is not an IP address"));
    EXPECT_EQ(rule_errors("permit: {from: [10.0.0.0/33]}"),
              one("acls[0].rules[0].permit.from[0] (f:5:21): '10.0.0.0/33' has no valid prefix "
                  "length (0 to 32)"));
    EXPECT_EQ(rule_errors("permit: {from: [10.0.0.1/24]}"),
              one("acls[0].rules[0].permit.from[0] (f:5:21): '10.0.0.1/24' has bits set beyond its length; "
                  "did you mean 10.0.0.0/24?"));
    EXPECT_EQ(rule_errors("permit: {from: []}"),
              one("acls[0].rules[0].permit.from (f:5:20): is empty, and would match nothing: leave it out "
                  "to match all"));
    EXPECT_EQ(rule_errors("permit: {from: web, to: \"fd00::1\"}"),
              one("acls[0].rules[0] (f:5:5): no packet is from IPv4 and to IPv6 addresses"));
    EXPECT_EQ(rule_errors("permit: {from: [web, \"fd00::2\"], to: \"fd00::1\"}"), Texts{});
    EXPECT_EQ(rule_errors("permit: {from: \"::/0\", to: 10.0.0.1}"),
              one("acls[0].rules[0] (f:5:5): no packet is from IPv6 and to IPv4 addresses"));
    EXPECT_EQ(rule_errors("permit: {from: \"::/0\", to: \"fd00::1\"}"), Texts{});
    EXPECT_EQ(rule_errors("permit: {from: [\"::/0\", 0.0.0.0/0], to: 10.0.0.1}"), Texts{});
}

TEST(AclConfig, ProtocolsAndWhatNeedsThemAreTold) {
    EXPECT_EQ(rule_errors("permit: {proto: tpc}"),
              one("acls[0].rules[0].permit.proto (f:5:21): 'tpc' is not a protocol: tcp, udp, sctp, icmp, "
                  "icmpv6, or its number (0 to 255)"));
    EXPECT_EQ(rule_errors("permit: {proto: 256}").size(), 1u);
    EXPECT_EQ(rule_errors("permit: {proto: 255}"), Texts{});
    EXPECT_EQ(rule_errors("permit: {port: 80}"),
              one("acls[0].rules[0].permit.port (f:5:20): needs `proto`: tcp, udp or sctp"));
    EXPECT_EQ(rule_errors("permit: {proto: icmp, from-port: 80}"),
              one("acls[0].rules[0].permit.from-port (f:5:38): needs `proto`: tcp, udp or sctp"));
    EXPECT_EQ(rule_errors("permit: {proto: 17, port: 80}"), Texts{});
    EXPECT_EQ(rule_errors("permit: {proto: tcp, type: 8}"),
              one("acls[0].rules[0].permit.type (f:5:32): needs `proto`: icmp or icmpv6"));
    EXPECT_EQ(rule_errors("permit: {proto: icmp, code: 0}"),
              one("acls[0].rules[0].permit.code (f:5:33): needs a `type`"));
    EXPECT_EQ(rule_errors("permit: {proto: icmp, from: \"fd00::1\"}"),
              one("acls[0].rules[0].permit.proto (f:5:21): icmp is IPv4's, and the addresses are IPv6: "
                  "write icmpv6"));
    EXPECT_EQ(rule_errors("permit: {proto: icmpv6, to: web}"),
              one("acls[0].rules[0].permit.proto (f:5:21): icmpv6 is IPv6's, and the addresses are IPv4: "
                  "write icmp"));
    EXPECT_EQ(rule_errors("permit: {proto: icmp, from: [web, \"fd00::1\"]}"), Texts{});
    EXPECT_EQ(rule_errors("permit: {dscp: 64}"),
              one("acls[0].rules[0].permit.dscp (f:5:20): '64' is out of range (0 to 63)"));
}

TEST(AclConfig, EtherTypesAndWhatContradictsThemAreTold) {
    for (const char* good : {"ipv4", "ipv6", "0x0600", "0xffff", "34887", "[0x8863, 0x8864]"}) {
        EXPECT_EQ(rule_errors(fmt::format("permit: {{ethertype: {}}}", good)), Texts{}) << good;
    }
    for (const char* bad : {"mpls", "0x", "0x05ff", "1535", "65536", "0x10000", "0x88g7", "-1"}) {
        EXPECT_EQ(rule_errors(fmt::format("permit: {{ethertype: {}}}", bad)),
                  one(fmt::format("acls[0].rules[0].permit.ethertype (f:5:25): '{}' is not an EtherType: ipv4, "
                                  "ipv6, or its number (0x0600 to 0xffff, such as 0x8847 for MPLS)", bad)));
    }
    EXPECT_EQ(rule_errors("permit: {ethertype: 0x0806}"),
              one("acls[0].rules[0].permit.ethertype (f:5:25): ARP always passes: no rule is asked about it"));
    EXPECT_EQ(rule_errors("permit: {ethertype: [0x88a8]}"),
              one("acls[0].rules[0].permit.ethertype[0] (f:5:26): 0x88a8 is a VLAN tag: rules look at what is "
                  "behind it"));
    EXPECT_EQ(rule_errors("permit: {ethertype: 0x8847, proto: tcp}"),
              one("acls[0].rules[0].permit.ethertype (f:5:25): '0x8847' is not ipv4 or ipv6, and "
                  "the rule's other keys are "
                  "about IP packets: leave those or this out"));
    EXPECT_EQ(rule_errors("permit: {ethertype: ipv6, from: web}"),
              one("acls[0].rules[0].permit.ethertype (f:5:25): is not that of the rule's addresses"));
    EXPECT_EQ(rule_errors("permit: {ethertype: ipv4, from: web, proto: tcp, port: 80}"), Texts{});
}

TEST(AclConfig, PortsAndFlagsAreTold) {
    EXPECT_EQ(rule_errors("permit: {proto: tcp, port: 9010-9000}"),
              one("acls[0].rules[0].permit.port (f:5:32): '9010-9000' ends before it begins; did you mean "
                  "9000-9010?"));
    for (const char* bad : {"65536", "http", "1-", "-1", "1-2-3", "01", "1 - 2"}) {
        EXPECT_EQ(rule_errors(fmt::format("permit: {{proto: tcp, port: [80, {}]}}", bad)),
                  one(fmt::format("acls[0].rules[0].permit.port[1] (f:5:37): '{}' is not a port (0 to 65535) "
                                  "or a range of ports (such as 9000-9010)", bad)));
    }
    EXPECT_EQ(rule_errors("permit: {proto: tcp, port: []}").size(), 1u);
    EXPECT_EQ(rule_errors("permit: {proto: tcp, tcp-flags: [sny]}"),
              one("acls[0].rules[0].permit.tcp-flags[0] (f:5:38): 'sny' is not one of fin, syn, rst, psh, "
                  "ack, urg, ece, cwr, or one of these with a ! in front"));
    EXPECT_EQ(rule_errors("permit: {proto: tcp, tcp-flags: [syn, \"!syn\"]}"),
              one("acls[0].rules[0].permit.tcp-flags (f:5:37): asks for the same flag both set and not"));
    EXPECT_EQ(rule_errors("permit: {tcp-flags: syn}"),
              one("acls[0].rules[0].permit.tcp-flags (f:5:25): needs `proto: tcp`"));
}

TEST(AclConfig, WhereAListIsInForceIsToldOnce) {
    const auto apply = [](std::string_view text) {
        return load(fmt::format("acls: [{{name: a, rules: [], apply: {}}}]", text)).errors;
    };
    EXPECT_EQ(apply("{direction: egress}"),
              one("acls[0].apply (f:1:36): names neither a `port` nor a `network`"));
    EXPECT_EQ(apply("[{port: a, network: b, direction: egress}]"),
              one("acls[0].apply[0].network (f:1:56): stands beside `port`: give one of them"));
    EXPECT_EQ(apply("{port: a}"), one("acls[0].apply (f:1:36): the key 'direction' is missing"));
    EXPECT_EQ(apply("{port: a, direction: out}"),
              one("acls[0].apply.direction (f:1:57): 'out' is not one of ingress, egress"));
}

TEST(AclConfig, NamesAreToldApart) {
    EXPECT_EQ(load("acls:\n- {name: a, rules: []}\n- {name: a, rules: []}").errors,
              one("acls[1].name (f:3:10): the ACL a is declared already, at f:2:3: give one another name"));
    EXPECT_EQ(load("address-sets:\n- {name: a, addresses: []}\n- {name: a, addresses: []}").errors,
              one("address-sets[1].name (f:3:10): the address set a is declared already, at f:2:3: give one "
                  "another name"));
    EXPECT_EQ(load("acls: [{name: a}]").errors, one("acls[0] (f:1:8): the key 'rules' is missing"));
    for (const char* name : {"10.0.0.1", "1.2", "a::b"}) {
        EXPECT_EQ(load(fmt::format("address-sets: [{{name: \"{}\", addresses: []}}]", name)).errors,
                  one("address-sets[0].name (f:1:23): looks like an address, which a rule would take it "
                      "for"));
    }
    EXPECT_EQ(load("address-sets: [{name: \"a:b\", addresses: []}]").errors, Texts{});
}

// An unreadable address is told once, and isn't taken for one of IPv6.
TEST(AclConfig, WhatCouldNotBeReadIsToldOnce) {
    EXPECT_EQ(rule_errors("permit: {from: 10.0.0.300, to: web}").size(), 1u);
}

}  // namespace
}  // namespace sluice::acl
