#include "control/report_routing.h"

#include <algorithm>

#include "base/none.h"
#include "control/answer.h"
#include "control/report.h"
#include "path/parse.h"

namespace sluice::control {
namespace {

using route::HopId;
using route::HopKey;
using route::HopKind;
using route::Origin;
using nlohmann::json;

std::string_view type_of(HopKind kind) {
    switch (kind) {
        case HopKind::kVia:
        case HopKind::kGroup: return "unicast";
        case HopKind::kConnected: return "connected";
        case HopKind::kLocal: return "local";
        case HopKind::kBroadcast: return "broadcast";
        case HopKind::kBlackhole: return "blackhole";
        case HopKind::kUnreachable: return "unreachable";
        case HopKind::kMartian: return "martian";
        case HopKind::kNone: break;
    }
    return "none";
}

std::string origin_of(const route::Domain& domain, const IpPrefix& to) {
    auto derived = domain.derived.find(to);
    if (derived == domain.derived.end()) return "added";
    if (derived->second.origin == route::Origin::kBuiltIn) return "built-in";
    return base::origin(derived->second.place);
}

std::vector<HopId> members_of(const router::Router& router, HopId id) {
    const HopKey& key = router.hops().key(id);
    return key.kind == HopKind::kGroup ? key.members : std::vector{id};
}

std::vector<HopKey> hops_of(const router::Router& router, HopId id) {
    std::vector<HopKey> hops;
    for (const HopId member : members_of(router, id)) hops.push_back(router.hops().key(member));
    return hops;
}

json hop_json(const router::Router& router, const HopKey& hop) {
    return {{"via", hop.kind == HopKind::kVia ? json(hop.via.text()) : json()},
            {"network", base::or_none(router.network_name(hop.network))}};
}

// A blackhole or unreachable route has no next hops.
bool leads_somewhere(const json& hop) {
    return !hop.at("via").is_null() || !hop.at("network").is_null();
}

json route_json(const router::Router& router, const route::Domain& domain, const IpPrefix& to, HopId id) {
    json hops = json::array();
    for (const HopKey& hop : hops_of(router, id)) {
        if (json row = hop_json(router, hop); leads_somewhere(row)) hops.push_back(std::move(row));
    }
    return {{"to", to.text()},
            {"type", type_of(router.hops().key(id).kind)},
            {"next-hops", hops},
            {"domain", domain.name},
            {"state", "in-force"},
            {"reason", nullptr},
            {"origin", origin_of(domain, to)}};
}

json waiting_json(const router::AddedRoutes::Waiting& waiting) {
    json hops = json::array();
    for (const auto& hop : waiting.route.all_hops()) {
        hops.push_back(
            {{"via", hop.via ? json(hop.via->text()) : json()}, {"network", base::or_none(hop.network)}});
    }
    std::string_view type;
    for (const auto& [kind, word] : names(waiting.route.kind)) {
        if (kind == waiting.route.kind) type = word;
    }
    return {{"to", waiting.route.to.text()},  {"type", type},        {"next-hops", hops},
            {"domain", waiting.route.domain}, {"state", "waiting"},  {"reason", waiting.reason},
            {"origin", "added"}};
}

bool is_within(const IpPrefix& prefix, const IpPrefix& outer) {
    return outer.contains(prefix.address) && prefix.length >= outer.length;
}

std::string_view state_of(neighbor::State state) {
    switch (state) {
        case neighbor::State::kIncomplete: return "incomplete";
        case neighbor::State::kReachable: return "reachable";
        case neighbor::State::kStale: return "stale";
        case neighbor::State::kProbe: return "probe";
        case neighbor::State::kFailed: return "failed";
        case neighbor::State::kStatic: return "static";
        case neighbor::State::kFree: break;
    }
    return "unknown";
}

// The station's MAC address, and the port or tunnel behind which the address is.
void tell_neighbor(json& row, const engine::Switch& running, path::NetworkId network,
                   const neighbor::Entry* entry) {
    row["state"] = entry == nullptr ? "unknown" : state_of(entry->state.load(std::memory_order_acquire));
    row["mac"] = nullptr;
    row["port"] = nullptr;
    const uint64_t mac = entry == nullptr ? 0 : entry->mac.load(std::memory_order_acquire);
    if (mac == 0) return;
    row["mac"] = mac_of(mac).text();
    auto table = running.macs().find(std::string(running.router().network_name(network)));
    if (table == running.macs().end()) return;
    const bridge::Entry found = table->second->find(mac, bridge::MacTable::hash(mac));
    if (found.found()) row["port"] = base::or_none(place_name(running, found.port()));
}

}  // namespace

json report_route_counts(const engine::Switch& running, const router::AddedRoutes& added) {
    using route::Family;
    json domains = json::array();
    size_t ipv4 = 0;
    size_t ipv6 = 0;
    for (const auto& [name, domain] : running.router().domains()) {
        ipv4 += domain->table.size(Family::kIpv4);
        ipv6 += domain->table.size(Family::kIpv6);
        domains.push_back({{"name", name},
                           {"ipv4", domain->table.size(Family::kIpv4)},
                           {"ipv6", domain->table.size(Family::kIpv6)},
                           {"added", domain->size() - domain->derived.size()},
                           {"bytes", domain->table.memory()}});
    }
    return {{"ipv4", ipv4},
            {"ipv6", ipv6},
            {"waiting", added.waiting().size()},
            {"bytes", running.router().memory()},
            {"domains", domains}};
}

json report_neighbor_counts(const engine::Switch& running) {
    const neighbor::Table& neighbors = running.router().neighbors();
    return {{"count", neighbors.size()}, {"capacity", neighbors.capacity()}};
}

json report_routes(const engine::Switch& running, const router::AddedRoutes& added,
                   const RouteQuery& query) {
    const router::Router& router = running.router();
    json routes = json::array();
    size_t count = 0;
    const std::vector<IpPrefix> all{{IpAddress::from_v4(0), 0}, {}};
    const std::vector<IpPrefix> wanted = query.within ? std::vector{*query.within} : all;
    for (const auto& [name, domain] : router.domains()) {
        if (!query.domain.empty() && name != query.domain) continue;
        if (query.around) {  // the most specific route, which packets take, comes first
            for (int length = static_cast<int>(query.around->bits()); length >= 0; --length) {
                const IpPrefix to = IpPrefix::around(*query.around, static_cast<uint8_t>(length));
                const auto hop = domain->table.exact(to);
                if (!hop) continue;
                ++count;
                if (routes.size() < query.limit)
                    routes.push_back(route_json(router, *domain, to, *hop));
            }
            continue;
        }
        for (const IpPrefix& within : wanted) {
            if (query.is_default) {
                const auto hop = domain->table.exact(within);
                if (!hop) continue;
                ++count;
                if (routes.size() < query.limit) routes.push_back(route_json(router, *domain, within, *hop));
                continue;
            }
            const auto listed = domain->table.first(within, query.limit - routes.size());
            count += listed.count;
            for (const auto& [to, hop] : listed.routes) {
                routes.push_back(route_json(router, *domain, to, hop));
            }
        }
    }
    for (const auto& [name, waiting] : added.waiting()) {
        if (!query.domain.empty() && name.first != query.domain) continue;
        if (query.within && !is_within(name.second, *query.within)) continue;
        if (query.around && !name.second.contains(*query.around)) continue;
        if (query.is_default && name.second.length != 0) continue;
        ++count;
        if (routes.size() < query.limit) routes.push_back(waiting_json(waiting));
    }
    return {{"routes", routes}, {"count", count}};
}

namespace {

// The Service or the NAT rule whose the address is in a routing domain. None: nobody's.
std::optional<acl::Object> owner_of(const engine::Switch& running, const std::string& domain,
                                    const IpAddress& address) {
    const view::Snapshot& snapshot = running.snapshot();
    for (const engine::NetworkConfig& network : running.config().networks) {
        if (!network.is_routed() || network.domain != domain) continue;
        const path::FlowDomain id =
            snapshot.networks[path::index(running.network_ids().at(network.name))].flow_domain;
        if (snapshot.services != nullptr) {
            if (const auto* front = snapshot.services->owner(id, address))
                return running.translation().describe(front->object);
        }
        if (snapshot.nat == nullptr) return std::nullopt;
        if (const auto* rule = snapshot.nat->find_outside({id, address}))
            return running.translation().describe(rule->object);
        const auto* pool = snapshot.nat->find_pool({id, address});
        return pool != nullptr ? running.translation().describe(pool->object) : std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

json report_lookup(const engine::Switch& running, const std::string& name, const IpAddress& address) {
    const router::Router& router = running.router();
    const route::Domain& domain = *router.domains().at(name);
    json answer{{"address", address.text()}, {"domain", name}, {"route", nullptr}, {"owner", nullptr}};
    if (const auto owner = owner_of(running, name, address))
        answer["owner"] = {{"kind", owner->kind}, {"name", owner->name}, {"origin", base::origin(owner->place)}};
    const auto found = domain.table.longest(address);
    if (!found) return answer;
    const auto& [to, id] = *found;
    json hops = json::array();
    const bool is_group = router.hops().key(id).kind == HopKind::kGroup;
    const auto shares = is_group ? router.hops().shares(id) : std::map<HopId, double>{};
    for (const HopId member : members_of(router, id)) {
        const HopKey& hop = router.hops().key(member);
        json row = hop_json(router, hop);
        row["share"] = is_group ? json(shares.at(member)) : json();
        for (const char* key : {"state", "mac", "port"}) row[key] = nullptr;
        if (hop.kind == HopKind::kVia || hop.kind == HopKind::kConnected) {
            const IpAddress& station = hop.kind == HopKind::kVia ? hop.via : address;
            tell_neighbor(row, running, hop.network, router.neighbors().find(hop.network, station));
        }
        if (leads_somewhere(row)) hops.push_back(std::move(row));
    }
    answer["route"] = route_json(router, domain, to, id);
    answer["route"]["next-hops"] = hops;
    return answer;
}

Steps report_neighbors(engine::Switch& running, const std::string& network) {
    struct Item {
        path::NetworkId network;
        IpAddress address;
    };
    std::vector<Item> items;
    running.router().neighbors().each([&](const neighbor::Entry& entry) {
        const std::string_view name = running.router().network_name(entry.network);
        if (network.empty() || name == network) items.push_back({entry.network, entry.address});
    });
    return rows_of("neighbors", std::move(items), [&running](const Item& item) {
        const neighbor::Entry* entry = running.router().neighbors().find(item.network, item.address);
        if (entry == nullptr) return json();
        const path::Seconds now = engine::clock_seconds();
        json row{{"network", running.router().network_name(item.network)}, {"address", item.address.text()}};
        tell_neighbor(row, running, item.network, entry);
        const path::Seconds confirmed = entry->confirmed.load(std::memory_order_relaxed);
        // A worker's clock may be a little ahead.
        row["age"] = nullptr;
        if (confirmed != 0) row["age"] = now > confirmed ? now - confirmed : 0;
        row["waiting"] = running.waiting_for(*entry);
        return row;
    });
}

namespace {

// The MTU of the path to the remote, and of packets inside the tunnel. `expires` is there if routers have reported
// an MTU below that of our own link. Null while the underlay's ports are down.
json mtu_of(const engine::Switch& running, const vxlan::Remote& remote, bool ipv6) {
    uint32_t link = UINT32_MAX;
    for (const auto* config : engine::underlay_ports(running.config())) {
        const auto held = running.ports().find(config->name);
        if (held == running.ports().end() || !held->second.up) continue;
        link =
            std::min(link, held->second.port->max_frame() - static_cast<uint32_t>(sizeof(wire::EthernetHeader)));
    }
    if (link == UINT32_MAX) return nullptr;
    const uint32_t learned = remote.path_mtu.get();
    const bool is_less = learned != 0 && learned < link;
    const uint32_t path = is_less ? learned : link;
    json mtu{{"path", path}, {"inside", path - vxlan::inner_headers(ipv6)}, {"expires", nullptr}};
    if (is_less) mtu["expires"] = remote.path_mtu.left(engine::clock_seconds());
    return mtu;
}

std::string_view state_of(vxlan::RemoteState state) {
    switch (state) {
        case vxlan::RemoteState::kProbe: return "probe";
        case vxlan::RemoteState::kReachable: return "reachable";
        case vxlan::RemoteState::kSilent: return "silent";
        case vxlan::RemoteState::kUnreachable: return "unreachable";
        case vxlan::RemoteState::kRefused: return "refused";
    }
    return "unknown";
}

}  // namespace

json report_tunnels(const engine::Switch& running) {
    const router::Router& router = running.router();
    json rows = json::array();
    for (const auto& [remote, held] : running.tunnels()) {
        json networks = json::array();
        for (const auto& network : running.config().networks) {
            if (!network.vxlan) continue;
            const auto& remotes = network.vxlan->remotes;
            if (std::find(remotes.begin(), remotes.end(), remote) == remotes.end()) continue;
            networks.push_back({{"name", network.name}, {"vni", network.vxlan->vni}});
        }
        json row{{"remote", remote.text()},
                 {"networks", networks},
                 {"rx", received(running, held.id).to_json()},
                 {"tx", transmitted(running, held.id).to_json()},
                 {"drops", dropped(running, held.id)}};
        const HopId hop = held.hop->load(std::memory_order_relaxed);
        json hops = json::array();
        if (hop != 0) {
            for (const HopKey& key : hops_of(router, hop)) {
                if (key.kind != HopKind::kVia) continue;
                json next{{"via", key.via.text()}};
                tell_neighbor(next, running, key.network, router.neighbors().find(key.network, key.via));
                hops.push_back(std::move(next));
            }
        }
        row["next-hops"] = hops;
        row["state"] = hops.empty() ? "no-route" : state_of(held.remote->state(engine::clock_seconds()));
        row["mtu"] = mtu_of(running, *held.remote, !remote.is_v4());
        rows.push_back(std::move(row));
    }
    return {{"tunnels", rows}};
}

}  // namespace sluice::control
