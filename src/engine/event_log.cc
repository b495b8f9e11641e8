#include "engine/event_log.h"

#include <algorithm>
#include <cstring>

#include "engine/switch.h"

namespace sluice::engine {
namespace {

using EventKind = path::Event::Kind;

constexpr auto kWarning = base::log::Level::kWarning;
constexpr auto kNotice = base::log::Level::kNotice;

std::string mac_text(uint64_t key) {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), &key, mac.bytes.size());
    return mac.text();
}

std::string port_text(const Switch& running, uint64_t number) {
    const path::PortId id{static_cast<uint16_t>(number)};
    if (const auto* port = running.find_port(id)) return "port " + port->name();
    for (const auto& [remote, held] : running.tunnels()) {
        if (held.id == id) return "tunnel " + remote.text();
    }
    return "a port that is gone";
}

}  // namespace

void EventLog::write(const Switch& running, base::CountedLog& log, Clock::time_point now) {
    seen_.resize(running.workers().size());
    for (size_t i = 0; i < seen_.size(); ++i) {
        running.workers()[i]->counters().events.read(seen_[i], [&](const path::Event& event, uint64_t count) {
            tell(running, log, now, event, count);
        });
    }
    std::erase_if(moves_, [&](const auto& move) { return now - move.second.time > kRivalry; });
}

void EventLog::tell(const Switch& running, base::CountedLog& log, Clock::time_point now,
                    const path::Event& event, uint64_t count) {
    const std::string address = event.address.text();
    const std::string network(running.router().network_name(event.network));
    switch (event.kind) {
        case EventKind::kUnknownVni:
            log.tell(now, kWarning, "tunnel", fmt::format("vni {} {}", address, event.number),
                     fmt::format("{} sends frames of VNI {}, which no network here has", address, event.number),
                     count);
            break;
        case EventKind::kUnknownRemote:
            log.tell(now, kWarning, "tunnel", fmt::format("remote {} {}", address, network),
                     fmt::format("{} sends frames of network {}, which doesn't have it among its remotes", address,
                                 network),
                     count);
            break;
        case EventKind::kMoved: tell_move(log, now, network, event, count); break;
        case EventKind::kClaimed:
            log.tell(now, kWarning, "neighbor", fmt::format("claim {} {} {}", network, address, event.port),
                     fmt::format("{} behind {} claims {} in network {}, which is at {}", mac_text(event.mac),
                                 port_text(running, event.port), address, network, mac_text(event.other)),
                     count);
            break;
        case EventKind::kNone: break;
    }
}

// An address that moves once has a new station. An address that moves to and fro has two.
void EventLog::tell_move(base::CountedLog& log, Clock::time_point now, const std::string& network,
                         const path::Event& event, uint64_t count) {
    const std::string address = event.address.text();
    const std::pair place{event.network, event.address};
    const auto before = moves_.find(place);
    const bool is_back = count > 1 || (before != moves_.end() && before->second.from == event.mac);
    if (is_back) {
        const auto [first, second] = std::minmax(event.mac, event.other);
        log.tell(now, kWarning, "neighbor", fmt::format("conflict {} {} {} {}", network, address, first, second),
                 fmt::format("{} and {} both say that they have {} in network {}", mac_text(first),
                             mac_text(second), address, network),
                 count);
    } else {
        log.tell(now, kNotice, "neighbor", fmt::format("move {} {}", network, address),
                 fmt::format("{} in network {} is at {} now; it was at {}", address, network, mac_text(event.mac),
                             mac_text(event.other)),
                 count);
    }
    if (before == moves_.end() && moves_.size() == kMostMoves) return;
    moves_[place] = {event.other, now};
}

}  // namespace sluice::engine
