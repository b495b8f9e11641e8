// The mistakes that validation finds in what a configuration's sections say about each other, each told
// at its place in the file. Control thread.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "engine/config.h"

namespace sluice::engine {

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
    // it was read, `missed` the ports that it may name though they aren't there.
    Mistakes(const base::Document* document, const base::Errors& read, const MissedPorts& missed)
        : document_(document), read_(read), missed_(missed) {}

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

    // Reports at the key's value in the file, or where the object stands if the file has no such key. What was
    // wrong when it was read isn't told again.
    template <class... Args>
    void report(std::initializer_list<Step> steps, const base::Place& fallback,
                fmt::format_string<Args...> format, Args&&... args) {
        std::string path = path_of(steps);
        const bool is_told = std::any_of(read_.begin(), read_.end(), [&](const base::Error& error) {
            // A list of one may be written without brackets.
            return is_within(error.path, path) || is_within(path, error.path + "[0]");
        });
        if (is_told) return;
        const base::Tree* tree = document_ != nullptr ? &document_->root : nullptr;
        for (const Step& step : steps) {
            if (step.is_index) {
                // A list of one may be written without brackets.
                if (tree != nullptr && tree->kind != base::Tree::Kind::kList) continue;
                const bool has = tree != nullptr && step.index < tree->items.size();
                tree = has ? &tree->items[step.index] : nullptr;
            } else if (tree != nullptr) {
                tree = tree->find(step.key);
            }
        }
        errors_.push_back({fmt::format(format, std::forward<Args>(args)...), path,
                           tree != nullptr ? document_->place(*tree) : fallback});
    }

    base::Errors errors() && { return std::move(errors_); }

 private:
    static std::string path_of(std::initializer_list<Step> steps) {
        std::string path;
        for (const Step& step : steps) {
            path += step.is_index ? fmt::format("[{}]", step.index)
                                  : fmt::format("{}{}", path.empty() ? "" : ".", step.key);
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
    base::Errors errors_;
};

// Why no station can have an address on links with these subnets: "is the broadcast address of 10.0.0.0/24".
// Empty: one can.
std::string why_unusable(const IpAddress& address, const std::vector<IpPrefix>& subnets);
// Cores, devices, interfaces and sockets (validate_machine.cc).
void validate_machine(const Config& config, const Machine& machine, Mistakes& mistakes);
// Gateways, routes, overlays and the underlay (validate_routing.cc).
void validate_routing(const Config& config, Mistakes& mistakes);
// What is wrong with one route, of all things the first; empty: nothing.
std::string route_mistake(const Config& config, const route::RouteConfig& route);

}  // namespace sluice::engine
