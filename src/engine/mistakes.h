// The mistakes that validation finds in what a configuration's sections say about each other, each told
// at its place in the file. Anyone who may ask can send a text of mistakes alone, so their number is bounded
// (base::kMaxErrors), and what looks for them takes no longer than the text is long, or little more. Control
// thread.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/config.h"
#include "network/subnets.h"

namespace sluice::engine {

using network::earlier_overlaps;
using network::Prefixes;
using network::why_unusable;

// One step of a key's path: a key, or an index in a list.
struct Step {
    Step(const char* k) : key(k) {}
    Step(std::string_view k) : key(k) {}
    Step(size_t i) : index(i), is_index(true) {}
    std::string_view key;
    size_t index = 0;
    bool is_index = false;
};

class Mistakes {
 public:
    // `document` gives the places of the file's objects; may be null. `read` are the mistakes that were found when
    // it was read, `missed` the ports that it may name though they aren't there. The mistakes of the ports from
    // `first_added` on are kept apart.
    Mistakes(const base::Document* document, const base::Errors& read, const MissedPorts& missed,
             size_t first_added)
        : document_(document), read_(read), missed_(missed), first_added_(first_added) {}

    // Of the file: what follows isn't looked for.
    bool is_full() const { return base::is_full(verdict_.errors); }
    bool is_added(size_t port) const { return port >= first_added_; }
    bool has_mistakes(size_t added_port) const { return verdict_.added.contains(added_port); }

    // Of a port that is not there.
    bool is_missed(std::string_view port) const { return missed_.contains(port); }

    // Whether what was read of this key, or an item of it, is wrong.
    bool is_wrong(std::initializer_list<Step> steps) const {
        const std::string path = path_of(steps);
        return std::any_of(read_.begin(), read_.end(),
                           [&](const base::Error& error) { return is_within(error.path, path); });
    }

    // The same, and whether an unknown key stands beside it, which may have been meant.
    bool is_unknown(std::initializer_list<Step> steps) const {
        if (read_.empty()) return false;
        const std::string path = path_of(steps);
        const std::string_view object = std::string_view(path).substr(0, path.rfind('.'));
        return is_wrong(steps) || std::any_of(read_.begin(), read_.end(), [&](const base::Error& error) {
                   return error.path == object;
               });
    }

    // Whether the configuration has something else than the file says: the value couldn't be read,
    // or a default stands for a key that isn't there, or has another name, in an object with a
    // mistake.
    bool is_unread(std::initializer_list<Step> steps) const {
        return is_wrong(steps) || is_default_of_mistake(steps);
    }

    // Reports at the key's value in the file, or where the object stands if the file has no such
    // key. What was wrong when it was read isn't told again, and of a default in place of a key
    // that is missing nothing is told.
    template <class... Args>
    void report(std::initializer_list<Step> steps, const base::Place& fallback,
                fmt::format_string<Args...> format, Args&&... args) {
        if (const Step* at = steps.begin();
            steps.size() >= 2 && at[0].key == "ports" && at[1].is_index && is_added(at[1].index)) {
            base::Errors& errors = verdict_.added[at[1].index];
            if (errors.size() >= kMostOfOne) return;
            errors.push_back({fmt::format(format, std::forward<Args>(args)...), path_of(at + 2, steps.end()), {}});
            return;
        }
        if (is_full()) return;
        std::string path = path_of(steps);
        const bool is_told = std::any_of(read_.begin(), read_.end(), [&](const base::Error& error) {
            // A list of one may be written without brackets.
            return is_within(error.path, path) || is_within(path, error.path + "[0]");
        });
        if (is_told) return;
        if (is_default_of_mistake(steps)) return;
        const base::Tree* tree = find(steps);
        verdict_.errors.push_back({fmt::format(format, std::forward<Args>(args)...), path,
                                   tree != nullptr ? document_->place(*tree) : fallback});
    }

    Verdict verdict() && { return std::move(verdict_); }

 private:
    static constexpr size_t kMostOfOne = 10;  // mistakes that are told of an added port

    bool is_default_of_mistake(std::initializer_list<Step> steps) const {
        if (read_.empty() || document_ == nullptr || (steps.end() - 1)->is_index) return false;
        return is_unknown(steps) && find(steps) == nullptr;
    }

    // The value in the file; null: it has none.
    const base::Tree* find(std::initializer_list<Step> steps) const {
        const base::Tree* tree = document_ != nullptr ? &document_->root : nullptr;
        for (const Step& step : steps) {
            if (tree == nullptr) return nullptr;
            if (!step.is_index) {
                tree = tree->find(step.key);
            } else if (tree->kind ==
                       base::Tree::Kind::kList) {  // of one it may be written without brackets
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

    const base::Document* document_;
    const base::Errors& read_;
    const MissedPorts& missed_;
    const size_t first_added_;
    Verdict verdict_;
};

// What the ports of a configuration ask of the machine (validate_machine.cc).
class MachineUse {
 public:
    MachineUse(const Config& config, const Machine& machine, Mistakes& mistakes);

    // False: there are so many objects that no further check is worth its time.
    bool check_counts();
    void check_cores();
    // One after the other, in order.
    void check_port(size_t i);
    // An added port that has mistakes takes nothing from those behind it.
    void release(size_t i);

 private:
    void check_claims(size_t i);
    void check_devices(size_t i);

    const Config& config_;
    const Machine& machine_;
    Mistakes& mistakes_;
    std::unordered_map<std::string, size_t> owners_;  // ports by what they have, by identity
    std::set<std::string> early_;  // devices that `dpdk: args:` makes, which a port may use or not
    size_t devices_ = 0;
    bool has_too_many_devices_ = false;
    size_t most_ports_ = 0;
    size_t ports_ = 0;
};

// Gateways, routes, overlays and the underlay (validate_routing.cc).
void validate_routing(const Config& config, Mistakes& mistakes);

}  // namespace sluice::engine
