// The switch as the control thread sees it: its ports and networks, their configuration, and the workers. Switch
// makes every change, as a whole or not at all, and each ends in one published snapshot and one grace period. A
// device that doesn't open or a container that is gone is no part of that transaction: the port is down, with its
// reason, and is tried again.
#pragma once

#include <rte_cycles.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/counted_log.h"
#include "engine/config.h"
#include "engine/diff.h"
#include "engine/dns_names.h"
#include "engine/event_log.h"
#include "engine/flow_domains.h"
#include "engine/flow_generations.h"
#include "engine/loop_watch.h"
#include "engine/pod_policies.h"
#include "engine/retry.h"
#include "engine/translation.h"
#include "engine/worker.h"
#include "path/published.h"
#include "policy/rule_log.h"
#include "router/added_routes.h"
#include "router/router.h"
#include "view/snapshot.h"

namespace sluice::engine {

using router::NetworkIds;
using router::Router;

// The traffic of a port up to some time, summed over all workers.
struct PortTraffic {
    uint64_t rx_packets = 0;
    uint64_t rx_bytes = 0;
    uint64_t tx_packets = 0;
    uint64_t tx_bytes = 0;
    Clock::time_point time{};

    struct Measured;
};
struct PortTraffic::Measured {
    PortTraffic before;  // about a second ago
    PortTraffic latest;
};

// An address that a guest behind a port has by a lease (src/dhcp).
struct LentAddress {
    std::string network;
    IpAddress address;
    MacAddress mac;

    bool operator==(const LentAddress&) const = default;
};
using LentAddresses = std::map<std::string, std::vector<LentAddress>>;  // by port

struct HeldPort {
    std::unique_ptr<port::Port> port;
    std::vector<LentAddress> lent = {};  // they belong to it as declared ones do
    bool up = false;
    bool is_watched = false;    // workers wait for its descriptors
    bool announce = false;      // it has come up, and its addresses are to be announced
    std::string loop;           // the port that it has a loop with, as LoopWatch sees it
    std::string reason;         // why it is down
    uint64_t downs = 0;         // how often it went from up to down
    Retry retry;                // while it is down
    PortTraffic::Measured traffic;
    // The rate of the port's flooded frames. It outlives the snapshots that point to it.
    std::unique_ptr<bridge::FloodLimiter> floods = std::make_unique<bridge::FloodLimiter>(rte_get_tsc_hz());

