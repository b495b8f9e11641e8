// What containers, pods and Services are called: from the configuration and Kubernetes' objects to the table that
// the DNS responder answers from (dns/names.h). It follows changes object by object, so one of ten thousand
// Services costs what its own names cost.
//
// Services and pods have the names of Kubernetes' DNS schema 1.1.0. They are for askers in the routing domain that
// Services are in (main), and a pod at a port of this host for askers in its network's domain: others couldn't
// reach the addresses. Control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dns/names.h"
#include "engine/config.h"
#include "engine/kube_services.h"
#include "engine/service_endpoints.h"
#include "router/sections.h"

namespace sluice::engine {

class DnsNames {
 public:
    static constexpr std::string_view kSchemaVersion = "1.1.0";

    // The settings and the networks. Ports are to be set anew if their networks are others. Returns whether the
    // Services are to be set anew, since the cluster's domain is another one.
    bool arrange(const Config& config, const std::map<std::string, path::NetworkId, std::less<>>& networks);
    // `leased`: what the port's guest has beside the addresses that the port declares.
    void set_port(const Config& config, const port::PortConfig& port, path::PortId id,
                  const std::vector<IpAddress>& leased = {});
    void remove_port(const std::string& name);
    // Null: the pod is gone. `domain`: the flow domain of its port's network; empty: it is at no port.
    void set_pod(const kube::Key& key, const ServicePod* pod, const std::string& domain);
    // Null: the Service is gone.
    void set_service(const kube::Key& key, const KubeServices::Known* service);

    // Null: nothing has changed since the last call.
    std::shared_ptr<const dns::Names> take();

 private:
    struct Pod {
        std::vector<IpAddress> addresses;
        std::string domain;
    };
    using Records = std::vector<dns::NamesTable::Named>;

    std::string in_zone(std::string_view name) const;
    void set_pod(const kube::Key& key, const Pod& pod);
    void add_headless(const std::string& base, const KubeServices::Known& service, Records& records) const;
    void add_cluster_ip(const std::string& base, const KubeServices::Known& service, Records& records) const;

    dns::NamesTable table_;
    dns::Settings settings_;
    dns::Scope services_{};  // who may ask for them
    std::string domain_;     // of the cluster
    std::map<std::string, path::PortId> ports_;
    std::map<kube::Key, Pod> pods_;
    std::map<std::string, base::Place> networks_;  // that have names of their own
};

// Where the switch answers DNS queries in the network: its gateways. Empty: it doesn't.
std::vector<IpAddress> dns_addresses(const NetworkConfig& network);

// What runtimes write into a container's resolv.conf.
struct ResolverSettings {
    std::vector<IpAddress> nameservers;
    std::vector<std::string> search;
    std::vector<std::string> options;
};
// `name_space`: of a pod of Kubernetes; empty: it is another container.
ResolverSettings resolver_settings(const Config& config, const NetworkConfig& network,
                                   const std::vector<InterfaceAddress>& addresses, const std::string& name_space);

}  // namespace sluice::engine
