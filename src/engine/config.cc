#include "engine/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace sluice::engine {
namespace {

// A port's address without a length takes that of the subnet it lies in: what the kernel will be
// told is written into the configuration once, here.
void complete(Config& config) {
    for (auto& port : config.ports) {
        auto network =
            std::find_if(config.networks.begin(), config.networks.end(),
                         [&](const bridge::NetworkConfig& n) { return n.name == port.network; });
        if (network == config.networks.end()) continue;
        for (auto& address : port.address) {
            if (address.has_length()) continue;
            for (const IpPrefix& subnet : network->subnets) {
                if (subnet.contains(address.address)) address.length = subnet.length;
            }
        }
    }
}

template <class T>
void add_comments(base::Tree& root, std::string_view key, const std::vector<T>& objects) {
    auto entry = std::find_if(root.entries.begin(), root.entries.end(),
                              [&](const auto& e) { return e.key.text == key; });
    if (entry == root.entries.end()) return;
    for (size_t i = 0; i < objects.size(); ++i) {
        entry->value.items[i].comment = origin(objects[i].place);
    }
}

// The keys by which two mappings differ: "mtu, network".
std::string differing_keys(const base::Tree& from, const base::Tree& to) {
    std::string keys;
    auto add = [&](const std::string& key) { keys += (keys.empty() ? "" : ", ") + key; };
    for (const auto& entry : from.entries) {
        const base::Tree* other = to.find(entry.key.text);
        if (other == nullptr || !(*other == entry.value)) add(entry.key.text);
    }
    for (const auto& entry : to.entries) {
        if (from.find(entry.key.text) == nullptr) add(entry.key.text);
    }
    return keys;
}

template <class T>
void diff_objects(std::string_view kind, const std::vector<T>& from, const std::vector<T>& to,
                  std::vector<Change>& changes) {
    auto find = [](const std::vector<T>& list, const std::string& name) {
        auto found =
            std::find_if(list.begin(), list.end(), [&](const T& t) { return t.name == name; });
        return found == list.end() ? nullptr : &*found;
    };
    using enum Change::Action;
    for (const T& old : from) {
        if (find(to, old.name) != nullptr) continue;
        changes.push_back({kRemove, fmt::format("{} {}", kind, old.name), origin(old.place), ""});
    }
    for (const T& next : to) {
        const std::string object = fmt::format("{} {}", kind, next.name);
        const T* old = find(from, next.name);
        if (old == nullptr) {
            changes.push_back({kAdd, object, origin(next.place), ""});
        } else if (!(*old == next)) {
            changes.push_back({kChange, object, origin(next.place),
                               differing_keys(base::write(*old), base::write(next))});
        }
    }
}

template <class T>
void diff_section(std::string_view name, const T& from, const T& to, std::vector<Change>& changes) {
    if (from == to) return;
    std::string keys;
    if constexpr (base::Fielded<T>) keys = differing_keys(base::write(from), base::write(to));
    changes.push_back({Change::Action::kChange, std::string(name), "", keys});
}

}  // namespace

std::string origin(const base::Place& place) {
    if (is_added(place)) return "added";
    return fmt::format("{}:{}:{}", place.file, place.line, place.column);
}

tl::expected<std::string, base::Errors> read_file(const std::string& file) {
    auto failed = [&](int error) {
        const char* fix = error == ENOENT ? "; is the path right?" : "";
        return tl::unexpected(base::Errors{
            {fmt::format("cannot be read: {}{}", std::strerror(error), fix), "", {file, 0, 0}}});
    };
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) return failed(errno);
    if (S_ISDIR(status.st_mode)) return failed(EISDIR);
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return failed(errno);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

tl::expected<Config, base::Errors> load_config(std::string_view text, std::string_view file,
                                               const std::vector<port::PortConfig>& added) {
    auto document = base::parse_yaml(text, file);
    if (!document) return tl::unexpected(document.error());
    Config config;
    base::Errors errors = base::read(*document, config);
    config.ports.insert(config.ports.end(), added.begin(), added.end());
    base::Errors more = validate(config, &*document);
    errors.insert(errors.end(), more.begin(), more.end());
    if (!errors.empty()) {
        std::stable_sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) {
            return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
        });
        return tl::unexpected(errors);
    }
    complete(config);
    return config;
}

tl::expected<port::PortConfig, base::Errors> read_port(const base::Document& document) {
    port::PortConfig port;
    base::Errors errors = base::read(document, port);
    if (!errors.empty()) return tl::unexpected(errors);
    port.place = {};
    return port;
}

std::string show(const Config& config) {
    base::Tree tree = base::write(config);
    add_comments(tree, "networks", config.networks);
    add_comments(tree, "ports", config.ports);
    add_comments(tree, "mirrors", config.mirrors);
    return base::to_yaml(tree);
}

std::vector<Change> diff(const Config& from, const Config& to) {
    std::vector<Change> changes;
    diff_section("workers", from.workers, to.workers, changes);
    diff_section("memory", from.memory, to.memory, changes);
    diff_section("control", from.control, to.control, changes);
    diff_section("dpdk", from.dpdk, to.dpdk, changes);
    diff_section("log", from.log, to.log, changes);
    diff_section("state", from.state, to.state, changes);
    diff_objects("network", from.networks, to.networks, changes);
    diff_objects("port", from.ports, to.ports, changes);
    diff_objects("mirror", from.mirrors, to.mirrors, changes);
    return changes;
}

}  // namespace sluice::engine
