#include "control/leases.h"

#include <algorithm>
#include <cstring>

#include "control/commands.h"
#include "control/containers.h"
#include "dhcp/advertisement.h"
#include "path/parse.h"

namespace sluice::control {
namespace {

using engine::NetworkConfig;
using nlohmann::json;

Guests::HoldersIn holders_of(const Running& daemon) {
    return [&daemon](const NetworkConfig& network) { return holders_without_leases(daemon, network); };
}

bool save_leases(Running& daemon) {
    const auto saved = daemon.guests.leases().save();
    if (!saved) base::log::error("dhcp", "guests get no new addresses: {}", saved.error().text());
    return saved.has_value();
}

void lend(Running& daemon) {
    daemon.running.lend(daemon.guests.lent(daemon.running.config()));
}

// The least MTU of its ports, as all stations of a link have the same.
uint16_t network_mtu(const engine::Config& config, const NetworkConfig& network) {
    uint16_t least = 0;
    for (const port::PortConfig& port : config.ports) {
        const auto names = engine::networks_of(config, port);
        if (std::ranges::find(names, network.name) == names.end()) continue;
        least = least == 0 ? port.frame_mtu() : std::min(least, port.frame_mtu());
    }
    return least == 0 ? uint16_t{1500} : least;
}

MacAddress mac_of_key(uint64_t key) {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), &key, mac.bytes.size());
    return mac;
}

std::optional<Asking> asking_of(const punt::Head& head) {
    if (head.kind == punt::Kind::kIcmpv6) return Asking::kRouter;
    if (head.kind != punt::Kind::kUdp) return std::nullopt;
    if (head.own_port == dhcp::kServerPort && head.station.is_v4()) return Asking::kDhcp;
    if (head.own_port == dhcp::kServerPort6 && !head.station.is_v4()) return Asking::kDhcpv6;
    return std::nullopt;
}

// Nothing: the port or the network isn't there any more.
std::optional<Asker> asker_of(const Running& daemon, const punt::Head& head) {
    const engine::HeldPort* held = daemon.running.find_port(head.port);
    const engine::Config& config = daemon.running.config();
    const std::string name(daemon.running.router().network_name(head.network));
    const NetworkConfig* network = engine::find_network(config, name);
    if (held == nullptr || held->port->serial() != head.serial || network == nullptr) return std::nullopt;
    const port::PortConfig& port = held->port->config();
    const auto names = engine::networks_of(config, port);
    if (std::ranges::find(names, name) == names.end()) return std::nullopt;
    const bool asks_for_router = head.kind == punt::Kind::kIcmpv6;
    return Asker{*network,
                 port,
                 held->port->mac(),
                 engine::router_mac(*network, daemon.running.instance()),
                 mac_of_key(head.mac),
                 head.station,
                 asks_for_router ? network_mtu(config, *network) : uint16_t{0}};
}

// By a station that has said so itself; what is declared or lent is known otherwise.
bool is_in_use(const Running& daemon, const NetworkConfig& network, const IpAddress& address,
               const MacAddress& mac) {
    const auto id = daemon.running.network_ids().find(network.name);
    if (id == daemon.running.network_ids().end()) return false;
    const auto* entry = daemon.running.router().neighbors().find(id->second, address);
    if (entry == nullptr || !entry->resolved() || entry->is_gone.load(std::memory_order_relaxed)) return false;
    const bool is_heard = entry->state.load(std::memory_order_relaxed) != neighbor::State::kStatic;
    return is_heard && entry->mac.load(std::memory_order_relaxed) != path::mac_key(mac);
}

struct Prepared {
    punt::Head head;
    std::vector<std::byte> payload;
    bool needs_lease;
};

Prepared prepare(punt::Head head, Asking asking, const Guests::Reply& reply) {
    head.kind = asking == Asking::kRouter ? punt::Kind::kIcmpv6 : punt::Kind::kUdp;
    head.own = reply.from;
    head.station = reply.to;
    head.mac = path::mac_key(reply.to_mac);
    head.own_port = asking == Asking::kDhcp ? dhcp::kServerPort : dhcp::kServerPort6;
    head.station_port = asking == Asking::kDhcp ? dhcp::kClientPort : dhcp::kClientPort6;
    const auto bytes = std::as_bytes(std::span(reply.payload));
    return {head, {bytes.begin(), bytes.end()}, reply.needs_lease};
}

