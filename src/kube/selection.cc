#include "kube/selection.h"

#include <algorithm>
#include <utility>

#include "kube/object.h"

namespace sluice::kube {
namespace {

// The number of the entry that is used next.
template <class Entry>
uint32_t take_number(std::vector<Entry>& entries, std::vector<uint32_t>& free) {
    if (free.empty()) {
        entries.emplace_back();
        return static_cast<uint32_t>(entries.size() - 1);
    }
    const uint32_t number = free.back();
    free.pop_back();
    return number;
}

// Removes a number from the list at a label, and the list with its last one.
template <class Map, class Key>
void unlist(Map& map, const Key& key, uint32_t number) {
    const auto at = map.find(key);
    if (at == map.end()) return;
    at->second.erase(number);
    if (at->second.empty()) map.erase(at);
}

}  // namespace

void Selection::set_namespace(const std::string& name, const Labels& labels) {
    Space& it = space(name);
    it.is_set = true;
    set_labels(it, name, labels);
}

void Selection::remove_namespace(const std::string& name) {
    Space& it = space(name);
    it.is_set = false;
    set_labels(it, name, {});
    forget_if_unused(name);
}

PodId Selection::add_pod(const std::string& name_space, const Labels& labels) {
    const PodId number = take_number(pods_, free_pods_);
    Pod& pod = pods_[number];
    pod.is_used = true;
    pod.name_space = name_space;
    pod.labels = labels;
    space(name_space).pods.insert(number);
    list_labels(number);
    mark_changed(number);
    update_all_scopes(number);
    return number;
}

void Selection::set_labels(PodId number, const Labels& labels) {
    Pod& pod = pods_[number];
    if (pod.labels == labels) return;
    unlist_labels(number);
    pod.labels = labels;
    list_labels(number);
    update_all_scopes(number);
}

void Selection::remove_pod(PodId number) {
    Pod& pod = pods_[number];
    while (!pod.places.empty()) leave(pod.places.begin()->first, number);
    unlist_labels(number);
    space(pod.name_space).pods.erase(number);
    forget_if_unused(pod.name_space);
    pod.is_used = false;
    free_pods_.push_back(number);
}

ScopeId Selection::take(const Scope& scope) {
    const auto [at, is_new] = numbers_.try_emplace(scope);
    if (!is_new) {
        ++scopes_[at->second].users;
        return at->second;
    }
    const ScopeId number = at->second = take_number(scopes_, free_scopes_);
    scopes_[number].scope = &at->first;
    scopes_[number].users = 1;
    const Requirement* key = key_of(scope);
    if (key == nullptr) {
        other_scopes_.insert(number);
    } else {
        for (const std::string& value : key->values) scopes_by_label_[{key->key, value}].insert(number);
    }
    // The fewest pods that can be meant: those with the label, or those of the namespace, or all.
    if (key != nullptr) {
        for (const std::string& value : key->values) {
            const auto pods = pods_by_label_.find({key->key, value});
            if (pods == pods_by_label_.end()) continue;
            for (const PodId pod : pods->second) update(number, pod);
        }
    } else if (!scope.name_space.empty()) {
        const auto known = namespaces_.find(scope.name_space);
        if (known == namespaces_.end()) return number;
        for (const PodId pod : known->second.pods) update(number, pod);
    } else {
        for (PodId pod = 0; pod < pods_.size(); ++pod) {
            if (pods_[pod].is_used) update(number, pod);
        }
    }
    return number;
}

void Selection::give_back(ScopeId number) {
    Used& used = scopes_[number];
    if (--used.users != 0) return;
    while (!used.pods.empty()) leave(number, used.pods.back());
    if (const Requirement* key = key_of(*used.scope)) {
        for (const std::string& value : key->values) unlist(scopes_by_label_, Label{key->key, value}, number);
    } else {
        other_scopes_.erase(number);
    }
    numbers_.erase(*used.scope);
    used.scope = nullptr;
    free_scopes_.push_back(number);
}

std::vector<PodId> Selection::take_changed() {
    std::vector<PodId> changed;
    for (const PodId pod : changed_) {
        if (std::exchange(pods_[pod].has_changed, false) && pods_[pod].is_used) changed.push_back(pod);
    }
    changed_.clear();
    return changed;
}

Selection::Space& Selection::space(const std::string& name) {
    const auto [at, is_new] = namespaces_.try_emplace(name);
    if (is_new) at->second.labels.set(kNamespaceName, name);
    return at->second;
}

void Selection::set_labels(Space& space, const std::string& name, const Labels& labels) {
    Labels complete = labels;
    complete.set(kNamespaceName, name);
    if (space.labels == complete) return;
    space.labels = std::move(complete);
    for (const PodId pod : space.pods) update_all_scopes(pod);
}

void Selection::forget_if_unused(const std::string& name) {
    const auto at = namespaces_.find(name);
    if (!at->second.is_set && at->second.pods.empty()) namespaces_.erase(at);
}

bool Selection::matches(const Scope& scope, const Pod& pod) const {
    const bool is_in_namespace = scope.name_space.empty()
                                     ? scope.namespaces.matches(namespaces_.at(pod.name_space).labels)
                                     : scope.name_space == pod.name_space;
    return is_in_namespace && scope.pods.matches(pod.labels);
}

const Requirement* Selection::key_of(const Scope& scope) {
    const Requirement* least = nullptr;
    for (const Requirement& requirement : scope.pods.requirements()) {
        if (requirement.op != Operator::kIn) continue;
        if (least == nullptr || requirement.values.size() < least->values.size()) least = &requirement;
    }
    return least;
}

void Selection::update(ScopeId scope, PodId number) {
    const bool was = pods_[number].scopes.has(scope);
    const bool is = matches(*scopes_[scope].scope, pods_[number]);
    if (was == is) return;
    is ? join(scope, number) : leave(scope, number);
}

void Selection::update_all_scopes(PodId number) {
    // Those that it is in may select it no more.
    std::vector<ScopeId> present;
    for (const auto& [scope, place] : pods_[number].places) present.push_back(scope);
    for (const ScopeId scope : present) update(scope, number);
    for (const ScopeId scope : other_scopes_) update(scope, number);
    for (const Label& label : pods_[number].labels.all()) {
        const auto scopes = scopes_by_label_.find(label);
        if (scopes == scopes_by_label_.end()) continue;
        for (const ScopeId scope : scopes->second) update(scope, number);
    }
}

void Selection::join(ScopeId scope, PodId number) {
    Pod& pod = pods_[number];
    pod.scopes.set(scope);
    pod.places[scope] = static_cast<uint32_t>(scopes_[scope].pods.size());
    scopes_[scope].pods.push_back(number);
    mark_changed(number);
}

// The scope's last pod takes its place.
void Selection::leave(ScopeId scope, PodId number) {
    Pod& pod = pods_[number];
    std::vector<PodId>& pods = scopes_[scope].pods;
    const auto at = pod.places.find(scope);
    const uint32_t place = at->second;
    pod.places.erase(at);
    pod.scopes.clear(scope);
    if (const PodId last = pods.back(); last != number) {
        pods[place] = last;
        pods_[last].places[scope] = place;
    }
    pods.pop_back();
    mark_changed(number);
}

void Selection::list_labels(PodId pod) {
    for (const Label& label : pods_[pod].labels.all()) pods_by_label_[label].insert(pod);
}

void Selection::unlist_labels(PodId pod) {
    for (const Label& label : pods_[pod].labels.all()) unlist(pods_by_label_, label, pod);
}

void Selection::mark_changed(PodId pod) {
    if (std::exchange(pods_[pod].has_changed, true)) return;
    changed_.push_back(pod);
}

}  // namespace sluice::kube
