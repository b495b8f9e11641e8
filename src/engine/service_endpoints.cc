#include "engine/service_endpoints.h"

#include <algorithm>
#include <tuple>

namespace sluice::engine {

EndpointState state_of(bool is_ready, bool is_serving, bool is_terminating) {
    if (is_ready) return EndpointState::kReady;
    if (!is_terminating) return EndpointState::kNotReady;
    return is_serving ? EndpointState::kServing : EndpointState::kTerminating;
}

EndpointState state_of(const kube::Endpoint& endpoint) {
    return state_of(endpoint.is_ready, endpoint.is_serving, endpoint.is_terminating);
}

EndpointState state_of(const ServicePod& pod, const kube::Service& service) {
    const bool is_ready = service.publishes_not_ready_addresses || (pod.is_ready && !pod.is_terminating);
    return state_of(is_ready, pod.is_ready, pod.is_terminating);
}

uint16_t target_of(const kube::ServicePort& port, const ServicePod& pod) {
    if (port.target_name.empty()) return port.target_number;
    for (const kube::NamedPort& named : pod.ports) {
        if (named.name == port.target_name && named.protocol == port.protocol) return named.number;
    }
    return 0;
}

void arrange(ServiceEndpoints& endpoints) {
    const auto place = [](const ServiceEndpoint& it) { return std::tie(it.address, it.port); };
    std::ranges::sort(endpoints, {},
                      [](const ServiceEndpoint& it) { return std::tie(it.address, it.port, it.state, it.pod); });
    const auto end = std::unique(endpoints.begin(), endpoints.end(),
                                 [&](const auto& a, const auto& b) { return place(a) == place(b); });
    endpoints.erase(end, endpoints.end());
}

std::vector<service::Backend> backends_of(const ServiceEndpoints& endpoints, BackendChoice choice,
                                          uint32_t object) {
    const auto is_taken = [&](const ServiceEndpoint& it) {
        return it.address.is_v4() == choice.v4 && (choice.policy == kube::TrafficPolicy::kCluster || it.is_here);
    };
    const auto has = [&](EndpointState state) {
        return std::ranges::any_of(endpoints, [&](const auto& it) { return is_taken(it) && it.state == state; });
    };
    const EndpointState chosen = has(EndpointState::kReady) ? EndpointState::kReady : EndpointState::kServing;
    std::vector<service::Backend> backends;
    for (const ServiceEndpoint& it : endpoints) {
        if (!is_taken(it)) continue;
        const auto state = it.state == chosen ? service::State::kServing : service::State::kTerminating;
        backends.push_back({.address = it.address, .port = it.port, .state = state, .object = object});
    }
    if (backends.size() > service::Backends::kMax) backends.resize(service::Backends::kMax);
    return backends;
}

}  // namespace sluice::engine
