#include "router/sections.h"

#include <algorithm>

namespace sluice::router {

using network::NetworkConfig;

namespace {

bool is_alone(const Sections& config) {
    return config.underlay && config.underlay->network.empty();
}

}  // namespace

std::string_view underlay_network(const Sections& config) {
    if (!config.underlay) return {};
    return is_alone(config) ? kUnderlay : std::string_view(config.underlay->network);
}

std::string_view underlay_domain(const Sections& config) {
    if (!config.underlay || is_alone(config)) return underlay_network(config);
    const NetworkConfig* network = find_network(config, config.underlay->network);
    return network == nullptr ? std::string_view() : std::string_view(network->domain);
}

std::vector<IpAddress> end_points_of(const Sections& config) {
    std::vector<IpAddress> own;
    const auto add = [&](const IpAddress& address) {
        const auto is_same = [&](const IpAddress& other) { return other.is_v4() == address.is_v4(); };
        if (std::none_of(own.begin(), own.end(), is_same)) own.push_back(address);
    };
    if (!config.underlay) return own;
    for (const auto& given : config.underlay->address) add(given.address);
    const NetworkConfig* network = is_alone(config) ? nullptr : find_network(config, config.underlay->network);
    if (network == nullptr) return own;
    for (const IpAddress& gateway : network->gateway) add(gateway);
    return own;
}

std::vector<NetworkConfig> networks_of(const Sections& config) {
    std::vector<NetworkConfig> networks = config.networks;
    if (!is_alone(config)) return networks;
    NetworkConfig underlay;
    underlay.name = kUnderlay;
    underlay.domain = kUnderlay;
    underlay.gateway_mac = config.underlay->mac;
    underlay.place = config.underlay->place;
    for (const auto& address : config.underlay->address) {
        underlay.subnets.push_back(address.prefix());
        underlay.gateway.push_back(address.address);
    }
    networks.push_back(std::move(underlay));
    return networks;
}

std::vector<route::RouteConfig> routes_of(const Sections& config) {
    std::vector<route::RouteConfig> routes = config.routes;
    if (!is_alone(config)) return routes;
    for (const auto& gateway : config.underlay->gateway) {
        route::RouteConfig route;
        if (gateway.is_v4()) route.to.address = IpAddress::from_v4(0);
        route.hop.via = gateway;
        route.domain = kUnderlay;
        route.place = config.underlay->place;
        routes.push_back(std::move(route));
    }
    return routes;
}

const port::PortConfig* find_port(const Sections& config, std::string_view name) {
    auto found = std::find_if(config.ports.begin(), config.ports.end(),
                              [&](const auto& port) { return port.name == name; });
    return found == config.ports.end() ? nullptr : &*found;
}

const NetworkConfig* find_network(const Sections& config, std::string_view name) {
    auto found = std::find_if(config.networks.begin(), config.networks.end(),
                              [&](const auto& network) { return network.name == name; });
    return found == config.networks.end() ? nullptr : &*found;
}

}  // namespace sluice::router
