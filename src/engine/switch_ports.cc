// The switch's half of ports: opens them, takes them down, tries them again, and follows changes of their devices.
#include <sys/eventfd.h>

#include <algorithm>

#include "base/log.h"
#include "engine/switch.h"
#include "port/device_thread.h"

namespace sluice::engine {

void HeldPort::limit_floods() {
    using enum bridge::FloodKind;
    const auto limit = [this](uint32_t configured) {
        if (loop.empty()) return configured;
        return configured == 0 ? LoopWatch::kFloods : std::min(configured, LoopWatch::kFloods);
    };
    const port::FloodLimits limits = port->config().flood_limits();
    floods->set(kBroadcast, limit(limits.broadcast));
    floods->set(kMulticast, limit(limits.multicast));
    floods->set(kUnknown, limit(limits.unknown));
}

HeldPort& Switch::make(const port::PortConfig& config) {
    HeldPort& held = ports_[config.name];
    held.port = port::make_port(free_id(), config, context_);
    held.limit_floods();
    held.port->limit_rates(rte_get_tsc_hz());
    held.reason = "not opened yet";
    if (const auto lent = lent_.find(config.name); lent != lent_.end()) held.lent = lent->second;
    by_id_[path::index(held.port->id())] = &held;
    index_addresses(held);
    attach_pod(held);
    name_port(held);
    begin_counters(held.port->id());
    return held;
}

// Takes a port out of the switch's ports.
HeldPort Switch::take(Ports::iterator port) {
    forget_addresses(port->second);
    HeldPort taken = std::move(port->second);
    by_id_[path::index(taken.port->id())] = nullptr;
    pod_policies_.detach(port->first);
    dns_names_.remove_port(port->first);
    ports_.erase(port);
    return taken;
}

void Switch::index_addresses(const HeldPort& held) {
    for (const InterfaceAddress& own : held.port->config().address) by_address_.emplace(own.address, &held);
    for (const LentAddress& lent : held.lent) by_address_.emplace(lent.address, &held);
}

void Switch::forget_addresses(const HeldPort& held) {
    const auto forget = [&](const IpAddress& address) {
        const auto [begin, end] = by_address_.equal_range(address);
        const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second == &held; });
        if (found != end) by_address_.erase(found);
    };
    for (const InterfaceAddress& own : held.port->config().address) forget(own.address);
    for (const LentAddress& lent : held.lent) forget(lent.address);
}

bool is_held_to_lent(const Config& config, const HeldPort& held) {
    const port::PortConfig& port = held.port->config();
    const bool is_guests = !port.is_ethdev() && !port.trunk && port.spoofing == port::Spoofing::kDeny;
    if (held.lent.empty() || !is_guests) return false;
    const NetworkConfig* network = find_network(config, port.network);
    return network != nullptr && network->dhcp && !network->dhcp->autonomous;
}

// All ports that change share one snapshot. A station may have used an address before it was lent: such flows are
// decided anew.
void Switch::lend(LentAddresses lent) {
    lent_ = std::move(lent);
    static const std::vector<LentAddress> kNone;
    ChangedPorts changed;
    FlowDomainNames outdated;
    for (auto& [name, held] : ports_) {
        const auto found = lent_.find(name);
        const auto& wanted = found == lent_.end() ? kNone : found->second;
        if (held.lent == wanted) continue;
        const bool has_new = std::ranges::any_of(wanted, [&, &own = held.lent](const LentAddress& each) {
            return std::ranges::find(own, each) == own.end();
        });
        forget_static_neighbors(held);
        forget_addresses(held);
        held.lent = wanted;
        index_addresses(held);
        attach_pod(held);
        name_port(held);
        changed.push_back(&held);
        if (has_new) outdated.merge(flow_domains_of(config_, held.port->config()));
    }
    if (changed.empty()) return;
    publish(changed);
    for (const HeldPort* held : changed) set_static_neighbors(*held);
    if (outdated.empty()) return;
    const auto before = outdate_flows(outdated);
    grace_.wait();
}

namespace {

// The port is still opening, which is no failure. The next tick asks again, at no cost. If the port has failed
// before, it keeps that reason, which says more.
void go_on(HeldPort& held, std::string reason, Clock::time_point now) {
    if (held.retry.failures == 0) {
        const std::string& name = held.port->config().name;
        if (held.reason != reason) base::log::notice("port", "{} is not up yet: {}", name, reason);
        held.reason = std::move(reason);
    }
    held.retry.due = now;
    held.retry.cost = {};
}

}  // namespace

void Switch::open(HeldPort& held, Clock::time_point now) {
    const Clock::time_point start = read_clock_();
    const Clock::duration waited = port::waited_for_devices();
    if (auto done = held.port->open(); !done) {
        if (held.port->is_opening()) return go_on(held, std::move(done.error().message), now);
        // Don't count the wait for the device thread: it has its own bound, and may have been for other devices.
        const Clock::duration took = read_clock_() - start - (port::waited_for_devices() - waited);
        return fail(held, done.error().message, now, std::max(took, Clock::duration{}));
    }
    const std::string& name = held.port->config().name;
    if (held.retry.failures == 0) {
        base::log::info("port", "{} is up", name);
    } else {  // its failure was a warning: report its recovery at the same level
        base::log::notice("port", "{} is up; before: {}", name, held.reason);
    }
    held.up = true;
    held.retry = {};
    held.reason.clear();
    held.announce = true;
}

