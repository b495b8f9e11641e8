#include "link/exit.h"

#include "link/ready_hop.h"

namespace sluice::link {

path::PortId find_exit(neighbor::Entry& neighbor, uint64_t mac, const view::Network& network,
                       const view::Tables& tables) noexcept {
    if (mac == 0 || network.table == nullptr) return path::kNoPort;
    // The version first: what changes while it is looked up makes the answer stale at once.
    const uint32_t version = network.table->version();
    const bridge::Entry entry = network.table->find(mac, bridge::MacTable::hash(mac));
    if (!entry.found() || !tables.carries(entry.port(), neighbor.network)) return path::kNoPort;
    neighbor.exit.store(exit_tag(mac, version) << 16 | path::index(entry.port()), std::memory_order_relaxed);
    return entry.port();
}

const ReadyHop& ReadyHops::find(ReadyHop& hop, neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
    const view::Network& network = tables.network(neighbor.network);
    const path::PortId exit = exit_of(neighbor, mac, network, tables);
    if (exit == path::kNoPort) return kUnknown;
    mark_used(neighbor, tables);
    port::Port* port = tables.slot(exit).plain;
    hop = {.neighbor = &neighbor,
           .port = port,
           .exit = exit,
           .most = port != nullptr ? port->max_frame() : 0,
           .macs_start = mac | network.mac << 48,
           .macs_end = static_cast<uint32_t>(network.mac >> 16)};
    used_ |= 1U << (&hop - hops_.data());
    return hop;
}

}  // namespace sluice::link
