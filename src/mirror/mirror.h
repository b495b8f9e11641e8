// Copies of what comes from a port, as a stage of the path. What leaves by a port is copied where it leaves
// (port/egress.h). Worker side.
#pragma once

#include <rte_mbuf.h>

#include "path/batch.h"
#include "view/tables.h"

namespace sluice::mirror {

// Admit, before anything is changed: a copy for who looks at what comes from the port.
struct MirrorIngress {
    [[gnu::always_inline]] static bool admit(const path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        const view::PortSlot& slot = tables.slot(meta.ingress);
        if (unlikely(slot.has_mirrors_in())) tables.egress.mirror(slot.mirrors->in, packet);
        return true;
    }
};

}  // namespace sluice::mirror
