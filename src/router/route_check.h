// What is wrong with routes, held against the networks and ports that they name. Control thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "network/subnets.h"
#include "router/sections.h"

namespace sluice::router {

// The objects that routes name, put in order, to check many routes. The configuration must outlive it.
class Indexed {
 public:
    explicit Indexed(const Sections& config) : config_(config), subnets_(config.networks.size()) {
        for (const auto& port : config.ports) ports_.emplace(port.name, &port);
        for (size_t i = 0; i < config.networks.size(); ++i) {
            const network::NetworkConfig& network = config.networks[i];
            networks_.emplace(network.name, &network);
            auto* domain = network.is_routed() ? &domains_[network.domain] : nullptr;
            for (const auto& subnet : network.subnets) {
                subnets_[i].add(subnet, &network);
                if (domain != nullptr) domain->add(subnet, &network);
            }
            subnets_[i].sort();
        }
        for (auto& [name, subnets] : domains_) subnets.sort();
    }

    const port::PortConfig* port(std::string_view name) const { return found(ports_, name); }
    const network::NetworkConfig* network(std::string_view name) const { return found(networks_, name); }
    bool has_domain(const std::string& domain) const { return domains_.contains(domain); }
    const network::NetworkConfig* around(const IpAddress& address, const std::string& domain) const {
        const auto subnets = domains_.find(domain);
        const auto* subnet = subnets == domains_.end() ? nullptr : subnets->second.find(address);
        return subnet == nullptr ? nullptr : subnet->second;
    }
    // Those that the address may lie in.
    std::vector<IpPrefix> links(const network::NetworkConfig& network, const IpAddress& address) const {
        const auto* subnet = subnets_[static_cast<size_t>(&network - config_.networks.data())].find(address);
        return subnet == nullptr ? std::vector<IpPrefix>{} : std::vector<IpPrefix>{subnet->first};
    }

 private:
    template <class T>
    static const T* found(const std::unordered_map<std::string_view, const T*>& objects, std::string_view name) {
        const auto object = objects.find(name);
        return object == objects.end() ? nullptr : object->second;
    }

    const Sections config_;
    std::unordered_map<std::string_view, const port::PortConfig*> ports_;
    std::unordered_map<std::string_view, const network::NetworkConfig*> networks_;
    std::vector<network::Prefixes<const network::NetworkConfig*>> subnets_;  // of each network
    std::map<std::string, network::Prefixes<const network::NetworkConfig*>> domains_;
};

struct RouteMistake {
    std::string_view key;
    std::string message;
    size_t hop = 0;
    bool is_of_networks = false;  // it follows from what the networks say
};

// Everything that is wrong with a route. The keys are those of the route, or of its next hop of that index.
std::vector<RouteMistake> mistakes_of(const Indexed& known, const route::RouteConfig& route);

// What is wrong with one route, of all things the first; empty: nothing.
std::string route_mistake(const Sections& config, const route::RouteConfig& route);
// The same of many.
std::vector<std::string> route_mistakes(const Sections& config, const std::vector<route::RouteConfig>& routes);

// The network of a route's next hop, of a valid configuration; empty: none.
std::string resolve_network(const Sections& config, const route::HopConfig& hop, const std::string& domain);

}  // namespace sluice::router
