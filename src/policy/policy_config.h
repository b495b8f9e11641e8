// What a user may say about pods that no NetworkPolicy selects.
#pragma once

#include <array>

#include "base/error.h"
#include "base/fields.h"

namespace sluice::policy {

enum class Default { kAllow, kDeny };

constexpr auto names(Default) {
    return std::array{base::Name{Default::kAllow, "allow"}, base::Name{Default::kDeny, "deny"}};
}

struct PolicyConfig {
    // For a pod of this host, in a direction in which no NetworkPolicy selects it.
    Default otherwise = Default::kAllow;
    base::Place place;  // of its mapping

    bool operator==(const PolicyConfig&) const = default;
};

template <class V>
void fields(V& v, PolicyConfig& p) {
    v.optional("default", p.otherwise);
}

}  // namespace sluice::policy
