#include "engine/ipam.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::engine {
namespace {

NetworkConfig network(std::vector<const char*> subnets) {
    NetworkConfig network;
    network.name = "blue";
    for (const char* subnet : subnets) network.subnets.push_back(IpPrefix::parse(subnet).value());
    return network;
}

base::AddressRange range(const char* text) {
    return parse_value(text, static_cast<base::AddressRange*>(nullptr)).value();
}

// The addresses that `count` containers get, one after the other; the last one may be an error.
std::vector<std::string> fill(Ipam& ipam, const NetworkConfig& network, size_t count, Holders holders = {}) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i) {
        const auto chosen = ipam.choose(network, holders);
        if (!chosen) {
            texts.push_back(chosen.error().message);
            break;
        }
        std::string text;
        for (const InterfaceAddress& address : *chosen) {
            text += (text.empty() ? "" : " ") + address.text();
            EXPECT_TRUE(holders.emplace(address.address, Holder{"port p" + std::to_string(i)}).second);
        }
        texts.push_back(text);
    }
    return texts;
}

TEST(Ipam, GivesEachStationsAddressOfTheSubnetOnce) {
    Ipam ipam;
    EXPECT_EQ(fill(ipam, network({"10.0.0.0/29"}), 9, {{IpAddress::from_v4(0x0a00'0001), {"the gateway"}}}),
              (std::vector<std::string>{
                  "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6",
                  "network blue has no free IPv4 address: 10.0.0.1 is the gateway's, 10.0.0.2 is port p0's, "
                  "10.0.0.3 is port p1's, 10.0.0.4 is port p2's, and 2 more have one"}));
}

TEST(Ipam, GivesOneOfEachFamily) {
    Ipam ipam;
    EXPECT_EQ(fill(ipam, network({"fd00::/64", "10.0.0.0/30"}), 2),
              (std::vector<std::string>{"10.0.0.1 fd00::1", "10.0.0.2 fd00::2"}));
}

TEST(Ipam, AnAddressThatIsFreeAgainIsTheLastOneToBeGiven) {
    Ipam ipam;
    const NetworkConfig blue = network({"10.0.0.0/29"});
    EXPECT_EQ(fill(ipam, blue, 1), (std::vector<std::string>{"10.0.0.1"}));
    // Nobody has it any more.
    EXPECT_EQ(fill(ipam, blue, 6),
              (std::vector<std::string>{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.1"}));
}

TEST(Ipam, KeepsToItsRanges) {
    Ipam ipam;
    NetworkConfig blue = network({"10.0.0.0/16"});
    blue.ipam.ranges = {range("10.0.3.254-10.0.4.2"), range("10.0.9.9")};
    blue.ipam.exclude = {range("10.0.3.255-10.0.4.0"), range("10.0.4.2-10.0.5.0")};
    EXPECT_EQ(fill(ipam, blue, 3), (std::vector<std::string>{"10.0.3.254", "10.0.4.1", "10.0.9.9"}));
    Ipam other;
    EXPECT_EQ(fill(other, blue, 4).back(),
              "network blue has no free IPv4 address: 10.0.3.254 is port p0's, 10.0.4.1 is port p1's, 10.0.9.9 is "
              "port p2's, and `ipam.exclude` keeps others free");
}

TEST(Ipam, ALargeExcludedRangeCostsNothing) {
    Ipam ipam;
    NetworkConfig blue = network({"fd00::/64"});
    blue.ipam.exclude = {range("fd00::-fd00::ffff:ffff:ffff:fffe")};
    EXPECT_EQ(fill(ipam, blue, 2).at(0), "fd00::ffff:ffff:ffff:ffff");
}

TEST(Ipam, ANetworkWithoutSubnetsHasNone) {
    Ipam ipam;
    EXPECT_EQ(fill(ipam, network({}), 1).at(0),
              "network blue has no `subnets` to choose an address from: give it some, or ask for an address");
}

TEST(Ipam, WhoHasWhichAddress) {
    const auto config = load_config(
        "networks:\n"
        "  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.1}\n"
        "  - {name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.1}\n"
        "ports:\n"
        "  - {name: web, netns: web, network: blue, address: [10.0.0.2]}\n"
        "  - {name: db, netns: db, network: red, address: [10.1.0.2], publish: [{address: 10.0.0.8, port: 81}]}\n"
        "services:\n  - {name: shop, address: [10.0.0.3, 10.96.0.1], ports: [{port: 80}]}\n"
        "nat:\n  - {name: out, masquerade: [red], out: blue, addresses: [10.0.0.4-10.0.0.5]}\n"
        "  - {static: {inside: 10.1.0.2, outside: 10.0.0.6}, out: blue}\n"
        "publish:\n  - {address: 10.0.0.7, port: 80, to: \"web:80\"}\n",
        "f", {});
    ASSERT_TRUE(config) << config.error().front().text();
    std::string text;
    for (const auto& [address, holder] : holders_in(*config, {}, config->networks[0]))
        text += address.text() + " " + holder.name + "\n";
    EXPECT_EQ(
        text,
        "10.0.0.1 the gateway\n10.0.0.2 port web\n10.0.0.3 service shop\n10.0.0.4 nat out\n10.0.0.5 nat out\n"
        "10.0.0.6 nat f:11:5\n10.0.0.7 a published port\n10.0.0.8 a published port\n");
}

// A container that got the address of a router would get the traffic of all.
TEST(Ipam, StationsThatTheConfigurationNamesHaveTheirAddresses) {
    const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };
    Config config;
    NetworkConfig blue = network({"10.0.0.0/24"});
    route::RouteConfig route;
    route.to = IpPrefix::parse("0.0.0.0/0").value();
    route.hop.via = ip("10.0.0.9");
    config.routes = {route};
    config.dns.upstreams = {{.address = ip("10.0.0.8")}, {.address = ip("192.0.2.53")}};
    blue.dns.nameserver = {ip("10.0.0.7")};
    blue.dhcp = dhcp::DhcpConfig{};
    blue.dhcp->ntp = {ip("10.0.0.6")};
    blue.dhcp->routes = {{IpPrefix::parse("10.9.0.0/16").value(), ip("10.0.0.5")}};
    blue.vxlan = vxlan::OverlayConfig{};
    blue.vxlan->statics = {{.mac = {}, .address = {ip("10.0.0.4")}, .remote = ip("192.0.2.2"), .place = {}}};
    std::set<std::string> texts;
    for (const auto& [address, holder] : holders_in(config, {}, blue))
        texts.insert(address.text() + " " + holder.name);
    EXPECT_EQ(texts,
              (std::set<std::string>{"10.0.0.9 the next hop to 0.0.0.0/0", "10.0.0.8 a nameserver",
                                     "10.0.0.7 a nameserver", "10.0.0.6 a time server",
                                     "10.0.0.5 the next hop to 10.9.0.0/16", "10.0.0.4 a station at 192.0.2.2"}));
}

TEST(Ipam, KnowsWhatItWouldGive) {
    NetworkConfig blue = network({"10.0.0.0/24"});
    blue.ipam.ranges = {range("10.0.0.10-10.0.0.20")};
    blue.ipam.exclude = {range("10.0.0.15")};
    const Holders holders{{IpAddress::parse("10.0.0.12").value(), {"port web"}}};
    for (const char* address : {"10.0.0.10", "10.0.0.20", "10.0.0.16"})
        EXPECT_TRUE(is_free(blue, holders, IpAddress::parse(address).value())) << address;
    for (const char* address : {"10.0.0.9", "10.0.0.21", "10.0.0.15", "10.0.0.12", "fd00::1"})
        EXPECT_FALSE(is_free(blue, holders, IpAddress::parse(address).value())) << address;
    EXPECT_FALSE(is_free(network({"10.0.0.0/24"}), {}, IpAddress::parse("10.0.0.255").value()));
}

TEST(Ipam, GivesOneOfAFamily) {
    Ipam ipam;
    const NetworkConfig both = network({"10.0.0.0/24", "fd00::/64"});
    EXPECT_EQ(ipam.choose(both, {}, false).value(), IpAddress::parse("fd00::1").value());
    EXPECT_EQ(ipam.choose(both, {}, false).value(), IpAddress::parse("fd00::2").value());
    EXPECT_EQ(ipam.choose(both, {}, true).value(), IpAddress::parse("10.0.0.1").value());
}

}  // namespace
}  // namespace sluice::engine
