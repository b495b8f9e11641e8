#include "router/route_check.h"

#include <algorithm>

namespace sluice::router {

using network::NetworkConfig;

namespace {

bool is_in_any(const std::vector<IpPrefix>& subnets, const IpAddress& address) {
    return std::any_of(subnets.begin(), subnets.end(),
                       [&](const IpPrefix& subnet) { return subnet.contains(address); });
}

// The objects that routes name, looked up one by one: for one route.
struct Searched {
    const Sections& config;

    const port::PortConfig* port(std::string_view name) const { return find_port(config, name); }
    const NetworkConfig* network(std::string_view name) const { return find_network(config, name); }
    bool has_domain(const std::string& domain) const {
        return std::any_of(config.networks.begin(), config.networks.end(),
                           [&](const auto& n) { return n.is_routed() && n.domain == domain; });
    }
    // The routed network of a domain that an address lies in.
    const NetworkConfig* around(const IpAddress& address, const std::string& domain) const {
        for (const auto& network : config.networks) {
            if (network.is_routed() && network.domain == domain && is_in_any(network.subnets, address))
                return &network;
        }
        return nullptr;
    }
    std::vector<IpPrefix> links(const NetworkConfig& network, const IpAddress&) const { return network.subnets; }
};

// The network that a next hop is in, or why there is none.
template <class Known>
tl::expected<const NetworkConfig*, std::string> network_of_hop(const Known& known, const route::HopConfig& hop,
                                                               const std::string& domain) {
    std::string name = hop.network;
    if (!hop.port.empty()) {
        const port::PortConfig* port = known.port(hop.port);
        if (port == nullptr) return tl::unexpected(fmt::format("there is no port \"{}\"", hop.port));
        name = port->network;
        if (name.empty()) return tl::unexpected(fmt::format("port {} is in no network", hop.port));
    }
    if (name.empty()) {
        if (const NetworkConfig* network = known.around(*hop.via, domain)) return network;
        return tl::unexpected(fmt::format("{} is in no subnet of a routed network of domain {}: name "
                                          "the `network`",
                                          hop.via->text(), domain));
    }
    const NetworkConfig* network = known.network(name);
    if (network == nullptr) return tl::unexpected(fmt::format("there is no network \"{}\"", name));
    if (!network->is_routed()) {
        return tl::unexpected(fmt::format("network {} is not routed: give it a `gateway`", name));
    }
    if (network->domain != domain) {
        return tl::unexpected(fmt::format("network {} is of routing domain {}, the route of {}", name,
                                          network->domain, domain));
    }
    return network;
}

template <class Known>
std::vector<RouteMistake> find_mistakes(const Known& known, const route::RouteConfig& route) {
    std::vector<RouteMistake> mistakes;
    auto of_networks = [&](std::string_view key, size_t hop, std::string message) {
        mistakes.push_back({key, std::move(message), hop, true});
    };
    const bool is_domain = known.has_domain(route.domain);
    if (!is_domain) {
        of_networks("domain", 0,
                    fmt::format("no network with a `gateway` is of routing domain \"{}\"", route.domain));
    }
    const auto hops = route.all_hops();
    for (size_t i = 0; i < hops.size(); ++i) {
        const route::HopConfig& hop = hops[i];
        if (hop.via && hop.via->is_v4() != route.to.address.is_v4()) {
            mistakes.push_back({"via",
                                fmt::format("{} is of another address family than {}", hop.via->text(),
                                            route.to.text()),
                                i});
            continue;
        }
        if (!hop.via && hop.network.empty() && hop.port.empty()) continue;  // told when it was read
        if (!is_domain) continue;
        auto network = network_of_hop(known, hop, route.domain);
        if (!network) {
            of_networks(!hop.port.empty() ? "port" : !hop.network.empty() ? "network" : "via", i, network.error());
            continue;
        }
        if (!hop.via) continue;
        const auto& own = (*network)->gateway;
        const std::vector<IpPrefix> links =
            (*network)->flat ? std::vector<IpPrefix>{} : known.links(**network, *hop.via);
        const std::string why = network::why_unusable(*hop.via, links);
        if (!(*network)->flat && !is_in_any(links, *hop.via)) {
            of_networks("via", i,
                        fmt::format("{} is in none of network {}'s subnets", hop.via->text(), (*network)->name));
        } else if (!why.empty()) {
            of_networks("via", i, fmt::format("{} {}", hop.via->text(), why));
        } else if (std::find(own.begin(), own.end(), *hop.via) != own.end()) {
            of_networks("via", i, fmt::format("{} is the switch's own address", hop.via->text()));
        }
    }
    return mistakes;
}

}  // namespace

std::vector<RouteMistake> mistakes_of(const Indexed& known, const route::RouteConfig& route) {
    return find_mistakes(known, route);
}

std::string route_mistake(const Sections& config, const route::RouteConfig& route) {
    const auto mistakes = find_mistakes(Searched{config}, route);
    return mistakes.empty() ? std::string() : mistakes.front().message;
}

std::vector<std::string> route_mistakes(const Sections& config, const std::vector<route::RouteConfig>& routes) {
    const Indexed known(config);
    std::vector<std::string> texts;
    for (const auto& route : routes) {
        const auto mistakes = mistakes_of(known, route);
        texts.push_back(mistakes.empty() ? std::string() : mistakes.front().message);
    }
    return texts;
}

std::string resolve_network(const Sections& config, const route::HopConfig& hop, const std::string& domain) {
    if (domain == kUnderlay) return std::string(kUnderlay);
    auto network = network_of_hop(Searched{config}, hop, domain);
    return network ? (*network)->name : std::string();
}

}  // namespace sluice::router
