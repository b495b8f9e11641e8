#include "control/pod_policy.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "control/trace.h"
#include "explain/pod_end.h"

namespace sluice::control {
namespace {

using engine::PodPolicies;
using engine::Switch;
using explain::pod_text;
using nlohmann::json;
using pod::Direction;

constexpr uint16_t kUsualPort = 80;
constexpr size_t kMostNames = 10;  // of the pods that a selector selects

const char* word_of_direction(Direction direction) {
    return direction == Direction::kIngress ? "ingress" : "egress";
}

// --- policy.list ---

json policy_json(const PodPolicies& pods, const kube::Key& key) {
    const PodPolicies::PolicyState* policy = pods.find_policy(key);
    if (policy == nullptr) return nullptr;
    json directions = json::array();
    if (policy->facts.isolates_ingress) directions.push_back("ingress");
    if (policy->facts.isolates_egress) directions.push_back("egress");
    json row{{"namespace", key.name_space},
             {"name", key.name},
             {"selects", policy->facts.pods.text()},
             {"directions", std::move(directions)},
             {"pods", pods.peers_of(policy->pods).size()},
             {"origin", base::origin(policy->place)}};
    base::tell_place(row, policy->place);
    return row;
}

// --- policy.show ---

// "app=web", in a sentence about what it selects: "pods with app=web", "all pods".
std::string selected(std::string_view what, const kube::Selector& selector) {
    return selector.requirements().empty() ? fmt::format("all {}", what)
                                           : fmt::format("{} with {}", what, selector.text());
}

std::string peer_text(const kube::Peer& peer, const std::string& name_space) {
    if (peer.has_block) {
        std::string text = peer.block.cidr.text();
        for (size_t i = 0; i < peer.block.except.size(); ++i) {
            text += (i == 0 ? " except " : ", ") + peer.block.except[i].text();
        }
        return text;
    }
    const std::string where =
        peer.has_namespaces ? selected("namespaces", peer.namespaces) : fmt::format("namespace {}", name_space);
    return fmt::format("{} of {}", selected("pods", peer.pods), where);
}

// The first of the pods by name.
json names_of(const PodPolicies& pods, const std::vector<kube::PodId>& ids) {
    std::vector<const kube::Key*> keys;
    for (const kube::PodId id : ids) keys.push_back(&pods.key_with(id));
    const size_t count = std::min(kMostNames, keys.size());
    std::partial_sort(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(count), keys.end(),
                      [](const auto* a, const auto* b) { return *a < *b; });
    json names = json::array();
    for (size_t i = 0; i < count; ++i) names.push_back(pod_text(*keys[i]));
    return names;
}

json peer_json(const PodPolicies& pods, const kube::Peer& peer, const std::string& name_space,
               const kube::ScopeId* scope) {
    json row{{"text", peer_text(peer, name_space)},
             {"block", peer.has_block ? json(peer.block.cidr.text()) : json()},
             {"except", json::array()},
             {"pods", nullptr},
             {"count", nullptr}};
    for (const IpPrefix& except : peer.block.except) row["except"].push_back(except.text());
    if (scope == nullptr) return row;
    const std::vector<kube::PodId> ids = pods.peers_of(*scope);
    row["pods"] = names_of(pods, ids);
    row["count"] = ids.size();
    return row;
}

// `receiver` gives numbers to names; null: each destination does.
json port_json(const kube::PolicyPort& port, const kube::Pod* receiver) {
    const std::string_view protocol = base::word_of(port.protocol);
    json row{{"protocol", protocol},
             {"first", nullptr},
             {"last", nullptr},
             {"name", nullptr},
             {"number", nullptr}};
    if (port.first != 0) {
        row["first"] = port.first;
        row["last"] = port.last;
        row["text"] = port.first == port.last ? fmt::format("{} {}", protocol, port.first)
                                              : fmt::format("{} {}-{}", protocol, port.first, port.last);
        return row;
    }
    if (port.name.empty()) {
        row["text"] = fmt::format("every {} port", protocol);
        return row;
    }
    row["name"] = port.name;
    std::string meaning = receiver == nullptr ? "as each destination names it" : "no port of this pod";
    for (size_t i = 0; receiver != nullptr && i < receiver->ports.size(); ++i) {
        const kube::NamedPort& own = receiver->ports[i];
        if (own.name != port.name || own.protocol != port.protocol) continue;
        row["number"] = own.number;
        meaning = fmt::format("{} here", own.number);
    }
    row["text"] = fmt::format("{} {} ({})", protocol, port.name, meaning);
    return row;
}

json rule_json(const PodPolicies& pods, const kube::Key& policy, const kube::PolicyRule& rule,
               const pod::Rule& compiled, const kube::Pod* receiver) {
    json row{{"peers", nullptr}, {"ports", nullptr}};
    if (!rule.peers.empty()) row["peers"] = json::array();
    size_t next = 0;  // of the compiled rule's scopes
    for (const kube::Peer& peer : rule.peers) {
        const kube::ScopeId* scope = peer.has_block ? nullptr : &compiled.scopes[next++];
        row["peers"].push_back(peer_json(pods, peer, policy.name_space, scope));
    }
    if (!rule.ports.empty()) row["ports"] = json::array();
    for (const kube::PolicyPort& port : rule.ports) row["ports"].push_back(port_json(port, receiver));
    base::tell_place(row, rule.place);
    return row;
}

// A policy that isolates the pod in that direction, with its rules.
json isolating_json(const PodPolicies& pods, const PodPolicies::PodState& pod, const kube::Key& key,
                    Direction direction) {
    const PodPolicies::PolicyState* policy = pods.find_policy(key);
    if (policy == nullptr) return nullptr;
    const bool is_ingress = direction == Direction::kIngress;
    const auto& rules = is_ingress ? policy->facts.ingress : policy->facts.egress;
    const auto& compiled = policy->compiled->rules[static_cast<size_t>(direction)];
    json row{{"policy", pod_text(key)}, {"origin", base::origin(policy->place)}, {"rules", json::array()}};
    base::tell_place(row, policy->place);
    for (size_t i = 0; i < rules.size(); ++i) {
        json rule = rule_json(pods, key, rules[i], compiled[i], is_ingress ? &pod.facts : nullptr);
        rule["rule"] = i;
        row["rules"].push_back(std::move(rule));
    }
    return row;
}

// What a policy's name and place become in an answer.
json decider_json(const acl::Object& object) {
    return explain::to_json(explain::Object{std::string(object.kind), object.name, object.place});
}

json pod_json(const PodPolicies& pods, const kube::Key& key, const PodPolicies::PodState& pod) {
    json addresses = json::array();
    for (const IpAddress& address : pod.addresses) addresses.push_back(address.text());
    json ports = json::array();
    for (const kube::NamedPort& port : pod.facts.ports) {
        ports.push_back(
            {{"name", port.name}, {"protocol", base::word_of(port.protocol)}, {"number", port.number}});
    }
    json row{{"pod", pod_text(key)},
             {"labels", base::or_none(pod.labels.text())},
             {"port", base::or_none(pod.port)},
             {"addresses", std::move(addresses)},
             {"ports", std::move(ports)},
             {"host-network", pod.facts.host_network},
             {"over", pod.facts.is_over}};
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
        const auto& by = pods.isolated_by(pod, direction);
        json told{{"isolated", !by.empty()}, {"default", nullptr}, {"policies", json::array()}};
        if (!by.empty() && by[0].is_default()) {
            told["default"] = decider_json({"setting", "policy.default", by[0].place});
        }
        row[word_of_direction(direction)] = std::move(told);
    }
    return row;
}

// The pod that a user means: by its name, the name of its port, or its address.
base::Result<kube::Key> pod_named(const Switch& running, const std::string& text) {
    if (explain::is_pod_name(text)) return explain::find_pod(running, text);
    if (const kube::Key* key = running.pod_policies().find_key(text)) return *key;
    if (const auto address = IpAddress::parse(text)) {
        if (const kube::Key* key = explain::find_pod_with(running, *address)) return *key;
        return base::fail("no pod has the address {}", text);
    }
    if (running.ports().contains(text)) {
        return base::fail("port {} has no pod: it has none of the keys pod, namespace and labels", text);
    }
    return base::fail("{} is neither a pod (NAMESPACE/NAME) nor a port nor an address", base::shown(text));
}

// --- policy.why ---

// One end of the connection.
struct End {
    std::string text;
    std::optional<kube::Key> key;  // of its pod
    const PodPolicies::PodState* pod = nullptr;
    IpAddress address;
};

// The first address that a port declares, of that family if it has one. Empty: it declares none.
std::string address_of_port(const port::PortConfig& port, bool v4) {
    const auto is_v4 = [](const InterfaceAddress& own) { return own.address.is_v4(); };
    const auto own = std::ranges::find(port.address, v4, is_v4);
    return own == port.address.end() ? "" : own->address.text();
}

// A port stands for its pod, or without one for its address; an address stays what it is.
base::Result<std::string> name_end(const Switch& running, const std::string& text) {
    if (IpAddress::parse(text)) return text;
    const auto port = running.ports().find(text);
    const bool has_pod = running.pod_policies().find_key(text) != nullptr;
    if (port != running.ports().end() && !has_pod) {
        if (!port->second.port->config().address.empty()) return text;
        return base::fail("port {} has no pod, and declares no address", text);
    }
    const auto key = pod_named(running, text);
    if (!key) return tl::unexpected(key.error());
    return pod_text(*key);
}

End end_of(const Switch& running, std::string text, bool v4) {
    const PodPolicies& pods = running.pod_policies();
    if (const auto port = running.ports().find(text); port != running.ports().end()) {
        text = address_of_port(port->second.port->config(), v4);
    }
    End end{.text = text};
    if (const auto address = IpAddress::parse(text)) {
        end.address = *address;
        if (const kube::Key* key = explain::find_pod_with(running, *address)) end.key = *key;
    } else {
        end.key = *explain::find_pod(running, text);
    }
    if (!end.key) return end;
    end.pod = pods.find_state(*end.key);
    end.text = pod_text(*end.key);
    if (!IpAddress::parse(text)) end.address = explain::address_of(running, *end.pod, v4);
    return end;
}

json end_json(const End& end) {
    return {{"pod", end.key ? json(end.text) : json()},
            {"address", end.address.text()},
            {"port", end.pod == nullptr ? json() : base::or_none(end.pod->port)}};
}

// An address of the host itself, or of the switch in its place.
bool is_host(const Switch& running, const IpAddress& address) {
    const auto& networks = running.config().networks;
    return running.pod_policies().is_host(address) ||
           std::any_of(networks.begin(), networks.end(), [&](const engine::NetworkConfig& network) {
               return std::find(network.gateway.begin(), network.gateway.end(), address) != network.gateway.end();
           });
}

tl::expected<pod::Service, RpcError> service_of(const Switch& running, const json& params, bool v4,
                                                const End& to) {
    if (const auto fault = fault_of_ports(params)) return *fault;
    const wire::Protocol protocol = protocol_of(params);
    if (protocol == wire::Protocol::kIcmp) {
        return pod::Service{.protocol = static_cast<uint8_t>(v4 ? protocol : wire::Protocol::kIcmpv6)};
    }
    pod::Service service{.protocol = static_cast<uint8_t>(protocol), .has_port = true, .port = kUsualPort};
    if (const std::string name = port_name_of(params); !name.empty()) {
        const auto number =
            explain::find_port_number(running, to.key ? &*to.key : nullptr, to.text, protocol, name);
        if (!number) return refused({number.error()});
        service.port = *number;
    } else {
        service.port = static_cast<uint16_t>(number_of(params, "dport", service.port));
    }
    return service;
}

std::string refusal_text(const std::vector<acl::Object>& by) {
    if (by.size() == 1 && by[0].kind == "setting") return fmt::format("{} denies it", by[0].name);
    std::vector<std::string_view> names;
    for (const acl::Object& object : by) names.push_back(object.name);
    return fmt::format("no rule of {} permits it", fmt::join(names, ", "));
}

// What the policies of the pod at one end say of the connection with the other end.
json judged_json(const Switch& running, const End& own, const End& other, Direction direction,
                 const pod::Service& service) {
    json row{{"asked", false}, {"permits", true}, {"text", nullptr}, {"by", json::array()}};
    if (own.pod == nullptr) {
        row["text"] = fmt::format("{} is no pod", own.text);
    } else if (own.pod == other.pod) {
        row["text"] = "a pod always reaches itself";
    } else if (is_host(running, other.address)) {
        row["text"] = fmt::format("{} is the host's own: it reaches its pods, and they reach it", other.text);
    }
    if (!row["text"].is_null()) return row;
    row["asked"] = true;
    const auto unasked = fmt::format("no policy isolates {} for {}", own.text, word_of_direction(direction));
    row["text"] = unasked;
    const PodPolicies& pods = running.pod_policies();
    if (pods.isolated_by(*own.pod, direction).empty()) return row;
    const pod::Pod* peer = other.pod == nullptr ? nullptr : other.pod->built.get();
    const pod::Pod* receiver = direction == Direction::kIngress ? own.pod->built.get() : peer;
    const pod::Answer answer = pod::judge(*own.pod->built, direction, {peer, other.address}, receiver, service);
    const std::vector<acl::Object> by = running.policies(answer.object);
    for (const acl::Object& object : by) row["by"].push_back(decider_json(object));
    row["permits"] = answer.permits;
    std::string text = answer.permits && !by.empty() ? fmt::format("{} permits it", by[0].name) : refusal_text(by);
    if (own.pod->port.empty()) {
        text += fmt::format("; {} is at no port here: its own host enforces this", own.text);
    }
    row["text"] = std::move(text);
    return row;
}

}  // namespace

