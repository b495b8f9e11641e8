// The switch's half of ports: how they are opened, taken down, tried again, and followed where they change by
// themselves.
#include <sys/eventfd.h>

#include <algorithm>

#include "base/log.h"
#include "engine/switch.h"

namespace sluice::engine {
namespace {

constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr std::chrono::milliseconds kLongestRetry{2000};

}  // namespace

void HeldPort::limit_floods(const port::FloodLimitConfig& limits) {
    using enum bridge::FloodKind;
    floods->set(kBroadcast, limits.broadcast);
    floods->set(kMulticast, limits.multicast);
    floods->set(kUnknown, limits.unknown);
}

HeldPort Switch::make(const port::PortConfig& config) const {
    HeldPort held;
    held.port = port::make_port(free_id(), config, context_);
    held.limit_floods(config.flood_limit);
    held.reason = "not opened yet";
    return held;
}

void Switch::open(HeldPort& held, Clock::time_point now) {
    if (auto done = held.port->open(); !done) return failed(held, done.error().message, now);
    base::log::info("port", "{} is up", held.port->config().name);
    held.up = true;
    held.failures = 0;
    held.reason.clear();
    held.announce = true;
}

void Switch::failed(HeldPort& held, std::string reason, Clock::time_point now) {
    const std::string& name = held.port->config().name;
    if (held.reason != reason) base::log::warning("port", "{} is down: {}", name, reason);
    if (held.up) ++held.downs;
    held.reason = std::move(reason);
    const auto wait = std::min<std::chrono::milliseconds>(
        kFirstRetry * (1U << std::min<uint64_t>(held.failures, 8)), kLongestRetry);
    held.retry = now + wait;
    ++held.failures;
    if (!held.up) return;
    held.up = false;
    publish();
    unwatch(*held.port);
    held.port->close();
    forget_macs(held.port->id());
    set_static_neighbors();
}

void Switch::attend() {
    eventfd_t ignored;
    eventfd_read(attention_.get(), &ignored);
    bool changed = false;
    for (auto& [name, held] : ports_) {
        port::Port& port = *held.port;
        if (!held.up || !port.changed()) continue;
        unwatch(port);
        const bool had_link = port.has_link();
        port.refresh();
        changed = true;
        if (had_link == port.has_link()) continue;
        base::log::info("port", "{}: link {}", name, had_link ? "down" : "up");
        // Who was behind it may come back behind another.
        if (had_link) forget_macs(port.id());
    }
    if (!changed) return;
    publish();
    set_static_neighbors();
}

// A descriptor that somebody else holds too (a guest's) stays in epoll when we close it.
void Switch::unwatch(const port::Port& port) {
    for (uint16_t queue = 0; queue < port.receive_queues(); ++queue) {
        if (port.wake(queue) == port::Wake::kNever) continue;
        for (auto& worker : workers_) worker->unwatch(port.descriptor(queue));
    }
}

}  // namespace sluice::engine
