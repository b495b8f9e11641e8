// What a user may say about mirrors.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/object_name.h"

namespace sluice::mirror {

enum class Direction { kBoth, kIngress, kEgress };

constexpr auto names(Direction) {
    using enum Direction;
    return std::array{base::Name{kBoth, "both"}, base::Name{kIngress, "ingress"},
                      base::Name{kEgress, "egress"}};
}

// Copies of what passes some ports, to another port. Ingress: what comes from a port, as it came;
// egress: what leaves by it, as it leaves.
struct MirrorConfig {
    std::string name;
    std::vector<std::string> from;
    std::string to;
    Direction direction = Direction::kBoth;
    std::string filter;  // tcpdump's language; empty: everything
    base::Place place;

    bool operator==(const MirrorConfig&) const = default;
};

template <class V>
void fields(V& v, MirrorConfig& m) {
    v.required("name", m.name);
    v.check("name", base::is_object_name(m.name), base::kObjectNameRule);
    v.required("from", m.from);
    v.required("to", m.to);
    v.optional("direction", m.direction);
    v.optional("filter", m.filter);
}

}  // namespace sluice::mirror
