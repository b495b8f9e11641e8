#include "kube/store.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace sluice::kube {
namespace {

base::Error declared_elsewhere(const Stored& declared) {
    return {fmt::format("{} is declared by {}: change it there", declared.object.key.text(), declared.origin()),
            {},
            {}};
}

}  // namespace

std::string Stored::origin() const {
    const base::Place& place = object.place;
    std::string from = fmt::format("{}:{}:{}", place.file, place.line, place.column);
    if (is_declared) return from;
    return fmt::format("applied {:%Y-%m-%dT%H:%M:%SZ} from {}", fmt::gmtime(applied_at), from);
}

Change Store::declare(std::vector<Object> objects) {
    std::map<Key, SharedStored> before;
    for (const auto& [key, stored] : declared_) before[key] = stored;
    for (const Object& object : objects) before.try_emplace(object.key, find(object.key));
    declared_.clear();
    for (Object& object : objects) {
        const Key key = object.key;
        declared_[key] = std::make_shared<Stored>(Stored{std::move(object), true, 0});
    }
    Change change;
    for (const auto& [key, stored] : before) note(change, key, stored);
    return change;
}

base::Errors Store::why_not_applied(const std::vector<Object>& objects) const {
    base::Errors errors;
    for (const Object& object : objects) {
        const auto declared = declared_.find(object.key);
        if (declared == declared_.end() || declared->second->object.json == object.json) continue;
        errors.push_back(declared_elsewhere(*declared->second));
        errors.back().place = object.place;
        if (base::is_full(errors)) break;
    }
    base::limit(errors);
    return errors;
}

Change Store::apply(std::vector<Object> objects, int64_t now) {
    Change change;
    for (Object& object : objects) {
        const Key key = object.key;
        const SharedStored before = find(key);
        applied_[key] = std::make_shared<Stored>(Stored{std::move(object), false, now});
        note(change, key, before);
    }
    return change;
}

tl::expected<Store::Removal, base::Errors> Store::to_remove(const std::vector<Key>& keys,
                                                            Missing if_missing) const {
    base::Errors errors;
    std::set<Key> gone;
    std::set<Key> left;
    for (const Key& key : keys) {
        if (base::is_full(errors)) break;
        std::set<Key> inside;  // of those that are declared alone
        bool has_any = applied_.contains(key);
        if (has_any) gone.insert(key);
        for (const Objects* objects : {&declared_, &applied_}) {
            if (key.kind != Kind::kNamespace) break;
            for (const auto& [other, stored] : *objects) {
                if (other.name_space != key.name) continue;
                const bool is_applied = applied_.contains(other);
                (is_applied ? gone : inside).insert(other);
                has_any = has_any || is_applied;
            }
        }
        const auto declared = declared_.find(key);
        if (declared != declared_.end() && !applied_.contains(key)) {
            errors.push_back(declared_elsewhere(*declared->second));
        } else if (!has_any && !inside.empty()) {
            errors.push_back(declared_elsewhere(*declared_.at(*inside.begin())));
        } else if (!has_any && if_missing == Missing::kRefuse) {
            errors.push_back({fmt::format("there is no {}", key.text()), {}, {}});
        }
        left.merge(inside);
    }
    base::limit(errors);
    if (!errors.empty()) return tl::unexpected(std::move(errors));
    return Removal{{gone.begin(), gone.end()}, {left.begin(), left.end()}};
}

Change Store::remove(const std::vector<Key>& keys) {
    Change change;
    for (const Key& key : keys) {
        const SharedStored before = find(key);
        applied_.erase(key);
        note(change, key, before);
    }
    return change;
}

SharedStored Store::find(const Key& key) const {
    for (const Objects* objects : {&declared_, &applied_}) {
        if (const auto found = objects->find(key); found != objects->end()) return found->second;
    }
    return nullptr;
}

std::vector<SharedStored> Store::all() const {
    Objects in_force = declared_;
    in_force.insert(applied_.begin(), applied_.end());
    std::vector<SharedStored> list;
    for (const auto& [key, stored] : in_force) list.push_back(stored);
    return list;
}

std::vector<SharedStored> Store::all(Kind kind) const {
    std::vector<SharedStored> list = all();
    std::erase_if(list, [&](const SharedStored& stored) { return stored->object.key.kind != kind; });
    return list;
}

size_t Store::count(Kind kind) const {
    const auto is_meant = [kind](const auto& each) { return each.first.kind == kind; };
    const auto is_in_force = [&](const auto& each) { return is_meant(each) && !declared_.contains(each.first); };
    return static_cast<size_t>(std::ranges::count_if(declared_, is_meant) +
                               std::ranges::count_if(applied_, is_in_force));
}

SharedStored Store::hidden(const Key& key) const {
    const auto applied = applied_.find(key);
    return applied != applied_.end() && declared_.contains(key) ? applied->second : nullptr;
}

std::vector<SharedStored> Store::applied() const {
    std::vector<SharedStored> list;
    for (const auto& [key, stored] : applied_) list.push_back(stored);
    return list;
}

// Objects that say the same as before are no change, wherever they stand now.
void Store::note(Change& change, const Key& key, const SharedStored& before) const {
    const SharedStored after = find(key);
    if (before == after) return;
    if (before != nullptr && after != nullptr) {
        const bool is_same = before->object.spec == after->object.spec &&
                             before->object.labels == after->object.labels && before->origin() == after->origin();
        if (is_same) return;
    }
    change.push_back({key, before, after});
}

}  // namespace sluice::kube
