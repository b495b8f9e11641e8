#include "explain/trace.h"

#include <algorithm>

#include "engine/path.h"
#include "engine/speaker.h"
#include "engine/tracker.h"
#include "engine/watch.h"
#include "wire/address.h"
#include "wire/mbuf.h"
#include "wire/summary.h"

namespace sluice::explain {
namespace {

using engine::Switch;
using engine::Tables;
using path::Drop;

// Tables that nothing is learned into or counted in, and where the destination is known to be where it would be found.
struct QuestionTables : Tables {
    bridge::Entry find(const path::Meta& meta) const noexcept {
        const bridge::Entry known = Tables::find(meta);
        const neighbor::Entry& station = assumed->station;
        const bool is_assumed = meta.destination_mac == station.mac.load(std::memory_order_relaxed) &&
                                meta.network == station.network && assumed->port != path::kNoPort;
        return known.found() || !is_assumed ? known : bridge::Entry::fixed(assumed->port);
    }
    bool learn(const path::Meta&, uint32_t) const noexcept { return true; }
    bool may_flood(path::PortId id, bridge::FloodKind kind) const noexcept {
        const bridge::FloodLimiter* floods = slot(id).floods;
        return floods == nullptr || floods->would_allow(kind, rte_rdtsc());
    }
};

class Outbox final : public port::Sink {
 public:
    struct Frame {
        path::PortId port;
        std::vector<uint8_t> bytes;
        std::optional<port::Port::Refusal> refusal;  // by the port
    };

    void take(port::Port& port, rte_mbuf** packets, uint16_t count) noexcept override {
        for (uint16_t i = 0; i < count; ++i) {
            std::vector<uint8_t> bytes(packets[i]->pkt_len);
            const void* read = rte_pktmbuf_read(packets[i], 0, packets[i]->pkt_len, bytes.data());
            if (read != bytes.data()) std::memcpy(bytes.data(), read, bytes.size());
            frames.push_back({port.id(), std::move(bytes), port.refusal(wire::longest_frame(packets[i]))});
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
        meta.guarded = slot.guarded();
        if (slot.tunnel != nullptr) meta.network = running_.network_ids().at(probe_.from.network);
        const QuestionTables tables{{snapshot.slots.data(), snapshot.macs.data(), snapshot.networks.data(),
                                     engine::clock_seconds(), egress_, counters_, drops_, snapshot,
                                     running_.router().hops().data(), running_.neighbors(), speaker_,
                                     running_.flows(), running_.fragments(), 0, path::WorkerId{0}, tracker_,
                                     &assumed_}};
        counters_.log.set_time(rte_get_tsc_cycles());
        engine::Telling telling(told_, meta, packet, tables);
        engine::run_path(batch_, tables, telling.observer());
        telling.end();
        drops_.free();
        egress_.flush();
    }

    const path::Witnessed& told() const { return told_; }
    const std::vector<Outbox::Frame>& frames() const { return outbox_.frames; }

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
    path::Witnessed told_;
};

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
    if (from.is_assumed_address) text += " (the port declares no address: this is a spare one)";
    return {"ingress", std::move(text), object_of(from)};
}

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
    rte_mbuf* packet = build_probe(running.pools(), *probe, question);
    if (packet == nullptr) {
        return tl::unexpected(base::Error{"no packet buffer is left: raise `memory.buffers`", {}, {}});
    }
    std::string summary = wire::summary({rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len}, packet->pkt_len);
    Run run(running, *probe);
    run.go(packet);
    std::vector<Left> left;
    for (const auto& frame : run.frames()) left.push_back({frame.port, frame.refusal});
    Trace trace = tell(running, run.told(), left, entrance(running, *probe));
    trace.packet = std::move(summary);
    for (const auto& frame : run.frames()) {
        if (frame.refusal) continue;
        trace.sent.push_back({place_name(running, frame.port, rte_get_tsc_cycles()), frame.bytes});
    }
    return trace;
}

}  // namespace sluice::explain
