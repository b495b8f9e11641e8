// From Kubernetes' Services, EndpointSlices, Endpoints, Nodes and pods to front ends, as workers ask them.
//
// It follows changes of objects and pods step by step: a change marks the Services that it concerns, and only
// their front ends are made anew. The result depends on the objects alone, not on the order of changes. If two
// Services have one address and port, a declared Service has it before an applied one; of two declared or two
// applied ones, the one whose name comes first has it. Control thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/object_numbers.h"
#include "engine/service_addresses.h"
#include "engine/service_endpoints.h"
#include "engine/service_front.h"
#include "kube/store.h"

namespace sluice::engine {

class KubeServices {
 public:
    explicit KubeServices(ObjectNumbers& numbers) : numbers_(numbers) {}
    KubeServices(const KubeServices&) = delete;

    // This host: the name of its Node object, and the addresses that node ports are reached by, beside the Node's.
    void set_host(std::string node, const std::vector<IpAddress>& addresses);
    const std::string& node() const { return node_; }
    // In which Services have their addresses.
    void set_domain(path::FlowDomain domain);
    // Where clients outside can't be hidden from back ends at other hosts.
    struct OpenLink {
        std::string network;
        IpPrefix subnet;
    };
    void set_open_links(std::vector<OpenLink> links) { open_links_ = std::move(links); }
    const std::vector<OpenLink>& open_links() const { return open_links_; }
    void apply(const kube::Change& change);
    void set_pod(const kube::Key& key, ServicePod pod);
    void remove_pod(const kube::Key& key);

    // What is to be changed in the workers' front ends since the last call.
    ServiceFrontChanges take_changes();

    // The Services that have other ports or endpoints since the last call, or are gone.
    std::set<kube::Key> take_rebuilt() { return std::exchange(rebuilt_, {}); }
    // All Services count as such.
    void rebuild_all();

    // What is in use, to choose addresses beside it.
    const ServiceAddresses& addresses() const { return addresses_; }
    // What is allowed and hardly meant: a selector that matches no pod.
    base::Errors warnings(const kube::Key& service) const;

    // What is answered at a healthCheckNodePort: how many pods here are ready endpoints of the Service.
    struct HealthCheck {
        uint16_t port = 0;
        uint32_t local_endpoints = 0;
    };
    const std::map<kube::Key, HealthCheck>& health_checks() const { return health_checks_; }

    // --- for queries ---

    struct PortState {
        kube::ServicePort port;
        ServiceEndpoints endpoints;
        std::string reason;  // why none of them gets new connections; empty: one does
    };
    struct Description {
        const kube::Service* facts = nullptr;
        base::Place place;
        std::vector<PortState> ports;
        bool hides_clients = false;  // those outside, from back ends at other hosts
        std::string trouble;         // of these clients; empty: there is none
    };
    // None: there is no such Service.
    std::optional<Description> describe(const kube::Key& key) const;

    // What a Service is known by in DNS.
    struct Known {
        const kube::Service* facts = nullptr;
        base::Place place;
        std::vector<ServiceEndpoints> by_port;
        ServiceEndpoints endpoints;  // whatever their ports: those have the number 0
    };
    // None: there is no such Service.
    std::optional<Known> find(const kube::Key& key) const;

 private:
    using Built = std::map<std::pair<size_t, BackendChoice>, service::SharedBackends>;  // by the index of a port
    using Label = std::pair<std::string, std::string>;                                  // "NAMESPACE/KEY", value
    using Key = kube::Key;
    struct State {
        kube::SharedStored stored;
        std::optional<Label> listed;  // by which pods find it
        std::vector<ServiceFront> fronts;  // ascending
        Built built;

        const kube::Service& facts() const { return stored->object.service(); }
    };
    using Services = std::map<Key, State>;
    using Pods = std::map<Key, ServicePod>;
    using Claims = std::map<service::FrontendKey, std::vector<const Services::value_type*>>;

    static Key service_key(const kube::Object& object, const std::string& name) {
        return {kube::Kind::kService, object.key.name_space, name};
    }
    static Label label_of(const std::string& name_space, const std::pair<std::string, std::string>& label) {
        return {name_space + "/" + label.first, label.second};
    }
    void change_service(const kube::Changed& it);
    void change_slice(const kube::Changed& it);
    void change_endpoints(const kube::Changed& it);
    void change_node(const kube::Changed& it);
    void list_selector(Services::value_type& service);
    void unlist_selector(Services::value_type& service);
    void mark(const Key& service) { dirty_.insert(service); }
    // The Services that select the pod.
    void mark_selecting(const std::string& name_space, const kube::Labels& labels);
    // Front ends that depend on where endpoints are, or on this host's addresses.
    void mark_local();
    void mark_node_ports();
    void count_here(const ServicePod& pod, int by);

    enum class Source { kNone, kSlices, kEndpoints, kPods };
    Source source_of(const Services::value_type& service) const;
    std::vector<const Pods::value_type*> selected(const Services::value_type& service) const;
    ServiceEndpoints endpoints_of(const Services::value_type& service, const kube::ServicePort& port) const {
        return endpoints_of(service, &port);
    }
    // Without a port: all, with the number 0.
    ServiceEndpoints endpoints_of(const Services::value_type& service, const kube::ServicePort* port) const;
    void add_endpoints(const kube::EndpointSubset& subset, const kube::ServicePort* port,
                       ServiceEndpoints& endpoints) const;
    void add_endpoints(const Services::value_type& service, const kube::ServicePort* port,
                       ServiceEndpoints& endpoints) const;
    bool is_here(const kube::Endpoint& endpoint) const;
    std::string reason_of(const Services::value_type& service, const kube::ServicePort& port,
                          const ServiceEndpoints& endpoints) const;
    std::vector<IpAddress> node_addresses() const;
    // What is wrong with the way from outside to back ends at other hosts; empty: nothing.
    std::string trouble_of(const Services::value_type& service) const;
    std::vector<ServiceFront> make_fronts(Services::value_type& service, const std::vector<IpAddress>& nodes);
    void check_health(const Services::value_type& service);
    void rebuild(const Key& key, const std::vector<IpAddress>& nodes, std::set<service::FrontendKey>& touched);
    const ServiceFront* winner(const service::FrontendKey& key) const;

    ObjectNumbers& numbers_;
    path::FlowDomain domain_{};
    std::string node_;
    std::vector<IpAddress> own_addresses_;
    std::vector<OpenLink> open_links_;
    ServiceAddresses addresses_;
    Services services_;
    std::map<Key, std::map<Key, kube::SharedStored>> slices_;  // by the key of their Service
    std::map<Key, kube::SharedStored> endpoints_;              // likewise
    std::map<std::string, kube::SharedStored> nodes_;
    Pods pods_;
    std::map<Label, std::unordered_set<const Pods::value_type*>> pods_by_label_;
    std::map<Label, std::set<Key>> services_by_label_;  // each by one label of its selector
    std::set<Key> services_with_local_policy_;
    std::unordered_map<IpAddress, int> here_;  // addresses of pods on this host, each with their number
    std::map<Key, HealthCheck> health_checks_;
    std::set<Key> dirty_;
    std::set<Key> rebuilt_;
    Claims claims_;
};

}  // namespace sluice::engine
