// The switch's half of stations: behind which port each is, moves to another port, loops between ports, and
// neighbors whose MAC address may have changed.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/log.h"
#include "engine/switch.h"

namespace sluice::engine {
namespace {

// How long the addresses of a deleted port are looked for behind other ports: as long as MAC tables keep them.
constexpr path::Seconds kDepartedFor = 300;

// How long the stations behind a tunnel are watched for silence after a new one has come up there.
constexpr path::Seconds kSuspectedFor = 2;
// The least time between two such watches of one tunnel.
constexpr path::Seconds kSuspectedAgain = 10;

// The most solicitations that new stations may cause in a tick, and the most that may wait for a tick.
constexpr size_t kVerifiedAtOnce = 16;
constexpr size_t kMostUnverified = 4096;

void tell_move(base::CountedLog& log, const std::string& network, const MacAddress& mac, const std::string& from,
               const std::string& to) {
    const std::string what = fmt::format("network {}: {} has moved from {} to {}", network, mac.text(), from, to);
    log.tell(base::CountedLog::Clock::now(), base::log::Level::kNotice, "mac", what, what);
}

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
    if (const auto* port = find_port(id)) return "port " + port->name();
    for (const auto& [remote, held] : tunnels_) {
        if (held.id == id) return "tunnel " + remote.text();
    }
    return "a port that has gone";
}

// Reports an address that belongs to a port from now on.
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
    tell_move(moves_log_, place.first, place.second, from, home.name);
}

// Reports addresses of deleted ports that are seen elsewhere: a container was moved to another host.
void Switch::watch_departed() {
    const path::Seconds now = clock_seconds();
    std::erase_if(departed_, [&](const auto& item) {
        const auto& [place, departed] = item;
        const auto table = macs_.find(place.first);
        if (table == macs_.end() || now - departed.since >= kDepartedFor) return true;
        const uint64_t mac = path::mac_key(place.second);
        const bridge::Entry entry = table->second->find(mac, bridge::MacTable::hash(mac));
        if (!entry.found()) return false;
        const std::string to = place_of(entry.port());
        const std::string& from = departed.home.name;
        if (to != from) tell_move(moves_log_, place.first, place.second, from, to);
        return true;
    });
}

