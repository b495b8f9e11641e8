#include "explain/trace.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "wire/address.h"
#include "wire/mbuf.h"
#include "wire/summary.h"

namespace sluice::explain {
namespace {

using engine::Switch;
using path::Drop;

// What the dry run may assume. Nothing is assumed of a port that is down: its station would not answer.
std::vector<DryRun::Station> assumed_stations(const Switch& running, const Probe& probe) {
    std::vector<DryRun::Station> stations;
    const auto assume = [&](const End& station) {
        const auto network = running.network_ids().find(station.network);
        const bool is_there = station.port == nullptr || station.port->up;
        // Behind no port that is known: it is flooded to, or asked for.
        if (station.id == path::kNoPort || station.mac == 0 || !is_there) return;
        if (network == running.network_ids().end()) return;
        stations.push_back({network->second, station.station, station.mac, station.id});
    };
    assume(probe.to);
    for (const End& station : probe.others) assume(station);
    return stations;
}

std::optional<Object> object_of(const End& end) {
    if (end.port == nullptr) return std::nullopt;
    const port::PortConfig& config = end.port->port->config();
    return Object{"port", config.name, config.place};
}

Stage entrance(const Switch& running, const Probe& probe) {
    const End& from = probe.from;
    const std::string where = from.port != nullptr ? "port " + from.port->port->config().name
                                                   : place_name(running, from.id, rte_get_tsc_cycles());
    std::string text = fmt::format("{} from {}", from.address.text(), where);
    if (!from.network.empty()) text += fmt::format(", in network {}", from.network);
    if (from.is_assumed_address) {
        const bool has_other = from.port != nullptr && !from.port->port->config().address.empty();
        const std::string_view family = !has_other ? "" : from.address.is_v4() ? "IPv4 " : "IPv6 ";
        text += fmt::format(" (the port declares no {}address: this is a spare one)", family);
    }
    return {"ingress", std::move(text), object_of(from)};
}

Trace down(const End& end, std::string_view what) {
    Trace trace{.verdict = Verdict::kDrop, .reason = std::string(path::text(Drop::kPortDown).name)};
    const auto object = object_of(end);
    trace.decided_by.push_back(*object);
    trace.stages.push_back(
        {std::string(what), fmt::format("port {} is down: {}", object->name, end.port->reason), object});
    return trace;
}

// A port that is down sends no packets. A packet to it is traced as usual, if the address behind it is known.
std::optional<Trace> down(const Probe& probe) {
    const auto is_down = [](const End& end) { return end.port != nullptr && !end.port->up; };
    if (is_down(probe.from)) return down(probe.from, "ingress");
    const bool is_nameless = probe.names_port && (probe.to.is_assumed_address || !probe.to.port->port->mac());
    if (is_nameless && is_down(probe.to)) return down(probe.to, "transmit");
    return std::nullopt;
}

// The receivers of the sender's broadcast: "ports a, b, tunnel 192.0.2.2".
std::string broadcast_receivers(const Switch& running, const End& from) {
    const view::Snapshot& snapshot = running.snapshot();
    const view::PortSlot& slot = snapshot.slots[path::index(from.id)];
    const view::Network& network = snapshot.networks[path::index(running.network_ids().at(from.network))];
    const uint64_t now = rte_get_tsc_cycles();
    std::vector<std::string> names;
    for (const port::Exit& exit : network.members) {
        const bool is_shut = exit.port == slot.port || (slot.horizon != 0 && exit.horizon == slot.horizon);
        if (!is_shut) names.push_back(place_name(running, exit.port->id(), now));
    }
    if (!names.empty()) names.front().insert(0, names.size() == 1 ? "port " : "ports ");
    for (const path::PortId tunnel : network.tunnels) {
        if (slot.tunnel == nullptr) names.push_back(place_name(running, tunnel, now));
    }
    if (names.empty()) return "nobody, as the network has no other port that is up";
    return fmt::format("{}", fmt::join(names, ", "));
}

// The sender must request the destination's MAC address on its link, because the switch does not know it.
Trace ask(const Switch& running, const Probe& probe) {
    const IpAddress& address = probe.to.address;
    std::string text = fmt::format(
        "the MAC address of {} is not known here: the sender would request it ({}), flooded to {}. The trace ends "
        "here: name the MAC address or the port",
        address.text(), address.is_v4() ? "ARP" : "Neighbor Discovery", broadcast_receivers(running, probe.from));
    Trace trace{.verdict = Verdict::kAsk};
    trace.stages.push_back(entrance(running, probe));
    trace.stages.push_back({"ask", std::move(text), std::nullopt});
    return trace;
}

// The sender does not know a next hop for the packet.
std::optional<Trace> without_next_hop(const Switch& running, const Probe& probe) {
    if (probe.destination_mac != 0) return std::nullopt;
    if (probe.is_on_link) return ask(running, probe);
    const engine::NetworkConfig* network = engine::find_network(running.config(), probe.from.network);
    Trace trace{.verdict = Verdict::kDrop, .reason = std::string(path::text(Drop::kNoRoute).name)};
    std::optional<Object> by;
    if (network != nullptr) by = Object{"network", network->name, network->place};
    if (by) trace.decided_by.push_back(*by);
    trace.stages.push_back({"ingress", fmt::format("{} is on no link of network {}, which has no gateway",
                                                   probe.to.address.text(), probe.from.network), by});
    return trace;
}

// Packets from a tunnel are checked first (tunnel/decap.h); then they take the path of packets from ports.
// Returns the reason for a drop; none if the packet may enter.
std::optional<Drop> tunnels_refusal(const Switch& running, const Probe& probe, const rte_mbuf* packet) {
    const view::Snapshot& snapshot = running.snapshot();
    if (snapshot.slots[path::index(probe.from.id)].tunnel == nullptr) return std::nullopt;
    const path::NetworkId id = running.network_ids().at(probe.from.network);
    const view::Network& network = snapshot.networks[path::index(id)];
    if (probe.vlan != 0 && !network.carries_tags) return Drop::kVxlanInnerVlan;
    if (network.tunnel_guard == nullptr) return std::nullopt;
    path::Meta meta{};
    meta.ingress = probe.from.id;
    meta.network = id;
    meta.source_mac = probe.from.mac;
    meta.destination_mac = probe.destination_mac;
    const Drop reason = network.tunnel_guard->judge(meta, packet);
    return reason == Drop::kCount ? std::nullopt : std::optional(reason);
}

Trace refused_by_tunnel(const Switch& running, const Probe& probe, Drop reason) {
    const path::DropText& words = path::text(reason);
    Trace trace{.verdict = Verdict::kDrop, .reason = std::string(words.name)};
    std::optional<Object> by;
    for (const auto& network : running.config().networks) {
        if (network.name == probe.from.network) by = Object{"network", network.name, network.place};
    }
    if (by) trace.decided_by.push_back(*by);
    trace.stages.push_back(entrance(running, probe));
    trace.stages.push_back({"drop", fmt::format("{}: {}", words.name, words.sentence), by});
    return trace;
}

// tcpdump's words do not contain whether the packet may be fragmented, so add that.
std::string summary_of(const rte_mbuf* packet, const Probe& probe) {
    std::string summary =
        wire::summary({rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len}, packet->pkt_len);
    if (probe.from.address.is_v4()) summary += probe.has_df ? ", DF" : ", no DF";
    return summary;
}

}  // namespace

Tracer::Tracer(Switch& running) : running_(running), run_(running) {}

base::Result<Trace> Tracer::trace(const Question& question) {
    const auto probe = find_probe(running_, question);
    if (!probe) return tl::unexpected(probe.error());
    if (auto answer = down(*probe)) return *answer;
    if (auto answer = without_next_hop(running_, *probe)) return *answer;
    rte_mbuf* packet = build_probe(running_.pools(), *probe, question);
    if (packet == nullptr) {
        return tl::unexpected(base::Error{"no packet buffer is left: raise `memory.buffers`", {}, {}});
    }
    std::string summary = summary_of(packet, *probe);
    Trace trace;
    if (const auto reason = tunnels_refusal(running_, *probe, packet)) {
        rte_pktmbuf_free(packet);
        trace = refused_by_tunnel(running_, *probe, *reason);
    } else {
        trace = run(packet, *probe);
    }
    trace.packet = std::move(summary);
    return trace;
}

Trace Tracer::run(rte_mbuf* packet, const Probe& probe) {
    const auto network = running_.network_ids().find(probe.from.network);
    const bool is_of_tunnel = running_.snapshot().slots[path::index(probe.from.id)].tunnel != nullptr;
    const auto assumed = assumed_stations(running_, probe);
    const path::Witnessed& told = run_.go(packet, {.ingress = probe.from.id,
                                                   .network = is_of_tunnel ? network->second : path::kNoNetworkId,
                                                   .assumed = assumed});
    std::vector<Left> left;
    for (const auto& frame : run_.frames()) left.push_back({frame.port, frame.refusal});
    Trace trace = tell(running_, told, left, entrance(running_, probe));
    for (const auto& frame : run_.frames()) {
        if (frame.refusal) continue;
        trace.sent.push_back({place_name(running_, frame.port, rte_get_tsc_cycles()), frame.bytes});
    }
    return trace;
}

base::Result<Trace> trace(Switch& running, const Question& question) { return Tracer(running).trace(question); }

}  // namespace sluice::explain
