// The switch's half of routing: tunnels and their next hops in the underlay, neighbors with known MAC addresses,
// the messages that workers are to send, and routes while running.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "engine/switch.h"

namespace sluice::engine {

void Switch::arrange_tunnels(const Config& next) {
    const std::set<IpAddress> wanted = remotes_of(next);
    Tunnels gone;
    for (auto it = tunnels_.begin(); it != tunnels_.end();) {
        auto next_one = std::next(it);
        if (!wanted.contains(it->first)) gone.insert(tunnels_.extract(it));
        it = next_one;
    }
    // Workers must stop counting for these tunnels before their numbers are used again.
    if (!gone.empty()) publish();
    for (const auto& [remote, held] : gone) {
        router_.give_back(held.hop->load());
        forget_macs(held.id);
        reset_counters(held.id);
    }
    for (const IpAddress& remote : wanted) {
        if (tunnels_.contains(remote)) continue;
        const path::PortId id = free_id();
        tunnels_[remote].id = id;
        begin_counters(id);
    }
}

// Looks up the next hop of each tunnel. To be called after a change of the routes of the underlay's domain. A
// route into another network is none for tunnels: their packets could come into a tunnel again, or to a container.
void Switch::find_tunnels() {
    if (tunnels_.empty()) return;
    const auto domain = router_.domains().find(underlay_domain(config_));
    const auto network = network_ids_.find(underlay_network(config_));
    const bool is_there = domain != router_.domains().end() && network != network_ids_.end();
    for (auto& [remote, held] : tunnels_) {
        const route::HopId hop =
            is_there ? router_.take_hop_to(*domain->second, network->second, remote, clock_seconds()) : 0;
        router_.give_back(held.hop->exchange(hop, std::memory_order_acq_rel));
    }
    router_.settle();
}

// The addresses of a port whose MAC addresses are known without asking: those that it declares and is held to, and
// those that its guests have by leases.
template <class Take>
void Switch::each_static_address(const HeldPort& held, Take take) const {
    const port::PortConfig& config = held.port->config();
    const std::string_view name = network_of(config_, config);
    const auto mac = held.port->mac();
    if (const auto network = network_ids_.find(name);
        network != network_ids_.end() && config.is_guarded() && mac) {
        for (const auto& own : config.address) take(name, network->second, own.address, path::mac_key(*mac));
    }
    for (const LentAddress& lent : held.lent) {
        const auto network = network_ids_.find(lent.network);
        if (network != network_ids_.end())
            take(lent.network, network->second, lent.address, path::mac_key(lent.mac));
    }
}

// Sets the neighbors whose MAC addresses follow from the configuration and from leases: the addresses of ports,
// and static stations behind tunnels.
void Switch::set_static_neighbors() {
    if (!speaks()) return;
    Router::Statics statics;
    for (const auto& [name, held] : ports_) {
        if (!held.up || !held.port->has_link()) continue;
        each_static_address(held,
                            [&](std::string_view, path::NetworkId id, const IpAddress& address, uint64_t mac) {
                                statics[{id, address}] = mac;
                            });
    }
    for (const auto& network : config_.networks) {
        if (!network.vxlan) continue;
        for (const auto& entry : network.vxlan->statics) {
            for (const auto& address : entry.address) {
                statics[{network_ids_.at(network.name), address}] = path::mac_key(entry.mac);
            }
        }
    }
    router_.set_static_neighbors(std::move(statics), clock_seconds());
    router_.rebalance(counted_log_, Clock::now());
}

// The same for one port. A static station behind a tunnel takes precedence.
void Switch::set_static_neighbors(const HeldPort& held) {
    if (!speaks() || !held.up || !held.port->has_link()) return;
    each_static_address(held,
                        [&](std::string_view network, path::NetworkId id, const IpAddress& address, uint64_t mac) {
                            if (is_static_behind_tunnel(network, address)) return;
                            router_.set_static_neighbor(id, address, mac, clock_seconds());
                        });
    router_.rebalance(counted_log_, Clock::now());
}

// Its MAC address may not be known any more.
void Switch::forget_static_neighbors(const HeldPort& held) {
    if (!speaks()) return;
    const auto forget = [&](std::string_view name, const IpAddress& address) {
        const auto network = network_ids_.find(name);
        if (network == network_ids_.end() || is_static_behind_tunnel(name, address)) return;
        router_.forget_static_neighbor(network->second, address);
    };
    const port::PortConfig& config = held.port->config();
    for (const auto& own : config.address) forget(network_of(config_, config), own.address);
    for (const LentAddress& lent : held.lent) forget(lent.network, lent.address);
    router_.rebalance(counted_log_, Clock::now());
}

bool Switch::is_static_behind_tunnel(std::string_view name, const IpAddress& address) const {
    for (const auto& network : config_.networks) {
        if (network.name != name || !network.vxlan) continue;
        for (const auto& entry : network.vxlan->statics) {
            if (std::find(entry.address.begin(), entry.address.end(), address) != entry.address.end()) return true;
        }
    }
    return false;
}

// Forgets the neighbors of networks that are gone: another network may get the number. A neighbor that packets
// wait for is forgotten once they are gone.
void Switch::forget_neighbors() {
    std::set<path::NetworkId> ids;
    for (const auto& [name, id] : network_ids_) ids.insert(id);
    const size_t gone = router_.neighbors().remove_if([&](const neighbor::Entry& entry) {
        return !ids.contains(entry.network) && entry.held == 0;
    });
    if (gone != 0) router_.settle();
}

void Switch::age_neighbors(Clock::time_point tick) {
    const path::Seconds now = clock_seconds();
    // Packets may still wait for a neighbor when no network is routed any more.
    if (!speaks() && router_.neighbors().size() == 0) return;
    // Flows return to a next hop that has answered since the last tick.
    router_.rebalance(counted_log_, tick);
    if (now == neighbors_aged_) return;
    neighbors_aged_ = now;
    const neighbor::Table::Due due = router_.neighbors().age(now);
    std::vector<responder::Chore> chores;
    for (auto* entry : due.solicit)
        chores.push_back({.kind = responder::Chore::Kind::kSolicit, .neighbor = entry});
    for (auto* entry : due.release)
        chores.push_back({.kind = responder::Chore::Kind::kRelease, .neighbor = entry});
    tell_next_hops(due, tick);
    ask(std::move(chores));
    router_.rebalance(counted_log_, tick);
    if (router_.neighbors().has_retired()) router_.settle();
}

// Reports next hops that are gone or back. Router::rebalance() reports those in groups (ECMP).
void Switch::tell_next_hops(const neighbor::Table::Due& due, Clock::time_point now) {
    const auto name_of = [&](const neighbor::Entry& entry) {
        return fmt::format("next hop {} in network {}", entry.address.text(), router_.network_name(entry.network));
    };
    for (const auto* entry : due.failed) {
        const std::string hop = name_of(*entry);
        counted_log_.tell(now, base::log::Level::kWarning, "route", hop + " gone",
                          hop + " does not answer: what is routed by it is dropped (host-unreachable)");
    }
    for (const auto* entry : due.returned) {
        const std::string hop = name_of(*entry);
        counted_log_.tell(now, base::log::Level::kNotice, "route", hop + " back", hop + " is there again");
    }
}

// Each state is an event of its own, with its own count: a host that comes and goes again and again is reported as
// both.
void Switch::tell_tunnel(const IpAddress& remote, vxlan::RemoteState state, Clock::time_point now) {
    using base::log::Level;
    const auto tell = [&](Level level, std::string_view what) {
        const std::string message = fmt::format("{} {}", remote.text(), what);
        counted_log_.tell(now, level, "tunnel", message, message);
    };
    switch (state) {
        case vxlan::RemoteState::kReachable: tell(Level::kNotice, "is reachable again"); break;
        case vxlan::RemoteState::kSilent:
            tell(Level::kWarning, "is silent: it sends nothing and answers no pings");
            break;
        case vxlan::RemoteState::kUnreachable:
            tell(Level::kWarning, "is unreachable: a router on the way says so");
            break;
        case vxlan::RemoteState::kRefused:
            tell(Level::kWarning, "refuses VXLAN: nobody there takes it at that UDP port");
            break;
        case vxlan::RemoteState::kProbe: break;
    }
}

namespace {

void tell_mtu(const IpAddress& remote, uint32_t mtu, uint32_t headers) {
    if (mtu == 0) {
        base::log::info("tunnel", "the path MTU to {} has expired", remote.text());
        return;
    }
    base::log::warning("tunnel", "the path to {} takes packets of {} bytes at most: {} are left inside, and "
                       "senders of more are told{}", remote.text(), mtu, mtu - headers,
                       mtu - headers < vxlan::PathMtu::kLeastIpv6 ? " (IPv6 needs 1280)" : "");
}

}  // namespace

void Switch::watch_tunnels(Clock::time_point tick) {
    const path::Seconds now = clock_seconds();
    if (now == tunnels_watched_) return;
    tunnels_watched_ = now;
    std::vector<responder::Chore> chores;
    for (auto& [address, held] : tunnels_) {
        vxlan::Remote& remote = *held.remote;
        uint64_t received = 0;
        for (const auto& worker : workers_) received += worker->counters().port(held.id).received[0].packets.get();
        if (remote.look(received, now)) {
            chores.push_back({.kind = responder::Chore::Kind::kPing, .port = held.id});
            if (remote.is_doubtful()) router_.suspect(held.hop->load());
        }
        const vxlan::RemoteState state = remote.state(now);
        if (state != held.told && state != vxlan::RemoteState::kProbe) {
            const bool is_first = held.told == vxlan::RemoteState::kProbe;
            if (!is_first || state != vxlan::RemoteState::kReachable) tell_tunnel(address, state, tick);
            held.told = state;
        }
        remote.path_mtu.expire(now);
        const uint32_t mtu = remote.path_mtu.get();
        if (mtu != held.told_mtu) tell_mtu(address, mtu, vxlan::inner_headers(!address.is_v4()));
        held.told_mtu = mtu;
    }
    ask(std::move(chores));
}

// Announces the port's addresses in its networks: until now they may have been behind another port or host.
void Switch::announce(const HeldPort& held) {
    const port::PortConfig& config = held.port->config();
    const auto mac = held.port->mac();
    if (!mac || mac->is_zero()) return;
    // A port without IP addresses announces its MAC address alone.
    std::vector<IpAddress> addresses;
    for (const auto& own : config.address) addresses.push_back(own.address);
    if (addresses.empty()) addresses.emplace_back();
    std::vector<responder::Chore> chores;
    for (const auto& name : networks_of(config_, config)) {
        const auto network = network_ids_.find(name);
        if (network == network_ids_.end()) continue;
        for (const auto& address : addresses) {
            chores.push_back({.kind = responder::Chore::Kind::kAnnounce,
                              .network = network->second,
                              .port = held.port->id(),
                              .address = address,
                              .mac = path::mac_key(*mac)});
        }
    }
    ask(std::move(chores));
}

// Announces to the stations behind the port the addresses on this side of it: the switch's own, those declared for
// other ports, and those learned behind these.
void Switch::tell_stations(const HeldPort& held) {
    constexpr size_t kMost = 4096;
    const path::PortId through = held.port->id();
    std::vector<responder::Chore> chores;
    for (const NetworkConfig& network : networks_of(config_)) {
        const auto names = networks_of(config_, held.port->config());
        if (std::find(names.begin(), names.end(), network.name) == names.end()) continue;
        const auto tell = [&, id = network_ids_.at(network.name)](const IpAddress& address, uint64_t mac) {
            if (chores.size() == kMost) return;
            chores.push_back({.kind = responder::Chore::Kind::kTell,
                              .network = id,
                              .port = through,
                              .address = address,
                              .mac = mac});
        };
        if (network.is_routed()) {
            const uint64_t mac = path::mac_key(router_mac(network, context_.instance));
            for (const IpAddress& address : network.gateway) tell(address, mac);
        }
        std::set<uint64_t> told;
        for (const auto& [name, other] : ports_) {
            const port::PortConfig& config = other.port->config();
            const auto mac = other.port->mac();
            const bool is_there = other.up && other.port->has_link() && other.port->id() != through;
            if (!is_there || !mac || !config.is_guarded() || network_of(config_, config) != network.name) continue;
            told.insert(path::mac_key(*mac));
            for (const auto& address : config.address) tell(address.address, path::mac_key(*mac));
        }
        for (const auto& [mac, entry] : macs_.at(network.name)->list()) {
            if (entry.port() != through && !told.contains(mac)) tell({}, mac);
        }
    }
    ask(std::move(chores));
}

void Switch::ask(std::vector<responder::Chore> chores) {
    if (chores.empty()) return;
    workers_.front()->ask(std::move(chores));
}

base::Result<void> Switch::change_routes(const route::Changes& changes) {
    auto done = router_.change(config_, network_ids_, changes, clock_seconds());
    FlowDomainNames domains;
    for (const route::RouteConfig& way : changes.ways) domains.insert(flow_domain_of_routes(way.domain));
    const auto before = outdate_flows(domains);
    if (domains.contains(flow_domain_of_routes(underlay_domain(config_)))) find_tunnels();
    router_.settle();
    return done;
}

}  // namespace sluice::engine
