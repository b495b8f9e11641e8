#include "sluice-cni/environment.h"

#include <algorithm>
#include <vector>

namespace sluice::cni {
namespace {

constexpr size_t kLongestName = 255;
constexpr size_t kLongestInterface = 15;  // IFNAMSIZ - 1
constexpr size_t kLongestPath = 4095;     // PATH_MAX - 1

using base::shown;

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool has_controls(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return base::is_control(static_cast<unsigned char>(c)); });
}

bool is_interface_name(std::string_view name) {
    if (name.empty() || name.size() > kLongestInterface || name == "." || name == "..") return false;
    return !has_controls(name) && name.find_first_of("/: ") == name.npos;
}

bool is_netns_path(std::string_view path) {
    return path.starts_with('/') && path.size() <= kLongestPath && !has_controls(path);
}

std::string value_of(const Variables& variables, const char* name) {
    const char* value = variables(name);
    return value != nullptr ? value : "";
}

tl::unexpected<Failure> invalid(std::string message) {
    return tl::unexpected(Failure{kInvalidEnvironment, std::move(message)});
}

std::optional<Command> command_of(std::string_view word) {
    for (const auto& [command, name] : names(Command{})) {
        if (name == word) return command;
    }
    return std::nullopt;
}

// Stores one pair of CNI_ARGS. False: the key is unknown.
tl::expected<bool, std::string> take_argument(std::string_view key, const std::string& value, Environment& to) {
    if (key == "K8S_POD_NAMESPACE") {
        to.pod_namespace = value;
    } else if (key == "K8S_POD_NAME") {
        to.pod_name = value;
    } else if (key == "IP" && !value.empty()) {
        const auto ip = InterfaceAddress::parse(value);
        if (!ip) return tl::unexpected(ip.error());
        to.ip = *ip;
    } else if (key == "MAC" && !value.empty()) {
        const auto mac = MacAddress::parse(value);
        if (!mac) return tl::unexpected(mac.error());
        to.mac = *mac;
    } else {
        return key == "IP" || key == "MAC" || key == "IgnoreUnknown" || key == "K8S_POD_UID" ||
               key == "K8S_POD_INFRA_CONTAINER_ID";
    }
    return true;
}

// "KEY=VALUE;KEY=VALUE"
tl::expected<void, Failure> read_arguments(std::string_view text, Environment& to) {
    bool ignores_unknown = false;
    std::vector<std::string> unknown;
    while (!text.empty()) {
        const std::string_view pair = text.substr(0, text.find(';'));
        text.remove_prefix(std::min(pair.size() + 1, text.size()));
        if (pair.empty()) continue;
        const size_t equals = pair.find('=');
        if (equals == pair.npos || equals == 0) {
            return invalid(fmt::format("CNI_ARGS: {} is not KEY=VALUE", shown(pair)));
        }
        const std::string_view key = pair.substr(0, equals);
        const std::string value(pair.substr(equals + 1));
        if (key == "IgnoreUnknown") ignores_unknown = value == "1" || base::lower(value) == "true";
        const auto is_known = take_argument(key, value, to);
        if (!is_known) return invalid(fmt::format("CNI_ARGS: {}: {}", key, is_known.error()));
        if (!*is_known) unknown.push_back(shown(key));
    }
    if (!unknown.empty() && !ignores_unknown) {
        return invalid(fmt::format("CNI_ARGS: unknown {}: give IgnoreUnknown=1 to have that ignored",
                                   fmt::join(unknown, ", ")));
    }
    return {};
}

}  // namespace

bool is_cni_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > kLongestName || !is_alphanumeric(name[0])) return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

tl::expected<Environment, Failure> read_environment(const Variables& variables) {
    const std::string word = value_of(variables, "CNI_COMMAND");
    if (word.empty()) {
        return invalid(
            "CNI_COMMAND is missing: a container runtime sets it (ADD, DEL, CHECK, STATUS, GC, VERSION)");
    }
    const auto command = command_of(word);
    if (!command) {
        return invalid(
            fmt::format("CNI_COMMAND: {} is not one of ADD, DEL, CHECK, STATUS, GC, VERSION", shown(word)));
    }
    Environment environment{.command = *command, .path = value_of(variables, "CNI_PATH")};
    if (!is_of_attachment(*command)) return environment;

    environment.container = value_of(variables, "CNI_CONTAINERID");
    environment.netns = value_of(variables, "CNI_NETNS");
    environment.interface = value_of(variables, "CNI_IFNAME");
    std::vector<std::string_view> missing;
    if (environment.container.empty()) missing.emplace_back("CNI_CONTAINERID");
    if (environment.netns.empty() && !removes(*command)) missing.emplace_back("CNI_NETNS");
    if (environment.interface.empty()) missing.emplace_back("CNI_IFNAME");
    if (!missing.empty()) {
        return invalid(fmt::format("{} {} missing: {} needs {}", fmt::join(missing, ", "),
                                   missing.size() == 1 ? "is" : "are", word, missing.size() == 1 ? "it" : "them"));
    }
    if (!is_cni_name(environment.container)) {
        return invalid(
            fmt::format("CNI_CONTAINERID: {} is not a container ID: 1 to {} letters, digits, '_', '.' or "
                        "'-', the first a letter or digit",
                        shown(environment.container), kLongestName));
    }
    if (!is_interface_name(environment.interface)) {
        return invalid(
            fmt::format("CNI_IFNAME: {} is not an interface name: 1 to {} characters without '/', ':' and "
                        "blanks",
                        shown(environment.interface), kLongestInterface));
    }
    if (!environment.netns.empty() && !is_netns_path(environment.netns)) {
        if (!removes(*command)) {
            return invalid(fmt::format("CNI_NETNS: {} is not an absolute path of a network namespace",
                                       shown(environment.netns)));
        }
        environment.netns.clear();
    }
    const auto arguments = read_arguments(value_of(variables, "CNI_ARGS"), environment);
    if (!arguments && !removes(*command)) return tl::unexpected(arguments.error());
    return environment;
}

}  // namespace sluice::cni
