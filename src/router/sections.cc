#include "router/sections.h"

#include <algorithm>

namespace sluice::router {

using network::NetworkConfig;

std::vector<NetworkConfig> networks_of(const Sections& config) {
    std::vector<NetworkConfig> networks = config.networks;
    if (!config.underlay) return networks;
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
    if (!config.underlay) return routes;
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
