// What a user may say about the stations of a bridge.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/object_name.h"
#include "sluice/address.h"

namespace sluice::bridge {

// A MAC address that is always behind one port, whatever is learned.
struct StaticConfig {
    MacAddress mac;
    std::string port;
    base::Place place;

    bool operator==(const StaticConfig&) const = default;
};

template <class V>
void fields(V& v, StaticConfig& s) {
    v.required("mac", s.mac);
    v.required("port", s.port);
    v.check("mac", !s.mac.is_multicast() && !s.mac.is_zero(),
            "is a group or zero address, which no station has");
}

}  // namespace sluice::bridge
