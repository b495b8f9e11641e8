#include "nat/nat_config.h"

#include <gtest/gtest.h>

namespace sluice::nat {
namespace {

using Texts = std::vector<std::string>;

// The sections of a configuration that are about NAT.
struct Sections {
    std::vector<NatConfig> nat;
    std::vector<PublishConfig> publish;

    bool operator==(const Sections&) const = default;
};

template <class V>
void fields(V& v, Sections& s) {
    v.optional("nat", s.nat);
    v.optional("publish", s.publish);
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
    const base::Errors read = base::read(*document, loaded.sections);
    for (const auto& error : read) loaded.errors.push_back(error.text());
    base::Mistakes mistakes(&*document, read, {}, {});
    check(loaded.sections.nat, loaded.sections.publish, mistakes);
    for (const auto& error : std::move(mistakes).found().errors) loaded.errors.push_back(error.text());
    return loaded;
}

// What is wrong with the entries of a section.
Texts nat_errors(std::string_view entries) {
    return load(fmt::format("nat: [{}]", entries)).errors;
}
Texts publish_errors(std::string_view entries) {
    return load(fmt::format("publish: [{}]", entries)).errors;
}

Texts one(std::string text) {
    return {std::move(text)};
}

constexpr const char* kEverything = R"(
nat:
  - name: out
    masquerade: [pods, blue]
    out: world
    addresses: [192.0.2.1, 192.0.2.8-192.0.2.15, "2001:db8::1"]
    ports: 2000-60000
    ipv6: true
    except: [10.0.0.0/8]
    ports-per-host: 1000
  - {masquerade: [red], out: world}
  - name: www
    static: {inside: 10.0.0.5, outside: 192.0.2.5}
    out: world
publish:
  - {address: 192.0.2.1, port: 8080, proto: udp, to: web:80}
  - {port: 8000-8010, to: "10.0.0.3:80-90"}
  - {port: 443, to: "[fd00::3]:8443"}
)";

TEST(NatConfig, ReadsEveryKey) {
    const auto [sections, errors] = load(kEverything);
    EXPECT_EQ(errors, Texts{});
    ASSERT_EQ(sections.nat.size(), 3u);
    const NatConfig& out = sections.nat[0];
    EXPECT_EQ(out.name, "out");
    EXPECT_EQ(out.masquerade, (Texts{"pods", "blue"}));
    EXPECT_EQ(out.out, "world");
    ASSERT_TRUE(out.addresses);
    EXPECT_EQ(to_text(out.addresses->at(0)), "192.0.2.1");
    EXPECT_EQ(to_text(out.addresses->at(1)), "192.0.2.8-192.0.2.15");
    EXPECT_EQ(out.ports, (PortRange{2000, 60000}));
    EXPECT_TRUE(out.ipv6);
    EXPECT_EQ(out.except.at(0).text(), "10.0.0.0/8");
    EXPECT_EQ(out.ports_per_host, 1000u);
    const NatConfig& usual = sections.nat[1];
    EXPECT_EQ(usual.masquerade, Texts{"red"});
    EXPECT_EQ(usual.addresses, std::nullopt);
    EXPECT_EQ(usual.ports, (PortRange{1024, 65535}));
    EXPECT_FALSE(usual.ipv6);
    EXPECT_EQ(usual.ports_per_host, std::nullopt);
    EXPECT_EQ(origin(usual.place), "f:11:5");
    ASSERT_TRUE(sections.nat[2].one_to_one);
    EXPECT_EQ(sections.nat[2].one_to_one->inside.text(), "10.0.0.5");
    EXPECT_EQ(sections.nat[2].one_to_one->outside.text(), "192.0.2.5");

    ASSERT_EQ(sections.publish.size(), 3u);
    EXPECT_EQ(sections.publish[0].address->text(), "192.0.2.1");
    EXPECT_EQ(sections.publish[0].ports, (PortRange{8080, 8080}));
    EXPECT_EQ(sections.publish[0].protocol, PublishedProtocol::kUdp);
    EXPECT_EQ(sections.publish[0].to.port, "web");
    EXPECT_EQ(sections.publish[0].to.address, std::nullopt);
    EXPECT_EQ(sections.publish[1].address, std::nullopt);
    EXPECT_EQ(sections.publish[1].protocol, PublishedProtocol::kTcp);
    EXPECT_EQ(sections.publish[1].to.address->text(), "10.0.0.3");
    EXPECT_EQ(sections.publish[1].to.ports, (PortRange{80, 90}));
    EXPECT_EQ(to_text(sections.publish[2].to), "[fd00::3]:8443");
}

TEST(NatConfig, IsWrittenAsItWasRead) {
    const Sections sections = load(kEverything).sections;
    const std::string text = base::to_yaml(base::write(sections));
    const Loaded again = load(text);
    EXPECT_EQ(again.errors, Texts{}) << text;
    EXPECT_EQ(again.sections, sections) << text;
}

TEST(NatConfig, ListsTheAddressesOfARange) {
    std::vector<IpAddress> addresses;
    add_addresses({IpAddress::from_v4(0xc00001fe), IpAddress::from_v4(0xc0000201)}, addresses);
    Texts texts;
    for (const auto& address : addresses) texts.push_back(address.text());
    EXPECT_EQ(texts, (Texts{"192.0.1.254", "192.0.1.255", "192.0.2.0", "192.0.2.1"}));
}

TEST(NatConfig, AddressRangesAreTold) {
    const auto error = [](std::string_view range) {
        return nat_errors(
            fmt::format("{{masquerade: [a], out: b, ipv6: true, addresses: [\"{}\", \"2001:db8::1\"]}}", range));
    };
    const std::string at = "nat[0].addresses[0] (f:1:57): ";
    EXPECT_EQ(error("192.0.2.9-192.0.2.1"), one(at + "'192.0.2.9-192.0.2.1' ends before it begins; did you mean "
                                                     "192.0.2.1-192.0.2.9?"));
    EXPECT_EQ(error("192.0.2.9-2001:db8::5"),
              one(at + "'192.0.2.9-2001:db8::5' begins and ends in different address families"));
    EXPECT_EQ(error("10.0.0.0-10.0.1.0"), one(at + "'10.0.0.0-10.0.1.0' has more than 256 addresses"));
    EXPECT_EQ(error("1::-2::"), one(at + "'1::-2::' has more than 256 addresses"));
    EXPECT_EQ(error("224.0.0.1"), one(at + "224.0.0.1 is no address of a host"));
    EXPECT_EQ(error("192.0.2.1-"), one(at + "'' is not an IP address"));
    EXPECT_EQ(error("192.0.2.0/28"),
              one(at + "'192.0.2.0/28' is not an IP address: no prefix length belongs here"));
    EXPECT_EQ(error("10.0.0.0-10.0.0.254"), Texts{});
}

TEST(NatConfig, AnEntryIsMasqueradeOrStatic) {
    EXPECT_EQ(nat_errors("{out: b}"),
              one("nat[0].masquerade (f:1:7): names no network: list the networks to translate, or "
                  "give a `static` address"));
    EXPECT_EQ(
        nat_errors("{masquerade: [], out: b}"),
        one("nat[0].masquerade (f:1:20): names no network: list the networks to translate, or give a `static` "
            "address"));
    const std::string fixed = "static: {inside: 10.0.0.1, outside: 192.0.2.1}, out: b";
    EXPECT_EQ(nat_errors("{masquerade: [a], " + fixed + "}"),
              one("nat[0].static (f:1:33): stands beside `masquerade`: give one of them"));
    for (const char* key : {"addresses: [192.0.2.1]", "ports: 1-2", "ipv6: true", "ports-per-host: 0"}) {
        const Texts errors = nat_errors(fmt::format("{{{}, {}}}", fixed, key));
        ASSERT_EQ(errors.size(), 1u) << key;
        EXPECT_TRUE(errors[0].ends_with(": is for `masquerade` only")) << errors[0];
    }
    EXPECT_EQ(nat_errors("{" + fixed + "}"), Texts{});
}

TEST(NatConfig, KeysAreChecked) {
    const auto errors = [](std::string_view keys) {
        return nat_errors(fmt::format("{{masquerade: [a], {}}}", keys));
    };
    EXPECT_EQ(errors("name: x"), one("nat[0] (f:1:7): the key 'out' is missing"));
    EXPECT_EQ(errors("out: a"),
              one("nat[0].out (f:1:30): is one of the networks of `masquerade`: packets that stay "
                  "in it are not translated"));
    EXPECT_EQ(errors("out: b, name: -"), one(fmt::format("nat[0].name (f:1:39): '-' {}", base::kObjectNameRule)));
    EXPECT_EQ(errors("out: b, addresses: []"),
              one("nat[0].addresses (f:1:44): is empty: leave it out to use the gateway addresses of `out`"));
    EXPECT_EQ(errors("out: b, ports: 0-9"),
              one("nat[0].ports (f:1:40): has port 0, which no connection can have"));
    EXPECT_EQ(errors("out: b, ports: 9-1"),
              one("nat[0].ports (f:1:40): '9-1' ends before it begins; did you mean 1-9?"));
    EXPECT_EQ(errors("out: b, ipv6: true, addresses: [192.0.2.1]"),
              one("nat[0].ipv6 (f:1:39): needs an IPv6 address among the `addresses`"));
    EXPECT_EQ(errors("out: b, addresses: [\"2001:db8::1\"]"),
              one("nat[0].addresses (f:1:44): has an IPv6 address, and IPv6 is not translated unless you set "
                  "`ipv6: true`"));
    EXPECT_EQ(errors("out: b, ipv6: true"), Texts{});
    EXPECT_EQ(errors("out: b, ports-per-host: 70000").size(), 1u);
    EXPECT_EQ(nat_errors("{masquerade: [a, b, a], out: c}"),
              one("nat[0].masquerade[2] (f:1:27): a is in the list already"));
}

TEST(NatConfig, StaticAddressesAreChecked) {
    const auto errors = [](std::string_view inside, std::string_view outside) {
        return nat_errors(fmt::format("{{static: {{inside: \"{}\", outside: \"{}\"}}, out: b}}", inside, outside));
    };
    EXPECT_EQ(errors("10.0.0.1", "2001:db8::1"),
              one("nat[0].static.outside (f:1:46): is of another address family than `inside`"));
    EXPECT_EQ(errors("10.0.0.1", "10.0.0.1"), one("nat[0].static.outside (f:1:46): is the same address as "
                                                  "`inside`: nothing would be translated"));
    EXPECT_EQ(errors("10.0.0.1", "224.0.0.1"), one("nat[0].static.outside (f:1:46): is no address of a host"));
    EXPECT_EQ(errors("0.0.0.0", "10.0.0.1"), one("nat[0].static.inside (f:1:25): is no address of a host"));
    EXPECT_EQ(errors("fd00::1", "2001:db8::1"), Texts{});
}

TEST(NatConfig, EntriesDoNotOverlap) {
    EXPECT_EQ(nat_errors("{name: x, masquerade: [a], out: w}, {name: x, masquerade: [b], out: v}"),
              one("nat[1].name (f:1:50): x is declared already, at f:1:7: give one another name"));
    EXPECT_EQ(nat_errors("{masquerade: [a], out: w}, {masquerade: [b], out: w, ports: 60000-60001}"),
              one("nat[1].out (f:1:57): gives the gateway addresses of w ports that the entry at f:1:7 has too "
                  "(60000-60001 and 1024-65535): give each its own `ports`, or put the networks in one entry"));
    EXPECT_EQ(
        nat_errors("{masquerade: [a], out: w, ports: 2000-2999}, {masquerade: [b], out: w, ports: 3000-3999}"),
        Texts{});
    EXPECT_EQ(
        nat_errors("{masquerade: [a], out: w, addresses: 10.0.0.1-10.0.0.9}, "
                   "{name: y, masquerade: [b], out: w, addresses: [10.0.0.200, 10.0.0.9]}"),
        one("nat[1].addresses[1] (f:1:123): gives 10.0.0.9 ports that the entry at f:1:7 has too (1024-65535 "
            "and 1024-65535): give each its own `ports`, or put the networks in one entry"));
    EXPECT_EQ(nat_errors("{masquerade: [a], out: w, addresses: [10.0.0.1-10.0.0.9, 10.0.0.4]}"),
              one("nat[0].addresses[1] (f:1:64): has 10.0.0.4, which is in the list already"));
    EXPECT_EQ(nat_errors("{masquerade: [a], out: w, addresses: [10.0.0.0-10.0.0.200, 10.1.0.0-10.1.0.200]}"),
              one("nat[0].addresses (f:1:44): has more than 256 addresses"));
}

TEST(NatConfig, AStaticAddressIsAlone) {
    const std::string fixed = "{name: www, static: {inside: 10.0.0.5, outside: 192.0.2.5}, out: w}";
    EXPECT_EQ(
        nat_errors(fixed + ", {static: {inside: 10.0.0.6, outside: 192.0.2.5}, out: w}"),
        one("nat[1].static.outside (f:1:113): 192.0.2.5 has another inside address already, by www (f:1:7)"));
    EXPECT_EQ(nat_errors(fixed + ", {static: {inside: 10.0.0.5, outside: 192.0.2.6}, out: w}"),
              one("nat[1].static.inside (f:1:94): 10.0.0.5 has another outside address in w already, by www "
                  "(f:1:7)"));
    EXPECT_EQ(nat_errors(fixed + ", {static: {inside: 10.0.0.5, outside: 192.0.2.6}, out: v}"), Texts{});
    EXPECT_EQ(nat_errors(fixed + ", {masquerade: [a], out: w, addresses: 192.0.2.1-192.0.2.8}").size(), 1u);
    EXPECT_EQ(nat_errors("{masquerade: [a], out: w, addresses: 192.0.2.1-192.0.2.8}, " + fixed).size(), 1u);
    EXPECT_EQ(load("nat: [" + fixed + "]\npublish: [{address: 192.0.2.5, port: 80, to: web:80}]").errors,
              one("publish[0].address (f:2:21): has all of its ports translated to one address, by www (f:1:7)"));
}

TEST(PublishConfig, TargetsAreTold) {
    const auto error = [](std::string_view to) {
        const Texts errors = publish_errors(fmt::format("{{port: 80, to: \"{}\"}}", to));
        return errors.size() == 1 ? errors[0] : fmt::format("{} errors", errors.size());
    };
    const std::string at = "publish[0].to (f:1:26): ";
    EXPECT_EQ(error("web"),
              at + "'web' is not a target: write a port of the switch or an address, and the number of "
                   "the port there, such as web:80 or 10.0.0.3:80");
    EXPECT_EQ(error("web:http"), at + "'http' is not a port (0 to 65535) or a range of ports (such as 9000-9010)");
    EXPECT_EQ(error("fd00::3:80"), at + "'fd00::3:80' is unclear: write [fd00::3]:80");
    EXPECT_EQ(error("[10.0.0.3]:80"), at + "'[10.0.0.3]:80' is unclear: write 10.0.0.3:80");
    EXPECT_EQ(error("[fd00::x]:80"), at + "'fd00::x' is not an IP address");
    EXPECT_EQ(error("we b:80"), at + "'we b' is neither an address nor the name of a port");
    EXPECT_EQ(error("web:0"), at + "has port 0, which no connection can have");
    EXPECT_EQ(error("web:80-81"), at + "has another number of ports than `port`");
    EXPECT_EQ(error("vm:1:80"), "0 errors");  // names may have colons
}

TEST(PublishConfig, KeysAreChecked) {
    EXPECT_EQ(publish_errors("{port: 0, to: web:80}"),
              one("publish[0].port (f:1:18): has port 0, which no connection can have"));
    EXPECT_EQ(publish_errors("{port: 90-80, to: web:80}"),
              one("publish[0].port (f:1:18): '90-80' ends before it begins; did you mean 80-90?"));
    EXPECT_EQ(publish_errors("{port: 80, proto: icmp, to: web:80}").size(), 1u);
    EXPECT_EQ(publish_errors("{address: 192.0.2.1, port: 80, to: \"[fd00::1]:80\"}"),
              one("publish[0].to (f:1:46): is of another address family than `address`"));
    EXPECT_EQ(publish_errors("{address: 0.0.0.0, port: 80, to: web:80}"),
              one("publish[0].address (f:1:21): is no address of a host: leave it out to publish at all gateway "
                  "addresses"));
    EXPECT_EQ(publish_errors("{to: web:80}"), one("publish[0] (f:1:11): the key 'port' is missing"));
}

TEST(PublishConfig, PortsDoNotOverlap) {
    const std::string all = "{port: 8000-8010, to: web:80-90}";
    EXPECT_EQ(publish_errors(all + ", {address: 192.0.2.1, port: 8010, to: web:80}"),
              one("publish[1].port (f:1:72): 8010 overlaps 8000-8010, which is published at f:1:11 already"));
    EXPECT_EQ(publish_errors("{address: 192.0.2.1, port: 8010, to: web:80}, " + all),
              one("publish[1].port (f:1:64): 8000-8010 overlaps 8010, which is published at f:1:11 already"));
    EXPECT_EQ(publish_errors(all + ", {port: 8010, proto: udp, to: web:80}, {port: 8011, to: web:80}, "
                                   "{port: 7999, to: web:80}"),
              Texts{});
    // The same port at two addresses; and one range that reaches over others of another address.
    EXPECT_EQ(publish_errors("{address: 10.0.0.1, port: 1-9, to: a:1-9}, {address: 10.0.0.2, port: 2, to: a:2}, "
                             "{address: 10.0.0.2, port: 5, to: a:5}"),
              Texts{});
    EXPECT_EQ(publish_errors("{address: 10.0.0.1, port: 1-9, to: a:1-9}, {address: 10.0.0.2, port: 2, to: a:2}, "
                             "{address: 10.0.0.1, port: 5, to: a:5}")
                  .size(),
              1u);
}

TEST(NatConfig, ThereIsABoundedNumber) {
    std::string nat, published;
    for (int i = 0; i < 300; ++i) nat += fmt::format("{{masquerade: [a], out: w{}}}, ", i);
    Texts errors = nat_errors(nat);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_TRUE(errors[0].starts_with("nat[256] (")) << errors[0];
    for (int i = 1; i <= 4097; ++i) published += fmt::format("{{port: {}, to: a:1}}, ", i);
    errors = publish_errors(published);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_TRUE(errors[0].starts_with("publish[4096] (")) << errors[0];
}

}  // namespace
}  // namespace sluice::nat
