#include "router/router.h"

#include <algorithm>
#include <unordered_map>

#include "base/log.h"
#include "router/route_check.h"

namespace sluice::router {
namespace {

// The subnet's own address and its broadcast address, which no station has (RFC 1812, 5.3.5). A /31 has neither
// (RFC 3021).
std::vector<IpPrefix> broadcasts(const IpPrefix& subnet) {
    if (!subnet.address.is_v4() || subnet.length > 30) return {};
    const uint32_t first = subnet.address.v4();
    const uint32_t last = first | (subnet.length == 0 ? ~0U : (1U << (32 - subnet.length)) - 1);
    return {{subnet.address, 32}, {IpAddress::from_v4(last), 32}};
}

IpPrefix host(const IpAddress& address) { return {address, static_cast<uint8_t>(address.bits())}; }

path::NetworkId id_of(const NetworkIds& ids, std::string_view name) {
    auto found = ids.find(name);
    return found == ids.end() ? path::kNoNetworkId : found->second;
}

}  // namespace

void Router::arrange_domains(const Sections& next) {
    std::set<std::string> names;
    for (const auto& network : networks_of(next)) {
        if (network.is_routed()) names.insert(network.domain);
    }
    for (const auto& name : names) {
        auto& domain = domains_[name];
        if (domain != nullptr) continue;
        domain = std::make_shared<route::Domain>();
        domain->name = name;
    }
    // withdraw() removes the domains that no network is in any more.
}

std::map<std::string, Router::WantedRoutes> Router::wanted(const Sections& config, const NetworkIds& ids) {
    std::map<std::string, WantedRoutes> domains;
    for (const auto& network : networks_of(config)) {
        if (!network.is_routed()) continue;
        WantedRoutes& routes = domains[network.domain];
        const path::NetworkId id = id_of(ids, network.name);
        const route::Domain::Derived derived{route::Origin::kNetwork, network.place};
        for (const auto& subnet : network.subnets) {
            routes[subnet] = {{route::HopKind::kConnected, id, {}, {}}, {}, derived};
            if (network.flat) continue;
            for (const auto& prefix : broadcasts(subnet)) {
                routes[prefix] = {{route::HopKind::kBroadcast, id, {}, {}}, {}, derived};
            }
        }
    }
    for (const auto& network : networks_of(config)) {
        if (!network.is_routed()) continue;
        // No route leads to link-local addresses: the router's own steps handle them, by the packet's network.
        WantedRoutes& routes = domains[network.domain];
        for (const char* prefix : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/128", "::1/128",
                                   "fe80::/10", "ff00::/8"}) {
            routes[*IpPrefix::parse(prefix)] = {
                {route::HopKind::kMartian, path::kNoNetworkId, {}, {}}, {}, {route::Origin::kBuiltIn, {}}};
        }
        for (const auto& gateway : network.gateway) {
            domains[network.domain][host(gateway)] = {
                {route::HopKind::kLocal, id_of(ids, network.name), {}, {}},
                {},
                {route::Origin::kNetwork, network.place}};
        }
    }
    for (const auto& route : routes_of(config)) {
        domains[route.domain][route.to] = resolve(config, ids, route);
    }
    return domains;
}

Router::DerivedRoutes Router::derived_from(const Sections& config) {
    DerivedRoutes derived;
    for (const auto& [domain, routes] : wanted(config, {})) {
        for (const auto& [to, route] : routes) derived[domain].emplace(to, route.derived);
    }
    return derived;
}

Router::Wanted Router::resolve(const Sections& config, const NetworkIds& ids,
                               const route::RouteConfig& route) {
    Wanted wanted;
    wanted.derived = {route::Origin::kConfigured, route.place};
    if (route.kind == route::Kind::kBlackhole) wanted.key.kind = route::HopKind::kBlackhole;
    if (route.kind == route::Kind::kUnreachable) wanted.key.kind = route::HopKind::kUnreachable;
    for (const auto& hop : route.all_hops()) {
        route::HopKey key;
        key.kind = hop.via ? route::HopKind::kVia : route::HopKind::kConnected;
        key.network = id_of(ids, resolve_network(config, hop, route.domain));
        if (hop.via) key.via = *hop.via;
        wanted.members.push_back(std::move(key));
    }
    if (wanted.members.size() == 1) {
        wanted.key = std::move(wanted.members.front());
        wanted.members.clear();
    } else if (!wanted.members.empty()) {
        wanted.key.kind = route::HopKind::kGroup;
    }
    return wanted;
}

route::HopId Router::take(const Wanted& wanted, path::Seconds now) {
    if (wanted.members.empty()) return hops_.take(wanted.key, now);
    route::HopKey group{.kind = route::HopKind::kGroup};
    for (const route::HopKey& member : wanted.members) {
        if (const route::HopId id = hops_.take(member, now); id != 0) group.members.push_back(id);
    }
    const route::HopId id = group.members.empty() ? 0 : hops_.take(group, now);
    // The group holds references of its own now.
    for (const route::HopId member : group.members) hops_.give_back(member);
    return id;
}

