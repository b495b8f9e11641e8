// From the configuration and the ports as they are to the tables that workers read. Control thread.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "engine/switch.h"
#include "port/derived_mac.h"
#include "wire/address.h"

namespace sluice::engine {
namespace {

class Compiler {
 public:
    Compiler(const Config& config, const Parts& parts)
        : config_(config),
          parts_(parts),
          ports_(parts.ports),
          ids_(parts.network_ids),
          networks_(networks_of(config)),
          snapshot_(std::make_unique<view::Snapshot>()) {
        snapshot_->idle = config.workers.idle;
        snapshot_->queues.resize(parts.workers);
        size_t count = 0;
        for (const auto& [name, id] : ids_) {
            count = std::max<size_t>(count, path::index(id) + 1);
            by_name_.emplace(name, id);
        }
        snapshot_->networks.resize(count);
        snapshot_->macs.resize(count);
        vlans_.resize(count);
        for (const auto& network : networks_) add_network(network);
        add_policies();
        if (config.underlay) add_end_points(*config.underlay);
    }

    std::unique_ptr<view::Snapshot> run() {
        add_tunnels();
        for (const auto& [name, held] : ports_) {
            held_.push_back(&held);
            if (held.up) add_port(held);
        }
        add_owners();
        mark_tracked();
        add_mirrors();
        for (const HeldPort* held : held_) {
            if (!held->up) continue;
            slot_of(*held->port).set_plain();
            share_out_queues(slot_of(*held->port));
            if (held->port->has_link()) join_networks(slot_of(*held->port));
        }
        return std::move(snapshot_);
    }

 private:
    view::PortSlot& slot_of(const port::Port& port) { return snapshot_->slots[path::index(port.id())]; }

    void add_network(const NetworkConfig& config) {
        const path::NetworkId id = ids_.at(config.name);
        view::Network& network = snapshot_->networks[path::index(id)];
        network.macs = parts_.macs.at(config.name);
        network.table = network.macs.get();
        network.flat = config.flat;
        network.is_underlay = config.name == kUnderlay;
        network.subnets = config.subnets;
        network.flow_domain = parts_.flow_domains.at(flow_domain_of(config));
        snapshot_->macs[path::index(id)] = network.table;
        vlans_[path::index(id)] = config.vlan;
        if (config.vxlan) {
            network.vni = config.vxlan->vni;
            network.asker = path::mac_key(asker_mac(config, parts_.instance));
            guard_tunnels(network, config.vxlan->serves);
        }
        network.carries_tags = config.vxlan && config.vxlan->inner_vlan == vxlan::InnerVlan::kCarry;
        // Half-way through a change a domain may not be there yet.
        const auto domain = parts_.router.domains().find(config.domain);
        if (config.is_routed() && domain != parts_.router.domains().end()) {
            const MacAddress mac = router_mac(config, parts_.instance);
            network.mac = path::mac_key(mac);
            network.to_router = network.mac;
            network.domain = domain->second;
            network.routes = &domain->second->table;
            network.addresses = config.gateway;
            if (config.flat) network.addresses.push_back(flat_gateway(true));
            if (config.flat) network.addresses.push_back(flat_gateway(false));
            network.addresses.push_back(wire::link_local_of(mac.bytes));
        }
        network.answers = network.mac != 0 || network.vni != 0;
        if (network.answers) snapshot_->is_bridge = false;
    }

    void guard_tunnels(view::Network& network, const std::vector<path::Service>& serves) {
        const auto has = [&](path::Service service) {
            return std::find(serves.begin(), serves.end(), service) != serves.end();
        };
        auto guard = std::make_unique<guard::Guard>();
        guard->serves_dhcp = network.tunnels_serve_dhcp = has(path::Service::kDhcp);
        guard->serves_ra = has(path::Service::kRa);
        if (!guard->allows_all()) network.tunnel_guard = snapshot_->guards.emplace_back(std::move(guard)).get();
    }

    void add_policies() {
        for (const acl::AclConfig& config : config_.acls) {
            const acl::SharedList& list = parts_.acls.at(config.name);
            for (const acl::ApplyConfig& apply : config.apply) {
                acl::Policies* policies = policies_at(apply);
                // Half-way through a change it may name what is gone already.
                if (policies == nullptr) continue;
                const bool egress = apply.direction == acl::Direction::kEgress;
                auto& lists = egress ? policies->egress : policies->ingress;
                if (std::find(lists.begin(), lists.end(), list) == lists.end()) lists.push_back(list);
            }
        }
    }