    const std::string& name() const noexcept { return port->config().name; }
    // Sets the flood limits: the configured ones, or lower ones while the port has a loop.
    void limit_floods();
};

// Whether the port is there, to use the addresses that are declared for it: while it has a link. A guest that is
// declared with a MAC address is waited for.
bool holds_addresses(const HeldPort& held);
// Whether the port may send from its leased addresses only, as others from their declared ones: a guest's port in
// a network whose stations make no addresses of their own.
bool is_held_to_lent(const Config& config, const HeldPort& held);

using Ports = std::map<std::string, HeldPort>;
using PortsById = std::vector<HeldPort*>;  // by PortId; null: no port has the number
using ChangedPorts = std::vector<HeldPort*>;
using MacTables = std::map<std::string, std::shared_ptr<bridge::MacTable>>;  // by network

// A remote end point of overlays: it has a PortId, as what stands behind it is learned behind a port.
struct HeldTunnel {
    path::PortId id;
    std::unique_ptr<std::atomic<route::HopId>> hop = std::make_unique<std::atomic<route::HopId>>(0);
    std::unique_ptr<vxlan::Remote> remote = std::make_unique<vxlan::Remote>();
    vxlan::RemoteState told = vxlan::RemoteState::kProbe;  // in the log
    uint32_t told_mtu = 0;
};
using Tunnels = std::map<IpAddress, HeldTunnel>;

using AclLists = std::map<std::string, acl::SharedList>;  // by name
using ActiveCaptures = std::vector<std::shared_ptr<path::Capture>>;
using Witnesses = std::vector<std::shared_ptr<path::Witness>>;

// The parts of a snapshot that are not in the configuration.
struct Parts {
    const Ports& ports;
    const PortsById& by_id;
    const MacTables& macs;
    const NetworkIds& network_ids;
    const Tunnels& tunnels;
    const Router& router;
    const AclLists& acls;
    const FlowDomains::Names& flow_domains;
    std::shared_ptr<const pod::Pods> pods;  // null: there are neither pods nor policies
    const Translation& translation;
    const std::string& instance;
    const ActiveCaptures& captures;
    const Witnesses& witnesses;
    size_t workers;
};

// Makes the workers' tables from the configuration and the state of the ports (compile.cc).
std::unique_ptr<view::Snapshot> compile(const Config& config, const Parts& parts);
// The same from the snapshot before, if only these ports have changed since: they are new, came up, went down or
// are gone. Their configuration is the same, and no list of rules is applied to a port that is new or gone.
std::unique_ptr<view::Snapshot> compile(const Config& config, const Parts& parts, const view::Snapshot& before,
                                        const ChangedPorts& changed);
// The router's MAC address in a network: the configured one, or a derived one, which never changes. In an overlay
// all hosts derive the same address, since they have the same gateway.
MacAddress router_mac(const NetworkConfig& network, const std::string& instance);
// The MAC address from which the switch asks for neighbors in an overlay. Each host has its own.
MacAddress asker_mac(const NetworkConfig& network, const std::string& instance);

// A worker's load over some span of time.
struct Load {
    uint64_t packets = 0;
    uint64_t batches = 0;
    uint64_t busy_cycles = 0;
    uint64_t cycles = 0;

    static Load of(const path::WorkerTotals& totals) noexcept {
        return {totals.received.get(), totals.batches.get(), totals.busy_cycles.get(),
                totals.cycles()};
    }
    Load since(const Load& earlier) const noexcept {
        return {packets - earlier.packets, batches - earlier.batches,
                busy_cycles - earlier.busy_cycles, cycles - earlier.cycles};
    }
};

class Switch {
 public:
    // `read_clock` measures how long attempts to open ports take.
    Switch(uint16_t workers, port::Pools pools, std::string instance, const flow::FlowConfig& flows = {},
           ReadClock read_clock = Clock::now);
    Switch(const Switch&) = delete;
    ~Switch();

    // Makes the running switch what `next` says, which must be valid. An error changes nothing; it
    // names what can't be changed while running.
    tl::expected<std::vector<Change>, base::Errors> apply(Config next, Clock::time_point now);

    // Add or delete one port on which nothing else in the configuration depends. A flow that leads to a deleted
    // port finds the port gone; while flows may name the port's number, no port gets it. So no flow is outdated,
    // but where a station without declared addresses may have used those of the new port.
    void add_port(const port::PortConfig& config, Clock::time_point now);
    void delete_port(const std::string& name);

    // Replaces the addresses that guests have by leases. Ports that there aren't get theirs when they are added.
    void lend(LentAddresses lent);

    // Gives Services addresses and node ports where these objects leave them open. To be called before they are
    // applied. Errors: they can't have what they ask for.
    base::Errors complete_objects(std::vector<kube::Object>& objects) const;
    // Kubernetes objects that are applied while running. Whether they may be, ask objects() before. They are in
    // force when it returns.
    void apply_objects(std::vector<kube::Object> objects, int64_t now);
    void remove_objects(const std::vector<kube::Key>& keys);
    // Those that were applied before, at the start: in force with the first configuration.
    void restore_objects(std::vector<kube::Stored> objects);
    // What is allowed and hardly meant of these objects; and what would be, if they were applied.
    base::Errors warnings_of(const std::vector<kube::Key>& objects) const;
    base::Errors consider_objects(const std::vector<kube::Object>& objects) const;

