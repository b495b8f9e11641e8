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
    for (const auto& [name, held] : running.ports()) {
        if (held.port->id() == id) return name;
    }
    return "-";
}

}  // namespace

void RuleLog::write(const Switch& running, bridge::Seconds now) {
    seen_.resize(running.workers().size());
    if (now != second_) {
        if (withheld_ != 0) base::log::warning("acl", "{} more decisions were not logged", withheld_);
        second_ = now;
        lines_ = 0;
        withheld_ = 0;
    }
    for (size_t i = 0; i < running.workers().size(); ++i) {
        for (const path::DropRecord& record : running.workers()[i]->counters().rules.recent(seen_[i])) {
            if (lines_ == kLinesPerSecond) {
                ++withheld_;
                continue;
            }
            ++lines_;
            const auto rule = running.rule(record.object);
            base::log::warning("acl", "{} {}: port {} to {}: {}", rule ? rule->name : "a rule since removed",
                               action_of(record.reason), name_of(running, record.ingress),
                               name_of(running, record.egress),
                               wire::summary({record.bytes.data(), record.size}, record.length));
        }
    }
}

}  // namespace sluice::engine
