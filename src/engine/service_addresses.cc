#include "engine/service_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace sluice::engine {
namespace {

using kube::IpFamily;
using kube::Key;
using kube::Service;
using kube::ServicePort;
using kube::ServiceType;
using nlohmann::json;

constexpr uint64_t kMostAddresses = 1 << 20;  // of a range; IPv6 has more than will ever be used

// FNV-1a, mixed: the same on every host and after every restart.
uint64_t hash_of(std::string_view text) {
    uint64_t hash = 0xcbf2'9ce4'8422'2325ULL;
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100'0000'01b3ULL;
    hash ^= hash >> 32;
    return hash * 0x9e37'79b9'7f4a'7c15ULL >> 16;
}

// The addresses of a range that a host can have. IPv4 has no host at the first and the last one, IPv6 none at the
// first one (the routers' anycast address).
uint64_t count_of(const IpPrefix& range) {
    const int bits = range.address.bits() - range.length;
    if (bits == 0) return 1;
    const uint64_t count = bits >= 21 ? kMostAddresses + 2 : uint64_t{1} << bits;
    return range.address.is_v4() ? count - 2 : count - 1;
}

IpAddress address_of(const IpPrefix& range, uint64_t index) {
    IpAddress address = range.address;
    uint64_t carry = range.length == range.address.bits() ? index : index + 1;
    for (size_t i = address.bytes.size(); i-- > 0 && carry != 0; carry >>= 8) {
        carry += address.bytes[i];
        address.bytes[i] = static_cast<uint8_t>(carry);
    }
    return address;
}

// Load balancers ask its nodes whether they have pods of it.
bool has_health_check(const Service& service) {
    return service.type == ServiceType::kLoadBalancer &&
           service.external_traffic_policy == kube::TrafficPolicy::kLocal;
}

bool has_cluster_ips(const Service& service) {
    return !service.is_headless && service.type != ServiceType::kExternalName;
}

const IpAddress* find_family(const std::vector<IpAddress>& addresses, IpFamily family) {
    const auto found = std::ranges::find(addresses, family, kube::family_of);
    return found == addresses.end() ? nullptr : &*found;
}

json texts_of(const std::vector<IpAddress>& addresses) {
    json list = json::array();
    for (const IpAddress& address : addresses) list.push_back(address.text());
    return list;
}

}  // namespace

std::vector<IpFamily> families_of(const Service& service, const service::RangesConfig& ranges) {
    std::vector<IpFamily> families = service.ip_families;
    if (!has_cluster_ips(service)) return families;
    if (families.empty()) {
        const bool is_v4 = ranges.cluster_ips.empty() || ranges.cluster_ips.front().address.is_v4();
        families.push_back(is_v4 ? IpFamily::kIpv4 : IpFamily::kIpv6);
    }
    const bool is_v6_missing = families.front() == IpFamily::kIpv4;
    const bool wants_second = service.ip_family_policy == kube::IpFamilyPolicy::kRequireDualStack ||
                              (service.ip_family_policy == kube::IpFamilyPolicy::kPreferDualStack &&
                               ranges.cluster_ips_of(!is_v6_missing));
    if (families.size() == 1 && wants_second)
        families.push_back(is_v6_missing ? IpFamily::kIpv6 : IpFamily::kIpv4);
    return families;
}

void ServiceAddresses::reserve(const Config& config) {
    for (const service::ServiceConfig& service : config.services) {
        for (const IpAddress& address : service.address)
            addresses_.insert({address, {kube::Kind::kService, {}, service.name}});
    }
    std::set<std::string_view> networks;
    for (const NetworkConfig& network : config.networks) {
        if (!network.is_routed() || network.domain != route::kMainDomain) continue;
        networks.insert(network.name);
        for (const IpAddress& gateway : network.gateway)
            gateways_.emplace(gateway, "the gateway of " + network.name);
    }
    for (const port::PortConfig& port : config.ports) {
        if (!networks.contains(port.network)) continue;
        for (const InterfaceAddress& own : port.address) stations_.emplace(own.address, "port " + port.name);
    }
}

void ServiceAddresses::hold(const Key& key, const Service& service) {
    for (const auto* list : {&service.cluster_ips, &service.load_balancer_ips}) {
        for (const IpAddress& address : *list) addresses_.insert({address, key});
    }
    for (const ServicePort& port : service.ports) {
        if (port.node_port != 0) node_ports_.insert({port.node_port, key});
    }
    if (service.health_check_node_port != 0) node_ports_.insert({service.health_check_node_port, key});
}

