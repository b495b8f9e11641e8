// Kubernetes objects as manifests describe them: the parts that the switch acts on, and the whole object as JSON
// for whoever asks for it. Namespace, Pod (core/v1) and NetworkPolicy (networking.k8s.io/v1) stand here; service.h
// has Service, Endpoints, EndpointSlice and Node.
//
// An Object is complete: its defaults are filled in, and it was validated as the API server does it (manifest.h).
// This folder knows no packets and no ports. Any thread; plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "kube/key.h"
#include "kube/selector.h"
#include "kube/service.h"
#include "sluice/address.h"

namespace sluice::kube {

struct Namespace {
    bool operator==(const Namespace&) const = default;
};

struct NamedPort {
    std::string name;
    Protocol protocol = Protocol::kTcp;
    uint16_t number = 0;

    bool operator==(const NamedPort&) const = default;
};

struct Pod {
    bool host_network = false;
    // It has run to its end (phase Succeeded or Failed), and owns no address any more.
    bool is_over = false;
    // For the endpoints of Services: the condition Ready. A pod whose status has no conditions is ready.
    bool is_ready = true;
    bool is_terminating = false;  // it is being deleted
    std::string node_name;
    std::string host_name;  // its name in the headless Service `subdomain`; empty: it has none
    std::string subdomain;
    std::vector<IpAddress> addresses;  // of its status
    // Of its containers and of its sidecars (init containers that are restarted always).
    std::vector<NamedPort> ports;

    bool operator==(const Pod&) const = default;
};

// --- NetworkPolicy: what its comments in the API's types say ---

struct PolicyPort {
    Protocol protocol = Protocol::kTcp;
    // Both 0 and no name: every port of the protocol.
    uint16_t first = 0;
    uint16_t last = 0;
    std::string name;

    bool operator==(const PolicyPort&) const = default;
};

struct IpBlock {
    IpPrefix cidr;
    std::vector<IpPrefix> except;  // each lies in the cidr

    bool contains(const IpAddress& address) const;

    bool operator==(const IpBlock&) const = default;
};

// One peer of a rule: pods, or a block of addresses.
struct Peer {
    // Without `pods`: all pods of the namespaces. Without `namespaces`: the policy's own.
    bool has_pods = false;
    bool has_namespaces = false;
    bool has_block = false;
    Selector pods;
    Selector namespaces;
    IpBlock block;

    bool operator==(const Peer&) const = default;
};

struct PolicyRule {
    std::vector<Peer> peers;        // empty: everyone
    std::vector<PolicyPort> ports;  // empty: every port of every protocol
    base::Place place;

    bool operator==(const PolicyRule&) const = default;
};

struct NetworkPolicy {
    Selector pods;  // of the policy's namespace
    bool isolates_ingress = false;
    bool isolates_egress = false;
    std::vector<PolicyRule> ingress;  // means nothing without isolates_ingress
    std::vector<PolicyRule> egress;

    bool operator==(const NetworkPolicy&) const = default;
};

struct Object {
    Key key;
    Labels labels;
    std::variant<Namespace, Pod, NetworkPolicy, Service, Endpoints, EndpointSlice, Node> spec;
    std::string json;   // the object as it was given, with its defaults for name and namespace
    base::Place place;  // where its document begins

    const Pod& pod() const { return std::get<Pod>(spec); }
    const NetworkPolicy& policy() const { return std::get<NetworkPolicy>(spec); }
    const Service& service() const { return std::get<Service>(spec); }
    const Endpoints& endpoints() const { return std::get<Endpoints>(spec); }
    const EndpointSlice& endpoint_slice() const { return std::get<EndpointSlice>(spec); }
    const Node& node() const { return std::get<Node>(spec); }
};

// The label that every namespace has: its name.
inline constexpr std::string_view kNamespaceName = "kubernetes.io/metadata.name";
inline constexpr std::string_view kDefaultNamespace = "default";

}  // namespace sluice::kube