bool Router::leads_to(route::HopId hop, const std::set<path::NetworkId>& networks) const {
    const route::HopKey& key = hops_.key(hop);
    if (key.kind != route::HopKind::kGroup) {
        return key.network == path::kNoNetworkId || networks.contains(key.network);
    }
    return std::all_of(key.members.begin(), key.members.end(),
                       [&](route::HopId member) { return leads_to(member, networks); });
}

std::map<std::string, std::set<path::NetworkId>> Router::reach(const Sections& config, const NetworkIds& ids) {
    std::map<std::string, std::set<path::NetworkId>> reach;
    for (const auto& network : networks_of(config)) {
        if (network.is_routed()) reach[network.domain].insert(id_of(ids, network.name));
    }
    return reach;
}

void Router::withdraw(const Sections& next, const NetworkIds& ids) {
    const auto routes = wanted(next, ids);
    auto reached = reach(next, ids);
    for (auto& [name, domain] : domains_) {
        const auto stays = routes.find(name);
        const std::set<path::NetworkId>& networks = reached[name];
        std::vector<IpPrefix> gone;
        for (const auto& [to, derived] : domain->derived) {
            const bool known = stays != routes.end() && stays->second.contains(to);
            if (!known || !leads_to(*domain->table.exact(to), networks)) gone.push_back(to);
        }
        // Look at the added routes only if a network has left the domain: there may be a million of them.
        const std::set<path::NetworkId>& before = reach_[name];
        if (!std::includes(networks.begin(), networks.end(), before.begin(), before.end())) {
            domain->table.each([&](const IpPrefix& to, uint32_t hop) {
                const bool last = stays == routes.end();
                if (domain->derived.contains(to) || (!last && leads_to(hop, networks))) return;
                displace(*domain, to, hop);
                gone.push_back(to);
            });
        }
        for (const IpPrefix& to : gone) erase(*domain, to);
    }
    // Snapshots share the domains, and keep them for as long as they live.
    std::erase_if(domains_, [&](const auto& entry) { return !routes.contains(entry.first); });
}

void Router::install(const Sections& next, const NetworkIds& ids, path::Seconds now) {
    reach_ = reach(next, ids);
    names_.clear();
    for (const auto& [name, id] : ids) names_[id] = name;
    for (const auto& [name, routes] : wanted(next, ids)) {
        route::Domain& domain = *domains_.at(name);
        for (const auto& [to, wanted] : routes) {
            const route::HopId hop = take(wanted, now);
            if (hop == 0) {
                base::log::error("route", "{} of domain {}: no room for its next hop", to.text(), name);
                continue;
            }
            if (has_added(name, to)) displace(domain, to, *domain.table.exact(to));
            set(domain, to, hop);
            domain.derived[to] = wanted.derived;
        }
    }
    settle();
}

void Router::set(route::Domain& domain, const IpPrefix& to, route::HopId hop) {
    // Release the reference of the next hop that is replaced, even if it is the same one.
    if (auto before = domain.table.set(to, hop)) hops_.give_back(*before);
}

void Router::erase(route::Domain& domain, const IpPrefix& to) {
    if (auto before = domain.table.remove(to)) hops_.give_back(*before);
    domain.derived.erase(to);
}

void Router::displace(const route::Domain& domain, const IpPrefix& to, route::HopId hop) {
    displaced_.push_back(added_route(domain, to, hop));
}

base::Result<void> Router::change(const Sections& config, const NetworkIds& ids,
                                  const route::Changes& changes, path::Seconds now) {
    struct Way {
        route::Domain* domain;
        uint64_t users = 0;
        route::HopId hop = 0;
    };
    std::vector<Way> ways;
    for (const auto& way : changes.ways) {
        auto domain = domains_.find(way.domain);
        ways.push_back({domain == domains_.end() ? nullptr : domain->second.get()});
    }
    auto is_declared = [&](const route::Changes::Change& change) {
        return ways[change.way].domain->derived.contains(change.to);
    };
    for (const auto& change : changes.changes) {
        Way& way = ways[change.way];
        if (way.domain != nullptr && !change.deletes && !is_declared(change)) ++way.users;
    }
    // Take all next hops before any route changes: only this can fail.
    for (size_t i = 0; i < ways.size(); ++i) {
        if (ways[i].users == 0) continue;
        ways[i].hop = take(resolve(config, ids, changes.ways[i]), now);
        if (ways[i].hop != 0) {
            hops_.share(ways[i].hop, ways[i].users - 1);
            continue;
        }
        for (size_t taken = 0; taken < i; ++taken) {
            if (ways[taken].hop != 0) hops_.give_back(ways[taken].hop, ways[taken].users);
        }
        return base::fail("{}: there is no room for its next hop: {} neighbors and {} next hops at most",
                          changes.ways[i].to.text(), neighbors_.capacity(), route::NextHops::kCapacity - 1);
    }
    std::unordered_map<route::HopId, uint64_t> replaced;
    for (const auto& change : changes.changes) {
        const Way& way = ways[change.way];
        if (way.domain == nullptr || is_declared(change)) continue;
        const auto before = change.deletes ? way.domain->table.remove(change.to)
                                           : way.domain->table.set(change.to, way.hop);
        if (before) ++replaced[*before];
    }
    for (const auto& [hop, users] : replaced) hops_.give_back(hop, users);
    return {};
}

