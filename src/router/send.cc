#include "router/send.h"

#include "wire/mbuf.h"
#include "wire/offload.h"

namespace sluice::router {

using path::Drop;

void send_unusual(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables, link::Link& link,
                  tunnel::Output& output) noexcept {
    auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
    link::mark_used(neighbor, tables);
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    if (mac == 0) {
        // What is translated already can't be asked about again.
        if (unlikely(meta.translated == path::Translated::kDone))
            return link.drop(meta, Drop::kNeighborPending, packet, tables);
        return link.hold(meta, neighbor, packet, tables);
    }
    const view::Network& network = tables.network(neighbor.network);
    const std::vector<port::Exit>& members = link.reachable(packet, network);
    const path::PortId exit = meta.fate == path::Fate::kRouteByPort ? meta.egress
                              : meta.fate == path::Fate::kRoutePortUnknown
                                  ? path::kNoPort
                                  : link::exit_of(neighbor, mac, network, tables);
    if (exit == path::kNoPort && network.table != nullptr) {
        const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
        const bool is_absent = entry.is_static() && !tables.carries(entry.port(), neighbor.network);
        if (is_absent) return link.drop_absent(meta, entry.port(), packet, tables);
    }
    const view::PortSlot* slot = exit == path::kNoPort ? nullptr : &tables.slot(exit);
    if (slot != nullptr && slot->port != nullptr && wire::longest_frame(packet) > slot->port->max_frame()) {
        return link.too_big(meta, exit, slot->port->max_frame() - link::kEthernet, packet, [&](rte_mbuf* piece) {
            link::count_down(piece);
            link::write_macs(piece, mac, network.mac);
            output.send(neighbor.network, exit, piece, tables);
        }, tables);
    }
    if (!wire::is_own(packet)) {
        packet = link.make_own(meta, packet, tables);
        if (packet == nullptr) return;
    }
    if (slot != nullptr && slot->tunnel != nullptr) {
        // Judged as it came, before it is changed.
        tunnel::Output::Underlay underlay;
        if (output.find_underlay(packet, *slot->tunnel, underlay, tables) &&
            wire::longest_frame(packet) > underlay.most) {
            return link.too_big(meta, exit, underlay.most - link::kEthernet, packet, [&](rte_mbuf* piece) {
                link::count_down(piece);
                link::write_macs(piece, mac, network.mac);
                output.wrap(neighbor.network, exit, underlay, piece, tables);
            }, tables);
        }
    }
    // Stations of a flat network see nothing that isn't theirs: the answer tells where this one is.
    if (exit == path::kNoPort && network.flat) {
        if (link.may_answer(meta.ingress)) link.solicit(neighbor);
        return link.drop(meta, Drop::kNeighborPending, packet, tables);
    }
    // Likewise of what goes to all of them.
    if (exit == path::kNoPort) output.tell_too_long(meta, neighbor.network, packet, tables);
    link::count_down(meta);
    link::write_macs(packet, mac, network.mac);
    if (exit == path::kNoPort) {
        return output.send_to_all(neighbor.network, members, path::kNoPort, &meta, packet, tables);
    }
    output.send(neighbor.network, exit, packet, tables);
}

}  // namespace sluice::router