    // Carries out the health checks that are due, and takes the results of others. To be called every few
    // milliseconds while there are any.
    bool has_checks() const noexcept { return !translation_.checks().empty(); }
    void check_services(Clock::time_point now);
    // A back end of the configuration's Services gets no new connections from now on, or does again.
    base::Result<void> drain_backend(const std::string& service, const IpAddress& backend, bool drains);

    // Supervision: takes down ports whose device is gone, tries those that are down, ages MAC
    // addresses. To be called a few times a second.
    void tick(Clock::time_point now);
    // Takes over what devices have done by themselves (a guest came or went). To be called in every
    // tick, and when attention() polls readable.
    void attend();
    int attention() const noexcept { return attention_.get(); }

    const Config& config() const noexcept { return config_; }
    const Ports& ports() const noexcept { return ports_; }
    // The port with this number; null: there is none.
    const HeldPort* find_port(path::PortId id) const noexcept;
    // The ports that declare the address or have it by a lease, in the order of their names.
    std::vector<const HeldPort*> ports_with(const IpAddress& address) const;
    std::string port_without_pod(const IpAddress& address) const;
    const MacTables& macs() const noexcept { return macs_; }
    const NetworkIds& network_ids() const noexcept { return network_ids_; }
    const Tunnels& tunnels() const noexcept { return tunnels_; }
    const Router& router() const noexcept { return router_; }
    // From its return on, workers fill these captures and no others.
    void set_captures(ActiveCaptures captures);
    void set_witnesses(Witnesses witnesses);
    // The number of packets that wait for the neighbor's MAC address.
    uint16_t waiting_for(const neighbor::Entry& neighbor) { return router_.neighbors().waiting(neighbor); }
    // Changes routes while running. They must be valid. All are in force when it returns, or none.
    base::Result<void> change_routes(const route::Changes& changes);
    // The parts that AddedRoutes needs. Valid until the next change.
    router::Running routing() {
        return {config_, router_, [this](const route::Changes& changes) { return change_routes(changes); }};
    }
    const std::vector<std::unique_ptr<Worker>>& workers() const noexcept { return workers_; }
    // The load of a worker over the last second that tick() has measured.
    Load recent_load(size_t worker) const {
        return loads_[worker].latest.since(loads_[worker].before);
    }
    PortTraffic traffic(path::PortId id, Clock::time_point now) const;
    const AclLists& acls() const noexcept { return acls_; }
    // The name and place of the rule with this number; none: it is gone. Where several NetworkPolicies refuse a
    // packet together, all of them.
    std::vector<acl::Object> rules(uint32_t object) const;
    // The same of NetworkPolicies alone.
    std::vector<acl::Object> policies(uint32_t object) const;
    const kube::Store& objects() const noexcept { return objects_; }
    const PodPolicies& pod_policies() const noexcept { return pod_policies_; }
    const Translation& translation() const noexcept { return translation_; }
    // What the DNS responder answers from. The same table until a name has changed.
    const std::shared_ptr<const dns::Names>& names() const noexcept { return names_; }
    // `take` gets the table as it is, and each other one from then on. Null: nobody does.
    using TakeNames = std::function<void(const std::shared_ptr<const dns::Names>&)>;
    void tell_names(TakeNames take);
    const FlowDomains::Names& flow_domains() const noexcept { return flow_domains_.names(); }
    // The snapshot that workers use, for dry runs. Valid until the next change.
    const view::Snapshot& snapshot() const noexcept { return *snapshots_.get(); }
    // What it was compiled from, beside the configuration.
    Parts parts() const {
        return {ports_,
                by_id_,
                macs_,
                network_ids_,
                tunnels_,
                router_,
                acls_,
                flow_domains_.names(),
                pods_,
                translation_,
                context_.instance,
                captures_,
                witnesses_,
                workers_.size()};
    }
    neighbor::Table& neighbors() noexcept { return router_.neighbors(); }
    flow::Fragments& fragments() noexcept { return fragments_; }
    flow::Table& flows() noexcept { return flows_; }
    const flow::Table& flows() const noexcept { return flows_; }
    uint64_t generation() const noexcept { return generation_; }
    // Every flow is decided anew on its next packet.
    void outdate_all_flows();
    // Whether the number of a port, tunnel or network has been the same object's since that time (TSC).
    bool is_same_since(path::PortId id, uint64_t tsc) const {
        const auto freed = freed_ports_.find(id);
        return freed == freed_ports_.end() || tsc > freed->second;
    }
    bool is_same_since(path::NetworkId id, uint64_t tsc) const {
        const auto freed = freed_networks_.find(id);
        return freed == freed_networks_.end() || tsc > freed->second;
    }
    const port::Pools& pools() const noexcept { return context_.pools; }
    const std::string& instance() const noexcept { return context_.instance; }

