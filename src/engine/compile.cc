// Makes the workers' tables from the configuration and the state of the ports. Control thread.
//
// The compiler removes ports from a snapshot and adds them as they are now. For a change of some ports it begins
// with a copy of the snapshot before; otherwise with the networks, policies and tunnels alone, to which it adds
// all ports. So both ways give the same tables.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "engine/switch.h"
#include "port/derived_mac.h"
#include "wire/address.h"

namespace sluice::engine {
namespace {

using guard::Owners;

// Where the port's entries are, or belong, in a list that is ordered by PortId.
template <class List>
auto place_in(List& list, const port::Port& port) {
    return std::lower_bound(list.begin(), list.end(), port.id(),
                            [](const auto& entry, path::PortId id) { return entry.port->id() < id; });
}

class Compiler {
 public:
    // From nothing.
    Compiler(const Config& config, const Parts& parts)
        : Compiler(config, parts, std::make_unique<view::Snapshot>()) {
        snapshot_->idle = config.workers.idle;
        snapshot_->queues.resize(parts.workers);
        size_t count = 0;
        for (const auto& [name, id] : parts.network_ids) count = std::max<size_t>(count, path::index(id) + 1);
        snapshot_->networks.resize(count);
        snapshot_->macs.resize(count);
        for (const auto& network : networks_of(config)) add_network(network);
        add_policies();
        if (config.underlay) add_tunnels(*config.underlay);
        for (const mirror::MirrorConfig& mirror : config.mirrors) add_filter(mirror);
        for (const HeldPort* held : parts.by_id) {
            if (held != nullptr) change(*held);
        }
    }

    // From the snapshot before.
    Compiler(const Config& config, const Parts& parts, const view::Snapshot& before, const ChangedPorts& changed)
        : Compiler(config, parts, std::make_unique<view::Snapshot>(before)) {
        for (const HeldPort* held : changed) change(*held);
    }

    std::unique_ptr<view::Snapshot> run() {
        add_mirrors();
        for (const HeldPort* held : changed_) {
            if (held != nullptr) remove(*held);
        }
        for (const HeldPort* held : changed_) {
            if (held != nullptr && is_there(*held)) add(*held);
        }
        for (auto& [network, addresses] : addresses_) {
            snapshot_->owners.replace(network, std::move(addresses.owners));
            snapshot_->absent.replace(network, std::move(addresses.absent));
        }
        snapshot_->pods = parts_.pods;
        snapshot_->services = parts_.translation.services();
        snapshot_->affinity = parts_.translation.affinity();
        snapshot_->nat = parts_.translation.rules();
        snapshot_->probes = parts_.translation.probes();
        snapshot_->probe_targets = parts_.translation.probe_targets();
        snapshot_->has_translation = snapshot_->services != nullptr || snapshot_->nat != nullptr;
        mark_tracked();
        return std::move(snapshot_);
    }

 private:
    Compiler(const Config& config, const Parts& parts, std::unique_ptr<view::Snapshot> snapshot)
        : config_(config), parts_(parts), snapshot_(std::move(snapshot)), changed_(path::kMaxPorts) {
        for (const auto& [name, id] : parts.network_ids) by_name_.emplace(name, Named{id, 0});
        for (const NetworkConfig& network : config.networks) {
            // Half-way through a change a network may have no number yet.
            const auto named = by_name_.find(network.name);
            if (named != by_name_.end()) named->second.vlan = network.vlan;
        }
    }

    view::PortSlot& slot_of(const port::Port& port) { return snapshot_->slots[path::index(port.id())]; }
    view::Network& network_of(path::NetworkId id) { return snapshot_->networks[path::index(id)]; }

    void change(const HeldPort& held) { changed_[path::index(held.port->id())] = &held; }
    bool is_there(const HeldPort& held) const { return parts_.by_id[path::index(held.port->id())] == &held; }

    // --- networks ---

