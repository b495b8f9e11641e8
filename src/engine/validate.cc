// Checks what the sections of a configuration say about each other: names of networks and ports, addresses in
// their networks, and properties that only one port can have. The keys of one section are checked next to their
// definition: most by the reader, the others by a check() that is called here.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/mistakes.h"
#include "base/subnets.h"
#include "base/text.h"
#include "engine/added_object.h"
#include "engine/machine_use.h"
#include "engine/switch.h"
#include "engine/underlay_check.h"
#include "port/claims.h"
#include "port/tap.h"
#include "router/route_check.h"

namespace sluice::engine {
namespace {

class Validator {
 public:
    Validator(const Config& config, const Machine& machine, base::Mistakes& mistakes)
        : config_(config), mistakes_(mistakes), use_(config, machine, mistakes) {}

    // False: there are so many objects that no other mistake was looked for.
    bool run() {
        if (!use_.check_counts()) return false;
        use_.check_cores();
        each(config_.networks, [&](size_t i) { index_network(i); });
        each(config_.ports, [&](size_t i) {
            check_port(i);
            check_mtu(i);
            use_.check_port(i);
            if (mistakes_.has_mistakes("ports", i)) release_claims(i);
        });
        each(config_.networks, [&](size_t i) { check_static_macs(i); });
        service::check(config_.services, mistakes_);
        nat::check(config_.nat, config_.publish, mistakes_);
        check_translation();
        check_published_by_ports();
        check_outside_addresses();
        if (mirror::check(config_.mirrors, mistakes_)) {
            each(config_.mirrors, [&](size_t i) { check_mirror(i); });
        }
        each(config_.acls, [&](size_t i) { check_applied(i); });
        if (config_.underlay) {
            check_underlay(config_, mistakes_);
            vxlan::check(*config_.underlay, mistakes_);
        }
        network::check(config_.networks, mistakes_);
        vxlan::OverlayChecks overlays(config_.underlay, end_points_of(config_), mistakes_);
        each(config_.networks, [&](size_t i) {
            const NetworkConfig& network = config_.networks[i];
            if (network.vxlan) overlays.check(i, network.name, *network.vxlan, network.place);
        });
        check_gateways();
        check_dns();
        router::check_routes(config_, mistakes_);
        return true;
    }

 private:
    static constexpr auto kNetwork = ObjectKind::kNetwork;
    static constexpr auto kPort = ObjectKind::kPort;
    static constexpr auto kAcl = ObjectKind::kAcl;
    static constexpr auto kMirror = ObjectKind::kMirror;

    bool is_added(ObjectKind kind, size_t i) const { return mistakes_.is_added(section_of(kind).section, i); }

    // The network of this name, for an object that names it. Objects of the file can't name added networks. Null:
    // there is no such network.
    const NetworkConfig* network_for(ObjectKind user, size_t i, const std::string& name) const {
        const auto known = networks_.find(name);
        if (known == networks_.end()) return nullptr;
        return is_added(user, i) || !is_added(kNetwork, index_of(*known->second)) ? known->second : nullptr;
    }

    // Checks the objects of a list until there are more mistakes than are reported.
    template <class List, class Check>
    void each(const List& list, Check check) {
        for (size_t i = 0; i < list.size() && !mistakes_.is_full(); ++i) check(i);
    }

    // An added port with mistakes isn't in force: later ports may use its name, addresses and devices.
    void release_claims(size_t i) {
        const port::PortConfig* port = &config_.ports[i];
        if (auto named = ports_.find(port->name); named != ports_.end() && named->second == port)
            ports_.erase(named);
        if (const auto own = mac_of(*port)) {
            for (const auto& network : networks_of(config_, *port)) {
                auto mac = macs_.find({network, *own});
                if (mac != macs_.end() && mac->second == port) macs_.erase(mac);
            }
        }
        for (const auto& route : port->routes) {
            auto known = kernel_routes_.find(key_of(*port, route));
            if (known != kernel_routes_.end() && known->second == port) kernel_routes_.erase(known);
        }
        for (const auto& address : port->address) {
            auto known = addresses_.find({port->network, address.address});
            if (known != addresses_.end() && known->second == port) addresses_.erase(known);
        }
        use_.release(i);
    }

