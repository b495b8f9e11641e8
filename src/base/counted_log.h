// Log lines about what may happen again and again: a remote host that comes and goes, a station that claims
// another's address with every packet. The first time is a line of its own. What follows within the minute is
// counted, and told in one line at its end: "... (41 times since 12:00:03)"; the next minute begins then. What
// hasn't happened for a minute is forgotten.
//
// Events are told apart by a text of the caller's, their key, as a message may vary. At most kMost of them are
// known at a time: of more, nothing but their number is told. One thread.
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

    // `count`: how often since it was last told of.
    void tell(Clock::time_point now, log::Level level, std::string_view component, std::string_view key,
              std::string message, uint64_t count = 1);
    // Once a second, say: writes what is due.
    void tick(Clock::time_point now);

 private:
    struct Told {
        log::Level level;
        std::string component;
        std::string message;        // the latest
        Clock::time_point written;  // when the last line was
        uint64_t count = 0;         // since
        std::time_t since = 0;      // when the first of those was
    };

    std::map<std::string, Told, std::less<>> told_;
    uint64_t untold_ = 0;  // beyond kMost
    std::time_t untold_since_ = 0;
    Clock::time_point untold_written_{};
};

}  // namespace sluice::base
