// The configuration's own Services: `services:`, for load balancing without Kubernetes. And `service-ranges:`, the
// addresses of Kubernetes Services that ask for none. Plain data, read from YAML and compared by value. Control
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/mistakes.h"
#include "base/object_name.h"
#include "base/port_range.h"
#include "path/port_protocol.h"
#include "sluice/address.h"

namespace sluice::service {

using Transport = path::PortProtocol;

struct PortConfig {
    uint16_t port = 0;
    Transport protocol = Transport::kTcp;
    std::optional<uint16_t> to;  // of the back ends; none: the same

    bool operator==(const PortConfig&) const = default;
};

template <class V>
void fields(V& v, PortConfig& p) {
    v.required("port", p.port, base::Range{1, 65535});
    v.optional("proto", p.protocol);
    v.optional("to", p.to, base::Range{1, 65535});
}

struct BackendConfig {
    IpAddress address;
    uint16_t weight = 1;  // 0: keeps its connections and gets no new ones
    bool drain = false;   // the same, whatever its weight
    base::Place place;

    bool operator==(const BackendConfig&) const = default;
};

template <class V>
void fields(V& v, BackendConfig& b) {
    v.required("address", b.address);
    v.check("address", !b.address.is_multicast() && !b.address.is_unspecified(), "is no address of a host");
    v.optional("weight", b.weight, base::Range{0, 100});
    v.optional("drain", b.drain);
}

enum class CheckType : uint8_t { kTcp, kHttp };
constexpr auto names(CheckType) {
    return std::array{base::Name{CheckType::kTcp, "tcp"}, base::Name{CheckType::kHttp, "http"}};
}

// How back ends are checked (service/health.h).
struct HealthConfig {
    static constexpr size_t kMostPath = 255;
    static constexpr size_t kMostHost = 253;

    CheckType type = CheckType::kTcp;
    std::optional<uint16_t> port;     // none: the back end's own
    std::string path = "/";           // of kHttp
    std::string host;                 // of kHttp; empty: the back end's address and port
    uint32_t interval = 250;          // ms
    std::optional<uint32_t> timeout;  // ms; none: the interval
    uint16_t rise = 2;                // checks in a row that it passes before it serves again
    uint16_t fall = 2;                // checks in a row that it fails before it serves no more

    bool operator==(const HealthConfig&) const = default;
    uint32_t patience() const noexcept { return timeout.value_or(interval); }
};

// Whether the text may stand in a line of an HTTP request: visible ASCII.
constexpr bool is_in_request_line(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

template <class V>
void fields(V& v, HealthConfig& h) {
    v.optional("type", h.type);
    v.optional("port", h.port, base::Range{1, 65535});
    v.optional("path", h.path);
    v.optional("host", h.host);
    v.optional("interval", h.interval, base::Range{100, 60'000});
    v.optional("timeout", h.timeout, base::Range{10, 60'000});
    v.optional("rise", h.rise, base::Range{1, 100});
    v.optional("fall", h.fall, base::Range{1, 100});
    v.check("path",
            h.path.starts_with('/') && h.path.size() <= HealthConfig::kMostPath && is_in_request_line(h.path),
            "is no path of a URL: it begins with /, and has up to 255 visible ASCII characters");
    v.check("host", h.host.size() <= HealthConfig::kMostHost && is_in_request_line(h.host),
            "is no name of a host: up to 253 visible ASCII characters");
    const bool is_http = h.type == CheckType::kHttp || v.is_wrong("type");
    v.check("path", is_http || h.path == "/", "is of no use without `type: http`");
    v.check("host", is_http || h.host.empty(), "is of no use without `type: http`");
    v.check("timeout", h.patience() <= h.interval || v.is_wrong("interval"),
            "is longer than `interval`: a check ends before the next one begins");
}

struct ServiceConfig {
    std::string name;
    std::vector<IpAddress> address;
    std::vector<PortConfig> ports;
    std::vector<BackendConfig> backends;
    uint32_t affinity = 0;  // seconds for which a client keeps its back end; 0: no affinity
    std::optional<HealthConfig> health;  // none: back ends are not checked
    base::Place place;

    bool operator==(const ServiceConfig&) const = default;
};

template <class V>
void fields(V& v, ServiceConfig& s) {
    v.required("name", s.name);
    v.check("name", base::is_object_name(s.name), base::kObjectNameRule);
    v.required("address", s.address);
    v.check("address", !s.address.empty(), "is empty: name the addresses that clients connect to");
    for (const IpAddress& address : s.address) {
        v.check("address", !address.is_multicast() && !address.is_unspecified(),
                "has what is no address of a host");
    }
    v.required("ports", s.ports);
    v.check("ports", !s.ports.empty(), "is empty: name the ports that clients connect to");
    v.optional("backends", s.backends);
    v.optional("affinity", s.affinity, base::Range{0, 86400});
    v.optional("health", s.health);
}

struct RangesConfig {
    std::vector<IpPrefix> cluster_ips{{IpAddress::from_v4(0x0a60'0000), 16}};  // 10.96.0.0/16
    base::PortRange node_ports{30000, 32767};
    std::vector<IpPrefix> load_balancer_ips;

    bool operator==(const RangesConfig&) const = default;
    // Null: there are no cluster IPs of this family.
    const IpPrefix* cluster_ips_of(bool v4) const {
        const auto found =
            std::ranges::find_if(cluster_ips, [v4](const auto& it) { return it.address.is_v4() == v4; });
        return found == cluster_ips.end() ? nullptr : &*found;
    }
};

template <class V>
void fields(V& v, RangesConfig& r) {
    v.optional("cluster-ips", r.cluster_ips);
    const auto v4 = std::ranges::count_if(r.cluster_ips, [](const auto& it) { return it.address.is_v4(); });
    v.check("cluster-ips", v4 <= 1 && std::ssize(r.cluster_ips) - v4 <= 1,
            "has two ranges of one family: give at most one of IPv4 and one of IPv6");
    v.optional("node-ports", r.node_ports);
    v.check("node-ports", r.node_ports.low != 0, "has port 0, which no connection can have");
    v.optional("load-balancer-ips", r.load_balancer_ips);
}

// The most back ends' ports that are checked.
inline constexpr size_t kMostChecks = 4096;

// What is wrong with the Services among themselves (names, and addresses with a port, that are declared twice),
// and with their health checks.
void check(const std::vector<ServiceConfig>& services, base::Mistakes& mistakes);

}  // namespace sluice::service
