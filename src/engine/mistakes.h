// The mistakes that validation finds in what a configuration's sections say about each other, each told
// at its place in the file. Control thread.
#pragma once

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
    // `document` gives the places of the file's objects; may be null.
    explicit Mistakes(const base::Document* document) : document_(document) {}

    // Reports at the key's value in the file, or where the object stands if the file has no such key.
    template <class... Args>
    void report(std::initializer_list<Step> steps, const base::Place& fallback,
                fmt::format_string<Args...> format, Args&&... args) {
        std::string path;
        const base::Tree* tree = document_ != nullptr ? &document_->root : nullptr;
        for (const Step& step : steps) {
            if (step.is_index) {
                path += fmt::format("[{}]", step.index);
                // A list of one may be written without brackets.
                if (tree != nullptr && tree->kind != base::Tree::Kind::kList) continue;
                const bool has = tree != nullptr && step.index < tree->items.size();
                tree = has ? &tree->items[step.index] : nullptr;
            } else {
                path += fmt::format("{}{}", path.empty() ? "" : ".", step.key);
                if (tree != nullptr) tree = tree->find(step.key);
            }
        }
        errors_.push_back({fmt::format(format, std::forward<Args>(args)...), path,
                           tree != nullptr ? document_->place(*tree) : fallback});
    }

    base::Errors errors() && { return std::move(errors_); }

 private:
    const base::Document* document_;
    base::Errors errors_;
};

// Why no station can have an address on links with these subnets: "is the broadcast address of 10.0.0.0/24".
// Empty: one can.
std::string why_unusable(const IpAddress& address, const std::vector<IpPrefix>& subnets);
// Cores, devices, interfaces and sockets (validate_machine.cc).
void validate_machine(const Config& config, const Machine& machine, Mistakes& mistakes);
// Gateways, routes, overlays and the underlay (validate_routing.cc).
void validate_routing(const Config& config, Mistakes& mistakes);
// What is wrong with one route; empty: nothing. `route_key` is how a person calls it.
std::string route_mistake(const Config& config, const route::RouteConfig& route);

}  // namespace sluice::engine
