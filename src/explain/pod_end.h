// Pods as the ends of a made-up connection: of a dry run (trace), and of a query about policies. A pod is written
// NAMESPACE/NAME; a port's own pod, which has no Pod object, NAMESPACE/port:PORT. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/switch.h"
#include "explain/probe.h"

namespace sluice::explain {

using PodState = engine::PodPolicies::PodState;

// Whether a text can only name a pod: no port's name and no address has a '/'.
bool is_pod_name(std::string_view text);
// "shop/api", as users write it.
std::string pod_text(const kube::Key& key);

// The pod with that address: behind the port that declares it; if no port does, the one whose status says so.
// Null: there is none.
const kube::Key* find_pod_with(const engine::Switch& running, const IpAddress& address);
// An error says why there is no such pod, or why it has no address.
base::Result<kube::Key> find_pod(const engine::Switch& running, std::string_view text);
// Those of the pod's addresses that neither another pod nor a port without a pod has.
std::vector<IpAddress> own_addresses(const engine::Switch& running, const PodState& pod);
base::Result<const PodState*> find_pod_with_address(const engine::Switch& running, std::string_view text);
// The pod's first address of a family that it has.
IpAddress address_of(const engine::Switch& running, const PodState& pod, bool v4);
// The family of a connection between two ends, each of which is a pod, a port or an address: one that both have.
base::Result<bool> is_v4_between(const engine::Switch& running, const std::string& from, const std::string& to);

// The number that the pod at that end gives to the name. Null: the end is no pod.
base::Result<uint16_t> find_port_number(const engine::Switch& running, const kube::Key* pod, std::string_view end,
                                        wire::Protocol protocol, std::string_view name);

// The same question in terms of ports, addresses and numbers. A pod at a port of this switch becomes that port
// with the pod's address, a pod elsewhere becomes its address. `port_name`: the destination's name for its port;
// empty: the question has the number.
base::Result<Question> resolve_pods(const engine::Switch& running, Question question, std::string_view port_name);

}  // namespace sluice::explain