    void add_network(const NetworkConfig& config) {
        const path::NetworkId id = parts_.network_ids.at(config.name);
        view::Network& network = network_of(id);
        network.macs = parts_.macs.at(config.name);
        network.table = network.macs.get();
        network.flat = config.flat;
        network.is_underlay = config.name == underlay_network(config_);
        network.only_tunnels = config.name == kUnderlay;
        network.subnets = config.subnets;
        network.flow_domain = parts_.flow_domains.at(flow_domain_of(config));
        snapshot_->macs[path::index(id)] = network.table;
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
            network.serves_dns = config.dns.enabled;
            network.serves_dhcp = config.dhcp.has_value();
            if (config.flat) network.addresses.push_back(flat_gateway(true));
            if (config.flat) network.addresses.push_back(flat_gateway(false));
            network.addresses.push_back(wire::link_local_of(mac.bytes));
            add_outside_addresses(network);
        }
        network.answers = network.mac != 0 || network.vni != 0;
        if (network.answers) snapshot_->is_bridge = false;
        for (const IpAddress& address : network.addresses) {
            addresses_in(id).owners.push_back({id, Owners::kRouter, address});
        }
    }

    // The switch answers for what NAT and Services have outside, where that is on the network's link.
    void add_outside_addresses(view::Network& network) {
        const auto add = [&](const IpAddress& address) {
            const bool is_here = std::any_of(network.subnets.begin(), network.subnets.end(),
                                             [&](const IpPrefix& each) { return each.contains(address); });
            auto& own = network.addresses;
            if (is_here && std::find(own.begin(), own.end(), address) == own.end()) own.push_back(address);
        };
        for (const nat::Outside& it : parts_.translation.answered()) {
            if (it.domain == network.flow_domain) add(it.address);
        }
    }

    static void guard_tunnels(view::Network& network, const std::vector<path::Service>& serves) {
        const auto has = [&](path::Service service) {
            return std::find(serves.begin(), serves.end(), service) != serves.end();
        };
        guard::Guard guard;
        guard.serves_dhcp = network.tunnels_serve_dhcp = has(path::Service::kDhcp);
        guard.serves_ra = has(path::Service::kRa);
        if (guard.allows_all()) return;
        network.own_guard = std::make_shared<const guard::Guard>(std::move(guard));
        network.tunnel_guard = network.own_guard.get();
    }

    void add_policies() {
        std::vector<acl::Policies> of_ports;
        for (const acl::AclConfig& config : config_.acls) {
            const acl::SharedList& list = parts_.acls.at(config.name);
            for (const acl::ApplyConfig& apply : config.apply) {
                acl::Policies* policies = policies_at(apply, of_ports);
                // Half-way through a change a list may name a network or a port that is gone.
                if (policies == nullptr) continue;
                const bool egress = apply.direction == acl::Direction::kEgress;
                auto& lists = egress ? policies->egress : policies->ingress;
                if (std::find(lists.begin(), lists.end(), list) == lists.end()) lists.push_back(list);
            }
        }
        if (of_ports.empty()) return;
        snapshot_->port_policies = std::make_shared<const std::vector<acl::Policies>>(std::move(of_ports));
    }

    acl::Policies* policies_at(const acl::ApplyConfig& apply, std::vector<acl::Policies>& of_ports) {
        if (!apply.network.empty()) {
            const auto network = by_name_.find(apply.network);
            return network == by_name_.end() ? nullptr : &network_of(network->second.id).policies;
        }
        const auto port = parts_.ports.find(apply.port);
        if (port == parts_.ports.end()) return nullptr;
        const size_t at = path::index(port->second.port->id());
        if (of_ports.size() <= at) of_ports.resize(at + 1);
        return &of_ports[at];
    }