// A port that was up stays open until no worker uses it: call publish(), then let_go().
void Switch::fail(HeldPort& held, std::string reason, Clock::time_point now, Clock::duration took) {
    const std::string& name = held.port->config().name;
    if (held.reason != reason) base::log::warning("port", "{} is down: {}", name, reason);
    if (std::exchange(held.up, false)) ++held.downs;
    held.reason = std::move(reason);
    held.retry.failed(now, took);
}

// Closes a port that no worker uses any more.
void Switch::let_go(HeldPort& held) {
    unwatch(held);
    held.port->close();
    forget_macs(held.port->id());
}

// The same for a port that was deleted from the configuration.
void Switch::destroy(HeldPort& held) {
    unwatch(held);
    held.port->destroy();
    forget_macs(held.port->id());
    reset_counters(held.port->id());
}

void Switch::add_port(const port::PortConfig& config, Clock::time_point now) {
    config_.ports.push_back(config);
    HeldPort& held = make(config);
    open(held, now);
    publish({&held});
    set_static_macs({&held});
    set_static_neighbors(held);
    tell_odd_port(config);
    if (!may_have_squatters(config)) return;
    const auto before = outdate_flows(flow_domains_of(config_, config));
    grace_.wait();
}

// Whether a station of its networks may have sent from the addresses that the port declares: one without declared
// addresses. Its flows would go on as they were decided.
bool Switch::may_have_squatters(const port::PortConfig& port) const {
    if (port.address.empty()) return false;
    const auto networks = networks_of(config_, port);
    return std::any_of(config_.ports.begin(), config_.ports.end(), [&](const port::PortConfig& other) {
        if (other.is_guarded() || other.name == port.name) return false;
        const auto its = networks_of(config_, other);
        return std::any_of(its.begin(), its.end(), [&](const std::string& network) {
            return std::find(networks.begin(), networks.end(), network) != networks.end();
        });
    });
}

void Switch::delete_port(const std::string& name) {
    HeldPort gone = take(ports_.find(name));
    std::erase_if(config_.ports, [&](const auto& config) { return config.name == name; });
    retired_ids_.emplace(gone.port->id(), flow_domains_of(config_, gone.port->config()));
    publish({&gone});
    unwatch(gone);
    gone.port->destroy();
    forget_macs(gone.port->id(), networks_of(config_, gone.port->config()));
    reset_counters(gone.port->id());
    set_static_macs({&gone});
    forget_static_neighbors(gone);
}

// All ports that went down since the last tick share one snapshot and one grace period, and so do all that came
// up.
void Switch::supervise(Clock::time_point now) {
    ChangedPorts lost;
    ChangedPorts opened;
    std::vector<HeldPort*> due;
    for (auto& [name, held] : ports_) {
        if (!held.up) {
            if (now >= held.retry.due) due.push_back(&held);
        } else if (auto done = held.port->check(); !done) {
            fail(held, done.error().message, now);
            lost.push_back(&held);
        }
    }
    if (!lost.empty()) publish(lost);
    for (HeldPort* held : lost) let_go(*held);
    std::sort(due.begin(), due.end(), [](const HeldPort* a, const HeldPort* b) { return a->retry < b->retry; });
    try_in_turn(due, read_clock_, [&](HeldPort* held) {
        open(*held, now);
        if (held->up) opened.push_back(held);
    });
    if (!opened.empty()) publish(opened);
    if (opened.empty() && lost.empty()) return;
    lost.insert(lost.end(), opened.begin(), opened.end());
    set_static_macs(lost);
    set_static_neighbors();
}

void Switch::attend() {
    eventfd_t ignored;
    eventfd_read(attention_.get(), &ignored);
    ChangedPorts changed;
    for (auto& [name, held] : ports_) {
        port::Port& port = *held.port;
        if (!held.up || !port.changed()) continue;
        unwatch(held);
        const bool had_link = port.has_link();
        port.refresh();
        changed.push_back(&held);
        if (had_link == port.has_link()) continue;
        base::log::notice("port", "{}: link {}", name, had_link ? "down: " + port.no_link() : "up");
        // Its stations may come back behind another port.
        if (had_link) forget_macs(port.id());
        held.announce = !had_link;
    }
    if (changed.empty()) return;
    publish(changed);
    set_static_macs(changed);
    set_static_neighbors();
}

void Switch::watch(const port::Port& port, const view::Snapshot& snapshot) {
    const view::PortSlot& slot = snapshot.slots[path::index(port.id())];
    for (uint16_t number = 0; number < port.receive_queues(); ++number) {
        const view::QueueRef queue = slot.queue(number, port.wake(number));
        if (queue.polled()) continue;
        workers_[view::worker_of(port.id(), number, static_cast<uint16_t>(workers_.size()))]->watch(queue);
    }
}

// Epoll keeps a descriptor that we close if another process still holds it (a guest).
void Switch::unwatch(HeldPort& held) {
    held.is_watched = false;
    const port::Port& port = *held.port;
    for (uint16_t queue = 0; queue < port.receive_queues(); ++queue) {
        if (port.wake(queue) == port::Wake::kNever) continue;
        for (auto& worker : workers_) worker->unwatch(port.descriptor(queue));
    }
}

}  // namespace sluice::engine
