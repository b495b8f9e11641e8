// THE MODEL: everything that a user can configure, as plain data. A Config is read from one YAML file, together
// with the objects of the state file, which were added while running. It is validated as a whole, compared by
// value with the running one, and compiled into a Snapshot. Control thread.
//
// Each feature has its section's struct and keys; this file puts them together. config/sluice.yaml documents all
// keys, defaults and units; a test compares it with these.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "acl/acl_config.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/log.h"
#include "base/mistakes.h"
#include "dns/dns_config.h"
#include "engine/object_kind.h"
#include "flow/flow_config.h"
#include "kube/object.h"
#include "mirror/mirror_config.h"
#include "nat/nat_config.h"
#include "network/network_config.h"
#include "policy/policy_config.h"
#include "port/port_config.h"
#include "route/route_config.h"
#include "router/sections.h"
#include "service/service_config.h"
#include "view/idle.h"
#include "vxlan/vxlan_config.h"

namespace sluice::engine {

struct Machine;  // machine.h

// Folders below engine/ know these parts of the model.
using network::NetworkConfig;
using router::end_points_of;
using router::find_network;
using router::find_port;
using router::kUnderlay;
using router::networks_of;
using router::underlay_domain;
using router::underlay_network;

using MissedPorts = base::MissedNames;

struct WorkersConfig {
    std::vector<uint16_t> cores;  // empty: one worker, on the last core the process may use
    view::Idle idle = view::Idle::kAdaptive;

    bool operator==(const WorkersConfig&) const = default;
};

template <class V>
void fields(V& v, WorkersConfig& w) {
    v.optional("cores", w.cores);
    v.optional("idle", w.idle);
    v.check("cores", w.cores.size() <= path::kMaxWorkers, "are too many: 64 workers at most");
}

struct MemoryConfig {
    base::Bytes size{256ULL << 20};  // of all packet memory, where there are no hugepages
    uint32_t buffers = 32768;        // packet buffers of 2 KiB
    uint32_t large_buffers = 512;    // packet buffers of 64 KiB

    bool operator==(const MemoryConfig&) const = default;
};

template <class V>
void fields(V& v, MemoryConfig& m) {
    v.optional("size", m.size);
    v.check("size", m.size.value >= 16ULL << 20, "is too small: at least 16 MiB");
    v.optional("buffers", m.buffers, base::Range{1024, 1 << 24});
    v.optional("large-buffers", m.large_buffers, base::Range{64, 1 << 20});
}

struct ControlConfig {
    std::string socket = "/run/sluice/control.sock";
    std::string group = "sluice";
    std::string read_only_group;
    base::Bytes max_request{64ULL << 20};

    bool operator==(const ControlConfig&) const = default;
};

template <class V>
void fields(V& v, ControlConfig& c) {
    v.optional("socket", c.socket);
    v.optional("group", c.group);
    v.optional("read-only-group", c.read_only_group);
    v.optional("max-request", c.max_request);
    v.check("socket", c.socket.starts_with('/') && c.socket.size() < 100,
            "is not an absolute path of less than 100 characters");
    v.check("max-request", c.max_request.value >= 4096, "is too small: at least 4 KiB");
}

struct DpdkConfig {
    std::vector<std::string> args;  // further EAL arguments

    bool operator==(const DpdkConfig&) const = default;
};

template <class V>
void fields(V& v, DpdkConfig& d) {
    v.optional("args", d.args);
}

// The socket of the plug-in for docker (docker/server.h).
struct DockerConfig {
    std::string socket = "/run/docker/plugins/sluice.sock";

    bool operator==(const DockerConfig&) const = default;
};

template <class V>
void fields(V& v, DockerConfig& d) {
    v.optional("socket", d.socket);
    v.check("socket", d.socket.starts_with('/') && d.socket.size() < 100,
            "is not an absolute path of less than 100 characters");
}

struct LogConfig {
    base::log::Level level = base::log::Level::kNotice;

    bool operator==(const LogConfig&) const = default;
};

template <class V>
void fields(V& v, LogConfig& l) {
    v.optional("level", l.level);
}

struct Config {
    WorkersConfig workers;
    MemoryConfig memory;
    ControlConfig control;
    DpdkConfig dpdk;
    std::optional<DockerConfig> docker;  // none: no plug-in
    LogConfig log;
    std::string state = "/var/lib/sluice/state.json";
    std::vector<NetworkConfig> networks;
    std::optional<vxlan::UnderlayConfig> underlay;
    std::vector<port::PortConfig> ports;
    std::vector<route::RouteConfig> routes;
    std::vector<acl::AddressSetConfig> address_sets;
    std::vector<acl::AclConfig> acls;
    flow::FlowConfig flows;
    std::vector<mirror::MirrorConfig> mirrors;
    std::vector<service::ServiceConfig> services;
    service::RangesConfig service_ranges;
    dns::DnsConfig dns;
    std::string node;  // the name of this host's Node object; empty: this host's name
    std::vector<nat::NatConfig> nat;
    std::vector<nat::PublishConfig> publish;
    std::vector<std::string> manifests;  // files, and folders of files
    // What the manifests declare; null: nothing. The same list is the same objects.
    std::shared_ptr<const std::vector<kube::Object>> objects;
    policy::PolicyConfig policy;

