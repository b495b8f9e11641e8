// The lines about what workers have seen (path/events.h): addresses that two stations claim, and tunnel packets
// that no network here expects. Repeated events are counted (base/counted_log.h). Control thread.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "base/counted_log.h"
#include "path/events.h"

namespace sluice::engine {

class Switch;

class EventLog {
 public:
    using Clock = base::CountedLog::Clock;

    // If an address returns to its earlier MAC address within this time, two stations claim it.
    static constexpr std::chrono::seconds kRivalry{60};
    static constexpr size_t kMostMoves = 1024;

    // Writes the new events. To be called a few times a second.
    void write(const Switch& running, base::CountedLog& log, Clock::time_point now);

 private:
    struct Move {
        uint64_t from;
        Clock::time_point time;
    };

    void tell(const Switch& running, base::CountedLog& log, Clock::time_point now, const path::Event& event,
              uint64_t count);
    void tell_move(base::CountedLog& log, Clock::time_point now, const std::string& network,
                   const path::Event& event, uint64_t count);

    std::vector<path::Events::AllSeen> seen_;                            // by WorkerId
    std::map<std::pair<path::NetworkId, IpAddress>, Move> moves_;  // the last one of each address
};

}  // namespace sluice::engine
