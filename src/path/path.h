// How stages become a path. This file runs the stages; their order is in engine/path.h.
//
// What admit_usual() and decide_usual() return false for goes on out of line, to the end of its loop: where the
// two ways met again, the usual packets' fields would be read anew and their registers spilled.
//
// Before a path runs, the gatherer of the batch tells how each packet came (arrive()).
//
// A stage is a struct with up to six static functions:
//     bool admit (Meta&, rte_mbuf*, const Tables&)            parse; start the memory accesses needed
//     bool admit_usual(Meta&, rte_mbuf*, const Tables&)       in its place: all of Admit for the usual packets, in
//                                                             line; false for those that the stages behind it
//                                                             must admit
//     void find  (Meta&, const Tables&)                       read the fetched data, start the next access; also
//                                                             called for dropped packets
//     bool decide(Meta&, const Tables&)                       look up; give the packet its fate
//     bool decide(Meta&, const rte_mbuf*, const Tables&)      the same, if it reads headers
//     bool decide_usual(Meta&, const rte_mbuf*, const Tables&)
//                                                             decide() of the usual packets, in line; false for
//                                                             all others, which it leaves as they were
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
            admit_by<Stages...>(batch.meta(i), batch.packets[i], tables);
        }
        if constexpr ((finds<Stages, Tables> || ...)) {
            for (uint16_t i = 0; i < count; ++i) {
                Meta& meta = batch.meta(i);
                (find<Stages>(meta, tables), ...);
            }
        }
        for (uint16_t i = 0; i < count; ++i) {
            finish(batch.meta(i), batch.packets[i], tables, observer);
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
    // The stages one after the other. A packet that needs the unusual stages goes through these and all behind
    // them out of line.
    template <class Stage, class... Others, class Tables>
    [[gnu::always_inline]] static void admit_by(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if constexpr (requires { Stage::admit_usual(meta, packet, tables); }) {
            if (likely(Stage::admit_usual(meta, packet, tables))) return;
            return admit_out_of_line<Others...>(meta, packet, tables);
        } else if constexpr (requires { Stage::is_needed(meta, packet, tables); }) {
            if (unlikely(Stage::is_needed(meta, packet, tables))) {
                return admit_unusual<Stage, Others...>(meta, packet, tables);
            }
        } else {
            if (!admit<Stage>(meta, packet, tables)) return;
        }
        if constexpr (sizeof...(Others) != 0) admit_by<Others...>(meta, packet, tables);
    }
    template <class... Others, class Tables>
    [[gnu::noinline]] static void admit_out_of_line(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        admit_by<Others...>(meta, packet, tables);
    }
    template <class Stage, class... Others, class Tables>
    [[gnu::noinline]] static void admit_unusual(Meta& meta, rte_mbuf* packet, const Tables& tables) {
        if (!Stage::admit(meta, packet, tables)) return;
        if constexpr (sizeof...(Others) != 0) admit_by<Others...>(meta, packet, tables);
    }
    template <class Stage, class Tables>
    static constexpr bool has_usual = requires(Meta& meta, const rte_mbuf* packet, const Tables& tables) {
        Stage::decide_usual(meta, packet, tables);
    };
    template <class Stage, class Tables>
    [[gnu::always_inline]] static bool decide_usual(Meta& meta, const rte_mbuf* packet, const Tables& tables) {
        if constexpr (has_usual<Stage, Tables>) return Stage::decide_usual(meta, packet, tables);
        return false;
    }
    // Decide and Apply, of one packet.
    template <class Tables, class Observer>
    [[gnu::always_inline]] static void finish(Meta& meta, rte_mbuf* packet, const Tables& tables,
                                              Observer& observer) {
        if constexpr ((has_usual<Stages, Tables> || ...)) {
            if (unlikely(!(decide_usual<Stages>(meta, packet, tables) || ...))) {
                return finish_unusual(meta, packet, tables, observer);
            }
        } else if (likely(is_pending(meta.fate))) {
            (decide<Stages>(meta, packet, tables) && ...);
        }
        observer.decided(meta, packet);
        (apply<Stages>(meta, packet, tables), ...);
    }
    template <class Tables, class Observer>
    [[gnu::noinline]] static void finish_unusual(Meta& meta, rte_mbuf* packet, const Tables& tables,
                                                 Observer& observer) {
        if (likely(is_pending(meta.fate))) (decide<Stages>(meta, packet, tables) && ...);
        observer.decided(meta, packet);
        (apply<Stages>(meta, packet, tables), ...);
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
    [[gnu::always_inline]] static bool is_needed(const Meta& meta, const rte_mbuf* packet, const Tables& tables) {
        if (is_plain_arrival(meta)) return false;
        return unlikely(meta.unusual) || unlikely(!Shortcut::passes(meta, packet, tables));
    }
    template <class Tables>
    [[gnu::always_inline]] static bool admit(Meta& meta, rte_mbuf* packet, const Tables& tables) {
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
