#include "engine/pod_policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <utility>

#include "base/text.h"

namespace sluice::engine {
namespace {

using kube::Key;
using kube::Kind;
using pod::Direction;

constexpr size_t kMostRetired = 10'000;

// Of the pod behind a port that names no Pod object. No Pod's name has a ':'.
Key key_of(const std::string& port, const Attachment& attachment) {
    const bool has_name = !attachment.pod.empty();
    return {Kind::kPod, attachment.name_space, has_name ? attachment.pod : "port:" + port};
}

// Isolates a pod and permits nothing: policy.default where it denies. By direction, as bits.
pod::SharedPolicy denying(unsigned directions) {
    static const auto kPolicies = [] {
        std::array<pod::SharedPolicy, 1 << pod::kDirections> policies;
        for (unsigned bits = 0; bits < policies.size(); ++bits) {
            pod::Policy policy;
            for (size_t i = 0; i < pod::kDirections; ++i) policy.isolates[i] = (bits >> i & 1) != 0;
            policies[bits] = std::make_shared<const pod::Policy>(std::move(policy));
        }
        return policies;
    }();
    return kPolicies[directions];
}

// Whether a pod is the same to policies. Its readiness, its deletion and its node concern only Services.
bool is_same_to_policies(const kube::Pod& before, kube::Pod after) {
    after.is_ready = before.is_ready;
    after.is_terminating = before.is_terminating;
    after.node_name = before.node_name;
    return after == before;
}

std::vector<IpAddress> addresses_of(const kube::Pod& facts, const Attachment* attachment) {
    // The host's network is not told apart from the host, and what has run to its end owns nothing.
    if (!PodPolicies::is_peer(facts)) return {};
    // A port here admits no other source than the addresses that it declares.
    const bool has_own = attachment != nullptr && !attachment->addresses.empty();
    return has_own ? attachment->addresses : facts.addresses;
}

}  // namespace

void PodPolicies::apply(const kube::Change& change) {
    for (const kube::Changed& it : change) {
        if (it.key.kind != Kind::kNamespace) continue;
        if (it.after != nullptr) {
            selection_.set_namespace(it.key.name, it.after->object.labels);
        } else {
            selection_.remove_namespace(it.key.name);
        }
    }
    for (const kube::Changed& it : change) {
        const kube::Object* after = it.after != nullptr ? &it.after->object : nullptr;
        if (it.key.kind == Kind::kPod) {
            after != nullptr ? set_object(it.key, *after) : remove_object(it.key);
        } else if (it.key.kind == Kind::kNetworkPolicy) {
            after != nullptr ? set_policy(it.key, after->policy(), after->place) : remove_policy(it.key);
        }
    }
}

void PodPolicies::attach(const std::string& port, const Attachment& attachment) {
    const auto known = attachments_.find(port);
    if (known != attachments_.end() && known->second.what == attachment) return;
    detach(port);
    const Key key = key_of(port, attachment);
    attachments_[port] = {attachment, key};
    ports_of_[key].push_back(port);
    const auto pod = pods_.find(key);
    // Without an object it is a pod of its namespace nevertheless, whose labels are the port's, or none.
    if (pod == pods_.end()) return set_pod(key, {}, attachment.labels);
    attachments_[port].pod = &pod->second;
    place(key, pod->second);
}

void PodPolicies::detach(const std::string& port) {
    const auto known = attachments_.find(port);
    if (known == attachments_.end()) return;
    const Key key = known->second.key;
    concerned_.ports.insert(known->second.what.port);
    attachments_.erase(known);
    std::erase(ports_of_[key], port);
    if (ports_of_[key].empty()) ports_of_.erase(key);
    PodState& pod = pods_.at(key);
    if (!pod.has_object && ports_at(key).empty()) return remove_pod(key);
    place(key, pod);
}

void PodPolicies::set_object(const Key& key, const kube::Object& object) {
    set_pod(key, object.pod(), object.labels);
    PodState& pod = pods_.at(key);
    pod.has_object = true;
    pod.place = object.place;
}

void PodPolicies::remove_object(const Key& key) {
    pods_.at(key).has_object = false;
    ports_at(key).empty() ? remove_pod(key) : set_pod(key, {}, {});
}

const std::vector<std::string>& PodPolicies::ports_at(const Key& key) const {
    static const std::vector<std::string> kNone;
    const auto ports = ports_of_.find(key);
    return ports == ports_of_.end() ? kNone : ports->second;
}

// Its addresses are those of the port that it was attached to last.
void PodPolicies::place(const Key& key, PodState& pod) {
    changed_.insert(key);
    unlist_addresses(pod);
    const auto& ports = ports_at(key);
    pod.port = ports.empty() ? std::string() : ports.back();
    list_addresses(pod);
    mark(pod.id, Concern::kYes);
}

void PodPolicies::set_default(const policy::PolicyConfig& config) {
    const bool is_same = config == default_ && base::origin(config.place) == base::origin(default_.place);
    if (is_same) return;
    default_ = config;
    for (const auto& [port, attached] : attachments_) mark(attached.pod->id, Concern::kYes);
}

void PodPolicies::set_ways_out(std::vector<pod::Pods::Host> hosts, std::vector<path::PortId> ports) {
    std::sort(hosts.begin(), hosts.end());
    std::sort(ports.begin(), ports.end());
    has_moved_ = has_moved_ || hosts != hosts_ || ports != ways_out_;
    hosts_ = std::move(hosts);
    ways_out_ = std::move(ports);
}

std::shared_ptr<const pod::Pods> PodPolicies::pods() {
    mark_selected(Concern::kYes);
    for (const auto& [id, concern] : to_build_) {
        if (id < entries_.size() && entries_[id] != nullptr) build(entries_[id]->second, concern);
    }
    to_build_.clear();
    if (!std::exchange(has_moved_, false)) return published_;
    std::vector<pod::SharedPod> by_port;
    for (const auto& [name, attached] : attachments_) {
        const PodState* pod = attached.pod;
        if (pod->facts.host_network) continue;
        by_port.resize(std::max<size_t>(by_port.size(), path::index(attached.what.port) + 1U));
        by_port[path::index(attached.what.port)] = pod->built;
    }
    auto pods = std::make_shared<pod::Pods>(std::move(by_port), hosts_, ways_out_);
    pods->reserve(claims_.size());
    for (const auto& [address, claims] : claims_) {
        pods->add(address, owner(claims).built);
    }
    published_ = std::move(pods);
    return published_;
}

std::vector<PodPolicies::Decider> PodPolicies::describe(uint32_t object) const {
    const auto named = objects_.find(object);
    if (named == objects_.end()) return {};
    if (!named->second.rule.rule) return named->second.isolated_by;
    Decider rule = named->second.rule;
    const kube::NetworkPolicy& policy = policies_.at(rule.key).facts;
    rule.place = (rule.direction == Direction::kIngress ? policy.ingress : policy.egress)[*rule.rule].place;
    return {rule};
}

void PodPolicies::attach_as(const PodPolicies& other) {
    for (const auto& [port, attached] : other.attachments_) attach(port, attached.what);
}

std::vector<kube::ScopeId> PodPolicies::scopes_of(const PodState& pod) const {
    std::vector<kube::ScopeId> scopes;
    const std::vector<uint64_t>& words = selection_.scopes_of(pod.id).words();
    for (size_t word = 0; word < words.size(); ++word) {
        for (uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
            scopes.push_back(static_cast<kube::ScopeId>(word * 64 + static_cast<size_t>(std::countr_zero(bits))));
        }
    }
    return scopes;
}

std::vector<PodPolicies::Decider> PodPolicies::isolating(const PodState& pod, Direction direction) const {
    std::vector<Decider> deciders;
    for (const kube::ScopeId scope : scopes_of(pod)) {
        const auto policies = policies_of_.find(scope);
        if (policies == policies_of_.end()) continue;
        for (const Key& policy : policies->second) {
            const PolicyState& state = policies_.at(policy);
            if (!state.compiled->isolates[static_cast<size_t>(direction)]) continue;
            deciders.push_back({policy, direction, std::nullopt, state.place});
        }
    }
    std::sort(deciders.begin(), deciders.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    const bool is_here = !pod.port.empty();
    if (deciders.empty() && is_here && is_denied_by_default()) {
        deciders.push_back({{}, direction, std::nullopt, default_.place});
    }
    return deciders;
}

const pod::Pod* PodPolicies::find(const Key& key) const {
    const auto found = pods_.find(key);
    return found == pods_.end() ? nullptr : found->second.built.get();
}

const PodPolicies::PodState* PodPolicies::find_state(const Key& key) const {
    const auto found = pods_.find(key);
    return found == pods_.end() ? nullptr : &found->second;
}

const PodPolicies::PolicyState* PodPolicies::find_policy(const Key& key) const {
    const auto found = policies_.find(key);
    return found == policies_.end() ? nullptr : &found->second;
}

const Key* PodPolicies::find_key(const std::string& port) const {
    const auto found = attachments_.find(port);
    return found == attachments_.end() ? nullptr : &found->second.key;
}

const Key* PodPolicies::find_key(const IpAddress& address) const {
    const auto found = claims_.find(address);
    return found == claims_.end() ? nullptr : &entries_[owner(found->second).id]->first;
}

const std::vector<PodPolicies::Decider>& PodPolicies::isolated_by(const PodState& pod, Direction direction) const {
    static const std::vector<Decider> kNone;
    // Pods are made up to date only while workers need them.
    return is_needed() ? pod.isolated_by[static_cast<size_t>(direction)] : kNone;
}

bool PodPolicies::is_host(const IpAddress& address) const {
    return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& host) { return host.address == address; });
}

