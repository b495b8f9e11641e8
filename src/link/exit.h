// Behind which port a neighbor is: the MAC table says so, and the neighbor's entry remembers it until that table
// changes. Worker side.
#pragma once

#include "neighbor/neighbor_table.h"
#include "view/tables.h"

namespace sluice::link {

// What an exit was found for: that MAC address, while the MAC table says the same of it.
[[gnu::always_inline]] inline uint64_t exit_tag(uint64_t mac, uint32_t version) noexcept { return mac ^ version; }

path::PortId find_exit(neighbor::Entry& neighbor, uint64_t mac, const view::Network& network,
                       const view::Tables& tables) noexcept;

// kNoPort: the MAC table doesn't know the address, or the neighbor has none yet.
[[gnu::always_inline]] inline path::PortId exit_of(neighbor::Entry& neighbor, uint64_t mac,
                                                   const view::Network& network,
                                                   const view::Tables& tables) noexcept {
    const uint64_t known = neighbor.exit.load(std::memory_order_relaxed);
    const path::PortId port{static_cast<uint16_t>(known)};
    if (likely(known >> 16 == exit_tag(mac, network.table->version()) && mac != 0 &&
               tables.carries(port, neighbor.network))) {
        return port;
    }
    return find_exit(neighbor, mac, network, tables);
}

// The neighbor has a packet to send: ageing keeps probing it.
[[gnu::always_inline]] inline void mark_used(neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    if (unlikely(neighbor.used.load(std::memory_order_relaxed) != tables.now)) {
        neighbor.used.store(tables.now, std::memory_order_relaxed);
    }
}

}  // namespace sluice::link
