// What a user may say about names: the responder's own settings, and what a network's containers resolve with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/fields.h"
#include "sluice/address.h"

namespace sluice::dns {

// A server that is asked for names that aren't ours: "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:5353".
struct UpstreamConfig {
    IpAddress address;
    uint16_t port = 53;

    std::string text() const;

    auto operator<=>(const UpstreamConfig&) const = default;
};
tl::expected<UpstreamConfig, std::string> parse_value(std::string_view text, UpstreamConfig*);
inline std::string to_text(const UpstreamConfig& upstream) {
    return upstream.text();
}
constexpr std::string_view type_name(const UpstreamConfig*) {
    return "IP address, with or without a port";
}

inline constexpr size_t kMostUpstreams = 8;
inline constexpr size_t kMostNameservers = 3;  // that C libraries read of a resolv.conf
inline constexpr size_t kMostSearched = 32;    // as Kubernetes allows
inline constexpr size_t kMostOptions = 16;

// Whether it is a name as resolv.conf may have: of letters, digits, '-' and '_'.
bool is_domain(std::string_view text);
// A word of resolv.conf's `options`: "ndots:2".
bool is_option(std::string_view text);

struct DnsConfig {
    std::string domain = "cluster.local";   // of Kubernetes' Services and pods
    std::vector<UpstreamConfig> upstreams;  // empty: those of /etc/resolv.conf
    uint32_t ttl = 5;                       // seconds, of our own answers

    bool operator==(const DnsConfig&) const = default;
};

template <class V>
void fields(V& v, DnsConfig& d) {
    v.optional("domain", d.domain);
    v.check("domain", is_domain(d.domain), "is no domain name: letters, digits and '-' between dots");
    v.optional("upstreams", d.upstreams);
    v.check("upstreams", d.upstreams.size() <= kMostUpstreams, "are too many: 8 at most");
    v.optional("ttl", d.ttl, base::Range{1, 3600});
}

// Of a network. What is left out here is derived: the nameservers are the network's gateways.
struct NetworkDnsConfig {
    bool enabled = true;  // whether the network's gateways answer
    std::vector<IpAddress> nameserver;
    std::vector<std::string> search;
    std::vector<std::string> options;

    bool operator==(const NetworkDnsConfig&) const = default;
};

template <class V>
void fields(V& v, NetworkDnsConfig& d) {
    v.optional("enabled", d.enabled);
    v.optional("nameserver", d.nameserver);
    v.optional("search", d.search);
    v.optional("options", d.options);
    v.check("nameserver", d.nameserver.size() <= kMostNameservers,
            "has too many servers: resolvers read 3 at most");
    v.check("search", d.search.size() <= kMostSearched, "has too many domains: 32 at most");
    v.check("search", std::ranges::all_of(d.search, is_domain),
            "has what is no domain name: letters, digits and '-' between dots");
    v.check("options", d.options.size() <= kMostOptions, "are too many: 16 at most");
    v.check("options", std::ranges::all_of(d.options, is_option),
            "has what is no option of resolv.conf: write for example ndots:2");
}

}  // namespace sluice::dns
