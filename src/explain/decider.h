// Which object of the configuration decided that a packet was dropped: the port whose settings it broke,
// the network that has no place for it, the route that says so, the ACL rule. For some reasons there is
// none. What is told is what the configuration says now; a number that was
// another's when the packet was dropped is nobody's. Where the packet itself is wrong, the port that it came from
// is named. Control thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/switch.h"
#include "path/drop_log.h"

namespace sluice::explain {

struct Object {
    std::string kind;   // as the configuration's section has it, in the singular: "port", "route"
    std::string name;
    base::Place place;  // none: added while running
};

// {"kind", "name", "file", "line", "column"}; line 0: no place.
nlohmann::json to_json(const Object& object);
// "port web (host.yaml:12:5)"
std::string text(const Object& object);

// `destination` where it is known better than the frame's first bytes say: out of a tunnel, behind a tag.
std::optional<Object> decider_of(const engine::Switch& running, const path::DropRecord& record,
                                 const std::optional<IpAddress>& destination = std::nullopt);

// Of a packet that was dropped because it is not known where its next station is: that station. Nothing where the
// routes don't tell.
std::optional<IpAddress> neighbor_of(const engine::Switch& running, const path::DropRecord& record);

// A port's name, or "tunnel 192.0.2.2"; empty for one that has gone since that time (TSC), and for none.
std::string place_name(const engine::Switch& running, path::PortId id, uint64_t time);
// Empty likewise. The underlay's is "(underlay)".
std::string network_name(const engine::Switch& running, path::NetworkId id, uint64_t time);

}  // namespace sluice::explain
