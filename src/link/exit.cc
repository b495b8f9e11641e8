#include "link/exit.h"

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

}  // namespace sluice::link
