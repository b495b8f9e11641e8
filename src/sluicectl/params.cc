#include "sluicectl/params.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "base/fd.h"
#include "base/text.h"
#include "base/tree.h"
#include "sluice/methods.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

template <class... Args>
tl::unexpected<Problem> problem(int status, fmt::format_string<Args...> text, Args&&... args) {
    return tl::unexpected(Problem{status, fmt::format(text, std::forward<Args>(args)...)});
}

// The value of a key as JSON. If the key takes text, a number becomes text too.
json typed(std::string_view key, const base::Tree& value) {
    const auto& text_keys = protocol::kTextKeys;
    const bool is_text = std::ranges::find(text_keys, key) != std::end(text_keys);
    switch (value.kind) {
        case base::Tree::Kind::kNull: return nullptr;
        case base::Tree::Kind::kScalar: return is_text ? json(value.text) : base::to_json(value);
        case base::Tree::Kind::kList: break;
        case base::Tree::Kind::kMap: {
            json object = json::object();
            for (const auto& [inner, item] : value.entries) object[inner.text] = typed(inner.text, item);
            return object;
        }
    }
    json list = json::array();
    for (const base::Tree& item : value.items) list.push_back(typed(key, item));
    return list;
}

Params value_of(const std::string& word, std::string_view key, const std::string& text) {
    if (text.empty()) return problem(kUsage, "{} has no value", base::shown(word));
    if (base::resolve(text) == base::Scalar::kNull) return nullptr;  // parse_yaml() would make it an empty mapping
    const auto document = base::parse_yaml(text, "");
    if (!document)
        return problem(kUsage, "the value of {}: {}", base::shown(word),
                       document.error().front().message);
    return typed(key, document->root);
}

// Puts KEY=VALUE into the object; the dots of KEY nest. Nothing: there was no mistake.
std::optional<Problem> set_key(const std::string& word, json& object) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
        return Problem{kUsage, fmt::format("{} is not of the form KEY=VALUE", base::shown(word))};
    const std::string path = word.substr(0, equals);
    if (path.starts_with('.') || path.ends_with('.') || path.find("..") != path.npos)
        return Problem{kUsage, fmt::format("{} has an empty key", base::shown(word))};
    const auto value = value_of(word, path.substr(path.rfind('.') + 1), word.substr(equals + 1));
    if (!value) return value.error();

    json* place = &object;
    std::istringstream keys(path);
    for (std::string key; std::getline(keys, key, '.');) {
        if (place->is_null()) *place = json::object();
        if (!place->is_object()) break;
        place = &(*place)[key];
    }
    if (!place->is_null())
        return Problem{kUsage, fmt::format("{} sets what an earlier argument has set", base::shown(word))};
    *place = *value;
    return std::nullopt;
}

// Reads a number from `low` to `high`. `name` is the argument's name in messages.
tl::expected<uint64_t, Problem> number_of(const std::string& name, const std::string& text, uint64_t low,
                                          uint64_t high) {
    uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc{} && stop == end && number >= low && number <= high) return number;
    return problem(kUsage, "{} {} is not a number from {} to {}", name, base::shown(text), low, high);
}

// Reads a parameter's value from the user's text. `name` is the argument's name in messages.
Params described_value(const protocol::Parameter& parameter, const std::string& name, const std::string& text) {
    switch (parameter.type) {
        case protocol::Type::kFlag:
            return true;
        case protocol::Type::kPort:
        case protocol::Type::kNumber: {
            if (parameter.type == protocol::Type::kPort && protocol::is_port_name(text)) return text;
            const auto number = number_of(name, text, parameter.low, parameter.high);
            if (!number) return tl::unexpected(number.error());
            return *number;
        }
        case protocol::Type::kWord: {
            if (std::ranges::find(parameter.words, text) != parameter.words.end()) return text;
            const auto near = base::nearest(text, parameter.words);
            if (near) return problem(kUsage, "{} {}: did you mean '{}'?", name, base::shown(text), *near);
            return problem(kUsage, "{} {} is not one of {}", name, base::shown(text),
                           fmt::join(parameter.words, ", "));
        }
        default:
            if (text.empty()) return problem(kUsage, "{} is empty", name);
            return text;
    }
}

