#include "pod/pods.h"

#include <algorithm>
#include <bit>

namespace sluice::pod {
namespace {

bool matches_peer(const Rule& rule, const Peer& peer) noexcept {
    if (!rule.has_peers) return true;
    if (peer.pod != nullptr) {
        for (const uint32_t scope : rule.scopes) {
            if (peer.pod->is_in(scope)) return true;
        }
    }
    return !peer.is_forged && std::any_of(rule.blocks.begin(), rule.blocks.end(), [&](const Block& block) {
        return block.contains(peer.address);
    });
}

bool matches_port(const PortMatch& match, const Pod* destination, const Service& service) noexcept {
    if (match.protocol != service.protocol) return false;
    if (match.name == 0) return match.first <= service.port && service.port <= match.last;
    if (destination == nullptr) return false;
    return std::any_of(destination->ports.begin(), destination->ports.end(), [&](const NamedPort& port) {
        return port.name == match.name && port.protocol == service.protocol && port.number == service.port;
    });
}

bool matches_ports(const Rule& rule, const Pod* destination, const Service& service) noexcept {
    if (!rule.has_ports) return true;
    return service.has_port && std::any_of(rule.ports.begin(), rule.ports.end(), [&](const PortMatch& match) {
               return matches_port(match, destination, service);
           });
}

}  // namespace

bool Block::contains(const IpAddress& address) const noexcept {
    return cidr.contains(address) && std::none_of(except.begin(), except.end(), [&](const IpPrefix& prefix) {
               return prefix.contains(address);
           });
}

Answer judge(const Pod& pod, Direction direction, const Peer& peer, const Pod* destination,
             const Service& service) noexcept {
    const auto way = static_cast<size_t>(direction);
    Answer answer;
    for (const SharedPolicy& policy : pod.policies) {
        if (!policy->isolates[way]) continue;
        answer.is_isolated = true;
        for (const Rule& rule : policy->rules[way]) {
            if (!matches_ports(rule, destination, service) || !matches_peer(rule, peer)) continue;
            answer.object = rule.object;
            return answer;
        }
    }
    // Nobody is kept from itself.
    if (!answer.is_isolated || peer.pod == &pod) return answer;
    answer.permits = false;
    answer.object = pod.denial[way];
    return answer;
}

void Pods::reserve(size_t addresses) {
    slots_.clear();
    if (addresses != 0) slots_.resize(std::bit_ceil(2 * addresses));
}

void Pods::add(const IpAddress& address, SharedPod pod) {
    uint64_t at = hash(address);
    while (slots_[at & (slots_.size() - 1)].pod != nullptr) ++at;
    slots_[at & (slots_.size() - 1)] = {address, std::move(pod)};
}

}  // namespace sluice::pod