void ServiceAddresses::release(const Key& key, const Service& service) {
    for (const auto* list : {&service.cluster_ips, &service.load_balancer_ips}) {
        for (const IpAddress& address : *list) addresses_.erase({address, key});
    }
    for (const ServicePort& port : service.ports) node_ports_.erase({port.node_port, key});
    node_ports_.erase({service.health_check_node_port, key});
}

// One call of complete().
class ServiceAddresses::Completion {
 public:
    Completion(ServiceAddresses& held, const service::RangesConfig& ranges, base::Errors& errors)
        : held_(held), ranges_(ranges), errors_(errors) {}

    // What it has kept from before, and what it asks for.
    void claim(kube::Object& object, const Service* before) {
        Service& service = spec(object);
        Filled& filled = filled_[&object];
        if (before != nullptr) keep(service, *before, filled);
        for (const IpAddress& address : service.cluster_ips) {
            if (claim_address(object, address, "spec.clusterIP"))
                refuse_others(object, address, held_.gateways_, "spec.clusterIP");
        }
        // Those may be other Services' too, and a gateway's is one of this host's own.
        for (const IpAddress& address : service.external_ips)
            refuse_others(object, address, held_.stations_, "spec.externalIPs");
        for (const IpAddress& address : service.load_balancer_ips)
            refuse_others(object, address, held_.stations_, "status.loadBalancer");
        for (size_t i = 0; i < service.ports.size(); ++i) {
            const uint16_t port = service.ports[i].node_port;
            const Key* owner = port == 0 ? nullptr : held_.owner(held_.node_ports_, port);
            if (owner == nullptr || *owner == object.key) continue;
            report(object, fmt::format("spec.ports[{}].nodePort", i),
                   fmt::format("{} is a node port of {}", port, owner->text()));
        }
        claim_health_port(object, service);
        held_.hold(object.key, service);
    }

    // What it leaves open.
    void choose(kube::Object& object) {
        Service& service = spec(object);
        Filled& filled = filled_[&object];
        if (has_cluster_ips(service)) choose_cluster_ips(object, service, filled);
        if (service.type == ServiceType::kLoadBalancer && service.load_balancer_ips.empty())
            choose_load_balancer_ips(object, service, filled);
        for (size_t i = 0; service.allocates_node_ports && i < service.ports.size(); ++i) {
            if (service.ports[i].node_port == 0) choose_node_port(object, service, i, filled);
        }
        if (has_health_check(service) && service.health_check_node_port == 0)
            choose_health_port(object, service, filled);
        held_.hold(object.key, service);
        if (filled.is_any()) write(object, service, filled);
    }

 private:
    struct Filled {
        bool cluster_ips = false;
        bool load_balancer_ips = false;
        bool health_port = false;
        std::set<size_t> node_ports;  // indices of ports

        bool is_any() const { return cluster_ips || load_balancer_ips || health_port || !node_ports.empty(); }
    };

    static Service& spec(kube::Object& object) { return std::get<Service>(object.spec); }

    void report(const kube::Object& object, std::string path, std::string message) {
        errors_.push_back({object.key.text() + ": " + std::move(message), std::move(path), object.place});
    }

    // False: it was reported.
    bool claim_address(const kube::Object& object, const IpAddress& address, const char* path) {
        if (!refuse_others(object, address, held_.stations_, path)) return false;
        const Key* owner = held_.owner(held_.addresses_, address);
        if (owner == nullptr || *owner == object.key) return true;
        report(object, path, fmt::format("{} is an address of {}", address.text(), owner->text()));
        return false;
    }
    bool refuse_others(const kube::Object& object, const IpAddress& address,
                       const std::map<IpAddress, std::string>& others, const char* path) {
        const auto other = others.find(address);
        if (other == others.end()) return true;
        report(object, path, fmt::format("{} is the address of {}", address.text(), other->second));
        return false;
    }
    bool is_free(const IpAddress& address) const {
        return held_.owner(held_.addresses_, address) == nullptr && !held_.stations_.contains(address) &&
               !held_.gateways_.contains(address);
    }

