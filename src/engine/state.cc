#include "engine/state.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/fields.h"
#include "base/file.h"
#include "engine/config.h"

namespace sluice::engine {
namespace {

constexpr int kVersion = 1;

// Takes out the keys that have the value that was their default when no state had a version.
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

// A port's entry in the list, as nlohmann::json writes it there.
std::string text_of(const base::Tree& keys) {
    std::string text;
    for (const char c : base::to_json(keys).dump(2)) {
        text += c;
        if (c == '\n') text += "    ";
    }
    return text;
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
        // sluiced writes a version at least. A loss of power may leave an empty file.
        if (root.entries.empty()) {
            lose(root, "", "the file is empty: what was added before is lost");
            return std::move(state_);
        }
        check_version(root.find("version"));
        for (const auto& entry : root.entries) {
            const std::string& key = entry.key.text;
            if (key == "ports") {
                read_ports(entry.value);
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

    void read_ports(const base::Tree& list) {
        if (list.kind != base::Tree::Kind::kList) return lose(list, "ports", "expected a list of ports");
        for (size_t i = 0; i < list.items.size(); ++i) {
            base::Tree keys = list.items[i];
            if (is_of_earlier_) drop_defaults(keys);
            AddedPort port = read_added_port({document_.file, std::move(keys)});
            for (base::Error fault : port.faults) {
                fault.path = fmt::format("ports[{}]{}{}", i, fault.path.empty() ? "" : ".", fault.path);
                state_.faults.push_back(std::move(fault));
            }
            if (port.name().empty()) {
                state_.has_lost = true;
            } else {
                state_.ports.push_back(std::move(port));
            }
        }
    }

    void lose(const base::Tree& tree, std::string path, std::string message) {
        state_.faults.push_back({std::move(message), std::move(path), document_.place(tree)});
        state_.has_lost = true;
    }

    const base::Document& document_;
    State state_;
    bool is_of_earlier_ = false;
};

}  // namespace

AddedPort read_added_port(const base::Document& document) {
    AddedPort port;
    port.keys = document.root;
    port.faults = base::read(document, port.config);
    base::limit(port.faults);
    port.config.place = {};
    port.text = text_of(port.keys);
    return port;
}

State load_state(const std::string& file) {
    if (access(file.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    auto text = base::read_file(file, base::Reading::kState);
    if (!text) return {.ports = {}, .faults = text.error(), .has_lost = true};
    // JSON is YAML too, and this parser knows lines and columns.
    auto document = base::parse_yaml(*text, file);
    if (!document) return {.ports = {}, .faults = document.error(), .has_lost = true};
    return Loader(*document).load();
}

base::Result<void> save_state(const std::string& file, const std::vector<AddedPort>& ports) {
    std::string list;
    for (const AddedPort& port : ports) {
        list += list.empty() ? "\n    " : ",\n    ";
        list += port.text.empty() ? text_of(port.keys) : port.text;
    }
    if (!list.empty()) list += "\n  ";
    auto done =
        base::replace_file(file, fmt::format("{{\n  \"ports\": [{}],\n  \"version\": {}\n}}\n", list, kVersion));
    if (!done) return tl::unexpected(done.error().within("the state file"));
    return done;
}

}  // namespace sluice::engine
