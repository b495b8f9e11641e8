// Notes for the log: stations that claim an address which another station has.
#include "responder/responder.h"

namespace sluice::responder {

// Notes that an address is claimed that is, or was until now, at another MAC address.
void Responder::note_rival(const path::Meta& meta, const neighbor::Entry& entry, uint64_t mac, uint64_t before,
                         bool has_moved, const view::Tables& tables) noexcept {
    using Kind = path::Event::Kind;
    const bool is_declared = entry.state.load(std::memory_order_relaxed) == neighbor::State::kStatic;
    if (!has_moved && !is_declared) return;
    path::Event event{.kind = has_moved ? Kind::kMoved : Kind::kClaimed,
                      .network = entry.network,
                      .address = entry.address,
                      .mac = mac,
                      .other = before};
    if (!has_moved) event.port = path::index(meta.ingress);
    tables.counters.events.note(event);
}

}  // namespace sluice::responder
