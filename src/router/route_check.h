// What is wrong with routes, held against the networks and ports that they name. Control thread.
#pragma once

#include <string>
#include <vector>

#include "base/mistakes.h"
#include "router/sections.h"

namespace sluice::router {

// What is wrong with the configuration's routes.
void check_routes(const Sections& config, base::Mistakes& mistakes);
// The first mistake of one route; empty: the route is right.
std::string route_mistake(const Sections& config, const route::RouteConfig& route);
// The same for many routes.
std::vector<std::string> route_mistakes(const Sections& config, const std::vector<route::RouteConfig>& routes);

// The network of a route's next hop, of a valid configuration; empty: none.
std::string resolve_network(const Sections& config, const route::HopConfig& hop, const std::string& domain);

}  // namespace sluice::router
