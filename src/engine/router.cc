#include "engine/router.h"

#include <algorithm>

#include "base/log.h"

namespace sluice::engine {
namespace {

// What lies in a subnet but is no station's: the address of the subnet itself and its broadcast address
// (RFC 1812, 5.3.5; not of /31, RFC 3021).
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

void Router::arrange_domains(const Config& next) {
    std::set<std::string> names;
    for (const auto& network : networks_of(next)) {
        if (network.is_routed()) names.insert(network.domain);
    }
    for (const auto& name : names) {
        auto& domain = domains_[name];
        if (domain != nullptr) continue;
        domain = std::make_shared<Domain>();
        domain->name = name;
    }
    // What is left of the others goes with withdraw(); snapshots keep them until they are gone.
    std::erase_if(domains_, [&](const auto& entry) {
        return !names.contains(entry.first) && entry.second->size() == 0;
    });
}

base::Errors Router::objections(const Config& next) const {
    base::Errors errors;
    std::set<std::string> routed;
    for (const auto& network : networks_of(next)) {
        if (network.is_routed()) routed.insert(network.domain);
    }
    for (const auto& [name, domain] : domains_) {
        if (routed.contains(name) || domain->size() <= domain->derived.size()) continue;
        errors.push_back({fmt::format("routing domain {} has {} routes that were added while running, and "
                                      "would have no network: `sluicectl route delete` them first",
                                      name, domain->size() - domain->derived.size()),
                          "networks",
                          {}});
    }
    return errors;
}

std::map<std::string, Router::WantedRoutes> Router::wanted(const Config& config, const NetworkIds& ids) {
    std::map<std::string, WantedRoutes> domains;
    for (const auto& network : networks_of(config)) {
        if (!network.is_routed()) continue;
        WantedRoutes& routes = domains[network.domain];
        const path::NetworkId id = id_of(ids, network.name);
        const Domain::Derived derived{RouteOrigin::kNetwork, network.place};
        for (const auto& subnet : network.subnets) {
            routes[subnet] = {{HopKind::kConnected, id, {}, {}}, {}, derived};
            if (network.flat) continue;
            for (const auto& prefix : broadcasts(subnet)) {
                routes[prefix] = {{HopKind::kBroadcast, id, {}, {}}, {}, derived};
            }
        }
    }
    for (const auto& network : networks_of(config)) {
        if (!network.is_routed()) continue;
        // Link-local addresses are no route's business but the router's own: whose, is the network's.
        WantedRoutes& routes = domains[network.domain];
        for (const char* prefix : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/128", "::1/128",
                                   "fe80::/10", "ff00::/8"}) {
            routes[*IpPrefix::parse(prefix)] = {
                {HopKind::kMartian, path::kNoNetworkId, {}, {}}, {}, {RouteOrigin::kBuiltIn, {}}};
        }
        for (const auto& gateway : network.gateway) {
            domains[network.domain][host(gateway)] = {
                {HopKind::kLocal, id_of(ids, network.name), {}, {}},
                {},
                {RouteOrigin::kNetwork, network.place}};
        }
    }
    for (const auto& route : routes_of(config)) {
        domains[route.domain][route.to] = resolve(config, ids, route);
    }
    return domains;
}

Router::Wanted Router::resolve(const Config& config, const NetworkIds& ids,
                               const route::RouteConfig& route) {
    Wanted wanted;
    wanted.derived = {RouteOrigin::kConfigured, route.place};
    if (route.kind == route::Kind::kBlackhole) wanted.key.kind = HopKind::kBlackhole;
    if (route.kind == route::Kind::kUnreachable) wanted.key.kind = HopKind::kUnreachable;
    for (const auto& hop : route.all_hops()) {
        HopKey key;
        key.kind = hop.via ? HopKind::kVia : HopKind::kConnected;
        key.network = id_of(ids, resolve_network(config, hop, route.domain));
        if (hop.via) key.via = *hop.via;
        wanted.members.push_back(std::move(key));
    }
    if (wanted.members.size() == 1) {
        wanted.key = std::move(wanted.members.front());
        wanted.members.clear();
    } else if (!wanted.members.empty()) {
        wanted.key.kind = HopKind::kGroup;
    }
    return wanted;
}

HopId Router::take(const Wanted& wanted, neighbor::Seconds now) {
    if (wanted.members.empty()) return hops_.take(wanted.key, now);
    HopKey group{.kind = HopKind::kGroup};
    for (const HopKey& member : wanted.members) {
        if (const HopId id = hops_.take(member, now); id != 0) group.members.push_back(id);
    }
    const HopId id = group.members.empty() ? 0 : hops_.take(group, now);
    // The group has them now.
    for (const HopId member : group.members) hops_.give_back(member);
    return id;
}

bool Router::leads_to(HopId hop, const std::set<path::NetworkId>& networks) const {
    const HopKey& key = hops_.key(hop);
    if (key.kind != HopKind::kGroup) {
        return key.network == path::kNoNetworkId || networks.contains(key.network);
    }
    return std::all_of(key.members.begin(), key.members.end(),
                       [&](HopId member) { return leads_to(member, networks); });
}

void Router::withdraw(const Config& next, const NetworkIds& ids) {
    const auto routes = wanted(next, ids);
    std::set<path::NetworkId> networks;
    for (const auto& network : networks_of(next)) {
        if (network.is_routed()) networks.insert(id_of(ids, network.name));
    }
    for (auto& [name, domain] : domains_) {
        const auto stays = routes.find(name);
        std::vector<IpPrefix> gone;
        for (const auto& [to, derived] : domain->derived) {
            const bool known = stays != routes.end() && stays->second.contains(to);
            if (!known || !leads_to(*domain->table.exact(to), networks)) gone.push_back(to);
        }
        // Only then are those looked at that were added: there may be a million.
        if (!hops_.lead_only_to(networks)) {
            domain->table.each([&](const IpPrefix& to, uint32_t hop) {
                if (!domain->derived.contains(to) && !leads_to(hop, networks)) gone.push_back(to);
            });
        }
        for (const IpPrefix& to : gone) {
            if (!domain->derived.contains(to)) {
                base::log::warning("route", "{} of domain {}, which was added while running, led into a "
                                   "network that is gone, and is deleted", to.text(), name);
            }
            erase(*domain, to);
        }
    }
}

void Router::install(const Config& next, const NetworkIds& ids, neighbor::Seconds now) {
    for (const auto& [name, routes] : wanted(next, ids)) {
        Domain& domain = *domains_.at(name);
        for (const auto& [to, wanted] : routes) {
            const HopId hop = take(wanted, now);
            if (hop == 0) {
                base::log::error("route", "{} of domain {}: no room for its next hop", to.text(), name);
                continue;
            }
            set(domain, to, hop);
            domain.derived[to] = wanted.derived;
        }
    }
    settle();
}

void Router::set(Domain& domain, const IpPrefix& to, HopId hop) {
    // The one that stands there already was counted twice.
    if (auto before = domain.table.set(to, hop)) hops_.give_back(*before);
}

void Router::erase(Domain& domain, const IpPrefix& to) {
    if (auto before = domain.table.remove(to)) hops_.give_back(*before);
    domain.derived.erase(to);
}

base::Result<void> Router::add(const Config& config, const NetworkIds& ids,
                               const route::RouteConfig& route, neighbor::Seconds now) {
    auto found = domains_.find(route.domain);
    if (found == domains_.end()) return base::fail("there is no routing domain {}", route.domain);
    Domain& domain = *found->second;
    if (auto derived = domain.derived.find(route.to); derived != domain.derived.end()) {
        return base::fail("{} has a route already ({})", route.to.text(), origin(derived->second.place));
    }
    const HopId hop = take(resolve(config, ids, route), now);
    if (hop == 0) return base::fail("{}: there is no room for another next hop", route.to.text());
    set(domain, route.to, hop);
    return {};
}

base::Result<void> Router::remove(const std::string& name, const IpPrefix& to) {
    auto found = domains_.find(name);
    if (found == domains_.end() || !found->second->table.exact(to)) {
        return base::fail("there is no route to {} in domain {}", to.text(), name);
    }
    Domain& domain = *found->second;
    if (auto derived = domain.derived.find(to); derived != domain.derived.end()) {
        return base::fail("the route to {} is declared in {}: remove it there and `config reload`",
                          to.text(), origin(derived->second.place));
    }
    erase(domain, to);
    return {};
}

void Router::set_static_neighbors(Statics statics, neighbor::Seconds now) {
    for (const auto& [place, mac] : statics_) {
        if (statics.contains(place)) continue;
        auto* entry = neighbors_.find(place.first, place.second);
        if (entry != nullptr) neighbors_.forget_static(*entry);
    }
    for (const auto& [place, mac] : statics) neighbors_.set_static(place.first, place.second, mac, now);
    statics_ = std::move(statics);
}

void Router::settle() {
    grace_.wait();
    for (auto& [name, domain] : domains_) domain->table.reclaim();
    hops_.reclaim();
    neighbors_.reclaim();
}

HopId Router::take_hop_to(const Domain& domain, const IpAddress& address, neighbor::Seconds now) {
    const auto longest = domain.table.longest(address);
    if (!longest) return 0;
    const HopKey& key = hops_.key(longest->second);
    if (key.kind == HopKind::kConnected) {
        return hops_.take({HopKind::kVia, key.network, address, {}}, now);
    }
    return hops_.take(key, now);
}

size_t Router::memory() const {
    size_t bytes = hops_.memory();
    for (const auto& [name, domain] : domains_) bytes += domain->table.memory();
    return bytes;
}

}  // namespace sluice::engine
