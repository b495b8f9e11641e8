#include "engine/translation.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <unordered_map>

#include "base/text.h"
#include "path/tuple_address.h"
#include "vxlan/remote.h"

namespace sluice::engine {
namespace {

using service::Frontend;
using service::FrontendKey;

// What does not change while the name does not.
uint64_t id_of(const std::string& name) {
    return std::hash<std::string>{}(name);
}

// Where node ports of Kubernetes Services are reached: the underlay's addresses, those of host ports, and
// gateways.
std::vector<IpAddress> host_addresses(const Config& config) {
    std::vector<IpAddress> addresses;
    const auto add = [&](const std::vector<InterfaceAddress>& own) {
        for (const InterfaceAddress& address : own) addresses.push_back(address.address);
    };
    if (config.underlay) add(config.underlay->address);
    for (const port::PortConfig& port : config.ports) {
        if (port.host) add(port.address);
    }
    for (const NetworkConfig& network : config.networks)
        addresses.insert(addresses.end(), network.gateway.begin(), network.gateway.end());
    return addresses;
}

// As the kubelet names it.
std::string node_of(const Config& config) {
    if (!config.node.empty()) return config.node;
    utsname host{};
    return uname(&host) == 0 ? base::lower(host.nodename) : std::string();
}

// A link-local address is the same on many links.
bool is_of_host(const IpAddress& address) {
    return address.is_v4() ? address.v4() >> 16 != 0xa9fe
                           : address.bytes[0] != 0xfe || (address.bytes[1] & 0xc0) != 0x80;
}

bool has_family(const std::vector<IpAddress>& addresses, bool v4) {
    return std::ranges::find(addresses, v4, &IpAddress::is_v4) != addresses.end();
}

void add_first(std::vector<IpAddress>& addresses, const std::vector<IpAddress>& others) {
    for (const IpAddress& other : others) {
        if (is_of_host(other) && !has_family(addresses, other.is_v4())) addresses.push_back(other);
    }
}

using ByNetwork = std::map<std::string, std::vector<IpAddress>, std::less<>>;

// The addresses of host ports.
ByNetwork addresses_of_host_ports(const Config& config) {
    ByNetwork addresses;
    for (const port::PortConfig& port : config.ports) {
        if (!port.host || port.address.empty()) continue;
        auto& own = addresses[std::string(network_of(config, port))];
        for (const InterfaceAddress& it : port.address) own.push_back(it.address);
    }
    return addresses;
}

// The source of a network. Where it spans hosts, all of them have its gateway's addresses, so it is a host port's
// own, by which other hosts reach this one. Else it is the gateway's. (An address of another network would not do:
// the answers come from a station of this one, and no packet may come from there by another way.)
Translation::ServiceSource source_in(const NetworkConfig& network, const ByNetwork& of_host_ports) {
    Translation::ServiceSource source{.network = network.name, .addresses = {}};
    if (!network.vxlan) add_first(source.addresses, network.gateway);
    const auto own = of_host_ports.find(network.name);
    if (own == of_host_ports.end()) return source;
    const size_t before = source.addresses.size();
    add_first(source.addresses, own->second);
    source.is_kernels = source.addresses.size() != before;
    return source;
}

// Whether connections may lead by a network to other hosts: by a tunnel, by a NIC, or by a router, which may be
// the host itself.
class WaysOut {
 public:
    explicit WaysOut(const Config& config) {
        for (const port::PortConfig& port : config.ports) {
            if (!port.host && (!port.is_ethdev() || port.is_guarded())) continue;
            for (std::string& name : networks_of(config, port)) networks_.insert(std::move(name));
        }
        for (const route::RouteConfig& route : config.routes) {
            for (const route::HopConfig& hop : route.all_hops()) {
                if (hop.via) routers_.insert(*hop.via);
            }
        }
    }
    bool has(const NetworkConfig& network) const {
        return network.vxlan || networks_.contains(network.name) ||
               std::ranges::any_of(routers_, [&](const IpAddress& router) {
                   return std::ranges::any_of(network.subnets,
                                              [&](const IpPrefix& subnet) { return subnet.contains(router); });
               });
    }

