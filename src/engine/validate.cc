// What the sections of a configuration say about each other. Each section's own keys were checked
// when it was read; here are the references, the duplicates, and the addresses in their networks.
#include <algorithm>
#include <map>
#include <set>

#include "engine/mistakes.h"
#include "wire/filter.h"

namespace sluice::engine {
namespace {

class Validator {
 public:
    Validator(const Config& config, Mistakes& mistakes) : config_(config), mistakes_(mistakes) {}

    void run() {
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            names_networks(i);
        }
        for (size_t i = 0; i < config_.ports.size(); ++i) {
            check_port(i);
        }
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            check_static_macs(i);
        }
        for (size_t i = 0; i < config_.mirrors.size(); ++i) {
            check_mirror(i);
        }
        for (size_t i = 0; i < config_.acls.size(); ++i) {
            check_applied(i);
        }
    }

 private:
    void names_networks(size_t i) {
        const auto& network = config_.networks[i];
        auto [first, fresh] = networks_.emplace(network.name, &network);
        if (!fresh && !network.name.empty()) {
            report({"networks", i, "name"}, network.place,
                   "network {} is declared already, at {}: give one another name", network.name,
                   origin(first->second->place));
        }
        for (size_t a = 0; a < network.subnets.size(); ++a) {
            for (size_t b = 0; b < a; ++b) {
                if (!network.subnets[b].contains(network.subnets[a].address) &&
                    !network.subnets[a].contains(network.subnets[b].address)) {
                    continue;
                }
                report({"networks", i, "subnets", a}, network.place, "{} overlaps {}",
                       network.subnets[a].text(), network.subnets[b].text());
            }
        }
    }

    void check_port(size_t i) {
        const auto& port = config_.ports[i];
        if (auto [first, fresh] = ports_.emplace(port.name, &port); !fresh && !port.name.empty()) {
            report({"ports", i, "name"}, port.place, "port {} is {} already: give one another name", port.name,
                   is_added(first->second->place) ? "added" : "declared");
        }
        if (port.trunk) check_trunk(i, port);
        if (port.network.empty()) return;
        auto network = networks_.find(port.network);
        if (network == networks_.end()) {
            report({"ports", i, "network"}, port.place, "there is no network \"{}\"{}", port.network,
                   suggestion(port.network));
            return check_addresses(i, port, {.name = port.network});
        }
        check_addresses(i, port, *network->second);
        if (port.mac && !macs_.emplace(std::pair(port.network, *port.mac), &port).second) {
            report({"ports", i, "mac"}, port.place, "{} is port {}'s already", port.mac->text(),
                   macs_[{port.network, *port.mac}]->name);
        }
    }

