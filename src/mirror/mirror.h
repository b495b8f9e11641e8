// Copies of packets that a port receives, as a stage of the path. Packets that leave by a port are copied at the
// egress (port/egress.h). Worker side.
#pragma once

#include <rte_mbuf.h>

#include "path/batch.h"
#include "view/tables.h"

namespace sluice::mirror {

// Admit, before anything is changed: copies the packet to the mirrors of its ingress port.
struct MirrorIngress {
    [[gnu::always_inline]] static bool admit(const path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        const view::PortSlot& slot = tables.slot(meta.ingress);
        if (unlikely(slot.has_mirrors_in())) tables.egress.mirror(slot.mirrors->in, packet);
        return true;
    }
};

}  // namespace sluice::mirror
