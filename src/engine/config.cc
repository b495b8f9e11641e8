#include "engine/config.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "engine/machine.h"
#include "port/claims.h"

namespace sluice::engine {
namespace {

// Bytes of a VXLAN packet in front of the inner Ethernet header's payload: outer IP, UDP, VXLAN and the inner
// Ethernet header.
constexpr uint16_t kOverhead4 = 20 + 8 + 8 + 14;
constexpr uint16_t kOverhead6 = 40 + 8 + 8 + 14;

void complete_address(InterfaceAddress& address, const NetworkConfig& network) {
    if (address.has_length()) return;
    for (const IpPrefix& subnet : network.subnets) {
        if (!subnet.contains(address.address)) continue;
        address.length = network.flat ? static_cast<uint8_t>(address.address.bits()) : subnet.length;
    }
}

// Adds the default routes of containers in routed networks, by the networks' gateways. A namespace with several
// ports gets one route for each port. The metrics grow in the order of the ports, so the kernel uses the route of
// the first port as long as that port exists.
class DefaultRoutes {
 public:
    // `ports`: whose routes count.
    DefaultRoutes(const Config& config, std::span<const port::PortConfig> ports) : config_(config) {
        for (const auto& port : ports) {
            if (port.kind() != port::Kind::kNetns) continue;
            for (const auto& route : port.routes) {
                if (route.to.length == 0) taken_[key_of(port, route.to.address.is_v4())].insert(metric_of(route));
            }
        }
    }

    // To be called for all ports, in order.
    void add_to(port::PortConfig& port) {
        const NetworkConfig* network = network_of(port);
        if (network == nullptr || !port.routes.empty() || port.kind() != port::Kind::kNetns) return;
        if (port.handover) return;  // the runtime gives the container its routes
        for (const bool v4 : {true, false}) {
            const auto via = gateway_of(*network, port, v4);
            if (!via) continue;
            const auto metric = next_metric(port, v4);
            if (network->flat) {
                port.routes.push_back({.to = {*via, static_cast<uint8_t>(via->bits())}, .metric = metric});
            }
            port.routes.push_back({.to = any(v4), .via = via, .metric = metric});
        }
    }

 private:
    using Key = std::pair<std::string, bool>;  // of a namespace, IPv4 or not

    static Key key_of(const port::PortConfig& port, bool v4) { return {port::namespace_of(port), v4}; }
    static IpPrefix any(bool v4) { return {v4 ? IpAddress::from_v4(0) : IpAddress{}, 0}; }
    // The kernel's metric of a route without one.
    static uint32_t least_metric(bool v4) { return v4 ? 0 : port::kMetricOfIpv6; }
    static uint32_t metric_of(const port::RouteConfig& route) {
        const uint32_t metric = route.kernel_metric();
        return metric != 0 ? metric : least_metric(route.to.address.is_v4());
    }

    const NetworkConfig* network_of(const port::PortConfig& port) const {
        const NetworkConfig* network = find_network(config_, port.network);
        return network == nullptr || !network->is_routed() ? nullptr : network;
    }

    // None: the port has no address of the family.
    static std::optional<IpAddress> gateway_of(const NetworkConfig& network, const port::PortConfig& port,
                                               bool v4) {
        auto same_family = [&](const auto& a) { return a.is_v4() == v4; };
        const bool has = std::any_of(port.address.begin(), port.address.end(),
                                     [&](const auto& a) { return same_family(a.address); });
        if (!has) return std::nullopt;
        const auto gateway = std::find_if(network.gateway.begin(), network.gateway.end(), same_family);
        if (gateway != network.gateway.end()) return *gateway;
        return network.flat ? std::optional(flat_gateway(v4)) : std::nullopt;
    }

    std::optional<uint32_t> next_metric(const port::PortConfig& port, bool v4) {
        auto& taken = taken_[key_of(port, v4)];
        uint32_t metric = least_metric(v4);
        while (!taken.insert(metric).second) ++metric;
        return metric == least_metric(v4) ? std::nullopt : std::optional(metric);
    }