    void check_applied(size_t i) {
        const acl::AclConfig& acl = config_.acls[i];
        for (size_t a = 0; a < acl.apply.size(); ++a) {
            const acl::ApplyConfig& apply = acl.apply[a];
            if (!apply.network.empty() && !networks_.contains(apply.network)) {
                report({"acls", i, "apply", a, "network"}, apply.place, "there is no network \"{}\"{}",
                       apply.network, suggestion(apply.network));
            }
            if (mistakes_.is_missed(apply.port)) continue;
            if (!apply.port.empty() && !ports_.contains(apply.port)) {
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
            auto network = networks_.find(name);
            if (network == networks_.end()) {
                report({"ports", i, "trunk", "networks", n}, port.place,
                       "there is no network \"{}\"{}", name, suggestion(name));
                continue;
            }
            if (!carried.insert(name).second) {
                report({"ports", i, "trunk", "networks", n}, port.place, "{} is named already", name);
                continue;
            }
            const uint16_t vlan = network->second->vlan;
            if (vlan == 0 && mistakes_.is_unknown({"networks", index_of(*network->second), "vlan"})) continue;
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
        if (!networks_.contains(native)) {
            report({"ports", i, "trunk", "native"}, port.place, "there is no network \"{}\"{}", native,
                   suggestion(native));
        } else if (carried.contains(native)) {
            report({"ports", i, "trunk", "native"}, port.place,
                   "{} is one of `networks` too: its frames are tagged or they are not", native);
        }
    }

    void check_mirror(size_t i) {
        const MirrorConfig& mirror = config_.mirrors[i];
        if (auto [first, fresh] = mirrors_.emplace(mirror.name, &mirror); !fresh) {
            report({"mirrors", i, "name"}, mirror.place,
                   "mirror {} is declared already, at {}: give one another name", mirror.name,
                   origin(first->second->place));
        }
        auto check_port = [&](const std::string& name, auto... steps) {
            if (ports_.contains(name) || mistakes_.is_missed(name)) return;
            report({"mirrors", i, steps...}, mirror.place, "there is no port \"{}\"", name);
        };
        check_port(mirror.to, "to");
        for (size_t f = 0; f < mirror.from.size(); ++f) {
            check_port(mirror.from[f], "from", f);
            if (mirror.from[f] == mirror.to) {
                report({"mirrors", i, "from", f}, mirror.place, "{} would be mirrored to itself",
                       mirror.to);
            }
        }
        if (auto to = ports_.find(mirror.to); to != ports_.end()) {
            if (!to->second->network.empty() || to->second->trunk) {
                report({"mirrors", i, "to"}, mirror.place,
                       "port {} is in a network: copies go to a port that is in none", mirror.to);
            }
        }
        if (auto filter = wire::Filter::compile(mirror.filter); !filter) {
            report({"mirrors", i, "filter"}, mirror.place, "{}", filter.error().message);
        }
    }

    void check_addresses(size_t i, const port::PortConfig& port,
                         const NetworkConfig& network) {
        const auto known = networks_.find(network.name);
        const bool knows_subnets = known != networks_.end() && !network.subnets.empty() &&
                                   !mistakes_.is_unknown({"networks", index_of(*known->second), "subnets"});
        for (size_t a = 0; a < port.address.size(); ++a) {
            const IpAddress& address = port.address[a].address;
            auto subnet = std::find_if(network.subnets.begin(), network.subnets.end(),
                                       [&](const IpPrefix& s) { return s.contains(address); });
            if (subnet == network.subnets.end() && knows_subnets) {
                report({"ports", i, "address", a}, port.place,
                       "{} is outside network {}, which has {}", address.text(), network.name,
                       subnets_text(network));
                continue;
            }
            const auto& own = network.gateway;
            if (is_added(port.place) && std::find(own.begin(), own.end(), address) != own.end()) {
                report({"ports", i, "address", a}, port.place, "{} is the gateway of network {}", address.text(),
                       network.name);
                continue;
            }
            // Single addresses, as those of a flat network, are on no link with others.
            std::vector<IpPrefix> links{port.address[a].prefix()};
            if (!network.flat && knows_subnets) {
                links.insert(links.end(), network.subnets.begin(), network.subnets.end());
            }
            if (const std::string why = why_unusable(address, links); !why.empty()) {
                report({"ports", i, "address", a}, port.place, "{} {}", address.text(), why);
                continue;
            }
            auto [first, fresh] = addresses_.emplace(std::pair(network.name, address), &port);
            if (!fresh) {
                report({"ports", i, "address", a}, port.place, "{} is port {}'s already",
                       address.text(), first->second->name);
            }
        }
    }

    void check_static_macs(size_t i) {
        const auto& network = config_.networks[i];
        std::set<MacAddress> seen;
        for (size_t s = 0; s < network.static_macs.size(); ++s) {
            const auto& entry = network.static_macs[s];
            auto port = ports_.find(entry.port);
            if (mistakes_.is_missed(entry.port)) continue;
            if (port == ports_.end()) {
                report({"networks", i, "static", s, "port"}, entry.place, "there is no port \"{}\"",
                       entry.port);
            } else if (!is_in(*port->second, network.name)) {
                report({"networks", i, "static", s, "port"}, entry.place,
                       "port {} is not in network {}", entry.port, network.name);
            }
            if (!seen.insert(entry.mac).second) {
                report({"networks", i, "static", s, "mac"}, entry.place, "{} has an entry already",
                       entry.mac.text());
            }
        }
    }

    static bool is_in(const port::PortConfig& port, const std::string& network) {
        if (!port.trunk) return port.network == network;
        const auto& networks = port.trunk->networks;
        return port.trunk->native == network ||
               std::find(networks.begin(), networks.end(), network) != networks.end();
    }

    std::string suggestion(const std::string& name) const { return suggestion(name, networks_); }

    template <class T>
    static std::string suggestion(const std::string& name, const std::map<std::string, T>& objects) {
        std::vector<std::string_view> known;
        for (const auto& [object, _] : objects) known.push_back(object);
        auto near = base::nearest(name, known);
        return near ? fmt::format("; did you mean \"{}\"?", *near) : "";
    }

    size_t index_of(const NetworkConfig& network) const {
        return static_cast<size_t>(&network - config_.networks.data());
    }

    static std::string subnets_text(const NetworkConfig& network) {
        std::string text;
        for (const auto& subnet : network.subnets) {
            text += (text.empty() ? "" : ", ") + subnet.text();
        }
        return text;
    }

    template <class... Args>
    void report(std::initializer_list<Step> steps, const base::Place& fallback,
                fmt::format_string<Args...> format, Args&&... args) {
        mistakes_.report(steps, fallback, format, std::forward<Args>(args)...);
    }

    const Config& config_;
    Mistakes& mistakes_;
    std::map<std::string, const NetworkConfig*> networks_;
    std::map<std::string, const port::PortConfig*> ports_;
    std::map<std::string, const MirrorConfig*> mirrors_;
    std::map<std::pair<std::string, MacAddress>, const port::PortConfig*> macs_;
    std::map<std::pair<std::string, IpAddress>, const port::PortConfig*> addresses_;
};

}  // namespace

std::string why_unusable(const IpAddress& address, const std::vector<IpPrefix>& subnets) {
    if (address.is_multicast()) return "is a group address";
    if (address.is_unspecified()) return "is no station's address";
    if (address.is_v4() && address.v4() >> 24 == 127) return "is a loopback address";
    if (address.is_v4() && address.v4() == UINT32_MAX) return "is the broadcast address";
    if (!address.is_v4() && address == *IpAddress::parse("::1")) return "is the loopback address";
    for (const IpPrefix& subnet : subnets) {
        // A link of two has neither (RFC 3021, RFC 6164).
        if (!subnet.contains(address) || subnet.length + 1 >= address.bits()) continue;
        if (address == subnet.address) {
            return fmt::format("is the {} address of {}", address.is_v4() ? "network" : "subnet-router anycast",
                               subnet.text());
        }
        if (address.is_v4() && (~address.v4() << subnet.length) == 0) {
            return fmt::format("is the broadcast address of {}", subnet.text());
        }
    }
    return {};
}

base::Errors validate(const Config& config, const base::Document* document, const Machine& machine,
                      const base::Errors& read, const MissedPorts& missed) {
    Mistakes mistakes(document, read, missed);
    Validator(config, mistakes).run();
    validate_machine(config, machine, mistakes);
    validate_routing(config, mistakes);
    base::Errors errors = std::move(mistakes).errors();
    const base::Errors policies = acl::validate(config.acls, config.address_sets, document);
    errors.insert(errors.end(), policies.begin(), policies.end());
    return errors;
}

}  // namespace sluice::engine
