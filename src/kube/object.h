// Kubernetes objects as manifests describe them: the parts that the switch acts on, and the whole object as JSON
// for whoever asks for it. Namespace, Pod (core/v1) and NetworkPolicy (networking.k8s.io/v1).
//
// An Object is complete: its defaults are filled in, and it was validated as the API server does it (manifest.h).
// This folder knows no packets and no ports. Any thread; plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "kube/selector.h"
#include "sluice/address.h"

namespace sluice::kube {

enum class Kind : uint8_t { kNamespace, kPod, kNetworkPolicy };
constexpr auto names(Kind) {
    return std::array{base::Name{Kind::kNamespace, "Namespace"}, base::Name{Kind::kPod, "Pod"},
                      base::Name{Kind::kNetworkPolicy, "NetworkPolicy"}};
}

std::optional<Kind> find_kind(std::string_view word);

// What an object is found by.
struct Key {
    Kind kind = Kind::kNamespace;
    std::string name_space;  // empty: the kind has none
    std::string name;

    // "networkpolicy shop/api", "namespace shop"
    std::string text() const;

    auto operator<=>(const Key&) const = default;
};

enum class Protocol : uint8_t { kTcp = 6, kUdp = 17, kSctp = 132 };
constexpr auto names(Protocol) {
    return std::array{base::Name{Protocol::kTcp, "TCP"}, base::Name{Protocol::kUdp, "UDP"},
                      base::Name{Protocol::kSctp, "SCTP"}};
}

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
    std::variant<Namespace, Pod, NetworkPolicy> spec;
    std::string json;   // the object as it was given, with its defaults for name and namespace
    base::Place place;  // where its document begins

    const Pod& pod() const { return std::get<Pod>(spec); }
    const NetworkPolicy& policy() const { return std::get<NetworkPolicy>(spec); }
};

// The label that every namespace has: its name.
inline constexpr std::string_view kNamespaceName = "kubernetes.io/metadata.name";
inline constexpr std::string_view kDefaultNamespace = "default";

}  // namespace sluice::kube
