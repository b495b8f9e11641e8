// The configuration of mirrors.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/mistakes.h"
#include "base/object_name.h"

namespace sluice::mirror {

// As seen by the switch. (`ingress` and `egress`, as in ACLs, are seen by the guest.)
enum class Direction { kBoth, kReceived, kTransmitted };

constexpr auto names(Direction) {
    using enum Direction;
    return std::array{base::Name{kBoth, "both"}, base::Name{kReceived, "rx"}, base::Name{kTransmitted, "tx"}};
}

// Copies of the packets of some ports to another port: packets that the switch receives there, as they arrive,
// and packets that it transmits there, as they leave.
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

// What is wrong with the mirrors among themselves. False: the file has too many, and no further check is worth
// its time.
bool check(const std::vector<MirrorConfig>& mirrors, base::Mistakes& mistakes);

}  // namespace sluice::mirror
