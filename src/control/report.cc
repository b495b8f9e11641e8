#include "control/report.h"

#include <fnmatch.h>
#include <rte_mempool.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/none.h"
#include "control/answer.h"
#include "control/objects.h"
#include "control/report_routing.h"

namespace sluice::control {
namespace {

using nlohmann::json;

// Whether the reason is expected background: drops that are no loss.
uint64_t background_of(const path::WorkerTotals& totals) {
    return totals.dropped[static_cast<size_t>(path::Drop::kBackground)].get();
}

// The sum without expected background.
uint64_t sum_of_drops(const path::WorkerTotals& totals) {
    uint64_t count = 0;
    for (const auto& reason : totals.dropped) count += reason.get();
    return count - background_of(totals);
}

double ratio(uint64_t part, uint64_t whole) {
    if (whole == 0) return 0;
    return std::round(1000.0 * static_cast<double>(part) / static_cast<double>(whole)) / 1000.0;
}

json report_worker(const engine::Switch& running, const engine::Eal& eal, size_t i) {
    // The load of the last second.
    const engine::Load load = running.recent_load(i);
    return {{"worker", i},
            {"core", eal.cores[i]},
            {"busy", ratio(load.busy_cycles, load.cycles)},
            {"cycles-per-packet", ratio(load.busy_cycles, load.packets)},
            {"packets-per-batch", ratio(load.packets, load.batches)},
            {"packets", running.workers()[i]->counters().totals.received.get()},
            {"idle", running.config().workers.idle == view::Idle::kPoll ? "poll" : "adaptive"}};
}

bool is_in(const port::PortConfig& port, const std::string& network) {
    if (port.network == network) return true;
    if (!port.trunk) return false;
    const auto& carried = port.trunk->networks;
    return port.trunk->native == network ||
           std::find(carried.begin(), carried.end(), network) != carried.end();
}

// The hint for a port that forwards nothing: it is in no network, and neither the underlay's port nor the
// destination of a mirror.
bool leads_nowhere(const engine::Config& config, const port::PortConfig& port) {
    if (!port.network.empty() || port.trunk) return false;
    if (config.underlay && config.underlay->port == port.name) return false;
    return std::none_of(config.mirrors.begin(), config.mirrors.end(),
                        [&](const auto& mirror) { return mirror.to == port.name; });
}

// The port's state in one word, and the reason. A port that is up without a link has no fault: its peer is missing
// or was set down. A port that is up may have a reason too: a hint.
void tell_state(json& row, const engine::Config& config, const engine::HeldPort& held) {
    const std::string no_link = held.up ? held.port->no_link() : "";
    row["state"] = !held.up ? "down" : no_link.empty() ? "up" : "no-link";
    std::string trouble = held.loop.empty() ? held.port->trouble() : "a loop with " + held.loop;
    if (trouble.empty() && leads_nowhere(config, held.port->config())) {
        trouble = "it is in no network: what comes by it is dropped (give it a `network`)";
    }
    row["reason"] = base::or_none(!held.up ? held.reason : no_link.empty() ? trouble : no_link);
}

// The rates over the last second that was measured.
json report_rates(const engine::PortTraffic::Measured& traffic) {
    const std::chrono::duration<double> span = traffic.latest.time - traffic.before.time;
    const bool measured = traffic.before.time != engine::Clock::time_point{} && span.count() > 0;
    auto rate = [&](uint64_t before, uint64_t latest, double unit) {
        return measured ? std::llround(static_cast<double>(latest - before) * unit / span.count()) : 0;
    };
    const auto& [before, latest] = traffic;
    return {{"rx",
             {{"packets-per-second", rate(before.rx_packets, latest.rx_packets, 1)},
              {"bits-per-second", rate(before.rx_bytes, latest.rx_bytes, 8)}}},
            {"tx",
             {{"packets-per-second", rate(before.tx_packets, latest.tx_packets, 1)},
              {"bits-per-second", rate(before.tx_bytes, latest.tx_bytes, 8)}}}};
}

json pool_json(const char* name, const rte_mempool* pool) {
    return {{"name", name},
            {"count", pool->size},
            {"available", rte_mempool_avail_count(pool)},
            {"bytes", uint64_t{pool->size} * (pool->elt_size + pool->header_size + pool->trailer_size)}};
}

// The resident memory of this process, without packet memory in hugepages.
uint64_t resident_memory() {
    uint64_t total = 0;
    uint64_t resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Sum received(const engine::Switch& running, path::PortId id) {
    Sum sum;
    for (const auto& worker : running.workers()) {
        for (const auto& queue : worker->counters().port(id).received) sum.add(queue);
    }
    return sum;
}

Sum transmitted(const engine::Switch& running, path::PortId id) {
    Sum sum;
    for (const auto& worker : running.workers()) {
        sum.add(worker->counters().port(id).transmitted);
    }
    return sum;
}

uint64_t dropped(const engine::Switch& running, path::PortId id, path::Drop reason) {
    uint64_t count = 0;
    for (const auto& worker : running.workers()) {
        count += worker->counters().port(id).dropped[static_cast<size_t>(reason)].get();
    }
    return count;
}

uint64_t dropped(const engine::Switch& running, path::PortId id) {
    uint64_t count = 0;
    for (size_t reason = 0; reason < path::kDropCount; ++reason) {
        const auto drop = static_cast<path::Drop>(reason);
        if (drop != path::Drop::kBackground) count += dropped(running, id, drop);
    }
    return count;
}

std::map<path::PortId, std::string> place_names(const engine::Switch& running) {
    std::map<path::PortId, std::string> names;
    for (const auto& [name, held] : running.ports()) names[held.port->id()] = name;
    for (const auto& [remote, held] : running.tunnels()) names[held.id] = "tunnel " + remote.text();
    return names;
}

std::string place_name(const engine::Switch& running, path::PortId id) {
    if (const auto* port = running.find_port(id)) return port->name();
    for (const auto& [remote, held] : running.tunnels()) {
        if (held.id == id) return "tunnel " + remote.text();
    }
    return "";
}

MacAddress mac_of(uint64_t key) {
    MacAddress mac;
    for (size_t i = 0; i < 6; ++i) mac.bytes[i] = static_cast<uint8_t>(key >> (8 * i));
    return mac;
}

// The added objects that wait, except ports: `port list` shows these.
json report_waiting(const engine::Intent& intent) {
    json rows = json::array();
    for (const auto& waiting : intent.waiting()) {
        if (waiting.object->as_port() != nullptr) continue;
        rows.push_back({{"object", waiting.object->id().text()}, {"reason", waiting.reason()}});
    }
    return rows;
}

json report_status(const engine::Switch& running, const engine::Intent& intent, const engine::Eal& eal,
                   engine::Clock::time_point started) {
    json workers = json::array();
    for (size_t i = 0; i < running.workers().size(); ++i) {
        workers.push_back(report_worker(running, eal, i));
    }
    size_t up = 0;
    for (const auto& [name, held] : running.ports()) up += held.up ? 1 : 0;
    const auto& waiting = intent.waiting();
    const auto is_port = [](const auto& object) { return object.object->as_port() != nullptr; };
    const auto uptime =
        std::chrono::duration_cast<std::chrono::seconds>(engine::Clock::now() - started).count();
    return {
        {"version", SLUICE_VERSION},
        {"pid", getpid()},
        {"uptime", uptime},
        {"config", {{"file", intent.file()}, {"generation", running.generation()}}},
        {"memory",
         {{"hugepages", eal.hugepages},
          {"resident", resident_memory()},
          {"pools",
           {pool_json("buffers", running.pools().buffers), pool_json("large-buffers", running.pools().large)}}}},
        {"workers", workers},
        {"ports",
         {{"up", up},
          {"down", running.ports().size() - up},
          {"waiting", std::count_if(waiting.begin(), waiting.end(), is_port)}}},
        {"waiting", report_waiting(intent)},
        {"lost", intent.lost()},
        {"objects",
         {{"namespaces", running.objects().count(kube::Kind::kNamespace)},
          {"pods", running.objects().count(kube::Kind::kPod)},
          {"network-policies", running.objects().count(kube::Kind::kNetworkPolicy)}}},
        {"networks", running.config().networks.size()},
        {"routes", report_route_counts(running, intent.routes())},
        {"neighbors", report_neighbor_counts(running)},
        {"flows",
         {{"count", running.flows().count()},
          {"capacity", running.flows().capacity()},
          {"bytes", running.flows().memory_used()},
          {"most-bytes", running.flows().memory()}}},
        {"tunnels", running.tunnels().size()}};
}

namespace {

bool is_asked_for(const PortQuery& query, const std::string& name, const port::PortConfig& config) {
    if (!query.name.empty() && fnmatch(query.name.c_str(), name.c_str(), 0) != 0) return false;
    return query.network.empty() || is_in(config, query.network);
}

json addresses_of(const port::PortConfig& config) {
    json addresses = json::array();
    for (const auto& address : config.address) addresses.push_back(address.text());
    return addresses;
}

}  // namespace

json report_ports(const engine::Switch& running, const std::vector<engine::WaitingObject>& waiting,
                  const PortQuery& query) {
    json ports = json::array();
    for (const auto& [name, held] : running.ports()) {
        const port::PortConfig& config = held.port->config();
        if (!is_asked_for(query, name, config)) continue;
        const auto mac = held.port->mac();
        json row{{"name", name},
                 {"kind", port::kind_name(config.kind())},
                 {"network", base::or_none(config.network)},
                 {"interface", base::or_none(held.port->interface())},
                 {"addresses", addresses_of(config)},
                 {"mac", mac ? json(mac->text()) : json()},
                 {"mtu", config.frame_mtu()},
                 {"rx", received(running, held.port->id()).to_json()},
                 {"tx", transmitted(running, held.port->id()).to_json()},
                 {"rates", report_rates(held.traffic)},
                 {"drops", dropped(running, held.port->id())},
                 {"background", dropped(running, held.port->id(), path::Drop::kBackground)},
                 {"origin", base::origin(config.place)}};
        tell_state(row, running.config(), held);
        if (!query.state.empty() && row["state"] != query.state) continue;
        ports.push_back(std::move(row));
    }
    for (const engine::WaitingObject& each : waiting) {
        if (each.object->as_port() == nullptr) continue;
        const port::PortConfig& config = *each.object->as_port();
        if (!is_asked_for(query, config.name, config)) continue;
        if (!query.state.empty() && query.state != "waiting") continue;
        ports.push_back({{"name", config.name},
                         {"kind", port::kind_name(config.kind())},
                         {"network", base::or_none(config.network)},
                         {"interface", nullptr},
                         {"addresses", addresses_of(config)},
                         {"mac", config.mac ? json(config.mac->text()) : json()},
                         {"mtu", config.frame_mtu()},
                         {"rates", report_rates({})},
                         {"rx", Sum{}.to_json()},
                         {"tx", Sum{}.to_json()},
                         {"drops", 0},
                         {"background", 0},
                         {"origin", "added"},
                         {"state", "waiting"},
                         {"reason", each.reason()}});
    }
    return {{"ports", ports}};
}

json report_port(const engine::WaitingObject& waiting) {
    return {{"name", waiting.object->name()},
            {"kind", port::kind_name(waiting.object->as_port()->kind())},
            {"origin", "added"},
            {"configuration", base::to_json(waiting.object->keys)},
            {"state", "waiting"},
            {"reason", waiting.reason()}};
}

json report_port(const engine::Switch& running, const engine::HeldPort& held) {
    const path::PortId id = held.port->id();
    json drops = json::object();
    for (size_t reason = 0; reason < path::kDropCount; ++reason) {
        const uint64_t count = dropped(running, id, static_cast<path::Drop>(reason));
        if (count != 0) drops[std::string(path::kDropTexts[reason].name)] = count;
    }
    const port::PortConfig& config = held.port->config();
    const auto mac = held.port->mac();
    std::string interface = held.port->interface();
    if (interface.empty() && config.is_tap()) interface = config.interface_name();
    json answer{{"name", config.name},
                {"kind", port::kind_name(config.kind())},
                {"times-down", held.downs},
                {"origin", base::origin(config.place)},
                {"configuration", base::to_json(base::write(config.in_force()))},
                {"mac", mac ? json(mac->text()) : json()},
                {"mtu", config.frame_mtu()},
                {"interface", base::or_none(interface)},
                {"device", held.port->describe()},
                {"rx", received(running, id).to_json()},
                {"tx", transmitted(running, id).to_json()},
                {"rates", report_rates(held.traffic)},
                {"drops", drops}};
    tell_state(answer, running.config(), held);
    return answer;
}

json report_networks(const engine::Switch& running, const engine::Intent& intent) {
    json networks = json::array();
    for (const auto& config : running.config().networks) {
        const bridge::MacTable& table = *running.macs().at(config.name);
        json subnets = json::array();
        for (const auto& subnet : config.subnets) subnets.push_back(subnet.text());
        size_t ports = 0;
        for (const auto& port : running.config().ports) ports += is_in(port, config.name) ? 1 : 0;
        json gateway = json::array();
        for (const auto& address : config.gateway) gateway.push_back(address.text());
        json row{{"name", config.name}, {"subnets", subnets}, {"gateway", gateway}};
        row["mac"] = nullptr;
        row["domain"] = nullptr;
        if (config.is_routed()) {
            row["mac"] = engine::router_mac(config, running.instance()).text();
            row["domain"] = config.domain;
        }
        row["vni"] = config.vxlan ? json(config.vxlan->vni) : json();
        row.update(json{{"ports", ports},
                        {"macs", table.count()},
                        {"mac-table-size", table.capacity()},
                        {"ageing", config.ageing},
                        {"moves", table.moves()},
                        {"flaps", table.flaps()},
                        {"not-learned", table.refused()},
                        {"origin", base::origin(config.place)},
                        {"state", "in-force"},
                        {"reason", nullptr}});
        networks.push_back(std::move(row));
    }
    for (json& row : waiting_rows(intent, engine::ObjectKind::kNetwork)) {
        row.update(json{{"subnets", json::array()}, {"gateway", json::array()}});
        for (const char* key : {"mac", "domain", "vni", "ports", "macs", "mac-table-size", "ageing", "moves",
                                "flaps", "not-learned"}) {
            row[key] = nullptr;
        }
        networks.push_back(std::move(row));
    }
    return {{"networks", networks}};
}

Steps report_macs(const engine::Switch& running, const std::string& network) {
    struct Item {
        std::string network;
        bridge::MacTable::Listed listed;
    };
    std::vector<Item> items;
    for (const auto& [name, table] : running.macs()) {
        if (!network.empty() && name != network) continue;
        for (const auto& listed : table->list()) items.push_back({name, listed});
    }
    return rows_of("macs", std::move(items), [names = place_names(running)](const Item& item) {
        const bridge::Entry& entry = item.listed.entry;
        const path::Seconds now = engine::clock_seconds();
        auto place = names.find(entry.port());
        json row{{"network", item.network},
                 {"mac", mac_of(item.listed.mac).text()},
                 {"port", place == names.end() ? json() : json(place->second)},
                 {"kind", entry.is_static() ? "static" : "learned"},
                 {"age", nullptr}};
        // A worker's clock may be a little ahead.
        if (!entry.is_static()) row["age"] = now > entry.seen() ? now - entry.seen() : 0;
        return row;
    });
}

json report_stats(const engine::Switch& running, const engine::Eal& eal) {
    json workers = json::array();
    uint64_t sum_received = 0;
    uint64_t sum_made = 0;
    uint64_t sum_consumed = 0;
    uint64_t sum_transmitted = 0;
    uint64_t sum_dropped = 0;
    uint64_t sum_background = 0;
    for (size_t i = 0; i < running.workers().size(); ++i) {
        const path::WorkerTotals& totals = running.workers()[i]->counters().totals;
        json row = report_worker(running, eal, i);
        row["received"] = totals.received.get();
        row["made"] = totals.made.get();
        row["consumed"] = totals.consumed.get();
        row["transmitted"] = totals.transmitted.get();
        row["dropped"] = sum_of_drops(totals);
        row["background"] = background_of(totals);
        row["batches"] = totals.batches.get();
        row["busy-cycles"] = totals.busy_cycles.get();
        row["idle-cycles"] = totals.idle_cycles.get();
        row["sleep-cycles"] = totals.sleep_cycles.get();
        row.erase("packets");
        workers.push_back(std::move(row));
        sum_received += totals.received.get();
        sum_made += totals.made.get();
        sum_consumed += totals.consumed.get();
        sum_transmitted += totals.transmitted.get();
        sum_dropped += sum_of_drops(totals);
        sum_background += background_of(totals);
    }
    json ports = json::array();
    const auto count = static_cast<uint16_t>(running.workers().size());
    for (const auto& [name, held] : running.ports()) {
        const path::PortId id = held.port->id();
        json queues = json::array();
        for (uint16_t queue = 0; queue < path::kMaxQueues; ++queue) {
            const uint16_t worker = view::worker_of(id, queue, count);
            Sum sum;
            sum.add(running.workers()[worker]->counters().port(id).received[queue]);
            // A port that is down has no queues, but keeps the counters of their traffic.
            if (queue >= held.port->receive_queues() && sum.packets == 0) continue;
            json row = sum.to_json();
            row["queue"] = queue;
            row["worker"] = worker;
            queues.push_back(std::move(row));
        }
        json sent = json::array();
        for (size_t i = 0; i < running.workers().size(); ++i) {
            Sum sum;
            sum.add(running.workers()[i]->counters().port(id).transmitted);
            json row = sum.to_json();
            row["worker"] = i;
            sent.push_back(std::move(row));
        }
        ports.push_back({{"name", name},
                         {"rx", queues},
                         {"tx", sent},
                         {"drops", dropped(running, id)},
                         {"background", dropped(running, id, path::Drop::kBackground)}});
    }
    json tunnels = json::array();
    for (const auto& [remote, held] : running.tunnels()) {
        tunnels.push_back({{"remote", remote.text()},
                           {"rx", received(running, held.id).to_json()},
                           {"tx", transmitted(running, held.id).to_json()},
                           {"drops", dropped(running, held.id)},
                           {"background", dropped(running, held.id, path::Drop::kBackground)}});
    }
    return {{"workers", workers},
            {"ports", ports},
            {"tunnels", tunnels},
            {"totals",
             {{"received", sum_received},
              {"made", sum_made},
              {"consumed", sum_consumed},
              {"transmitted", sum_transmitted},
              {"dropped", sum_dropped},
              {"background", sum_background}}}};
}

}  // namespace sluice::control
