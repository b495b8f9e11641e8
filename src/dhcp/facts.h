// What the network and the asking port offer to one guest: what the answers in DHCP, in DHCPv6 and the router
// advertisements are made of. The answer follows from the port that a message came from, and never from what the
// message says of its sender. Any thread; plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sluice/address.h"

namespace sluice::dhcp {

struct Route {
    IpPrefix to;
    std::optional<IpAddress> via;  // none: on the link

    bool operator==(const Route&) const = default;
};

struct Facts {
    MacAddress router_mac;                    // of the switch in the network
    std::vector<IpAddress> gateways;          // of both families
    std::optional<InterfaceAddress> address;  // the guest's IPv4 address with its length; none: it has none
    std::vector<IpAddress> addresses6;        // its IPv6 addresses
    std::vector<IpPrefix> prefixes6;          // the network's IPv6 subnets
    bool is_on_link = true;                   // stations of these reach each other without the router
    bool is_autonomous = false;               // stations may make addresses of their own in these (RFC 4862)
    std::vector<Route> routes;                // IPv4, beside the default route
    uint16_t mtu = 1500;
    std::vector<IpAddress> name_servers;  // of both families
    std::vector<IpAddress> time_servers;  // of both families
    std::string domain;
    std::vector<std::string> search;
    std::string host_name;  // empty: it has none
    uint32_t lease = 3600;  // seconds

    // The gateway that answers: the first one of IPv4. None: DHCP is not spoken here.
    std::optional<IpAddress> server() const {
        for (const IpAddress& gateway : gateways) {
            if (gateway.is_v4()) return gateway;
        }
        return std::nullopt;
    }
};

// What became of the guest's addresses by its message.
enum class Outcome {
    kNone,      // nothing
    kOffered,   // the guest may ask for them
    kBound,     // it has them for the time of a lease
    kDeclined,  // it has found another station that uses them
    kReleased,  // it needs them no more
};

}  // namespace sluice::dhcp