    void check_mtu(size_t i) {
        const port::PortConfig& port = config_.ports[i];
        if (!port.mtu || port.network.empty()) return;
        auto [known, fresh] = mtus_.try_emplace(port.network);
        if (fresh) known->second = overlay_mtu(config_, port);
        if (!known->second || *port.mtu <= *known->second) return;
        report({"ports", i, "mtu"}, port.place, "is more than network {} carries: {} is what the underlay leaves",
               port.network, *known->second);
    }

    void index_network(size_t i) {
        const auto& network = config_.networks[i];
        networks_.emplace(network.name, &network);
        const auto add_own = [&](const MacAddress& mac, const char* owner) {
            switch_macs_.emplace(std::pair(network.name, mac), owner);
        };
        if (network.is_routed()) add_own(router_mac(network, instance()), "the gateway");
        if (network.vxlan) add_own(asker_mac(network, instance()), "the switch");
        auto& subnets = subnets_.emplace_back();
        for (const IpPrefix& subnet : network.subnets) subnets.add(subnet, &subnet);
        subnets.sort();
    }

    void check_port(size_t i) {
        const auto& port = config_.ports[i];
        if (auto [first, fresh] = ports_.emplace(port.name, &port); !fresh && !port.name.empty()) {
            report({"ports", i, "name"}, port.place, "port {} is {} already: give one another name", port.name,
                   base::is_added(first->second->place) ? "added" : "declared");
        }
        if (port.trunk) check_trunk(i, port);
        if (port.bond && port.bond->probe) check_probe(i, port);
        check_mac(i, port);
        check_routes(i, port);
        if (port.network.empty()) return;
        const NetworkConfig* network = network_for(kPort, i, port.network);
        if (network == nullptr) {
            report({"ports", i, "network"}, port.place, "there is no network \"{}\"{}", port.network,
                   suggestion(port.network));
            static const NetworkConfig kUnknown;
            return check_addresses(i, port, kUnknown);
        }
        check_addresses(i, port, *network);
    }

    // A namespace can have only one route to a destination with a given metric: a second port would replace the
    // route of the first one.
    void check_routes(size_t i, const port::PortConfig& port) {
        if (port.kind() != port::Kind::kNetns) return;
        for (size_t r = 0; r < port.routes.size(); ++r) {
            const auto& route = port.routes[r];
            const auto [first, fresh] = kernel_routes_.emplace(key_of(port, route), &port);
            if (fresh || mistakes_.is_wrong({"ports", i, "routes", r})) continue;
            if (first->second == &port) {
                report({"ports", i, "routes", r, "to"}, route.place,
                       "{} has a route already: give one another `metric`", route.to.text());
            } else {
                report({"ports", i, "routes", r, "to"}, route.place,
                       "{} has a route by port {} of the same namespace: give one another `metric`",
                       route.to.text(), first->second->name);
            }
        }
    }

    using RouteKey = std::tuple<std::string, IpPrefix, uint32_t>;
    static RouteKey key_of(const port::PortConfig& port, const port::RouteConfig& route) {
        return {port::namespace_of(port), route.to, route.kernel_metric()};
    }

    // The MAC address of a port's own station. None: only the device or the guest knows it.
    std::optional<MacAddress> mac_of(const port::PortConfig& port) const {
        if (port.mac || !port.is_tap() || port.name.empty()) return port.mac;
        return port::Tap::mac_of(port, instance());
    }

    // The owner of a MAC address in a network: "port web's", "the gateway's". Empty: it has none.
    std::string owner_of(const std::string& network, const MacAddress& mac) const {
        if (auto own = switch_macs_.find({network, mac}); own != switch_macs_.end()) return own->second + "'s";
        auto known = macs_.find({network, mac});
        return known == macs_.end() ? "" : fmt::format("port {}'s", known->second->name);
    }

    // A port's MAC address, given or derived, must be unique in each of the port's networks.
    void check_mac(size_t i, const port::PortConfig& port) {
        const auto named = ports_.find(port.name);
        const bool is_named_twice = named != ports_.end() && named->second != &port;
        const auto mac = mac_of(port);
        if (!mac || (is_named_twice && !port.mac) || mistakes_.is_wrong({"ports", i, "mac"})) return;
        for (const auto& network : networks_of(config_, port)) {
            if (network.empty()) continue;
            const std::string owner = owner_of(network, *mac);
            if (owner.empty()) {
                macs_.emplace(std::pair(network, *mac), &port);
                continue;
            }
            if (port.mac) {
                report({"ports", i, "mac"}, port.place, "{} is {} already", mac->text(), owner);
            } else {
                report({"ports", i, "mac"}, port.place,
                       "{}, which is derived from the port's name, is {} already: give one of them another `mac`",
                       mac->text(), owner);
            }
            return;
        }
    }

