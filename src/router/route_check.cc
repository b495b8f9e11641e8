#include "router/route_check.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "base/subnets.h"

namespace sluice::router {

using network::NetworkConfig;

namespace {

bool is_in_any(const std::vector<IpPrefix>& subnets, const IpAddress& address) {
    return std::any_of(subnets.begin(), subnets.end(),
                       [&](const IpPrefix& subnet) { return subnet.contains(address); });
}

// Looks up the objects that a route names by searching the lists: for one route.
struct Searched {
    const Sections& config;

    const port::PortConfig* port(std::string_view name) const { return find_port(config, name); }
    const NetworkConfig* network(std::string_view name) const { return find_network(config, name); }
    bool has_domain(const std::string& domain) const {
        return std::any_of(config.networks.begin(), config.networks.end(),
                           [&](const auto& n) { return n.is_routed() && n.domain == domain; });
    }
    // The routed network of a domain that an address lies in.
    const NetworkConfig* around(const IpAddress& address, const std::string& domain) const {
        for (const auto& network : config.networks) {
            if (network.is_routed() && network.domain == domain && is_in_any(network.subnets, address))
                return &network;
        }
        return nullptr;
    }
    std::vector<IpPrefix> links(const NetworkConfig& network, const IpAddress&) const { return network.subnets; }
};

// Looks up the objects that routes name by indexes: for many routes. Only the first `visible` networks are found.
class Indexed {
 public:
    explicit Indexed(const Sections& config, size_t visible = SIZE_MAX)
        : config_(config), subnets_(config.networks.size()) {
        for (const auto& port : config.ports) ports_.emplace(port.name, &port);
        for (size_t i = 0; i < config.networks.size(); ++i) {
            const NetworkConfig& network = config.networks[i];
            const bool is_visible = i < visible;
            if (is_visible) networks_.emplace(network.name, &network);
            auto* domain = network.is_routed() && is_visible ? &domains_[network.domain] : nullptr;
            for (const auto& subnet : network.subnets) {
                subnets_[i].add(subnet, &network);
                if (domain != nullptr) domain->add(subnet, &network);
            }
            subnets_[i].sort();
        }
        for (auto& [name, subnets] : domains_) subnets.sort();
    }

    const port::PortConfig* port(std::string_view name) const { return found(ports_, name); }
    const NetworkConfig* network(std::string_view name) const { return found(networks_, name); }
    bool has_domain(const std::string& domain) const { return domains_.contains(domain); }
    const NetworkConfig* around(const IpAddress& address, const std::string& domain) const {
        const auto subnets = domains_.find(domain);
        const auto* subnet = subnets == domains_.end() ? nullptr : subnets->second.find(address);
        return subnet == nullptr ? nullptr : subnet->second;
    }
    // The network's subnet that the address lies in, also of a network that isn't visible; empty: it lies in none.
    std::vector<IpPrefix> links(const NetworkConfig& network, const IpAddress& address) const {
        const auto* subnet = subnets_[static_cast<size_t>(&network - config_.networks.data())].find(address);
        return subnet == nullptr ? std::vector<IpPrefix>{} : std::vector<IpPrefix>{subnet->first};
    }

 private:
    template <class T>
    static const T* found(const std::unordered_map<std::string_view, const T*>& objects, std::string_view name) {
        const auto object = objects.find(name);
        return object == objects.end() ? nullptr : object->second;
    }