void Switch::watch_loops() {
    const path::Seconds now = clock_seconds();
    for (const auto& [name, table] : macs_) {
        const auto motions = table->take_motions();
        if (motions.empty()) continue;
        const path::NetworkId id = network_ids_.at(name);
        for (const LoopWatch::Loop& loop : loop_watch_.look(id, motions, now)) {
            base::log::warning(
                "loop",
                "network {}: a loop between {} and {}, or one MAC address on both: {} was seen "
                "on both, in at least {} frames a second. While it lasts a port of them may have {} frames a "
                "second flooded",
                name, place_of(loop.a), place_of(loop.b), mac_of(loop.mac).text(), loop.count, LoopWatch::kFloods);
        }
        for (const auto& motion : motions) {
            const bool is_of_overlay = is_tunnel(motion.from) || is_tunnel(motion.to);
            if (motion.moves == 0 || !is_of_overlay || loop_watch_.has(id, motion.from, motion.to)) continue;
            tell_move(moves_log_, name, mac_of(motion.mac), place_of(motion.from), place_of(motion.to));
        }
    }
    const auto is_gone = [&](const LoopWatch::Loop& loop) {
        const auto is_there = [&](path::PortId id) { return find_port(id) != nullptr || is_tunnel(id); };
        return router_.network_name(loop.network).empty() || !is_there(loop.a) || !is_there(loop.b);
    };
    for (const LoopWatch::Loop& loop : loop_watch_.take_ended(now, is_gone)) {
        base::log::notice("loop",
                          "network {}: the loop between {} and {} has ended; at least {} frames were seen on the "
                          "wrong one of them",
                          router_.network_name(loop.network), place_of(loop.a), place_of(loop.b), loop.count);
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

// A station that comes up without announcing its IP address may have taken one of a neighbor behind the same port.
// So the switch asks the neighbors behind that port again. Behind a tunnel it doesn't know which addresses other
// hosts' stations hold for each other: it forgets the stations that are silent (forget_silent()).
void Switch::verify_neighbors() {
    if (!speaks()) return;
    for (const auto& [name, table] : macs_) {
        std::vector<uint64_t> arrivals = table->take_arrivals();
        if (arrivals.empty()) continue;
        const path::NetworkId id = network_ids_.at(name);
        // A station that comes back has its address from before.
        std::erase_if(arrivals, [&](uint64_t mac) { return table->take_departed(mac); });
        router_.neighbors().each([&](const neighbor::Entry& neighbor) {
            if (neighbor.network == id) std::erase(arrivals, neighbor.mac.load(std::memory_order_relaxed));
        });
        std::set<path::PortId> places;
        for (const uint64_t mac : arrivals) {
            const bridge::Entry entry = table->find(mac, bridge::MacTable::hash(mac));
            if (!entry.found() || entry.is_static()) continue;
            places.insert(entry.port());
            if (is_tunnel(entry.port())) suspect(name, entry.port());
        }
        if (places.empty()) continue;
        router_.neighbors().each([&](const neighbor::Entry& neighbor) {
            const uint64_t mac = neighbor.mac.load(std::memory_order_relaxed);
            const bool is_static = neighbor.state.load(std::memory_order_relaxed) == neighbor::State::kStatic;
            if (neighbor.network != id || mac == 0 || is_static || unverified_.size() == kMostUnverified) return;
            const bridge::Entry entry = table->find(mac, bridge::MacTable::hash(mac));
            if (!entry.found() || !places.contains(entry.port())) return;
            unverified_.insert_or_assign({id, neighbor.address}, entry.port());
        });
    }
    ask_unverified();
}

// Asks some neighbors in each tick, and continues after the last one of the tick before: stations that come up all
// the time don't keep the others waiting.
void Switch::ask_unverified() {
    std::vector<responder::Chore> chores;
    while (!unverified_.empty() && chores.size() < kVerifiedAtOnce) {
        auto next = unverified_.upper_bound(verified_);
        if (next == unverified_.end()) next = unverified_.begin();
        const auto& [network, address] = verified_ = next->first;
        chores.push_back({.kind = responder::Chore::Kind::kVerify,
                          .network = network,
                          .port = next->second,
                          .address = address});
        unverified_.erase(next);
    }
    ask(std::move(chores));
}

// Each watch causes a flood to the tunnel's stations, so a sender of ever new addresses must not start one at any
// time.
void Switch::suspect(const std::string& network, path::PortId tunnel) {
    const path::Seconds now = clock_seconds();
    const auto [suspect, is_new] = suspects_.try_emplace({network, tunnel}, now);
    if (!is_new && now - suspect->second >= kSuspectedAgain) suspect->second = now;
}

// If a frame is for a forgotten station, the responder makes its sender ask for the station's address
// (Responder::seek_departed()). A station that is still there answers, and its MAC address is learned again. If
// the station has another MAC address now, the sender learns that.
void Switch::forget_silent() {
    // Wait for a quarter of the second: a station that sends has been seen in this second by then.
    if (rte_get_tsc_cycles() % rte_get_tsc_hz() < rte_get_tsc_hz() / 4) return;
    const path::Seconds now = clock_seconds();
    std::erase_if(suspects_, [&](const auto& suspect) {
        const auto& [name, port] = suspect.first;
        const auto table = macs_.find(name);
        if (table == macs_.end()) return true;
        if (now - suspect.second >= kSuspectedFor) return now - suspect.second >= kSuspectedAgain;
        for (const auto& [mac, entry] : table->second->list()) {
            const bool is_silent = static_cast<int32_t>(now - entry.seen()) > 0;
            if (entry.is_static() || entry.port() != port || !is_silent) continue;
            table->second->remove(mac);
            table->second->set_departed(mac);
        }
        return false;
    });
}

// To be called a few times a second.
void Switch::watch_stations() {
    verify_neighbors();
    forget_silent();
    const path::Seconds now = clock_seconds();
    if (now == stations_watched_) return;
    stations_watched_ = now;
    watch_departed();
    watch_loops();
}

}  // namespace sluice::engine
