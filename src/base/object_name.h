// The rule for the names that users give to their objects (ports, networks). Any thread.
#pragma once

#include <string_view>

namespace sluice::base {

inline constexpr const char* kObjectNameRule =
    "is not a name: 1 to 63 letters, digits, '-', '_', '.' or ':', the first a letter or digit";

constexpr bool is_object_name(std::string_view name) noexcept {
    auto is_alnum = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (name.empty() || name.size() > 63 || !is_alnum(name[0])) return false;
    for (char c : name) {
        if (!is_alnum(c) && c != '-' && c != '_' && c != '.' && c != ':') return false;
    }
    return true;
}

}  // namespace sluice::base
