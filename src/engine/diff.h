// The changes from one configuration to another: objects and keys, each with its old and new value and its effect
// on traffic. Control thread.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/tree.h"
#include "engine/config.h"

namespace sluice::engine {

// What a change does to traffic. `kFlows`: flows of the domains that the change concerns are decided anew on their
// next packet (Change::outdates).
enum class Effect { kNothing, kFlows, kLearned, kOpened, kClosed, kReopened, kRestart };

constexpr auto names(Effect) {
    using enum Effect;
    return std::array{base::Name{kNothing, "nothing"},
                      base::Name{kFlows, "flows decided anew"},
                      base::Name{kLearned, "addresses learned anew"},
                      base::Name{kOpened, "port opened"},
                      base::Name{kClosed, "port closed"},
                      base::Name{kReopened, "port reopened"},
                      base::Name{kRestart, "needs a restart"}};
}

struct ChangedKey {
    std::string key;
    base::Tree from;  // null: none
    base::Tree to;
};

struct Change {
    enum class Action { kAdd, kRemove, kChange } action;
    std::string object;  // "port web", "workers"
    std::string origin;
    std::string detail = {};  // the keys that differ, in words: "mtu: 1500 -> 1400"
    Effect effect = Effect::kNothing;
    std::vector<ChangedKey> keys = {};
    FlowDomainNames outdates = {};  // whose flows were decided by what has changed
};

constexpr auto names(Change::Action) {
    using enum Change::Action;
    return std::array{base::Name{kAdd, "add"}, base::Name{kRemove, "remove"},
                      base::Name{kChange, "change"}};
}

std::vector<Change> diff(const Config& from, const Config& to);
// The flow domains whose flows the changes may affect. `changes` is the difference between the two configurations.
// In case of doubt a flow domain is affected.
FlowDomainNames outdated_domains(const Config& from, const Config& to, const std::vector<Change>& changes);
// The change that adds one port, and the change that removes one.
Change addition_of(const port::PortConfig& port);
Change removal_of(const port::PortConfig& port);

// The keys in which the two differ and that can't be changed while running: "memory", "workers.cores".
std::vector<std::string> fixed_differences(const Config& from, const Config& to);

}  // namespace sluice::engine
