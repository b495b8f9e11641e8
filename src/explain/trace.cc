#include "explain/trace.h"

#include <algorithm>

#include "engine/path.h"
#include "engine/speaker.h"
#include "engine/tracker.h"
#include "wire/address.h"

namespace sluice::explain {
namespace {

using engine::Switch;
using engine::Tables;
using path::Drop;

// Tables that nothing is learned into, and where the destination is known to be where it would be found.
struct QuestionTables : Tables {
    bridge::Entry find(const path::Meta& meta) const noexcept {
        const bridge::Entry known = Tables::find(meta);
        const neighbor::Entry& station = assumed->station;
        const bool is_assumed = meta.destination_mac == station.mac.load(std::memory_order_relaxed) &&
                                meta.network == station.network && assumed->port != path::kNoPort;
        return known.found() || !is_assumed ? known : bridge::Entry::fixed(assumed->port);
    }
    bool learn(const path::Meta&, uint32_t) const noexcept { return true; }
};

class Outbox final : public port::Sink {
 public:
    struct Frame {
        path::PortId port;
        std::vector<uint8_t> bytes;
    };

    void take(port::Port& port, rte_mbuf** packets, uint16_t count) noexcept override {
        for (uint16_t i = 0; i < count; ++i) {
            std::vector<uint8_t> bytes(packets[i]->pkt_len);
            const void* read = rte_pktmbuf_read(packets[i], 0, packets[i]->pkt_len, bytes.data());
            if (read != bytes.data()) std::memcpy(bytes.data(), read, bytes.size());
            frames.push_back({port.id(), std::move(bytes)});
            rte_pktmbuf_free(packets[i]);
        }
    }

    std::vector<Frame> frames;
};

// A worker of its own, for one packet.
class Run {
 public:
    Run(Switch& running, const Probe& probe) : running_(running), probe_(probe) {
        assumed_.port = probe.to.id;
        assumed_.station.address = probe.to.station;
        assumed_.station.mac = probe.to.mac;
        const auto network = running.network_ids().find(probe.to.network);
        assumed_.station.network =
            network == running.network_ids().end() ? path::kNoNetworkId : network->second;
    }

    void go(rte_mbuf* packet) {
        const engine::Snapshot& snapshot = running_.snapshot();
        const engine::PortSlot& slot = snapshot.slots[path::index(probe_.from.id)];
        batch_.count = 1;
        batch_.packets[0] = packet;
        path::Meta& meta = batch_.meta[0];
        meta = {};
        meta.ingress = probe_.from.id;
        meta.network = slot.network;
        meta.unusual = slot.is_unusual();
        if (slot.tunnel != nullptr) meta.network = running_.network_ids().at(probe_.from.network);
        const QuestionTables tables{{snapshot.slots.data(), snapshot.macs.data(), snapshot.networks.data(),
                                     engine::clock_seconds(), egress_, counters_, drops_, snapshot,
                                     running_.router().hops().data(), running_.neighbors(), speaker_,
                                     running_.flows(), running_.fragments(), 0, path::WorkerId{0}, tracker_,
                                     &assumed_}};
        counters_.log.set_time(rte_get_tsc_cycles());
        if (snapshot.has_policies) {
            engine::FlowPath::run(batch_, tables);
        } else if (snapshot.is_bridge) {
            engine::BridgePath::run(batch_, tables);
        } else {
            engine::RouterPath::run(batch_, tables);
        }
        speaker_.end_batch(counters_);
        drops_.free();
        egress_.flush();
    }

    const path::Meta& meta() const { return batch_.meta[0]; }
    const std::vector<Outbox::Frame>& frames() const { return outbox_.frames; }
    std::vector<path::DropRecord> drops() const { return counters_.log.recent(); }
    std::vector<engine::Tracker::Asked> asked() { return tracker_.take_asked(); }
    const path::Counters& counters() const { return counters_; }

 private:
    Switch& running_;
    const Probe& probe_;
    engine::Assumed assumed_;
    Outbox outbox_;
    path::Counters counters_;
    port::Egress egress_{path::WorkerId{0}, running_.pools(), counters_, &outbox_};
    engine::Speaker speaker_{running_.pools()};
    engine::Tracker tracker_;
    engine::Drops drops_;
    path::Batch batch_;
};

std::optional<Object> object_of(const End& end) {
    if (end.port == nullptr) return std::nullopt;
    const port::PortConfig& config = end.port->port->config();
    return Object{"port", config.name, config.place};
}

Object object_of(const acl::List& list, uint32_t rule) {
    const acl::Object object = list.describe(rule);
    return {std::string(object.kind), object.name, object.place};
}

class Teller {
 public:
    Teller(Switch& running, const Probe& probe, Run& run) : running_(running), probe_(probe), run_(run) {}

