// The answers to queries about routing, as JSON: routes and their next hops, neighbors, tunnels. The list of
// routes is bounded; of a million routes, one pass of some milliseconds finds those that match. Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "control/answer.h"
#include "engine/switch.h"

namespace sluice::control {

// The numbers of routes and neighbors and the memory that they take, for report_status().
nlohmann::json report_route_counts(const engine::Switch& running, const router::AddedRoutes& added);
nlohmann::json report_neighbor_counts(const engine::Switch& running);

struct RouteQuery {
    std::string domain;               // empty: all
    std::optional<IpPrefix> within;   // none: both families
    std::optional<IpAddress> around;  // only routes whose destination contains it
    bool is_default = false;          // 0.0.0.0/0 and ::/0 alone
    size_t limit = 0;
};
nlohmann::json report_routes(const engine::Switch& running, const router::AddedRoutes& added,
                             const RouteQuery& query);
// The route that packets to an address take. The domain must exist.
nlohmann::json report_lookup(const engine::Switch& running, const std::string& domain,
                             const IpAddress& address);
// The neighbors of one network; of all networks if the name is empty.
Steps report_neighbors(engine::Switch& running, const std::string& network);
nlohmann::json report_tunnels(const engine::Switch& running);

}  // namespace sluice::control