 private:
    std::set<std::string> networks_;
    std::set<IpAddress> routers_;
};

bool is_in_main_domain(const NetworkConfig& network) {
    return network.is_routed() && network.domain == route::kMainDomain;
}

std::vector<Translation::ServiceSource> sources_of(const Config& config, const router::NetworkIds& networks,
                                                   const ByNetwork& of_host_ports) {
    std::vector<Translation::ServiceSource> sources;
    const WaysOut ways_out(config);
    for (const NetworkConfig& network : config.networks) {
        // Half-way through a change a network may have no number yet.
        const auto id = networks.find(network.name);
        if (id == networks.end() || !is_in_main_domain(network) || !ways_out.has(network)) continue;
        sources.push_back(source_in(network, of_host_ports));
        sources.back().id = id->second;
    }
    return sources;
}

// The parts of networks that span hosts to which nothing hides clients.
std::vector<KubeServices::OpenLink> open_links_of(const Config& config, const ByNetwork& of_host_ports) {
    std::vector<KubeServices::OpenLink> links;
    for (const NetworkConfig& network : config.networks) {
        if (!network.vxlan || !is_in_main_domain(network)) continue;
        const auto source = source_in(network, of_host_ports);
        for (const IpPrefix& subnet : network.subnets) {
            if (!has_family(source.addresses, subnet.address.is_v4())) links.push_back({network.name, subnet});
        }
    }
    return links;
}

// Connections that begin at node ports, and those of the kernel from an address that it has itself, keep their
// ports.
nat::MappingsSettings service_settings(const Translation::ServiceSource& source, size_t sources,
                                       const base::PortRange& node_ports) {
    constexpr base::PortRange kOfKernel{32768, 60999};  // net.ipv4.ip_local_port_range
    constexpr size_t kAll = 1 << 17, kLeast = 1 << 10, kMost = 1 << 16;
    // Mappings take memory, and there may be very many networks.
    const auto capacity = static_cast<uint32_t>(std::clamp(kAll / sources, kLeast, kMost));
    nat::MappingsSettings settings{.pool = {.addresses = source.addresses}, .capacity = capacity};
    for (const IpAddress& address : source.addresses) {
        for (const auto& [transport, word] : nat::names(nat::Transport{})) {
            const auto reserve = [&](const base::PortRange& ports) {
                settings.pool.reserved.push_back({address, transport, ports.low, ports.high});
            };
            reserve(node_ports);
            if (source.is_kernels) reserve(kOfKernel);
        }
    }
    return settings;
}

// What comes to the VXLAN port of an end point is a tunnel packet: it could be no answer. Nor could what answers
// the tunnels' pings.
std::vector<nat::ReservedPorts> of_tunnels(const Config& config) {
    std::vector<nat::ReservedPorts> reserved;
    if (!config.underlay || config.underlay->network.empty()) return reserved;
    for (const IpAddress& own : end_points_of(config)) {
        const uint16_t port = config.underlay->udp_port;
        reserved.push_back({own, nat::Transport::kUdp, port, port});
        reserved.push_back({own, nat::Transport::kEcho, vxlan::kPingId, vxlan::kPingId});
    }
    return reserved;
}

std::string rule_name(const nat::NatConfig& rule, size_t index) {
    return rule.name.empty() ? fmt::format("nat {}", index + 1) : rule.name;
}

}  // namespace

Translation::Named Translation::named_by(const Config& config, const AllPublished& all_published,
                                         const router::NetworkIds& networks, const FlowDomains::Names& domains) {
    const auto domain_at = [&](const std::string& name) {
        const auto found = domains.find(name);
        return found == domains.end() ? path::FlowDomain{} : found->second;
    };
    const auto domain_of = [&](std::string_view network) {
        const NetworkConfig* found = find_network(config, network);
        return found == nullptr ? path::FlowDomain{} : domain_at(flow_domain_of(*found));
    };
    const path::FlowDomain main = domain_at(flow_domain_of_routes(route::kMainDomain));
    Named named{.services = main,
                .network = path::kNoNetworkId,
                .published = {},
                .rules = {},
                .sources = {},
                .node_ports = config.service_ranges.node_ports,
                .of_tunnels = of_tunnels(config)};
    for (const NetworkConfig& network : config.networks) {
        const auto known = networks.find(network.name);
        if (network.is_routed() && network.domain == route::kMainDomain && known != networks.end()) {
            named.network = known->second;
            break;
        }
    }
    std::unordered_map<std::string_view, const port::PortConfig*> ports;
    if (!all_published.empty()) {
        for (const port::PortConfig& port : config.ports) ports.emplace(port.name, &port);
    }
    for (const nat::PublishConfig& published : all_published) {
        Published& it = named.published.emplace_back();
        it.domain = main;
        if (published.to.address) it.to.push_back(*published.to.address);
        if (const auto port = ports.find(published.to.port); port != ports.end()) {
            it.domain = domain_of(network_of(config, *port->second));
            for (const InterfaceAddress& own : port->second->address) it.to.push_back(own.address);
        }
        if (published.address) {
            it.at.push_back(*published.address);
            continue;
        }
        for (const NetworkConfig& network : config.networks) {
            if (network.is_routed() && domain_of(network.name) == it.domain)
                it.at.insert(it.at.end(), network.gateway.begin(), network.gateway.end());
        }
    }
    for (const nat::NatConfig& rule : config.nat) {
        Rule& it = named.rules.emplace_back();
        const auto out = networks.find(rule.out);
        if (out == networks.end()) continue;
        it.is_there = true;
        it.domain = domain_of(rule.out);
        it.out = out->second;
        for (const std::string& inside : rule.masquerade) {
            const auto network = networks.find(inside);
            if (network != networks.end()) it.networks.set(path::index(network->second));
        }
        if (rule.addresses) {
            for (const nat::AddressRange& range : *rule.addresses) nat::add_addresses(range, it.addresses);
        } else if (const NetworkConfig* network = find_network(config, rule.out)) {
            std::ranges::copy_if(network->gateway, std::back_inserter(it.addresses),
                                 [&](const IpAddress& gateway) { return gateway.is_v4() || rule.ipv6; });
        }
    }
    return named;
}

bool Translation::arrange(const Config& config, const router::NetworkIds& networks,
                          const FlowDomains::Names& domains) {
    AllPublished published = published_in(config);
    Named named = named_by(config, published, networks, domains);
    const bool has_other_ports = published_ != published || named_.published != named.published;
    const bool has_other_services = of_services_ != config.services;
    std::set<FrontendKey> touched;
    if (has_other_services) arrange_checks(config);
    if (has_other_ports || has_other_services || named_.services != named.services)
        arrange_fronts(config, published, named, touched);
    arrange_changed(config, named, touched);
    if (has_other_services || named_.services != named.services || named_.network != named.network)
        set_probe_targets(named);
    kubernetes_.set_host(node_of(config), host_addresses(config));
    kubernetes_.set_domain(named.services);
    const ByNetwork of_host_ports = addresses_of_host_ports(config);
    kubernetes_.set_open_links(open_links_of(config, of_host_ports));
    take_kubernetes(touched);
    settle(touched);
    if (hiding_ != 0) named.sources = sources_of(config, networks, of_host_ports);
    const bool has_other_sources =
        named_.sources != named.sources || (hiding_ != 0 && named_.node_ports != named.node_ports);
    // Pools don't give away ports that are published, or the tunnels'.
    if (has_other_ports || has_other_sources || named_.of_tunnels != named.of_tunnels || of_nat_ != config.nat ||
        named_.rules != named.rules)
        arrange_rules(config, published, named);
    of_services_ = config.services;
    of_nat_ = config.nat;
    published_ = std::move(published);
    named_ = std::move(named);
    return std::exchange(answers_others_, false);
}

void Translation::arrange_fronts(const Config& config, const AllPublished& published, const Named& named,
                                 std::set<FrontendKey>& touched) {
    Fronts wanted;
    for (const service::ServiceConfig& service : config.services) add_service(service, named.services, wanted);
    for (size_t i = 0; i < published.size(); ++i) add_published(published[i], named.published[i], wanted);
    for (const Fronts* fronts : {&std::as_const(declared_), &std::as_const(wanted)}) {
        for (const auto& [key, front] : *fronts) touched.insert(key);
    }
    declared_ = std::move(wanted);
}

void Translation::arrange_checks(const Config& config) {
    for (const uint32_t number : checks_.arrange(config.services)) probes_->cancel(number);
    std::set<std::pair<std::string, IpAddress>> backends;
    for (const service::ServiceConfig& service : config.services) {
        for (const service::BackendConfig& backend : service.backends)
            backends.emplace(service.name, backend.address);
    }
    std::erase_if(drained_, [&](const auto& drained) { return !backends.contains(drained); });
}

// Services whose back ends have another state.
void Translation::arrange_changed(const Config& config, const Named& named, std::set<FrontendKey>& touched) {
    const std::set<std::string> changed = std::exchange(changed_, {});
    if (changed.empty()) return;
    Fronts wanted;
    for (const service::ServiceConfig& service : config.services) {
        if (changed.contains(service.name)) add_service(service, named.services, wanted);
    }
    for (auto& [key, front] : wanted) {
        touched.insert(key);
        declared_.insert_or_assign(key, std::move(front));
    }
}

void Translation::set_probe_targets(const Named& named) {
    probe_targets_ = nullptr;
    if (checks_.empty()) {
        probes_ = nullptr;
        return;
    }
    if (probes_ == nullptr) probes_ = std::make_shared<service::Probes>();
    probe_targets_ = std::make_shared<const service::ProbeTargets>(
        service::ProbeTargets{named.services, named.network, checks_.targets()});
}

service::State Translation::state_of(const service::ServiceConfig& service, const service::PortConfig& port,
                                     const service::BackendConfig& backend) const {
    if (service.health) {
        const auto* check =
            checks_.find({service.name, backend.address, service::checked_port(*service.health, port)});
        if (check != nullptr && check->is_failing) return service::State::kFailing;
    }
    const bool drains = backend.drain || drained_.contains({service.name, backend.address});
    return drains ? service::State::kDraining : service::State::kServing;
}

base::Result<void> Translation::drain(const Config& config, const std::string& name, const IpAddress& address,
                                      bool drains) {
    const auto service = std::ranges::find(config.services, name, &service::ServiceConfig::name);
    if (service == config.services.end())
        return tl::unexpected(
            base::Error{fmt::format("the configuration has no Service {}", base::shown(name)), {}, {}});
    const auto backend = std::ranges::find(service->backends, address, &service::BackendConfig::address);
    if (backend == service->backends.end()) {
        return tl::unexpected(
            base::Error{fmt::format("service {} has no back end {}", name, address.text()), {}, service->place});
    }
    if (!drains && backend->drain) {
        return tl::unexpected(base::Error{"says `drain: true`: change it there, and reload", {}, backend->place});
    }
    if (drains) {
        drained_.emplace(name, address);
    } else {
        drained_.erase({name, address});
    }
    change(name);
    return {};
}

const service::HealthChecks::Check* Translation::failing_check(const std::string& name, const IpAddress& address,
                                                               uint16_t port) const {
    const auto service = std::ranges::find(of_services_, name, &service::ServiceConfig::name);
    if (service == of_services_.end() || !service->health) return nullptr;
    const auto* check = checks_.find({name, address, service->health->port.value_or(port)});
    return check != nullptr && check->is_failing ? check : nullptr;
}

void Translation::add_service(const service::ServiceConfig& service, path::FlowDomain domain, Fronts& wanted) {
    const uint32_t object = numbers_.number("service " + service.name, {"service", service.name, service.place});
    for (const service::PortConfig& port : service.ports) {
        for (const bool v4 : {true, false}) {
            std::vector<service::Backend> list;
            for (const service::BackendConfig& backend : service.backends) {
                if (backend.address.is_v4() != v4) continue;
                list.push_back({.address = backend.address,
                                .port = port.to.value_or(port.port),
                                .state = state_of(service, port, backend),
                                .weight = backend.weight,
                                .object = object});
            }
            service::SharedBackends backends;
            for (const IpAddress& address : service.address) {
                if (address.is_v4() != v4) continue;
                if (backends == nullptr && !list.empty())
                    backends = std::make_shared<const service::Backends>(list);
                const FrontendKey key{address, port.port, static_cast<uint16_t>(port.protocol)};
                wanted.emplace(key,
                               Front{service.name, "service", service.place,
                                     std::make_shared<const Frontend>(Frontend{.key = key,
                                                                               .domain = domain,
                                                                               .kind = service::Kind::kExternalIp,
                                                                               .affinity = service.affinity,
                                                                               .object = object,
                                                                               .id = id_of(service.name),
                                                                               .backends = backends})});
            }
        }
    }
}

void Translation::add_published(const nat::PublishConfig& published, const Published& named, Fronts& wanted) {
    for (const IpAddress& address : named.at) {
        const auto target = std::ranges::find(named.to, address.is_v4(), &IpAddress::is_v4);
        if (target == named.to.end()) continue;
        for (uint32_t i = 0; i < published.ports.size(); ++i) {
            const auto port = static_cast<uint16_t>(published.ports.low + i);
            const FrontendKey key{address, port, static_cast<uint16_t>(published.protocol)};
            const std::string name =
                fmt::format("{}:{}/{}", address.text(), port, base::word_of(published.protocol));
            const uint32_t object = numbers_.number("publish " + name, {"publish", name, published.place});
            std::vector<service::Backend> backends{
                {.address = *target, .port = static_cast<uint16_t>(published.to.ports.low + i), .object = object}};
            wanted.emplace(
                key, Front{name, "publish", published.place,
                           std::make_shared<const Frontend>(Frontend{
                               .key = key,
                               .domain = named.domain,
                               .kind = service::Kind::kNodePort,
                               .object = object,
                               .id = id_of(name),
                               .backends = std::make_shared<const service::Backends>(std::move(backends))})});
        }
    }
}

void Translation::take_kubernetes(std::set<FrontendKey>& touched) {
    ServiceFrontChanges changes = kubernetes_.take_changes();
    for (const FrontendKey& key : changes.removed) {
        of_kubernetes_.erase(key);
        touched.insert(key);
    }
    for (ServiceFront& front : changes.added) {
        const FrontendKey key = front.frontend->key;
        of_kubernetes_.insert_or_assign(key, std::move(front));
        touched.insert(key);
    }
}

void Translation::settle(const std::set<FrontendKey>& touched) {
    service::Services::Changes changes;
    for (const FrontendKey& key : touched) {
        const auto declared = declared_.find(key);
        const auto other = of_kubernetes_.find(key);
        const Front* next = declared != declared_.end()     ? &declared->second
                            : other != of_kubernetes_.end() ? &other->second
                                                            : nullptr;
        const auto known = fronts_.find(key);
        if (next == nullptr) {
            if (known == fronts_.end()) continue;
            count_external(*known->second.frontend, -1);
            fronts_.erase(known);
            changes.removed.push_back(key);
        } else if (known != fronts_.end() && is_same(*known->second.frontend, *next->frontend)) {
            // Only what people know it by may be another.
            const service::SharedFrontend stays = known->second.frontend;
            known->second = *next;
            known->second.frontend = stays;
            continue;
        } else {
            if (next->frontend->affinity != 0 && affinity_ == nullptr)
                affinity_ = std::make_shared<service::Affinity>();
            const Frontend* before = known != fronts_.end() ? known->second.frontend.get() : nullptr;
            const bool is_counted = before != nullptr && before->kind == next->frontend->kind &&
                                    before->domain == next->frontend->domain;
            if (before != nullptr && !is_counted) count_external(*before, -1);
            if (!is_counted) count_external(*next->frontend, 1);
            fronts_.insert_or_assign(key, *next);
            changes.added.push_back(next->frontend);
        }
        concerned_.addresses.insert(key.address);
    }
    if (fronts_.empty()) {
        services_ = nullptr;
    } else if (!changes.added.empty() || !changes.removed.empty()) {
        const service::Services before = services_ == nullptr ? service::Services() : *services_;
        services_ = std::make_shared<const service::Services>(before.with(changes));
    }
}

void Translation::count_external(const Frontend& frontend, int by) {
    if (frontend.hides_clients) hiding_ += by;
    if (frontend.kind == service::Kind::kClusterIp || frontend.kind == service::Kind::kNodePort) return;
    const auto count = external_.try_emplace({frontend.domain, frontend.key.address}).first;
    answers_others_ = answers_others_ || count->second == 0 || count->second + by == 0;
    count->second += by;
    if (count->second == 0) external_.erase(count);
}

std::vector<nat::Outside> Translation::answered() const {
    std::vector<nat::Outside> addresses;
    for (const auto& [address, count] : external_) addresses.push_back(address);
    if (rules_ != nullptr) addresses.insert(addresses.end(), rules_->outside.begin(), rules_->outside.end());
    return addresses;
}

void Translation::arrange_rules(const Config& config, const AllPublished& published, const Named& named) {
    // Where there is no rule, published ports concern their own addresses alone.
    concerned_.all = concerned_.all || !config.nat.empty() || !of_nat_.empty() || !named.sources.empty() ||
                     !named_.sources.empty();
    answers_others_ = true;
    auto rules = std::make_shared<nat::Rules>();
    std::map<std::string, Pool> pools;
    for (size_t i = 0; i < config.nat.size(); ++i) {
        const nat::NatConfig& rule = config.nat[i];
        const Rule& it = named.rules[i];
        const std::string name = rule_name(rule, i);
        const uint32_t object = numbers_.number("nat " + name, {"nat", name, rule.place});
        if (!it.is_there) continue;
        if (rule.one_to_one) {
            const nat::Outside outside{it.domain, rule.one_to_one->outside};
            rules->statics.push_back({rule.one_to_one->inside, outside, it.out, object});
            rules->outside.push_back(outside);
            continue;
        }
        if (it.addresses.empty()) continue;
        for (const IpAddress& address : it.addresses) rules->outside.push_back({it.domain, address});
        nat::Masquerade masquerade{
            .networks = it.networks,
            .out = it.out,
            .domain = it.domain,
            .except = rule.except,
            .has_ipv6 = rule.ipv6,
            .object = object,
            .mappings =
                mappings_of(name,
                            {.pool = {.addresses = it.addresses, .low = rule.ports.low, .high = rule.ports.high},
                             .ports_per_host = rule.ports_per_host},
                            published, named)};
        pools[name] = {name, rule.place, masquerade.mappings};
        rules->masquerades.push_back(std::move(masquerade));
    }
    add_service_pools(config, published, named, *rules, pools);
    pools_ = std::move(pools);
    for (size_t i = 0; i < published.size(); ++i) {
        if (published[i].address) rules->outside.push_back({named.published[i].domain, *published[i].address});
    }
    std::ranges::sort(rules->outside);
    const auto rest = std::ranges::unique(rules->outside);
    rules->outside.erase(rest.begin(), rest.end());
    rules_ = rules->outside.empty() && rules->service_pools.all.empty() ? nullptr : std::move(rules);
}

// Networks with one source share a pool.
void Translation::add_service_pools(const Config& config, const AllPublished& published, const Named& named,
                                    nat::Rules& rules, std::map<std::string, Pool>& pools) {
    for (const ServiceSource& source : named.sources) {
        if (source.addresses.empty()) continue;
        std::string name = "node ports by";
        for (const IpAddress& address : source.addresses) name += " " + address.text();
        Pool& pool = pools[name];
        if (pool.mappings == nullptr) {
            pool = {name, find_network(config, source.network)->place,
                    mappings_of(name, service_settings(source, named.sources.size(), named.node_ports), published,
                                named)};
            rules.service_pools.all.push_back(pool.mappings);
        }
        auto& by_network = rules.service_pools.by_network;
        const size_t at = path::index(source.id);
        if (by_network.size() <= at) by_network.resize(at + 1);
        by_network[at] = pool.mappings.get();
    }
}

// The mappings stay where the pool does.
std::shared_ptr<nat::Mappings> Translation::mappings_of(const std::string& name, nat::MappingsSettings settings,
                                                        const AllPublished& all_published, const Named& named) {
    const auto& of_tunnels = named.of_tunnels;
    settings.pool.reserved.insert(settings.pool.reserved.end(), of_tunnels.begin(), of_tunnels.end());
    for (const nat::PublishConfig& published : all_published) {
        for (const IpAddress& address : settings.pool.addresses) {
            if (published.address && *published.address != address) continue;
            settings.pool.reserved.push_back(
                {address, nat::transport_of(published.protocol), published.ports.low, published.ports.high});
        }
    }
    const auto known = pools_.find(name);
    if (known == pools_.end()) return std::make_shared<nat::Mappings>(settings);
    nat::Mappings& before = *known->second.mappings;
    if (before.settings() == settings) return known->second.mappings;
    return std::make_shared<nat::Mappings>(settings, &before);
}

std::optional<acl::Object> Translation::find(const path::Tuple& arrives, const path::Tuple& leaves) const {
    // The destination that the initiator has asked for stands in what arrives, or in what its answers leave as.
    for (const path::Tuple& asked : {arrives, leaves.reversed()}) {
        const FrontendKey key{path::destination_of(asked), asked.key.destination_port().host(),
                              static_cast<uint16_t>(asked.key.protocol())};
        if (const auto front = fronts_.find(key); front != fronts_.end())
            return describe(front->second.frontend->object);
    }
    if (rules_ == nullptr) return std::nullopt;
    const auto outside = [&](const IpAddress& address) {
        return address == path::source_of(leaves) || address == path::destination_of(arrives);
    };
    for (const nat::Static& rule : rules_->statics) {
        if (outside(rule.outside.address)) return describe(rule.object);
    }
    for (const nat::Masquerade& rule : rules_->masquerades) {
        const auto& addresses = rule.mappings->settings().pool.addresses;
        if (std::any_of(addresses.begin(), addresses.end(), outside)) return describe(rule.object);
    }
    return std::nullopt;
}

void Translation::note(const flow::Keys& keys) {
    if (rules_ == nullptr) return;
    const nat::Endpoint inside{path::source_of(keys.initiator), keys.initiator.key.source_port().host()};
    const nat::Endpoint outside{path::destination_of(keys.responder),
                                keys.responder.key.destination_port().host()};
    if (inside == outside) return;
    const auto transport = nat::transport_of(keys.initiator.key.protocol());
    if (!transport) return;
    for (const nat::Masquerade& rule : rules_->masquerades) {
        if (rule.mappings->mark(*transport, inside, outside)) return;
    }
    for (const auto& pool : rules_->service_pools.all) {
        if (pool->mark(*transport, inside, outside)) return;
    }
}

void Translation::sweep() {
    for (auto& [name, pool] : pools_) pool.mappings->sweep();
}

}  // namespace sluice::engine
