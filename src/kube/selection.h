// Which pods each selector selects, kept up to date while pods, namespaces and selectors come, change and go.
//
// A scope is what a policy or a peer of a rule selects pods by: a selector of pods, in one namespace or in those
// that a selector of namespaces chooses. Equal scopes are one. Pods and scopes have small numbers, which are used
// again after they were removed. A change costs what it concerns: scopes are indexed by a label that a pod must
// have to be selected, pods by their labels and namespaces.
//
// Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "kube/selector.h"

namespace sluice::kube {

struct Scope {
    std::string name_space;  // empty: those that `namespaces` selects
    Selector namespaces;
    Selector pods;

    auto operator<=>(const Scope&) const = default;
};

using PodId = uint32_t;
using ScopeId = uint32_t;

// A set of small numbers.
class Bits {
 public:
    bool has(uint32_t bit) const { return bit / 64 < words_.size() && (words_[bit / 64] >> bit % 64 & 1) != 0; }
    void set(uint32_t bit) {
        if (bit / 64 >= words_.size()) words_.resize(bit / 64 + 1);
        words_[bit / 64] |= uint64_t{1} << bit % 64;
    }
    void clear(uint32_t bit) {
        if (bit / 64 < words_.size()) words_[bit / 64] &= ~(uint64_t{1} << bit % 64);
    }
    const std::vector<uint64_t>& words() const { return words_; }

 private:
    std::vector<uint64_t> words_;
};

class Selection {
 public:
    // --- namespaces: one that nobody has set has its name as its only label ---

    void set_namespace(const std::string& name, const Labels& labels);
    void remove_namespace(const std::string& name);

    // --- pods ---

    PodId add_pod(const std::string& name_space, const Labels& labels);
    void set_labels(PodId pod, const Labels& labels);
    void remove_pod(PodId pod);

    // --- scopes: take() gives each caller the same number for equal scopes, until as many have given it back ---

    ScopeId take(const Scope& scope);
    void give_back(ScopeId scope);

    // The scopes that select the pod.
    const Bits& scopes_of(PodId pod) const { return pods_[pod].scopes; }
    // The pods that the scope selects, in no order.
    const std::vector<PodId>& pods_of(ScopeId scope) const { return scopes_[scope].pods; }
    const Scope& scope(ScopeId scope) const { return *scopes_[scope].scope; }

    // Pods whose scopes have changed since the last call, each once; those that were removed are not among them.
    std::vector<PodId> take_changed();

 private:
    struct Pod {
        bool is_used = false;
        bool has_changed = false;  // listed in changed_
        std::string name_space;
        Labels labels;
        Bits scopes;
        // Where the pod stands in each scope's list of pods.
        std::unordered_map<ScopeId, uint32_t> places;
    };
    struct Used {
        const Scope* scope = nullptr;  // the key of numbers_
        uint64_t users = 0;
        std::vector<PodId> pods;
    };
    using Label = std::pair<std::string, std::string>;

    // Of a name that was set, or that a pod has.
    struct Space {
        bool is_set = false;
        Labels labels;
        std::unordered_set<PodId> pods;
    };

    Space& space(const std::string& name);
    void set_labels(Space& space, const std::string& name, const Labels& labels);
    void forget_if_unused(const std::string& name);
    bool matches(const Scope& scope, const Pod& pod) const;
    // The label that a pod must have for the scope to select it; null: none.
    static const Requirement* key_of(const Scope& scope);
    void update(ScopeId scope, PodId pod);
    void update_all_scopes(PodId pod);
    void join(ScopeId scope, PodId pod);
    void leave(ScopeId scope, PodId pod);
    void list_labels(PodId pod);
    void unlist_labels(PodId pod);
    void mark_changed(PodId pod);

    std::map<std::string, Space> namespaces_;
    std::vector<Pod> pods_;
    std::vector<PodId> free_pods_;
    std::vector<PodId> changed_;
    std::map<Scope, ScopeId> numbers_;
    std::vector<Used> scopes_;
    std::vector<ScopeId> free_scopes_;

    std::map<Label, std::unordered_set<PodId>> pods_by_label_;
    // Scopes that want one of some values of a label, by each of them; and the others.
    std::map<Label, std::unordered_set<ScopeId>> scopes_by_label_;
    std::unordered_set<ScopeId> other_scopes_;
};

}  // namespace sluice::kube
