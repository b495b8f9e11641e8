// The numbers by which flows of different networks are told apart, by flow_domain_of(). A name keeps its number,
// also while no network has it: its connections go on when it comes back. When the numbers are used up, those of
// names that no network has are used again, after their flows were removed. Control thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "path/tuple.h"

namespace sluice::engine {

class FlowDomains {
 public:
    static constexpr uint16_t kMost = 0x7fff;  // what a flow's key has room for
    using Names = std::map<std::string, path::FlowDomain>;
    using Forget = std::function<void(const std::set<path::FlowDomain>&)>;

    explicit FlowDomains(uint16_t most = kMost) : most_(most) {}

    // Gives each of these names a number. `forget` removes the flows of numbers that are to be used again: no
    // worker has them any more.
    void arrange(std::set<std::string> names, const Forget& forget);
    const Names& names() const noexcept { return names_; }

 private:
    void release_unused(const std::set<std::string>& wanted, const Forget& forget);

    uint16_t most_;
    Names names_;
    std::set<std::string> in_use_;  // workers may have their numbers
    std::set<path::FlowDomain> free_;
};

}  // namespace sluice::engine
