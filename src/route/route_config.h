// The configuration of routes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/destination.h"
#include "base/error.h"
#include "base/fields.h"
#include "sluice/address.h"

namespace sluice::route {

inline constexpr size_t kMaxHops = 64;  // per route

// Routing domains (VRFs): networks of one domain are routed to each other, those of different domains never are.
inline constexpr std::string_view kMainDomain = "main";

// One next hop of a route.
struct HopConfig {
    std::optional<IpAddress> via;  // none: the destination is on the network's link
    std::string network;           // empty: the domain's network whose subnet contains `via`
    std::string port;              // instead of `network`: the network of this port

    bool operator==(const HopConfig&) const = default;
};

template <class V>
void fields(V& v, HopConfig& h) {
    v.optional("via", h.via);
    v.optional("network", h.network);
    v.optional("port", h.port);
    v.check("port", h.port.empty() || h.network.empty(), "stands beside `network`: give one of them");
}

// The treatment of packets that match a route.
enum class Kind { kUnicast, kBlackhole, kUnreachable };

constexpr auto names(Kind) {
    return std::array{base::Name{Kind::kUnicast, "unicast"}, base::Name{Kind::kBlackhole, "blackhole"},
                      base::Name{Kind::kUnreachable, "unreachable"}};
}

struct RouteConfig {
    IpPrefix to;
    Kind kind = Kind::kUnicast;
    HopConfig hop;                // the only next hop, or
    std::vector<HopConfig> hops;  // several, chosen by a hash of the flow (ECMP)
    std::string domain = std::string(kMainDomain);
    base::Place place;

    bool operator==(const RouteConfig&) const = default;

    // Whether its first gateway is IPv4; true if it has no gateway.
    bool is_by_v4() const {
        for (const HopConfig& each : all_hops()) {
            if (each.via) return each.via->is_v4();
        }
        return true;
    }
    std::vector<HopConfig> all_hops() const {
        if (!hops.empty() || kind != Kind::kUnicast) return hops;
        return {hop};
    }
};

template <class V>
void fields(V& v, RouteConfig& r) {
    base::Destination to{r.to};
    v.required("to", to);
    v.optional("type", r.kind);
    v.optional("via", r.hop.via);
    v.optional("network", r.hop.network);
    v.optional("port", r.hop.port);
    v.optional("next-hops", r.hops);
    v.optional("domain", r.domain);
    if (to != base::Destination{r.to}) r.to = to.for_family(r.is_by_v4());
    const bool has_hop = r.hop.via || !r.hop.network.empty() || !r.hop.port.empty();
    const bool is_unclear =
        v.is_wrong("type") || v.is_wrong("network") || v.is_wrong("port") || v.is_wrong("next-hops");
    v.check("next-hops", r.hops.empty() || !has_hop,
            "stands beside `via`, `network` or `port`: give one next hop, or a list of them");
    v.check("next-hops", r.hops.size() <= kMaxHops, "are too many: 64 at most");
    v.check("type", r.kind == Kind::kUnicast || (!has_hop && r.hops.empty()),
            "has no next hop: leave out via, network, port and next-hops");
    v.check("to", r.kind != Kind::kUnicast || has_hop || !r.hops.empty() || is_unclear,
            "leads nowhere: give `via`, a `network`, `next-hops`, or `type: blackhole`");
    v.check("port", r.hop.port.empty() || r.hop.network.empty(),
            "stands beside `network`: give one of them");
}

}  // namespace sluice::route
