// What a user may say about a network: a bridge, which may also be routed and span hosts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address_range.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/mistakes.h"
#include "base/object_name.h"
#include "bridge/bridge_config.h"
#include "dhcp/dhcp_config.h"
#include "dns/dns_config.h"
#include "route/route_config.h"
#include "vxlan/vxlan_config.h"

namespace sluice::network {

// Which addresses of its subnets a network gives to containers that ask for none. The gateway's and those that
// ports declare are never among them.
struct IpamConfig {
    std::vector<base::AddressRange> ranges;  // empty: all of the subnets
    std::vector<base::AddressRange> exclude;

    bool operator==(const IpamConfig&) const = default;
};

template <class V>
void fields(V& v, IpamConfig& i) {
    v.optional("ranges", i.ranges);
    v.optional("exclude", i.exclude);
}

struct NetworkConfig {
    std::string name;
    std::vector<IpPrefix> subnets;
    uint16_t vlan = 0;                // VLAN ID on trunk ports (IEEE 802.1Q); 0: none
    uint32_t ageing = 300;            // seconds (IEEE 802.1Q, table 8-6)
    uint32_t mac_table_size = 8192;   // addresses
    std::vector<bridge::StaticConfig> static_macs;
    std::vector<IpAddress> gateway;   // of the switch itself; none: not routed
    std::optional<MacAddress> gateway_mac;  // of the gateway; none: derived, see router_mac()
    bool flat = false;                // no bridging: every packet is routed
    std::string domain = std::string(route::kMainDomain);
    std::optional<vxlan::OverlayConfig> vxlan;
    IpamConfig ipam;
    dns::NetworkDnsConfig dns;
    std::optional<dhcp::DhcpConfig> dhcp;  // none: guests get no addresses from here
    base::Place place;

    bool operator==(const NetworkConfig&) const = default;

    bool is_routed() const noexcept { return flat || !gateway.empty(); }
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
    v.optional("gateway", n.gateway);
    v.optional("gateway-mac", n.gateway_mac);
    v.optional("flat", n.flat);
    v.optional("domain", n.domain);
    v.optional("vxlan", n.vxlan);
    v.optional("ipam", n.ipam);
    v.optional("dns", n.dns);
    v.optional("dhcp", n.dhcp);
    v.check(
        "dhcp",
        !n.dhcp || (!n.gateway.empty() && !n.subnets.empty()) || v.is_wrong("gateway") || v.is_wrong("subnets"),
        "needs `subnets`, of which guests get addresses, and a `gateway`, which answers them: give both");
    v.check("domain", base::is_object_name(n.domain), base::kObjectNameRule);
    v.check("gateway-mac", !n.gateway_mac || n.is_routed() || v.is_wrong("gateway") || v.is_wrong("flat"),
            "is of no use without a `gateway`");
    v.check("gateway-mac",
            !n.gateway_mac || (!n.gateway_mac->is_multicast() && !n.gateway_mac->is_zero()),
            "is a group or zero address, which no router has");
    v.check("vxlan", !n.vxlan || !n.flat,
            "spans hosts with a bridge, which a `flat` network has not: leave out one of them");
}

// What is wrong with the networks among themselves: their names, subnets, gateways and static addresses.
void check(const std::vector<NetworkConfig>& networks, base::Mistakes& mistakes);

}  // namespace sluice::network
