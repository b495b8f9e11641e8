// What a configuration says about routing and overlays, held together: gateways in their subnets, routes
// over networks that are routed, end points of the underlay's family.
#include <algorithm>
#include <map>
#include <set>

#include "engine/mistakes.h"

namespace sluice::engine {
namespace {

bool is_in_any(const std::vector<IpPrefix>& subnets, const IpAddress& address) {
    return std::any_of(subnets.begin(), subnets.end(),
                       [&](const IpPrefix& subnet) { return subnet.contains(address); });
}

const NetworkConfig* find_network(const Config& config, std::string_view name) {
    for (const auto& network : config.networks) {
        if (network.name == name) return &network;
    }
    return nullptr;
}

// The network that a next hop is in, or why there is none.
tl::expected<const NetworkConfig*, std::string> network_of_hop(const Config& config,
                                                               const route::HopConfig& hop,
                                                               const std::string& domain) {
    std::string name = hop.network;
    if (!hop.port.empty()) {
        const port::PortConfig* port = find_port(config, hop.port);
        if (port == nullptr) return tl::unexpected(fmt::format("there is no port \"{}\"", hop.port));
        name = port->network;
        if (name.empty()) return tl::unexpected(fmt::format("port {} is in no network", hop.port));
    }
    if (name.empty()) {
        for (const auto& network : config.networks) {
            if (!network.is_routed() || network.domain != domain) continue;
            if (is_in_any(network.subnets, *hop.via)) return &network;
        }
        return tl::unexpected(fmt::format("{} is in no subnet of a routed network of domain {}: name "
                                          "the `network`",
                                          hop.via->text(), domain));
    }
    const NetworkConfig* network = find_network(config, name);
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

std::vector<RouteMistake> mistakes_of(const Config& config, const route::RouteConfig& route) {
    std::vector<RouteMistake> mistakes;
    auto of_networks = [&](std::string_view key, size_t hop, std::string message) {
        mistakes.push_back({key, std::move(message), hop, true});
    };
    const bool is_domain = std::any_of(config.networks.begin(), config.networks.end(), [&](const auto& n) {
        return n.is_routed() && n.domain == route.domain;
    });
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
        if (!hop.via && hop.network.empty() && hop.port.empty()) continue;  // told when it was read
        if (!is_domain) continue;
        auto network = network_of_hop(config, hop, route.domain);
        if (!network) {
            of_networks(!hop.port.empty() ? "port" : !hop.network.empty() ? "network" : "via", i, network.error());
            continue;
        }
        if (!hop.via) continue;
        const auto& own = (*network)->gateway;
        const std::string why =
            why_unusable(*hop.via, (*network)->flat ? std::vector<IpPrefix>{} : (*network)->subnets);
        if (!(*network)->flat && !is_in_any((*network)->subnets, *hop.via)) {
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

class RoutingValidator {
 public:
    RoutingValidator(const Config& config, Mistakes& mistakes) : config_(config), mistakes_(mistakes) {}

    void run() {
        if (config_.underlay) check_underlay(*config_.underlay);
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            check_gateways(i);
            check_overlaps(i);
            if (config_.networks[i].vxlan) check_overlay(i);
        }
        for (size_t i = 0; i < config_.ports.size(); ++i) check_mtu(i);
        check_routes();
    }

 private:
    void check_gateways(size_t i) {
        const NetworkConfig& network = config_.networks[i];
        for (size_t g = 0; g < network.gateway.size(); ++g) {
            const IpAddress& gateway = network.gateway[g];
            if (!network.flat && !is_in_any(network.subnets, gateway)) {
                if (mistakes_.is_unknown({"networks", i, "subnets"})) continue;
                mistakes_.report({"networks", i, "gateway", g}, network.place,
                                 "{} is in none of the network's `subnets`", gateway.text());
            } else if (const std::string why = why_unusable(gateway, network.flat ? std::vector<IpPrefix>{}
                                                                                 : network.subnets);
                       !why.empty()) {
                mistakes_.report({"networks", i, "gateway", g}, network.place, "{} {}", gateway.text(), why);
            }
            for (const auto& port : config_.ports) {
                // An added one has the mistake itself.
                if (port.network != network.name || is_added(port.place)) continue;
                for (const auto& address : port.address) {
                    if (address.address != gateway) continue;
                    mistakes_.report({"networks", i, "gateway", g}, network.place,
                                     "{} is port {}'s address", gateway.text(), port.name);
                }
            }
        }
    }

    // Where a packet for an address goes must be clear within a routing domain.
    void check_overlaps(size_t i) {
        const NetworkConfig& network = config_.networks[i];
        if (!network.is_routed()) return;
        for (size_t o = 0; o < i; ++o) {
            const NetworkConfig& other = config_.networks[o];
            if (!other.is_routed() || other.domain != network.domain) continue;
            for (size_t s = 0; s < network.subnets.size(); ++s) {
                for (const IpPrefix& taken : other.subnets) {
                    const IpPrefix& subnet = network.subnets[s];
                    if (!taken.contains(subnet.address) && !subnet.contains(taken.address)) continue;
                    mistakes_.report({"networks", i, "subnets", s}, network.place,
                                     "{} overlaps {} of network {}, and both are routed in domain {}: "
                                     "give one another `domain`",
                                     subnet.text(), taken.text(), other.name, network.domain);
                }
            }
        }
    }

    void check_underlay(const vxlan::UnderlayConfig& underlay) {
        const port::PortConfig* port = find_port(config_, underlay.port);
        if (port == nullptr) {
            if (!mistakes_.is_missed(underlay.port)) {
                mistakes_.report({"underlay", "port"}, underlay.place, "there is no port \"{}\"", underlay.port);
            }
        } else if (!port->network.empty() || port->trunk) {
            mistakes_.report({"underlay", "port"}, underlay.place,
                             "port {} is in a network: the underlay's is in none", port->name);
        }
        // Of what is left of it an overlay must carry IPv6 (RFC 8200, 5).
        if (port != nullptr && port->frame_mtu() < 1280 + 70) {
            mistakes_.report({"underlay", "port"}, underlay.place,
                             "port {} has an MTU of {}: an underlay needs 1350 at least", port->name,
                             port->frame_mtu());
        }
        for (const auto& mirror : config_.mirrors) {
            if (mirror.to != underlay.port) continue;
            mistakes_.report({"underlay", "port"}, underlay.place,
                             "port {} is where mirror {} sends its copies", underlay.port, mirror.name);
        }
        for (size_t a = 0; a < underlay.address.size(); ++a) {
            const InterfaceAddress& address = underlay.address[a];
            if (!address.has_length()) {
                mistakes_.report({"underlay", "address", a}, underlay.place,
                                 "{} has no prefix length: write {}/24, say", address.text(),
                                 address.text());
            } else if (const std::string why = why_unusable(address.address, {address.prefix()}); !why.empty()) {
                mistakes_.report({"underlay", "address", a}, underlay.place, "{} {}", address.address.text(),
                                 why);
            }
            for (size_t b = 0; b < a; ++b) {
                if (underlay.address[b].address.is_v4() != address.address.is_v4()) continue;
                mistakes_.report({"underlay", "address", a}, underlay.place,
                                 "is a second address of its family: give one for IPv4, one for IPv6");
            }
        }
        for (size_t g = 0; g < underlay.gateway.size(); ++g) {
            const IpAddress& gateway = underlay.gateway[g];
            const bool on_link = std::any_of(
                underlay.address.begin(), underlay.address.end(),
                [&](const InterfaceAddress& address) { return address.prefix().contains(gateway); });
            if (!on_link && !mistakes_.is_unknown({"underlay", "address"})) {
                mistakes_.report({"underlay", "gateway", g}, underlay.place,
                                 "{} is not on the link of the underlay's addresses", gateway.text());
            }
        }
    }

    void check_overlay(size_t i) {
        const NetworkConfig& network = config_.networks[i];
        const vxlan::OverlayConfig& overlay = *network.vxlan;
        if (!config_.underlay) {
            mistakes_.report({"networks", i, "vxlan"}, network.place,
                             "needs an `underlay` (port and address) to send its packets by");
            return;
        }
        if (auto [first, fresh] = vnis_.emplace(overlay.vni, &network); !fresh) {
            mistakes_.report({"networks", i, "vxlan", "vni"}, network.place,
                             "VNI {} is network {}'s already", overlay.vni, first->second->name);
        }
        const bool knows_own = !mistakes_.is_unknown({"underlay", "address"});
        const bool knows_remotes = !mistakes_.is_unknown({"networks", i, "vxlan", "remotes"});
        std::set<IpAddress> remotes;
        for (size_t r = 0; r < overlay.remotes.size(); ++r) {
            const IpAddress& remote = overlay.remotes[r];
            auto report = [&](const std::string& message) {
                mistakes_.report({"networks", i, "vxlan", "remotes", r}, network.place, "{} {}",
                                 remote.text(), message);
            };
            if (!remotes.insert(remote).second) report("is named already");
            if (remote.is_multicast()) report("is a group address: name each end point");
            const auto& own = config_.underlay->address;
            auto same_family = [&](const InterfaceAddress& address) {
                return address.address.is_v4() == remote.is_v4();
            };
            auto local = std::find_if(own.begin(), own.end(), same_family);
            if (!knows_own) {
                continue;
            } else if (local == own.end()) {
                report("is of a family that the underlay has no address of");
            } else if (local->address == remote) {
                report("is this host's own address");
            }
        }
        for (size_t s = 0; s < overlay.statics.size(); ++s) {
            const auto& entry = overlay.statics[s];
            if (remotes.contains(entry.remote) || !knows_remotes) continue;
            mistakes_.report({"networks", i, "vxlan", "static", s, "remote"}, entry.place,
                             "{} is not among the network's `remotes`", entry.remote.text());
        }
    }

    void check_mtu(size_t i) {
        const port::PortConfig& port = config_.ports[i];
        const auto most = overlay_mtu(config_, port);
        if (!most || !port.mtu || *port.mtu <= *most) return;
        mistakes_.report({"ports", i, "mtu"}, port.place,
                         "is more than network {} carries: {} is what the underlay leaves", port.network,
                         *most);
    }

    void check_routes() {
        std::map<std::pair<std::string, IpPrefix>, const route::RouteConfig*> known;
        for (size_t i = 0; i < config_.routes.size(); ++i) {
            const route::RouteConfig& route = config_.routes[i];
            if (auto [first, fresh] = known.emplace(std::pair(route.domain, route.to), &route); !fresh) {
                mistakes_.report({"routes", i, "to"}, route.place,
                                 "{} has a route already, at {}: give several `next-hops` to one",
                                 route.to.text(), origin(first->second->place));
            }
            if (names_missed(route)) continue;
            const bool is_one = route.hops.empty();
            for (const auto& mistake : mistakes_of(config_, route)) {
                if (mistake.is_of_networks ? !knows_networks() : mistakes_.is_wrong({"routes", i, "to"})) continue;
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

    bool names_missed(const route::RouteConfig& route) const {
        const auto hops = route.all_hops();
        return std::any_of(hops.begin(), hops.end(), [&](const auto& hop) {
            return !hop.port.empty() && find_port(config_, hop.port) == nullptr && mistakes_.is_missed(hop.port);
        });
    }

    // Whether it is clear which network has which subnets, and which of them are routed.
    bool knows_networks() const {
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            for (const char* key : {"subnets", "gateway", "flat", "domain"}) {
                if (mistakes_.is_unknown({"networks", i, key})) return false;
            }
        }
        return true;
    }

    const Config& config_;
    Mistakes& mistakes_;
    std::map<uint32_t, const NetworkConfig*> vnis_;
};

}  // namespace

void validate_routing(const Config& config, Mistakes& mistakes) { RoutingValidator(config, mistakes).run(); }

std::string route_mistake(const Config& config, const route::RouteConfig& route) {
    const auto mistakes = mistakes_of(config, route);
    return mistakes.empty() ? std::string() : mistakes.front().message;
}

std::string resolve_network(const Config& config, const route::HopConfig& hop,
                            const std::string& domain) {
    if (domain == kUnderlay) return std::string(kUnderlay);
    auto network = network_of_hop(config, hop, domain);
    return network ? (*network)->name : std::string();
}

}  // namespace sluice::engine
