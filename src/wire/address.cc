#include "wire/address.h"

namespace sluice::wire {

IpAddress link_local_of(const MacBytes& mac) noexcept {
    return IpAddress{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(mac[0] ^ 2), mac[1], mac[2], 0xff,
                      0xfe, mac[3], mac[4], mac[5]}};
}

Ipv6Bytes solicited_node_of(const Ipv6Bytes& address) noexcept {
    return {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, address[13], address[14], address[15]};
}

MacBytes multicast_mac_of(const Ipv6Bytes& group) noexcept {
    return {0x33, 0x33, group[12], group[13], group[14], group[15]};
}

}  // namespace sluice::wire
