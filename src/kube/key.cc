#include "kube/key.h"

#include <fmt/format.h>

namespace sluice::kube {

std::optional<Kind> find_kind(std::string_view word) {
    for (const auto& [kind, known] : names(Kind{})) {
        if (known == word) return kind;
    }
    return std::nullopt;
}

bool has_namespace(Kind kind) {
    return kind != Kind::kNamespace && kind != Kind::kNode;
}

std::string Key::text() const {
    const std::string word = base::lower(base::word_of(kind));
    return name_space.empty() ? fmt::format("{} {}", word, name) : fmt::format("{} {}/{}", word, name_space, name);
}

}  // namespace sluice::kube
