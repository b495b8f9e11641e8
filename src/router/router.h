// Router owns the routes of all routing domains. They have three sources: the networks (their subnets and the
// gateways' own addresses), the configuration's `routes`, and additions while running. The control thread writes
// the tables; workers read them and see each change at once.
//
// A change of the configuration takes two steps. Before the new snapshot is published, withdraw() removes the
// routes into networks that are gone; after it, install() sets the new routes. If the configuration declares a
// destination that has an added route, the configuration wins: take_displaced() returns such routes, and
// AddedRoutes (added_routes.h) puts them back in force once that is possible.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/counted_log.h"
#include "neighbor/neighbor_table.h"
#include "path/published.h"
#include "route/domain.h"
#include "route/next_hop.h"
#include "route/route_text.h"
#include "router/sections.h"

namespace sluice::router {

using NetworkIds = std::map<std::string, path::NetworkId, std::less<>>;

class Router {
 public:
    explicit Router(path::Grace& grace) : grace_(grace), hops_(neighbors_) {}

    // --- a change of the configuration ---

    void arrange_domains(const Sections& next);
    void withdraw(const Sections& next, const NetworkIds& ids);
    void install(const Sections& next, const NetworkIds& ids, path::Seconds now);
    // MAC addresses of neighbors that need no ARP or Neighbor Discovery, by network and IP address.
    using Statics = std::map<std::pair<path::NetworkId, IpAddress>, uint64_t>;
    void set_static_neighbors(Statics statics, path::Seconds now);
    // The same for one neighbor.
    void set_static_neighbor(path::NetworkId network, const IpAddress& address, uint64_t mac,
                             path::Seconds now);
    void forget_static_neighbor(path::NetworkId network, const IpAddress& address);

    // --- while running ---

    // Makes all of these changes, which must be valid; or none, if there is no room for their next hops. Skips a
    // deletion of a route that doesn't exist, and any change of a route that the configuration declares.
    base::Result<void> change(const Sections& config, const NetworkIds& ids, const route::Changes& changes,
                              path::Seconds now);
    // To be called after any change: waits until no worker uses the removed routes and next hops, and frees them.
    void settle();

    // The next hop that workers would find for an address, if it leads into that network; for an address on a link
    // it is the neighbor itself. 0: there is none. The caller owns a reference, which give_back() releases.
    route::HopId take_hop_to(const route::Domain& domain, path::NetworkId network, const IpAddress& address,
                             path::Seconds now);
    void give_back(route::HopId hop) { if (hop != 0) hops_.give_back(hop); }
    // No packets come back by this next hop: probe its neighbors.
    void suspect(route::HopId hop) noexcept;
    // Takes next hops that don't answer out of their groups (ECMP), and puts those that answer again back in.
    void rebalance(base::CountedLog& log, base::CountedLog::Clock::time_point now);

    // The routes that a configuration would have, its networks' own among them, by domain.
    using DerivedRoutes = std::map<std::string, std::map<IpPrefix, route::Domain::Derived>>;
    static DerivedRoutes derived_from(const Sections& config);
    // The route that the configuration has for a destination; null: it has none.
    const route::Domain::Derived* declared(const std::string& domain, const IpPrefix& to) const;
    bool has_added(const std::string& domain, const IpPrefix& to) const;
    // A route that was added while running; its next hops name their networks.
    route::RouteConfig added_route(const route::Domain& domain, const IpPrefix& to, route::HopId hop) const;
    std::vector<route::RouteConfig> take_displaced() { return std::exchange(displaced_, {}); }
    // Empty: the network is gone.
    std::string_view network_name(path::NetworkId id) const;

    const route::Domains& domains() const noexcept { return domains_; }
    const route::NextHops& hops() const noexcept { return hops_; }
    neighbor::Table& neighbors() noexcept { return neighbors_; }
    const neighbor::Table& neighbors() const noexcept { return neighbors_; }
    size_t memory() const;

 private:
    struct Wanted {
        route::HopKey key;
        std::vector<route::HopKey> members;  // of a group; take() makes its key of them
        route::Domain::Derived derived;
    };
    using WantedRoutes = std::map<IpPrefix, Wanted>;

    static std::map<std::string, WantedRoutes> wanted(const Sections& config, const NetworkIds& ids);
    // The networks that a domain's routes may lead into.
    static std::map<std::string, std::set<path::NetworkId>> reach(const Sections& config,
                                                                  const NetworkIds& ids);
    static Wanted resolve(const Sections& config, const NetworkIds& ids, const route::RouteConfig& route);
    route::HopId take(const Wanted& wanted, path::Seconds now);
    bool leads_to(route::HopId hop, const std::set<path::NetworkId>& networks) const;
    void set(route::Domain& domain, const IpPrefix& to, route::HopId hop);
    void erase(route::Domain& domain, const IpPrefix& to);
    void displace(const route::Domain& domain, const IpPrefix& to, route::HopId hop);

    path::Grace& grace_;
    neighbor::Table neighbors_;
    route::NextHops hops_;
    route::Domains domains_;
    Statics statics_;
    std::map<std::string, std::set<path::NetworkId>> reach_;  // by domain, since the last install()
    std::map<path::NetworkId, std::string> names_;
    std::vector<route::RouteConfig> displaced_;
};

}  // namespace sluice::router
