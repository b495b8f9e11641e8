#include "engine/flow_domains.h"

#include <utility>

namespace sluice::engine {

void FlowDomains::arrange(std::set<std::string> names, const Forget& forget) {
    for (const std::string& name : names) {
        if (names_.contains(name)) continue;
        if (free_.empty() && names_.size() == most_) release_unused(names, forget);
        if (!free_.empty()) {
            names_.emplace(name, free_.extract(free_.begin()).value());
        } else {
            names_.emplace(name, path::FlowDomain{static_cast<uint16_t>(names_.size() + 1)});
        }
    }
    in_use_ = std::move(names);
}

void FlowDomains::release_unused(const std::set<std::string>& wanted, const Forget& forget) {
    std::erase_if(names_, [&](const auto& entry) {
        const auto& [name, id] = entry;
        if (wanted.contains(name) || in_use_.contains(name)) return false;
        free_.insert(id);
        return true;
    });
    if (!free_.empty()) forget(free_);
}

}  // namespace sluice::engine
