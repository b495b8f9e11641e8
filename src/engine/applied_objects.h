// The Kubernetes objects that were applied while running, as the file STATE.objects keeps them: one line of JSON
// for each change, which sets some objects or deletes some. Each change is appended before it takes effect. The
// file is rewritten without void lines at the start, and when more than half of it is void.
//
//     {"time": 1767225600, "apply": [{"file": "shop.yaml", "line": 3, "column": 1, "object": {"kind": ...}}]}
//     {"delete": [{"kind": "Pod", "namespace": "shop", "name": "web"}]}
//
// `file`, `line` and `column` are where the object stood, and `rules` likewise of a NetworkPolicy's rules: an
// explanation names these places after a restart too. A crash may leave a last line without its end: that change
// was never in force, and its client got no answer. Control thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/store.h"

namespace sluice::engine {

class AppliedObjects {
 public:
    AppliedObjects() = default;
    // Reads the file that belongs to a state. Writes nothing. A missing file has no objects. An empty name: there
    // is no state, and nothing is kept.
    static AppliedObjects load(const std::string& state);

    // What is wrong with the file. All other parts of it count.
    base::Errors faults() const;
    // Of that, what was in force once: a last line without its end never was.
    const base::Errors& lost() const noexcept { return lost_; }
    // Of the file, to be put in force at the start. If parts of the file can't be read, logs them and keeps the
    // file under another name.
    std::vector<kube::Stored> restore();

    // To be called before the change takes effect. An error: nothing is kept of it.
    base::Result<void> apply(const std::vector<kube::Object>& objects, int64_t now);
    base::Result<void> remove(const std::vector<kube::Key>& keys);
    // To be called when it has taken effect.
    void tidy(const kube::Store& store);

 private:
    class Loader;

    base::Result<void> append(const std::string& line);
    base::Result<void> compact(const std::vector<const kube::Stored*>& objects);

    std::string file_;
    std::vector<kube::Stored> objects_;  // until restore()
    base::Errors lost_;
    std::optional<base::Error> cut_;  // the last line has no end
    bool is_blocked_ = false;  // the file has what can't be read, and could not be written anew
    bool is_foreign_ = false;  // somebody else has changed or removed the file
    bool has_void_ = false;    // some of the file's text isn't in force
    uint64_t size_ = 0;        // bytes of the file
    uint64_t valid_ = 0;       // of those, when it was rewritten last
};

}  // namespace sluice::engine