    // Clients find the node port's pods there, so it has no second use.
    void claim_health_port(const kube::Object& object, const Service& service) {
        const uint16_t port = service.health_check_node_port;
        if (port == 0) return;
        const Key* owner = held_.owner(held_.node_ports_, port);
        const bool is_own = std::ranges::find(service.ports, port, &ServicePort::node_port) != service.ports.end();
        if (is_own) {
            report(object, "spec.healthCheckNodePort", fmt::format("{} is a node port of its own", port));
        } else if (owner != nullptr && *owner != object.key) {
            report(object, "spec.healthCheckNodePort",
                   fmt::format("{} is a node port of {}", port, owner->text()));
        }
    }

    void keep(Service& service, const Service& before, Filled& filled) const {
        if (has_cluster_ips(service)) {
            const auto families = families_of(service, ranges_);
            for (size_t i = service.cluster_ips.size(); i < families.size(); ++i) {
                const IpAddress* known = find_family(before.cluster_ips, families[i]);
                if (known == nullptr) break;
                add_cluster_ip(service, families, *known);
                filled.cluster_ips = true;
            }
        }
        const bool is_chosen = std::ranges::all_of(before.load_balancer_ips, [&](const IpAddress& address) {
            return std::ranges::any_of(ranges_.load_balancer_ips,
                                       [&](const auto& it) { return it.contains(address); });
        });
        if (service.type == ServiceType::kLoadBalancer && service.load_balancer_ips.empty() && is_chosen &&
            !before.load_balancer_ips.empty()) {
            service.load_balancer_ips = before.load_balancer_ips;
            filled.load_balancer_ips = true;
        }
        for (size_t i = 0; service.allocates_node_ports && i < service.ports.size(); ++i) {
            ServicePort& port = service.ports[i];
            if (port.node_port != 0) continue;
            const auto known = std::ranges::find_if(before.ports, [&](const ServicePort& it) {
                return it.port == port.port && it.protocol == port.protocol;
            });
            if (known == before.ports.end() || known->node_port == 0) continue;
            port.node_port = known->node_port;
            filled.node_ports.insert(i);
        }
        if (has_health_check(service) && service.health_check_node_port == 0 &&
            before.health_check_node_port != 0) {
            service.health_check_node_port = before.health_check_node_port;
            filled.health_port = true;
        }
    }

    static void add_cluster_ip(Service& service, const std::vector<IpFamily>& families, const IpAddress& address) {
        service.cluster_ips.push_back(address);
        while (service.ip_families.size() < service.cluster_ips.size())
            service.ip_families.push_back(families[service.ip_families.size()]);
    }

    void choose_cluster_ips(const kube::Object& object, Service& service, Filled& filled) {
        const auto families = families_of(service, ranges_);
        for (size_t i = service.cluster_ips.size(); i < families.size(); ++i) {
            const IpPrefix* range = ranges_.cluster_ips_of(families[i] == IpFamily::kIpv4);
            if (range == nullptr) {
                return report(object, "spec.clusterIP",
                              fmt::format("there are no cluster IPs of {}: give it one, or a range in "
                                          "service-ranges.cluster-ips of the configuration",
                                          base::word_of(families[i])));
            }
            const auto address = choose_address(*range, object.key);
            if (!address) {
                return report(object, "spec.clusterIP",
                              fmt::format("service-ranges.cluster-ips {} is used up", range->text()));
            }
            add_cluster_ip(service, families, *address);
            held_.addresses_.insert({*address, object.key});
            filled.cluster_ips = true;
        }
    }

    void choose_load_balancer_ips(const kube::Object& object, Service& service, Filled& filled) {
        for (const IpFamily family : families_of(service, ranges_)) {
            std::optional<IpAddress> address;
            bool has_range = false;
            for (const IpPrefix& range : ranges_.load_balancer_ips) {
                if (kube::family_of(range.address) != family) continue;
                has_range = true;
                if (!address) address = choose_address(range, object.key);
            }
            if (!has_range) continue;
            if (!address) {
                return report(
                    object, "status.loadBalancer",
                    fmt::format("the service-ranges.load-balancer-ips of {} are used up", base::word_of(family)));
            }
            service.load_balancer_ips.push_back(*address);
            held_.addresses_.insert({*address, object.key});
            filled.load_balancer_ips = true;
        }
    }

    std::optional<IpAddress> choose_address(const IpPrefix& range, const Key& key) {
        if (used_up_.contains(range)) return std::nullopt;
        const uint64_t count = count_of(range);
        const uint64_t first = hash_of(key.name_space + "/" + key.name) % count;
        for (uint64_t i = 0; i < count; ++i) {
            const IpAddress address = address_of(range, (first + i) % count);
            if (is_free(address)) return address;
        }
        used_up_.insert(range);
        return std::nullopt;
    }

