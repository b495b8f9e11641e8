// What the configuration and Kubernetes' objects make of addresses: Services, published ports and NAT rules, as
// workers ask them. Front ends, back ends and mappings that stay are kept, so that a change concerns only those
// connections that it means, and costs what it changes. If the configuration and a Kubernetes Service have one
// address and port, the configuration's counts. Control thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "acl/acl.h"
#include "engine/config.h"
#include "engine/flow_domains.h"
#include "engine/kube_services.h"
#include "engine/object_numbers.h"
#include "engine/service_front.h"
#include "flow/flow_table.h"
#include "nat/rules.h"
#include "router/router.h"
#include "service/affinity.h"
#include "service/health.h"
#include "service/probes.h"
#include "service/services.h"

namespace sluice::engine {

class Translation {
 public:
    // `next_object`: the number that the next object is known by.
    explicit Translation(uint32_t& next_object) : numbers_(next_object) {}

    // Puts in force what the configuration and Kubernetes' objects say, where these networks and flow domains have
    // these numbers. True: the switch answers for other addresses than before, on its networks' links.
    bool arrange(const Config& config, const router::NetworkIds& networks, const FlowDomains::Names& domains);

    const std::shared_ptr<const service::Services>& services() const { return services_; }
    const std::shared_ptr<service::Affinity>& affinity() const { return affinity_; }
    const std::shared_ptr<const nat::Rules>& rules() const { return rules_; }
    const std::shared_ptr<service::Probes>& probes() const { return probes_; }
    const std::shared_ptr<const service::ProbeTargets>& probe_targets() const { return probe_targets_; }
    // The addresses that clients outside reach, and NAT's. Where one lies on a network's link, the switch answers.
    std::vector<nat::Outside> answered() const;

    // The addresses whose connections may go elsewhere since this was last asked. `all`: those of every flow.
    struct Concerned {
        std::set<IpAddress> addresses;
        bool all = false;

        bool empty() const { return addresses.empty() && !all; }
    };
    Concerned take_concerned() { return std::exchange(concerned_, {}); }

    // Ageing has met this flow: its mapping is in use.
    void note(const flow::Keys& keys);
    // Ageing has met all flows since it was last said so.
    void sweep();

    // What clients outside become for back ends of Kubernetes Services at other hosts, which are reached by that
    // network: at most one address of each family, that this host alone has.
    struct ServiceSource {
        std::string network;
        path::NetworkId id{};
        std::vector<IpAddress> addresses;
        bool is_kernels = false;  // a host port's: the kernel takes ports of it, too

        bool operator==(const ServiceSource&) const = default;
    };
    // Those in use. None: no Service has clients outside whose back ends may be anywhere.
    const std::vector<ServiceSource>& service_sources() const { return named_.sources; }

    // What makes packets that arrive as the one leave as the other, in either direction.
    std::optional<acl::Object> find(const path::Tuple& arrives, const path::Tuple& leaves) const;
    // What a number stands for.
    std::optional<acl::Object> describe(uint32_t object) const { return numbers_.describe(object); }

    // Services of Kubernetes: to be told of changes. What follows from them is in force with arrange().
    KubeServices& kubernetes() { return kubernetes_; }
    const KubeServices& kubernetes() const { return kubernetes_; }

    // The checks of the configuration's Services. A change of a back end's state is in force with arrange(), if
    // its Service was named to change().
    service::HealthChecks& checks() { return checks_; }
    const service::HealthChecks& checks() const { return checks_; }
    void change(const std::string& service) { changed_.insert(service); }
    // Whether a back end drains beside what the configuration says. It lasts as long as the configuration has the
    // back end, and is in force with arrange(). Error: there is no such back end, or the configuration says it.
    base::Result<void> drain(const Config& config, const std::string& service, const IpAddress& backend,
                             bool drains);

    // --- for queries ---

    // Of a back end of the configuration's Services, at this port of its own: the check that it fails; null: none.
    const service::HealthChecks::Check* failing_check(const std::string& service, const IpAddress& address,
                                                      uint16_t port) const;

