// THE TABLES: what workers read. The control thread compiles a Snapshot from the configuration and the state of
// the ports, publishes it (path::Published) and frees the one before after a grace period. A published snapshot
// never changes. The next one may begin as its copy: the copy shares what slots and networks point to, and the
// tables that learn (MAC addresses).
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "acl/policies.h"
#include "bridge/flood_limit.h"
#include "bridge/mac_table.h"
#include "flow/generations.h"
#include "guard/guard.h"
#include "guard/owners.h"
#include "nat/rules.h"
#include "path/witness.h"
#include "pod/pods.h"
#include "port/egress.h"
#include "port/port.h"
#include "route/domain.h"
#include "route/next_hop.h"
#include "service/affinity.h"
#include "service/probes.h"
#include "service/services.h"
#include "view/idle.h"
#include "vlan/vlan.h"
#include "vxlan/remote.h"
#include "vxlan/tunnel.h"
#include "vxlan/vni_table.h"
#include "wire/layers.h"
#include "wire/vlan.h"

namespace sluice::view {

// The way to a remote end point, as a port of the networks that span to it.
struct TunnelSlot {
    vxlan::Tunnel headers;
    const std::atomic<route::HopId>* hop;               // in the underlay
    vxlan::Remote* remote;                       // what workers learn of it
    std::bitset<path::kMaxNetworks> networks;

    // Bytes of a frame that it carries, where the underlay's port sends frames of `max_frame` bytes.
    uint32_t most(uint32_t max_frame) const noexcept {
        const uint32_t mtu = remote->path_mtu.get();
        if (unlikely(mtu != 0)) {
            max_frame = std::min(max_frame, mtu + static_cast<uint32_t>(sizeof(wire::EthernetHeader)));
        }
        return max_frame - headers.overhead();
    }
};

// By NetworkId. The router's side of a network comes first: routed packets read it.
struct alignas(64) Network {
    uint64_t to_router = UINT64_MAX;    // destination of what is the router's: `mac`, or what no frame has
    uint64_t mac = 0;                   // the router's own there, path::mac_key(); 0: not routed
    const route::Table* routes = nullptr;  // of its routing domain
    bridge::MacTable* table = nullptr;     // macs
    uint32_t vni = 0;                   // 0: no overlay
    bool flat = false;
    bool is_underlay = false;           // tunnel packets come and go there
    bool only_tunnels = false;          // and nothing else does
    bool answers = false;               // the switch looks at ARP and ND there
    bool is_tracked = false;            // its flow domain has policies
    bool carries_tags = false;          // frames with VLAN tags go into its tunnels, and come out of them
    path::FlowDomain flow_domain{};
    bool serves_dns = false;   // the switch answers at the router's addresses
    bool serves_dhcp = false;  // it gives stations their addresses: DHCP, and router advertisements
    bool tunnels_serve_dhcp = true;
    const guard::Guard* tunnel_guard = nullptr;  // own_guard: of what comes out of its tunnels; null: all may pass
    uint64_t asker = UINT64_MAX;        // that asks for neighbors in an overlay without a router; else no frame's

    std::shared_ptr<bridge::MacTable> macs;
    std::vector<port::Exit> members;    // ports that are up and have a link, by PortId
    std::vector<path::PortId> tunnels;  // to which is flooded as well
    std::vector<IpAddress> addresses;   // of the router, its link-local one included
    std::vector<IpPrefix> subnets;
    std::shared_ptr<const route::Domain> domain;
    std::shared_ptr<const guard::Guard> own_guard;
    acl::Policies policies;                  // of each of its ports
};

struct QueueRef {
    port::Port* port;
    uint16_t queue;
    port::Wake wake;
    path::NetworkId network;  // of the port's slot, for the metadata of each packet
    bool unusual;
    path::Guarded guarded;

