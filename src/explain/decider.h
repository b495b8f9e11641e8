// The configuration objects that decided a drop: the port whose settings the packet violated, the network without
// a receiver for it, its route, the ACL rule, the NetworkPolicies that refuse it together. Some reasons have none.
// The answer uses the present configuration; if the id of a port or network has been reused since the drop, no
// object is named. If the packet itself is invalid, its ingress port is named. Control thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/switch.h"
#include "path/drop_log.h"

namespace sluice::explain {

struct Object {
    std::string kind;   // the configuration's section in the singular: "port", "route"
    std::string name;
    base::Place place;  // empty: it was added at run time
};

// {"kind", "name", "file", "line", "column"}; line 0: no place.
nlohmann::json to_json(const Object& object);
// "port web (host.yaml:12:5)"
std::string text(const Object& object);
std::string text(const std::vector<Object>& objects);

// `destination`: if it is known better than from the frame's first bytes (out of a tunnel, behind a tag).
std::vector<Object> deciders_of(const engine::Switch& running, const path::DropRecord& record,
                                const std::optional<IpAddress>& destination = std::nullopt);

// For a packet that was dropped because its next hop is not resolved: the address of that next hop. None if the
// routes do not tell it.
std::optional<IpAddress> neighbor_of(const engine::Switch& running, const path::DropRecord& record);

// A port's name, or "tunnel 192.0.2.2". Empty for no port, and for one that has gone since `time` (TSC).
std::string place_name(const engine::Switch& running, path::PortId id, uint64_t time);
// Likewise for networks. The underlay's is "(underlay)".
std::string network_name(const engine::Switch& running, path::NetworkId id, uint64_t time);

}  // namespace sluice::explain
