// How stages become a path. The order itself is in engine/path.h; this is the machine that runs it.
//
// A stage is a struct with up to three static functions, one an act:
//     bool admit (Meta&, rte_mbuf*, const Tables&)            parse; start the memory accesses needed
//     bool decide(Meta&, const Tables&)                       look up; give the packet its fate
//     void apply (Meta&, rte_mbuf*, const Tables&)            do what was decided
// admit and decide return false when they have given the packet a fate that ends its way (a drop).
// All stages of an act run fused in one loop over the batch, so a path of any length costs three
// loops; between the loops the prefetches of the one before have time to arrive. There is no indirect
// call: the path is a type.
#pragma once

#include <rte_branch_prediction.h>

#include "path/batch.h"

namespace sluice::path {

template <class... Stages>
struct Path {
    template <class Tables>
    static void run(Batch& batch, const Tables& tables) noexcept {
        for (uint16_t i = 0; i < batch.count; ++i) {
            Meta& meta = batch.meta[i];
            (admit<Stages>(meta, batch.packets[i], tables) && ...);
        }
        for (uint16_t i = 0; i < batch.count; ++i) {
            Meta& meta = batch.meta[i];
            if (likely(meta.fate == Fate::kPending)) (decide<Stages>(meta, tables) && ...);
        }
        for (uint16_t i = 0; i < batch.count; ++i) {
            (apply<Stages>(batch.meta[i], batch.packets[i], tables), ...);
        }
        batch.count = 0;
    }

 private:
    template <class Stage, class Tables>
    [[gnu::always_inline]] static bool admit(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if constexpr (requires { Stage::admit(meta, packet, tables); }) {
            return Stage::admit(meta, packet, tables);
        }
        return true;
    }
    template <class Stage, class Tables>
    [[gnu::always_inline]] static bool decide(Meta& meta, const Tables& tables) {
        if constexpr (requires { Stage::decide(meta, tables); }) return Stage::decide(meta, tables);
        return true;
    }
    template <class Stage, class Tables>
    [[gnu::always_inline]] static void apply(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if constexpr (requires { Stage::apply(meta, packet, tables); }) {
            Stage::apply(meta, packet, tables);
        }
    }
};

// Ends a packet's way: for a stage to return.
[[gnu::always_inline]] inline bool drop(Meta& meta, Drop reason) noexcept {
    meta.fate = Fate::kDrop;
    meta.reason = reason;
    return false;
}

}  // namespace sluice::path
