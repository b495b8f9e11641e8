#include "sluicectl/params.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "base/tree.h"

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

}  // namespace

Params no_params(const Arguments&) {
    return json::object();
}

Params name_param(const Arguments& arguments) {
    return json{{"name", arguments.words[0]}};
}

Params network_param(const Arguments& arguments) {
    const auto network = arguments.options.find("network");
    if (network == arguments.options.end()) return json::object();
    return json{{"network", network->second}};
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
        const std::string& word = arguments.words[i];
        const size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return problem(kUsage, "{} is not of the form KEY=VALUE", base::shown(word));
        const std::string path = word.substr(0, equals);
        if (path.starts_with('.') || path.ends_with('.') || path.find("..") != path.npos)
            return problem(kUsage, "{} has an empty key", base::shown(word));
        const auto value = value_of(word, word.substr(equals + 1));
        if (!value) return value;

        json* place = &port;
        std::istringstream keys(path);
        for (std::string key; std::getline(keys, key, '.');) {
            if (place->is_null()) *place = json::object();
            if (!place->is_object()) break;
            place = &(*place)[key];
        }
        if (!place->is_null())
            return problem(kUsage, "{} sets what an earlier argument has set", base::shown(word));
        *place = *value;
    }
    return json{{"port", std::move(port)}};
}

}  // namespace sluice::sluicectl
