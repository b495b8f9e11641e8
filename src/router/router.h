// The routes of all routing domains, from three sources: what networks imply (their subnets, the gateways'
// own addresses), what the configuration declares, what is added while running. Control thread; workers
// read the tables that it writes, each change of which is in force at once.
//
// A change of the configuration goes in two steps around the snapshot that it leads to: withdraw() before
// it, so that no route leads into a network that is gone, and install() after it. A route that was added
// while running gives way to the configuration: take_displaced() hands such routes over, for their owner
// (added_routes.h) to put them back in force when they can be.
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
    // Addresses whose MAC is known without asking, by network.
    using Statics = std::map<std::pair<path::NetworkId, IpAddress>, uint64_t>;
    void set_static_neighbors(Statics statics, path::Seconds now);
    // The same of one.
    void set_static_neighbor(path::NetworkId network, const IpAddress& address, uint64_t mac,
                             path::Seconds now);
    void forget_static_neighbor(path::NetworkId network, const IpAddress& address);

    // --- while running ---

    // All of these valid routes, or none: there was no room for their next hops. What is deleted and isn't
    // there, and what the configuration says about, stays as it is.
    base::Result<void> change(const Sections& config, const NetworkIds& ids, const route::Changes& changes,
                              path::Seconds now);
    // After any change: waits until no worker sees what is gone, and takes it back.
    void settle();

    // How an address is reached, as workers would find it: a hop to a neighbor for one on a link. To be
    // given back.
    route::HopId take_hop_to(const route::Domain& domain, const IpAddress& address, path::Seconds now);
    void give_back(route::HopId hop) { if (hop != 0) hops_.give_back(hop); }
    // Nothing comes back by this hop: its neighbors are probed.
    void suspect(route::HopId hop) noexcept;
    // Lets the next hops of groups that have gone be passed by, and those that have come back be used.
    void rebalance(base::CountedLog& log, base::CountedLog::Clock::time_point now);

    // What the configuration says about a destination; null: nothing.
    const route::Domain::Derived* declared(const std::string& domain, const IpPrefix& to) const;
    bool has_added(const std::string& domain, const IpPrefix& to) const;
    // A route that was added while running; its next hops name their networks.
    route::RouteConfig added_route(const route::Domain& domain, const IpPrefix& to, route::HopId hop) const;
    std::vector<route::RouteConfig> take_displaced() { return std::exchange(displaced_, {}); }
    // Empty: there is no such network any more.
    std::string_view network_name(path::NetworkId id) const;

    const route::Domains& domains() const noexcept { return domains_; }
    const route::NextHops& hops() const noexcept { return hops_; }
    neighbor::Table& neighbors() noexcept { return neighbors_; }
    const neighbor::Table& neighbors() const noexcept { return neighbors_; }
    size_t memory() const;

 private:
    struct Wanted {
        route::HopKey key;
        std::vector<route::HopKey> members;  // of a group, whose key is made of them
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
