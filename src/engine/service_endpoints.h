// The endpoints of Kubernetes Services: made from EndpointSlices, an Endpoints object or pods, as the API's
// controllers make them; and which of them get connections, as kube-proxy chooses. Pure functions on plain values.
// Control thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "kube/object.h"
#include "service/frontend.h"

namespace sluice::engine {

// A pod as Services see it: an object, or what stands behind a port with labels of its own.
struct ServicePod {
    kube::Labels labels;
    std::vector<IpAddress> addresses;
    std::vector<kube::NamedPort> ports;
    bool is_ready = true;
    bool is_terminating = false;
    bool is_over = false;  // it has run to its end
    bool is_here = false;  // behind a port of this switch
    std::string node_name;
    std::string host_name;  // in the headless Service `subdomain`
    std::string subdomain;

    bool operator==(const ServicePod&) const = default;
};

enum class EndpointState : uint8_t {
    kReady,
    kServing,      // terminating, and still serving: gets connections where no endpoint is ready
    kTerminating,  // not serving any more
    kNotReady,
};
constexpr auto names(EndpointState) {
    using enum EndpointState;
    return std::array{base::Name{kReady, "ready"}, base::Name{kServing, "terminating, serving"},
                      base::Name{kTerminating, "terminating"}, base::Name{kNotReady, "not ready"}};
}

// Of one port of a Service.
struct ServiceEndpoint {
    IpAddress address;
    uint16_t port = 0;
    EndpointState state = EndpointState::kReady;
    bool is_here = false;  // on this host
    std::optional<kube::Key> pod;
    std::string host_name;  // in DNS; empty: none

    bool operator==(const ServiceEndpoint&) const = default;
};
using ServiceEndpoints = std::vector<ServiceEndpoint>;

EndpointState state_of(bool is_ready, bool is_serving, bool is_terminating);
// Of the conditions that an EndpointSlice gives.
EndpointState state_of(const kube::Endpoint& endpoint);
// Of the pod, as the EndpointSlice controller does it.
EndpointState state_of(const ServicePod& pod, const kube::Service& service);
// The number of the pod's port that a Service's port leads to; 0: the pod has no port of that name.
uint16_t target_of(const kube::ServicePort& port, const ServicePod& pod);
// By address and port, each once: of several the one in the best state.
void arrange(ServiceEndpoints& endpoints);

// Which endpoints of a Service a front end takes.
struct BackendChoice {
    bool v4 = true;
    kube::TrafficPolicy policy = kube::TrafficPolicy::kCluster;

    auto operator<=>(const BackendChoice&) const = default;
};
// As workers have them. Those that are ready get new connections; if there is none, those that serve while they
// terminate. All others keep the TCP connections that they have.
std::vector<service::Backend> backends_of(const ServiceEndpoints& endpoints, BackendChoice choice,
                                          uint32_t object);

}  // namespace sluice::engine
