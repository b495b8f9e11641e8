// Router advertisements (RFC 4861) with name servers and search domains (RFC 8106). Their guests get addresses by
// DHCPv6: the flags M and O are set. Any thread.
#pragma once

#include "dhcp/bytes.h"
#include "dhcp/facts.h"

namespace sluice::dhcp {

// How long guests use the router without another advertisement, and how often one is sent to all (RFC 4861,
// 6.2.1): three may be lost.
inline constexpr uint32_t kRouterLifetime = 1800;        // seconds
inline constexpr uint32_t kAdvertisementInterval = 400;  // seconds

// The whole ICMPv6 message, with a checksum of 0. To be sent with a hop limit of 255 from the router's link-local
// address. It is the same for a guest that has asked and for all.
Bytes router_advertisement(const Facts& facts);

}  // namespace sluice::dhcp
