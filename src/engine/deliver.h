// Apply, the last stage: sends each packet by its port, floods it, or drops and counts it. Carries out decisions
// and makes none.
#pragma once

#include "engine/worker_features.h"
#include "router/send.h"

namespace sluice::engine {

// For a switch that only bridges, on this host alone.
struct Transmit {
    [[gnu::always_inline]] static void apply(const path::Meta& meta, rte_mbuf* packet,
                                             const PathTables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            const view::PortSlot& slot = tables.slot(meta.egress);
            if (likely(slot.plain != nullptr)) {
                tables.egress.send(*slot.plain, meta.egress, packet);
            } else {
                tables.egress.send(slot.exit(meta.network), packet);
            }
        } else if (meta.fate == path::Fate::kFlood) {
            const view::PortSlot& slot = tables.slot(meta.ingress);
            if (!path::is_group(meta.destination_mac)) {
                tables.features.responder.seek_departed(meta, packet, tables);
            }
            tables.egress.flood(tables.networks[path::index(meta.network)].members, slot.port,
                                slot.horizon, packet, {.ingress = meta.ingress, .network = meta.network});
        } else {
            tables.counters.drop(path::drop_place(meta, meta.reason), meta.reason, packet,
                                 path::drop_site(meta, meta.reason));
            tables.drops.packets[tables.drops.count++] = packet;
        }
    }
};

// For all other switches.
struct Deliver {
    [[gnu::always_inline]] static void apply(path::Meta& meta, rte_mbuf* packet,
                                             const PathTables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            const view::PortSlot& slot = tables.slot(meta.egress);
            if (likely(slot.plain != nullptr)) {
                tables.egress.send(*slot.plain, meta.egress, packet);
            } else if (slot.tunnel != nullptr) {
                tables.features.output.send_by_tunnel(meta, packet, slot, tables);
            } else {
                tables.egress.send(slot.exit(meta.network), packet);
            }
        } else if (likely(meta.fate == path::Fate::kRoute || meta.fate == path::Fate::kRouteByPort)) {
            router::send(meta, packet, tables, tables.features.link, tables.features.output);
        } else if (meta.fate == path::Fate::kRouteTranslated) {
            send_translated(meta, packet, tables);
        } else {
            apply_unusual(meta, packet, tables);
        }
    }

 private:
    static void send_translated(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept;
    static void apply_unusual(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept;
    static void flood(path::Meta& meta, rte_mbuf* packet, const PathTables& tables) noexcept;
};

// Ends a batch, or any other work that sends packets: sends the packets whose neighbors have answered meanwhile,
// sends the responder's messages about others, and clears the batch's notes.
void finish(const PathTables& tables) noexcept;

// Continues with held fragments whose first fragment has a verdict by now, and drops those that have waited too
// long. Returns the number of both.
uint32_t resume_fragments(const PathTables& tables) noexcept;

}  // namespace sluice::engine