    acl::Policies* policies_at(const acl::ApplyConfig& apply) {
        if (!apply.network.empty()) {
            const auto network = ids_.find(apply.network);
            return network == ids_.end() ? nullptr
                                         : &snapshot_->networks[path::index(network->second)].policies;
        }
        const auto port = ports_.find(apply.port);
        if (port == ports_.end()) return nullptr;
        const size_t at = path::index(port->second.port->id());
        if (snapshot_->port_policies.size() <= at) snapshot_->port_policies.resize(at + 1);
        return &snapshot_->port_policies[at];
    }

    // Connections are tracked in the flow domains where some policy may want to know of them.
    void mark_tracked() {
        std::set<path::FlowDomain> tracked;
        for (const view::Network& network : snapshot_->networks) {
            if (!network.policies.empty()) tracked.insert(network.flow_domain);
        }
        for (const HeldPort* held : held_) {
            if (snapshot_->policies_of(held->port->id()).empty()) continue;
            const view::PortSlot& slot = slot_of(*held->port);
            for (size_t i = 0; i < snapshot_->networks.size(); ++i) {
                if (slot.carries(path::NetworkId{static_cast<uint16_t>(i)})) {
                    tracked.insert(snapshot_->networks[i].flow_domain);
                }
            }
        }
        for (view::Network& network : snapshot_->networks) {
            network.is_tracked = tracked.contains(network.flow_domain);
        }
        snapshot_->has_policies = !tracked.empty();
    }

    void add_end_points(const vxlan::UnderlayConfig& config) {
        snapshot_->udp_port = wire::be16(config.udp_port);
        for (const auto& [address, length] : config.address) {
            if (address.is_v4()) {
                snapshot_->end_point = wire::be32(address.v4());
            } else {
                snapshot_->end_point_ipv6 = address.bytes;
            }
        }
    }

    void add_tunnels() {
        if (!config_.underlay) return;
        std::map<IpAddress, view::TunnelSlot*> slots;
        std::vector<vxlan::NumberTable<wire::be32>::Entry> remotes;
        std::vector<vxlan::NumberTable<wire::Ipv6Bytes>::Entry> remotes_ipv6;
        std::vector<vxlan::VniTable::Entry> vnis;
        for (const auto& [remote, held] : parts_.tunnels) {
            const auto& own = config_.underlay->address;
            auto local = std::find_if(own.begin(), own.end(), [&, &address = remote](const auto& a) {
                return a.address.is_v4() == address.is_v4();
            });
            if (local == own.end()) continue;
            auto tunnel = std::make_unique<view::TunnelSlot>();
            const bool full = vxlan::is_full(config_.underlay->checksum, !remote.is_v4());
            tunnel->headers =
                vxlan::make_tunnel(local->address, remote, config_.underlay->udp_port,
                                   full ? vxlan::UdpChecksum::kFull : vxlan::UdpChecksum::kZero);
            tunnel->hop = held.hop.get();
            tunnel->remote = held.remote.get();
            view::PortSlot& slot = snapshot_->slots[path::index(held.id)];
            slot.tunnel = tunnel.get();
            slot.horizon = view::kTunnels;
            slots[remote] = tunnel.get();
            if (remote.is_v4()) remotes.push_back({wire::be32(remote.v4()), path::index(held.id)});
            if (!remote.is_v4()) remotes_ipv6.push_back({remote.bytes, path::index(held.id)});
            snapshot_->tunnels.push_back(std::move(tunnel));
        }
        for (const auto& config : networks_) {
            if (!config.vxlan) continue;
            const path::NetworkId id = ids_.at(config.name);
            vnis.push_back({config.vxlan->vni, id});
            for (const auto& remote : config.vxlan->remotes) {
                auto slot = slots.find(remote);
                if (slot == slots.end()) continue;
                slot->second->networks.set(path::index(id));
                snapshot_->networks[path::index(id)].tunnels.push_back(parts_.tunnels.at(remote).id);
            }
        }
        snapshot_->vnis = vxlan::VniTable(vnis);
        snapshot_->remotes.ipv4 = vxlan::NumberTable<wire::be32>(remotes);
        snapshot_->remotes.ipv6 = vxlan::NumberTable<wire::Ipv6Bytes>(remotes_ipv6);
    }

    void add_port(const HeldPort& held) {
        port::Port& port = *held.port;
        const port::PortConfig& config = port.config();
        view::PortSlot& slot = slot_of(port);
        slot.port = &port;
        slot.mac_limit = config.mac_limit;
        slot.horizon = group(config.split_horizon);
        slot.floods = held.floods.get();
        slot.guard = guard_of(port);
        if (config.trunk) {
            slot.trunk = trunk_of(*config.trunk);
        } else if (auto network = by_name_.find(network_of(config_, config)); network != by_name_.end()) {
            slot.network = network->second;
        }
    }

