// Loops between two ports: whoever connects both (a container that bridges them) sends what is flooded to one back
// by the other. Then addresses go to and fro between the two in the MAC tables, or frames of a port's own address
// come from both of them. Told from what learning has met (bridge::MacTable::Motion). Two stations with one
// address look the same. Control thread.
#pragma once

#include <vector>

#include "bridge/mac_table.h"

namespace sluice::engine {

class LoopWatch {
 public:
    // Frames a second that a port with a loop may have flooded, of each kind.
    static constexpr uint32_t kFloods = 100;
    // A loop of which nothing was seen for so long has ended.
    static constexpr path::Seconds kQuiet = 60;

    struct Loop {
        path::NetworkId network;
        path::PortId a;
        path::PortId b;
        uint64_t mac;    // the first address that was seen on both
        uint64_t count;  // frames that were seen on the wrong one
        path::Seconds since;
        path::Seconds seen;
    };

    // A second's worth of a network's motions. The loops that were not known before.
    std::vector<Loop> look(path::NetworkId network, const std::vector<bridge::MacTable::Motion>& motions,
                           path::Seconds now);
    // Takes out those that have ended, and those of ports or networks that are gone (`is_gone`).
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
    // A port that goes takes its loops along: its number may be another's at once.
    void forget(path::PortId port) {
        std::erase_if(loops_, [=](const Loop& loop) { return loop.a == port || loop.b == port; });
    }
    bool has(path::NetworkId network, path::PortId a, path::PortId b) const;
    const std::vector<Loop>& loops() const noexcept { return loops_; }

 private:
    std::vector<Loop> loops_;
};

}  // namespace sluice::engine
