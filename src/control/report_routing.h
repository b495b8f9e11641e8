// What the switch tells about routing, as JSON: routes and where they lead, neighbors, tunnels. A list of
// a million routes is bounded, and found in one pass of some ms. Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/switch.h"

namespace sluice::control {

// How many there are of all, for report_status(); and what memory they take.
nlohmann::json report_route_counts(const engine::Switch& running, const router::AddedRoutes& added);
nlohmann::json report_neighbor_counts(const engine::Switch& running);

struct RouteQuery {
    std::string domain;               // empty: all
    std::optional<IpPrefix> within;   // none: both families
    std::optional<IpAddress> around;  // only those that it lies in
    bool is_default = false;          // 0.0.0.0/0 and ::/0 alone
    size_t limit = 0;
};
nlohmann::json report_routes(const engine::Switch& running, const router::AddedRoutes& added,
                             const RouteQuery& query);
// The way of packets for an address. The domain must exist.
nlohmann::json report_lookup(const engine::Switch& running, const std::string& domain,
                             const IpAddress& address);
// Of one network, or of all where the name is empty.
Steps report_neighbors(engine::Switch& running, const std::string& network);
nlohmann::json report_tunnels(const engine::Switch& running);

}  // namespace sluice::control
