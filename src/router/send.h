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

// Takes the packet.
[[gnu::always_inline]] inline void send(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables,
                                        link::Link& link, tunnel::Output& output) noexcept {
    auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
    const link::ReadyHop& hop = link.ready_hop(neighbor, tables);
    // Where policies were evaluated for another port than the neighbor's, the packet leaves by that one.
    if (unlikely(meta.fate == path::Fate::kRouteByPort && meta.egress != hop.exit)) {
        return send_unusual(meta, packet, tables, link, output);
    }
    if (likely(packet->pkt_len <= hop.most && port::Egress::is_whole(packet))) {
        // Nothing to be done to it there.
        link::count_down(meta);
        hop.write_macs(packet);
        return tables.egress.send_plain(*hop.port, hop.exit, packet);
    }
    if (hop.exit == path::kNoPort) return send_unusual(meta, packet, tables, link, output);
    const view::PortSlot& slot = tables.slot(hop.exit);
    if (slot.tunnel != nullptr) {
        tunnel::WayIn& way = output.way_in(hop.exit, neighbor.network, slot, tables);
        if (likely(way.takes(packet))) {
            link::count_down(meta);
            hop.write_macs(packet);
            return way.enter(packet, tables.egress);
        }
    }
    send_unusual(meta, packet, tables, link, output);
}

}  // namespace sluice::router