    Trace tell() {
        tell_ingress();
        tell_forwarding();
        for (const auto& asked : run_.asked()) tell_rule(asked);
        tell_frames();
        tell_drops();
        if (trace_.decided_by.empty()) {
            if (const auto port = object_of(probe_.from)) trace_.decided_by.push_back(*port);
        }
        return std::move(trace_);
    }

 private:
    void stage(std::string name, std::string text, std::optional<Object> by = std::nullopt) {
        trace_.stages.push_back({std::move(name), std::move(text), std::move(by)});
    }

    std::string name_of(path::PortId id) const { return place_name(running_, id, rte_get_tsc_cycles()); }

    void tell_ingress() {
        const std::string where =
            probe_.from.port != nullptr ? "port " + probe_.from.port->port->config().name
                                        : name_of(probe_.from.id);
        std::string text = fmt::format("{} from {}", probe_.from.address.text(), where);
        if (!probe_.from.network.empty()) text += fmt::format(", in network {}", probe_.from.network);
        if (probe_.from.is_assumed_address) text += " (the port declares no address: this is a spare one)";
        stage("ingress", text, object_of(probe_.from));
    }

    void tell_forwarding() {
        const path::Meta& meta = run_.meta();
        if (meta.layer3 != path::Layer3::kNone &&
            running_.snapshot().networks[path::index(meta.network)].mac != 0) {
            tell_route(meta);
        } else if (meta.fate == path::Fate::kForward) {
            stage("bridge",
                  fmt::format("{} is behind port {}", mac_text(meta.destination_mac), name_of(meta.egress)));
        } else if (meta.fate == path::Fate::kFlood) {
            stage("bridge", fmt::format("{} is behind no port that is known: to all of the network",
                                        mac_text(meta.destination_mac)));
        }
    }

    void tell_route(const path::Meta& meta) {
        const std::string network(running_.router().network_name(meta.network));
        const auto& networks = running_.config().networks;
        const auto config = std::find_if(networks.begin(), networks.end(),
                                         [&](const auto& n) { return n.name == network; });
        if (config == networks.end()) return;
        const engine::Domain& domain = *running_.router().domains().at(config->domain);
        const auto found = domain.table.longest(probe_.to.address);
        if (!found) return stage("route", fmt::format("no route in domain {}", domain.name));
        const auto& [to, hop] = *found;
        std::optional<Object> by;
        if (const auto* derived = running_.router().declared(domain.name, to)) {
            by = Object{derived->origin == engine::RouteOrigin::kNetwork ? "network" : "route", to.text(),
                        derived->place};
            const path::NetworkId home = running_.router().hops().key(hop).network;
            if (by->kind == "network") by->name = running_.router().network_name(home);
        }
        stage("route", fmt::format("{} of domain {}", to.text(), domain.name), by);
        if (by && by->kind == "route") trace_.decided_by.push_back(*by);
        if (meta.fate != path::Fate::kRoute || meta.neighbor == nullptr) return;
        const auto& neighbor = *static_cast<const neighbor::Entry*>(meta.neighbor);
        stage("neighbor", fmt::format("{} is at {}", neighbor.address.text(),
                                      mac_text(neighbor.mac.load(std::memory_order_relaxed))));
    }

    void tell_rule(const engine::Tracker::Asked& asked) {
        std::string_view action;
        for (const auto& [value, word] : names(asked.answer.action)) {
            if (value == asked.answer.action) action = word;
        }
        const Object object = object_of(*asked.list, asked.answer.rule);
        stage("policy", fmt::format("{}: {}", object.name, action), object);
        trace_.decided_by.push_back(object);
    }

    // Copies for those who only look are no part of the answer.
    bool is_mirror(const std::string& port) const {
        const auto& mirrors = running_.config().mirrors;
        return std::any_of(mirrors.begin(), mirrors.end(), [&](const auto& m) { return m.to == port; });
    }