const PodPolicies::PodState& PodPolicies::owner(const std::vector<PodState*>& claims) {
    const auto rank = [](const PodState* pod) { return std::pair(!pod->port.empty(), pod->since); };
    return **std::ranges::max_element(claims, {}, rank);
}

void PodPolicies::set_pod(const Key& key, const kube::Pod& facts, const kube::Labels& labels) {
    const auto [at, is_new] = pods_.try_emplace(key);
    PodState& pod = at->second;
    changed_.insert(key);
    if (!is_new && is_same_to_policies(pod.facts, facts) && pod.labels == labels) {
        pod.facts = facts;
        return;
    }
    if (is_new) {
        pod.id = selection_.add_pod(key.name_space, labels);
        entries_.resize(std::max<size_t>(entries_.size(), pod.id + 1U));
        entries_[pod.id] = &*at;
        for (const std::string& port : ports_at(key)) attachments_.at(port).pod = &pod;
    } else {
        selection_.set_labels(pod.id, labels);
        unlist_addresses(pod);
    }
    const bool has_same_addresses = !is_new && pod.facts.addresses == facts.addresses;
    if (!has_same_addresses) pod.since = ++sequence_;
    pod.facts = facts;
    pod.labels = labels;
    mark(pod.id, Concern::kYes);
    place(key, pod);
}