    void check_applied(size_t i) {
        const acl::AclConfig& acl = config_.acls[i];
        for (size_t a = 0; a < acl.apply.size(); ++a) {
            const acl::ApplyConfig& apply = acl.apply[a];
            if (!apply.network.empty() && network_for(kAcl, i, apply.network) == nullptr) {
                if (is_added(kAcl, i)) continue;
                report({"acls", i, "apply", a, "network"}, apply.place, "there is no network \"{}\"{}",
                       apply.network, suggestion(apply.network));
            }
            if (!apply.port.empty() && !ports_.contains(apply.port)) {
                if (mistakes_.is_missed(apply.port) || is_added(kAcl, i)) continue;
                report({"acls", i, "apply", a, "port"}, apply.place, "there is no port \"{}\"{}", apply.port,
                       suggestion(apply.port, ports_));
            } else if (config_.underlay && !apply.port.empty() && apply.port == config_.underlay->port) {
                report({"acls", i, "apply", a, "port"}, apply.place,
                       "port {} is the underlay's, and what comes and goes in tunnels is not judged there: apply "
                       "the list to the networks that they carry",
                       apply.port);
            }
        }
    }

    void check_trunk(size_t i, const port::PortConfig& port) {
        std::set<std::string> carried;
        std::map<uint16_t, std::string> vlans;
        for (size_t n = 0; n < port.trunk->networks.size(); ++n) {
            const std::string& name = port.trunk->networks[n];
            const NetworkConfig* network = network_for(kPort, i, name);
            if (network == nullptr) {
                report({"ports", i, "trunk", "networks", n}, port.place,
                       "there is no network \"{}\"{}", name, suggestion(name));
                continue;
            }
            if (!carried.insert(name).second) {
                report({"ports", i, "trunk", "networks", n}, port.place, "{} is named already", name);
                continue;
            }
            const uint16_t vlan = network->vlan;
            if (vlan == 0 && mistakes_.is_unknown({"networks", index_of(*network), "vlan"})) continue;
            if (vlan == 0) {
                report({"ports", i, "trunk", "networks", n}, port.place,
                       "network {} has no VLAN ID: give it a `vlan`, or carry it as `native`", name);
                continue;
            }
            if (auto [first, fresh] = vlans.emplace(vlan, name); !fresh) {
                report({"ports", i, "trunk", "networks", n}, port.place,
                       "network {} has VLAN ID {}, as {} has: a trunk can't tell them apart", name, vlan,
                       first->second);
            }
        }
        const std::string& native = port.trunk->native;
        if (native.empty()) return;
        if (network_for(kPort, i, native) == nullptr) {
            report({"ports", i, "trunk", "native"}, port.place, "there is no network \"{}\"{}", native,
                   suggestion(native));
        } else if (carried.contains(native)) {
            report({"ports", i, "trunk", "native"}, port.place,
                   "{} is one of `networks` too: its frames are tagged or they are not", native);
        }
    }

    // The network in which a bond sends its probes: the port's, or the trunk's network with the probes' VLAN ID.
    const NetworkConfig* find_probed(size_t i, const port::PortConfig& port) {
        std::vector<std::string> names{port.network};
        const uint16_t vlan = port.bond->probe->vlan;
        if (port.trunk && vlan == 0) names = {port.trunk->native};
        if (port.trunk && vlan != 0) names = port.trunk->networks;
        for (const std::string& name : names) {
            const NetworkConfig* network = network_for(kPort, i, name);
            if (network != nullptr && (vlan == 0 || network->vlan == vlan)) return network;
        }
        if (!port.trunk) return nullptr;
        if (vlan != 0) {
            report({"ports", i, "bond", "probe", "vlan"}, port.place, "{} is of none of the trunk's `networks`",
                   vlan);
        } else if (port.trunk->native.empty()) {
            report({"ports", i, "bond", "probe"}, port.place,
                   "is untagged, and the trunk has no `native` network: say by `vlan` in which one the targets "
                   "are");
        }
        return nullptr;
    }

