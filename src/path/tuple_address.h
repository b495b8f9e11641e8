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

}  // namespace sluice::path
