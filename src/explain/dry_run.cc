#include "explain/dry_run.h"

#include <algorithm>

#include "engine/path.h"
#include "engine/watch.h"
#include "wire/mbuf.h"

namespace sluice::explain {
namespace {

// Room for what a packet adds, and for what workers add while a table is copied.
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

bridge::Entry find(const bridge::MacTable& macs, uint64_t mac) {
    return macs.find(mac, bridge::MacTable::hash(mac));
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

class DryRun::Copies {
 public:
    Copies(engine::Switch& running, Outbox& outbox);

    // Before a packet.
    void prepare(const rte_mbuf* packet, const Entrance& entrance);
    void run(rte_mbuf* packet, const Entrance& entrance, path::Witnessed& told);
    // After it. False if it may have written more than this undoes: the copies are of no use any more.
    bool undo(const path::Witnessed& told);

 private:
    bool is_in_underlay(const view::PortSlot& slot) const {
        for (size_t i = 0; i < networks_.size(); ++i) {
            if (networks_[i].is_underlay) return slot.carries(path::NetworkId{static_cast<uint16_t>(i)});
        }
        return false;
    }
    void copy_tunnels();
    void copy_neighbors();
    neighbor::Entry* copy(const neighbor::Entry& entry);
    bridge::MacTable* copy_macs(path::NetworkId network);
    void drop_macs(path::NetworkId network);
    void assume(const Station& station);
    void note_wait(path::Witnessed& told);
    void undo_flows();
    void undo_answers(const path::Witnessed& told);
    void undo_neighbors();
    void undo_macs();
    template <class Visit>
    void each_unresolved(Visit visit);

    engine::Switch& running_;
    const view::Snapshot& snapshot_;
    path::Seconds now_;

    std::vector<view::PortSlot> slots_;
    std::deque<view::TunnelSlot> tunnels_;
    std::deque<vxlan::Remote> remotes_;
    std::vector<view::Network> networks_;
    std::vector<bridge::MacTable*> macs_;  // copied when a packet may write one, or a station is assumed in it
    neighbor::Table neighbors_;
    uint32_t neighbor_count_ = 0;                // of the copies
    std::vector<neighbor::Entry*> unresolved_;   // copies without a MAC address, for which packets may wait
    std::vector<route::NextHop> hops_;           // to the copied neighbors

    // New and empty.
    path::Grace grace_{1};
    flow::Table flows_;
    flow::Fragments fragments_;
    path::Counters counters_;
    port::Egress egress_;
    std::optional<engine::Features> features_;
    view::Drops drops_;
    path::Batch batch_;

    // What the packet at hand may write, as it was before.
    struct Source {
        path::NetworkId network;
        bridge::Entry entry;  // of the packet's source MAC address
        uint64_t moves;       // of all addresses
    };
    bool is_of_question_ = false;  // a packet as those of questions are
    path::PortId ingress_{};
    std::optional<bridge::FloodLimiter> floods_;  // of the port of ingress
    uint64_t source_mac_ = 0;
    std::vector<Source> sources_;                                       // for each network that it may come to
    std::vector<std::pair<path::NetworkId, uint64_t>> assumed_macs_;    // that were not known
    std::vector<neighbor::Entry*> assumed_neighbors_;                   // copies that were not resolved
    uint64_t made_ = 0;                                                 // frames, until then
};

DryRun::Copies::Copies(engine::Switch& running, Outbox& outbox)
    : running_(running),
      snapshot_(running.snapshot()),
      now_(engine::clock_seconds()),
      slots_(snapshot_.slots.begin(), snapshot_.slots.end()),
      networks_(snapshot_.networks),
      macs_(snapshot_.macs),
      neighbors_(running.neighbors().size() + kSpare),
      flows_(few_flows(running.config().flows), grace_),
      egress_(path::WorkerId{0}, running.pools(), counters_, &outbox) {
    copy_tunnels();
    copy_neighbors();
}

void DryRun::Copies::copy_tunnels() {
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

// Pinned, as no other table's limit may keep it out.
neighbor::Entry* DryRun::Copies::copy(const neighbor::Entry& entry) {
    const uint32_t before = neighbors_.size();
    neighbor::Entry* copy = neighbors_.pin(entry.network, entry.address, now_);
    if (copy == nullptr) return nullptr;
    const uint64_t mac = entry.mac.load(std::memory_order_acquire);
    if (mac == 0) {
        if (neighbors_.size() != before) unresolved_.push_back(copy);
        return copy;
    }
    copy->mac.store(mac, std::memory_order_relaxed);
    copy->state.store(entry.state.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return copy;
}

void DryRun::Copies::copy_neighbors() {
    const auto hops = running_.router().hops().list();
    hops_.assign(hops.begin(), hops.end());
    for (route::NextHop& hop : hops_) {
        if (hop.neighbor != nullptr) hop.neighbor = copy(*hop.neighbor);
    }
    running_.router().neighbors().each([&](const neighbor::Entry& entry) { copy(entry); });
    neighbor_count_ = neighbors_.size();
}

// Without the departed stations: nobody is asked where they are now. Null: the network has no table.
bridge::MacTable* DryRun::Copies::copy_macs(path::NetworkId id) {
    view::Network& network = networks_[path::index(id)];
    const bridge::MacTable* own = snapshot_.networks[path::index(id)].table;
    if (network.table != own || own == nullptr) return network.table;
    network.macs = copy_of(*own);
    network.table = network.macs.get();
    macs_[path::index(id)] = network.table;
    return network.table;
}

// The next packet that needs the copy gets another.
void DryRun::Copies::drop_macs(path::NetworkId id) {
    view::Network& network = networks_[path::index(id)];
    network.macs = snapshot_.networks[path::index(id)].macs;
    network.table = network.macs.get();
    macs_[path::index(id)] = network.table;
}

void DryRun::Copies::assume(const Station& station) {
    neighbor::Entry* known = neighbors_.find(station.network, station.address);
    if (known == nullptr || !known->resolved()) {
        neighbors_.set_static(station.network, station.address, station.mac, now_);
        if (known != nullptr) assumed_neighbors_.push_back(known);
    }
    const bridge::MacTable* macs = macs_[path::index(station.network)];
    if (macs == nullptr || find(*macs, station.mac).found()) return;
    copy_macs(station.network)->set_static(station.mac, station.port);
    assumed_macs_.emplace_back(station.network, station.mac);
}

void DryRun::Copies::prepare(const rte_mbuf* packet, const Entrance& entrance) {
    ingress_ = entrance.ingress;
    view::PortSlot& slot = slots_[path::index(ingress_)];
    path::Connection connection{};
    path::read_connection(packet, {}, connection);
    is_of_question_ =
        connection.kind == path::PacketKind::kConnection && !connection.first_fragment && !is_in_underlay(slot);
    if (!features_) {
        features_.emplace(running_.pools(), engine::Effects{.most_asked = 0,
                                                            .hits = policy::Steps::Hits::kUncounted,
                                                            .answers = responder::Responder::Effect::kNone});
    }
    if (slot.floods != nullptr) slot.floods = &floods_.emplace(*slot.floods);
    for (const Station& station : entrance.assumed) assume(station);
    source_mac_ = path::mac_key(rte_pktmbuf_mtod(packet, const uint8_t*) + sizeof(wire::MacBytes));
    const bool is_entrance = is_in_underlay(slot);
    for (size_t i = 0; i < networks_.size(); ++i) {
        const path::NetworkId id{static_cast<uint16_t>(i)};
        const bool is_entered = slot.carries(id) || (is_entrance && networks_[i].vni != 0);
        const bridge::MacTable* macs = is_entered ? copy_macs(id) : nullptr;
        if (macs != nullptr) sources_.push_back({id, find(*macs, source_mac_), macs->moves() + macs->flaps()});
    }
    made_ = counters_.totals.made.get();
}

void DryRun::Copies::run(rte_mbuf* packet, const Entrance& entrance, path::Witnessed& told) {
    const view::PortSlot& slot = slots_[path::index(ingress_)];
    batch_.count = 1;
    batch_.packets[0] = packet;
    path::Meta& meta = batch_.meta(0);
    meta = {};
    meta.ingress = ingress_;
    meta.network = slot.tunnel != nullptr ? entrance.network : slot.network;
    meta.unusual = slot.is_unusual();
    meta.guarded = slot.guarded();
    meta.admission = flow::Decided::admission(snapshot_.flow_generations.of(meta.network), meta.network, ingress_);
    const engine::PathTables tables{
        {slots_.data(), macs_.data(), networks_.data(), now_, egress_, counters_, drops_, snapshot_, hops_.data(),
         neighbors_, flows_, fragments_, &snapshot_.flow_generations, path::WorkerId{0}},
        *features_};
    counters_.log.set_time(rte_get_tsc_cycles());
    engine::Telling telling(told, meta, packet, tables);
    told.is_dry_run = true;
    engine::run_path(batch_, tables, telling.observer());
    telling.end();
    note_wait(told);
    drops_.free();
    egress_.flush();
}

// The neighbors for which packets may wait: copies without a MAC address, and what the packet has added.
template <class Visit>
void DryRun::Copies::each_unresolved(Visit visit) {
    for (neighbor::Entry* entry : unresolved_) visit(*entry);
    if (neighbors_.size() == neighbor_count_) return;
    neighbors_.each([&](const neighbor::Entry& entry) {
        if (entry.pins == 0) visit(neighbors_.at(neighbors_.index(entry)));
    });
}

void DryRun::Copies::note_wait(path::Witnessed& told) {
    each_unresolved([&](const neighbor::Entry& entry) {
        if (neighbors_.waiting(entry) != 0) told.note_wait(entry.network, entry.address);
    });
}

bool DryRun::Copies::undo(const path::Witnessed& told) {
    if (!is_of_question_) return false;
    slots_[path::index(ingress_)].floods = snapshot_.slots[path::index(ingress_)].floods;
    undo_flows();
    undo_answers(told);
    undo_neighbors();
    undo_macs();
    return true;
}

void DryRun::Copies::undo_flows() {
    if (flows_.count() != 0) flows_.remove_if(now_, [](const flow::Listed&) { return true; });
}

// A port may cause a limited number of answers and of new neighbors a second. A packet that is sent on, or dropped
// as denied, causes neither.
void DryRun::Copies::undo_answers(const path::Witnessed& told) {
    const bool is_silent = std::all_of(told.dropped.begin(), told.dropped.end(), [](const auto& dropped) {
        return dropped.reason == path::Drop::kDenied;
    });
    const bool has_new_neighbor = told.waits || neighbors_.size() != neighbor_count_;
    if (!is_silent || has_new_neighbor || counters_.totals.made.get() != made_) features_.reset();
}

void DryRun::Copies::undo_neighbors() {
    each_unresolved([&](neighbor::Entry& entry) {
        if (entry.state.load(std::memory_order_relaxed) == neighbor::State::kIncomplete) {
            entry.state.store(neighbor::State::kFailed, std::memory_order_relaxed);
            entry.asked.store(0, std::memory_order_relaxed);
            entry.tries = 0;
        }
        if (entry.held.load(std::memory_order_relaxed) == 0) return;
        neighbor::Held held;
        neighbors_.release(entry, held);
        for (uint16_t i = 0; i < held.count; ++i) rte_pktmbuf_free(held.packets[i].packet);
    });
    for (neighbor::Entry* entry : assumed_neighbors_) {
        neighbors_.forget_static(*entry);
        entry->is_gone.store(false, std::memory_order_relaxed);
        entry->confirmed.store(0, std::memory_order_relaxed);
    }
    assumed_neighbors_.clear();
    if (neighbors_.size() == neighbor_count_) return;
    // The copies are pinned.
    neighbors_.remove_if([](const neighbor::Entry&) { return true; });
    neighbors_.reclaim();
}

void DryRun::Copies::undo_macs() {
    const uint32_t hash = bridge::MacTable::hash(source_mac_);
    for (const Source& before : sources_) {
        bridge::MacTable& macs = *networks_[path::index(before.network)].table;
        if (macs.moves() + macs.flaps() != before.moves) {
            // How often an address has moved in this second can't be taken back.
            drop_macs(before.network);
        } else if (macs.find(source_mac_, hash).word() == before.entry.word()) {
            continue;
        } else if (before.entry.found()) {
            (void)macs.learn(source_mac_, hash, before.entry.port(), before.entry.seen());
        } else {
            macs.remove(source_mac_);
        }
    }
    sources_.clear();
    for (const auto& [network, mac] : assumed_macs_) {
        const view::Network& its = networks_[path::index(network)];
        if (its.table != snapshot_.networks[path::index(network)].table) its.table->remove(mac);
    }
    assumed_macs_.clear();
}

DryRun::DryRun(engine::Switch& running) : running_(running) {}

DryRun::~DryRun() = default;

const path::Witnessed& DryRun::go(rte_mbuf* packet, const Entrance& entrance) {
    outbox_.frames.clear();
    if (copies_ == nullptr) copies_ = std::make_unique<Copies>(running_, outbox_);
    copies_->prepare(packet, entrance);
    copies_->run(packet, entrance, told_);
    if (!copies_->undo(told_)) copies_ = nullptr;
    return told_;
}

}  // namespace sluice::explain
