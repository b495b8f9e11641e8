#include "dhcp/dhcp_config.h"

#include <gtest/gtest.h>

namespace sluice::dhcp {
namespace {

tl::expected<LeaseTime, std::string> time_of(const char* text) {
    return parse_value(text, static_cast<LeaseTime*>(nullptr));
}

TEST(DhcpConfig, ReadsTimes) {
    EXPECT_EQ(time_of("3600")->seconds, 3600u);
    EXPECT_EQ(time_of("90m")->seconds, 5400u);
    EXPECT_EQ(time_of("7d")->seconds, 604800u);
    EXPECT_EQ(time_of("120s")->seconds, 120u);
    for (const char* text : {"", "h", "1 h", "1w", "-1h", "1hh", "99999999999", "99999d"})
        EXPECT_FALSE(time_of(text)) << text;
    for (const uint32_t seconds : {0u, 1u, 60u, 61u, 3600u, 5400u, 86400u})
        EXPECT_EQ(time_of(to_text(LeaseTime{seconds}).c_str())->seconds, seconds);
    EXPECT_EQ(to_text(LeaseTime{5400}), "90m");
}

struct Holder {
    std::optional<DhcpConfig> dhcp;
};
template <class V>
void fields(V& v, Holder& h) {
    v.optional("dhcp", h.dhcp);
}

std::string read(const char* yaml, Holder& holder) {
    const auto document = base::parse_yaml(yaml, "f");
    const base::Errors errors = base::read(*document, holder);
    return errors.empty() ? "" : errors.front().text();
}

TEST(DhcpConfig, TrueIsShortForNoKeys) {
    Holder holder;
    EXPECT_EQ(read("dhcp: true", holder), "");
    EXPECT_EQ(holder.dhcp, DhcpConfig{});
    EXPECT_EQ(read("dhcp: false", holder), "");
    EXPECT_FALSE(holder.dhcp);
    EXPECT_EQ(read("dhcp: {}", holder), "");
    EXPECT_EQ(holder.dhcp, DhcpConfig{});
    EXPECT_EQ(read("dhcp: {lease: 2h, search: [a.test], autonomous: true}", holder), "");
    EXPECT_EQ(holder.dhcp->lease.seconds, 7200u);
    EXPECT_TRUE(holder.dhcp->autonomous);
}

TEST(DhcpConfig, NamesMistakes) {
    Holder holder;
    EXPECT_EQ(read("dhcp: yes", holder), "dhcp (f:1:7): expected true or false, found 'yes'");
    EXPECT_EQ(read("dhcp: {lease: 1m}", holder), "dhcp.lease (f:1:15): '1m' is not between 2m and 365d");
    EXPECT_EQ(read("dhcp: {search: [a..b]}", holder), "dhcp.search (f:1:16): 'a..b' is not a domain name");
    EXPECT_EQ(read("dhcp: {domain: -a}", holder), "dhcp.domain (f:1:16): '-a' is not a domain name");
    EXPECT_EQ(read("dhcp: {routes: [{to: \"fd00::/64\", via: 10.0.0.1}]}", holder),
              "dhcp.routes[0].to (f:1:22): 'fd00::/64' is not IPv4: IPv6 has no routes in DHCP");
    EXPECT_EQ(read("dhcp: {ntp: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, "
                   "10.0.0.9]}",
                   holder),
              "dhcp.ntp (f:1:13): takes 8 addresses at most");
}

}  // namespace
}  // namespace sluice::dhcp