void PodPolicies::remove_pod(const Key& key) {
    const auto at = pods_.find(key);
    if (at == pods_.end()) return;
    PodState& pod = at->second;
    changed_.insert(key);
    unlist_addresses(pod);
    selection_.remove_pod(pod.id);
    entries_[pod.id] = nullptr;
    for (const uint32_t object : pod.denial) retire(object);
    pods_.erase(at);
}

void PodPolicies::set_policy(const Key& key, const kube::NetworkPolicy& facts, const base::Place& place) {
    const auto [at, is_new] = policies_.try_emplace(key);
    PolicyState& policy = at->second;
    // Places don't count in comparisons, and are told nevertheless.
    const bool is_same = !is_new && policy.facts == facts;
    const bool has_moved = base::origin(policy.place) != base::origin(place);
    policy.place = place;
    if (is_same) {
        policy.facts = facts;
        if (has_moved) mark_pods(policy.pods, Concern::kNo);
        return;
    }
    mark_selected(Concern::kYes);
    const auto before = std::move(policy.peers);
    policy.peers.clear();
    const kube::ScopeId pods = selection_.take({key.name_space, {}, facts.pods});
    if (!is_new) {
        mark_pods(policy.pods, Concern::kYes);
        policies_of_[policy.pods].erase(key);
        if (policies_of_[policy.pods].empty()) policies_of_.erase(policy.pods);
    }
    policy.facts = facts;
    policy.compiled = compile(key, policy);
    if (!is_new) selection_.give_back(policy.pods);
    for (const kube::ScopeId scope : before) selection_.give_back(scope);
    policy.pods = pods;
    policies_of_[pods].insert(key);
    mark_pods(pods, Concern::kYes);
    // The pods that its peers select, or have selected, are judged as before but by those whom it selects.
    mark_selected(Concern::kNo);
}

