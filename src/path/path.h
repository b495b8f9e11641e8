// How stages become a path. The order itself is in engine/path.h; this is the machine that runs it.
//
// What the gatherer of a batch fills in of a packet's metadata: ingress, network, unusual, guarded, admission.
//
// A stage is a struct with up to four static functions:
//     bool admit (Meta&, rte_mbuf*, const Tables&)            parse; start the memory accesses needed
//     void find  (Meta&, const Tables&)                       read what has been fetched, start the next access;
//                                                             called of dropped packets too
//     bool decide(Meta&, const Tables&)                       look up; give the packet its fate
//     bool decide(Meta&, const rte_mbuf*, const Tables&)      the same, where headers are to be read
//     void apply (Meta&, rte_mbuf*, const Tables&)            do what was decided
// admit and decide return false when they have given the packet a fate that ends its way (a drop). admit also
// returns false when it has asked all that the stages behind it would ask.
// The stages run fused: one loop over the batch admits, a second decides and applies, so a path of any
// length costs two loops, and between them the prefetches of the first have time to arrive. What is
// decided and at once applied stays in registers: a third loop cost a bridge 20 instructions a packet
// (bench/run replay). A path with a stage whose decision needs a second memory access, which can't be
// prefetched while admitting (a flow's record), has one more loop between the two. There is no indirect
// call: the path is a type. Somebody who observes is told what was decided of each packet before it is applied.
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
    // By value: no store through a packet's metadata can change these tables, and so the compiler
    // keeps them in registers.
    template <class Tables, class Observer = Unobserved>
    static void run(Batch& batch, const Tables tables, Observer observer = {}) noexcept {
        const uint16_t count = batch.count;
        for (uint16_t i = 0; i < count; ++i) {
            Meta& meta = batch.meta(i);
            meta.fate = Fate::kPending;
            (admit<Stages>(meta, batch.packets[i], tables) && ...);
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

// Stages that matter only for packets of unusual ports, out of the way of the others: what hardly any
// port has (a trunk, a mirror) costs all of them together one branch. Most packets of a port that has a guard and
// nothing else pass `Shortcut`, in line: bool passes(const Meta&, const rte_mbuf*, const Tables&).
template <class Shortcut, class... Stages>
struct Unusual {
    template <class Tables>
    [[gnu::always_inline]] static bool admit(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        const bool is_unguarded = meta.guarded == Guarded::kNot;
        if (likely(!meta.unusual) && (is_unguarded || likely(Shortcut::passes(meta, packet, tables)))) return true;
        return admit_all(meta, packet, tables);
    }

 private:
    template <class Tables>
    [[gnu::noinline]] static bool admit_all(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        return (Stages::admit(meta, packet, tables) && ...);
    }
};

// Ends a packet's way: for a stage to return.
[[gnu::always_inline]] inline bool drop(Meta& meta, Drop reason) noexcept {
    meta.fate = Fate::kDrop;
    meta.reason = reason;
    return false;
}

}  // namespace sluice::path
