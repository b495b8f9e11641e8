// What is allowed in objects and hardly meant.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/pod_policies.h"

namespace sluice::engine {

using kube::Key;
using pod::Direction;

void limit_warnings(base::Errors& warnings) {
    if (!base::is_full(warnings)) return;
    warnings.resize(base::kMaxErrors);
    warnings.push_back({fmt::format("there are more warnings: these are {} of them", base::kMaxErrors), {}, {}});
}

base::Errors PodPolicies::warnings(const Key& key) const {
    if (const PolicyState* policy = find_policy(key)) return warnings_of(key, *policy);
    const PodState* pod = find_state(key);
    return pod == nullptr ? base::Errors{} : warnings_of(key, *pod);
}

base::Errors PodPolicies::warnings_of(const Key& key, const PodState& pod) const {
    base::Errors warnings;
    if (pod.facts.host_network && !pod.port.empty()) {
        warnings.push_back({fmt::format("{} is in its host's network: policies aren't in force at port {}, which "
                                        "it is at, and select it nowhere", key.text(), pod.port),
                            "spec.hostNetwork", pod.place});
    }
    if (!is_peer(pod.facts)) return warnings;
    // Where its port declares addresses, they are the pod's.
    for (const IpAddress& given : pod.facts.addresses) {
        if (std::ranges::find(pod.addresses, given) != pod.addresses.end()) continue;
        std::string own;
        for (const IpAddress& address : pod.addresses) own += (own.empty() ? "" : ", ") + address.text();
        warnings.push_back({fmt::format("{}: its port {} declares {} and not {}: the port's addresses count",
                                        key.text(), pod.port, own, given.text()),
                            "status.podIP", pod.place});
    }
    for (const IpAddress& address : pod.addresses) {
        if (auto warning = shared_address(key, pod, address)) warnings.push_back(std::move(*warning));
    }
    return warnings;
}

std::optional<base::Error> PodPolicies::shared_address(const Key& key, const PodState& pod,
                                                       const IpAddress& address) const {
    const std::vector<PodState*>& claims = claims_.at(address);
    const PodState& winner = owner(claims);
    const PodState* other = &winner;
    if (&pod == &winner || !pod.port.empty()) {
        // Pods that are both at ports here are told apart by those.
        const auto is_rival = [&](const PodState* it) {
            return it != &pod && (pod.port.empty() || it->port.empty());
        };
        const auto rival = std::ranges::find_if(claims, is_rival);
        if (rival == claims.end()) return std::nullopt;
        other = *rival;
    }
    const Key& other_key = entries_[other->id]->first;
    const Key& winner_key = entries_[winner.id]->first;
    const std::string why =
        winner.port.empty() ? "which came later" : fmt::format("which is at port {}", winner.port);
    return base::Error{fmt::format("{} and {} both have the address {}: it is taken for that of {}, {}",
                                   key.text(), other_key.text(), address.text(), winner_key.text(), why),
                       pod.has_object ? "status.podIP" : "", pod.place};
}

base::Errors PodPolicies::warnings_of(const Key& key, const PolicyState& policy) const {
    base::Errors warnings;
    const bool selects = has_peer(policy.pods);
    if (!selects) {
        warnings.push_back({fmt::format("{} selects no pod", key.text()), "spec.podSelector", policy.place});
    }
    size_t scope = 0;  // the next one of the policy's peers
    for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
        const bool is_ingress = direction == Direction::kIngress;
        const auto& rules = is_ingress ? policy.facts.ingress : policy.facts.egress;
        for (size_t i = 0; i < rules.size(); ++i) {
            const std::string path = fmt::format("spec.{}[{}]", is_ingress ? "ingress" : "egress", i);
            std::vector<kube::ScopeId> destinations;  // of the rule's peers, if it is one of egress
            bool leads_to_all = rules[i].peers.empty();
            for (size_t peer = 0; peer < rules[i].peers.size(); ++peer) {
                if (rules[i].peers[peer].has_block) {
                    leads_to_all = true;  // pods may have these addresses
                    continue;
                }
                destinations.push_back(policy.peers[scope++]);
                if (has_peer(destinations.back())) continue;
                warnings.push_back({fmt::format("{}: the peer selects no pod", key.text()),
                                    fmt::format("{}.{}[{}]", path, is_ingress ? "from" : "to", peer),
                                    rules[i].place});
            }
            for (size_t port = 0; port < rules[i].ports.size(); ++port) {
                const kube::PolicyPort& named = rules[i].ports[port];
                // A policy that selects no pod yet leads to none that could lack the name.
                if (named.name.empty() || (is_ingress && !selects)) continue;
                const auto has_it = [&](kube::ScopeId pods) { return has_port(pods, named); };
                const bool is_there =
                    is_ingress     ? has_it(policy.pods)
                    : leads_to_all ? std::any_of(pods_.begin(), pods_.end(),
                                                 [&](const auto& it) { return has_port(it.second.facts, named); })
                                   : std::any_of(destinations.begin(), destinations.end(), has_it);
                if (is_there) continue;
                warnings.push_back({fmt::format("{}: no pod that the rule leads to has a {} port {}", key.text(),
                                                base::word_of(named.protocol), base::shown(named.name)),
                                    fmt::format("{}.ports[{}].port", path, port), rules[i].place});
            }
        }
    }
    return warnings;
}

bool PodPolicies::has_port(kube::ScopeId scope, const kube::PolicyPort& port) const {
    const std::vector<kube::PodId>& pods = selection_.pods_of(scope);
    return std::any_of(pods.begin(), pods.end(),
                       [&](kube::PodId id) { return has_port(entries_[id]->second.facts, port); });
}

bool PodPolicies::has_peer(kube::ScopeId scope) const {
    const std::vector<kube::PodId>& pods = selection_.pods_of(scope);
    return std::any_of(pods.begin(), pods.end(),
                       [&](kube::PodId id) { return is_peer(entries_[id]->second.facts); });
}

std::vector<kube::PodId> PodPolicies::peers_of(kube::ScopeId scope) const {
    std::vector<kube::PodId> pods = selection_.pods_of(scope);
    std::erase_if(pods, [&](kube::PodId id) { return !is_peer(entries_[id]->second.facts); });
    return pods;
}

bool PodPolicies::has_port(const kube::Pod& pod, const kube::PolicyPort& port) {
    return std::any_of(pod.ports.begin(), pod.ports.end(), [&](const kube::NamedPort& own) {
        return own.name == port.name && own.protocol == port.protocol;
    });
}

}  // namespace sluice::engine