    bool polled() const noexcept { return wake == port::Wake::kNever; }
};

// Of a port: what looks at the frames that come from it, and at those that leave by it.
struct Mirrors {
    std::vector<port::Mirror> in;
    std::vector<port::Mirror> out;
};

// A port as the path sees it. What most ports don't have is behind a pointer that is null.
struct alignas(64) PortSlot {
    port::Port* port = nullptr;                     // null: no such port, or down
    path::NetworkId network = path::kNoNetworkId;     // of untagged frames
    uint16_t horizon = 0;                           // split-horizon group: kTunnels, or as configured
    uint32_t mac_limit = 0;
    const vlan::Trunk* trunk = nullptr;
    const Mirrors* mirrors = nullptr;
    port::Port* plain = nullptr;                    // `port`, where a frame leaves as it is and unseen
    const guard::Guard* guard = nullptr;
    bridge::FloodLimiter* floods = nullptr;
    const TunnelSlot* tunnel = nullptr;             // instead of `port`

    // Of what comes from it: more to look at than which network it is in, and its guard.
    bool is_unusual() const noexcept {
        return network == path::kNoNetworkId || trunk != nullptr || has_mirrors_in() || mac_limit != 0 ||
               horizon != 0;
    }
    path::Guarded guarded() const noexcept {
        if (guard == nullptr || is_unusual()) return path::Guarded::kNot;
        return guard->mac != 0 ? path::Guarded::kOwnMac : path::Guarded::kAnyMac;
    }
    bool is_up() const noexcept { return port != nullptr || tunnel != nullptr; }
    bool has_mirrors_in() const noexcept { return mirrors != nullptr && !mirrors->in.empty(); }
    const std::vector<port::Mirror>* mirrors_out() const noexcept {
        return mirrors == nullptr || mirrors->out.empty() ? nullptr : &mirrors->out;
    }
    // Computes `plain` from the other members: called after they are set.
    void set_plain() noexcept {
        plain = trunk == nullptr && mirrors_out() == nullptr && tunnel == nullptr ? port : nullptr;
    }
    [[gnu::always_inline]] bool carries(path::NetworkId id) const noexcept {
        return network == id || (trunk != nullptr && trunk->carries(id)) ||
               (tunnel != nullptr && tunnel->networks[path::index(id)]);
    }
    QueueRef queue(uint16_t number, port::Wake wake) const noexcept {
        return {port, number, wake, network, is_unusual(), guarded()};
    }
    port::Exit exit(path::NetworkId id) const noexcept {
        const uint16_t vlan = trunk != nullptr ? trunk->id_of[path::index(id)] : vlan::kUntagged;
        return {port, vlan, trunk != nullptr && vlan == vlan::kUntagged, horizon, mirrors_out()};
    }
};
static_assert(sizeof(PortSlot) == 64);

// What a port's slot points to.
struct SlotParts {
    std::unique_ptr<const vlan::Trunk> trunk;
    std::unique_ptr<const guard::Guard> guard;
    Mirrors mirrors;

    bool empty() const noexcept {
        return trunk == nullptr && guard == nullptr && mirrors.in.empty() && mirrors.out.empty();
    }
};

struct Snapshot {
    uint64_t generation = 0;
    flow::Generations flow_generations;  // of flows that its tables decide; newer ones may be told since
    Idle idle = Idle::kAdaptive;
    std::array<PortSlot, path::kMaxPorts> slots;  // by PortId
    std::vector<Network> networks;                  // by NetworkId
    std::vector<bridge::MacTable*> macs;            // theirs, by NetworkId
    bool is_bridge = true;                          // nothing is routed, and no network spans hosts
    bool has_policies = false;                      // connections are tracked in some network
    std::shared_ptr<const pod::Pods> pods;          // null: there are neither pods nor policies
    bool has_translation = false;                   // there are Services or NAT rules
    std::shared_ptr<const service::Services> services;  // null: none
    std::shared_ptr<service::Affinity> affinity;        // null: no Service asks for it
    std::shared_ptr<const nat::Rules> nat;              // null: none
    std::shared_ptr<service::Probes> probes;            // null: no back end is checked
    std::shared_ptr<const service::ProbeTargets> probe_targets;  // of these; null likewise
    std::vector<std::vector<QueueRef>> queues;  // by WorkerId: the receive queues it polls, by PortId

