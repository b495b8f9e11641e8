// The configuration of NAT: `nat:`, how connections of inside networks look outside, and `publish:`, which ports
// outside are whose inside. Plain data, read from YAML and compared by value. Control thread.
//
// Beyond the checks of single keys, check() checks the entries among themselves. The caller checks whether the
// networks and ports that they name exist.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address_range.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/mistakes.h"
#include "base/object_name.h"
#include "base/port_range.h"
#include "nat/pool.h"
#include "path/port_protocol.h"
#include "sluice/address.h"

namespace sluice::nat {

using base::PortRange;

inline constexpr PortRange kDefaultPorts{1024, 65535};

// Of kMaxPoolAddresses at most.
struct AddressRange : base::AddressRange {};
tl::expected<AddressRange, std::string> parse_value(std::string_view text, AddressRange*);
// Appends the range's addresses.
void add_addresses(const AddressRange& range, std::vector<IpAddress>& addresses);

struct StaticConfig {
    IpAddress inside;
    IpAddress outside;

    bool operator==(const StaticConfig&) const = default;
};

template <class V>
void fields(V& v, StaticConfig& s) {
    v.required("inside", s.inside);
    v.required("outside", s.outside);
    if (v.is_wrong("inside") || v.is_wrong("outside")) return;
    v.check("outside", s.inside.is_v4() == s.outside.is_v4(), "is of another address family than `inside`");
    v.check("outside", s.inside != s.outside, "is the same address as `inside`: nothing would be translated");
    v.check("outside", !s.outside.is_multicast() && !s.outside.is_unspecified(), "is no address of a host");
    v.check("inside", !s.inside.is_multicast() && !s.inside.is_unspecified(), "is no address of a host");
}

// Either networks whose packets share the outside addresses (masquerade), or one address for one (static).
struct NatConfig {
    std::string name;                     // for people; may be empty
    std::vector<std::string> masquerade;  // networks
    std::optional<StaticConfig> one_to_one;
    std::string out;                                     // the network by which they leave
    std::optional<std::vector<AddressRange>> addresses;  // none: the gateway addresses of `out`
    PortRange ports = kDefaultPorts;
    bool ipv6 = false;
    std::vector<IpPrefix> except;  // destinations that are not translated
    // Mappings of one inside address, of each transport. None: a fair share of the pool (mappings.h); 0: no limit.
    std::optional<uint32_t> ports_per_host;
    base::Place place;

    bool operator==(const NatConfig&) const = default;
    bool has_addresses(bool v4) const {
        return addresses && std::any_of(addresses->begin(), addresses->end(),
                                        [&](const AddressRange& range) { return range.low.is_v4() == v4; });
    }
};

template <class V>
void fields(V& v, NatConfig& n) {
    constexpr const char* kForMasquerade = "is for `masquerade` only";
    v.optional("name", n.name);
    v.check("name", n.name.empty() || base::is_object_name(n.name), base::kObjectNameRule);
    v.optional("masquerade", n.masquerade);
    v.optional("static", n.one_to_one);
    const bool is_static = n.one_to_one.has_value();
    v.check("static", !is_static || n.masquerade.empty(), "stands beside `masquerade`: give one of them");
    if (!v.is_wrong("masquerade") && !v.is_wrong("static")) {
        v.check("masquerade", is_static || !n.masquerade.empty(),
                "names no network: list the networks to translate, or give a `static` address");
    }
    v.required("out", n.out);
    v.check("out", std::find(n.masquerade.begin(), n.masquerade.end(), n.out) == n.masquerade.end(),
            "is one of the networks of `masquerade`: packets that stay in it are not translated");
    v.optional("addresses", n.addresses);
    v.check("addresses", !is_static || !n.addresses, kForMasquerade);
    v.check("addresses", !n.addresses || !n.addresses->empty(),
            "is empty: leave it out to use the gateway addresses of `out`");
    v.optional("ports", n.ports);
    v.check("ports", !is_static || n.ports == kDefaultPorts, kForMasquerade);
    v.check("ports", n.ports.low != 0, "has port 0, which no connection can have");
    v.optional("ipv6", n.ipv6);
    v.check("ipv6", !is_static || !n.ipv6, kForMasquerade);
    if (!v.is_wrong("addresses")) {
        v.check("ipv6", !n.ipv6 || !n.addresses || n.has_addresses(false),
                "needs an IPv6 address among the `addresses`");
        v.check("addresses", n.ipv6 || !n.has_addresses(false),
                "has an IPv6 address, and IPv6 is not translated "
                "unless you set `ipv6: true`");
    }
    v.optional("except", n.except);
    v.optional("ports-per-host", n.ports_per_host, base::Range{0, 65535});
    v.check("ports-per-host", !is_static || !n.ports_per_host, kForMasquerade);
}

using PublishedProtocol = path::PortProtocol;

constexpr Transport transport_of(PublishedProtocol protocol) noexcept {
    switch (protocol) {
        case PublishedProtocol::kUdp:
            return Transport::kUdp;
        case PublishedProtocol::kSctp:
            return Transport::kSctp;
        default:
            return Transport::kTcp;
    }
}

// Where a published port leads: "web:80" (a port of the switch), "10.0.0.3:80", "[fd00::3]:80", or a range of
// ports in place of 80.
struct Target {
    std::string port;                  // of the switch; empty: the address
    std::optional<IpAddress> address;  // none: the addresses of that port
    PortRange ports;

    bool operator==(const Target&) const = default;
};
tl::expected<Target, std::string> parse_value(std::string_view text, Target*);
std::string to_text(const Target& target);
constexpr std::string_view type_name(const Target*) {
    return "target (such as web:80 or 10.0.0.3:80)";
}

struct PublishConfig {
    std::optional<IpAddress> address;  // none: all gateway addresses
    PortRange ports;
    PublishedProtocol protocol = PublishedProtocol::kTcp;
    Target to;
    base::Place place;

    bool operator==(const PublishConfig&) const = default;
};

template <class V>
void fields(V& v, PublishConfig& p) {
    v.optional("address", p.address);
    v.check("address", !p.address || (!p.address->is_multicast() && !p.address->is_unspecified()),
            "is no address of a host: leave it out to publish at all gateway addresses");
    v.required("port", p.ports);
    v.check("port", p.ports.low != 0, "has port 0, which no connection can have");
    v.optional("proto", p.protocol);
    v.required("to", p.to);
    v.check("to", p.to.ports.low != 0, "has port 0, which no connection can have");
    if (!v.is_wrong("port")) {
        v.check("to", p.to.ports.size() == p.ports.size(), "has another number of ports than `port`");
    }
    if (!v.is_wrong("address")) {
        v.check("to", !p.address || !p.to.address || p.address->is_v4() == p.to.address->is_v4(),
                "is of another address family than `address`");
    }
}

// Published ports that overlap: each with the one, earlier in the list, whose ports it has too.
std::vector<std::pair<size_t, size_t>> find_overlaps(const std::vector<PublishConfig>& published);

// What is wrong with the entries among themselves: names, addresses and ports that are declared twice.
void check(const std::vector<NatConfig>& nat, const std::vector<PublishConfig>& published,
           base::Mistakes& mistakes);

}  // namespace sluice::nat
