#include "engine/batch.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace sluice::engine {
namespace {

constexpr std::string_view kRoutes = "routes";

// What the configuration says once, of the switch as a whole.
constexpr std::array<std::string_view, 11> kSettings{
    "workers", "memory", "control", "dpdk", "log", "state", "underlay", "flows", "service-ranges", "dns", "node"};

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

    Batch read() && {
        const base::Tree& root = document_.root;
        if (root.kind != base::Tree::Kind::kMap) {
            report(root, "", "expected a mapping with lists such as `networks` and `ports`");
        } else {
            for (const auto& entry : root.entries) read_section(entry);
        }
        if (batch_.errors.empty() && batch_.objects.empty() && batch_.routes.empty())
            report(root, "", fmt::format("names no object: expected one of {}", fmt::join(lists(), ", ")));
        return std::move(batch_);
    }

 private:
    static std::vector<std::string_view> lists() {
        std::vector<std::string_view> lists{kRoutes};
        for (const ObjectSection& section : kObjectSections) lists.push_back(section.section);
        return lists;
    }

    void read_section(const base::Tree::Entry& entry) {
        // The entries of a misspelt list are read as what they are meant to be: they may have mistakes too.
        const std::string section = meant_section(entry.key);
        const auto kind = kind_of_section(section);
        if (!kind && section != kRoutes) return;
        if (entry.value.kind != base::Tree::Kind::kList) {
            return report(entry.value, entry.key.text,
                          fmt::format("expected a list of {}: begin each of them with '- '", section));
        }
        for (size_t i = 0; i < entry.value.items.size() && !base::is_full(batch_.errors); ++i) {
            const std::string path = fmt::format("{}[{}]", entry.key.text, i);
            if (kind) {
                read_object(*kind, entry.value.items[i], path);
            } else {
                read_route(entry.value.items[i], path);
            }
        }
    }

    void read_object(ObjectKind kind, const base::Tree& keys, const std::string& path) {
        Batch::Object object{engine::read_object(kind, {document_.file, keys}), path, document_.file};
        const bool has_name = !object.object->name().empty();
        const bool is_enough = wanted_ == Wanted::kNames && has_name;
        if (!is_enough) report(object.located(object.object->faults));
        if (!has_name) object.object = named_as_meant(object.object);
        if (!object.object->name().empty()) batch_.objects.push_back(std::move(object));
    }

    // Others may name an object whose own key for the name is misspelt: that is no mistake of theirs.
    static SharedObject named_as_meant(const SharedObject& object) {
        static constexpr std::array<std::string_view, 1> kName{"name"};
        for (const auto& [key, value] : object->keys.entries) {
            if (value.kind != base::Tree::Kind::kScalar || !base::nearest(key.text, kName)) continue;
            AddedObject named = *object;
            std::visit([&name = value.text](auto& config) { config.name = name; }, named.config);
            return std::make_shared<const AddedObject>(std::move(named));
        }
        return object;
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

    // The list that a key of the document stands for. Empty: none. Reports a key that isn't its name.
    std::string meant_section(const base::Tree& key) {
        const auto known = lists();
        if (std::find(known.begin(), known.end(), key.text) != known.end()) return key.text;
        const bool is_setting = std::find(kSettings.begin(), kSettings.end(), key.text) != kSettings.end();
        if (is_setting) {
            report(key, key.text,
                   "is said once, of the switch as a whole: change it in the configuration file and "
                   "`config reload`, or restart sluiced");
            return {};
        }
        const auto near = base::nearest(key.text, known);
        std::string fix = fmt::format("; known keys are {}", fmt::join(known, ", "));
        if (near && document_.root.find(*near) == nullptr) fix = fmt::format("; did you mean '{}'?", *near);
        if (near && document_.root.find(*near) != nullptr)
            fix = fmt::format("; '{}' is here already: put its entries there", *near);
        report(key, "", fmt::format("unknown key {}{}", base::shown(key.text), fix));
        return std::string(near.value_or(""));
    }

    void report(const base::Tree& tree, std::string path, std::string message) {
        batch_.errors.push_back({std::move(message), std::move(path), document_.place(tree)});
    }
    void report(const base::Errors& errors) {
        batch_.errors.insert(batch_.errors.end(), errors.begin(), errors.end());
    }

    const base::Document& document_;
    const Wanted wanted_;
    Batch batch_;
};

}  // namespace

base::Error Batch::Object::located(base::Error error) const {
    const base::Tree& value = find(object->keys, error.path);
    error.path = joined(path, error.path);
    if (error.place.line == 0 && value.line != 0) error.place = {file, value.line, value.column};
    return error;
}

base::Errors Batch::Object::located(const base::Errors& mistakes) const {
    base::Errors located_errors;
    for (const base::Error& mistake : mistakes) located_errors.push_back(located(mistake));
    return located_errors;
}

Batch read_batch(const base::Document& document, Wanted wanted) {
    return Reader(document, wanted).read();
}

}  // namespace sluice::engine