    void check_probe(size_t i, const port::PortConfig& port) {
        static const IpPrefix kLinkLocal = *IpPrefix::parse("fe80::/10");
        const NetworkConfig* network = find_probed(i, port);
        const bool knows_subnets = network != nullptr && network_index_is_known(*network) &&
                                   !network->subnets.empty() &&
                                   !mistakes_.is_unknown({"networks", index_of(*network), "subnets"});
        std::set<IpAddress> seen;
        for (size_t t = 0; t < port.bond->probe->targets.size(); ++t) {
            const IpAddress& target = port.bond->probe->targets[t];
            const auto tell = [&](const std::string& why) {
                report({"ports", i, "bond", "probe", "targets", t}, port.place, "{} {}", target.text(), why);
            };
            if (!seen.insert(target).second) {
                tell("is given twice");
            } else if (const std::string why = base::why_unusable(target, {}); !why.empty()) {
                tell(why);
            } else if (knows_subnets && !kLinkLocal.contains(target) &&
                       subnets_[index_of(*network)].find(target) == nullptr) {
                tell(fmt::format("is outside network {}, which has {}: it can be asked only where no router is "
                                 "between",
                                 network->name, subnets_text(*network)));
            } else if (network != nullptr && std::find(network->gateway.begin(), network->gateway.end(), target) !=
                                                 network->gateway.end()) {
                tell(fmt::format("is the gateway of network {}, the switch itself: nobody beyond the bond answers",
                                 network->name));
            }
        }
    }

    // Whether the networks and ports that NAT names are there and can be translated.
    void check_translation() {
        for (size_t i = 0; i < config_.nat.size(); ++i) {
            const nat::NatConfig& rule = config_.nat[i];
            const auto check_network = [&](const std::string& name, auto... steps) {
                const NetworkConfig* network = find_network(config_, name);
                if (network == nullptr) {
                    if (!name.empty() && !mistakes_.is_missed(name))
                        mistakes_.report({"nat", i, steps...}, rule.place, "there is no network \"{}\"", name);
                } else if (!network->is_routed()) {
                    mistakes_.report({"nat", i, steps...}, rule.place,
                                     "network {} has no `gateway`: only what the switch routes is translated",
                                     name);
                }
                return network;
            };
            const NetworkConfig* out = check_network(rule.out, "out");
            for (size_t n = 0; n < rule.masquerade.size(); ++n) {
                const NetworkConfig* network = check_network(rule.masquerade[n], "masquerade", n);
                if (network != nullptr && out != nullptr && network->domain != out->domain) {
                    mistakes_.report({"nat", i, "masquerade", n}, rule.place,
                                     "network {} is in another routing domain than {}", network->name, out->name);
                }
            }
            const bool needs_gateway = !rule.one_to_one && !rule.addresses && out != nullptr && out->is_routed();
            const auto is_v4 = [](const IpAddress& address) { return address.is_v4(); };
            if (needs_gateway && std::none_of(out->gateway.begin(), out->gateway.end(), is_v4) && !rule.ipv6) {
                mistakes_.report({"nat", i, "out"}, rule.place,
                                 "network {} has no IPv4 gateway address to use outside: give `addresses`",
                                 out->name);
            }
        }
        for (size_t i = 0; i < config_.publish.size(); ++i) {
            const nat::PublishConfig& published = config_.publish[i];
            const std::string& name = published.to.port;
            if (name.empty() || mistakes_.is_missed(name)) continue;
            const port::PortConfig* port = find_port(config_, name);
            if (port == nullptr) {
                mistakes_.report({"publish", i, "to"}, published.place, "there is no port \"{}\"", name);
            } else if (port->address.empty()) {
                mistakes_.report({"publish", i, "to"}, published.place,
                                 "port {} has no `address` to which packets could go", name);
            }
        }
    }

