// The lines about stations that have moved: which MAC address, from where, to where. A move is told at once; the
// same one again within a minute is counted, and told with the others when the minute is over. Control thread.
#pragma once

#include <compare>
#include <map>
#include <string>

#include "bridge/mac_table.h"
#include "sluice/address.h"

namespace sluice::engine {

struct Move {
    std::string network;
    MacAddress mac;
    std::string from;  // "port web", "tunnel 192.0.2.2"
    std::string to;

    auto operator<=>(const Move&) const = default;
};

class MoveLog {
 public:
    static constexpr bridge::Seconds kPause = 60;
    static constexpr size_t kMost = 256;  // kept at a time; of more moves their number is told

    void note(const Move& move, bridge::Seconds now);
    // Tells what was counted and is due. Once a second.
    void flush(bridge::Seconds now);

 private:
    struct Told {
        bridge::Seconds since;
        uint32_t more = 0;
    };
    std::map<Move, Told> told_;
    uint64_t untold_ = 0;
};

}  // namespace sluice::engine