const route::Domain::Derived* Router::declared(const std::string& name, const IpPrefix& to) const {
    auto domain = domains_.find(name);
    if (domain == domains_.end()) return nullptr;
    auto derived = domain->second->derived.find(to);
    return derived == domain->second->derived.end() ? nullptr : &derived->second;
}

bool Router::has_added(const std::string& name, const IpPrefix& to) const {
    auto domain = domains_.find(name);
    return domain != domains_.end() && !domain->second->derived.contains(to) &&
           domain->second->table.exact(to).has_value();
}

std::string_view Router::network_name(path::NetworkId id) const {
    auto name = names_.find(id);
    return name == names_.end() ? std::string_view() : name->second;
}

route::RouteConfig Router::added_route(const route::Domain& domain, const IpPrefix& to, route::HopId id) const {
    route::RouteConfig route;
    route.to = to;
    route.domain = domain.name;
    auto hop_of = [&](const route::HopKey& key) {
        route::HopConfig hop;
        if (key.kind == route::HopKind::kVia) hop.via = key.via;
        hop.network = network_name(key.network);
        return hop;
    };
    const route::HopKey& key = hops_.key(id);
    if (key.kind == route::HopKind::kBlackhole) {
        route.kind = route::Kind::kBlackhole;
    } else if (key.kind == route::HopKind::kUnreachable) {
        route.kind = route::Kind::kUnreachable;
    } else if (key.kind == route::HopKind::kGroup) {
        for (const route::HopId member : key.members) route.hops.push_back(hop_of(hops_.key(member)));
    } else {
        route.hop = hop_of(key);
    }
    return route;
}

void Router::set_static_neighbors(Statics statics, path::Seconds now) {
    for (const auto& [place, mac] : statics_) {
        if (statics.contains(place)) continue;
        auto* entry = neighbors_.find(place.first, place.second);
        if (entry != nullptr) neighbors_.forget_static(*entry);
    }
    for (const auto& [place, mac] : statics) neighbors_.set_static(place.first, place.second, mac, now);
    statics_ = std::move(statics);
}

void Router::set_static_neighbor(path::NetworkId network, const IpAddress& address, uint64_t mac,
                                 path::Seconds now) {
    neighbors_.set_static(network, address, mac, now);
    statics_[{network, address}] = mac;
}

void Router::forget_static_neighbor(path::NetworkId network, const IpAddress& address) {
    if (statics_.erase({network, address}) == 0) return;
    if (auto* entry = neighbors_.find(network, address)) neighbors_.forget_static(*entry);
}

void Router::settle() {
    grace_.wait();
    for (auto& [name, domain] : domains_) domain->table.reclaim();
    hops_.reclaim();
    neighbors_.reclaim();
}

route::HopId Router::take_hop_to(const route::Domain& domain, path::NetworkId network, const IpAddress& address,
                                 path::Seconds now) {
    const auto longest = domain.table.longest(address);
    if (!longest || !leads_to(longest->second, {network})) return 0;
    const route::HopKey& key = hops_.key(longest->second);
    if (key.kind == route::HopKind::kConnected) {
        return hops_.take({route::HopKind::kVia, key.network, address, {}}, now);
    }
    return hops_.take(key, now);
}

void Router::suspect(route::HopId hop) noexcept {
    if (hop == 0) return;
    const route::HopKey& key = hops_.key(hop);
    for (const route::HopId member : key.members) suspect(member);
    if (neighbor::Entry* neighbor = hops_.data()[hop].neighbor) neighbors_.suspect(*neighbor);
}

void Router::rebalance(base::CountedLog& log, base::CountedLog::Clock::time_point now) {
    for (const auto& [id, is_gone] : hops_.rebalance()) {
        const route::HopKey& key = hops_.key(id);
        const std::string hop =
            fmt::format("next hop {} in network {}", key.via.text(), network_name(key.network));
        if (is_gone) {
            log.tell(
                now, base::log::Level::kWarning, "route", hop + " gone",
                hop + (hops_.has_alternative(id)
                           ? " does not answer: the other next hops of its routes take its flows"
                           : " does not answer, nor does any other of a route: its packets are "
                             "dropped until one "
                             "does"));
        } else {
            log.tell(now, base::log::Level::kNotice, "route", hop + " back", hop + " is there again");
        }
    }
}

size_t Router::memory() const {
    size_t bytes = hops_.memory();
    for (const auto& [name, domain] : domains_) bytes += domain->table.memory();
    return bytes;
}

}  // namespace sluice::router
