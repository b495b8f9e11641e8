// A compiled ACL: what it answers for a packet, and for people what each of its rules is and how often it
// decided. Immutable but for the hit counters; snapshots share it as shared_ptr<const List>, and workers
// reach it through theirs.
//
// judge() is called once for a connection, or for each packet of what has none, by any number of workers at
// once. A hit is one relaxed atomic addition: 8 ns for the whole of judge() in a list of 64 rules, 12 while
// another worker hits the same rule or a neighbour on its cache line (8 rules), which the two then pass to
// and fro (acl-figures). Counters for each worker would cost 64 times the memory to save that.
//
// A rule is told from others by a number, its `object`, which a drop or a flow can carry. A rule that a
// change leaves as it was keeps its number and its count, wherever in the list it now stands: the counters
// are shared between the list before and the one after, so that no hit is lost while workers move over.
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

// What a number stands for, in words.
struct Object {
    std::string_view kind;  // "acl-rule"
    std::string name;       // "api rule 3 (web)", "api end"
    base::Place place;
};

class List {
 public:
    // --- workers ---

    // The answer, and a hit counted for it.
    Answer judge(const Subject& subject) const noexcept {
        const uint32_t rule = classifier_->find(subject);
        const Decision& decision = decisions_[rule == kNoRule ? end_ : rule];
        decision.hits->fetch_add(1, std::memory_order_relaxed);
        return answer(decision, rule);
    }

    // The same without the hit: for who only asks.
    Answer look_up(const Subject& subject) const noexcept {
        const uint32_t rule = classifier_->find(subject);
        return answer(decisions_[rule == kNoRule ? end_ : rule], rule);
    }

    // --- control thread. A rule is given by its index, or kNoRule for the end of the list. ---

    const AclConfig& config() const { return config_; }
    uint64_t hits(uint32_t rule) const { return at(rule).hits->load(std::memory_order_relaxed); }
    uint32_t object(uint32_t rule) const { return at(rule).object; }
    Object describe(uint32_t rule) const;
    // Whether compiling this would come to the same list, down to the places where its rules are written.
    bool is_of(const AclConfig& config, const std::vector<AddressSetConfig>& sets) const;
    // The rule whose number this is; nothing: none of this list's. Takes a look at every rule.
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
    std::vector<Decision> decisions_;  // of each rule, and of the end
    size_t end_ = 0;
    AclConfig config_;
    std::vector<AddressSetConfig> sets_;              // those that rules name
    std::vector<std::shared_ptr<Counter>> counters_;  // of each decision
};

// Control thread; the configuration is valid. `previous` is the list that had this name until now, or null.
// `next_object` is the number for the next new rule, from 1, and is counted up. Numbers are not given twice.
std::shared_ptr<const List> compile(const AclConfig& config, const std::vector<AddressSetConfig>& sets,
                                    const List* previous, uint32_t& next_object);

}  // namespace sluice::acl