 private:
    path::PortId free_id();
    std::optional<path::PortId> find_free_id() const;
    HeldPort& make(const port::PortConfig& config);
    HeldPort take(Ports::iterator port);
    void index_addresses(const HeldPort& held);
    void forget_addresses(const HeldPort& held);
    void watch(const port::Port& port, const view::Snapshot& snapshot);
    void unwatch(HeldPort& held);
    void open(HeldPort& held, Clock::time_point now);
    void fail(HeldPort& held, std::string reason, Clock::time_point now, Clock::duration took = {});
    void let_go(HeldPort& held);
    void destroy(HeldPort& held);
    void supervise(Clock::time_point now);
    void publish();
    void publish(const ChangedPorts& changed);
    void publish(std::unique_ptr<view::Snapshot> next, const ChangedPorts& changed);
    std::vector<path::NetworkId> arrange_tables(const Config& next);  // the numbers that became free
    void arrange_tunnels(const Config& next);
    void find_tunnels();
    void set_static_neighbors();
    void forget_neighbors();
    void age_neighbors(Clock::time_point now);
    void tell_next_hops(const neighbor::Table::Due& due, Clock::time_point now);
    void watch_tunnels(Clock::time_point now);
    void tell_tunnel(const IpAddress& remote, vxlan::RemoteState state, Clock::time_point now);
    void announce(const HeldPort& held);
    void tell_stations(const HeldPort& held);
    void ask(std::vector<responder::Chore> chores);
    bool speaks() const noexcept { return !router_.domains().empty() || !tunnels_.empty(); }
    void set_static_macs();
    void set_static_macs(const std::set<MacAddress>* only);
    void set_static_macs(const ChangedPorts& changed);
    bool may_have_squatters(const port::PortConfig& port) const;
    void set_static_neighbors(const HeldPort& held);
    void forget_static_neighbors(const HeldPort& held);
    template <class Take>
    void each_static_address(const HeldPort& held, Take take) const;
    bool is_static_behind_tunnel(std::string_view network, const IpAddress& address) const;
    void forget_macs(path::PortId id);
    void forget_macs(path::PortId id, const std::vector<std::string>& networks);
    // The ports of stations (switch_stations.cc).
    struct Home {
        path::PortId port;
        std::string name;
    };
    using StaticMacs = std::map<std::pair<std::string, MacAddress>, Home>;  // by network
    std::string place_of(path::PortId id) const;
    // Neighbors to ask whether they still have their address, by network and address, and the port that they are
    // behind.
    using Unverified = std::map<std::pair<path::NetworkId, IpAddress>, path::PortId>;
    void tell_arrival(const StaticMacs::key_type& place, const Home& home);
    void watch_departed();
    void watch_loops();
    void watch_stations();
    void verify_neighbors();
    void ask_unverified();
    void forget_silent();
    void suspect(const std::string& network, path::PortId tunnel);
    bool is_tunnel(path::PortId id) const;
    void begin_counters(path::PortId id);
    void reset_counters(path::PortId id);
    void arrange_policies();
    void arrange_pods();
    void attach_pod(const HeldPort& held);
    void declare_objects();
    void change_objects(const kube::Change& change);
    void take_objects(const kube::Change& change);
    ServiceAddresses service_addresses() const;
    void arrange_services();
    void arrange_names();
    void name_port(const HeldPort& held);
    void tell_backend(const service::HealthChecks::Change& change, Clock::time_point now);
    FlowDomainNames pod_domains() const;
    void outdate_flows_of_pods();
    void outdate_translated_flows();
    base::Errors warnings_of(const PodPolicies& policies, const KubeServices& services,
                             const std::vector<kube::Key>& objects) const;
    void tell_odd_objects() const;
    void tell_odd_port(const port::PortConfig& config) const;
    void tell_missing_pod(const port::PortConfig& config) const;
    void log_rules();
    void age_flows();
    std::set<path::FlowDomain> ids_of(const FlowDomainNames& domains) const;
    [[nodiscard]] std::unique_ptr<const flow::Generations> outdate_flows(const FlowDomainNames& domains);
    [[nodiscard]] std::unique_ptr<const flow::Generations> tell_generations();
    void age_macs();
    void measure_loads(Clock::time_point now);