Steps policy_list(Running& daemon, const json& params) {
    const std::string name_space = text_of(params, "namespace");
    const PodPolicies& pods = daemon.running.pod_policies();
    std::vector<kube::Key> keys;
    for (const auto& [key, policy] : pods.policies()) {
        if (name_space.empty() || key.name_space == name_space) keys.push_back(key);
    }
    return rows_of("policies", std::move(keys), [&pods](const kube::Key& key) { return policy_json(pods, key); });
}

Steps policy_show(Running& daemon, const json& params) {
    const PodPolicies& pods = daemon.running.pod_policies();
    const auto key = pod_named(daemon.running, text_of(params, "pod"));
    if (!key) return finished(refused({key.error()}));
    const PodPolicies::PodState& pod = *pods.find_state(*key);
    std::vector<std::pair<Direction, kube::Key>> policies;
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
        for (const PodPolicies::Decider& it : pods.isolated_by(pod, direction)) {
            if (!it.is_default()) policies.emplace_back(direction, it.key);
        }
    }
    return [&pods, key = *key, policies = std::move(policies), next = size_t{0},
            row = pod_json(pods, *key, pod)]() mutable -> std::optional<Answer> {
        for (const Slice slice; next < policies.size(); ++next) {
            if (slice.is_over()) return std::nullopt;
            const PodPolicies::PodState* state = pods.find_state(key);
            if (state == nullptr) return refused({{fmt::format("pod {} is gone", pod_text(key)), {}, {}}});
            const auto& [direction, policy] = policies[next];
            json one = isolating_json(pods, *state, policy, direction);
            if (!one.is_null()) row[word_of_direction(direction)]["policies"].push_back(std::move(one));
        }
        return std::move(row);
    };
}

Answer policy_why(Running& daemon, const json& params) {
    const Switch& running = daemon.running;
    const auto from_text = name_end(running, text_of(params, "from"));
    if (!from_text) return refused({from_text.error()});
    const auto to_text = name_end(running, text_of(params, "to"));
    if (!to_text) return refused({to_text.error()});
    const auto v4 = explain::is_v4_between(running, *from_text, *to_text);
    if (!v4) return refused({v4.error()});
    const End from = end_of(running, *from_text, *v4);
    const End to = end_of(running, *to_text, *v4);
    const auto service = service_of(running, params, *v4, to);
    if (!service) return tl::unexpected(service.error());
    json egress = judged_json(running, from, to, Direction::kEgress, *service);
    json ingress = judged_json(running, to, from, Direction::kIngress, *service);
    const bool is_allowed = egress["permits"].get<bool>() && ingress["permits"].get<bool>();
    return json{{"allowed", is_allowed},
                {"from", end_json(from)},
                {"to", end_json(to)},
                {"proto", text_of(params, "proto").empty() ? "tcp" : text_of(params, "proto")},
                {"dport", service->has_port ? json(service->port) : json()},
                {"egress", std::move(egress)},
                {"ingress", std::move(ingress)}};
}

}  // namespace sluice::control
