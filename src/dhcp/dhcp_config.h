// What a user may say about the addresses that a network gives to its guests: `dhcp: true`, or a mapping.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "dhcp/domain_name.h"
#include "sluice/address.h"

namespace sluice::dhcp {

// How long a guest has an address without asking again: "1h", "90m", "3600".
struct LeaseTime {
    uint32_t seconds = 3600;
    auto operator<=>(const LeaseTime&) const = default;
};
tl::expected<LeaseTime, std::string> parse_value(std::string_view text, LeaseTime*);
std::string to_text(const LeaseTime& time);
constexpr std::string_view type_name(const LeaseTime*) {
    return "time (such as 1h)";
}

// A further route of the guests, beside the default route.
struct RouteConfig {
    IpPrefix to;
    IpAddress via;

    bool operator==(const RouteConfig&) const = default;
};

template <class V>
void fields(V& v, RouteConfig& r) {
    v.required("to", r.to);
    v.required("via", r.via);
    v.check("to", v.is_wrong("to") || r.to.address.is_v4(), "is not IPv4: IPv6 has no routes in DHCP");
    v.check("via", v.is_wrong("via") || r.via.is_v4(), "is not an IPv4 address, as `to` is");
}

struct DhcpConfig {
    static constexpr size_t kMost = 8;  // entries of a list: as many as fit a guest's packet

    LeaseTime lease;
    std::vector<IpAddress> ntp;
    std::string domain;
    std::vector<std::string> search;  // empty: the domain
    std::vector<RouteConfig> routes;
    bool autonomous = false;

    bool operator==(const DhcpConfig&) const = default;
};

template <class V>
void fields(V& v, DhcpConfig& d) {
    v.optional("lease", d.lease);
    v.check("lease", d.lease.seconds >= 120 && d.lease.seconds <= 365 * 86400, "is not between 2m and 365d");
    v.optional("ntp", d.ntp);
    v.check("ntp", d.ntp.size() <= DhcpConfig::kMost, "takes 8 addresses at most");
    v.optional("domain", d.domain);
    v.check("domain", d.domain.empty() || is_domain_name(d.domain), "is not a domain name");
    v.optional("search", d.search);
    v.check("search", d.search.size() <= DhcpConfig::kMost, "takes 8 domains at most");
    for (const std::string& name : d.search) {
        v.check("search", is_domain_name(name), fmt::format("{} is not a domain name", base::shown(name)));
    }
    v.optional("routes", d.routes);
    v.check("routes", d.routes.size() <= DhcpConfig::kMost, "takes 8 routes at most");
    v.optional("autonomous", d.autonomous);
}
// `true` is short for a mapping without keys.
constexpr bool is_switched(const DhcpConfig*) {
    return true;
}

}  // namespace sluice::dhcp
