#include "sluicectl/params.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/text.h"
#include "base/tree.h"
#include "sluice/protocol.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

template <class... Args>
tl::unexpected<Problem> problem(int status, fmt::format_string<Args...> text, Args&&... args) {
    return tl::unexpected(Problem{status, fmt::format(text, std::forward<Args>(args)...)});
}

Params value_of(const std::string& word, const std::string& text) {
    if (text.empty()) return problem(kUsage, "{} has no value", base::shown(word));
    const auto document = base::parse_yaml(text, "");
    if (!document)
        return problem(kUsage, "the value of {}: {}", base::shown(word),
                       document.error().front().message);
    return base::to_json(document->root);
}

// KEY=VALUE, into the object: the dots of KEY nest. Nothing where all is well.
std::optional<Problem> set_key(const std::string& word, json& object) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
        return Problem{kUsage, fmt::format("{} is not of the form KEY=VALUE", base::shown(word))};
    const std::string path = word.substr(0, equals);
    if (path.starts_with('.') || path.ends_with('.') || path.find("..") != path.npos)
        return Problem{kUsage, fmt::format("{} has an empty key", base::shown(word))};
    const auto value = value_of(word, word.substr(equals + 1));
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

// An option's text under its own name.
void add_option(const Arguments& arguments, const char* name, json& params) {
    const auto option = arguments.options.find(name);
    if (option != arguments.options.end()) params[name] = option->second;
}

json domain_param(const Arguments& arguments) {
    json params = json::object();
    add_option(arguments, "domain", params);
    return params;
}

// A number from `low` to `high`; `name` is what the user calls it.
tl::expected<uint64_t, Problem> number_of(const std::string& name, const std::string& text, uint64_t low,
                                          uint64_t high) {
    uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc{} && stop == end && number >= low && number <= high) return number;
    return problem(kUsage, "{} {} is not a number from {} to {}", name, base::shown(text), low, high);
}

// An option that is one, under its own name. Nothing where all is well.
std::optional<Problem> add_number(const Arguments& arguments, const std::string& name, uint64_t low,
                                  uint64_t high, json& params) {
    const auto option = arguments.options.find(name);
    if (option == arguments.options.end()) return std::nullopt;
    const auto number = number_of("--" + name, option->second, low, high);
    if (!number) return number.error();
    params[name] = *number;
    return std::nullopt;
}

}  // namespace

Params no_params(const Arguments&) {
    return json::object();
}

Params name_param(const Arguments& arguments) {
    return json{{"name", arguments.words[0]}};
}

Params optional_name_param(const Arguments& arguments) {
    if (arguments.words.empty()) return json::object();
    return name_param(arguments);
}

Params network_param(const Arguments& arguments) {
    json params = json::object();
    add_option(arguments, "network", params);
    return params;
}

Params drop_params(const Arguments& arguments) {
    json params = json::object();
    add_option(arguments, "port", params);
    add_option(arguments, "reason", params);
    const bool last = arguments.options.contains("last");
    if (!last && !arguments.words.empty()) {
        return problem(kUsage, "{} goes with --last", base::shown(arguments.words[0]));
    }
    if (last) params["last"] = protocol::kLastDrops;
    if (!arguments.words.empty()) {
        const auto count = number_of("COUNT", arguments.words[0], 1, protocol::kMaxLastDrops);
        if (!count) return tl::unexpected(count.error());
        params["last"] = *count;
    }
    return params;
}

Params device_params(const Arguments& arguments) {
    json params{{"address", arguments.words[0]}};
    const auto driver = arguments.options.find("driver");
    if (driver != arguments.options.end()) params["driver"] = driver->second;
    if (arguments.options.contains("force")) params["force"] = true;
    return params;
}

Params file_params(const Arguments& arguments) {
    if (arguments.words.empty()) return json::object();
    const std::string& name = arguments.words[0];
    // A directory opens like a file and then reads as an empty one.
    std::error_code error;
    if (std::filesystem::is_directory(name, error))
        return problem(kFailed, "{} is a directory", name);
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

Params port_params(const Arguments& arguments) {
    json port = {{"name", arguments.words[0]}};
    for (size_t i = 1; i < arguments.words.size(); i++) {
        if (auto fault = set_key(arguments.words[i], port)) return tl::unexpected(*fault);
    }
    return json{{"port", std::move(port)}};
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

Params route_list_params(const Arguments& arguments) {
    json params = domain_param(arguments);
    if (!arguments.words.empty()) params["within"] = arguments.words[0];
    if (auto fault = add_number(arguments, "limit", 1, protocol::kMaxRouteLimit, params))
        return tl::unexpected(*fault);
    return params;
}

Params flow_params(const Arguments& arguments) {
    json params = json::object();
    for (const char* name : {"address", "network", "state"}) add_option(arguments, name, params);
    if (auto fault = add_number(arguments, "port", 0, 65535, params)) return tl::unexpected(*fault);
    if (auto fault = add_number(arguments, "limit", 1, protocol::kMaxFlowLimit, params))
        return tl::unexpected(*fault);
    return params;
}

Params live_trace_params(const Arguments& arguments) {
    for (const char* name :
         {"from", "to", "proto", "dport", "sport", "length", "vlan", "source-mac", "destination-mac"}) {
        if (arguments.options.contains(name)) {
            return problem(kUsage, "--{} is about a packet that is made up: with --live, say it in the filter", name);
        }
    }
    json params = {{"filter", arguments.options.at("live")}};
    if (auto fault = add_number(arguments, "count", 1, UINT32_MAX, params)) return tl::unexpected(*fault);
    return params;
}

Params trace_params(const Arguments& arguments) {
    if (arguments.options.contains("live")) return live_trace_params(arguments);
    if (arguments.options.contains("count")) return problem(kUsage, "--count is of --live");
    json params = json::object();
    for (const char* name : {"from", "to", "proto", "source-mac", "destination-mac"})
        add_option(arguments, name, params);
    for (const char* name : {"from", "to"}) {
        if (!params.contains(name)) return problem(kUsage, "--{} is missing: a port's name, or an IP address", name);
    }
    for (const char* name : {"dport", "sport"}) {
        if (auto fault = add_number(arguments, name, 0, 65535, params)) return tl::unexpected(*fault);
    }
    if (auto fault = add_number(arguments, "length", 1, 65535, params)) return tl::unexpected(*fault);
    if (auto fault = add_number(arguments, "vlan", 1, 4094, params)) return tl::unexpected(*fault);
    return params;
}

Params route_lookup_params(const Arguments& arguments) {
    json params = domain_param(arguments);
    params["address"] = arguments.words[0];
    return params;
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

Params route_delete_params(const Arguments& arguments) {
    json params = domain_param(arguments);
    params["to"] = arguments.words[0];
    return params;
}

Params route_load_params(const Arguments& arguments) {
    auto params = file_params(arguments);
    if (params) params->update(domain_param(arguments));
    return params;
}

}  // namespace sluice::sluicectl
