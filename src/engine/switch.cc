#include "engine/switch.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <bitset>
#include <set>
#include <unordered_map>

#include "base/log.h"
#include "port/tap.h"

namespace sluice::engine {
namespace {

// The keys that are fixed when the process starts: a change of them is refused, with an error that names them.
base::Errors unchangeable(const Config& from, const Config& to) {
    base::Errors errors;
    for (std::string& key : fixed_differences(from, to)) {
        errors.push_back({"can't be changed while running: restart sluiced", std::move(key), {}});
    }
    return errors;
}

}  // namespace

bool holds_addresses(const HeldPort& held) {
    const port::PortConfig& config = held.port->config();
    return (held.up && held.port->has_link()) || (config.vhost_user && config.mac);
}

Switch::Switch(uint16_t workers, port::Pools pools, std::string instance, const flow::FlowConfig& flows,
               ReadClock read_clock)
    : read_clock_(std::move(read_clock)),
      attention_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      grace_(workers),
      context_{pools, workers, std::move(instance),
               [fd = attention_.get()] { eventfd_write(fd, 1); }, [this] { grace_.wait(); }},
      router_(grace_),
      flows_(flows, grace_),
      loads_(workers) {
    const Worker::Shared shared{snapshots_, grace_,     router_.hops(),  router_.neighbors(),
                                flows_,     fragments_, told_generations_};
    for (uint16_t i = 0; i < workers; ++i) {
        workers_.push_back(std::make_unique<Worker>(path::WorkerId{i}, context_.pools, shared));
    }
    // The connections of a switch that ran before.
    flows_.recover_until(clock_seconds() + flow::Table::kRecovery);
    publish();
}

Switch::~Switch() = default;

// If only retired numbers are left, outdates the flows that may name them: each is decided anew before it leads to
// a port again.
path::PortId Switch::free_id() {
    if (const auto id = find_free_id()) return *id;
    FlowDomainNames domains;
    for (auto& [id, own] : std::exchange(retired_ids_, {})) domains.merge(own);
    const auto before = outdate_flows(domains);
    grace_.wait();
    return find_free_id().value();
}

std::optional<path::PortId> Switch::find_free_id() const {
    std::bitset<path::kMaxPorts> taken;
    for (const auto& [remote, held] : tunnels_) taken.set(path::index(held.id));
    for (const auto& [id, domains] : retired_ids_) taken.set(path::index(id));
    for (uint16_t i = 0; i < path::kMaxPorts; ++i) {
        if (by_id_[i] == nullptr && !taken[i]) return path::PortId{i};
    }
    return std::nullopt;
}

const HeldPort* Switch::find_port(path::PortId id) const noexcept {
    return path::index(id) < by_id_.size() ? by_id_[path::index(id)] : nullptr;
}

std::vector<const HeldPort*> Switch::ports_with(const IpAddress& address) const {
    std::vector<const HeldPort*> ports;
    const auto [begin, end] = by_address_.equal_range(address);
    for (auto it = begin; it != end; ++it) ports.push_back(it->second);
    std::ranges::sort(ports, {}, [](const HeldPort* held) { return std::string_view(held->name()); });
    return ports;
}

tl::expected<std::vector<Change>, base::Errors> Switch::apply(Config next, Clock::time_point now) {
    if (started_) {
        base::Errors errors = unchangeable(config_, next);
        if (!errors.empty()) return tl::unexpected(errors);
    }
    std::vector<Change> changes = diff(config_, next);
    base::log::set_level(next.log.level);

    // First the workers must stop using the ports that are deleted, and those whose device is closed or reopened.
    std::vector<HeldPort> gone;
    std::vector<HeldPort*> reopened;
    std::vector<std::string> moved;  // into another network
    std::unordered_map<std::string_view, const port::PortConfig*> wanted;
    for (const port::PortConfig& config : next.ports) wanted.emplace(config.name, &config);
    for (auto it = ports_.begin(); it != ports_.end();) {
        HeldPort& held = it->second;
        const auto found = wanted.find(it->first);
        const port::PortConfig* config = found == wanted.end() ? nullptr : found->second;
        const port::PortConfig& old = held.port->config();
        if (config == nullptr || !port::same_interface(old, *config)) {
            gone.push_back(take(it++));
            continue;
        }
        if (!port::same_device(old, *config)) {
            held.up = false;
            reopened.push_back(&held);
        } else if (network_of(next, *config) != network_of(config_, old) || config->trunk != old.trunk) {
            moved.push_back(it->first);
        }
        ++it;
    }
    // The configuration in force takes leave of them: what stays is never judged by half of the change.
    FlowDomainNames outdated = outdated_domains(config_, next, changes);
    ChangedPorts leaving = reopened;
    for (HeldPort& held : gone) leaving.push_back(&held);
    if (!leaving.empty()) publish(leaving);
    for (HeldPort* held : reopened) let_go(*held);
    for (auto& held : gone) destroy(held);

    outdating_ = std::move(outdated);
    const bool has_other_objects = next.objects != config_.objects;
    const bool has_other_names =
        next.networks != config_.networks || next.dns != config_.dns || next.underlay != config_.underlay;
    config_ = std::move(next);
    if (has_other_objects) declare_objects();
    const std::vector<path::NetworkId> freed = arrange_tables(config_);
    arrange_policies();
    if (dns_names_.arrange(config_, network_ids_)) translation_.kubernetes().rebuild_all();
    router_.arrange_domains(config_);
    router_.withdraw(config_, network_ids_);
    arrange_tunnels(config_);

    std::vector<HeldPort*> lost;
    std::vector<const port::PortConfig*> touched;  // ports that were added or have changed
    for (const port::PortConfig& config : config_.ports) {
        auto found = ports_.find(config.name);
        if (found == ports_.end()) {
            touched.push_back(&config);
            open(make(config), now);
            continue;
        }
        HeldPort& held = found->second;
        held.port->set_place(config.place);
        if (held.port->config() == config) continue;
        touched.push_back(&config);
        forget_addresses(held);
        const auto done = held.port->configure(config);
        index_addresses(held);
        attach_pod(held);
        name_port(held);
        held.limit_floods();
        held.port->limit_rates(rte_get_tsc_hz());
        if (!held.up) {
            // This change may have removed the reason why the port is down.
            open(held, now);
        } else if (!done) {
            fail(held, done.error().message, now);
            lost.push_back(&held);
        }
    }
    if (has_other_names) {
        for (const auto& [name, held] : ports_) name_port(held);
    }
    publish();
    for (HeldPort* held : lost) let_go(*held);
    for (const path::NetworkId id : freed) freed_networks_[id] = rte_get_tsc_cycles();
    // Once every worker has the new membership, none learns into the old table.
    for (const auto& name : moved) forget_macs(ports_.at(name).port->id());
    set_static_macs();
    router_.install(config_, network_ids_, clock_seconds());
    find_tunnels();
    set_static_neighbors();
    forget_neighbors();
    if (!outdating_.empty()) {
        const auto before = outdate_flows(std::exchange(outdating_, {}));
        grace_.wait();
    }
    for (const auto& name : moved) announce(ports_.at(name));
    if (has_other_objects || !started_) {
        tell_odd_objects();
    } else {
        for (const port::PortConfig* config : touched) tell_odd_port(*config);
    }
    started_ = true;
    return changes;
}

void Switch::tick(Clock::time_point now) {
    supervise(now);
    attend();
    age_macs();
    watch_stations();
    age_neighbors(now);
    watch_tunnels(now);
    age_flows();
    log_rules();
    event_log_.write(*this, strangers_log_, now);
    strangers_log_.tick(now);
    counted_log_.tick(now);
    moves_log_.tick(now);
    for (auto& [name, held] : ports_) {
        if (!held.up) continue;
        if (std::exchange(held.announce, false)) announce(held);
        if (held.port->take_failover()) tell_stations(held);
    }
    measure_loads(now);
}

void Switch::measure_loads(Clock::time_point now) {
    if (now - measured_ < std::chrono::seconds(1)) return;
    measured_ = now;
    for (size_t i = 0; i < workers_.size(); ++i) {
        loads_[i] = {loads_[i].latest, Load::of(workers_[i]->counters().totals)};
    }
    for (auto& [name, held] : ports_) {
        held.traffic = {held.traffic.latest, traffic(held.port->id(), now)};
    }
}

PortTraffic Switch::traffic(path::PortId id, Clock::time_point now) const {
    PortTraffic sum;
    sum.time = now;
    for (const auto& worker : workers_) {
        const path::PortCounters& counters = worker->counters().port(id);
        for (const auto& queue : counters.received) {
            sum.rx_packets += queue.packets.get();
            sum.rx_bytes += queue.bytes.get();
        }
        sum.tx_packets += counters.transmitted.packets.get();
        sum.tx_bytes += counters.transmitted.bytes.get();
    }
    return sum;
}

void Switch::age_macs() {
    const path::Seconds now = clock_seconds();
    if (now == aged_) return;
    aged_ = now;
    for (const auto& network : networks_of(config_)) {
        macs_.at(network.name)->expire(now, network.ageing);
    }
}

void Switch::publish() {
    arrange_pods();
    arrange_services();
    translation_.arrange(config_, network_ids_, flow_domains_.names());
    arrange_names();
    publish(compile(config_, parts()), by_id_);
}

void Switch::publish(const ChangedPorts& changed) {
    arrange_pods();
    arrange_services();
    // Then networks may have other addresses.
    const bool answers_others = translation_.arrange(config_, network_ids_, flow_domains_.names());
    arrange_names();
    if (answers_others) return publish(compile(config_, parts()), by_id_);
    publish(compile(config_, parts(), snapshot(), changed), changed);
}

void Switch::publish(std::unique_ptr<view::Snapshot> next, const ChangedPorts& changed) {
    FlowDomainNames outdated = outdating_;
    // With the first pod connections begin to be followed, and with the last one that ends.
    const view::Snapshot* before = snapshots_.get();
    const bool had_pods = before != nullptr && before->pods != nullptr;
    if (had_pods != (next->pods != nullptr)) outdated.merge(pod_domains());
    const bool had_translation = before != nullptr && before->has_translation;
    if (had_translation != next->has_translation) {
        for (const auto& [name, id] : flow_domains_.names()) outdated.insert(name);
    }
    flow_generations_.outdate(ids_of(outdated));
    next->generation = ++generation_;
    // With the snapshot itself: at no time are its numbers met in flows that were decided by others.
    next->flow_generations = flow_generations_.tell(next->networks);
    const view::Snapshot* current = next.get();  // lives until the next publish()
    const std::unique_ptr<const view::Snapshot> old = snapshots_.exchange(std::move(next));
    const auto told = told_generations_.exchange(std::make_unique<flow::Generations>(current->flow_generations));
    for (HeldPort* held : changed) {
        if (held != nullptr && held->up && !std::exchange(held->is_watched, true)) watch(*held->port, *current);
    }
    for (auto& worker : workers_) worker->wake();
    grace_.wait();
    outdate_flows_of_pods();
    outdate_translated_flows();
}

void Switch::set_captures(ActiveCaptures captures) {
    captures_ = std::move(captures);
    publish();
}

void Switch::set_witnesses(Witnesses witnesses) {
    witnesses_ = std::move(witnesses);
    publish();
}

std::vector<path::NetworkId> Switch::arrange_tables(const Config& next) {
    std::map<std::string, std::shared_ptr<bridge::MacTable>> tables;
    NetworkIds ids;
    std::set<uint16_t> taken;
    const auto networks = networks_of(next);
    for (const auto& network : networks) {
        auto known = network_ids_.find(network.name);
        if (known == network_ids_.end()) continue;
        ids[network.name] = known->second;
        taken.insert(path::index(known->second));
    }
    // Skip the numbers that have just become free: workers may still hold packets of their networks.
    for (const auto& [name, id] : network_ids_) taken.insert(path::index(id));
    uint16_t free = 0;
    for (const auto& network : networks) {
        if (!ids.contains(network.name)) {
            while (taken.contains(free)) ++free;
            ids[network.name] = path::NetworkId{free++};
        }
        auto known = macs_.find(network.name);
        const bool keep =
            known != macs_.end() && known->second->capacity() == network.mac_table_size;
        tables[network.name] =
            keep ? known->second : std::make_shared<bridge::MacTable>(network.mac_table_size);
    }
    std::vector<path::NetworkId> freed;
    for (const auto& [name, id] : network_ids_) {
        if (!ids.contains(name)) freed.push_back(id);
    }
    // Older snapshots keep the tables that are left out here until they are freed.
    macs_ = std::move(tables);
    network_ids_ = std::move(ids);
    return freed;
}

// A MAC address that is declared, or that the switch gave a port, belongs to that port for as long as the port is
// declared. While the port is down, frames to the address are dropped for that reason, and not flooded. In an
// overlay the address belongs to the port only while the port has a link: afterwards its container may be on
// another host. A `static` entry of a network always holds.
void Switch::set_static_macs() { set_static_macs(nullptr); }

// For the addresses of these ports.
void Switch::set_static_macs(const ChangedPorts& changed) {
    std::set<MacAddress> macs;
    for (const HeldPort* held : changed) {
        if (const auto mac = held->port->mac()) macs.insert(*mac);
    }
    set_static_macs(&macs);
}

// Null: for all addresses.
void Switch::set_static_macs(const std::set<MacAddress>* only) {
    const auto is_meant = [&](const MacAddress& mac) { return only == nullptr || only->contains(mac); };
    StaticMacs wanted;
    std::set<std::pair<std::string, MacAddress>> ambiguous;  // two ports of a network have it: it is learned
    const auto is_overlay = [&](const std::string& name) {
        const NetworkConfig* network = find_network(config_, name);
        return network != nullptr && network->vxlan;
    };
    // A port that holds its addresses takes precedence over one that is down.
    for (const bool holds : {true, false}) {
        for (const HeldPort* held : by_id_) {
            if (held == nullptr) continue;
            const auto mac = held->port->mac();
            if (!mac || mac->is_zero() || !is_meant(*mac) || holds_addresses(*held) != holds) continue;
            const port::PortConfig& config = held->port->config();
            for (const auto& network : networks_of(config_, config)) {
                if (!holds && is_overlay(network)) continue;
                const std::pair place{network, *mac};
                const bool is_first = wanted.emplace(place, Home{held->port->id(), "port " + config.name}).second;
                if (!is_first && holds) ambiguous.insert(place);
            }
        }
    }
    for (const auto& place : ambiguous) wanted.erase(place);
    for (const auto& network : config_.networks) {
        for (const auto& entry : network.static_macs) {
            // Half-way through a change the port may not be there yet.
            const auto port = ports_.find(entry.port);
            if (port == ports_.end() || !is_meant(entry.mac)) continue;
            wanted[{network.name, entry.mac}] = {port->second.port->id(), "port " + entry.port};
        }
        if (!network.vxlan) continue;
        for (const auto& entry : network.vxlan->statics) {
            const auto tunnel = tunnels_.find(entry.remote);
            if (tunnel == tunnels_.end() || !is_meant(entry.mac)) continue;
            wanted.try_emplace({network.name, entry.mac},
                               Home{tunnel->second.id, "tunnel " + entry.remote.text()});
        }
    }
    for (const auto& [place, home] : static_macs_) {
        const auto table = macs_.find(place.first);
        if (table == macs_.end() || !is_meant(place.second) || wanted.contains(place)) continue;
        const uint64_t mac = path::mac_key(place.second);
        table->second->remove(mac);
        table->second->set_departed(mac);
        departed_[place] = {home, clock_seconds()};
    }
    for (const auto& [place, home] : wanted) {
        const auto table = macs_.find(place.first);
        if (table == macs_.end()) continue;
        tell_arrival(place, home);
        table->second->set_static(path::mac_key(place.second), home.port);
    }
    std::erase_if(static_macs_, [&](const auto& entry) { return is_meant(entry.first.second); });
    static_macs_.merge(wanted);
}

// Also forgets the neighbors with these MAC addresses, so that they are resolved anew.
void Switch::forget_macs(path::PortId id) {
    std::vector<std::string> networks;
    for (const auto& [name, table] : macs_) networks.push_back(name);
    forget_macs(id, networks);
}

void Switch::forget_macs(path::PortId id, const std::vector<std::string>& networks) {
    std::set<std::pair<path::NetworkId, uint64_t>> gone;
    for (const std::string& name : networks) {
        const auto table = macs_.find(name);
        if (table == macs_.end()) continue;
        for (const uint64_t mac : table->second->flush(id)) gone.insert({network_ids_.at(name), mac});
    }
    for (const auto& [place, home] : static_macs_) {
        const auto network = network_ids_.find(place.first);
        if (home.port != id || network == network_ids_.end()) continue;
        gone.insert({network->second, path::mac_key(place.second)});
    }
    if (gone.empty() || !speaks()) return;
    router_.neighbors().forget_if(
        [&](path::NetworkId network, uint64_t mac) { return gone.contains({network, mac}); });
}

// Starts the counters of a number that is given out: from zero, if another port had it before. That port's packets
// that waited for a neighbor may have been counted after it was deleted.
void Switch::begin_counters(path::PortId id) {
    if (freed_ports_.contains(id)) reset_counters(id);
}

void Switch::reset_counters(path::PortId id) {
    loop_watch_.forget(id);
    freed_ports_[id] = rte_get_tsc_cycles();
    for (auto& worker : workers_) worker->counters().port(id).reset();
}

}  // namespace sluice::engine