    using Front = ServiceFront;
    // In force.
    const std::map<service::FrontendKey, Front>& fronts() const { return fronts_; }
    struct Pool {
        std::string name;
        base::Place place;
        std::shared_ptr<nat::Mappings> mappings;
    };
    const std::map<std::string, Pool>& pools() const { return pools_; }

 private:
    using Fronts = std::map<service::FrontendKey, Front>;

    // What published ports and rules name, as it is by now. Other networks and ports come and go without effect.
    struct Published {
        path::FlowDomain domain{};
        std::vector<IpAddress> at;
        std::vector<IpAddress> to;

        bool operator==(const Published&) const = default;
    };
    struct Rule {
        bool is_there = false;  // its network out is
        path::FlowDomain domain{};
        path::NetworkId out{};
        std::bitset<path::kMaxNetworks> networks;
        std::vector<IpAddress> addresses;

        bool operator==(const Rule&) const = default;
    };
    struct Named {
        path::FlowDomain services{};
        path::NetworkId network = path::kNoNetworkId;  // one of these
        std::vector<Published> published;
        std::vector<Rule> rules;
        std::vector<ServiceSource> sources;
        base::PortRange node_ports;
        std::vector<nat::ReservedPorts> of_tunnels;

        bool operator==(const Named&) const = default;
    };
    using AllPublished = std::vector<nat::PublishConfig>;
    static Named named_by(const Config& config, const AllPublished& published, const router::NetworkIds& networks,
                          const FlowDomains::Names& domains);

    void arrange_fronts(const Config& config, const AllPublished& published, const Named& named,
                        std::set<service::FrontendKey>& touched);
    void arrange_checks(const Config& config);
    void arrange_changed(const Config& config, const Named& named, std::set<service::FrontendKey>& touched);
    void set_probe_targets(const Named& named);
    service::State state_of(const service::ServiceConfig& service, const service::PortConfig& port,
                            const service::BackendConfig& backend) const;
    void add_service(const service::ServiceConfig& service, path::FlowDomain domain, Fronts& wanted);
    void add_published(const nat::PublishConfig& published, const Published& named, Fronts& wanted);
    void take_kubernetes(std::set<service::FrontendKey>& touched);
    // Puts in force what these front ends are by now.
    void settle(const std::set<service::FrontendKey>& touched);
    void count_external(const service::Frontend& frontend, int by);
    void arrange_rules(const Config& config, const AllPublished& published, const Named& named);
    void add_service_pools(const Config& config, const AllPublished& published, const Named& named,
                           nat::Rules& rules, std::map<std::string, Pool>& pools);
    std::shared_ptr<nat::Mappings> mappings_of(const std::string& name, nat::MappingsSettings settings,
                                               const AllPublished& published, const Named& named);

    ObjectNumbers numbers_;
    KubeServices kubernetes_{numbers_};
    Fronts declared_;       // of the configuration
    Fronts of_kubernetes_;  // of its Services
    Fronts fronts_;         // in force
    std::map<std::string, Pool> pools_;
    std::vector<service::ServiceConfig> of_services_;
    std::vector<nat::NatConfig> of_nat_;
    AllPublished published_;
    Named named_;
    std::map<nat::Outside, int> external_;  // of front ends for clients outside, with the number of these
    int hiding_ = 0;                        // front ends that hide clients
    bool answers_others_ = false;           // than at the last arrange()
    std::shared_ptr<const service::Services> services_;  // null: there are none
    std::shared_ptr<service::Affinity> affinity_;
    std::shared_ptr<const nat::Rules> rules_;
    service::HealthChecks checks_;
    std::shared_ptr<service::Probes> probes_;                     // null: there are no checks
    std::shared_ptr<const service::ProbeTargets> probe_targets_;  // likewise
    std::set<std::string> changed_;                               // Services with back ends in another state
    std::set<std::pair<std::string, IpAddress>> drained_;         // while running
    Concerned concerned_;
};

}  // namespace sluice::engine
