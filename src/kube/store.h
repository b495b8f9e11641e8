// The objects in force, by kind, namespace and name. Some are declared by the manifests that the configuration
// lists, others were applied while running. Where both give one object, the declared one is in force, and the
// applied one is kept for the time when the manifests don't declare it any more.
//
// A transaction says what it has changed. Whether it can be carried out is asked before, so that it can be kept
// before it takes effect. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/error.h"
#include "kube/object.h"

namespace sluice::kube {

struct Stored {
    Object object;
    bool is_declared = false;  // by a manifest of the configuration; else it was applied
    int64_t applied_at = 0;    // seconds since 1970; of an applied one

    // "manifests/shop.yaml:12:1", "applied 2026-01-31T12:00:00Z from shop.yaml:12:1"
    std::string origin() const;
};
using SharedStored = std::shared_ptr<const Stored>;

// One object that is another one now.
struct Changed {
    Key key;
    SharedStored before;  // null: it is new
    SharedStored after;   // null: it is gone
};
using Change = std::vector<Changed>;

class Store {
 public:
    // Replaces all declared objects. Each key stands in the list once.
    Change declare(std::vector<Object> objects);
    // What is against applying these: a manifest declares one, and otherwise.
    base::Errors why_not_applied(const std::vector<Object>& objects) const;
    // Creates or replaces applied objects.
    Change apply(std::vector<Object> objects, int64_t now);
    // The applied objects that are to be removed with these: with a namespace all objects in it, but for those
    // that only manifests declare. Refused where only a manifest declares one that is named, and where there is no
    // such object.
    enum class Missing : uint8_t { kRefuse, kIgnore };
    struct Removal {
        std::vector<Key> gone;
        std::vector<Key> left;  // in a namespace that is removed: a manifest declares them
    };
    tl::expected<Removal, base::Errors> to_remove(const std::vector<Key>& keys, Missing if_missing) const;
    // Removes applied objects.
    Change remove(const std::vector<Key>& keys);

    // In force. Null: there is none.
    SharedStored find(const Key& key) const;
    // In the order of their keys.
    std::vector<SharedStored> all() const;
    std::vector<SharedStored> all(Kind kind) const;
    size_t count(Kind kind) const;
    // The applied object that a declared one hides. Null: there is none.
    SharedStored hidden(const Key& key) const;
    // What is kept over a restart: applied objects, those that a declared one stands before too.
    std::vector<SharedStored> applied() const;

 private:
    using Objects = std::map<Key, SharedStored>;

    void note(Change& change, const Key& key, const SharedStored& before) const;

    Objects declared_;
    Objects applied_;
};

}  // namespace sluice::kube
