// The lines that rules with `log: true` write: what each decided, from what the workers have noted
// (path::Counters::rules). Of a rule some a second at most, so that a busy one doesn't hide the others, and of
// so many rules, which bounds the whole. What gets no line is counted, and so is what a worker has noted too
// fast for the control thread to read. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "acl/acl.h"
#include "path/drop_log.h"

namespace sluice::policy {

// What the lines call ports and rules.
struct RuleLogNames {
    std::function<std::string(path::PortId)> port;
    std::function<std::optional<acl::Object>(uint32_t)> rule;  // none: it was removed since
};

class RuleLog {
 public:
    // Together less than what journald takes before it withholds lines itself: 10000 in 30 seconds.
    static constexpr uint32_t kLinesPerSecond = 10;  // of a rule
    static constexpr size_t kRulesPerSecond = 30;

    // What is new in the workers' notes, which come in the order of WorkerId. A few times a second.
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
