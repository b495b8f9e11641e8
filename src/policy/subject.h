// What policies ask of a packet, as an ACL's subject: of a tuple, with what its first packet showed beside it.
// Worker side.
#pragma once

#include <cstdint>

#include "acl/subject.h"
#include "path/tuple.h"

namespace sluice::policy {


// What a rule may ask of a connection's first packet beside its tuple. Kept with the flow, to be asked again.
struct FirstPacket {
    uint8_t tcp_flags;
    uint8_t icmp_type;
    uint8_t icmp_code;
    uint8_t dscp : 6;
    uint8_t fragment : 1;  // the first of several
    uint8_t unused : 1;
};
static_assert(sizeof(FirstPacket) == sizeof(uint32_t));

FirstPacket first_packet_of(const path::Connection& connection) noexcept;
acl::Subject subject_of(const path::Tuple& tuple, const FirstPacket& first) noexcept;
acl::Subject subject_of(const path::Connection& connection) noexcept;

}  // namespace sluice::policy
