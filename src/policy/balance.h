// Balance, the first step of a decision: the destination of a new connection becomes that of a Service's back end,
// or of the inside address that NAT gives it. No packet is written here. Worker side.
#pragma once

#include "path/drop.h"
#include "path/tuple.h"
#include "policy/allocate.h"
#include "view/tables.h"

namespace sluice::policy {

struct Balanced {
    enum Outcome : uint8_t {
        kUnchanged,   // nothing stands for that destination
        kTranslated,  // `leaves` is what the packet becomes
        kLocal,       // the address is a Service's, and the switch itself answers (an echo)
        kDropped,     // for `reason`
    };
    Outcome outcome = kUnchanged;
    path::Drop reason{};
    uint32_t object = 0;  // the front end's, or the NAT rule's
};

// `leaves` is the packet's tuple at first; `from` the network that it came in.
Balanced balance(path::Tuple& leaves, path::NetworkId from, Dry dry, const view::Tables& tables) noexcept;

// Whether a connection may keep its destination: what the configuration in force makes of `original`, the
// initiator's tuple, may be `leaves`.
bool keeps_destination(const path::Tuple& original, const path::Tuple& leaves,
                       const view::Tables& tables) noexcept;

}  // namespace sluice::policy