    // Last, when the slots are complete: a queue holds what its port's slot says.
    void share_out_queues(const view::PortSlot& slot) {
        const auto workers = static_cast<uint16_t>(snapshot_->queues.size());
        for (uint16_t queue = 0; queue < slot.port->receive_queues(); ++queue) {
            snapshot_->queues[view::worker_of(slot.port->id(), queue, workers)].push_back(
                slot.queue(queue, slot.port->wake(queue)));
        }
    }

    const vlan::Trunk* trunk_of(const port::TrunkConfig& config) {
        auto trunk = std::make_unique<vlan::Trunk>();
        trunk->network_of.fill(path::kNoNetworkId);
        trunk->id_of.assign(snapshot_->networks.size(), vlan::kNotCarried);
        auto carry = [&](const std::string& name, bool native) {
            // Half-way through a change a port may name what is gone already.
            const auto network = by_name_.find(name);
            if (network == by_name_.end()) return;
            const path::NetworkId id = network->second;
            const uint16_t vlan =
                native ? vlan::kUntagged : vlans_[path::index(id)];
            if (!native && vlan == 0) return;
            trunk->network_of[vlan] = id;
            trunk->id_of[path::index(id)] = vlan;
        };
        for (const auto& name : config.networks) carry(name, false);
        if (!config.native.empty()) carry(config.native, true);
        return snapshot_->trunks.emplace_back(std::move(trunk)).get();
    }

    const guard::Guard* guard_of(const port::Port& port) {
        const port::PortConfig& config = port.config();
        auto guard = std::make_unique<guard::Guard>();
        guard->serves_dhcp = config.may_serve(port::Service::kDhcp);
        guard->serves_ra = config.may_serve(port::Service::kRa);
        if (config.is_guarded()) {
            guard->check_addresses = true;
            for (const auto& address : config.address) guard->addresses.push_back(address.address);
            if (auto mac = port.mac()) guard->mac = path::mac_key(*mac);
        }
        if (guard->allows_all()) return nullptr;
        guard->set_usual();
        return snapshot_->guards.emplace_back(std::move(guard)).get();
    }

    // Whose the addresses are that the configuration knows of.
    void add_owners() {
        using guard::Owners;
        std::vector<Owners::Entry> owners;
        std::vector<Owners::Entry> absent;
        std::vector<path::PortId> trusted;
        for (size_t i = 0; i < snapshot_->networks.size(); ++i) {
            for (const IpAddress& address : snapshot_->networks[i].addresses) {
                owners.push_back({path::NetworkId{static_cast<uint16_t>(i)}, Owners::kRouter, address});
            }
        }
        for (const HeldPort* each : held_) {
            const HeldPort& held = *each;
            const port::PortConfig& config = held.port->config();
            if (config.spoofing == port::Spoofing::kAllow) trusted.push_back(held.port->id());
            const auto mac = held.port->mac();
            const bool is_absent = !held.up || !held.port->has_link();
            // A port with `spoofing: allow` may use the addresses of others, and others may use its own while it
            // is away.
            if (is_absent && config.is_guarded()) add_absent(absent, held);
            const uint64_t key = mac ? path::mac_key(*mac) : 0;
            each_network(config, [&](path::NetworkId id) {
                // In an overlay the container may be on another host by now.
                const bool is_overlay = snapshot_->networks[path::index(id)].vni != 0;
                if (!holds_addresses(held) && (is_overlay || !config.is_guarded())) return;
                for (const auto& own : config.address) owners.push_back({id, held.port->id(), own.address, key});
                if (key != 0) owners.push_back({id, held.port->id(), wire::link_local_of(mac->bytes), key});
            });
        }
        for (const auto& config : networks_) {
            if (!config.vxlan) continue;
            for (const auto& entry : config.vxlan->statics) {
                const auto tunnel = parts_.tunnels.find(entry.remote);
                if (tunnel == parts_.tunnels.end()) continue;
                for (const auto& address : entry.address) {
                    owners.push_back({ids_.at(config.name), tunnel->second.id, address, path::mac_key(entry.mac)});
                }
            }
        }
        snapshot_->owners = Owners(std::move(owners), trusted);
        std::erase_if(absent, [&](const Owners::Entry& entry) {
            const Owners::Entry* owner = snapshot_->owners.find(entry.network, entry.address);
            return owner != nullptr && owner->port != entry.port;
        });
        snapshot_->absent = Owners(std::move(absent), {});
    }

