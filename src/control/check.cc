#include "control/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using protocol::Need;
using protocol::Parameter;
using protocol::Type;

// A request of a million unknown names gets no answer of that length.
constexpr size_t kMaxMistakes = 20;

// The value's type, and the value itself if it is short.
std::string found(const json& value) {
    if (value.is_null()) return "null";
    if (value.is_array()) return "a list";
    if (value.is_object()) return "an object";
    if (value.is_string()) return fmt::format("the string {}", base::shown(value.get_ref<const std::string&>()));
    return value.dump();
}

bool has_control(std::string_view text) {
    while (!text.empty()) {
        const auto c = base::take_character(text);
        if (!c || base::is_control(*c)) return true;
    }
    return false;
}

bool is_in_range(const Parameter& parameter, const json& value) {
    return value.is_number_unsigned() && value.get<uint64_t>() >= parameter.low &&
           value.get<uint64_t>() <= parameter.high;
}

// What is wrong with the value, as the end of a sentence that begins with the parameter's name; nothing: the value
// is right.
std::optional<std::string> fault_of(const Parameter& parameter, const json& value) {
    const auto wanted = [&](std::string_view what) {
        return fmt::format("must be {}, not {}", what, found(value));
    };
    switch (parameter.type) {
        case Type::kText:
            if (!value.is_string()) return wanted("a string");
            if (value.get_ref<const std::string&>().empty()) {
                return parameter.need == Need::kRequired ? "is empty"
                                                         : "is empty: leave it out where nothing is meant";
            }
            if (has_control(value.get_ref<const std::string&>())) {
                return fmt::format("holds a control character: {}",
                                   base::shown(value.get_ref<const std::string&>()));
            }
            return std::nullopt;
        case Type::kContent:
            if (!value.is_string()) return wanted("a string");
            return std::nullopt;
        case Type::kWord: {
            if (!value.is_string()) return wanted("a string");
            const auto& word = value.get_ref<const std::string&>();
            if (std::ranges::find(parameter.words, word) != parameter.words.end()) return std::nullopt;
            const auto near = base::nearest(std::string_view(word).substr(0, 64), parameter.words);
            if (near) return fmt::format("is {}; did you mean '{}'?", base::shown(word), *near);
            return fmt::format("is {}, not one of {}", base::shown(word), fmt::join(parameter.words, ", "));
        }
        case Type::kNumber:
            if (is_in_range(parameter, value)) return std::nullopt;
            return wanted(fmt::format("an integer from {} to {}", parameter.low, parameter.high));
        case Type::kPort:
            if (is_in_range(parameter, value)) return std::nullopt;
            if (value.is_string() && protocol::is_port_name(value.get_ref<const std::string&>())) {
                return std::nullopt;
            }
            return wanted(
                fmt::format("an integer from {} to {} or a port's name", parameter.low, parameter.high));
        case Type::kFlag:
            if (!value.is_boolean()) return wanted("true or false");
            return std::nullopt;
        case Type::kObject:
            if (!value.is_object()) return wanted("an object");
            return std::nullopt;
        case Type::kList:
            if (!value.is_array()) return wanted("a list");
            if (value.size() <= parameter.high) return std::nullopt;
            return fmt::format("has {} values: at most {} go into one request", value.size(), parameter.high);
    }
    return std::nullopt;
}

std::string unknown(std::string_view name, const json& params, std::span<const Parameter> parameters) {
    std::vector<std::string_view> known;
    std::vector<std::string_view> absent;  // one that is given already can't be meant
    for (const Parameter& parameter : parameters) {
        known.push_back(parameter.name);
        if (!params.contains(parameter.name)) absent.push_back(parameter.name);
    }
    // Comparing megabytes would be work that anyone can order.
    const auto near = base::nearest(name.substr(0, 64), absent);
    return fmt::format("unknown parameter {}; {}", base::shown(name),
                       near            ? fmt::format("did you mean '{}'?", *near)
                       : known.empty() ? std::string("none is taken")
                                       : fmt::format("known: {}", fmt::join(known, ", ")));
}

// The same for the limits of a client that may only read.
std::optional<std::string> fault_for_readers(const Parameter& parameter, const json& value) {
    const uint64_t most = parameter.high_for_readers;
    if (most == 0) return std::nullopt;
    using Fault = std::optional<std::string>;
    const auto fault = [&](std::string_view has, uint64_t amount, std::string_view unit) -> Fault {
        if (amount <= most) return std::nullopt;
        return fmt::format("{} {}{}: a client that may only read gets {} at most", has, amount, unit, most);
    };
    switch (parameter.type) {
        case Type::kNumber: return fault("is", value.get<uint64_t>(), "");
        case Type::kList: return fault("has", value.size(), " values");
        default: return fault("has", value.get_ref<const std::string&>().size(), " bytes");
    }
}

bool is_given(const json& params, std::string_view name) {
    const auto found = params.find(name);
    return found != params.end() && *found != false;
}

// The given parameter that replaces this one; null: there is none.
const Parameter* given_in_place_of(const Parameter& parameter, const json& params,
                                   std::span<const Parameter> parameters) {
    for (const Parameter& other : parameters) {
        const auto& replaced = other.in_place_of;
        if (std::ranges::find(replaced, parameter.name) == replaced.end()) continue;
        if (is_given(params, other.name)) return &other;
    }
    return nullptr;
}

}  // namespace

std::vector<ParameterMistake> mistakes_in(const json& params, std::span<const Parameter> parameters,
                                          Access access) {
    std::vector<ParameterMistake> mistakes;
    const auto add = [&](std::string_view parameter, std::string message) {
        if (mistakes.size() < kMaxMistakes) {
            mistakes.push_back({std::string(parameter.substr(0, 64)), std::move(message)});
        }
    };
    for (const auto& [name, value] : params.items()) {
        // Don't compose messages that aren't reported.
        if (mistakes.size() == kMaxMistakes) break;
        const Parameter* parameter = protocol::find_parameter(parameters, name);
        if (parameter == nullptr) {
            add(name, unknown(name, params, parameters));
        } else if (const auto fault = fault_of(*parameter, value)) {
            add(name, fmt::format("the parameter '{}' {}", name, *fault));
        } else if (access == Access::kRead) {
            if (const auto bound = fault_for_readers(*parameter, value)) {
                add(name, fmt::format("the parameter '{}' {}", name, *bound));
            }
        }
    }
    for (const Parameter& parameter : parameters) {
        const Parameter* other = given_in_place_of(parameter, params, parameters);
        const bool is_here = params.contains(parameter.name);
        if (is_here && other != nullptr) {
            add(parameter.name, fmt::format("the parameters '{}' and '{}' exclude each other", parameter.name,
                                            other->name));
        } else if (!is_here && other == nullptr && parameter.need == Need::kRequired) {
            add(parameter.name,
                fmt::format("the parameter '{}' is missing: {}", parameter.name, parameter.meaning));
        }
    }
    return mistakes;
}

}  // namespace sluice::control
