#include "policy/rule_log.h"

#include "base/log.h"
#include "wire/summary.h"

namespace sluice::policy {
namespace {

std::string_view action_of(path::Drop reason) {
    switch (reason) {
        case path::Drop::kDenied: return "denies";
        case path::Drop::kRejected: return "rejects";
        default: return "permits";
    }
}

}  // namespace

void RuleLog::begin_second(path::Seconds now) {
    if (withheld_ != 0) base::log::warning("acl", "{} more decisions were not logged", withheld_);
    second_ = now;
    lines_.clear();
    withheld_ = 0;
}

bool RuleLog::may_write(uint32_t rule) {
    if (lines_.size() == kRulesPerSecond && !lines_.contains(rule)) return false;
    uint32_t& lines = lines_[rule];
    if (lines == kLinesPerSecond) return false;
    ++lines;
    return true;
}

void RuleLog::write(const std::vector<const path::DropLog*>& workers, const RuleLogNames& names,
                    path::Seconds now) {
    seen_.resize(workers.size());
    if (now != second_) begin_second(now);
    for (size_t i = 0; i < workers.size(); ++i) {
        const uint64_t before = seen_[i];
        const auto records = workers[i]->recent(seen_[i]);
        // The position grows by two for each record, overwritten ones included.
        withheld_ += (seen_[i] - before) / 2 - records.size();
        for (const path::DropRecord& record : records) {
            if (!may_write(record.object)) {
                ++withheld_;
                continue;
            }
            std::string rules;
            for (const acl::Object& rule : names.rules(record.object)) {
                rules += (rules.empty() ? "" : ", ") + rule.name;
            }
            base::log::warning("acl", "{} {}: port {} to {}: {}", rules.empty() ? "a rule since removed" : rules,
                               action_of(record.reason), names.port(record.ingress),
                               names.port(record.egress),
                               wire::summary({record.bytes.data(), record.size}, record.length));
        }
    }
}

}  // namespace sluice::policy
