// The lines that rules with `log: true` write: what each decided, from what the workers have noted
// (path::Counters::rules), some a second at most. Control thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/worker.h"

namespace sluice::engine {

class Switch;

class RuleLog {
 public:
    static constexpr uint32_t kLinesPerSecond = 20;

    // What is new. A few times a second.
    void write(const Switch& running, bridge::Seconds now);

 private:
    std::vector<uint64_t> seen_;  // by WorkerId
    bridge::Seconds second_ = 0;
    uint32_t lines_ = 0;          // in that second
    uint64_t withheld_ = 0;       // since the last line
};

}  // namespace sluice::engine