    // Held against each other and against `publish`.
    void check_published_by_ports() {
        std::vector<nat::PublishConfig> all = config_.publish;
        std::vector<std::pair<size_t, size_t>> at;  // of those that follow: port, and index in its list
        for (size_t p = 0; p < config_.ports.size(); ++p) {
            const port::PortConfig& port = config_.ports[p];
            if (port.publish.empty() || mistakes_.has_mistakes("ports", p)) continue;
            for (size_t k = 0; k < port.publish.size(); ++k) {
                const port::PublishedPort& own = port.publish[k];
                all.push_back({.address = own.address,
                               .ports = own.ports,
                               .protocol = own.protocol,
                               .to = {},
                               .place = own.place});
                at.emplace_back(p, k);
            }
        }
        if (at.empty()) return;
        for (const auto& [entry, other] : nat::find_overlaps(all)) {
            if (entry < config_.publish.size()) continue;  // nat::check() has told it
            const auto [p, k] = at[entry - config_.publish.size()];
            const std::string whose =
                other < config_.publish.size()
                    ? fmt::format("published at {}", origin(all[other].place))
                    : fmt::format("published by port {}",
                                  config_.ports[at[other - config_.publish.size()].first].name);
            report({"ports", p, "publish", k, "port"}, all[entry].place, "{} overlaps {}, which is {} already",
                   to_text(all[entry].ports), to_text(all[other].ports), whose);
        }
        for (size_t i = 0; i < at.size(); ++i) {
            const nat::PublishConfig& entry = all[config_.publish.size() + i];
            const auto is_its = [&](const nat::NatConfig& rule) {
                return entry.address && rule.one_to_one && rule.one_to_one->outside == *entry.address;
            };
            const auto rule = std::ranges::find_if(config_.nat, is_its);
            const auto [p, k] = at[i];
            if (rule != config_.nat.end()) {
                report({"ports", p, "publish", k, "address"}, entry.place,
                       "has all of its ports translated to one address, by the entry at {}", origin(rule->place));
            } else if (const NetworkConfig* network = find_network(config_, config_.ports[p].network);
                       network != nullptr && entry.address) {
                check_outside(network->domain, *entry.address, {"ports", p, "publish", k, "address"}, entry.place,
                              fmt::format("port {}, which publishes there", config_.ports[p].name));
            }
        }
    }

    // The port that declares the address, in a network of the routing domain; null: none does.
    const port::PortConfig* station_at(const std::string& domain, const IpAddress& address) const {
        for (const NetworkConfig& network : config_.networks) {
            if (!network.is_routed() || network.domain != domain) continue;
            const auto known = addresses_.find({network.name, address});
            if (known != addresses_.end()) return known->second;
        }
        return nullptr;
    }

    // An address that the switch is to answer for must be possible, and no station's. If the station's port was
    // added, it is the port's mistake.
    void check_outside(const std::string& domain, const IpAddress& address,
                       std::initializer_list<base::Step> steps, const base::Place& place,
                       const std::string& owner) {
        std::vector<IpPrefix> links;
        for (const NetworkConfig& network : config_.networks) {
            if (!network.is_routed() || network.flat || network.domain != domain) continue;
            for (const IpPrefix& subnet : network.subnets) {
                if (subnet.contains(address)) links.push_back(subnet);
            }
        }
        if (const std::string why = base::why_unusable(address, links); !why.empty())
            return report(steps, place, "{} {}", address.text(), why);
        const port::PortConfig* station = station_at(domain, address);
        if (station == nullptr) return;
        if (!base::is_added(station->place)) {
            return report(steps, place, "{} is the address of port {}: packets for it would not reach that port",
                          address.text(), station->name);
        }
        const auto i = static_cast<size_t>(station - config_.ports.data());
        const auto own = std::ranges::find(station->address, address, &InterfaceAddress::address);
        report({"ports", i, "address", static_cast<size_t>(own - station->address.begin())}, station->place,
               "{} is an address of {} already", address.text(), owner);
    }

    // Of Services, NAT and published ports.
    void check_outside_addresses() {
        const std::string main(route::kMainDomain);
        for (size_t i = 0; i < config_.services.size() && !mistakes_.is_full(); ++i) {
            const service::ServiceConfig& service = config_.services[i];
            for (size_t a = 0; a < service.address.size(); ++a) {
                check_outside(main, service.address[a], {"services", i, "address", a}, service.place,
                              fmt::format("service {} ({})", service.name, origin(service.place)));
            }
            for (size_t b = 0; b < service.backends.size(); ++b) {
                const IpAddress& backend = service.backends[b].address;
                const std::string why = base::why_unusable(backend, {});
                const bool is_own = std::ranges::find(service.address, backend) != service.address.end();
                if (!why.empty() || is_own) {
                    report({"services", i, "backends", b, "address"}, service.backends[b].place, "{} {}",
                           backend.text(), is_own ? "is the Service's own address" : why);
                }
            }
        }
        for (size_t i = 0; i < config_.nat.size() && !mistakes_.is_full(); ++i) check_outside_of_nat(i);
        for (size_t i = 0; i < config_.publish.size() && !mistakes_.is_full(); ++i) {
            const nat::PublishConfig& published = config_.publish[i];
            if (!published.address) continue;
            const port::PortConfig* to = find_port(config_, published.to.port);
            const NetworkConfig* network = to != nullptr ? find_network(config_, to->network) : nullptr;
            check_outside(network != nullptr ? network->domain : main, *published.address,
                          {"publish", i, "address"}, published.place,
                          fmt::format("a published port ({})", origin(published.place)));
        }
        check_published_at_services();
    }

