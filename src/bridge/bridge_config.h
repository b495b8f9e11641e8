// What a user may say about a network that is bridged.
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

struct NetworkConfig {
    std::string name;
    std::vector<IpPrefix> subnets;
    uint16_t vlan = 0;                // VLAN ID on trunk ports (IEEE 802.1Q); 0: none
    uint32_t ageing = 300;            // seconds (IEEE 802.1Q, table 8-6)
    uint32_t mac_table_size = 8192;   // addresses
    std::vector<StaticConfig> static_macs;
    base::Place place;

    bool operator==(const NetworkConfig&) const = default;
};

template <class V>
void fields(V& v, NetworkConfig& n) {
    v.required("name", n.name);
    v.check("name", base::is_object_name(n.name), base::kObjectNameRule);
    v.optional("subnets", n.subnets);
    v.optional("vlan", n.vlan, base::Range{0, 4094});
    v.optional("ageing", n.ageing, base::Range{1, 1'000'000});
    v.optional("mac-table-size", n.mac_table_size, base::Range{16, 1 << 22});
    v.optional("static", n.static_macs);
}

}  // namespace sluice::bridge