    // Connections are tracked in the flow domains that have policies.
    void mark_tracked() {
        std::set<path::FlowDomain> tracked;
        for (const view::Network& network : snapshot_->networks) {
            if (!network.policies.empty()) tracked.insert(network.flow_domain);
        }
        const size_t ports = snapshot_->port_policies == nullptr ? 0 : snapshot_->port_policies->size();
        for (size_t i = 0; i < ports; ++i) {
            if ((*snapshot_->port_policies)[i].empty()) continue;
            each_carried(snapshot_->slots[i],
                         [&](path::NetworkId id) { tracked.insert(network_of(id).flow_domain); });
        }
        for (uint16_t i = 0; snapshot_->pods != nullptr && i < path::kMaxPorts; ++i) {
            if (snapshot_->pods->at(path::PortId{i}) == nullptr) continue;
            each_carried(snapshot_->slots[i],
                         [&](path::NetworkId id) { tracked.insert(network_of(id).flow_domain); });
        }
        for (const view::Network& network : snapshot_->networks) {
            if (snapshot_->has_translation && network.mac != 0) tracked.insert(network.flow_domain);
            // Nobody beside the tunnels may send to the VXLAN port there: Tracker sees to it.
            if (network.is_underlay && !network.only_tunnels) tracked.insert(network.flow_domain);
        }
        for (view::Network& network : snapshot_->networks) {
            network.is_tracked = tracked.contains(network.flow_domain);
        }
        snapshot_->has_policies = !tracked.empty();
    }

    // --- tunnels ---

