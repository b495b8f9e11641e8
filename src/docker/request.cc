#include "docker/request.h"

#include <algorithm>
#include <charconv>

namespace sluice::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kOurs = "sluice.";
constexpr std::string_view kDockers = "com.docker.";
constexpr std::string_view kLabel = "label.";

bool is_known(std::string_view name, bool is_ours, std::span<const std::string_view> known) {
    return std::ranges::any_of(known, [&](std::string_view one) {
        if (one.starts_with(kDockers) == is_ours) return false;
        return one.ends_with('.') ? name.starts_with(one) && name.size() > one.size() : name == one;
    });
}

std::string listed(std::span<const std::string_view> known) {
    std::string text;
    for (const std::string_view one : known) {
        text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", one.starts_with(kDockers) ? "" : kOurs, one,
                            one.ends_with('.') ? "NAME" : "");
    }
    return text;
}

}  // namespace

Request::Request(const json& body, std::string where) : body_(body), where_(std::move(where)) {
    if (!body.is_object()) mistake_ = fmt::format("expected a JSON object, found {}", body.type_name());
}

void Request::fail(const char* key, const std::string& why) {
    if (mistake_.empty()) mistake_ = fmt::format("{}{}: {}", where_, key, why);
}

const json* Request::find(const char* key) {
    if (!mistake_.empty()) return nullptr;
    const auto found = body_.find(key);
    return found == body_.end() || found->is_null() ? nullptr : &*found;
}

std::string Request::text(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) {
        fail(key, fmt::format("expected a string, found {}", value->type_name()));
        return {};
    }
    return value->get<std::string>();
}

std::string Request::required(const char* key) {
    std::string value = text(key);
    if (value.empty()) fail(key, "is missing");
    return value;
}

bool Request::flag(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) {
        fail(key, fmt::format("expected true or false, found {}", value->type_name()));
        return false;
    }
    return value->get<bool>();
}

uint32_t Request::number(const char* key, uint32_t most) {
    const json* value = find(key);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned() || value->get<uint64_t>() > most) {
        fail(key, fmt::format("expected a number from 0 to {}", most));
        return 0;
    }
    return value->get<uint32_t>();
}

const json& Request::object(const char* key) {
    static const json kEmpty = json::object();
    const json* value = find(key);
    if (value != nullptr && !value->is_object())
        fail(key, fmt::format("expected an object, found {}", value->type_name()));
    return value != nullptr && value->is_object() ? *value : kEmpty;
}

const json& Request::list(const char* key) {
    static const json kEmpty = json::array();
    const json* value = find(key);
    if (value != nullptr && !value->is_array())
        fail(key, fmt::format("expected a list, found {}", value->type_name()));
    return value != nullptr && value->is_array() ? *value : kEmpty;
}

Answer<Options> Options::read(const json& options, std::span<const std::string_view> known) {
    Options read;
    for (const auto& [key, value] : options.items()) {
        const bool is_ours = key.starts_with(kOurs);
        const std::string name = is_ours ? key.substr(kOurs.size()) : key;
        if (!is_known(name, is_ours, known)) {
            if (!is_ours) continue;
            return refuse("there is no option {}; known are {}", base::shown(key), listed(known));
        }
        if (!value.is_string()) return refuse("option {}: expected a string, found {}", key, value.type_name());
        read.values_.emplace(name, value.get<std::string>());
    }
    return read;
}

const std::string& Options::text(std::string_view name) const {
    static const std::string kNone;
    const auto found = values_.find(name);
    return found == values_.end() ? kNone : found->second;
}

Answer<std::optional<uint32_t>> Options::number(std::string_view name, uint32_t least, uint32_t most) const {
    const std::string& given = text(name);
    if (given.empty()) return std::nullopt;
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (error != std::errc() || end != given.data() + given.size() || value < least || value > most) {
        return refuse("option {}{}: {} is no number from {} to {}", name.starts_with(kDockers) ? "" : kOurs, name,
                      base::shown(given), least, most);
    }
    return value;
}

base::Words Options::labels() const {
    base::Words labels;
    for (const auto& [name, value] : values_) {
        if (name.starts_with(kLabel)) labels.emplace(name.substr(kLabel.size()), value);
    }
    return labels;
}

}  // namespace sluice::docker
