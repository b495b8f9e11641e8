// "None" in JSON: always null, never an empty string, a zero or a missing key. Any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"

namespace sluice::base {

inline nlohmann::json or_none(std::string_view text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

// Adds "file", "line" and "column" to an object.
inline void tell_place(nlohmann::json& object, const Place& place) {
    object["file"] = or_none(place.file);
    object["line"] = place.line == 0 ? nlohmann::json() : nlohmann::json(place.line);
    object["column"] = place.line == 0 ? nlohmann::json() : nlohmann::json(place.column);
}

}  // namespace sluice::base
