// What a configuration says about routing and overlays, held together: gateways in their subnets, routes
// over networks that are routed, end points of the underlay's family.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "engine/mistakes.h"
#include "router/route_check.h"

namespace sluice::engine {
namespace {

class RoutingValidator {
 public:
    RoutingValidator(const Config& config, Mistakes& mistakes)
        : config_(config), mistakes_(mistakes), known_(config) {
        for (const auto& port : config.ports) {
            if (is_added(port.place)) continue;  // one of these has the mistake itself
            for (const auto& address : port.address)
                addresses_.emplace(std::pair(port.network, address.address), &port);
        }
    }

    void run() {
        if (config_.underlay) check_underlay(*config_.underlay);
        for (size_t i = 0; i < config_.networks.size() && !mistakes_.is_full(); ++i) {
            check_gateways(i);
            if (config_.networks[i].vxlan) check_overlay(i);
        }
        check_overlaps();
        check_routes();
    }

 private:
    void check_gateways(size_t i) {
        const NetworkConfig& network = config_.networks[i];
        for (size_t g = 0; g < network.gateway.size(); ++g) {
            const IpAddress& gateway = network.gateway[g];
            const std::vector<IpPrefix> links =
                network.flat ? std::vector<IpPrefix>{} : known_.links(network, gateway);
            if (!network.flat && links.empty()) {
                if (mistakes_.is_unknown({"networks", i, "subnets"})) continue;
                mistakes_.report({"networks", i, "gateway", g}, network.place,
                                 "{} is in none of the network's `subnets`", gateway.text());
            } else if (const std::string why = why_unusable(gateway, links); !why.empty()) {
                mistakes_.report({"networks", i, "gateway", g}, network.place, "{} {}", gateway.text(), why);
            }
            if (const auto port = addresses_.find({network.name, gateway}); port != addresses_.end()) {
                mistakes_.report({"networks", i, "gateway", g}, network.place, "{} is port {}'s address",
                                 gateway.text(), port->second->name);
            }
        }
    }

    // Where a packet for an address goes must be clear within a routing domain. Each subnet is told once, however
    // many it overlaps.
    void check_overlaps() {
        struct Domain {
            std::vector<IpPrefix> subnets;
            std::vector<std::pair<size_t, size_t>> at;  // network, and index in it
        };
        std::map<std::string_view, Domain> domains;
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            const NetworkConfig& network = config_.networks[i];
            if (!network.is_routed()) continue;
            Domain& domain = domains[network.domain];
            for (size_t s = 0; s < network.subnets.size(); ++s) {
                domain.subnets.push_back(network.subnets[s]);
                domain.at.emplace_back(i, s);
            }
        }
        for (const auto& [name, domain] : domains) {
            const std::vector<size_t> overlaps = earlier_overlaps(domain.subnets);
            for (size_t k = 0; k < overlaps.size(); ++k) {
                const auto [i, s] = domain.at[k];
                const NetworkConfig& other = config_.networks[domain.at[overlaps[k]].first];
                const NetworkConfig& network = config_.networks[i];
                if (&other == &network) continue;  // told there
                mistakes_.report({"networks", i, "subnets", s}, network.place,
                                 "{} overlaps {} of network {}, and both are routed in domain {}: "
                                 "give one another `domain`",
                                 domain.subnets[k].text(), domain.subnets[overlaps[k]].text(), other.name, name);
                if (mistakes_.is_full()) return;
            }
        }
    }

    void check_underlay(const vxlan::UnderlayConfig& underlay) {
        const port::PortConfig* port = known_.port(underlay.port);
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
        std::array<bool, 2> has_family{};
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
            if (std::exchange(has_family[address.address.is_v4() ? 1 : 0], true)) {
                mistakes_.report({"underlay", "address", a}, underlay.place,
                                 "is a second address of its family: give one for IPv4, one for IPv6");
                // Nothing is to be held against so many.
                return;
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
            if (mistakes_.is_full()) return;
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

    void check_routes() {
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

    const Config& config_;
    Mistakes& mistakes_;
    const router::Indexed known_;
    std::map<std::pair<std::string, IpAddress>, const port::PortConfig*> addresses_;  // of the file's ports
    std::map<uint32_t, const NetworkConfig*> vnis_;
    std::optional<bool> knows_networks_;  // once it was asked
};

}  // namespace

void validate_routing(const Config& config, Mistakes& mistakes) { RoutingValidator(config, mistakes).run(); }

}  // namespace sluice::engine
