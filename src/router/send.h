// Apply, of a routed packet: rewrites its MAC addresses and its TTL, and sends it to its neighbor. Worker side.
#pragma once

#include "link/exit.h"
#include "link/frame.h"
#include "link/link.h"
#include "tunnel/output.h"
#include "view/tables.h"

namespace sluice::router {

// Out of line: a packet that needs more than the path has for it. Takes it.
void send_unusual(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables, link::Link& link,
                  tunnel::Output& output) noexcept;

[[gnu::always_inline]] inline void readdress(const path::Meta& meta, rte_mbuf* packet,
                                             neighbor::Entry& neighbor, uint64_t mac,
                                             const view::Network& network, const view::Tables& tables) noexcept {
    link::count_down(meta);
    link::write_macs(packet, mac, network.mac);
    link::mark_used(neighbor, tables);
}

// Takes the packet.
[[gnu::always_inline]] inline void send(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables,
                                        link::Link& link, tunnel::Output& output) noexcept {
    auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    const view::Network& network = tables.network(neighbor.network);
    const path::PortId exit = meta.fate == path::Fate::kRouteByPort
                                  ? meta.egress
                                  : link::exit_of(neighbor, mac, network, tables);
    if (unlikely(exit == path::kNoPort || mac == 0)) return send_unusual(meta, packet, tables, link, output);
    const view::PortSlot& slot = tables.slot(exit);
    if (likely(slot.plain != nullptr)) {
        // Nothing to be done to it there.
        if (unlikely(!port::Egress::is_plain(*slot.plain, packet))) {
            return send_unusual(meta, packet, tables, link, output);
        }
        readdress(meta, packet, neighbor, mac, network, tables);
        return tables.egress.send_plain(*slot.plain, exit, packet);
    }
    if (slot.tunnel != nullptr) {
        tunnel::WayIn& way = output.way_in(exit, neighbor.network, slot, tables);
        if (likely(way.takes(packet))) {
            readdress(meta, packet, neighbor, mac, network, tables);
            return way.enter(packet, tables.egress);
        }
    }
    send_unusual(meta, packet, tables, link, output);
}

}  // namespace sluice::router
