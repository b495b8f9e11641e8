// Writes the log lines of rules with `log: true`, one for each decision that the workers have recorded
// (path::Counters::rules). The number of lines a second is bounded for each rule, so that a busy rule doesn't hide
// the others, and so is the number of rules. Decisions without a line are counted, and so are records that a
// worker has overwritten before the control thread read them. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "acl/acl.h"
#include "path/drop_log.h"

namespace sluice::policy {

// Give the names of ports and rules in the lines.
struct RuleLogNames {
    std::function<std::string(path::PortId)> port;
    // Several NetworkPolicies may refuse a packet together. Empty: they were removed since.
    std::function<std::vector<acl::Object>(uint32_t)> rules;
};

class RuleLog {
 public:
    // Together they allow fewer lines than journald takes before it drops lines: 10000 in 30 seconds.
    static constexpr uint32_t kLinesPerSecond = 10;  // of a rule
    static constexpr size_t kRulesPerSecond = 30;

    // Writes the new records of the workers, which come in the order of WorkerId. To be called a few times a
    // second.
    void write(const std::vector<const path::DropLog*>& workers, const RuleLogNames& names, path::Seconds now);

 private:
    void begin_second(path::Seconds now);
    bool may_write(uint32_t rule);

    std::vector<uint64_t> seen_;  // by WorkerId: path::DropLog::recent()'s
    path::Seconds second_ = 0;
    std::map<uint32_t, uint32_t> lines_;  // in that second, by the rule's number
    uint64_t withheld_ = 0;               // in that second
};

}  // namespace sluice::policy
