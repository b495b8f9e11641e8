// What workers and the protocol thread tell each other: a message from a station to the switch that takes more
// than a worker has time for (a name to be resolved, an address to be given), without its headers, and what the
// switch says to that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::punt {

enum class Kind : uint8_t {
    kUdp,     // the payload of a datagram
    kTcp,     // a segment with its payload
    kIcmpv6,  // the message, from its type on; its checksum is anything
};

// The most bytes of a message: what a frame of ordinary size carries.
inline constexpr size_t kMostBytes = 1480;

// Of a message, in both directions.
struct Head {
    Kind kind;
    path::WorkerId worker;  // that the station's message came to, and which sends the answer
    path::NetworkId network;
    path::PortId port;  // the station's
    uint64_t serial;    // that port's, port::Port::serial(): an answer isn't for the next port with its id
    uint64_t mac;       // the station's, path::mac_key()
    IpAddress station;
    IpAddress own;  // the switch's, or the group that the station sent to
    uint16_t station_port;
    uint16_t own_port;
    // Of kTcp (RFC 9293, 3.1).
    uint32_t sequence;
    uint32_t acknowledgement;
    uint16_t window;
    uint8_t flags;
};

struct Message {
    Head head;
    uint16_t size;
    std::array<std::byte, kMostBytes> bytes;

    std::span<const std::byte> payload() const noexcept { return {bytes.data(), size}; }
};

}  // namespace sluice::punt
