// Service, Endpoints (core/v1), EndpointSlice (discovery.k8s.io/v1) and Node (core/v1): the parts that the switch
// acts on, with the API server's defaults. Addresses and node ports that an object leaves open are not chosen
// here. Any thread; plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/key.h"
#include "kube/selector.h"
#include "sluice/address.h"

namespace sluice::kube {

enum class ServiceType : uint8_t { kClusterIp, kNodePort, kLoadBalancer, kExternalName };
constexpr auto names(ServiceType) {
    return std::array{base::Name{ServiceType::kClusterIp, "ClusterIP"},
                      base::Name{ServiceType::kNodePort, "NodePort"},
                      base::Name{ServiceType::kLoadBalancer, "LoadBalancer"},
                      base::Name{ServiceType::kExternalName, "ExternalName"}};
}

enum class IpFamily : uint8_t { kIpv4, kIpv6 };
constexpr auto names(IpFamily) {
    return std::array{base::Name{IpFamily::kIpv4, "IPv4"}, base::Name{IpFamily::kIpv6, "IPv6"}};
}
inline IpFamily family_of(const IpAddress& address) {
    return address.is_v4() ? IpFamily::kIpv4 : IpFamily::kIpv6;
}

enum class IpFamilyPolicy : uint8_t { kSingleStack, kPreferDualStack, kRequireDualStack };
constexpr auto names(IpFamilyPolicy) {
    return std::array{base::Name{IpFamilyPolicy::kSingleStack, "SingleStack"},
                      base::Name{IpFamilyPolicy::kPreferDualStack, "PreferDualStack"},
                      base::Name{IpFamilyPolicy::kRequireDualStack, "RequireDualStack"}};
}

enum class TrafficPolicy : uint8_t { kCluster, kLocal };
constexpr auto names(TrafficPolicy) {
    return std::array{base::Name{TrafficPolicy::kCluster, "Cluster"}, base::Name{TrafficPolicy::kLocal, "Local"}};
}

struct ServicePort {
    std::string name;  // may be empty if the service has one port
    Protocol protocol = Protocol::kTcp;
    uint16_t port = 0;
    uint16_t target_number = 0;  // 0: the pods' port is found by target_name
    std::string target_name;
    uint16_t node_port = 0;  // 0: none was given

    bool operator==(const ServicePort&) const = default;
};

struct Service {
    ServiceType type = ServiceType::kClusterIp;
    bool is_headless = false;
    // Without labels it selects no pods: its endpoints are given by Endpoints or EndpointSlices alone.
    Labels selector;
    std::vector<ServicePort> ports;

    // As given: at most one of each family. The first `cluster_ips.size()` of the families are theirs.
    std::vector<IpAddress> cluster_ips;
    std::vector<IpFamily> ip_families;  // as far as given; the host's own order completes them
    IpFamilyPolicy ip_family_policy = IpFamilyPolicy::kSingleStack;

    // Addresses for clients outside. Each once.
    std::vector<IpAddress> external_ips;
    // Of a LoadBalancer: those of its status, but not a proxy's. While the status is empty: the one that its spec
    // asks for.
    std::vector<IpAddress> load_balancer_ips;
    // Clients that may use these. Empty: all.
    std::vector<IpPrefix> load_balancer_source_ranges;
    // Ports without a node port get one: of a NodePort, and of a LoadBalancer that doesn't decline.
    bool allocates_node_ports = false;
    uint16_t health_check_node_port = 0;  // 0: none was given

    uint32_t affinity_seconds = 0;  // sessionAffinity ClientIP; 0: None
    TrafficPolicy internal_traffic_policy = TrafficPolicy::kCluster;
    TrafficPolicy external_traffic_policy = TrafficPolicy::kCluster;
    bool publishes_not_ready_addresses = false;
    std::string external_name;  // of an ExternalName, without a final dot

    bool operator==(const Service&) const = default;
};

// Of the API's addresses of one endpoint, which are interchangeable, the first.
struct Endpoint {
    IpAddress address;
    bool is_ready = true;
    bool is_serving = true;
    bool is_terminating = false;
    std::string node_name;   // empty: unknown
    std::optional<Key> pod;  // that it is an address of
    std::string host_name;   // in DNS; empty: none was given

    bool operator==(const Endpoint&) const = default;
};

struct EndpointPort {
    std::string name;  // of the Service's port
    Protocol protocol = Protocol::kTcp;
    uint16_t port = 0;

    bool operator==(const EndpointPort&) const = default;
};

// Each of its endpoints has each of its ports.
struct EndpointSubset {
    std::vector<Endpoint> endpoints;
    std::vector<EndpointPort> ports;

    bool operator==(const EndpointSubset&) const = default;
};

// Has the namespace and name of its Service.
struct Endpoints {
    std::vector<EndpointSubset> subsets;

    bool operator==(const Endpoints&) const = default;
};

enum class AddressType : uint8_t { kIpv4, kIpv6, kFqdn };
constexpr auto names(AddressType) {
    return std::array{base::Name{AddressType::kIpv4, "IPv4"}, base::Name{AddressType::kIpv6, "IPv6"},
                      base::Name{AddressType::kFqdn, "FQDN"}};
}

struct EndpointSlice {
    std::string service;  // in the slice's namespace; empty: it belongs to none
    AddressType address_type = AddressType::kIpv4;
    EndpointSubset subset;  // without endpoints if they are names (kFqdn)

    bool operator==(const EndpointSlice&) const = default;
};

// The label of an EndpointSlice that names its Service.
inline constexpr std::string_view kServiceName = "kubernetes.io/service-name";

enum class NodeAddressType : uint8_t { kInternalIp, kExternalIp, kHostname, kInternalDns, kExternalDns };
constexpr auto names(NodeAddressType) {
    return std::array{base::Name{NodeAddressType::kInternalIp, "InternalIP"},
                      base::Name{NodeAddressType::kExternalIp, "ExternalIP"},
                      base::Name{NodeAddressType::kHostname, "Hostname"},
                      base::Name{NodeAddressType::kInternalDns, "InternalDNS"},
                      base::Name{NodeAddressType::kExternalDns, "ExternalDNS"}};
}

struct NodeAddress {
    NodeAddressType type = NodeAddressType::kInternalIp;
    IpAddress address;

    bool operator==(const NodeAddress&) const = default;
};

struct Node {
    std::vector<NodeAddress> addresses;  // those that are IP addresses, each once
    std::vector<IpPrefix> pod_cidrs;     // at most one of each family

    bool operator==(const Node&) const = default;
};

}  // namespace sluice::kube