    bool operator==(const Config&) const = default;
    // The sections that routing depends on, borrowed.
    operator router::Sections() const { return {networks, underlay, ports, routes}; }
};

template <class V>
void fields(V& v, Config& c) {
    v.optional("workers", c.workers);
    v.optional("memory", c.memory);
    v.optional("control", c.control);
    v.optional("dpdk", c.dpdk);
    v.optional("docker", c.docker);
    v.optional("log", c.log);
    v.optional("state", c.state);
    v.optional("networks", c.networks);
    v.optional("underlay", c.underlay);
    v.optional("ports", c.ports);
    v.optional("routes", c.routes);
    v.optional("address-sets", c.address_sets);
    v.optional("acls", c.acls);
    v.optional("flows", c.flows);
    v.optional("mirrors", c.mirrors);
    v.optional("services", c.services);
    v.optional("service-ranges", c.service_ranges);
    v.optional("dns", c.dns);
    v.optional("node", c.node);
    v.optional("nat", c.nat);
    v.optional("publish", c.publish);
    v.optional("manifests", c.manifests);
    v.optional("policy", c.policy);
    v.check("state", c.state.starts_with('/'), "is not an absolute path");
}

// The network of a port that is no trunk, the underlay's included; empty: the port is in none.
std::string_view network_of(const Config& config, const port::PortConfig& port);
// The ports by which tunnel packets may leave: the underlay's own; of a network its NICs and bonds, or else all of
// its ports.
std::vector<const port::PortConfig*> underlay_ports(const Config& config);
// The least MTU of these; 0: there is none.
uint16_t underlay_mtu(const Config& config);
// The networks that a port is in.
std::vector<std::string> networks_of(const Config& config, const port::PortConfig& port);
// The flow domain of a network: that of its routing domain, or its own. Connections of different flow domains are
// kept apart, even if their addresses are the same.
std::string flow_domain_of(const NetworkConfig& network);
std::string flow_domain_of_routes(std::string_view domain);
using FlowDomainNames = std::set<std::string>;
// The flow domains of the networks that a port is in.
FlowDomainNames flow_domains_of(const Config& config, const port::PortConfig& port);
// All published ports: first those of `publish`, then those that ports list themselves, in their order.
std::vector<nat::PublishConfig> published_in(const Config& config);
// The remote tunnel end points of all overlays.
std::set<IpAddress> remotes_of(const Config& config);
// The gateway of containers in a flat network that declares none. The switch answers ARP and Neighbor Discovery
// for it.
IpAddress flat_gateway(bool v4);
// The largest MTU (bytes) that a port in an overlay may have; none: the port is in no overlay.
std::optional<uint16_t> overlay_mtu(const Config& config, const port::PortConfig& port);

// Reads and validates a configuration file together with the ports that were added while running. Returns all
// errors at once.
tl::expected<Config, base::Errors> load_config(std::string_view text, std::string_view file,
                                               const std::vector<port::PortConfig>& added);
// The same, checked against the given machine instead of this one.
tl::expected<Config, base::Errors> load_config(std::string_view text, std::string_view file,
                                               const std::vector<port::PortConfig>& added,
                                               const Machine& machine);
// One route as given in a request.
tl::expected<route::RouteConfig, base::Errors> read_route(const base::Document& document);

// Checks what the sections say about each other: references, duplicates, addresses in their networks. `document`
// gives the places of the file's objects; may be null. `read` has the mistakes that the reader has found: mistakes
// that follow from those are left out. Returns at most base::kMaxErrors + 1 errors, and none if `read` is full.
base::Errors validate(const Config& config, const base::Document* document, const Machine& machine,
                      const base::Errors& read = {}, const MissedPorts& missed = {});
// The same for a configuration with objects that were added while running. They stand behind the declared ones.
//
//   the file         may name added ports, but no added network and no added address set
//   an added object  has a list of mistakes of its own. If an added port has a mistake, later ports may use its
//                    name, its addresses and its device. The file may name the ports in `missed`
//   an added ACL,    mirror or static entry may name a port or a network that doesn't exist
struct Verdict {
    using Place = std::pair<ObjectKind, size_t>;  // in the list of its kind
    base::Errors errors;                          // the file's
    std::map<Place, base::Errors> added;          // paths are those of the object's own keys
};
Verdict judge(const Config& config, const base::Document* document, const Machine& machine,
              const base::Errors& read, const MissedPorts& missed, const Declared& declared);
// Fills in values that follow from a valid configuration and that the kernel needs: lengths of addresses, MTUs of
// overlays, default routes.
void complete(Config& config);
// The same for one port. The order of ports decides about metrics: the port takes the place of the configuration's
// port of the same name. If there is none, it comes last.
void complete(const Config& config, port::PortConfig& port);
// The same for a port whose namespace has no other port.
void complete_first(const Config& config, port::PortConfig& port);
void sort_by_place(base::Errors& errors);

// The configuration as YAML. A comment names the origin of each object. Loading the text gives the same
// configuration.
std::string show(const Config& config);

}  // namespace sluice::engine
