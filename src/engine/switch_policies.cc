// The switch's half of policies and flows: lists are compiled, flows outdated and aged.
#include "engine/switch.h"

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
        flows_.remove_if(clock_seconds(), [&](const flow::Listed& flow) {
            return gone.contains(flow.original.key.domain());
        });
    });
    flows_.set_timeouts(config_.flows.timeouts);
    flows_.set_pick_up(config_.flows.pick_up);
}

std::optional<acl::Object> Switch::rule(uint32_t object) const {
    if (object == 0) return std::nullopt;
    for (const auto& [name, list] : acls_) {
        if (const auto rule = list->find_object(object)) return list->describe(*rule);
    }
    return std::nullopt;
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
