// Runs watched packets through the path (path/witness.h). Each runs alone, so that everything that is decided,
// dropped and sent meanwhile belongs to it. Worker side; only while there are witnesses.
#pragma once

#include "engine/worker_features.h"
#include "path/batch.h"
#include "path/witness.h"
#include "view/snapshot.h"

namespace sluice::engine {

// Records the way of one packet, from its port of arrival until it has left.
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

    // To be called before the transmit buffers go to their ports.
    void end() noexcept;

 private:
    void decided(const path::Meta& meta) noexcept;
    void note_drops(const path::DropLog& log, uint64_t first) noexcept;

    path::Witnessed& told_;
    const PathTables& tables_;
    uint64_t first_drop_;
    uint64_t first_background_;
};

// Counts the drop of a packet that came from that port and takes no path, and tells the snapshot's witnesses that
// ask for it. The caller frees the packet.
void drop_watched(const rte_mbuf* packet, const view::QueueRef& queue, path::Drop reason,
                  const PathTables& tables) noexcept;

// As run_path(); also tells the snapshot's witnesses of the packets that they ask for. Frees dropped packets.
void run_watched(path::Batch& batch, const PathTables& tables) noexcept;

}  // namespace sluice::engine