    const Sections& config_;
    std::unordered_map<std::string_view, const port::PortConfig*> ports_;
    std::unordered_map<std::string_view, const NetworkConfig*> networks_;
    std::vector<base::Prefixes<const NetworkConfig*>> subnets_;  // of each network
    std::map<std::string, base::Prefixes<const NetworkConfig*>> domains_;
};

// The network that a next hop is in, or why there is none.
template <class Known>
tl::expected<const NetworkConfig*, std::string> network_of_hop(const Known& known, const route::HopConfig& hop,
                                                               const std::string& domain) {
    std::string name = hop.network;
    if (!hop.port.empty()) {
        const port::PortConfig* port = known.port(hop.port);
        if (port == nullptr) return tl::unexpected(fmt::format("there is no port \"{}\"", hop.port));
        name = port->network;
        if (name.empty()) return tl::unexpected(fmt::format("port {} is in no network", hop.port));
    }
    if (name.empty()) {
        if (const NetworkConfig* network = known.around(*hop.via, domain)) return network;
        return tl::unexpected(fmt::format("{} is in no subnet of a routed network of domain {}: name "
                                          "the `network`",
                                          hop.via->text(), domain));
    }
    const NetworkConfig* network = known.network(name);
    if (network == nullptr) return tl::unexpected(fmt::format("there is no network \"{}\"", name));
    if (!network->is_routed()) {
        return tl::unexpected(fmt::format("network {} is not routed: give it a `gateway`", name));
    }
    if (network->domain != domain) {
        return tl::unexpected(fmt::format("network {} is of routing domain {}, the route of {}", name,
                                          network->domain, domain));
    }
    return network;
}

struct RouteMistake {
    std::string_view key;
    std::string message;
    size_t hop = 0;
    bool is_of_networks = false;  // it follows from what the networks say
};

template <class Known>
std::vector<RouteMistake> mistakes_of(const Known& known, const route::RouteConfig& route) {
    std::vector<RouteMistake> mistakes;
    auto of_networks = [&](std::string_view key, size_t hop, std::string message) {
        mistakes.push_back({key, std::move(message), hop, true});
    };
    const bool is_domain = known.has_domain(route.domain);
    if (!is_domain) {
        of_networks("domain", 0,
                    fmt::format("no network with a `gateway` is of routing domain \"{}\"", route.domain));
    }
    const auto hops = route.all_hops();
    for (size_t i = 0; i < hops.size(); ++i) {
        const route::HopConfig& hop = hops[i];
        if (hop.via && hop.via->is_v4() != route.to.address.is_v4()) {
            mistakes.push_back({"via",
                                fmt::format("{} is of another address family than {}", hop.via->text(),
                                            route.to.text()),
                                i});
            continue;
        }
        if (!hop.via && hop.network.empty() && hop.port.empty()) continue;  // reported when it was read
        if (!is_domain) continue;
        auto network = network_of_hop(known, hop, route.domain);
        if (!network) {
            of_networks(!hop.port.empty() ? "port" : !hop.network.empty() ? "network" : "via", i, network.error());
            continue;
        }
        if (!hop.via) continue;
        const auto& own = (*network)->gateway;
        const std::vector<IpPrefix> links =
            (*network)->flat ? std::vector<IpPrefix>{} : known.links(**network, *hop.via);
        const std::string why = base::why_unusable(*hop.via, links);
        if (!(*network)->flat && !is_in_any(links, *hop.via)) {
            of_networks("via", i,
                        fmt::format("{} is in none of network {}'s subnets", hop.via->text(), (*network)->name));
        } else if (!why.empty()) {
            of_networks("via", i, fmt::format("{} {}", hop.via->text(), why));
        } else if (std::find(own.begin(), own.end(), *hop.via) != own.end()) {
            of_networks("via", i, fmt::format("{} is the switch's own address", hop.via->text()));
        }
    }
    return mistakes;
}

class RouteChecks {
 public:
    RouteChecks(const Sections& config, base::Mistakes& mistakes)
        : config_(config), mistakes_(mistakes), known_(config, mistakes.declared("networks")) {}

    void run() {
        std::map<std::pair<std::string, IpPrefix>, const route::RouteConfig*> known;
        for (size_t i = 0; i < config_.routes.size() && !mistakes_.is_full(); ++i) {
            const route::RouteConfig& route = config_.routes[i];
            const bool has_destination = !mistakes_.is_unread({"routes", i, "to"});
            const auto [first, fresh] =
                has_destination ? known.emplace(std::pair(route.domain, route.to), &route)
                                : std::pair(known.end(), true);
            if (!fresh) {
                mistakes_.report({"routes", i, "to"}, route.place,
                                 "{} has a route already, at {}: give several `next-hops` to one",
                                 route.to.text(), origin(first->second->place));
            }
            if (names_missed(route)) continue;
            const bool is_one = route.hops.empty();
            for (const auto& mistake : router::mistakes_of(known_, route)) {
                if (mistake.is_of_networks ? !knows_networks() : !has_destination) continue;
                if (mistake.key == "domain") {
                    mistakes_.report({"routes", i, "domain"}, route.place, "{}", mistake.message);
                } else if (is_one) {
                    mistakes_.report({"routes", i, mistake.key}, route.place, "{}", mistake.message);
                } else {
                    mistakes_.report({"routes", i, "next-hops", mistake.hop, mistake.key}, route.place, "{}",
                                     mistake.message);
                }
            }
        }
    }

 private:
    bool names_missed(const route::RouteConfig& route) const {
        const auto hops = route.all_hops();
        return std::any_of(hops.begin(), hops.end(), [&](const auto& hop) {
            return !hop.port.empty() && known_.port(hop.port) == nullptr && mistakes_.is_missed(hop.port);
        });
    }

    // Whether it is clear which network has which subnets, and which of them are routed.
    bool knows_networks() {
        if (!knows_networks_) knows_networks_ = look_whether_networks_are_known();
        return *knows_networks_;
    }
    bool look_whether_networks_are_known() const {
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            for (const char* key : {"subnets", "gateway", "flat", "domain"}) {
                if (mistakes_.is_unknown({"networks", i, key})) return false;
            }
        }
        return true;
    }

    const Sections& config_;
    base::Mistakes& mistakes_;
    const Indexed known_;
    std::optional<bool> knows_networks_;  // once it was asked
};

}  // namespace

void check_routes(const Sections& config, base::Mistakes& mistakes) { RouteChecks(config, mistakes).run(); }

std::string route_mistake(const Sections& config, const route::RouteConfig& route) {
    const auto mistakes = mistakes_of(Searched{config}, route);
    return mistakes.empty() ? std::string() : mistakes.front().message;
}

std::vector<std::string> route_mistakes(const Sections& config, const std::vector<route::RouteConfig>& routes) {
    const Indexed known(config);
    std::vector<std::string> texts;
    for (const auto& route : routes) {
        const auto mistakes = mistakes_of(known, route);
        texts.push_back(mistakes.empty() ? std::string() : mistakes.front().message);
    }
    return texts;
}

std::string resolve_network(const Sections& config, const route::HopConfig& hop, const std::string& domain) {
    if (domain == kUnderlay) return std::string(kUnderlay);
    auto network = network_of_hop(Searched{config}, hop, domain);
    return network ? (*network)->name : std::string();
}

}  // namespace sluice::router