void PodPolicies::remove_policy(const Key& key) {
    const auto at = policies_.find(key);
    if (at == policies_.end()) return;
    PolicyState& policy = at->second;
    mark_selected(Concern::kYes);
    mark_pods(policy.pods, Concern::kYes);
    policies_of_[policy.pods].erase(key);
    if (policies_of_[policy.pods].empty()) policies_of_.erase(policy.pods);
    selection_.give_back(policy.pods);
    for (const kube::ScopeId scope : policy.peers) selection_.give_back(scope);
    for (const uint32_t object : policy.objects) objects_.erase(object);
    policies_.erase(at);
    mark_selected(Concern::kNo);
}

pod::SharedPolicy PodPolicies::compile(const Key& key, PolicyState& policy) {
    auto compiled = std::make_shared<pod::Policy>();
    compiled->isolates[static_cast<size_t>(Direction::kIngress)] = policy.facts.isolates_ingress;
    compiled->isolates[static_cast<size_t>(Direction::kEgress)] = policy.facts.isolates_egress;
    for (const uint32_t object : policy.objects) objects_.erase(object);
    policy.objects.clear();
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
        const auto& rules = direction == Direction::kIngress ? policy.facts.ingress : policy.facts.egress;
        for (size_t i = 0; i < rules.size(); ++i) {
            pod::Rule rule = compile(key.name_space, rules[i], policy);
            rule.object = new_object({.rule = {key, direction, i, {}}, .isolated_by = {}});
            policy.objects.push_back(rule.object);
            compiled->rules[static_cast<size_t>(direction)].push_back(std::move(rule));
        }
    }
    return compiled;
}

pod::Rule PodPolicies::compile(const std::string& name_space, const kube::PolicyRule& rule, PolicyState& policy) {
    pod::Rule compiled{.has_peers = !rule.peers.empty(), .has_ports = !rule.ports.empty()};
    for (const kube::Peer& peer : rule.peers) {
        if (peer.has_block) {
            compiled.blocks.push_back({peer.block.cidr, peer.block.except});
            continue;
        }
        const kube::ScopeId scope =
            selection_.take({peer.has_namespaces ? std::string() : name_space, peer.namespaces, peer.pods});
        policy.peers.push_back(scope);
        compiled.scopes.push_back(scope);
    }
    for (const kube::PolicyPort& port : rule.ports) {
        pod::PortMatch match{.protocol = static_cast<uint8_t>(port.protocol)};
        if (!port.name.empty()) match.name = name_id(port.name);
        if (port.first != 0) {
            match.first = port.first;
            match.last = port.last;
        }
        compiled.ports.push_back(match);
    }
    return compiled;
}