    Config config_;
    ReadClock read_clock_;
    base::Fd attention_;  // eventfd
    path::Published<view::Snapshot> snapshots_;
    path::Grace grace_;
    port::Context context_;
    std::vector<std::unique_ptr<Worker>> workers_;
    Ports ports_;
    PortsById by_id_ = PortsById(path::kMaxPorts);
    LentAddresses lent_;
    std::unordered_multimap<IpAddress, const HeldPort*> by_address_;  // that ports declare or have by leases
    // The numbers of deleted ports that flows of these domains may still name. No port gets them.
    std::map<path::PortId, FlowDomainNames> retired_ids_;
    MacTables macs_;
    StaticMacs static_macs_;  // what they hold
    struct Departed {
        Home home;
        path::Seconds since;
    };
    std::map<StaticMacs::key_type, Departed> departed_;  // of them, what belongs to no port any more
    std::map<std::pair<std::string, path::PortId>, path::Seconds> suspects_;  // tunnels of networks, since when
    Unverified unverified_;
    Unverified::key_type verified_;  // the last one that was asked
    LoopWatch loop_watch_;
    path::Seconds stations_watched_ = 0;
    NetworkIds network_ids_;
    Tunnels tunnels_;
    ActiveCaptures captures_;
    Witnesses witnesses_;
    // When a number became free (TSC), of those that once did: workers' notes from before are of another.
    std::map<path::PortId, uint64_t> freed_ports_;
    std::map<path::NetworkId, uint64_t> freed_networks_;
    Router router_;
    AclLists acls_;
    uint32_t next_object_ = 1;  // what the next rule is known by
    kube::Store objects_;
    PodPolicies pod_policies_{next_object_};
    std::shared_ptr<const pod::Pods> pods_;
    Translation translation_{next_object_};
    DnsNames dns_names_;
    std::shared_ptr<const dns::Names> names_;
    TakeNames take_names_;
    FlowDomains flow_domains_;
    flow::Table flows_;
    flow::Fragments fragments_;
    policy::RuleLog rule_log_;
    base::CountedLog counted_log_;
    base::CountedLog moves_log_;      // of stations that have moved, which may be many
    base::CountedLog strangers_log_;  // of what strangers cause: they may fill it
    EventLog event_log_;
    FlowGenerations flow_generations_;
    path::Published<flow::Generations> told_generations_;
    uint64_t generation_ = 0;
    bool started_ = false;  // a configuration was applied
    // Of a change under way: their flows are outdated by each snapshot that is published, and when it is done.
    FlowDomainNames outdating_;
    path::Seconds aged_ = 0;
    path::Seconds neighbors_aged_ = 0;
    path::Seconds tunnels_watched_ = 0;
    path::Seconds flows_aged_ = 0;
    struct Measured {
        Load before;
        Load latest;
    };
    std::vector<Measured> loads_;  // by WorkerId
    Clock::time_point measured_{};
};

}  // namespace sluice::engine