    void tell_frames() {
        for (const auto& frame : run_.frames()) {
            const std::string port = name_of(frame.port);
            if (is_mirror(port)) continue;
            trace_.sent.push_back({port, frame.bytes});
            const auto held = running_.ports().find(port);
            if (held != running_.ports().end() && !held->second.port->has_link()) {
                trace_.verdict = Verdict::kDrop;
                trace_.reason = path::text(Drop::kLinkDown).name;
                stage("transmit", fmt::format("port {}: {}", port, held->second.port->no_link()));
                continue;
            }
            if (frame.port == probe_.from.id) {
                stage("answer", fmt::format("the switch answers by port {}", port));
                continue;
            }
            trace_.to.push_back(port);
            stage("transmit", fmt::format("by port {}", port));
        }
    }

    void tell_drops() {
        const auto drops = run_.drops();
        if (drops.empty()) return;
        const path::DropRecord& last = drops.back();
        for (const path::DropRecord& drop : drops) {
            const auto by = decider_of(running_, drop);
            const path::DropText& words = path::text(drop.reason);
            stage("drop", fmt::format("{}: {}", words.name, words.sentence), by);
            const auto& told = trace_.decided_by;
            const bool is_new = by && std::none_of(told.begin(), told.end(), [&](const Object& o) {
                return o.kind == by->kind && o.name == by->name;
            });
            if (is_new && trace_.to.empty()) trace_.decided_by.push_back(*by);
        }
        // Of a flood some may have it.
        if (!trace_.to.empty()) return;
        trace_.verdict = last.reason == Drop::kRejected ? Verdict::kReject : Verdict::kDrop;
        trace_.reason = path::text(last.reason).name;
    }

    static std::string mac_text(uint64_t mac) {
        MacAddress address;
        std::memcpy(address.bytes.data(), &mac, address.bytes.size());
        return address.text();
    }

    Switch& running_;
    const Probe& probe_;
    Run& run_;
    Trace trace_;
};

// Of a port that is down there is no packet to ask about.
std::optional<Trace> down(const End& end, std::string_view what) {
    if (end.port == nullptr || end.port->up) return std::nullopt;
    Trace trace{.verdict = Verdict::kDrop, .reason = std::string(path::text(Drop::kPortDown).name)};
    const auto object = object_of(end);
    trace.decided_by.push_back(*object);
    trace.stages.push_back(
        {std::string(what), fmt::format("port {} is down: {}", object->name, end.port->reason), object});
    return trace;
}

// The sender itself would not know whom to send it to.
std::optional<Trace> stuck(const Switch& running, const Probe& probe) {
    if (probe.destination_mac != 0) return std::nullopt;
    const auto& networks = running.config().networks;
    const auto network = std::find_if(networks.begin(), networks.end(),
                                      [&](const auto& n) { return n.name == probe.from.network; });
    const bool on_link = network != networks.end() &&
                         std::any_of(network->subnets.begin(), network->subnets.end(), [&](const IpPrefix& s) {
                             return s.contains(probe.to.address);
                         });
    const Drop reason = network == networks.end() ? Drop::kNoNetwork
                        : on_link                 ? Drop::kHostUnreachable
                                                  : Drop::kNoRoute;
    Trace trace{.verdict = Verdict::kDrop, .reason = std::string(path::text(reason).name)};
    std::string text = "the port is in no network";
    if (network != networks.end()) {
        trace.decided_by.push_back({"network", network->name, network->place});
        text = on_link ? fmt::format("nobody is known to have {} in network {}", probe.to.address.text(), network->name)
                       : fmt::format("{} is on no link of network {}, which has no gateway",
                                     probe.to.address.text(), network->name);
    } else if (const auto port = object_of(probe.from)) {
        trace.decided_by.push_back(*port);
    }
    std::optional<Object> by;
    if (!trace.decided_by.empty()) by = trace.decided_by.front();
    trace.stages.push_back({"ingress", text, by});
    return trace;
}

}  // namespace

base::Result<Trace> trace(Switch& running, const Question& question) {
    const auto probe = find_probe(running, question);
    if (!probe) return tl::unexpected(probe.error());
    if (auto answer = down(probe->from, "ingress")) return *answer;
    if (auto answer = down(probe->to, "transmit")) return *answer;
    if (auto answer = stuck(running, *probe)) return *answer;
    rte_mbuf* packet = build_probe(running.pools().buffers, *probe, question);
    if (packet == nullptr) {
        return tl::unexpected(base::Error{"no packet buffer is left: raise `memory.buffers`", {}, {}});
    }
    Run run(running, *probe);
    run.go(packet);
    return Teller(running, *probe, run).tell();
}

}  // namespace sluice::explain