void PodPolicies::mark(kube::PodId pod, Concern concern) {
    Concern& known = to_build_.try_emplace(pod, concern).first->second;
    if (concern == Concern::kYes) known = concern;
}

void PodPolicies::mark_pods(kube::ScopeId scope, Concern concern) {
    for (const kube::PodId pod : selection_.pods_of(scope)) mark(pod, concern);
}

// Those that other scopes select since the last call.
void PodPolicies::mark_selected(Concern concern) {
    for (const kube::PodId pod : selection_.take_changed()) mark(pod, concern);
}

void PodPolicies::build(PodState& pod, Concern concern) {
    auto built = std::make_shared<pod::Pod>();
    // What has run to its end is nobody's peer, wherever it was.
    if (!pod.facts.is_over) built->scopes = selection_.scopes_of(pod.id).words();
    for (const kube::ScopeId scope : scopes_of(pod)) {
        const auto policies = policies_of_.find(scope);
        if (policies == policies_of_.end()) continue;
        for (const Key& policy : policies->second) built->policies.push_back(policies_.at(policy).compiled);
    }
    unsigned denied = 0;  // directions, as bits
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
        std::vector<Decider>& before = pod.isolated_by[static_cast<size_t>(direction)];
        std::vector<Decider> now = isolating(pod, direction);
        if (!now.empty() && now[0].is_default()) denied |= 1U << static_cast<unsigned>(direction);
        if (now == before) continue;
        uint32_t& denial = pod.denial[static_cast<size_t>(direction)];
        retire(denial);
        denial = now.empty() ? 0 : new_object({.rule = {}, .isolated_by = now});
        before = std::move(now);
    }
    if (denied != 0) built->policies.push_back(denying(denied));
    for (const kube::NamedPort& port : pod.facts.ports) {
        built->ports.push_back({name_id(port.name), static_cast<uint8_t>(port.protocol), port.number});
    }
    std::copy(std::begin(pod.denial), std::end(pod.denial), built->denial);
    if (concern == Concern::kYes) {
        concerned_.addresses.insert(pod.addresses.begin(), pod.addresses.end());
        for (const std::string& port : ports_at(entries_[pod.id]->first)) {
            concerned_.ports.insert(attachments_.at(port).what.port);
        }
    }
    built->is_here = !pod.port.empty();
    built->has_address = !pod.addresses.empty();
    pod.built = std::move(built);
    has_moved_ = true;
}

void PodPolicies::list_addresses(PodState& pod) {
    const auto attachment = attachments_.find(pod.port);
    pod.addresses = addresses_of(pod.facts, attachment == attachments_.end() ? nullptr : &attachment->second.what);
    std::sort(pod.addresses.begin(), pod.addresses.end());
    pod.addresses.erase(std::unique(pod.addresses.begin(), pod.addresses.end()), pod.addresses.end());
    for (const IpAddress& address : pod.addresses) claims_[address].push_back(&pod);
    has_moved_ = true;
}

void PodPolicies::unlist_addresses(PodState& pod) {
    for (const IpAddress& address : pod.addresses) {
        const auto claim = claims_.find(address);
        std::erase(claim->second, &pod);
        if (claim->second.empty()) claims_.erase(claim);
    }
    concerned_.addresses.insert(pod.addresses.begin(), pod.addresses.end());
    pod.addresses.clear();
    has_moved_ = true;
}

pod::NameId PodPolicies::name_id(const std::string& name) {
    return names_.try_emplace(name, static_cast<pod::NameId>(names_.size() + 1)).first->second;
}

uint32_t PodPolicies::new_object(Named named) {
    const uint32_t object = next_object_++;
    objects_.emplace(object, std::move(named));
    return object;
}

void PodPolicies::retire(uint32_t denial) {
    if (denial == 0) return;
    retired_.push_back(denial);
    if (retired_.size() <= kMostRetired) return;
    objects_.erase(retired_.front());
    retired_.pop_front();
}

}  // namespace sluice::engine
