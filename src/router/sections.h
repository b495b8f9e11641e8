// The sections of the configuration that routing depends on, and the networks and routes that follow from them.
// Control thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "network/network_config.h"
#include "port/port_config.h"
#include "route/route_config.h"
#include "vxlan/vxlan_config.h"

namespace sluice::router {

// Borrowed from a configuration.
struct Sections {
    const std::vector<network::NetworkConfig>& networks;
    const std::optional<vxlan::UnderlayConfig>& underlay;
    const std::vector<port::PortConfig>& ports;
    const std::vector<route::RouteConfig>& routes;
};

// The name of the underlay's network and of its routing domain. No user can give this name: it is no object name.
inline constexpr std::string_view kUnderlay = "(underlay)";

// The networks, and the underlay as one more.
std::vector<network::NetworkConfig> networks_of(const Sections& config);
// The routes, and those to the underlay's gateways.
std::vector<route::RouteConfig> routes_of(const Sections& config);
// Null: there is none.
const port::PortConfig* find_port(const Sections& config, std::string_view name);
const network::NetworkConfig* find_network(const Sections& config, std::string_view name);  // not the underlay

}  // namespace sluice::router
