// The facts about one packet that an ACL's rules can use. The caller fills it in. Plain values, any thread.
#pragma once

#include <cstdint>

#include "wire/big_endian.h"
#include "wire/headers.h"

namespace sluice::acl {

struct Subject {
    bool is_ip = true;
    uint16_t ether_type = 0;                       // of a frame that is not IP; the other fields are then unset
    bool ipv6 = false;
    wire::be32 source{0}, destination{0};          // of an IPv4 packet
    wire::Ipv6Bytes source6{}, destination6{};     // of an IPv6 packet
    uint8_t protocol = 0;                          // of the header behind IP and its extensions
    bool has_ports = false;                        // it has a TCP, UDP or SCTP header
    uint16_t source_port = 0, destination_port = 0;  // host order
    uint8_t icmp_type = 0, icmp_code = 0;
    uint8_t tcp_flags = 0;                         // as in the header: FIN is 1, CWR 128
    uint8_t dscp = 0;                              // 6 bits
    bool fragment = false;                         // any fragment, the first one included
    bool later_fragment = false;                   // any but the first: it has no header behind IP's

    // A missing header matches no rule that has a condition for it.
    bool has_icmp() const noexcept {
        const auto p = wire::Protocol{protocol};
        return (p == wire::Protocol::kIcmp || p == wire::Protocol::kIcmpv6) && !later_fragment;
    }
    bool has_tcp_flags() const noexcept {
        return wire::Protocol{protocol} == wire::Protocol::kTcp && has_ports;
    }
};

}  // namespace sluice::acl
