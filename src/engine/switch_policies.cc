// The switch's half of policies and flows: lists are compiled, pods found, flows outdated and aged.
#include <algorithm>

#include "engine/switch.h"
#include "path/tuple_address.h"

namespace sluice::engine {
namespace {

// To look through more flows than these takes longer than a change may.
constexpr uint32_t kMostSought = 200'000;

std::vector<kube::Key> keys_of(const std::vector<kube::Object>& objects) {
    std::vector<kube::Key> keys;
    for (const kube::Object& object : objects) keys.push_back(object.key);
    return keys;
}

std::vector<kube::Key> keys_of(const std::vector<kube::SharedStored>& objects) {
    std::vector<kube::Key> keys;
    for (const kube::SharedStored& stored : objects) keys.push_back(stored->object.key);
    return keys;
}

void log_warnings(const base::Errors& warnings) {
    for (const base::Error& warning : warnings) base::log::warning("policy", "{}", warning.text());
}

// Of the Pod that the port names; none: it names no one.
std::optional<kube::Key> pod_key(const port::PortConfig& config) {
    if (config.pod.empty()) return std::nullopt;
    const size_t slash = config.pod.find('/');
    return kube::Key{kube::Kind::kPod, config.pod.substr(0, slash), config.pod.substr(slash + 1)};
}

}  // namespace

// Lists that say the same as before stay what they are, with their hits and numbers.
void Switch::arrange_policies() {
    AclLists lists;
    for (const acl::AclConfig& config : config_.acls) {
        const auto known = acls_.find(config.name);
        const acl::List* before = known == acls_.end() ? nullptr : known->second.get();
        const bool stays = before != nullptr && before->is_of(config, config_.address_sets);
        lists[config.name] =
            stays ? known->second : acl::compile(config, config_.address_sets, before, next_object_);
    }
    acls_ = std::move(lists);
    std::set<std::string> domains;
    for (const NetworkConfig& network : networks_of(config_)) domains.insert(flow_domain_of(network));
    flow_domains_.arrange(std::move(domains), [this](const std::set<path::FlowDomain>& gone) {
        flows_.remove_if(clock_seconds(),
                         [&](const flow::Listed& flow) { return gone.contains(flow.original.key.domain()); });
    });
    flows_.set_timeouts(config_.flows.timeouts);
    flows_.set_pick_up(config_.flows.pick_up);
}

// What the manifests declare by now. Services keep the addresses that they have got.
void Switch::declare_objects() {
    std::vector<kube::Object> objects =
        config_.objects == nullptr ? std::vector<kube::Object>{} : *config_.objects;
    ServiceAddresses addresses = service_addresses();
    for (const kube::SharedStored& stored : objects_.all(kube::Kind::kService)) {
        if (stored->is_declared) addresses.release(stored->object.key, stored->object.service());
    }
    const auto find = [&](const kube::Key& key) { return objects_.find(key); };
    for (const base::Error& error : addresses.complete(objects, config_.service_ranges, find))
        base::log::error("service", "{}", error.text());
    take_objects(objects_.declare(std::move(objects)));
}

void Switch::take_objects(const kube::Change& change) {
    pod_policies_.apply(change);
    translation_.kubernetes().apply(change);
}

ServiceAddresses Switch::service_addresses() const {
    ServiceAddresses addresses = translation_.kubernetes().addresses();
    addresses.reserve(config_);
    return addresses;
}

base::Errors Switch::complete_objects(std::vector<kube::Object>& objects) const {
    const bool has_services = std::ranges::any_of(
        objects, [](const kube::Object& object) { return object.key.kind == kube::Kind::kService; });
    if (!has_services) return {};
    return service_addresses().complete(objects, config_.service_ranges,
                                        [&](const kube::Key& key) { return objects_.find(key); });
}

namespace {

ServicePod service_pod(const PodPolicies::PodState& state) {
    const kube::Pod& facts = state.facts;
    return {.labels = state.labels,
            .addresses = facts.host_network ? facts.addresses : state.addresses,
            .ports = facts.ports,
            .is_ready = facts.is_ready,
            .is_terminating = facts.is_terminating,
            .is_over = facts.is_over,
            .is_here = !state.port.empty(),
            .node_name = facts.node_name,
            .host_name = facts.host_name,
            .subdomain = facts.subdomain};
}

// Null: the pod is gone.
void tell_pod(KubeServices& services, const kube::Key& key, const PodPolicies::PodState* state) {
    if (state == nullptr) return services.remove_pod(key);
    services.set_pod(key, service_pod(*state));
}

}  // namespace

// Pods that Services lead to: their addresses may be those of ports.
void Switch::arrange_services() {
    for (const kube::Key& key : pod_policies_.take_changed()) {
        const PodPolicies::PodState* state = pod_policies_.find_state(key);
        tell_pod(translation_.kubernetes(), key, state);
        if (state == nullptr) {
            dns_names_.set_pod(key, nullptr, {});
            continue;
        }
        const ServicePod pod = service_pod(*state);
        const auto held = ports_.find(state->port);
        const NetworkConfig* network =
            held == ports_.end() ? nullptr
                                 : find_network(config_, network_of(config_, held->second.port->config()));
        dns_names_.set_pod(key, &pod, network == nullptr ? "" : flow_domain_of(*network));
    }
}

void Switch::restore_objects(std::vector<kube::Stored> objects) {
    for (kube::Stored& stored : objects) {
        std::vector<kube::Object> one;
        one.push_back(std::move(stored.object));
        take_objects(objects_.apply(std::move(one), stored.applied_at));
    }
}

void Switch::apply_objects(std::vector<kube::Object> objects, int64_t now) {
    change_objects(objects_.apply(std::move(objects), now));
}

void Switch::remove_objects(const std::vector<kube::Key>& keys) {
    change_objects(objects_.remove(keys));
    for (const kube::Key& key : keys) {
        const PodPolicies::PodState* pod = pod_policies_.find_state(key);
        if (pod == nullptr || pod->port.empty()) continue;
        tell_missing_pod(ports_.at(pod->port).port->config());
    }
}

void Switch::change_objects(const kube::Change& change) {
    take_objects(change);
    publish(ChangedPorts{});
}

base::Errors Switch::consider_objects(const std::vector<kube::Object>& objects) const {
    kube::Store store = objects_;
    store.apply(objects, 0);
    uint32_t next_object = 1;
    PodPolicies policies(next_object);
    policies.attach_as(pod_policies_);
    kube::Change change;
    for (const kube::SharedStored& stored : store.all()) change.push_back({stored->object.key, nullptr, stored});
    policies.apply(change);
    ObjectNumbers numbers(next_object);
    KubeServices services(numbers);
    services.set_host(translation_.kubernetes().node(), {});
    services.set_open_links(translation_.kubernetes().open_links());
    services.apply(change);
    for (const kube::Key& key : policies.take_changed()) tell_pod(services, key, policies.find_state(key));
    return warnings_of(policies, services, keys_of(objects));
}

base::Errors Switch::warnings_of(const std::vector<kube::Key>& objects) const {
    return warnings_of(pod_policies_, translation_.kubernetes(), objects);
}

base::Errors Switch::warnings_of(const PodPolicies& policies, const KubeServices& services,
                                 const std::vector<kube::Key>& objects) const {
    base::Errors warnings;
    for (const kube::Key& key : objects) {
        if (base::is_full(warnings)) break;
        for (base::Errors own : {policies.warnings(key), services.warnings(key)})
            std::move(own.begin(), own.end(), std::back_inserter(warnings));
        const PodPolicies::PodState* pod = policies.find_state(key);
        if (pod == nullptr) continue;
        for (const IpAddress& address : pod->addresses) {
            const std::string port = port_without_pod(address);
            if (port.empty()) continue;
            warnings.push_back({fmt::format("{}: {} is the address of port {}, which has no pod: there the pod is "
                                            "not found by it", key.text(), address.text(), port),
                                "status.podIP", pod->place});
        }
    }
    limit_warnings(warnings);
    return warnings;
}

// The port that declares the address, if no pod is behind any port that does. Empty: there is none.
std::string Switch::port_without_pod(const IpAddress& address) const {
    const auto declaring = ports_with(address);
    const bool has_pod =
        std::ranges::any_of(declaring, [](const auto* held) { return held->port->config().is_pod(); });
    return has_pod || declaring.empty() ? "" : declaring.front()->name();
}

// Of the ports that pods are behind.
FlowDomainNames Switch::pod_domains() const {
    FlowDomainNames domains;
    for (const port::PortConfig& port : config_.ports) {
        if (port.is_pod()) domains.merge(flow_domains_of(config_, port));
    }
    return domains;
}

// The flows of pods that are judged otherwise since the last snapshot. Workers have the new one. Where there are
// very many flows, all those of pods are decided anew.
void Switch::outdate_flows_of_pods() {
    const PodPolicies::Concerned concerned = pod_policies_.take_concerned();
    if (pods_ == nullptr || concerned.empty()) return;
    if (flows_.count() > kMostSought) {
        const auto before = outdate_flows(pod_domains());
        return grace_.wait();
    }
    const auto is_end = [&](const path::Tuple& tuple) {
        return concerned.addresses.contains(path::source_of(tuple)) ||
               concerned.addresses.contains(path::destination_of(tuple));
    };
    const auto is_way = [&](const flow::Decided& decided) {
        return decided.generation() != 0 &&
               (concerned.ports.contains(decided.ingress()) || concerned.ports.contains(decided.egress()));
    };
    flows_.outdate_if([&](const flow::Keys& keys, const flow::Decided& initiator, const flow::Decided& responder) {
        return is_way(initiator) || is_way(responder) || is_end(keys.initiator) || is_end(keys.responder);
    });
}

// Those whose Service, published port or NAT rule is another since the last snapshot, which workers have.
void Switch::outdate_translated_flows() {
    const Translation::Concerned concerned = translation_.take_concerned();
    if (concerned.empty()) return;
    if (concerned.all || flows_.count() > kMostSought) return outdate_all_flows();
    flows_.outdate_if([&](const flow::Keys& keys, const flow::Decided&, const flow::Decided&) {
        return concerned.addresses.contains(path::destination_of(keys.initiator));
    });
}

void Switch::tell_odd_objects() const {
    log_warnings(warnings_of(keys_of(objects_.all())));
    for (const kube::SharedStored& applied : objects_.applied()) {
        const kube::Key& key = applied->object.key;
        if (objects_.hidden(key) == nullptr) continue;
        base::log::notice("manifests", "{}: {} declares it, and is in force; what was {} comes back without that",
                          key.text(), objects_.find(key)->origin(), applied->origin());
    }
    for (const port::PortConfig& config : config_.ports) tell_missing_pod(config);
}

void Switch::tell_missing_pod(const port::PortConfig& config) const {
    const auto key = pod_key(config);
    if (!key || objects_.find(*key) != nullptr) return;
    base::log::warning("port",
                       "{}: no manifest declares the Pod {}: policies find it in its namespace, without labels",
                       config.name, config.pod);
}

// Of a port that was added or has changed.
void Switch::tell_odd_port(const port::PortConfig& config) const {
    tell_missing_pod(config);
    if (const auto key = pod_key(config)) log_warnings(warnings_of({*key}));
}

// A port with a pod: its Pod object's, or one of the port's own labels.
void Switch::attach_pod(const HeldPort& held) {
    const port::PortConfig& config = held.port->config();
    if (!config.is_pod()) return pod_policies_.detach(config.name);
    Attachment attachment{.port = held.port->id()};
    if (config.pod.empty()) {
        attachment.name_space =
            config.name_space.empty() ? std::string(kube::kDefaultNamespace) : config.name_space;
        for (const auto& [key, value] : config.labels) attachment.labels.set(key, value);
    } else {
        const kube::Key key = *pod_key(config);
        attachment.name_space = key.name_space;
        attachment.pod = key.name;
    }
    for (const InterfaceAddress& address : config.address) attachment.addresses.push_back(address.address);
    for (const LentAddress& lent : held.lent) attachment.addresses.push_back(lent.address);
    pod_policies_.attach(config.name, attachment);
}

void Switch::arrange_pods() {
    pods_ = nullptr;
    pod_policies_.set_default(config_.policy);
    if (!pod_policies_.is_needed()) return;
    std::vector<pod::Pods::Host> hosts;
    std::vector<path::PortId> ways_out;
    for (const HeldPort* held : by_id_) {
        if (held == nullptr) continue;
        const port::PortConfig& config = held->port->config();
        if (!config.host && !config.is_ethdev()) continue;
        if (!config.is_guarded()) ways_out.push_back(held->port->id());
        if (!config.host) continue;
        for (const InterfaceAddress& own : config.address) hosts.push_back({held->port->id(), own.address});
    }
    pod_policies_.set_ways_out(std::move(hosts), std::move(ways_out));
    pods_ = pod_policies_.pods();
}

std::vector<acl::Object> Switch::rules(uint32_t object) const {
    if (object == 0) return {};
    for (const auto& [name, list] : acls_) {
        if (const auto rule = list->find_object(object)) return {list->describe(*rule)};
    }
    if (auto translated = translation_.describe(object)) return {std::move(*translated)};
    return policies(object);
}

std::vector<acl::Object> Switch::policies(uint32_t object) const {
    std::vector<acl::Object> rules;
    for (const PodPolicies::Decider& it : pod_policies_.describe(object)) {
        if (it.is_default()) {
            rules.push_back({"setting", "policy.default", it.place});
            continue;
        }
        const std::string_view direction = it.direction == pod::Direction::kIngress ? "ingress" : "egress";
        rules.push_back({"network-policy",
                         it.rule
                             ? fmt::format("{}/{} {} rule {}", it.key.name_space, it.key.name, direction, *it.rule)
                             : fmt::format("{}/{} {}", it.key.name_space, it.key.name, direction),
                         it.place});
    }
    return rules;
}

void Switch::log_rules() {
    std::vector<const path::DropLog*> workers;
    for (const auto& worker : workers_) workers.push_back(&worker->counters().rules);
    const auto port = [this](path::PortId id) {
        const auto* found = find_port(id);
        return found != nullptr ? found->name() : "-";
    };
    rule_log_.write(workers, {.port = port, .rules = [this](uint32_t object) { return rules(object); }},
                    clock_seconds());
}

// Those that have ever had a network.
std::set<path::FlowDomain> Switch::ids_of(const FlowDomainNames& domains) const {
    std::set<path::FlowDomain> ids;
    for (const std::string& name : domains) {
        const auto known = flow_domains_.names().find(name);
        if (known != flow_domains_.names().end()) ids.insert(known->second);
    }
    return ids;
}

// The flows of these domains are decided anew on their next packet. To be called when what they are decided by is
// in force. Returns what workers were told before, to be freed after a grace period.
std::unique_ptr<const flow::Generations> Switch::outdate_flows(const FlowDomainNames& domains) {
    flow_generations_.outdate(ids_of(domains));
    return tell_generations();
}

std::unique_ptr<const flow::Generations> Switch::tell_generations() {
    return told_generations_.exchange(
        std::make_unique<flow::Generations>(flow_generations_.tell(snapshot().networks)));
}

void Switch::outdate_all_flows() {
    flow_generations_.outdate_all();
    const auto before = tell_generations();
    grace_.wait();
}

void Switch::age_flows() {
    const path::Seconds now = clock_seconds();
    if (now == flows_aged_) return;
    flows_aged_ = now;
    flows_.age(now, [this](const flow::Keys& keys) { translation_.note(keys); });
    if (flows_.has_aged_all()) translation_.sweep();
}

}  // namespace sluice::engine
