// What becomes of packets that somebody watches (path/witness.h): each goes its way alone, so that what is
// decided, dropped and sent meanwhile is its doing. Worker side; only while there are witnesses.
#pragma once

#include "engine/worker_features.h"
#include "path/batch.h"
#include "path/witness.h"

namespace sluice::engine {

// Takes note of one packet, from where it came until it has left.
class Telling {
 public:
    Telling(path::Witnessed& told, const path::Meta& meta, const rte_mbuf* packet,
            const PathTables& tables) noexcept;
    Telling(const Telling&) = delete;

    // The path's observer, which it takes by value.
    struct Observer {
        Telling* telling;
        void decided(const path::Meta& meta, const rte_mbuf*) noexcept { telling->decided(meta); }
    };
    Observer observer() noexcept { return {this}; }

    // Before what has left is given to its ports.
    void end() noexcept;

 private:
    void decided(const path::Meta& meta) noexcept;
    void note_wait(const neighbor::Entry& neighbor) noexcept;
    void note_drops(const path::DropLog& log, uint64_t first) noexcept;

    path::Witnessed& told_;
    const PathTables& tables_;
    uint64_t first_drop_;
    uint64_t first_background_;
};

// run_path(), and tells the snapshot's witnesses what they ask for. Frees what was dropped.
void run_watched(path::Batch& batch, const PathTables& tables) noexcept;

}  // namespace sluice::engine
