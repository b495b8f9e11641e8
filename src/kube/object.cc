#include "kube/object.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice::kube {

std::optional<Kind> find_kind(std::string_view word) {
    for (const auto& [kind, known] : names(Kind{})) {
        if (known == word) return kind;
    }
    return std::nullopt;
}

std::string Key::text() const {
    std::string word(base::word_of(kind));
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
    return name_space.empty() ? fmt::format("{} {}", word, name) : fmt::format("{} {}/{}", word, name_space, name);
}

bool IpBlock::contains(const IpAddress& address) const {
    return cidr.contains(address) && std::none_of(except.begin(), except.end(), [&](const IpPrefix& prefix) {
               return prefix.contains(address);
           });
}

}  // namespace sluice::kube
