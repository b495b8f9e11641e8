// The lines that rules with `log: true` write: what each decided, from what the workers have noted
// (path::Counters::rules). Of a rule some a second at most, so that a busy one doesn't hide the others, and of
// so many rules, which bounds the whole. What gets no line is counted, and so is what a worker has noted too
// fast for the control thread to read. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/worker.h"

namespace sluice::engine {

class Switch;

class RuleLog {
 public:
    // Together less than what journald takes before it withholds lines itself: 10000 in 30 seconds.
    static constexpr uint32_t kLinesPerSecond = 10;  // of a rule
    static constexpr size_t kRulesPerSecond = 30;

    // What is new. A few times a second.
    void write(const Switch& running, path::Seconds now);

 private:
    void begin_second(path::Seconds now);
    bool may_write(uint32_t rule);

    std::vector<uint64_t> seen_;  // by WorkerId: path::DropLog::recent()'s
    path::Seconds second_ = 0;
    std::map<uint32_t, uint32_t> lines_;  // in that second, by the rule's number
    uint64_t withheld_ = 0;               // in that second
};

}  // namespace sluice::engine
