#include "path/tuple_address.h"

namespace sluice::path {
namespace {

constexpr uint64_t kPorts = UINT32_MAX;
constexpr int kDestinationPort = 16;

// Of IPv6 the key has a digest.
void digest_again(Tuple& tuple) noexcept {
    tuple.key.addresses = digest(tuple.ipv6.source.data(), tuple.ipv6.destination.data());
}

// Which half of a key's ports an end has. An echo's identifier is in both.
void set_port(TupleKey& key, uint16_t port, int shift) noexcept {
    const uint64_t raw = wire::be16(port).raw();
    if (key.is_icmp()) {
        key.rest = (key.rest & ~kPorts) | raw << kDestinationPort | raw;
    } else if (wire::has_ports(static_cast<uint8_t>(key.protocol()))) {
        key.rest = (key.rest & ~(uint64_t{UINT16_MAX} << shift)) | raw << shift;
    }
}

}  // namespace

void set_source(Tuple& tuple, const IpAddress& address, uint16_t port) noexcept {
    set_port(tuple.key, port, 0);
    if (tuple.key.is_ipv6()) {
        tuple.ipv6.source = address.bytes;
        return digest_again(tuple);
    }
    tuple.key.addresses = (tuple.key.addresses & ~uint64_t{UINT32_MAX}) | wire::be32(address.v4()).raw();
}

void set_destination(Tuple& tuple, const IpAddress& address, uint16_t port) noexcept {
    set_port(tuple.key, port, kDestinationPort);
    if (tuple.key.is_ipv6()) {
        tuple.ipv6.destination = address.bytes;
        return digest_again(tuple);
    }
    tuple.key.addresses = (tuple.key.addresses & UINT32_MAX) | uint64_t{wire::be32(address.v4()).raw()} << 32;
}

Tuple between(const Tuple& source, const Tuple& destination) noexcept {
    Tuple tuple = destination;
    set_source(tuple, source_of(source), source.key.source_port().host());
    return tuple;
}

}  // namespace sluice::path