// The options that are parameters of the method, by the parameters' names.
Params option_params(const protocol::Method& method, const Arguments& arguments) {
    json params = json::object();
    for (const auto& [name, text] : arguments.options) {
        const auto* parameter = protocol::find_parameter(method.parameters, name);
        if (parameter == nullptr) continue;
        auto value = described_value(*parameter, "--" + name, text);
        if (!value) return value;
        params[name] = std::move(*value);
    }
    return params;
}

}  // namespace

Params params_of(const Verb& verb, const Arguments& arguments) {
    if (verb.params != nullptr) return verb.params(arguments);
    auto params = option_params(*protocol::find_method(verb.method), arguments);
    if (!params) return params;
    std::istringstream places{std::string(verb.arguments)};
    size_t given = 0;
    for (std::string place; given < arguments.words.size() && places >> place;) {
        if (place.starts_with("--")) continue;
        const auto* parameter = parameter_of(verb, place);
        auto value = described_value(*parameter, std::string(parameter->placeholder), arguments.words[given++]);
        if (!value) return value;
        (*params)[place] = std::move(*value);
    }
    return params;
}

Params drop_params(const Arguments& arguments) {
    Arguments others = arguments;
    // The option --last has no value, but the parameter `last` has. A count means the last packets, with or
    // without the option.
    const bool last = others.options.erase("last") != 0 || !arguments.words.empty();
    auto params = option_params(protocol::method(protocol::kDrops), others);
    if (!params) return params;
    if (!last && others.options.contains("all")) return problem(kUsage, "--all goes with --last");
    if (last) (*params)["last"] = protocol::kLastDrops;
    if (!arguments.words.empty()) {
        const auto count = number_of("COUNT", arguments.words[0], 1, protocol::kMaxLastDrops);
        if (!count) return tl::unexpected(count.error());
        (*params)["last"] = *count;
    }
    return params;
}

Params file_params(const Arguments& arguments) {
    return arguments.words.empty() ? json::object() : params_of_file(arguments.words[0]);
}

Params params_of_file(const std::string& name) {
    // A directory can be opened like a file and would read as an empty one.
    std::error_code error;
    if (std::filesystem::is_directory(name, error))
        return problem(kFailed, "{} is a directory", name);
    // Reading some devices never ends. Reading a terminal does.
    const base::Fd device(std::filesystem::is_character_file(name, error)
                              ? open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
                              : -1);
    if (device && isatty(device.get()) == 0) return problem(kFailed, "{} is a device, and no file", name);
    errno = 0;
    std::ifstream file(name, std::ios::binary);
    if (!file) return problem(kFailed, "{}: {}", name, strerror(errno));
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad()) return problem(kFailed, "reading {} failed", name);
    const auto path = std::filesystem::absolute(name, error);
    if (error) return problem(kFailed, "{}: {}", name, error.message());
    return json{{"file", path.lexically_normal().string()}, {"text", std::move(text).str()}};
}

tl::expected<double, Problem> seconds_of(const std::string& option, const std::string& text) {
    if (text.empty()) return kDefaultWait;
    double seconds = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, seconds);
    if (error == std::errc{} && stop == end && seconds >= 0 && seconds <= 86400) return seconds;
    return problem(kUsage, "{} {} is not a number of seconds from 0 to 86400", option, base::shown(text));
}

Params wait_params(const Arguments& arguments) {
    json params = json::object();
    if (!arguments.words.empty()) params["name"] = arguments.words[0];
    const auto given = arguments.options.find("timeout");
    const auto seconds = seconds_of("--timeout", given == arguments.options.end() ? "" : given->second);
    if (!seconds) return tl::unexpected(seconds.error());
    params["timeout"] = *seconds;
    return params;
}

Params port_params(const Arguments& arguments) {
    if (const auto wait = arguments.options.find("wait"); wait != arguments.options.end()) {
        if (const auto seconds = seconds_of("--wait", wait->second); !seconds)
            return tl::unexpected(seconds.error());
    }
    return object_params("port", arguments);
}