    void check_outside_of_nat(size_t i) {
        const nat::NatConfig& rule = config_.nat[i];
        const NetworkConfig* out = find_network(config_, rule.out);
        if (out == nullptr) return;
        const std::string owner = fmt::format("the entry of nat at {}", origin(rule.place));
        if (rule.one_to_one) {
            const IpAddress& outside = rule.one_to_one->outside;
            const std::vector<IpAddress> end_points = end_points_of(config_);
            if (std::ranges::find(end_points, outside) != end_points.end()) return;  // UnderlayCheck has told it
            if (std::ranges::find(out->gateway, outside) != out->gateway.end()) {
                report({"nat", i, "static", "outside"}, rule.place,
                       "{} is the gateway of network {}: a static address has all of its ports for itself",
                       outside.text(), out->name);
            } else {
                check_outside(out->domain, outside, {"nat", i, "static", "outside"}, rule.place, owner);
            }
        }
        if (!rule.addresses) return;
        for (size_t r = 0; r < rule.addresses->size(); ++r) {
            std::vector<IpAddress> addresses;
            nat::add_addresses((*rule.addresses)[r], addresses);
            for (const IpAddress& address : addresses)
                check_outside(out->domain, address, {"nat", i, "addresses", r}, rule.place, owner);
        }
    }

    // A Service and a published port can't have the same address and port.
    void check_published_at_services() {
        using Front = std::tuple<IpAddress, path::PortProtocol, uint16_t>;
        std::map<Front, const service::ServiceConfig*> fronts;
        for (const service::ServiceConfig& service : config_.services) {
            for (const service::PortConfig& port : service.ports) {
                for (const IpAddress& address : service.address)
                    fronts.emplace(Front{address, port.protocol, port.port}, &service);
            }
        }
        if (fronts.empty()) return;
        std::set<IpAddress> gateways;  // that a Service has too
        for (const NetworkConfig& network : config_.networks) {
            for (const IpAddress& gateway : network.gateway) {
                const auto first = fronts.lower_bound({gateway, path::PortProtocol{}, 0});
                if (first != fronts.end() && std::get<0>(first->first) == gateway) gateways.insert(gateway);
            }
        }
        for (size_t i = 0; i < config_.publish.size() && !mistakes_.is_full(); ++i) {
            const nat::PublishConfig& published = config_.publish[i];
            const std::set<IpAddress> at = published.address ? std::set{*published.address} : gateways;
            for (const IpAddress& address : at) {
                const auto first = fronts.lower_bound({address, published.protocol, published.ports.low});
                if (first == fronts.end() ||
                    first->first > Front{address, published.protocol, published.ports.high})
                    continue;
                report({"publish", i, "port"}, published.place, "port {} of {} is that of service {} ({}) already",
                       std::get<2>(first->first), address.text(), first->second->name,
                       origin(first->second->place));
                break;
            }
        }
    }

    void check_mirror(size_t i) {
        const mirror::MirrorConfig& mirror = config_.mirrors[i];
        auto check_port = [&](const std::string& name, auto... steps) {
            if (ports_.contains(name) || mistakes_.is_missed(name) || is_added(kMirror, i)) return;
            report({"mirrors", i, steps...}, mirror.place, "there is no port \"{}\"", name);
        };
        check_port(mirror.to, "to");
        for (size_t f = 0; f < mirror.from.size(); ++f) check_port(mirror.from[f], "from", f);
        if (auto to = ports_.find(mirror.to); to != ports_.end()) {
            if (!to->second->network.empty() || to->second->trunk) {
                report({"mirrors", i, "to"}, mirror.place,
                       "port {} is in a network: copies go to a port that is in none", mirror.to);
            }
        }
    }

    void check_gateways() {
        std::map<std::pair<std::string_view, IpAddress>, const port::PortConfig*> addresses;
        for (const auto& port : config_.ports) {
            if (base::is_added(port.place)) continue;  // check_addresses() reports the mistake at the port
            for (const auto& address : port.address)
                addresses.emplace(std::pair(std::string_view(port.network), address.address), &port);
        }
        each(config_.networks, [&](size_t i) {
            const NetworkConfig& network = config_.networks[i];
            for (size_t g = 0; g < network.gateway.size(); ++g) {
                const auto port = addresses.find({network.name, network.gateway[g]});
                if (port == addresses.end()) continue;
                report({"networks", i, "gateway", g}, network.place, "{} is port {}'s address",
                       network.gateway[g].text(), port->second->name);
            }
        });
    }

