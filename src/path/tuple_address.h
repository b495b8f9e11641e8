// The addresses of a tuple, of either family. Any thread.
#pragma once

#include "path/tuple.h"
#include "wire/address.h"

namespace sluice::path {

inline IpAddress source_of(const Tuple& tuple) noexcept {
    return tuple.key.is_ipv6() ? wire::address_of(tuple.ipv6.source) : wire::address_of(tuple.key.source());
}

inline IpAddress destination_of(const Tuple& tuple) noexcept {
    return tuple.key.is_ipv6() ? wire::address_of(tuple.ipv6.destination)
                               : wire::address_of(tuple.key.destination());
}

// Replaces one end. An echo has `port` as its identifier; of a protocol without ports it stays 0.
void set_source(Tuple& tuple, const IpAddress& address, uint16_t port) noexcept;
void set_destination(Tuple& tuple, const IpAddress& address, uint16_t port) noexcept;
// The source of one and the destination of the other, which are of one connection.
Tuple between(const Tuple& source, const Tuple& destination) noexcept;

}  // namespace sluice::path
