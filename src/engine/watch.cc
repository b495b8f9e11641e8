#include "engine/watch.h"

#include <rte_cycles.h>

#include <algorithm>

#include "engine/path.h"
#include "wire/address.h"

namespace sluice::engine {
namespace {

using path::Witnessed;

bool is_routed(path::Fate fate) noexcept {
    return fate == path::Fate::kRoute || fate == path::Fate::kRouteByPort ||
           fate == path::Fate::kRoutePortUnknown || fate == path::Fate::kRouteTranslated;
}

bool is_watched(const rte_mbuf* packet, const view::Snapshot& snapshot) noexcept {
    return std::any_of(snapshot.witnesses.begin(), snapshot.witnesses.end(),
                       [&](const auto& witness) { return witness->filter().matches(packet); });
}

// One bit for each of the witnesses.
uint64_t asking(const rte_mbuf* packet, const view::Snapshot& snapshot) noexcept {
    uint64_t asked = 0;
    for (size_t i = 0; i < snapshot.witnesses.size(); ++i) {
        asked |= uint64_t{snapshot.witnesses[i]->filter().matches(packet)} << i;
    }
    return asked;
}

void tell(uint64_t asked, const Witnessed& told, const PathTables& tables) noexcept {
    const auto& witnesses = tables.snapshot.witnesses;
    for (size_t i = 0; i < witnesses.size(); ++i) {
        if ((asked >> i & 1) != 0) witnesses[i]->tell(tables.worker, told);
    }
}

void run_rest(path::Batch& batch, const PathTables& tables) noexcept {
    if (batch.count == 0) return;
    run_path(batch, tables);
    tables.drops.free();
}

void run_alone(path::Batch& batch, const PathTables& tables) noexcept {
    const rte_mbuf* packet = batch.packets[0];
    // Clear the metadata: the values of an earlier packet would be told as this one's.
    path::Meta& meta = batch.meta(0);
    meta = {.admission = meta.admission, .ingress = meta.ingress, .network = meta.network,
            .unusual = meta.unusual, .guarded = meta.guarded};
    // Match the witnesses' filters before the path runs: afterwards the packet may be gone.
    const uint64_t asked = asking(packet, tables.snapshot);
    tables.egress.flush();
    Witnessed told;
    Telling telling(told, meta, packet, tables);
    run_path(batch, tables, telling.observer());
    telling.end();
    tables.drops.free();
    tell(asked, told, tables);
}

}  // namespace

Telling::Telling(Witnessed& told, const path::Meta& meta, const rte_mbuf* packet,
                 const PathTables& tables) noexcept
    : told_(told),
      tables_(tables),
      first_drop_(tables.counters.log.count()),
      first_background_(tables.counters.background.count()) {
    told_ = {};
    told_.time = rte_get_tsc_cycles();
    told_.length = packet->pkt_len;
    told_.size = static_cast<uint8_t>(std::min<uint32_t>(packet->pkt_len, Witnessed::kBytes));
    const void* bytes = rte_pktmbuf_read(packet, 0, told_.size, told_.bytes.data());
    if (bytes != told_.bytes.data()) std::memcpy(told_.bytes.data(), bytes, told_.size);
    told_.came = meta.ingress;
    tables.features.tracker.begin_telling();
}

void Telling::decided(const path::Meta& meta) noexcept {
    told_.ingress = meta.ingress;
    told_.network = meta.network;
    told_.fate = meta.fate;
    told_.egress = meta.egress;
    told_.destination_mac = meta.destination_mac;
    if (tables_.features.tracker.has_decided()) {
        told_.by = Witnessed::By::kTracker;
    } else if (meta.fate != path::Fate::kDrop && meta.connection.is_tracked()) {
        told_.by = Witnessed::By::kFlow;
        const flow::Origin origin = tables_.flows.origin(tables_.flows.index(*meta.connection.candidate));
        std::copy(std::begin(origin.objects), std::end(origin.objects), told_.objects);
    }
    told_.layer3 = meta.layer3;
    if (meta.layer3 == path::Layer3::kIpv4) {
        told_.destination = wire::address_of(static_cast<const wire::Ipv4Header*>(meta.header)->destination);
    } else if (meta.layer3 == path::Layer3::kIpv6) {
        told_.destination = wire::address_of(static_cast<const wire::Ipv6Header*>(meta.header)->destination);
    }
    const bool is_clamped_only = meta.opens_tcp && meta.translated == path::Translated::kNot;
    const bool is_translated = meta.translated == path::Translated::kWanted ||
                               (meta.fate == path::Fate::kRouteTranslated && !is_clamped_only);
    if (is_translated) {
        const uint32_t index = tables_.flows.index(*meta.connection.candidate);
        told_.is_translated = true;
        told_.arrives = tables_.flows.tuple(index);
        told_.leaves = tables_.flows.tuple(index ^ 1).reversed();
    }
    if (!is_routed(meta.fate)) return;
    const auto& neighbor = *static_cast<const neighbor::Entry*>(meta.neighbor);
    told_.is_routed = true;
    told_.neighbor = neighbor.address;
    told_.neighbor_mac = neighbor.mac.load(std::memory_order_acquire);
    if (told_.neighbor_mac == 0) told_.note_wait(neighbor.network, neighbor.address);
}

void Telling::note_drops(const path::DropLog& log, uint64_t first) noexcept {
    for (uint64_t n = first; n != log.count(); ++n) {
        const path::DropRecord record = log.at(n);
        told_.dropped.add() = {record.reason, record.port,   record.ingress, record.egress,
                               record.network, record.object, record.count};
    }
}

void Telling::end() noexcept {
    told_.asked = tables_.features.tracker.end_telling();
    tables_.egress.police_waiting();
    note_drops(tables_.counters.log, first_drop_);
    note_drops(tables_.counters.background, first_background_);
    tables_.egress.for_each_waiting([&](path::PortId port, const rte_mbuf* packet) {
        told_.left.add() = {port, packet->pkt_len};
    });
}

void drop_watched(const rte_mbuf* packet, const view::QueueRef& queue, path::Drop reason,
                  const PathTables& tables) noexcept {
    const path::Meta meta{.ingress = queue.port->id(), .network = queue.network, .fate = path::Fate::kDrop};
    Witnessed told;
    Telling telling(told, meta, packet, tables);
    telling.observer().decided(meta, packet);
    tables.counters.drop(path::drop_place(meta, reason), reason, packet, path::drop_site(meta, reason));
    telling.end();
    tell(asking(packet, tables.snapshot), told, tables);
}

void run_watched(path::Batch& batch, const PathTables& tables) noexcept {
    struct Arrived {
        rte_mbuf* packet;
        path::Arrival how;
    };
    const uint16_t count = std::exchange(batch.count, uint16_t{0});
    std::array<Arrived, path::kBatchSize> arrived;
    for (uint16_t i = 0; i < count; ++i) arrived[i] = {batch.packets[i], path::arrival_of(batch.meta(i))};
    // Keep the order: packets that came before a watched one leave before it.
    for (uint16_t i = 0; i < count; ++i) {
        const bool is_alone = is_watched(arrived[i].packet, tables.snapshot);
        if (is_alone) run_rest(batch, tables);
        path::arrive(&batch.meta(batch.count), 1, arrived[i].how);
        batch.packets[batch.count++] = arrived[i].packet;
        if (is_alone) run_alone(batch, tables);
    }
    run_rest(batch, tables);
}

}  // namespace sluice::engine