// Each port is told by itself, and of many not all at once.
void advertise_routers(Running& daemon, int64_t now) {
    constexpr size_t kAtOnce = 64;
    const engine::Config& config = daemon.running.config();
    auto& due = daemon.lease_watch.advertise;
    size_t count = 0;
    for (const NetworkConfig& network : config.networks) {
        const auto id = daemon.running.network_ids().find(network.name);
        if (!network.dhcp || id == daemon.running.network_ids().end()) continue;
        const MacAddress mac = engine::router_mac(network, daemon.running.instance());
        const auto reply = Guests::advertise(network, mac, network_mtu(config, network));
        if (!reply) continue;
        for (const auto& [name, held] : daemon.running.ports()) {
            const auto names = engine::networks_of(config, held.port->config());
            const bool is_there = held.up && held.port->has_link();
            if (!is_there || std::ranges::find(names, network.name) == names.end()) continue;
            int64_t& next = due[{id->second, held.port->id()}];
            if (now < next) continue;
            if (++count > kAtOnce) return;
            next = now + dhcp::kAdvertisementInterval;
            punt::Head head{};
            head.network = id->second;
            head.port = held.port->id();
            head.serial = held.port->serial();
            Prepared prepared = prepare(head, Asking::kRouter, *reply);
            daemon.protocols.send(prepared.head, std::move(prepared.payload));
        }
    }
}

}  // namespace

bool GuestQueue::push(const punt::Message& message) {
    const std::lock_guard lock(mutex_);
    const auto of_port =
        std::ranges::count(messages_, message.head.port, [](const punt::Message& it) { return it.head.port; });
    if (messages_.size() >= kMost || of_port >= kMostOfPort) return false;
    messages_.push_back(message);
    return messages_.size() == 1;
}

std::vector<punt::Message> GuestQueue::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
}

void load_leases(Running& daemon) {
    for (const base::Error& fault : daemon.guests.leases().load(Guests::now()))
        base::log::error("dhcp", "a lease can't be read, the others are in force: {}", fault.text());
    daemon.running.lend(daemon.guests.lent(daemon.intent.config()));
    daemon.guests.set_in_use(
        [&daemon](const NetworkConfig& network, const IpAddress& address, const MacAddress& mac) {
            return is_in_use(daemon, network, address, mac);
        });
}

void answer_guests(Running& daemon) {
    const int64_t now = Guests::now();
    std::vector<Prepared> answers;
    for (const punt::Message& message : daemon.guest_queue.take()) {
        const auto asking = asking_of(message.head);
        const auto asker = asking ? asker_of(daemon, message.head) : std::nullopt;
        if (!asker) continue;
        const auto bytes = message.payload();
        const std::span payload(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
        const auto reply = daemon.guests.answer(*asking, payload, *asker, holders_of(daemon), now);
        if (reply) answers.push_back(prepare(message.head, *asking, *reply));
    }
    // What can't be saved isn't said.
    const bool has_changed = !daemon.guests.leases().is_saved();
    const bool is_saved = save_leases(daemon);
    if (has_changed) {
        // Leases depend on nothing that this changes.
        const bool is_up_to_date = daemon.lease_watch.generation == daemon.running.generation();
        lend(daemon);
        if (is_up_to_date) daemon.lease_watch.generation = daemon.running.generation();
    }
    for (Prepared& answer : answers) {
        if (is_saved || !answer.needs_lease) daemon.protocols.send(answer.head, std::move(answer.payload));
    }
}

void tick_leases(Running& daemon) {
    const int64_t now = Guests::now();
    Guests& guests = daemon.guests;
    guests.tick();
    const uint64_t generation = daemon.running.generation();
    const bool has_changed = std::exchange(daemon.lease_watch.generation, generation) != generation;
    if (has_changed) guests.reconcile(daemon.running.config(), holders_of(daemon), now);
    if (guests.leases().expire(now) || has_changed) {
        save_leases(daemon);
        lend(daemon);
    }
    advertise_routers(daemon, now);
}

Answer lease_list(const Running& daemon, const json& params) {
    const std::string wanted = text_of(params, "network");
    if (!wanted.empty() && engine::find_network(daemon.intent.config(), wanted) == nullptr)
        return refused({{fmt::format("there is no network \"{}\"", wanted), {}, {}}});
    const int64_t now = Guests::now();
    json rows = json::array();
    for (const auto& [key, lease] : daemon.guests.leases().entries()) {
        const dhcp::Guest& guest = key.first;
        if (lease.state != dhcp::LeaseState::kBound || (!wanted.empty() && guest.network != wanted)) continue;
        rows.push_back({{"address", lease.address.text()},
                        {"network", guest.network},
                        {"port", guest.port},
                        {"mac", guest.mac.text()},
                        {"host", base::or_none(lease.host_name)},
                        {"from", lease.is_declared ? "declared" : "pool"},
                        {"seconds-left", std::max<int64_t>(0, lease.until - now)}});
    }
    return json{{"leases", std::move(rows)}};
}

}  // namespace sluice::control