    // A port number under two protocols has one node port for both.
    void choose_node_port(const kube::Object& object, Service& service, size_t i, Filled& filled) {
        ServicePort& port = service.ports[i];
        const auto is_free_here = [&](uint16_t number) {
            return std::ranges::none_of(service.ports, [&](const ServicePort& it) {
                return it.node_port == number && it.protocol == port.protocol;
            });
        };
        for (const ServicePort& other : service.ports) {
            const bool is_twin =
                other.port == port.port && other.protocol != port.protocol && other.node_port != 0;
            if (is_twin && is_free_here(other.node_port)) port.node_port = other.node_port;
        }
        if (port.node_port == 0)
            port.node_port =
                find_node_port(object, std::to_string(port.port), fmt::format("spec.ports[{}].nodePort", i));
        if (port.node_port == 0) return;
        held_.node_ports_.insert({port.node_port, object.key});
        filled.node_ports.insert(i);
    }

    void choose_health_port(const kube::Object& object, Service& service, Filled& filled) {
        service.health_check_node_port = find_node_port(object, "health-check", "spec.healthCheckNodePort");
        if (service.health_check_node_port == 0) return;
        held_.node_ports_.insert({service.health_check_node_port, object.key});
        filled.health_port = true;
    }

    // The first free one behind a hash of the Service and what the port is for. 0: there is none, and it was
    // reported.
    uint16_t find_node_port(const kube::Object& object, const std::string& use, std::string path) {
        const uint64_t count = ranges_.node_ports.size();
        const uint64_t first =
            hash_of(fmt::format("{}/{}:{}", object.key.name_space, object.key.name, use)) % count;
        for (uint64_t n = 0; n < count; ++n) {
            const auto number = static_cast<uint16_t>(ranges_.node_ports.low + (first + n) % count);
            if (held_.owner(held_.node_ports_, number) == nullptr) return number;
        }
        report(object, std::move(path),
               fmt::format("service-ranges.node-ports {} is used up", base::to_text(ranges_.node_ports)));
        return 0;
    }

    // As the API server does it.
    static void write(kube::Object& object, const Service& service, const Filled& filled) {
        json text = json::parse(object.json);
        json& spec = text["spec"];
        if (filled.cluster_ips) {
            spec["clusterIP"] = service.cluster_ips.front().text();
            spec["clusterIPs"] = texts_of(service.cluster_ips);
            json families = json::array();
            for (const IpFamily family : service.ip_families) families.push_back(base::word_of(family));
            spec["ipFamilies"] = std::move(families);
            spec["ipFamilyPolicy"] = base::word_of(service.ip_family_policy);
        }
        for (const size_t i : filled.node_ports) spec["ports"][i]["nodePort"] = service.ports[i].node_port;
        if (filled.health_port) spec["healthCheckNodePort"] = service.health_check_node_port;
        if (filled.load_balancer_ips) {
            json ingress = json::array();
            for (const IpAddress& address : service.load_balancer_ips) ingress.push_back({{"ip", address.text()}});
            text["status"]["loadBalancer"]["ingress"] = std::move(ingress);
        }
        object.json = text.dump(-1, ' ', false, json::error_handler_t::replace);
    }

    ServiceAddresses& held_;
    const service::RangesConfig& ranges_;
    base::Errors& errors_;
    std::map<const kube::Object*, Filled> filled_;
    std::set<IpPrefix> used_up_;  // ranges without a free address
};

base::Errors ServiceAddresses::complete(std::vector<kube::Object>& objects, const service::RangesConfig& ranges,
                                        const Find& find) {
    std::vector<std::pair<kube::Object*, kube::SharedStored>> services;
    for (kube::Object& object : objects) {
        if (object.key.kind == kube::Kind::kService) services.emplace_back(&object, find(object.key));
    }
    std::ranges::sort(services, {}, [](const auto& it) { return it.first->key; });
    base::Errors errors;
    Completion completion(*this, ranges, errors);
    for (const auto& [object, before] : services) {
        if (before != nullptr) release(object->key, before->object.service());
    }
    for (const auto& [object, before] : services)
        completion.claim(*object, before == nullptr ? nullptr : &before->object.service());
    for (const auto& [object, before] : services) {
        if (base::is_full(errors)) break;
        completion.choose(*object);
    }
    base::limit(errors);
    return errors;
}

}  // namespace sluice::engine
