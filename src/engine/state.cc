#include "engine/state.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/fields.h"
#include "base/file.h"

namespace sluice::engine {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kJournal = "journal";

// Removes the keys that have their default value, as of the version of sluiced that wrote all defaults.
void drop_defaults(base::Tree& keys) {
    static const base::Tree defaults = [] {
        port::PortConfig config;
        config.flood_limit = {.broadcast = 0, .multicast = 0, .unknown = 0};
        return base::write(config);
    }();
    std::erase_if(keys.entries, [](const base::Tree::Entry& entry) {
        const base::Tree* value = defaults.find(entry.key.text);
        return value != nullptr && *value == entry.value;
    });
}

class Loader {
 public:
    explicit Loader(const base::Document& document) : document_(document) {}

    State load() && {
        const base::Tree& root = document_.root;
        if (root.kind != base::Tree::Kind::kMap) {
            lose(root, "", "expected a mapping with the key 'ports'");
            return std::move(state_);
        }
        // sluiced always writes a version. After a power failure the file may be empty.
        if (root.entries.empty()) {
            lose(root, "", "the file is empty: what was added before is lost");
            return std::move(state_);
        }
        check_version(root.find("version"));
        for (const auto& entry : root.entries) {
            const std::string& key = entry.key.text;
            if (const auto kind = kind_of_section(key)) {
                read_list(*kind, entry.value);
            } else if (key == kJournal) {
                read_journal(entry.value);
            } else if (key != "version") {
                lose(entry.key, "", fmt::format("unknown key {}", base::shown(key)));
            }
        }
        return std::move(state_);
    }

 private:
    void check_version(const base::Tree* version) {
        is_of_earlier_ = version == nullptr;
        if (is_of_earlier_ || version->text == std::to_string(kVersion)) return;
        lose(*version, "version",
             fmt::format("{} is not the version that this sluiced writes ({}): what it understands is in force",
                         base::shown(version->text), kVersion));
    }

    void read_list(ObjectKind kind, const base::Tree& list) {
        const std::string section(section_of(kind).section);
        if (list.kind != base::Tree::Kind::kList) {
            return lose(list, section, fmt::format("expected a list of {}", section));
        }
        for (size_t i = 0; i < list.items.size(); ++i) {
            base::Tree keys = list.items[i];
            if (is_of_earlier_ && kind == ObjectKind::kPort) drop_defaults(keys);
            SharedObject object = read_object(kind, {document_.file, std::move(keys)});
            if (kind == ObjectKind::kAcl && object->name().empty()) object = named(object);
            for (base::Error fault : object->faults) {
                fault.path = fmt::format("{}[{}]{}{}", section, i, fault.path.empty() ? "" : ".", fault.path);
                state_.faults.push_back(std::move(fault));
            }
            if (object->name().empty()) {
                state_.has_lost = true;
            } else {
                state_.objects.push_back(std::move(object));
            }
        }
    }

    void read_journal(const base::Tree& list) {
        if (list.kind != base::Tree::Kind::kList)
            return lose(list, std::string(kJournal), "expected a list of lines");
        for (const base::Tree& line : list.items) state_.journal += line.text + "\n";
    }

    // An ACL without its name still says what it guards. Keeps it under a name that no user can give.
    SharedObject named(const SharedObject& unnamed) {
        AddedObject acl = *unnamed;
        std::get<acl::AclConfig>(acl.config).name = fmt::format("(unnamed {})", ++unnamed_);
        return std::make_shared<const AddedObject>(std::move(acl));
    }

    void lose(const base::Tree& tree, std::string path, std::string message) {
        state_.faults.push_back({std::move(message), std::move(path), document_.place(tree)});
        state_.has_lost = true;
    }

    const base::Document& document_;
    State state_;
    bool is_of_earlier_ = false;
    int unnamed_ = 0;  // ACLs
};

}  // namespace

State load_state(const std::string& file) {
    if (access(file.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    auto text = base::read_file(file, base::Reading::kState);
    if (!text) return {.objects = {}, .journal = {}, .faults = text.error(), .has_lost = true};
    // JSON is YAML too, and this parser knows lines and columns.
    auto document = base::parse_yaml(*text, file);
    if (!document) return {.objects = {}, .journal = {}, .faults = document.error(), .has_lost = true};
    return Loader(*document).load();
}

base::Result<void> save_state(const std::string& file, const SharedObjects& objects, std::string_view journal) {
    std::map<std::string_view, std::string> lists{{section_of(ObjectKind::kPort).section, ""}};
    for (const SharedObject& object : objects) {
        std::string& list = lists[section_of(object->kind()).section];
        list += list.empty() ? "\n    " : ",\n    ";
        list += object->text;
    }
    while (!journal.empty()) {
        const size_t end = std::min(journal.find('\n'), journal.size());
        std::string& list = lists[kJournal];
        list += list.empty() ? "\n    " : ",\n    ";
        list += nlohmann::json(journal.substr(0, end)).dump();
        journal.remove_prefix(std::min(end + 1, journal.size()));
    }
    std::string text;
    for (const auto& [section, list] : lists) {
        text += fmt::format("  \"{}\": [{}{}],\n", section, list, list.empty() ? "" : "\n  ");
    }
    auto done = base::replace_file(file, fmt::format("{{\n{}  \"version\": {}\n}}\n", text, kVersion));
    if (!done) return tl::unexpected(done.error().within("the state file"));
    return done;
}

}  // namespace sluice::engine
