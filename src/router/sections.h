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

// The name of the network around an underlay's port that is in none, and of that network's routing domain. No user
// can give this name: it is no object name.
inline constexpr std::string_view kUnderlay = "(underlay)";

// The network that carries tunnel packets: one of the configuration, or kUnderlay. Empty: there is none.
std::string_view underlay_network(const Sections& config);
// Its routing domain, in which tunnels find their remote end points. Empty: there is none.
std::string_view underlay_domain(const Sections& config);
// This host's tunnel end points, at most one of each family: of several gateway addresses the first.
std::vector<IpAddress> end_points_of(const Sections& config);

// The networks, and the network around an underlay's port as one more.
std::vector<network::NetworkConfig> networks_of(const Sections& config);
// The routes, and those to the underlay's gateways.
std::vector<route::RouteConfig> routes_of(const Sections& config);
// Null: there is none.
const port::PortConfig* find_port(const Sections& config, std::string_view name);
const network::NetworkConfig* find_network(const Sections& config, std::string_view name);  // not the underlay

}  // namespace sluice::router
