// Log lines for events that may repeat: a remote host that goes down and up, a station that claims another
// station's address in every packet. The first event is logged at once. The events of the following minute are
// counted and logged as one line at its end: "... (41 times since 12:00:03)". Then the next minute begins. An
// event that has not happened for a minute is forgotten.
//
// The caller gives each kind of event a key, because the message may vary. At most kMost keys are known at a
// time; of further events only the number is logged. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>

#include "base/log.h"

namespace sluice::base {

class CountedLog {
 public:
    using Clock = std::chrono::steady_clock;

    static constexpr std::chrono::seconds kWindow{60};
    static constexpr size_t kMost = 128;

    // `count`: how many times the event has happened since the last call.
    void tell(Clock::time_point now, log::Level level, std::string_view component, std::string_view key,
              std::string message, uint64_t count = 1);
    // Writes the lines that are due. Call it about once a second.
    void tick(Clock::time_point now);

 private:
    struct Told {
        log::Level level;
        std::string component;
        std::string message;        // the latest one
        Clock::time_point written;  // when the last line was written
        uint64_t count = 0;         // events since that line
        std::time_t since = 0;      // when the first of those events happened
    };

    std::map<std::string, Told, std::less<>> told_;
    uint64_t untold_ = 0;  // events whose key did not fit in kMost
    std::time_t untold_since_ = 0;
    Clock::time_point untold_written_{};
};

}  // namespace sluice::base
