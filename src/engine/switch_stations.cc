// The switch's half of stations: where they are, whether they have moved, and loops between ports.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "engine/switch.h"

namespace sluice::engine {
namespace {

// What belonged to a port that has gone is looked for so long elsewhere: as long as MAC tables keep it.
constexpr bridge::Seconds kDepartedFor = 300;

MacAddress mac_of(uint64_t key) {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), &key, mac.bytes.size());
    return mac;
}

}  // namespace

bool Switch::is_tunnel(path::PortId id) const {
    return std::any_of(tunnels_.begin(), tunnels_.end(), [&](const auto& t) { return t.second.id == id; });
}

std::string Switch::place_of(path::PortId id) const {
    if (const auto* port = find_port(id)) return "port " + port->first;
    for (const auto& [remote, held] : tunnels_) {
        if (held.id == id) return "tunnel " + remote.text();
    }
    return "a port that has gone";
}

// Of an address that is to belong to a port from now on.
void Switch::tell_arrival(const StaticMacs::key_type& place, const Home& home) {
    const auto before = static_macs_.find(place);
    const auto departed = departed_.find(place);
    const uint64_t mac = path::mac_key(place.second);
    std::string from;
    if (before != static_macs_.end()) {
        from = before->second.name;
    } else if (const auto entry = macs_.at(place.first)->find(mac, bridge::MacTable::hash(mac)); entry.found()) {
        from = entry.port() == home.port ? home.name : place_of(entry.port());
    } else if (departed != departed_.end()) {
        from = departed->second.home.name;
    }
    if (departed != departed_.end()) departed_.erase(departed);
    if (from.empty() || from == home.name) return;
    move_log_.note({place.first, place.second, from, home.name}, clock_seconds());
}

// What belonged to a port and is seen elsewhere: a container was moved to another host.
void Switch::watch_departed() {
    const bridge::Seconds now = clock_seconds();
    std::erase_if(departed_, [&](const auto& item) {
        const auto& [place, departed] = item;
        const auto table = macs_.find(place.first);
        if (table == macs_.end() || now - departed.since >= kDepartedFor) return true;
        const uint64_t mac = path::mac_key(place.second);
        const bridge::Entry entry = table->second->find(mac, bridge::MacTable::hash(mac));
        if (!entry.found()) return false;
        const std::string to = place_of(entry.port());
        if (to != departed.home.name) move_log_.note({place.first, place.second, departed.home.name, to}, now);
        return true;
    });
}

void Switch::watch_loops() {
    const bridge::Seconds now = clock_seconds();
    for (const auto& [name, table] : macs_) {
        const auto motions = table->take_motions();
        if (motions.empty()) continue;
        const path::NetworkId id = network_ids_.at(name);
        for (const LoopWatch::Loop& loop : loop_watch_.look(id, motions, now)) {
            base::log::warning("loop", "network {}: a loop between {} and {}, or one MAC address on both: {} was seen "
                               "on both, {} frames in a second. While it lasts each may have {} frames a second "
                               "flooded", name, place_of(loop.a), place_of(loop.b), mac_of(loop.mac).text(),
                               loop.count, LoopWatch::kFloods);
        }
        for (const auto& motion : motions) {
            const bool is_of_overlay = is_tunnel(motion.from) || is_tunnel(motion.to);
            if (motion.moves == 0 || !is_of_overlay || loop_watch_.has(id, motion.from, motion.to)) continue;
            move_log_.note({name, mac_of(motion.mac), place_of(motion.from), place_of(motion.to)}, now);
        }
    }
    const auto is_gone = [&](const LoopWatch::Loop& loop) {
        const auto is_there = [&](path::PortId id) { return find_port(id) != nullptr || is_tunnel(id); };
        return router_.network_name(loop.network).empty() || !is_there(loop.a) || !is_there(loop.b);
    };
    for (const LoopWatch::Loop& loop : loop_watch_.take_ended(now, is_gone)) {
        base::log::notice("loop", "network {}: the loop between {} and {} has ended; {} frames were seen on the wrong "
                          "one of them", router_.network_name(loop.network), place_of(loop.a), place_of(loop.b),
                          loop.count);
    }
    for (auto& [name, held] : ports_) {
        std::string with;
        for (const LoopWatch::Loop& loop : loop_watch_.loops()) {
            if (loop.a == held.port->id()) with = place_of(loop.b);
            if (loop.b == held.port->id()) with = place_of(loop.a);
        }
        if (with == held.loop) continue;
        held.loop = with;
        held.limit_floods();
    }
}

// A few times a second.
void Switch::watch_stations() {
    const bridge::Seconds now = clock_seconds();
    if (now == stations_watched_) return;
    stations_watched_ = now;
    watch_departed();
    watch_loops();
    move_log_.flush(now);
}

}  // namespace sluice::engine