    const Config& config_;
    std::map<Key, std::set<uint32_t>> taken_;
};

// Completes what doesn't depend on other ports.
void complete_alone(const Config& config, port::PortConfig& port) {
    if (auto most = overlay_mtu(config, port); most && !port.mtu) port.mtu = most;
    const NetworkConfig* network = find_network(config, port.network);
    if (network == nullptr) return;
    for (auto& address : port.address) complete_address(address, *network);
}

template <class T>
void add_comments(base::Tree& root, std::string_view key, const std::vector<T>& objects) {
    auto entry = std::find_if(root.entries.begin(), root.entries.end(),
                              [&](const auto& e) { return e.key.text == key; });
    if (entry == root.entries.end()) return;
    for (size_t i = 0; i < objects.size(); ++i) {
        entry->value.items[i].comment = origin(objects[i].place);
    }
}

}  // namespace

IpAddress flat_gateway(bool v4) {
    if (v4) return IpAddress::from_v4(0xa9fe'0101);  // 169.254.1.1
    IpAddress address;                               // fe80::1
    address.bytes[0] = 0xfe;
    address.bytes[1] = 0x80;
    address.bytes[15] = 1;
    return address;
}

std::string_view network_of(const Config& config, const port::PortConfig& port) {
    if (config.underlay && config.underlay->network.empty() && config.underlay->port == port.name)
        return kUnderlay;
    return port.network;
}

namespace {

bool is_in(const Config& config, const port::PortConfig& port, std::string_view network) {
    if (!port.trunk) return network_of(config, port) == network;
    const auto& carried = port.trunk->networks;
    return port.trunk->native == network || std::find(carried.begin(), carried.end(), network) != carried.end();
}

}  // namespace

std::vector<const port::PortConfig*> underlay_ports(const Config& config) {
    std::vector<const port::PortConfig*> all;
    std::vector<const port::PortConfig*> nics;
    const std::string_view network = underlay_network(config);
    if (network.empty()) return all;
    for (const port::PortConfig& port : config.ports) {
        if (!is_in(config, port, network)) continue;
        const port::Kind kind = port.kind();
        (kind == port::Kind::kDevice || kind == port::Kind::kBond ? nics : all).push_back(&port);
    }
    return nics.empty() ? all : nics;
}

uint16_t underlay_mtu(const Config& config) {
    uint16_t least = 0;
    for (const port::PortConfig* port : underlay_ports(config))
        least = least == 0 ? port->frame_mtu() : std::min(least, port->frame_mtu());
    return least;
}

std::vector<std::string> networks_of(const Config& config, const port::PortConfig& port) {
    if (!port.trunk) return {std::string(network_of(config, port))};
    std::vector<std::string> names = port.trunk->networks;
    if (!port.trunk->native.empty()) names.push_back(port.trunk->native);
    return names;
}

std::string flow_domain_of(const NetworkConfig& network) {
    return network.is_routed() ? flow_domain_of_routes(network.domain) : "network " + network.name;
}

std::string flow_domain_of_routes(std::string_view domain) { return fmt::format("domain {}", domain); }

FlowDomainNames flow_domains_of(const Config& config, const port::PortConfig& port) {
    FlowDomainNames domains;
    for (const std::string& name : networks_of(config, port)) {
        if (name == kUnderlay) domains.insert(flow_domain_of_routes(kUnderlay));
        if (const NetworkConfig* network = find_network(config, name)) domains.insert(flow_domain_of(*network));
    }
    return domains;
}

std::vector<nat::PublishConfig> published_in(const Config& config) {
    std::vector<nat::PublishConfig> all = config.publish;
    for (const port::PortConfig& port : config.ports) {
        for (const port::PublishedPort& own : port.publish) {
            all.push_back({.address = own.address,
                           .ports = own.ports,
                           .protocol = own.protocol,
                           .to = {.port = port.name, .address = {}, .ports = own.to.value_or(own.ports)},
                           .place = own.place});
        }
    }
    return all;
}

std::set<IpAddress> remotes_of(const Config& config) {
    std::set<IpAddress> remotes;
    for (const auto& network : config.networks) {
        if (network.vxlan) remotes.insert(network.vxlan->remotes.begin(), network.vxlan->remotes.end());
    }
    return remotes;
}

std::optional<uint16_t> overlay_mtu(const Config& config, const port::PortConfig& port) {
    if (port.network.empty() || !config.underlay) return std::nullopt;
    const NetworkConfig* network = find_network(config, port.network);
    // That the underlay can't be an overlay is told elsewhere.
    if (network == nullptr || !network->vxlan || network->name == underlay_network(config)) return std::nullopt;
    const uint16_t mtu = underlay_mtu(config);
    if (mtu == 0) return std::nullopt;
    bool v6 = std::any_of(network->vxlan->remotes.begin(), network->vxlan->remotes.end(),
                          [](const IpAddress& remote) { return !remote.is_v4(); });
    if (network->vxlan->remotes.empty()) {
        const auto own = end_points_of(config);
        v6 = std::none_of(own.begin(), own.end(), [](const IpAddress& address) { return address.is_v4(); });
    }
    const uint16_t overhead = v6 ? kOverhead6 : kOverhead4;
    return static_cast<uint16_t>(mtu - std::min(mtu, overhead));
}

void complete(const Config& config, port::PortConfig& port) {
    complete_alone(config, port);
    DefaultRoutes defaults(config, config.ports);
    for (const port::PortConfig& before : config.ports) {
        if (before.name == port.name) break;
        // Copy only ports without routes of their own: there may be thousands of ports, and few lack routes.
        if (!before.routes.empty() || before.kind() != port::Kind::kNetns) continue;
        port::PortConfig copy = before;
        defaults.add_to(copy);
    }
    defaults.add_to(port);
}

void complete_first(const Config& config, port::PortConfig& port) {
    complete_alone(config, port);
    DefaultRoutes(config, {}).add_to(port);
}

void complete(Config& config) {
    DefaultRoutes defaults(config, config.ports);
    for (auto& port : config.ports) {
        complete_alone(config, port);
        defaults.add_to(port);
    }
}

void sort_by_place(base::Errors& errors) {
    std::stable_sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) {
        return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
}

tl::expected<Config, base::Errors> load_config(std::string_view text, std::string_view file,
                                               const std::vector<port::PortConfig>& added) {
    return load_config(text, file, added, this_machine());
}

tl::expected<Config, base::Errors> load_config(std::string_view text, std::string_view file,
                                               const std::vector<port::PortConfig>& added,
                                               const Machine& machine) {
    auto document = base::parse_yaml(text, file);
    if (!document) return tl::unexpected(document.error());
    Config config;
    base::Errors errors = base::read(*document, config);
    config.ports.insert(config.ports.end(), added.begin(), added.end());
    base::Errors more = validate(config, &*document, machine, errors);
    errors.insert(errors.end(), more.begin(), more.end());
    if (!errors.empty()) {
        sort_by_place(errors);
        base::limit(errors);
        return tl::unexpected(errors);
    }
    complete(config);
    return config;
}

tl::expected<route::RouteConfig, base::Errors> read_route(const base::Document& document) {
    route::RouteConfig route;
    base::Errors errors = base::read(document, route);
    base::limit(errors);
    if (!errors.empty()) return tl::unexpected(errors);
    route.place = {};
    return route;
}

std::string show(const Config& config) {
    Config shown = config;
    for (auto& port : shown.ports) port = port.in_force();
    base::Tree tree = base::write(shown);
    add_comments(tree, "networks", config.networks);
    add_comments(tree, "ports", config.ports);
    add_comments(tree, "routes", config.routes);
    add_comments(tree, "address-sets", config.address_sets);
    add_comments(tree, "acls", config.acls);
    add_comments(tree, "mirrors", config.mirrors);
    return base::to_yaml(tree);
}

}  // namespace sluice::engine