    void check_dns() {
        const dns::DnsConfig& dns = config_.dns;
        for (const NetworkConfig& network : config_.networks) {
            if (network.dns.enabled && base::lower(network.name) == base::lower(dns.domain)) {
                report(
                    {"dns", "domain"}, {},
                    "{} is a network's name too: its containers, NAME.{}, would have no names. Choose another one",
                    dns.domain, network.name);
            }
            for (size_t u = 0; u < dns.upstreams.size(); ++u) {
                const IpAddress& address = dns.upstreams[u].address;
                if (std::ranges::find(network.gateway, address) == network.gateway.end()) continue;
                report({"dns", "upstreams", u}, {},
                       "{} is the gateway of network {}, the switch itself: give a name server beyond it",
                       address.text(), network.name);
            }
        }
    }

    void check_addresses(size_t i, const port::PortConfig& port,
                         const NetworkConfig& network) {
        const bool is_known = network_index_is_known(network);
        const bool knows_subnets = is_known && !network.subnets.empty() &&
                                   !mistakes_.is_unknown({"networks", index_of(network), "subnets"});
        std::set<IpAddress> gateways;
        if (base::is_added(port.place)) gateways.insert(network.gateway.begin(), network.gateway.end());
        for (size_t a = 0; a < port.address.size(); ++a) {
            const IpAddress& address = port.address[a].address;
            const auto* subnet = is_known ? subnets_[index_of(network)].find(address) : nullptr;
            if (subnet == nullptr && knows_subnets) {
                report({"ports", i, "address", a}, port.place,
                       "{} is outside network {}, which has {}", address.text(), network.name,
                       subnets_text(network));
                continue;
            }
            if (gateways.contains(address)) {
                report({"ports", i, "address", a}, port.place, "{} is the gateway of network {}", address.text(),
                       network.name);
                continue;
            }
            const InterfaceAddress& given = port.address[a];
            const bool is_single = given.length == address.bits();  // on no link: it has routes
            if (!network.flat && knows_subnets && given.has_length() && !is_single &&
                given.length != subnet->first.length) {
                report({"ports", i, "address", a}, port.place,
                       "{} has another length than its subnet {} of network {}: write {}/{}, or "
                       "the address alone",
                       given.text(), subnet->first.text(), network.name, address.text(),
                       subnet->first.length);
                continue;
            }
            // An address of full length, as in a flat network, has no others on its link.
            std::vector<IpPrefix> links{port.address[a].prefix()};
            if (!network.flat && knows_subnets) links.push_back(subnet->first);
            if (const std::string why = base::why_unusable(address, links); !why.empty()) {
                report({"ports", i, "address", a}, port.place, "{} {}", address.text(), why);
                continue;
            }
            auto [first, fresh] = addresses_.emplace(std::pair(port.network, address), &port);
            if (!fresh) {
                if (first->second == &port) {
                    report({"ports", i, "address", a}, port.place, "{} is given twice",
                           address.text());
                } else {
                    report({"ports", i, "address", a}, port.place, "{} is port {}'s already",
                           address.text(), first->second->name);
                }
            }
        }
    }

    void check_static_macs(size_t i) {
        const auto& network = config_.networks[i];
        for (size_t s = 0; s < network.static_macs.size(); ++s) {
            const auto& entry = network.static_macs[s];
            auto port = ports_.find(entry.port);
            if (port == ports_.end()) {
                if (!mistakes_.is_missed(entry.port) && !is_added(kNetwork, i)) {
                    report({"networks", i, "static", s, "port"}, entry.place, "there is no port \"{}\"",
                           entry.port);
                }
            } else if (!is_in(*port->second, network.name)) {
                report({"networks", i, "static", s, "port"}, entry.place,
                       "port {} is not in network {}", entry.port, network.name);
            }
            const std::string owner = owner_of(network.name, entry.mac);
            if (!owner.empty() && owner != fmt::format("port {}'s", entry.port)) {
                report({"networks", i, "static", s, "mac"}, entry.place, "{} is {} already", entry.mac.text(),
                       owner);
            }
        }
    }

    static bool is_in(const port::PortConfig& port, const std::string& network) {
        if (!port.trunk) return port.network == network;
        const auto& networks = port.trunk->networks;
        return port.trunk->native == network ||
               std::find(networks.begin(), networks.end(), network) != networks.end();
    }

