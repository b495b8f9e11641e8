#include "engine/kube_services.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "base/text.h"

namespace sluice::engine {
namespace {

using kube::Key;
using kube::Kind;
using kube::Service;
using kube::ServicePort;
using kube::ServiceType;
using kube::TrafficPolicy;
using service::FrontendKey;

std::string name_of(const Key& key) {
    return key.name_space + "/" + key.name;
}

bool selects(const Service& service, const kube::Labels& labels) {
    return std::ranges::all_of(service.selector.all(), [&](const auto& wanted) {
        const std::string* value = labels.find(wanted.first);
        return value != nullptr && *value == wanted.second;
    });
}

bool has_fronts(const Service& service) {
    return !service.is_headless && service.type != ServiceType::kExternalName;
}

bool has_local_policy(const Service& service) {
    return service.internal_traffic_policy == TrafficPolicy::kLocal ||
           service.external_traffic_policy == TrafficPolicy::kLocal;
}

bool has_node_ports(const Service& service) {
    return std::ranges::any_of(service.ports, [](const ServicePort& port) { return port.node_port != 0; });
}

// Clients outside reach it, and its back ends may be at any host.
bool hides_clients(const Service& service) {
    const bool is_reached =
        !service.external_ips.empty() || !service.load_balancer_ips.empty() || has_node_ports(service);
    return has_fronts(service) && is_reached && service.external_traffic_policy == TrafficPolicy::kCluster;
}

std::string_view word_of(service::Kind kind) {
    switch (kind) {
        case service::Kind::kClusterIp:
            return "cluster-ip";
        case service::Kind::kNodePort:
            return "node-port";
        case service::Kind::kExternalIp:
            return "external-ip";
        case service::Kind::kLoadBalancerIp:
            return "load-balancer-ip";
    }
    return "";
}

// What does not change while the Service has the port: clients keep their back ends by it.
uint64_t id_of(const std::string& name, const ServicePort& port) {
    return std::hash<std::string>{}(fmt::format("{}:{}/{}", name, port.port, base::word_of(port.protocol)));
}

void add_here(std::vector<IpAddress>& addresses, const std::vector<IpAddress>& others) {
    addresses.insert(addresses.end(), others.begin(), others.end());
    std::ranges::sort(addresses);
    const auto rest = std::ranges::unique(addresses);
    addresses.erase(rest.begin(), rest.end());
}

bool is_serving(const ServiceEndpoint& endpoint) {
    return endpoint.state == EndpointState::kReady || endpoint.state == EndpointState::kServing;
}

}  // namespace

void KubeServices::set_host(std::string node, const std::vector<IpAddress>& addresses) {
    std::vector<IpAddress> own;
    add_here(own, addresses);
    if (node == node_ && own == own_addresses_) return;
    if (node != node_) mark_local();
    node_ = std::move(node);
    own_addresses_ = std::move(own);
    mark_node_ports();
}

void KubeServices::set_domain(path::FlowDomain domain) {
    if (domain == domain_) return;
    domain_ = domain;
    for (const auto& [key, state] : services_) mark(key);
}

void KubeServices::apply(const kube::Change& change) {
    for (const kube::Changed& it : change) {
        if (it.key.kind == Kind::kService) change_service(it);
        if (it.key.kind == Kind::kEndpointSlice) change_slice(it);
        if (it.key.kind == Kind::kEndpoints) change_endpoints(it);
        if (it.key.kind == Kind::kNode) change_node(it);
    }
}

void KubeServices::change_service(const kube::Changed& it) {
    mark(it.key);
    if (it.before != nullptr) {
        const auto known = services_.find(it.key);
        addresses_.release(it.key, known->second.facts());
        unlist_selector(*known);
        services_with_local_policy_.erase(it.key);
        known->second.stored = it.after;  // null until its front ends are removed
    }
    if (it.after == nullptr) return;
    const auto service = services_.try_emplace(it.key).first;
    service->second.stored = it.after;
    addresses_.hold(it.key, service->second.facts());
    list_selector(*service);
    if (has_local_policy(service->second.facts())) services_with_local_policy_.insert(it.key);
}

void KubeServices::list_selector(Services::value_type& service) {
    // By the label that the fewest Services want: "part-of: shop" says little.
    size_t fewest = SIZE_MAX;
    for (const auto& label : service.second.facts().selector.all()) {
        Label place = label_of(service.first.name_space, label);
        const auto known = services_by_label_.find(place);
        const size_t count = known == services_by_label_.end() ? 0 : known->second.size();
        if (count >= fewest) continue;
        fewest = count;
        service.second.listed = std::move(place);
    }
    if (service.second.listed) services_by_label_[*service.second.listed].insert(service.first);
}

void KubeServices::unlist_selector(Services::value_type& service) {
    if (!service.second.listed) return;
    const auto list = services_by_label_.find(*service.second.listed);
    list->second.erase(service.first);
    if (list->second.empty()) services_by_label_.erase(list);
    service.second.listed.reset();
}

void KubeServices::change_slice(const kube::Changed& it) {
    if (it.before != nullptr) {
        const std::string& name = it.before->object.endpoint_slice().service;
        if (const auto known = slices_.find(service_key(it.before->object, name)); known != slices_.end()) {
            mark(known->first);
            known->second.erase(it.key);
            if (known->second.empty()) slices_.erase(known);
        }
    }
    if (it.after == nullptr || it.after->object.endpoint_slice().service.empty()) return;
    const Key service = service_key(it.after->object, it.after->object.endpoint_slice().service);
    slices_[service][it.key] = it.after;
    mark(service);
}

void KubeServices::change_endpoints(const kube::Changed& it) {
    const Key service{Kind::kService, it.key.name_space, it.key.name};
    mark(service);
    endpoints_.erase(service);
    if (it.after != nullptr) endpoints_[service] = it.after;
}

void KubeServices::change_node(const kube::Changed& it) {
    nodes_.erase(it.key.name);
    if (it.after != nullptr) nodes_[it.key.name] = it.after;
    if (it.key.name == node_) mark_node_ports();
}

void KubeServices::set_pod(const Key& key, ServicePod pod) {
    const auto known = pods_.find(key);
    if (known != pods_.end() && known->second == pod) return;
    if (known != pods_.end()) remove_pod(key);
    const auto added = pods_.emplace(key, std::move(pod)).first;
    for (const auto& label : added->second.labels.all())
        pods_by_label_[label_of(key.name_space, label)].insert(&*added);
    mark_selecting(key.name_space, added->second.labels);
    count_here(added->second, 1);
}

void KubeServices::remove_pod(const Key& key) {
    const auto known = pods_.find(key);
    if (known == pods_.end()) return;
    const ServicePod& pod = known->second;
    mark_selecting(key.name_space, pod.labels);
    count_here(pod, -1);
    for (const auto& label : pod.labels.all()) {
        const auto list = pods_by_label_.find(label_of(key.name_space, label));
        list->second.erase(&*known);
        if (list->second.empty()) pods_by_label_.erase(list);
    }
    pods_.erase(known);
}

void KubeServices::count_here(const ServicePod& pod, int by) {
    if (!pod.is_here || pod.addresses.empty()) return;
    for (const IpAddress& address : pod.addresses) {
        const auto count = here_.try_emplace(address).first;
        count->second += by;
        if (count->second == 0) here_.erase(count);
    }
    mark_local();
}

void KubeServices::mark_selecting(const std::string& name_space, const kube::Labels& labels) {
    for (const auto& label : labels.all()) {
        const auto list = services_by_label_.find(label_of(name_space, label));
        if (list == services_by_label_.end()) continue;
        for (const Key& service : list->second) {
            if (selects(services_.at(service).facts(), labels)) mark(service);
        }
    }
}

void KubeServices::mark_local() {
    dirty_.insert(services_with_local_policy_.begin(), services_with_local_policy_.end());
}

void KubeServices::mark_node_ports() {
    for (const auto& [key, state] : services_) {
        if (state.stored != nullptr && has_node_ports(state.facts())) mark(key);
    }
}

KubeServices::Source KubeServices::source_of(const Services::value_type& service) const {
    if (slices_.contains(service.first)) return Source::kSlices;
    if (endpoints_.contains(service.first)) return Source::kEndpoints;
    return service.second.facts().selector.all().empty() ? Source::kNone : Source::kPods;
}

std::vector<const KubeServices::Pods::value_type*> KubeServices::selected(
    const Services::value_type& service) const {
    const Service& facts = service.second.facts();
    const std::unordered_set<const Pods::value_type*>* fewest = nullptr;
    for (const auto& label : facts.selector.all()) {
        const auto list = pods_by_label_.find(label_of(service.first.name_space, label));
        if (list == pods_by_label_.end()) return {};
        if (fewest == nullptr || list->second.size() < fewest->size()) fewest = &list->second;
    }
    std::vector<const Pods::value_type*> pods;
    if (fewest == nullptr) return pods;
    std::ranges::copy_if(*fewest, std::back_inserter(pods),
                         [&](const auto* pod) { return selects(facts, pod->second.labels); });
    return pods;
}

ServiceEndpoints KubeServices::endpoints_of(const Services::value_type& service, const ServicePort* port) const {
    ServiceEndpoints endpoints;
    switch (source_of(service)) {
        case Source::kSlices:
            for (const auto& [key, stored] : slices_.at(service.first))
                add_endpoints(stored->object.endpoint_slice().subset, port, endpoints);
            break;
        case Source::kEndpoints:
            for (const kube::EndpointSubset& subset : endpoints_.at(service.first)->object.endpoints().subsets)
                add_endpoints(subset, port, endpoints);
            break;
        case Source::kPods:
            add_endpoints(service, port, endpoints);
            break;
        case Source::kNone:
            break;
    }
    arrange(endpoints);
    return endpoints;
}

void KubeServices::add_endpoints(const kube::EndpointSubset& subset, const ServicePort* port,
                                 ServiceEndpoints& endpoints) const {
    const auto add = [&](uint16_t number) {
        for (const kube::Endpoint& it : subset.endpoints)
            endpoints.push_back({it.address, number, state_of(it), is_here(it), it.pod, it.host_name});
    };
    if (port == nullptr) return add(0);
    for (const kube::EndpointPort& own : subset.ports) {
        if (own.name == port->name && own.protocol == port->protocol && own.port != 0) add(own.port);
    }
}

// Of a pod, one address of each family.
void KubeServices::add_endpoints(const Services::value_type& service, const ServicePort* port,
                                 ServiceEndpoints& endpoints) const {
    const Service& facts = service.second.facts();
    for (const auto* it : selected(service)) {
        const auto& [key, pod] = *it;
        const uint16_t target = port == nullptr ? 0 : target_of(*port, pod);
        if ((port != nullptr && target == 0) || pod.is_over) continue;
        const bool is_here = pod.is_here || (!node_.empty() && pod.node_name == node_);
        // As the EndpointSlice controller does it.
        const std::string host_name = pod.subdomain == service.first.name ? pod.host_name : "";
        for (const bool v4 : {true, false}) {
            const auto address = std::ranges::find(pod.addresses, v4, &IpAddress::is_v4);
            if (address != pod.addresses.end())
                endpoints.push_back({*address, target, state_of(pod, facts), is_here, key, host_name});
        }
    }
}

bool KubeServices::is_here(const kube::Endpoint& endpoint) const {
    if (!node_.empty() && endpoint.node_name == node_) return true;
    if (here_.contains(endpoint.address)) return true;
    const auto pod = endpoint.pod ? pods_.find(*endpoint.pod) : pods_.end();
    return pod != pods_.end() && pod->second.is_here;
}

std::vector<IpAddress> KubeServices::node_addresses() const {
    std::vector<IpAddress> addresses = own_addresses_;
    const auto node = nodes_.find(node_);
    if (node == nodes_.end()) return addresses;
    std::vector<IpAddress> of_node;
    for (const kube::NodeAddress& it : node->second->object.node().addresses) of_node.push_back(it.address);
    add_here(addresses, of_node);
    return addresses;
}

std::vector<ServiceFront> KubeServices::make_fronts(Services::value_type& service,
                                                    const std::vector<IpAddress>& nodes) {
    State& state = service.second;
    const Service& facts = state.facts();
    if (!has_fronts(facts)) return {};
    const std::string name = name_of(service.first);
    const base::Place& place = state.stored->object.place;
    const uint32_t object = numbers_.number("service " + name, {"service", name, place});
    const Built before = std::exchange(state.built, {});
    std::vector<ServiceFront> fronts;
    for (size_t i = 0; i < facts.ports.size(); ++i) {
        const ServicePort& port = facts.ports[i];
        const ServiceEndpoints endpoints = endpoints_of(service, port);
        // Those that were made before, if they are the same.
        const auto backends_for = [&](BackendChoice choice) -> service::SharedBackends {
            const auto [built, is_new] = state.built.try_emplace({i, choice});
            if (!is_new) return built->second;
            std::vector<service::Backend> list = backends_of(endpoints, choice, object);
            if (list.empty()) return nullptr;
            const auto known = before.find({i, choice});
            const bool is_same = known != before.end() && known->second != nullptr &&
                                 std::ranges::equal(known->second->list(), list, [](const auto& a, const auto& b) {
                                     return a.address == b.address && a.port == b.port && a.state == b.state;
                                 });
            built->second = is_same ? known->second : std::make_shared<const service::Backends>(std::move(list));
            return built->second;
        };
        const auto add = [&](const IpAddress& address, service::Kind kind) {
            const bool v4 = address.is_v4();
            if (std::ranges::find(facts.ip_families, kube::family_of(address)) == facts.ip_families.end()) return;
            const bool is_internal = kind == service::Kind::kClusterIp;
            const BackendChoice choice{
                v4, is_internal ? facts.internal_traffic_policy : facts.external_traffic_policy};
            const bool is_local = choice.policy == TrafficPolicy::kLocal;
            const auto has_elsewhere = [&] {
                return std::ranges::any_of(endpoints, [&](const ServiceEndpoint& it) {
                    return it.address.is_v4() == v4 && is_serving(it);
                });
            };
            service::Frontend frontend{
                .key = {address, kind == service::Kind::kNodePort ? port.node_port : port.port,
                        static_cast<uint16_t>(port.protocol)},
                .domain = domain_,
                .kind = kind,
                .without_backends = is_local && has_elsewhere() ? service::WithoutBackends::kDrop
                                                                : service::WithoutBackends::kReject,
                .affinity = facts.affinity_seconds,
                .object = object,
                .id = id_of(name, port),
                .hides_clients = !is_internal && !is_local,
                .backends = backends_for(choice)};
            if (kind == service::Kind::kLoadBalancerIp) frontend.sources = facts.load_balancer_source_ranges;
            fronts.push_back(
                {name, word_of(kind), place, std::make_shared<const service::Frontend>(std::move(frontend))});
        };
        for (const IpAddress& address : facts.cluster_ips) add(address, service::Kind::kClusterIp);
        for (const IpAddress& address : facts.load_balancer_ips) add(address, service::Kind::kLoadBalancerIp);
        for (const IpAddress& address : facts.external_ips) add(address, service::Kind::kExternalIp);
        if (port.node_port == 0) continue;
        for (const IpAddress& address : nodes) add(address, service::Kind::kNodePort);
    }
    // Of two with one key the kind that comes first counts: its own address before an external one.
    std::ranges::stable_sort(
        fronts, {}, [](const ServiceFront& it) { return std::pair(it.frontend->key, it.frontend->kind); });
    const auto rest = std::ranges::unique(fronts, {}, [](const ServiceFront& it) { return it.frontend->key; });
    fronts.erase(rest.begin(), rest.end());
    return fronts;
}

void KubeServices::check_health(const Services::value_type& service) {
    const uint16_t number = service.second.facts().health_check_node_port;
    if (number == 0) return;
    // A pod of a dual-stack Service has an address of each family, and counts once.
    std::map<kube::IpFamily, std::set<IpAddress>> addresses;
    for (const ServicePort& port : service.second.facts().ports) {
        for (const ServiceEndpoint& it : endpoints_of(service, port)) {
            if (it.is_here && it.state == EndpointState::kReady)
                addresses[kube::family_of(it.address)].insert(it.address);
        }
    }
    size_t count = 0;
    for (const kube::IpFamily family : service.second.facts().ip_families)
        count = std::max(count, addresses[family].size());
    health_checks_[service.first] = {number, static_cast<uint32_t>(count)};
}

void KubeServices::rebuild(const Key& key, const std::vector<IpAddress>& nodes, std::set<FrontendKey>& touched) {
    const auto service = services_.find(key);
    if (service == services_.end()) return;
    const bool is_gone = service->second.stored == nullptr;
    const std::vector<ServiceFront> before = std::exchange(
        service->second.fronts, is_gone ? std::vector<ServiceFront>{} : make_fronts(*service, nodes));
    for (const ServiceFront& front : before) {
        const auto claim = claims_.find(front.frontend->key);
        std::erase(claim->second, &*service);
        if (claim->second.empty()) claims_.erase(claim);
        touched.insert(front.frontend->key);
    }
    for (const ServiceFront& front : service->second.fronts) {
        claims_[front.frontend->key].push_back(&*service);
        touched.insert(front.frontend->key);
    }
    health_checks_.erase(key);
    rebuilt_.insert(key);
    if (is_gone) {
        services_.erase(service);
    } else {
        check_health(*service);
    }
}

const ServiceFront* KubeServices::winner(const FrontendKey& key) const {
    const auto claim = claims_.find(key);
    if (claim == claims_.end()) return nullptr;
    const auto* first = *std::ranges::min_element(claim->second, {}, [](const auto* service) {
        return std::pair(!service->second.stored->is_declared, service->first);
    });
    const auto& fronts = first->second.fronts;
    return &*std::ranges::lower_bound(fronts, key, {}, [](const ServiceFront& it) { return it.frontend->key; });
}

ServiceFrontChanges KubeServices::take_changes() {
    ServiceFrontChanges changes;
    if (dirty_.empty()) return changes;
    const std::vector<IpAddress> nodes = node_addresses();
    std::set<FrontendKey> touched;
    for (const Key& key : std::exchange(dirty_, {})) rebuild(key, nodes, touched);
    for (const FrontendKey& key : touched) {
        if (const ServiceFront* front = winner(key)) {
            changes.added.push_back(*front);
        } else {
            changes.removed.push_back(key);
        }
    }
    return changes;
}

base::Errors KubeServices::warnings(const Key& key) const {
    const auto service = services_.find(key);
    const bool is_there = service != services_.end() && service->second.stored != nullptr;
    if (!is_there || service->second.facts().type == ServiceType::kExternalName) return {};
    const base::Place& place = service->second.stored->object.place;
    if (source_of(*service) == Source::kPods && selected(*service).empty()) {
        return {{fmt::format("{}: no pod matches the selector {}", key.text(),
                             service->second.facts().selector.text()),
                 "spec.selector", place}};
    }
    const std::vector<ServicePort>& ports = service->second.facts().ports;
    for (size_t i = 0; source_of(*service) == Source::kPods && i < ports.size(); ++i) {
        const ServiceEndpoints endpoints = endpoints_of(*service, ports[i]);
        if (!endpoints.empty()) continue;
        return {{fmt::format("{}: {}", key.text(), reason_of(*service, ports[i], endpoints)),
                 fmt::format("spec.ports[{}].targetPort", i), place}};
    }
    const std::string trouble = trouble_of(*service);
    if (trouble.empty()) return {};
    return {{fmt::format("{}: {}", key.text(), trouble), "spec.externalTrafficPolicy", place}};
}

std::string KubeServices::trouble_of(const Services::value_type& service) const {
    const Service& facts = service.second.facts();
    if (!hides_clients(facts) || open_links_.empty()) return {};
    for (const ServicePort& port : facts.ports) {
        for (const ServiceEndpoint& it : endpoints_of(service, port)) {
            const auto link = std::ranges::find_if(
                open_links_, [&](const OpenLink& open) { return open.subnet.contains(it.address); });
            if (it.is_here || !is_serving(it) || link == open_links_.end()) continue;
            return fmt::format(
                "clients outside can't reach {} at another host, whose answers don't come back: give this host an "
                "{} address in network {}, by a port with `host: true`",
                it.address.text(), it.address.is_v4() ? "IPv4" : "IPv6", link->network);
        }
    }
    return {};
}

std::string KubeServices::reason_of(const Services::value_type& service, const ServicePort& port,
                                    const ServiceEndpoints& endpoints) const {
    if (std::ranges::any_of(endpoints, is_serving)) return {};
    if (!endpoints.empty()) {
        const bool all_leave = std::ranges::none_of(
            endpoints, [](const ServiceEndpoint& it) { return it.state == EndpointState::kNotReady; });
        return all_leave ? "all endpoints are terminating" : "no endpoint is ready";
    }
    const std::string which = fmt::format("{} port {}", base::word_of(port.protocol), base::shown(port.name));
    switch (source_of(service)) {
        case Source::kSlices:
            return fmt::format("its EndpointSlices have no endpoint for the {}", which);
        case Source::kEndpoints:
            return fmt::format("its Endpoints have no address for the {}", which);
        case Source::kNone:
            return "it has no selector, and no EndpointSlice or Endpoints object gives endpoints";
        case Source::kPods:
            break;
    }
    const auto pods = selected(service);
    const std::string selector = service.second.facts().selector.text();
    if (pods.empty()) return fmt::format("no pod matches the selector {}", selector);
    const bool has_target =
        std::ranges::any_of(pods, [&](const auto* pod) { return target_of(port, pod->second) != 0; });
    if (!has_target) {
        return fmt::format("no pod that matches {} has a {} port {}", selector, base::word_of(port.protocol),
                           base::shown(port.target_name));
    }
    return fmt::format("no pod that matches {} runs and has an address", selector);
}

std::optional<KubeServices::Description> KubeServices::describe(const Key& key) const {
    const auto service = services_.find(key);
    if (service == services_.end() || service->second.stored == nullptr) return std::nullopt;
    Description description{.facts = &service->second.facts(),
                            .place = service->second.stored->object.place,
                            .ports = {},
                            .hides_clients = hides_clients(service->second.facts()),
                            .trouble = trouble_of(*service)};
    for (const ServicePort& port : service->second.facts().ports) {
        ServiceEndpoints endpoints = endpoints_of(*service, port);
        std::string reason = reason_of(*service, port, endpoints);
        description.ports.push_back({port, std::move(endpoints), std::move(reason)});
    }
    return description;
}

std::optional<KubeServices::Known> KubeServices::find(const Key& key) const {
    const auto service = services_.find(key);
    if (service == services_.end() || service->second.stored == nullptr) return std::nullopt;
    const Service& facts = service->second.facts();
    Known known{.facts = &facts, .place = service->second.stored->object.place, .by_port = {}, .endpoints = {}};
    // Those of others are behind the Service's own addresses.
    if (!facts.is_headless) return known;
    for (const ServicePort& port : facts.ports) known.by_port.push_back(endpoints_of(*service, port));
    known.endpoints = endpoints_of(*service, nullptr);
    return known;
}

void KubeServices::rebuild_all() {
    for (const auto& [key, state] : services_) rebuilt_.insert(key);
}

}  // namespace sluice::engine
