// How stages become a path. This file runs the stages; their order is in engine/path.h.
//
// Before a path runs, the gatherer of the batch tells how each packet came (arrive()).
//
// A stage is a struct with up to four static functions:
//     bool admit (Meta&, rte_mbuf*, const Tables&)            parse; start the memory accesses needed
//     void find  (Meta&, const Tables&)                       read the fetched data, start the next access; also
//                                                             called for dropped packets
//     bool decide(Meta&, const Tables&)                       look up; give the packet its fate
//     bool decide(Meta&, const rte_mbuf*, const Tables&)      the same, if it reads headers
//     void apply (Meta&, rte_mbuf*, const Tables&)            do what was decided
// admit and decide return false if they have given the packet a fate that ends its way (a drop). admit also
// returns false if the stages behind it need not admit the packet.
//
// The stages run fused: one loop over the batch admits, a second one decides and applies. So a path of any length
// costs two loops, and the prefetches of the first have time to arrive before the second. A decision that is
// applied at once stays in registers: a third loop cost a bridge 20 instructions a packet (bench/run replay). If
// a stage needs a second memory access to decide (a flow's record), which cannot be prefetched while admitting,
// one more loop runs between the two. There is no indirect call: the path is a type. An observer is called for
// each packet after its decision and before it is applied.
#pragma once

#include <rte_branch_prediction.h>

#include "path/batch.h"

namespace sluice::path {

// The default observer; compiles to nothing.
struct Unobserved {
    void decided(const Meta&, const rte_mbuf*) noexcept {}
};

template <class... Stages>
struct Path {
    // Passed by value: no store to a packet's metadata can change these tables, so the compiler keeps them in
    // registers.
    template <class Tables, class Observer = Unobserved>
    static void run(Batch& batch, const Tables tables, Observer observer = {}) noexcept {
        const uint16_t count = batch.count;
        for (uint16_t i = 0; i < count; ++i) {
            (admit<Stages>(batch.meta(i), batch.packets[i], tables) && ...);
        }
        if constexpr ((finds<Stages, Tables> || ...)) {
            for (uint16_t i = 0; i < count; ++i) {
                Meta& meta = batch.meta(i);
                (find<Stages>(meta, tables), ...);
            }
        }
        for (uint16_t i = 0; i < count; ++i) {
            Meta& meta = batch.meta(i);
            if (likely(is_pending(meta.fate))) {
                (decide<Stages>(meta, batch.packets[i], tables) && ...);
            }
            observer.decided(meta, batch.packets[i]);
            (apply<Stages>(meta, batch.packets[i], tables), ...);
        }
        batch.count = 0;
    }

 private:
    template <class Stage, class Tables>
    static constexpr bool finds = requires(Meta& meta, const Tables& tables) { Stage::find(meta, tables); };

    template <class Stage, class Tables>
    [[gnu::always_inline]] static void find(Meta& meta, const Tables& tables) {
        if constexpr (finds<Stage, Tables>) Stage::find(meta, tables);
    }
    template <class Stage, class Tables>
    [[gnu::always_inline]] static bool admit(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if constexpr (requires { Stage::admit(meta, packet, tables); }) {
            return Stage::admit(meta, packet, tables);
        }
        return true;
    }
    template <class Stage, class Tables>
    [[gnu::always_inline]] static bool decide(Meta& meta, const rte_mbuf* packet, const Tables& tables) {
        if constexpr (requires { Stage::decide(meta, tables); }) return Stage::decide(meta, tables);
        if constexpr (requires { Stage::decide(meta, packet, tables); }) {
            return Stage::decide(meta, packet, tables);
        }
        return true;
    }
    template <class Stage, class Tables>
    [[gnu::always_inline]] static void apply(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if constexpr (requires { Stage::apply(meta, packet, tables); }) {
            Stage::apply(meta, packet, tables);
        }
    }
};

// Stages that only packets of unusual ports need (trunks, mirrors). For all other packets they cost one branch
// together. Most packets of a port with a guard and nothing else pass `Shortcut`, which is inline: bool
// passes(const Meta&, const rte_mbuf*, const Tables&).
template <class Shortcut, class... Stages>
struct Unusual {
    template <class Tables>
    [[gnu::always_inline]] static bool admit(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if (is_plain_arrival(meta) || (likely(!meta.unusual) && likely(Shortcut::passes(meta, packet, tables)))) {
            return true;
        }
        return admit_all(meta, packet, tables);
    }

 private:
    template <class Tables>
    [[gnu::noinline]] static bool admit_all(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        return (Stages::admit(meta, packet, tables) && ...);
    }
};

// Ends a packet's way. A stage returns the result.
[[gnu::always_inline]] inline bool drop(Meta& meta, Drop reason) noexcept {
    meta.fate = Fate::kDrop;
    meta.reason = reason;
    return false;
}

}  // namespace sluice::path
