#include "engine/rule_log.h"

#include "engine/switch.h"
#include "wire/summary.h"

namespace sluice::engine {
namespace {

std::string_view action_of(path::Drop reason) {
    switch (reason) {
        case path::Drop::kDenied: return "denies";
        case path::Drop::kRejected: return "rejects";
        default: return "permits";
    }
}

std::string name_of(const Switch& running, path::PortId id) {
    const auto* port = running.find_port(id);
    return port != nullptr ? port->first : "-";
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

void RuleLog::write(const Switch& running, path::Seconds now) {
    seen_.resize(running.workers().size());
    if (now != second_) begin_second(now);
    for (size_t i = 0; i < running.workers().size(); ++i) {
        const uint64_t before = seen_[i];
        const auto records = running.workers()[i]->counters().rules.recent(seen_[i]);
        // It goes up by two a record, those that have given way to later ones included.
        withheld_ += (seen_[i] - before) / 2 - records.size();
        for (const path::DropRecord& record : records) {
            if (!may_write(record.object)) {
                ++withheld_;
                continue;
            }
            const auto rule = running.rule(record.object);
            base::log::warning("acl", "{} {}: port {} to {}: {}", rule ? rule->name : "a rule since removed",
                               action_of(record.reason), name_of(running, record.ingress),
                               name_of(running, record.egress),
                               wire::summary({record.bytes.data(), record.size}, record.length));
        }
    }
}

}  // namespace sluice::engine