    void add_absent(std::vector<guard::Owners::Entry>& absent, const HeldPort& held) const {
        const port::PortConfig& config = held.port->config();
        each_network(config, [&](path::NetworkId id) {
            // In an overlay the container may be on another host by now.
            if (snapshot_->networks[path::index(id)].vni != 0) return;
            for (const auto& own : config.address) absent.push_back({id, held.port->id(), own.address});
        });
    }

    // Of the networks that a port is in. Half-way through a change it may name what is gone already.
    template <class Visit>
    void each_network(const port::PortConfig& port, Visit visit) const {
        const auto visit_named = [&](std::string_view name) {
            if (const auto network = by_name_.find(name); network != by_name_.end()) visit(network->second);
        };
        if (!port.trunk) return visit_named(network_of(config_, port));
        for (const std::string& name : port.trunk->networks) visit_named(name);
        visit_named(port.trunk->native);
    }

    // A group's number; 0 for none.
    uint16_t group(const std::string& name) {
        if (name.empty()) return 0;
        return groups_.emplace(name, static_cast<uint16_t>(groups_.size() + 1)).first->second;
    }

    void add_mirrors() {
        std::map<std::string, view::Mirrors> by_port;
        for (const mirror::MirrorConfig& config : config_.mirrors) {
            const port::Port* to = up(config.to);
            auto filter = wire::Filter::compile(config.filter);
            if (to == nullptr || !filter) continue;
            const auto& kept = snapshot_->filters.emplace_back(
                std::make_unique<wire::Filter>(std::move(*filter)));
            const port::Mirror mirror{slot_of(*to).port, kept.get()};
            for (const auto& from : config.from) {
                if (config.direction != mirror::Direction::kTransmitted) by_port[from].in.push_back(mirror);
                if (config.direction != mirror::Direction::kReceived) by_port[from].out.push_back(mirror);
            }
        }
        snapshot_->witnesses = parts_.witnesses;
        for (const auto& capture : parts_.captures) {
            path::Capture* to = snapshot_->captures.emplace_back(capture).get();
            if (to->port().empty()) {
                snapshot_->drop_captures.push_back(to);
                continue;
            }
            by_port[to->port()].in.push_back({nullptr, &to->filter(), to, path::Captured::kFromPort});
            by_port[to->port()].out.push_back({nullptr, &to->filter(), to, path::Captured::kToPort});
        }
        for (auto& [name, mirrors] : by_port) {
            const auto* port = up(name);
            if (port == nullptr) continue;
            slot_of(*port).mirrors =
                snapshot_->mirrors.emplace_back(std::make_unique<view::Mirrors>(std::move(mirrors))).get();
        }
    }

    const port::Port* up(const std::string& name) const {
        auto held = ports_.find(name);
        return held != ports_.end() && held->second.up ? held->second.port.get() : nullptr;
    }

    void join_networks(const view::PortSlot& slot) {
        // There may be thousands of ports and hundreds of networks: most ports are in one.
        if (slot.trunk == nullptr) {
            if (slot.network == path::kNoNetworkId) return;
            snapshot_->networks[path::index(slot.network)].members.push_back(slot.exit(slot.network));
            return;
        }
        for (size_t i = 0; i < snapshot_->networks.size(); ++i) {
            const path::NetworkId id{static_cast<uint16_t>(i)};
            if (slot.carries(id)) snapshot_->networks[i].members.push_back(slot.exit(id));
        }
    }

    const Config& config_;
    const Parts& parts_;
    const Ports& ports_;
    const NetworkIds& ids_;
    std::vector<const HeldPort*> held_;  // all ports, in their order: a walk through a map of thousands is slow
    std::unordered_map<std::string_view, path::NetworkId> by_name_;  // the same
    std::vector<NetworkConfig> networks_;
    std::unique_ptr<view::Snapshot> snapshot_;
    std::vector<uint16_t> vlans_;  // by NetworkId
    std::map<std::string, uint16_t> groups_;
};

}  // namespace

std::unique_ptr<view::Snapshot> compile(const Config& config, const Parts& parts) {
    return Compiler(config, parts).run();
}

MacAddress router_mac(const NetworkConfig& network, const std::string& instance) {
    if (network.gateway_mac) return *network.gateway_mac;
    if (!network.vxlan) return port::host_mac("router:" + instance + ":" + network.name);
    std::string words = fmt::format("router:vni:{}", network.vxlan->vni);
    for (const auto& gateway : network.gateway) words += ":" + gateway.text();
    return port::derived_mac(words);
}

MacAddress asker_mac(const NetworkConfig& network, const std::string& instance) {
    return port::host_mac("asker:" + instance + ":" + network.name);
}

}  // namespace sluice::engine