    // The underlay, if there is one.
    wire::be16 udp_port{};               // of VXLAN
    wire::be32 end_point{UINT32_MAX};    // this host's, on IPv4; else what nobody sends to it alone
    wire::Ipv6Bytes end_point_ipv6{0xff};  // and on IPv6
    vxlan::VniTable vnis;            // to NetworkId
    vxlan::EndPointTable remotes;    // to the PortId of the tunnel

    // By PortId, as many as are needed for those that have any; null: none has.
    std::shared_ptr<const std::vector<acl::Policies>> port_policies;
    inline static const acl::Policies kNoPolicies;

    const acl::Policies& policies_of(path::PortId port) const noexcept {
        const size_t at = path::index(port);
        return port_policies != nullptr && at < port_policies->size() ? (*port_policies)[at] : kNoPolicies;
    }
    const acl::Policies& policies_of(path::NetworkId network) const noexcept {
        const size_t at = path::index(network);
        return at < networks.size() ? networks[at].policies : kNoPolicies;
    }

    guard::Owners owners;            // of the addresses in all networks
    guard::Owners absent;            // of the addresses of ports that are down or have no link

    // A mapping of its own for each. Each change makes a snapshot and frees the one before; on the heap, small
    // objects would settle in the room of that, and with each change the heap would grow by a snapshot.
    static void* operator new(size_t size);
    static void operator delete(void* memory, size_t size) noexcept;

    // The port that is away and whose address this is; null: there is none, or another port has the address now.
    const guard::Owners::Entry* find_absent(path::NetworkId network, const IpAddress& address) const noexcept {
        const guard::Owners::Entry* away = absent.find(network, address);
        const guard::Owners::Entry* owner = owners.find(network, address);
        return away != nullptr && owner != nullptr && owner->port != away->port ? nullptr : away;
    }

    // They own what slots and members point to.
    std::vector<std::shared_ptr<const SlotParts>> parts;  // by PortId; null: the slot points to nothing
    std::vector<std::shared_ptr<const TunnelSlot>> tunnels;
    std::vector<std::shared_ptr<const wire::Filter>> filters;  // of the mirrors, in the configuration's order
    std::vector<path::PortId> mirrored;                        // ports whose slots have mirrors
    std::map<std::string, uint16_t> horizons;                  // numbers of split-horizon groups
    std::vector<std::shared_ptr<path::Capture>> captures;
    std::vector<path::Capture*> drop_captures;  // those of them that capture drops
    std::vector<std::shared_ptr<path::Witness>> witnesses;

    // Whether the switch alone has the address in that domain, beside its routers' own: a Service's, or one of
    // NAT's.
    bool owns(path::FlowDomain domain, const IpAddress& address) const noexcept {
        return (services != nullptr && services->owner(domain, address) != nullptr) ||
               (nat != nullptr && nat->owns({domain, address}));
    }

    // Whether a packet from the underlay is for a tunnel end point of ours, as far as its destination
    // address says.
    [[gnu::always_inline]] bool is_end_point(const rte_mbuf* packet) const noexcept {
        constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
        constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
        const auto* ethernet = rte_pktmbuf_mtod(packet, const wire::EthernetHeader*);
        if (likely(ethernet->type.raw() == kIpv4 && packet->data_len >= kIp + sizeof(wire::Ipv4Header))) {
            return reinterpret_cast<const wire::Ipv4Header*>(ethernet + 1)->destination.raw() ==
                   end_point.raw();
        }
        return is_end_point_slowly(packet);
    }
    bool is_end_point_slowly(const rte_mbuf* packet) const noexcept;
};

// The split-horizon group of all tunnels: each remote end point gets a flood from where it begins
// (RFC 7348, 4.2 with head-end replication).
inline constexpr uint16_t kTunnels = 0xffff;

// Which worker polls a queue: never changes while the port lives, so that a change of the
// configuration reorders no port's packets.
constexpr uint16_t worker_of(path::PortId port, uint16_t queue, uint16_t workers) noexcept {
    return static_cast<uint16_t>((path::index(port) + queue) % workers);
}

}  // namespace sluice::view
