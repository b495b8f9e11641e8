// A compiled ACL: its answer for a packet and, for queries, the description and the hits of each rule. Immutable
// except for the hit counters. Snapshots share it as shared_ptr<const List>, and workers reach it through theirs.
//
// judge() is called once per connection, or for each packet that has no connection, by any number of workers at
// once. A hit is one relaxed atomic addition: 8 ns for the whole of judge() in a list of 64 rules, 12 ns while
// another worker hits the same rule or one on its cache line (8 rules), because the line moves between the cores
// (acl-figures). Counters per worker would avoid that for 64 times the memory.
//
// Each rule has a unique number, its `object`, which a drop or a flow can carry. A rule that a change leaves as
// it was keeps its number and its count, at whatever place in the list: the old and the new list share the
// counters, so no hit is lost while workers move over.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "acl/acl_config.h"
#include "acl/classifier.h"
#include "acl/subject.h"
#include "base/error.h"

namespace sluice::acl {

struct Answer {
    Action action;
    bool stateful;
    bool log;
    uint32_t object;
    uint32_t rule;  // from 0; kNoRule: the end of the list, which denies
};

// The description of an object number.
struct Object {
    std::string_view kind;  // "acl-rule"
    std::string name;       // "api rule 3 (web)", "api end"
    base::Place place;
};

class List {
 public:
    // --- workers ---

    // Evaluates the list and counts the hit.
    Answer judge(const Subject& subject) const noexcept {
        const uint32_t rule = classifier_->find(subject);
        const Decision& decision = decisions_[rule == kNoRule ? end_ : rule];
        decision.hits->fetch_add(1, std::memory_order_relaxed);
        return answer(decision, rule);
    }

    // Evaluates the list without counting, for a dry run.
    Answer look_up(const Subject& subject) const noexcept {
        const uint32_t rule = classifier_->find(subject);
        return answer(decisions_[rule == kNoRule ? end_ : rule], rule);
    }

    // --- control thread. A rule is given by its index; the end of the list by kNoRule. ---

    const AclConfig& config() const { return config_; }
    uint64_t hits(uint32_t rule) const { return at(rule).hits->load(std::memory_order_relaxed); }
    uint32_t object(uint32_t rule) const { return at(rule).object; }
    Object describe(uint32_t rule) const;
    // Whether compile() would give the same list for this configuration, including the places of the rules.
    bool is_of(const AclConfig& config, const std::vector<AddressSetConfig>& sets) const;
    // The rule with this object number; none if it is not in this list. Searches all rules.
    std::optional<uint32_t> find_object(uint32_t object) const;

 private:
    friend std::shared_ptr<const List> compile(const AclConfig&, const std::vector<AddressSetConfig>&,
                                               const List*, uint32_t&);
    using Counter = std::atomic<uint64_t>;

    struct Decision {
        Action action = Action::kDeny;
        bool stateful = false;
        bool log = false;
        uint32_t object = 0;
        Counter* hits = nullptr;  // in one of counters_
    };
    static_assert(sizeof(Decision) == 16);

    explicit List(AclConfig config) : config_(std::move(config)) {}

    static Answer answer(const Decision& decision, uint32_t rule) noexcept {
        return {decision.action, decision.stateful, decision.log, decision.object, rule};
    }
    const Decision& at(uint32_t rule) const { return decisions_[rule == kNoRule ? end_ : rule]; }

    void decide(const List* previous, uint32_t& next_object);
    void classify(const std::vector<AddressSetConfig>& sets, const List* previous);

    std::shared_ptr<const Classifier> classifier_;
    std::vector<Decision> decisions_;  // per rule, and one for the end
    size_t end_ = 0;
    AclConfig config_;
    std::vector<AddressSetConfig> sets_;              // the sets that rules name
    std::vector<std::shared_ptr<Counter>> counters_;  // per decision
};

// Control thread; the configuration is valid. `previous` is the list that had this name until now, or null.
// `next_object` is the number for the next new rule, from 1, and is counted up. A number is never reused.
std::shared_ptr<const List> compile(const AclConfig& config, const std::vector<AddressSetConfig>& sets,
                                    const List* previous, uint32_t& next_object);

}  // namespace sluice::acl
