#include "explain/dry_run.h"

#include <algorithm>

#include "engine/path.h"
#include "engine/watch.h"
#include "wire/mbuf.h"

namespace sluice::explain {
namespace {

// Room for what the packet adds, and for what workers add while a table is copied.
constexpr uint32_t kSpare = 256;

flow::FlowConfig few_flows(flow::FlowConfig config) {
    config.size = flow::kMinFlows;
    return config;
}

std::shared_ptr<bridge::MacTable> copy_of(const bridge::MacTable& macs) {
    const auto entries = macs.list();
    auto copy = std::make_shared<bridge::MacTable>(static_cast<uint32_t>(entries.size()) + kSpare);
    for (const auto& [mac, entry] : entries) {
        if (entry.is_static()) {
            copy->set_static(mac, entry.port());
        } else {
            (void)copy->learn(mac, bridge::MacTable::hash(mac), entry.port(), entry.seen());
        }
    }
    return copy;
}

}  // namespace

void DryRun::Outbox::take(port::Port& port, rte_mbuf** packets, uint16_t count) noexcept {
    for (uint16_t i = 0; i < count; ++i) {
        std::vector<uint8_t> bytes(packets[i]->pkt_len);
        const void* read = rte_pktmbuf_read(packets[i], 0, packets[i]->pkt_len, bytes.data());
        if (read != bytes.data()) std::memcpy(bytes.data(), read, bytes.size());
        frames.push_back({port.id(), std::move(bytes), port.refusal(wire::longest_frame(packets[i]))});
        rte_pktmbuf_free(packets[i]);
    }
}

DryRun::DryRun(engine::Switch& running, path::PortId ingress, std::span<const Station> assumed)
    : snapshot_(running.snapshot()),
      now_(engine::clock_seconds()),
      ingress_(ingress),
      slots_(snapshot_.slots.begin(), snapshot_.slots.end()),
      networks_(snapshot_.networks),
      macs_(snapshot_.macs),
      neighbors_(running.neighbors().size() + kSpare),
      flows_(few_flows(running.config().flows), grace_),
      egress_(path::WorkerId{0}, running.pools(), counters_, &outbox_),
      features_(running.pools(), {.most_asked = 0, .hits = policy::Steps::Hits::kUncounted}) {
    copy_slots(ingress);
    const view::PortSlot& slot = slots_[path::index(ingress)];
    const bool is_underlay =
        slot.network != path::kNoNetworkId && networks_[path::index(slot.network)].is_underlay;
    for (size_t i = 0; i < networks_.size(); ++i) {
        const path::NetworkId id{static_cast<uint16_t>(i)};
        const bool is_entered = slot.carries(id) || (is_underlay && networks_[i].vni != 0);
        const bool is_assumed =
            std::any_of(assumed.begin(), assumed.end(), [&](const Station& s) { return s.network == id; });
        if (is_entered || is_assumed) copy_macs(id);
    }
    copy_neighbors(running);
    for (const Station& station : assumed) assume(station);
}

void DryRun::copy_slots(path::PortId ingress) {
    view::PortSlot& own = slots_[path::index(ingress)];
    if (own.floods != nullptr) own.floods = &floods_.emplace(*own.floods);
    for (view::PortSlot& slot : slots_) {
        if (slot.tunnel == nullptr) continue;
        view::TunnelSlot& tunnel = tunnels_.emplace_back(*slot.tunnel);
        vxlan::Remote& remote = remotes_.emplace_back();
        const uint32_t mtu = tunnel.remote->path_mtu.get();
        if (mtu != 0) remote.path_mtu.learn(mtu, now_);
        tunnel.remote = &remote;
        slot.tunnel = &tunnel;
    }
}

// Without the departed stations: nobody is asked where they are now.
void DryRun::copy_macs(path::NetworkId id) {
    view::Network& network = networks_[path::index(id)];
    if (network.table == nullptr) return;
    network.macs = copy_of(*network.table);
    network.table = network.macs.get();
    macs_[path::index(id)] = network.table;
}

// Pinned, as no other table's limit may keep it out.
neighbor::Entry* DryRun::copy(const neighbor::Entry& entry) {
    neighbor::Entry* copy = neighbors_.pin(entry.network, entry.address, now_);
    const uint64_t mac = entry.mac.load(std::memory_order_acquire);
    if (copy == nullptr || mac == 0) return copy;
    copy->mac.store(mac, std::memory_order_relaxed);
    copy->state.store(entry.state.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return copy;
}

void DryRun::copy_neighbors(const engine::Switch& running) {
    const auto hops = running.router().hops().list();
    hops_.assign(hops.begin(), hops.end());
    for (route::NextHop& hop : hops_) {
        if (hop.neighbor != nullptr) hop.neighbor = copy(*hop.neighbor);
    }
    running.router().neighbors().each([&](const neighbor::Entry& entry) { copy(entry); });
}

void DryRun::assume(const Station& station) {
    const neighbor::Entry* known = neighbors_.find(station.network, station.address);
    if (known == nullptr || !known->resolved()) {
        neighbors_.set_static(station.network, station.address, station.mac, now_);
    }
    bridge::MacTable* macs = macs_[path::index(station.network)];
    if (macs == nullptr) return;
    const bool is_known = macs->find(station.mac, bridge::MacTable::hash(station.mac)).found();
    if (!is_known) macs->set_static(station.mac, station.port);
}

void DryRun::note_wait() {
    neighbors_.each([&](const neighbor::Entry& entry) {
        if (neighbors_.waiting(entry) != 0) told_.note_wait(entry.network, entry.address);
    });
}

const path::Witnessed& DryRun::go(rte_mbuf* packet, path::NetworkId network) {
    const view::PortSlot& slot = slots_[path::index(ingress_)];
    batch_.count = 1;
    batch_.packets[0] = packet;
    path::Meta& meta = batch_.meta(0);
    meta = {};
    meta.ingress = ingress_;
    meta.network = slot.tunnel != nullptr ? network : slot.network;
    meta.unusual = slot.is_unusual();
    meta.guarded = slot.guarded();
    meta.admission = flow::Decided::admission(snapshot_.flow_generations.of(meta.network), meta.network, ingress_);
    const engine::PathTables tables{
        {slots_.data(), macs_.data(), networks_.data(), now_, egress_, counters_, drops_, snapshot_, hops_.data(),
         neighbors_, flows_, fragments_, &snapshot_.flow_generations, path::WorkerId{0}},
        features_};
    counters_.log.set_time(rte_get_tsc_cycles());
    engine::Telling telling(told_, meta, packet, tables);
    told_.is_dry_run = true;
    engine::run_path(batch_, tables, telling.observer());
    telling.end();
    note_wait();
    drops_.free();
    egress_.flush();
    return told_;
}

}  // namespace sluice::explain
