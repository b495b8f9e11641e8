// The switch's half of policies and flows: lists are compiled, pods found, flows outdated and aged.
#include "engine/switch.h"
#include "path/tuple_address.h"

namespace sluice::engine {

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

// What the manifests declare by now.
void Switch::declare_objects() {
    static const std::vector<kube::Object> kNone;
    pod_policies_.apply(objects_.declare(config_.objects == nullptr ? kNone : *config_.objects));
}

void Switch::restore_objects(std::vector<kube::Stored> objects) {
    for (kube::Stored& stored : objects) {
        std::vector<kube::Object> one;
        one.push_back(std::move(stored.object));
        pod_policies_.apply(objects_.apply(std::move(one), stored.applied_at));
    }
}

void Switch::apply_objects(std::vector<kube::Object> objects, int64_t now) {
    change_objects(objects_.apply(std::move(objects), now));
}

void Switch::remove_objects(const std::vector<kube::Key>& keys) {
    change_objects(objects_.remove(keys));
}

void Switch::change_objects(const kube::Change& change) {
    pod_policies_.apply(change);
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
    base::Errors warnings;
    for (const kube::Object& object : objects) {
        base::Errors own = policies.warnings(object.key);
        std::move(own.begin(), own.end(), std::back_inserter(warnings));
    }
    limit_warnings(warnings);
    return warnings;
}

// Of the ports that pods are behind.
FlowDomainNames Switch::pod_domains() const {
    FlowDomainNames domains;
    for (const port::PortConfig& port : config_.ports) {
        if (port.is_pod()) domains.merge(flow_domains_of(config_, port));
    }
    return domains;
}

// The flows of pods that are judged otherwise since the last snapshot. Workers have the new one. To look through
// very many flows takes longer than a change may: then all flows of pods are decided anew.
void Switch::outdate_flows_of_pods() {
    constexpr uint32_t kMostFlows = 200'000;
    const PodPolicies::Concerned concerned = pod_policies_.take_concerned();
    if (pods_ == nullptr || concerned.empty()) return;
    if (flows_.count() > kMostFlows) {
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

void Switch::tell_odd_objects() const {
    for (const base::Error& warning : pod_policies_.warnings()) {
        base::log::warning("policy", "{}", warning.text());
    }
    for (const kube::SharedStored& applied : objects_.applied()) {
        const kube::SharedStored in_force = objects_.find(applied->object.key);
        if (!in_force->is_declared) continue;
        base::log::notice("manifests", "{}: {} declares it, and is in force; what was {} comes back without that",
                          applied->object.key.text(), in_force->origin(), applied->origin());
    }
    for (const port::PortConfig& config : config_.ports) {
        if (config.pod.empty()) continue;
        const size_t slash = config.pod.find('/');
        if (objects_.find({kube::Kind::kPod, config.pod.substr(0, slash), config.pod.substr(slash + 1)}) !=
            nullptr) {
            continue;
        }
        base::log::warning("port",
                           "{}: no manifest declares the Pod {}: policies find it in its namespace, without "
                           "labels",
                           config.name, config.pod);
    }
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
        const size_t slash = config.pod.find('/');
        attachment.name_space = config.pod.substr(0, slash);
        attachment.pod = config.pod.substr(slash + 1);
    }
    for (const InterfaceAddress& address : config.address) attachment.addresses.push_back(address.address);
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

std::optional<acl::Object> Switch::rule(uint32_t object) const {
    std::vector<acl::Object> rules = this->rules(object);
    if (rules.empty()) return std::nullopt;
    for (size_t i = 1; i < rules.size(); ++i) {
        rules[0].name += fmt::format(", {} ({})", rules[i].name, base::origin(rules[i].place));
    }
    return std::move(rules[0]);
}

void Switch::log_rules() {
    std::vector<const path::DropLog*> workers;
    for (const auto& worker : workers_) workers.push_back(&worker->counters().rules);
    const auto port = [this](path::PortId id) {
        const auto* found = find_port(id);
        return found != nullptr ? found->name() : "-";
    };
    rule_log_.write(workers, {.port = port, .rule = [this](uint32_t object) { return rule(object); }},
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
    flows_.age(now);
}

}  // namespace sluice::engine
