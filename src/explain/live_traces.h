// The active live traces on the control thread's side: the owner of each, the records of workers
// (path/witness.h), and their conversion to text. A live trace ends when its owner stops it or is gone. Records
// that an owner does not fetch are lost and counted. Control thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/switch.h"
#include "explain/owned.h"
#include "explain/teller.h"
#include "path/witness.h"

namespace sluice::explain {

class LiveTraces {
 public:
    static constexpr size_t kMost = 8;

    explicit LiveTraces(engine::Switch& running) : running_(running) {}

    // Traces the packets that match a filter (pcap-filter(7)), from any ingress port; an empty filter matches
    // all. Returns the trace's number.
    base::Result<uint32_t> start(const std::string& filter, Owner owner);

    struct Live {
        double time;         // seconds since the epoch
        uint32_t length;     // of the frame as it was received
        std::string packet;  // in tcpdump's words
        Trace trace;
    };
    struct Portion {
        std::vector<Live> packets;  // the oldest first
        uint64_t lost = 0;          // since the start
    };
    // Reads at most `most` packets of each worker. None if this owner has no such trace.
    std::optional<Portion> read(uint32_t number, const Owner& owner, size_t most);
    // False if this owner has no such trace.
    bool stop(uint32_t number, const Owner& owner);

    // Ends traces whose owner is gone. Call it a few times a second.
    void tick();

 private:
    using Held = std::shared_ptr<path::Witness>;

    void publish();

    engine::Switch& running_;
    Owned<Held> held_;
};

}  // namespace sluice::explain