Params object_params(const char* parameter, const Arguments& arguments) {
    json object = {{"name", arguments.words[0]}};
    for (size_t i = 1; i < arguments.words.size(); i++) {
        if (auto fault = set_key(arguments.words[i], object)) return tl::unexpected(*fault);
    }
    return json{{parameter, std::move(object)}};
}

Params set_params(const Arguments& arguments) {
    json keys = json::object();
    for (size_t i = 1; i < arguments.words.size(); i++) {
        if (auto fault = set_key(arguments.words[i], keys)) return tl::unexpected(*fault);
    }
    return json{{"name", arguments.words[0]}, {"keys", std::move(keys)}};
}

Params batch_params(const Arguments& arguments) {
    const auto given = arguments.options.find("-f");
    if (given == arguments.options.end())
        return problem(kUsage, "-f FILE is missing: a file, or - for standard input");
    if (given->second != "-") return params_of_file(given->second);
    std::ostringstream text;
    text << std::cin.rdbuf();
    if (std::cin.bad()) return problem(kFailed, "reading standard input failed");
    return json{{"file", "standard input"}, {"text", std::move(text).str()}};
}

Params capture_params(const Arguments& arguments) {
    json params = json::object();
    if (arguments.words[0] == "drops") {
        params["drops"] = true;
    } else {
        params["port"] = arguments.words[0];
    }
    if (const auto filter = arguments.options.find("-f"); filter != arguments.options.end()) {
        params["filter"] = filter->second;
    }
    if (const auto wanted = arguments.options.find("-c"); wanted != arguments.options.end()) {
        const auto count = number_of("-c", wanted->second, 1, UINT32_MAX);
        if (!count) return tl::unexpected(count.error());
        params["count"] = *count;
    }
    return params;
}

Params live_trace_params(const Arguments& arguments) {
    for (const auto& [name, value] : arguments.options) {
        if (protocol::find_parameter(protocol::described::kTraceParameters, name) != nullptr) {
            return problem(kUsage, "--{} is about a packet that is made up: with --live, say it in the filter",
                           name);
        }
    }
    json params = {{"filter", arguments.options.at("live")}};
    if (const auto wanted = arguments.options.find("count"); wanted != arguments.options.end()) {
        const auto count = number_of("--count", wanted->second, 1, UINT32_MAX);
        if (!count) return tl::unexpected(count.error());
        params["count"] = *count;
    }
    return params;
}

Params trace_params(const Arguments& arguments) {
    if (arguments.options.contains("live")) return live_trace_params(arguments);
    if (arguments.options.contains("count")) return problem(kUsage, "--count is of --live");
    for (const char* name : {"from", "to"}) {
        if (!arguments.options.contains(name))
            return problem(kUsage, "--{} is missing: a port's name, or an address", name);
    }
    return option_params(protocol::method(protocol::kTrace), arguments);
}

Params route_add_params(const Arguments& arguments) {
    json route = {{"to", arguments.words[0]}};
    json gateways = json::array();
    for (size_t i = 1; i < arguments.words.size(); i++) {
        const std::string& word = arguments.words[i];
        if (auto fault = set_key(word, route)) return tl::unexpected(*fault);
        auto via = route.find("via");
        if (via == route.end()) continue;
        gateways.push_back(std::move(*via));
        route.erase(via);
    }
    if (gateways.size() == 1) {
        route["via"] = gateways[0];
    } else if (!gateways.empty()) {
        if (route.contains("next-hops")) return problem(kUsage, "give `via` several times, or next-hops");
        json hops = json::array();
        for (const json& gateway : gateways) {
            json hop = {{"via", gateway}};
            for (const char* key : {"network", "port"}) {
                if (route.contains(key)) hop[key] = route[key];
            }
            hops.push_back(std::move(hop));
        }
        route.erase("network");
        route.erase("port");
        route["next-hops"] = std::move(hops);
    }
    json params = {{"route", std::move(route)}};
    if (arguments.options.contains("replace")) params["replace"] = true;
    return params;
}

Params route_load_params(const Arguments& arguments) {
    auto params = file_params(arguments);
    auto options = option_params(protocol::method(protocol::kRouteLoad), arguments);
    if (!options) return options;
    if (params) params->update(*options);
    return params;
}

}  // namespace sluice::sluicectl
