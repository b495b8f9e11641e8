#include "engine/batch.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace sluice::engine {
namespace {

constexpr std::string_view kRoutes = "routes";

// What the configuration says once, of the switch as a whole.
constexpr std::array<std::string_view, 8> kSettings{"workers", "memory", "control",  "dpdk",
                                                    "log",     "state",  "underlay", "flows"};

std::string joined(std::string_view path, std::string_view more) {
    const bool is_index = more.starts_with('[');
    return fmt::format("{}{}{}", path, path.empty() || more.empty() || is_index ? "" : ".", more);
}

// The value of a path like "rules[2].permit.port[0]", as far as the tree has it.
const base::Tree& find(const base::Tree& root, std::string_view path) {
    const base::Tree* tree = &root;
    while (!path.empty()) {
        const base::Tree* next = nullptr;
        size_t end = 0;
        if (path[0] == '[') {
            size_t index = 0;
            end = path.find(']') + 1;
            std::from_chars(path.data() + 1, path.data() + end, index);
            // A list of one may be written without brackets.
            next = tree;
            if (tree->kind == base::Tree::Kind::kList)
                next = index < tree->items.size() ? &tree->items[index] : nullptr;
        } else {
            end = std::min(path.find_first_of(".["), path.size());
            next = tree->find(path.substr(0, end));
        }
        if (next == nullptr) return *tree;
        tree = next;
        path.remove_prefix(end);
        if (path.starts_with('.')) path.remove_prefix(1);
    }
    return *tree;
}

class Reader {
 public:
    Reader(const base::Document& document, Wanted wanted) : document_(document), wanted_(wanted) {}

    tl::expected<Batch, base::Errors> read() && {
        const base::Tree& root = document_.root;
        if (root.kind != base::Tree::Kind::kMap) {
            report(root, "", "expected a mapping with lists such as `networks` and `ports`");
        } else {
            for (const auto& entry : root.entries) read_section(entry);
        }
        if (errors_.empty() && batch_.objects.empty() && batch_.routes.empty())
            report(root, "", fmt::format("names no object: expected one of {}", fmt::join(lists(), ", ")));
        base::limit(errors_);
        if (!errors_.empty()) return tl::unexpected(std::move(errors_));
        return std::move(batch_);
    }

 private:
    static std::vector<std::string_view> lists() {
        std::vector<std::string_view> lists{kRoutes};
        for (const ObjectSection& section : kObjectSections) lists.push_back(section.section);
        return lists;
    }

    void read_section(const base::Tree::Entry& entry) {
        const std::string& section = entry.key.text;
        const auto kind = kind_of_section(section);
        if (!kind && section != kRoutes) return report_unknown(entry.key);
        if (entry.value.kind != base::Tree::Kind::kList)
            return report(entry.value, section, fmt::format("expected a list of {}", section));
        for (size_t i = 0; i < entry.value.items.size() && !base::is_full(errors_); ++i) {
            const std::string path = fmt::format("{}[{}]", section, i);
            if (kind) {
                read_object(*kind, entry.value.items[i], path);
            } else {
                read_route(entry.value.items[i], path);
            }
        }
    }

    void read_object(ObjectKind kind, const base::Tree& keys, const std::string& path) {
        Batch::Object object{engine::read_object(kind, {document_.file, keys}), path, document_.file};
        const bool is_enough = wanted_ == Wanted::kNames && !object.object->name().empty();
        if (!is_enough && !object.object->faults.empty()) return report(object.located(object.object->faults));
        batch_.objects.push_back(std::move(object));
    }

    void read_route(const base::Tree& keys, const std::string& path) {
        auto route = engine::read_route({document_.file, keys});
        if (!route && wanted_ == Wanted::kNames) {
            if (auto named = read_destination(keys)) route = std::move(named);
        }
        const base::Place place = document_.place(find(keys, "to"));
        if (route) return batch_.routes.push_back({std::move(*route), joined(path, "to"), place});
        for (base::Error& error : route.error()) error.path = joined(path, error.path);
        report(route.error());
    }

    // A route is known by its destination and its domain: it need not say where it leads.
    tl::expected<route::RouteConfig, base::Errors> read_destination(base::Tree keys) const {
        if (keys.kind == base::Tree::Kind::kMap && keys.find("type") == nullptr)
            keys.add("type", base::Tree::plain("blackhole"));
        return engine::read_route({document_.file, std::move(keys)});
    }

    void report_unknown(const base::Tree& key) {
        const bool is_setting = std::find(kSettings.begin(), kSettings.end(), key.text) != kSettings.end();
        if (is_setting) {
            return report(key, key.text,
                          "is said once, of the switch as a whole: change it in the configuration file and "
                          "`config reload`, or restart sluiced");
        }
        const auto near = base::nearest(key.text, lists());
        report(key, "",
               fmt::format("unknown key {}{}", base::shown(key.text),
                           near ? fmt::format("; did you mean '{}'?", *near) : ""));
    }

    void report(const base::Tree& tree, std::string path, std::string message) {
        errors_.push_back({std::move(message), std::move(path), document_.place(tree)});
    }
    void report(const base::Errors& errors) { errors_.insert(errors_.end(), errors.begin(), errors.end()); }

    const base::Document& document_;
    const Wanted wanted_;
    Batch batch_;
    base::Errors errors_;
};

}  // namespace

base::Error Batch::Object::located(base::Error error) const {
    const base::Tree& value = find(object->keys, error.path);
    error.path = joined(path, error.path);
    if (error.place.line == 0 && value.line != 0) error.place = {file, value.line, value.column};
    return error;
}

base::Errors Batch::Object::located(const base::Errors& errors) const {
    base::Errors located_errors;
    for (const base::Error& error : errors) located_errors.push_back(located(error));
    return located_errors;
}

tl::expected<Batch, base::Errors> read_batch(const base::Document& document, Wanted wanted) {
    return Reader(document, wanted).read();
}

}  // namespace sluice::engine
