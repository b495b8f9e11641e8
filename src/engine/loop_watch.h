// Finds loops between two ports. If a container bridges two ports, it sends frames that were flooded to one of
// them back by the other. Then addresses move to and fro between the two ports in the MAC tables, or frames with a
// third port's own address come from both. The MAC tables record such moves (bridge::MacTable::Motion). Two
// stations with one address look the same. Control thread.
#pragma once

#include <vector>

#include "bridge/mac_table.h"

namespace sluice::engine {

class LoopWatch {
 public:
    // The flood limit of a port with a loop: frames a second, for each kind of frame.
    static constexpr uint32_t kFloods = 100;
    // A loop ends when no frame has shown it for so long.
    static constexpr path::Seconds kQuiet = 60;

    struct Loop {
        path::NetworkId network;
        path::PortId a;
        path::PortId b;
        uint64_t mac;    // the first address that was seen on both
        uint64_t count;  // frames that came by the wrong port
        path::Seconds since;
        path::Seconds seen;
    };

    // Takes the moves in a network during the last second. Returns the loops that are new.
    std::vector<Loop> look(path::NetworkId network, const std::vector<bridge::MacTable::Motion>& motions,
                           path::Seconds now);
    // Removes and returns the loops that have ended, and those of ports or networks that are gone (`is_gone`).
    template <class Gone>
    std::vector<Loop> take_ended(path::Seconds now, Gone is_gone) {
        std::vector<Loop> ended;
        for (auto loop = loops_.begin(); loop != loops_.end();) {
            const bool has_ended = static_cast<int32_t>(now - loop->seen) >= static_cast<int32_t>(kQuiet);
            if (!has_ended && !is_gone(*loop)) {
                ++loop;
                continue;
            }
            ended.push_back(*loop);
            loop = loops_.erase(loop);
        }
        return ended;
    }
    // Removes the loops of a deleted port: another port may get its number at once.
    void forget(path::PortId port) {
        std::erase_if(loops_, [=](const Loop& loop) { return loop.a == port || loop.b == port; });
    }
    bool has(path::NetworkId network, path::PortId a, path::PortId b) const;
    const std::vector<Loop>& loops() const noexcept { return loops_; }

 private:
    std::vector<Loop> loops_;
};

}  // namespace sluice::engine
