// The half of Intent that is about Kubernetes objects which commands apply and delete.
#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "base/log.h"
#include "engine/intent.h"

namespace sluice::engine {

tl::expected<AppliedChanges, base::Errors> Intent::apply_objects(Switch& running,
                                                                 std::vector<kube::Object> objects,
                                                                 Effect effect) {
    const kube::Store& store = running.objects();
    if (auto errors = running.complete_objects(objects); !errors.empty()) return tl::unexpected(std::move(errors));
    if (auto errors = store.why_not_applied(objects); !errors.empty()) return tl::unexpected(std::move(errors));
    AppliedChanges done;
    std::vector<kube::Key> keys;
    for (const kube::Object& object : objects) {
        using What = AppliedChanges::What;
        const kube::SharedStored before = store.find(object.key);
        const bool is_same = before != nullptr && before->object.json == object.json;
        done.changes.push_back({object.key, before == nullptr ? What::kCreated
                                            : is_same         ? What::kUnchanged
                                                              : What::kConfigured});
        keys.push_back(object.key);
    }
    if (effect == Effect::kDryRun) {
        done.warnings = running.consider_objects(objects);
        return done;
    }
    // What is applied again from the same place keeps its time; what is declared stays declared.
    std::erase_if(objects, [&](const kube::Object& object) {
        const kube::SharedStored before = store.find(object.key);
        const bool is_same = before != nullptr && before->object.json == object.json;
        return is_same &&
               (before->is_declared || base::origin(before->object.place) == base::origin(object.place));
    });
    if (!objects.empty()) {
        const int64_t time = std::time(nullptr);
        if (auto kept = applied_.apply(objects, time); !kept) return tl::unexpected(base::Errors{kept.error()});
        running.apply_objects(std::move(objects), time);
        applied_.tidy(store);
    }
    done.warnings = running.warnings_of(keys);
    for (const base::Error& warning : done.warnings) base::log::warning("policy", "{}", warning.text());
    return done;
}

tl::expected<AppliedChanges, base::Errors> Intent::remove_objects(Switch& running,
                                                                  const std::vector<kube::Key>& keys,
                                                                  kube::Store::Missing if_missing, Effect effect) {
    const auto removal = running.objects().to_remove(keys, if_missing);
    if (!removal) return tl::unexpected(removal.error());
    const std::vector<kube::Key>& gone = removal->gone;
    AppliedChanges done;
    for (const kube::Key& key : gone) done.changes.push_back({key, AppliedChanges::What::kDeleted});
    for (const kube::Key& key : gone) {
        if (running.objects().hidden(key) == nullptr) continue;
        done.warnings.push_back({fmt::format("{} stays in force as {} declares it: what was applied is deleted",
                                             key.text(), running.objects().find(key)->origin()),
                                 {},
                                 {}});
    }
    for (const kube::Key& key : removal->left) {
        done.warnings.push_back({fmt::format("{} stays in force: {} declares it", key.text(),
                                             running.objects().find(key)->origin()),
                                 {},
                                 {}});
    }
    limit_warnings(done.warnings);
    if (effect == Effect::kDryRun || gone.empty()) return done;
    if (auto kept = applied_.remove(gone); !kept) return tl::unexpected(base::Errors{kept.error()});
    running.remove_objects(gone);
    applied_.tidy(running.objects());
    return done;
}

}  // namespace sluice::engine
