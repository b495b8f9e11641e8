// Collects the mistakes that validation finds in a configuration after it was read, each with its place in the
// file. Any client may send a text that consists of mistakes, so their number is bounded (kMaxErrors), and a check
// must take time in proportion to the text's length, or little more. Control thread.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/tree.h"

namespace sluice::base {

// One step of a key's path: a key, or an index in a list.
struct Step {
    Step(const char* k) : key(k) {}
    Step(std::string_view k) : key(k) {}
    Step(size_t i) : index(i), is_index(true) {}
    std::string_view key;
    size_t index = 0;
    bool is_index = false;
};

// The names of added ports that wait. A file may use them although no port has them at the moment.
struct MissedNames {
    std::set<std::string, std::less<>> names;
    bool all = false;  // every name: the state file, which had them, can't be read

    bool contains(std::string_view name) const { return all || names.contains(name); }
};

// How many entries of its lists a file declares, by section ("ports"). Behind these stand the entries that were
// added while running. A section that isn't here has no added entries.
using DeclaredEntries = std::map<std::string_view, size_t>;

struct FoundMistakes {
    using Entry = std::pair<std::string, size_t>;  // section, and index in its list
    Errors errors;                                 // the file's
    std::map<Entry, Errors> added;                 // paths are those of the entry's own keys
};

class Mistakes {
 public:
    // `document` gives the places of the file's objects; may be null. `read` has the mistakes that were found when
    // the file was read. The entries behind the `declared` ones were added while running: their mistakes are kept
    // apart.
    Mistakes(const Document* document, const Errors& read, const MissedNames& missed, DeclaredEntries declared)
        : document_(document), read_(read), missed_(missed), declared_(std::move(declared)) {}

    // The file has as many mistakes as are reported: stop looking for more.
    bool is_full() const { return base::is_full(found_.errors); }
    // Of the entries of a section, how many the file declares; SIZE_MAX: all.
    size_t declared(std::string_view section) const {
        const auto known = declared_.find(section);
        return known == declared_.end() ? SIZE_MAX : known->second;
    }
    bool is_added(std::string_view section, size_t index) const { return index >= declared(section); }
    // Of an added entry.
    bool has_mistakes(std::string_view section, size_t index) const {
        return found_.added.contains({std::string(section), index});
    }

    // Whether this port waits: naming it is no mistake.
    bool is_missed(std::string_view port) const { return missed_.contains(port); }

    // Whether reading has found a mistake in this key's value, or in an item of it.
    bool is_wrong(std::initializer_list<Step> steps) const {
        const std::string path = path_of(steps);
        return std::any_of(read_.begin(), read_.end(),
                           [&](const Error& error) { return is_within(error.path, path); });
    }

    // The same, or an unknown key stands beside it: the user may have misspelt this one.
    bool is_unknown(std::initializer_list<Step> steps) const {
        if (read_.empty()) return false;
        const std::string path = path_of(steps);
        const std::string_view object = std::string_view(path).substr(0, path.rfind('.'));
        return is_wrong(steps) || std::any_of(read_.begin(), read_.end(), [&](const Error& error) {
                   return error.path == object;
               });
    }

    // Whether the configuration's value is not the file's: the value couldn't be read, or the key is missing or
    // misspelt in an object with a mistake, and the configuration has its default.
    bool is_unread(std::initializer_list<Step> steps) const {
        return is_wrong(steps) || is_default_of_mistake(steps);
    }

    // Reports a mistake at the key's value in the file; if the file has no such key, at `fallback`. Reports
    // nothing if reading has found this value wrong already, or if it is the default of a key that the user may
    // have misspelt.
    template <class... Args>
    void report(std::initializer_list<Step> steps, const Place& fallback,
                fmt::format_string<Args...> format, Args&&... args) {
        if (const Step* at = steps.begin();
            steps.size() >= 2 && at[1].is_index && is_added(at[0].key, at[1].index)) {
            Errors& errors = found_.added[{std::string(at[0].key), at[1].index}];
            if (errors.size() >= kMostOfOne) return;
            errors.push_back({fmt::format(format, std::forward<Args>(args)...), path_of(at + 2, steps.end()), {}});
            return;
        }
        if (is_full()) return;
        std::string path = path_of(steps);
        const bool is_told = std::any_of(read_.begin(), read_.end(), [&](const Error& error) {
            // A list of one may be written without brackets.
            return is_within(error.path, path) || is_within(path, error.path + "[0]");
        });
        if (is_told) return;
        if (is_default_of_mistake(steps)) return;
        const Tree* tree = find(steps);
        found_.errors.push_back({fmt::format(format, std::forward<Args>(args)...), path,
                                   tree != nullptr ? document_->place(*tree) : fallback});
    }

    FoundMistakes found() && { return std::move(found_); }

 private:
    static constexpr size_t kMostOfOne = 10;  // mistakes that are reported for an added entry

    bool is_default_of_mistake(std::initializer_list<Step> steps) const {
        if (read_.empty() || document_ == nullptr || (steps.end() - 1)->is_index) return false;
        return is_unknown(steps) && find(steps) == nullptr;
    }

    // The value in the file; null: it has none.
    const Tree* find(std::initializer_list<Step> steps) const {
        const Tree* tree = document_ != nullptr ? &document_->root : nullptr;
        for (const Step& step : steps) {
            if (tree == nullptr) return nullptr;
            if (!step.is_index) {
                tree = tree->find(step.key);
            } else if (tree->kind ==
                       Tree::Kind::kList) {  // of one it may be written without brackets
                tree = step.index < tree->items.size() ? &tree->items[step.index] : nullptr;
            }
        }
        return tree;
    }

    static std::string path_of(std::initializer_list<Step> steps) { return path_of(steps.begin(), steps.end()); }
    static std::string path_of(const Step* begin, const Step* end) {
        std::string path;
        for (const Step* step = begin; step != end; ++step) {
            path += step->is_index ? fmt::format("[{}]", step->index)
                                   : fmt::format("{}{}", path.empty() ? "" : ".", step->key);
        }
        return path;
    }
    static bool is_within(std::string_view path, std::string_view outer) {
        if (!path.starts_with(outer)) return false;
        return path.size() == outer.size() || path[outer.size()] == '.' || path[outer.size()] == '[';
    }

    const Document* document_;
    const Errors& read_;
    const MissedNames& missed_;
    const DeclaredEntries declared_;
    FoundMistakes found_;
};

}  // namespace sluice::base