    const std::string& instance() const { return config_.control.socket; }

    std::string suggestion(const std::string& name) const { return suggestion(name, networks_); }

    template <class T>
    static std::string suggestion(const std::string& name, const std::map<std::string, T>& objects) {
        std::vector<std::string_view> known;
        for (const auto& [object, _] : objects) known.push_back(object);
        if (objects.contains(name)) return ": it was added while running, and the file doesn't declare it";
        auto near = base::nearest(name, known);
        return near ? fmt::format("; did you mean \"{}\"?", *near) : "";
    }

    // Whether this is one of the configuration's networks. (Otherwise it stands in for a network that doesn't
    // exist.)
    bool network_index_is_known(const NetworkConfig& network) const {
        return &network >= config_.networks.data() && &network < config_.networks.data() + config_.networks.size();
    }
    size_t index_of(const NetworkConfig& network) const {
        return static_cast<size_t>(&network - config_.networks.data());
    }

    static std::string subnets_text(const NetworkConfig& network) {
        std::string text;
        const size_t told = std::min<size_t>(network.subnets.size(), 10);
        for (size_t i = 0; i < told; ++i) text += (text.empty() ? "" : ", ") + network.subnets[i].text();
        if (told < network.subnets.size()) text += fmt::format(" and {} more", network.subnets.size() - told);
        return text;
    }

    template <class... Args>
    void report(std::initializer_list<base::Step> steps, const base::Place& fallback,
                fmt::format_string<Args...> format, Args&&... args) {
        mistakes_.report(steps, fallback, format, std::forward<Args>(args)...);
    }

    const Config& config_;
    base::Mistakes& mistakes_;
    MachineUse use_;
    std::vector<base::Prefixes<const IpPrefix*>> subnets_;  // of each network
    std::map<std::string, std::optional<uint16_t>> mtus_;   // the most that each overlay carries
    std::map<std::string, const NetworkConfig*> networks_;
    std::map<std::string, const port::PortConfig*> ports_;
    std::map<std::pair<std::string, MacAddress>, const port::PortConfig*> macs_;
    std::map<std::pair<std::string, MacAddress>, std::string> switch_macs_;  // with their owner: "the gateway"
    std::map<RouteKey, const port::PortConfig*> kernel_routes_;              // inside of containers
    std::map<std::pair<std::string, IpAddress>, const port::PortConfig*> addresses_;
};

Verdict verdict_of(base::FoundMistakes found) {
    Verdict verdict{.errors = std::move(found.errors), .added = {}};
    for (auto& [entry, errors] : found.added) {
        const auto& [section, index] = entry;
        verdict.added[{*kind_of_section(section), index}] = std::move(errors);
    }
    return verdict;
}

}  // namespace

Verdict judge(const Config& config, const base::Document* document, const Machine& machine,
              const base::Errors& read, const MissedPorts& missed, const Declared& declared) {
    // The reader has stopped early: the missing rest would cause further mistakes.
    if (base::is_full(read)) return {};
    base::Mistakes mistakes(document, read, missed, declared.by_section());
    const bool is_of_size = Validator(config, machine, mistakes).run();
    Verdict verdict = verdict_of(std::move(mistakes).found());
    if (!is_of_size || base::is_full(verdict.errors)) return verdict;
    const acl::Declared lists{declared.of(ObjectKind::kAcl), declared.of(ObjectKind::kAddressSet)};
    acl::Verdict policies = acl::validate(config.acls, config.address_sets, document, lists);
    const size_t room = base::kMaxErrors + 1 - verdict.errors.size();
    policies.errors.resize(std::min(policies.errors.size(), room));
    verdict.errors.insert(verdict.errors.end(), policies.errors.begin(), policies.errors.end());
    const auto add = [&](ObjectKind kind, std::map<size_t, base::Errors>& added) {
        for (auto& [index, errors] : added) {
            base::Errors& known = verdict.added[{kind, index}];
            known.insert(known.end(), errors.begin(), errors.end());
        }
    };
    add(ObjectKind::kAcl, policies.added_acls);
    add(ObjectKind::kAddressSet, policies.added_sets);
    return verdict;
}

base::Errors validate(const Config& config, const base::Document* document, const Machine& machine,
                      const base::Errors& read, const MissedPorts& missed) {
    return judge(config, document, machine, read, missed, declared_in(config)).errors;
}

}  // namespace sluice::engine
