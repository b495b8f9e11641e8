// Who watches what becomes of real packets, as the control thread has them: who asked, what workers have told
// (path/witness.h), and its telling for people. It ends when its owner says so or is gone. What an owner doesn't
// fetch is lost and counted. Control thread.
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

    // Of the packets that a filter lets through (pcap-filter(7)), as they come in by any port; an empty one lets
    // all. Answers the number.
    base::Result<uint32_t> start(const std::string& filter, Owner owner);

    struct Live {
        double time;         // seconds since the epoch
        uint32_t length;     // of the frame as it came
        std::string packet;  // in words
        Trace trace;
    };
    struct Portion {
        std::vector<Live> packets;  // the oldest first
        uint64_t lost = 0;          // since the start
    };
    // At most so many packets of each worker. Nothing where this owner has no such one.
    std::optional<Portion> read(uint32_t number, const Owner& owner, size_t most);
    // False where this owner has no such one.
    bool stop(uint32_t number, const Owner& owner);

    // Ends those whose owner is gone. To be called a few times a second.
    void tick();

 private:
    using Held = std::shared_ptr<path::Witness>;

    void publish();

    engine::Switch& running_;
    Owned<Held> held_;
};

}  // namespace sluice::explain