    void add_tunnels(const vxlan::UnderlayConfig& underlay) {
        snapshot_->udp_port = wire::be16(underlay.udp_port);
        const std::vector<IpAddress> own = end_points_of(config_);
        for (const IpAddress& address : own) {
            if (address.is_v4()) {
                snapshot_->end_point = wire::be32(address.v4());
            } else {
                snapshot_->end_point_ipv6 = address.bytes;
            }
        }
        std::map<IpAddress, view::TunnelSlot*> slots;
        std::vector<vxlan::NumberTable<wire::be32>::Entry> remotes;
        std::vector<vxlan::NumberTable<wire::Ipv6Bytes>::Entry> remotes_ipv6;
        for (const auto& [remote, held] : parts_.tunnels) {
            const auto local = std::find_if(own.begin(), own.end(), [&, &address = remote](const IpAddress& a) {
                return a.is_v4() == address.is_v4();
            });
            if (local == own.end()) continue;
            auto tunnel = std::make_shared<view::TunnelSlot>();
            const bool full = vxlan::is_full(underlay.checksum, !remote.is_v4());
            tunnel->headers = vxlan::make_tunnel(*local, remote, underlay.udp_port,
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
        std::vector<vxlan::VniTable::Entry> vnis;
        for (const auto& config : config_.networks) {
            if (!config.vxlan) continue;
            const path::NetworkId id = parts_.network_ids.at(config.name);
            vnis.push_back({config.vxlan->vni, id});
            for (const auto& remote : config.vxlan->remotes) {
                auto slot = slots.find(remote);
                if (slot == slots.end()) continue;
                slot->second->networks.set(path::index(id));
                network_of(id).tunnels.push_back(parts_.tunnels.at(remote).id);
            }
            add_stations(id, *config.vxlan);
        }
        snapshot_->vnis = vxlan::VniTable(vnis);
        snapshot_->remotes.ipv4 = vxlan::NumberTable<wire::be32>(remotes);
        snapshot_->remotes.ipv6 = vxlan::NumberTable<wire::Ipv6Bytes>(remotes_ipv6);
    }

    // Static stations behind tunnels own their addresses.
    void add_stations(path::NetworkId id, const vxlan::OverlayConfig& config) {
        for (const auto& entry : config.statics) {
            const auto tunnel = parts_.tunnels.find(entry.remote);
            if (tunnel == parts_.tunnels.end()) continue;
            for (const auto& address : entry.address) {
                addresses_in(id).owners.push_back({id, tunnel->second.id, address, path::mac_key(entry.mac)});
            }
        }
    }

    // --- ports ---

    void remove(const HeldPort& held) {
        const port::Port& port = *held.port;
        each_network(port.config(), [&](path::NetworkId id) {
            (void)addresses_in(id);
            auto& members = network_of(id).members;
            const auto member = place_in(members, port);
            if (member != members.end() && member->port == &port) members.erase(member);
        });
        snapshot_->owners.set_trusted(port.id(), false);
        if (slot_of(port).port == nullptr) return;
        slot_of(port) = {};
        if (path::index(port.id()) < snapshot_->parts.size()) snapshot_->parts[path::index(port.id())].reset();
        for (auto& queues : snapshot_->queues) {
            const auto first = place_in(queues, port);
            const auto is_of_another = [&](const view::QueueRef& queue) { return queue.port != &port; };
            queues.erase(first, std::find_if(first, queues.end(), is_of_another));
        }
    }

    void add(const HeldPort& held) {
        port::Port& port = *held.port;
        const port::PortConfig& config = port.config();
        snapshot_->owners.set_trusted(port.id(), config.spoofing == port::Spoofing::kAllow);
        add_addresses(held);
        if (!held.up) return;
        view::SlotParts parts{trunk_of(config), guard_of(held), {}};
        if (const auto mirrors = mirrors_.find(config.name); mirrors != mirrors_.end()) {
            parts.mirrors = std::move(mirrors->second);
            snapshot_->mirrored.push_back(port.id());
        }
        view::PortSlot& slot = slot_of(port);
        slot.port = &port;
        slot.mac_limit = config.mac_limit;
        slot.horizon = horizon(config.split_horizon);
        slot.floods = held.floods.get();
        slot.trunk = parts.trunk.get();
        slot.guard = parts.guard.get();
        if (slot.trunk == nullptr) {
            const auto network = by_name_.find(engine::network_of(config_, config));
            if (network != by_name_.end()) slot.network = network->second.id;
        }
        if (!parts.empty()) {
            const auto kept = std::make_shared<const view::SlotParts>(std::move(parts));
            if (!kept->mirrors.in.empty() || !kept->mirrors.out.empty()) slot.mirrors = &kept->mirrors;
            auto& all = snapshot_->parts;
            if (all.size() <= path::index(port.id())) all.resize(path::index(port.id()) + 1);
            all[path::index(port.id())] = kept;
        }
        slot.set_plain();
        share_out_queues(slot);
        if (!port.has_link()) return;
        each_carried(slot, [&](path::NetworkId id) {
            auto& members = network_of(id).members;
            members.insert(place_in(members, port), slot.exit(id));
        });
    }

    void share_out_queues(const view::PortSlot& slot) {
        const port::Port& port = *slot.port;
        const auto workers = static_cast<uint16_t>(snapshot_->queues.size());
        for (uint16_t number = port.receive_queues(); number-- != 0;) {
            auto& queues = snapshot_->queues[view::worker_of(port.id(), number, workers)];
            queues.insert(place_in(queues, port), slot.queue(number, port.wake(number)));
        }
    }

    std::unique_ptr<const vlan::Trunk> trunk_of(const port::PortConfig& port) {
        if (!port.trunk) return nullptr;
        auto trunk = std::make_unique<vlan::Trunk>();
        trunk->network_of.fill(path::kNoNetworkId);
        trunk->id_of.assign(snapshot_->networks.size(), vlan::kNotCarried);
        auto carry = [&](const std::string& name, bool native) {
            // Half-way through a change a port may name what is gone already.
            const auto network = by_name_.find(name);
            if (network == by_name_.end()) return;
            const auto& [id, configured] = network->second;
            const uint16_t vlan = native ? vlan::kUntagged : configured;
            if (!native && vlan == 0) return;
            trunk->network_of[vlan] = id;
            trunk->id_of[path::index(id)] = vlan;
        };
        for (const auto& name : port.trunk->networks) carry(name, false);
        if (!port.trunk->native.empty()) carry(port.trunk->native, true);
        return trunk;
    }

    std::unique_ptr<const guard::Guard> guard_of(const HeldPort& held) const {
        const port::Port& port = *held.port;
        const port::PortConfig& config = port.config();
        auto guard = std::make_unique<guard::Guard>();
        guard->serves_dhcp = config.may_serve(port::Service::kDhcp);
        guard->serves_ra = config.may_serve(port::Service::kRa);
        const auto network = by_name_.find(config.network);
        // The interface of a container with declared addresses has the one that follows from its MAC address.
        guard->allows_link_local = (config.vhost_user || !config.is_guarded()) && network != by_name_.end() &&
                                   snapshot_->networks[path::index(network->second.id)].serves_dhcp;
        if (config.is_guarded()) {
            guard->check_addresses = true;
            for (const auto& address : config.address) guard->addresses.push_back(address.address);
            if (auto mac = port.mac()) guard->mac = path::mac_key(*mac);
        } else if (is_held_to_lent(config_, held)) {
            guard->check_addresses = true;
            for (const LentAddress& lent : held.lent) {
                if (lent.network == config.network) guard->addresses.push_back(lent.address);
            }
        }
        if (guard->allows_all()) return nullptr;
        guard->set_usual();
        return guard;
    }

    // The number of a split-horizon group; 0 for none.
    uint16_t horizon(const std::string& name) {
        if (name.empty()) return 0;
        auto& horizons = snapshot_->horizons;
        return horizons.emplace(name, static_cast<uint16_t>(horizons.size() + 1)).first->second;
    }

    // --- addresses ---

    struct Addresses {
        Owners::Entries owners;
        Owners::Entries absent;
    };

    // A network's addresses, at first without those of the changed ports. They replace the snapshot's in the end.
    Addresses& addresses_in(path::NetworkId id) {
        const auto [addresses, is_new] = addresses_.try_emplace(id);
        if (is_new) {
            const auto stays = [&](const Owners::Entry& entry) {
                return entry.port == Owners::kRouter || changed_[path::index(entry.port)] == nullptr;
            };
            const auto copy = [&](const Owners::Entries& from, Owners::Entries& to) {
                std::copy_if(from.begin(), from.end(), std::back_inserter(to), stays);
            };
            copy(snapshot_->owners.entries(id), addresses->second.owners);
            copy(snapshot_->absent.entries(id), addresses->second.absent);
        }
        return addresses->second;
    }

    // A port with `spoofing: allow` may use the addresses of others, and others may use its own while it is away.
    // In an overlay the container of a port that is away may be on another host by now.
    void add_addresses(const HeldPort& held) {
        const port::Port& port = *held.port;
        const port::PortConfig& config = port.config();
        const auto mac = port.mac();
        const uint64_t key = mac ? path::mac_key(*mac) : 0;
        const bool is_absent = !held.up || !port.has_link();
        each_network(config, [&](path::NetworkId id) {
            const bool is_overlay = network_of(id).vni != 0;
            auto& [owners, absent] = addresses_in(id);
            if (is_absent && config.is_guarded() && !is_overlay) {
                for (const auto& own : config.address) absent.push_back({id, port.id(), own.address});
            }
            for (const LentAddress& lent : held.lent) {
                const auto named = by_name_.find(lent.network);
                if (named == by_name_.end() || named->second.id != id) continue;
                if (is_absent && !is_overlay) absent.push_back({id, port.id(), lent.address});
                if (is_absent && is_overlay) continue;
                owners.push_back({id, port.id(), lent.address, path::mac_key(lent.mac)});
            }
            if (!holds_addresses(held) && (is_overlay || !config.is_guarded())) return;
            for (const auto& own : config.address) owners.push_back({id, port.id(), own.address, key});
            if (key != 0) owners.push_back({id, port.id(), wire::link_local_of(mac->bytes), key});
        });
    }

    // The networks that a port is configured in. Half-way through a change it may name what is gone already.
    template <class Visit>
    void each_network(const port::PortConfig& port, Visit visit) const {
        const auto visit_named = [&](std::string_view name) {
            if (const auto network = by_name_.find(name); network != by_name_.end()) visit(network->second.id);
        };
        if (!port.trunk) return visit_named(engine::network_of(config_, port));
        for (const std::string& name : port.trunk->networks) visit_named(name);
        visit_named(port.trunk->native);
    }

    // The networks of a port that is up. Most ports are in one; thousands of ports and hundreds of networks are
    // usual.
    template <class Visit>
    void each_carried(const view::PortSlot& slot, Visit visit) const {
        if (slot.trunk == nullptr) {
            if (slot.network != path::kNoNetworkId) visit(slot.network);
            return;
        }
        for (size_t i = 0; i < snapshot_->networks.size(); ++i) {
            const path::NetworkId id{static_cast<uint16_t>(i)};
            if (slot.trunk->carries(id)) visit(id);
        }
    }

    // --- mirrors and captures ---

    void add_filter(const mirror::MirrorConfig& mirror) {
        auto filter = wire::Filter::compile(mirror.filter);
        snapshot_->filters.push_back(filter ? std::make_shared<const wire::Filter>(std::move(*filter)) : nullptr);
    }

    // Mirrors lead from ports to another port. Where one of them changes, all ports with mirrors are made anew.
    void add_mirrors() {
        for (const path::PortId id : std::exchange(snapshot_->mirrored, {})) {
            if (const HeldPort* held = parts_.by_id[path::index(id)]) change(*held);
        }
        for (size_t i = 0; i < config_.mirrors.size(); ++i) {
            const mirror::MirrorConfig& config = config_.mirrors[i];
            const HeldPort* to = find_up(config.to);
            const wire::Filter* filter = snapshot_->filters[i].get();
            if (to == nullptr || filter == nullptr) continue;
            const port::Mirror mirror{to->port.get(), filter};
            for (const auto& from : config.from) {
                if (config.direction != mirror::Direction::kTransmitted) mirrors_[from].in.push_back(mirror);
                if (config.direction != mirror::Direction::kReceived) mirrors_[from].out.push_back(mirror);
            }
        }
        snapshot_->witnesses = parts_.witnesses;
        snapshot_->captures = parts_.captures;
        snapshot_->drop_captures.clear();
        for (const auto& capture : parts_.captures) {
            path::Capture* to = capture.get();
            if (to->port().empty()) {
                snapshot_->drop_captures.push_back(to);
                continue;
            }
            mirrors_[to->port()].in.push_back({nullptr, &to->filter(), to, path::Captured::kFromPort});
            mirrors_[to->port()].out.push_back({nullptr, &to->filter(), to, path::Captured::kToPort});
        }
        for (const auto& [name, mirrors] : mirrors_) {
            if (const HeldPort* held = find_up(name)) change(*held);
        }
    }

    const HeldPort* find_up(const std::string& name) const {
        const auto held = parts_.ports.find(name);
        return held != parts_.ports.end() && held->second.up ? &held->second : nullptr;
    }

    struct Named {
        path::NetworkId id;
        uint16_t vlan;
    };

    const Config& config_;
    const Parts& parts_;
    std::unordered_map<std::string_view, Named> by_name_;
    std::unique_ptr<view::Snapshot> snapshot_;
    std::vector<const HeldPort*> changed_;  // by PortId; null: the port stays as it is
    std::map<path::NetworkId, Addresses> addresses_;
    std::map<std::string, view::Mirrors> mirrors_;  // by port
};

}  // namespace

std::unique_ptr<view::Snapshot> compile(const Config& config, const Parts& parts) {
    return Compiler(config, parts).run();
}

std::unique_ptr<view::Snapshot> compile(const Config& config, const Parts& parts, const view::Snapshot& before,
                                        const ChangedPorts& changed) {
    return Compiler(config, parts, before, changed).run();
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
