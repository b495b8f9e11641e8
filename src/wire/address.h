// Conversions between addresses in packets and the rest of the switch's (sluice/address.h), and addresses that
// are derived from others. Any thread.
#pragma once

#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::wire {

inline constexpr MacBytes kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr Ipv6Bytes kAllNodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

constexpr bool is_group(const MacBytes& mac) noexcept { return (mac[0] & 1) != 0; }

inline IpAddress address_of(be32 address) noexcept { return IpAddress::from_v4(address.host()); }
inline IpAddress address_of(const Ipv6Bytes& bytes) noexcept { return IpAddress{bytes}; }

// fe80::/64 with the interface identifier of a MAC, modified EUI-64 (RFC 4291, appendix A).
IpAddress link_local_of(const MacBytes& mac) noexcept;

// The solicited-node multicast address of an IPv6 address (RFC 4291, 2.7.1).
Ipv6Bytes solicited_node_of(const Ipv6Bytes& address) noexcept;

// The MAC of an IPv6 multicast address (RFC 2464, 7).
MacBytes multicast_mac_of(const Ipv6Bytes& group) noexcept;

}  // namespace sluice::wire
