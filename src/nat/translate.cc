#include "nat/translate.h"

#include <rte_hash_crc.h>

#include <algorithm>
#include <cstring>

#include "path/tuple_address.h"
#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/layers.h"
#include "wire/offload.h"

namespace sluice::nat {
namespace {

using path::Connection;
using path::Tuple;
using wire::Protocol;

// What is added to a one's complement sum where `before` becomes `after`.
uint64_t difference(uint32_t before, uint32_t after) noexcept {
    return uint64_t{static_cast<uint32_t>(~before)} + after;
}
uint64_t difference(uint64_t before, uint64_t after) noexcept {
    return difference(static_cast<uint32_t>(before), static_cast<uint32_t>(after)) +
           difference(static_cast<uint32_t>(before >> 32), static_cast<uint32_t>(after >> 32));
}
uint64_t difference(const wire::Ipv6Bytes& before, const wire::Ipv6Bytes& after) noexcept {
    return difference(wire::load64(before.data()), wire::load64(after.data())) +
           difference(wire::load64(before.data() + 8), wire::load64(after.data() + 8));
}

uint16_t folded(uint64_t sum) noexcept {
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

uint16_t load16(const uint8_t* at) noexcept {
    uint16_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}
void store16(uint8_t* at, uint16_t word) noexcept {
    std::memcpy(at, &word, sizeof word);
}
void store32(uint8_t* at, uint32_t word) noexcept {
    std::memcpy(at, &word, sizeof word);
}

// Of a finished checksum.
void add_to_checksum(uint8_t* at, uint64_t sum) noexcept {
    store16(at, static_cast<uint16_t>(~folded(uint64_t{static_cast<uint16_t>(~load16(at))} + sum)));
}

uint64_t address_difference(const Tuple& before, const Tuple& after) noexcept {
    if (!before.key.is_ipv6()) return difference(before.key.addresses, after.key.addresses);
    return difference(before.ipv6.source, after.ipv6.source) +
           difference(before.ipv6.destination, after.ipv6.destination);
}

uint32_t ports_of(const Tuple& tuple) noexcept {
    return static_cast<uint32_t>(tuple.key.rest);
}

// Both addresses, and IPv4's checksum.
void write_addresses(uint8_t* ip, const Tuple& before, const Tuple& after) noexcept {
    if (before.key.is_ipv6()) {
        std::memcpy(ip + offsetof(wire::Ipv6Header, source), &after.ipv6, sizeof after.ipv6);
        return;
    }
    std::memcpy(ip + offsetof(wire::Ipv4Header, source), &after.key.addresses, sizeof after.key.addresses);
    add_to_checksum(ip + offsetof(wire::Ipv4Header, checksum),
                    difference(before.key.addresses, after.key.addresses));
}

// How much of its header a protocol must show to be translated, and where the checksum stands whose pseudo-header
// has the addresses; 0: nowhere.
struct Shape {
    uint16_t size = 0;
    uint16_t checksum = 0;
    bool has_ports = false;
};
constexpr uint8_t kUdpLite = 136;
constexpr uint8_t kDccp = 33;

Shape shape_of(Protocol protocol) noexcept {
    switch (protocol) {
        case Protocol::kTcp:
            return {18, 16, true};
        case Protocol::kUdp:
            return {8, 6, true};
        case Protocol::kSctp:
            return {12, 0, true};
        case Protocol::kIcmp:
        case Protocol::kIcmpv6:
            return {8, 2, false};
        default:
            break;
    }
    const auto number = static_cast<uint8_t>(protocol);
    return number == kUdpLite || number == kDccp ? Shape{8, 6, false} : Shape{};
}

// Ports change, so the checksum over all bytes does (CRC32c; RFC 9260, 6.8). The code is linear: what changes in
// it is the code of what changes in the text, which is zeros behind the ports. It stays wrong if it was.
void write_sctp_ports(uint8_t* l4, uint32_t size, uint32_t ports) noexcept {
    constexpr size_t kChecksum = 8;
    alignas(uint64_t) static constexpr uint8_t kZeros[64]{};  // as they are read
    const uint32_t changed = wire::load32(l4) ^ ports;
    if (changed == 0) return;
    uint32_t code = rte_hash_crc(&changed, sizeof changed, 0);
    for (uint32_t left = size - sizeof changed; left != 0;) {
        const uint32_t part = std::min<uint32_t>(left, sizeof kZeros);
        code = rte_hash_crc(kZeros, part, code);
        left -= part;
    }
    store32(l4 + kChecksum, wire::load32(l4 + kChecksum) ^ code);
    store32(l4, ports);
}

// The L4 header that begins at `l4`, of which `size` bytes can be written, of `whole` bytes of payload. `adds` is
// what the change of the addresses adds to a sum. Of a quote nothing is expected to be whole.
enum class Text : bool { kPacket, kQuote };
void translate_l4(uint8_t* l4, uint32_t size, uint32_t whole, const Tuple& before, const Tuple& after,
                  uint64_t adds, bool is_unfinished, Text text) noexcept {
    const Protocol protocol = before.key.protocol();
    const Shape shape = shape_of(protocol);
    if (protocol == Protocol::kSctp) {
        if (text == Text::kPacket) return write_sctp_ports(l4, whole, ports_of(after));
        return store32(l4, ports_of(after));
    }
    uint64_t sum = protocol == Protocol::kIcmp ? 0 : adds;
    if (shape.has_ports) {
        // An unfinished checksum holds the sum of the pseudo-header, which has no ports.
        if (!is_unfinished) sum += difference(ports_of(before), ports_of(after));
        store32(l4, ports_of(after));
    } else if (before.key.is_icmp()) {
        constexpr size_t kIdentifier = 4;
        const auto from = static_cast<uint16_t>(ports_of(before));
        const auto to = static_cast<uint16_t>(ports_of(after));
        sum += difference(uint32_t{from}, uint32_t{to});
        store16(l4 + kIdentifier, to);
    }
    if (shape.checksum == 0 || size < shape.checksum + sizeof(uint16_t)) return;
    uint8_t* checksum = l4 + shape.checksum;
    if (is_unfinished) return store16(checksum, folded(uint64_t{load16(checksum)} + sum));
    const bool is_udp = protocol == Protocol::kUdp;
    if (is_udp && load16(checksum) == 0) return;  // it has none (RFC 768)
    add_to_checksum(checksum, sum);
    // Both zeros fit, but over bytes that are all zero, as an ICMP message's may be, only this one. In UDP the
    // other one says that there is no checksum.
    const bool has_one_zero = is_udp || protocol == Protocol::kIcmp;
    if (has_one_zero && load16(checksum) == 0) store16(checksum, 0xffff);
}

uint8_t* ip_of(rte_mbuf* packet, const Connection& connection) noexcept {
    return rte_pktmbuf_mtod(packet, uint8_t*) + (connection.ip - rte_pktmbuf_mtod(packet, const uint8_t*));
}

// The end of the datagram by its own length, as an offset from its IP header.
uint32_t size_of(const uint8_t* ip, bool is_ipv6) noexcept {
    if (is_ipv6)
        return sizeof(wire::Ipv6Header) + reinterpret_cast<const wire::Ipv6Header*>(ip)->payload_size.host();
    return reinterpret_cast<const wire::Ipv4Header*>(ip)->total_size.host();
}

}  // namespace

bool translate(rte_mbuf* packet, const Connection& connection, const Change& change) noexcept {
    const Shape shape = shape_of(change.arrives.key.protocol());
    const uint32_t needed = uint32_t{connection.l4_offset} + shape.size;
    if (packet->data_len < needed) wire::gather_headers(packet, static_cast<uint16_t>(needed));
    if (packet->data_len < needed) return false;
    uint8_t* ip = ip_of(packet, connection);
    uint8_t* l4 = rte_pktmbuf_mtod(packet, uint8_t*) + connection.l4_offset;
    const uint32_t whole = size_of(ip, connection.is_ipv6()) - static_cast<uint32_t>(l4 - ip);
    const bool is_sctp = change.arrives.key.protocol() == Protocol::kSctp;
    // The rest of its bytes is in other fragments.
    if (is_sctp && connection.first_fragment && ports_of(change.arrives) != ports_of(change.leaves)) return false;
    const uint64_t adds = address_difference(change.arrives, change.leaves);
    write_addresses(ip, change.arrives, change.leaves);
    translate_l4(l4, packet->data_len - connection.l4_offset, whole, change.arrives, change.leaves, adds,
                 wire::is_unfinished(packet), Text::kPacket);
    return true;
}

bool translate_later_fragment(rte_mbuf* packet, const Connection& connection, const Change& change) noexcept {
    write_addresses(ip_of(packet, connection), change.arrives, change.leaves);
    return true;
}

bool translate_error(rte_mbuf* packet, const Connection& connection, const Change& change) noexcept {
    const bool is_ipv6 = connection.is_ipv6();
    const uint32_t quote = uint32_t{connection.l4_offset} + sizeof(wire::IcmpHeader);
    const uint32_t header = is_ipv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header);
    constexpr uint32_t kMostQuoted = 60 + 20;  // IPv4 with all options, and TCP
    wire::gather_headers(packet, static_cast<uint16_t>(quote + kMostQuoted));
    if (packet->data_len < quote + header) return false;
    uint8_t* frame = rte_pktmbuf_mtod(packet, uint8_t*);
    uint8_t* inner = frame + quote;
    const auto protocol = static_cast<uint8_t>(change.leaves.key.protocol());
    uint32_t inner_l4 = header;
    if (is_ipv6) {
        // Behind extension headers nobody looks for its ports.
        if (reinterpret_cast<const wire::Ipv6Header*>(inner)->next != protocol) return false;
    } else {
        inner_l4 = reinterpret_cast<const wire::Ipv4Header*>(inner)->header_size();
    }
    // What stands behind the datagram is no part of the quote: no checksum covers it.
    uint8_t* ip = ip_of(packet, connection);
    const uint32_t datagram = static_cast<uint32_t>(ip - frame) + size_of(ip, is_ipv6);
    const uint32_t end = std::min<uint32_t>(packet->data_len, datagram);
    constexpr uint32_t kLeast = 8;  // that every error quotes (RFC 792)
    if (end < quote + inner_l4 + kLeast) return false;
    const uint32_t room = end - quote;

    // The quote shows the packet as it left, and is to show it as it had arrived.
    const uint32_t shown = std::min<uint32_t>(room, inner_l4 + 20) & ~1U;
    const wire::Sum before = wire::sum_of(inner, shown);
    write_addresses(inner, change.leaves, change.arrives);
    translate_l4(inner + inner_l4, room - inner_l4, 0, change.leaves, change.arrives,
                 address_difference(change.leaves, change.arrives), false, Text::kQuote);
    uint64_t sum = difference(uint32_t{wire::fold(before)}, uint32_t{wire::fold(wire::sum_of(inner, shown))});

    // Whoever tells it stands where the destination's real address is known, which the packet's sender is not to
    // see: it comes from the address that the sender had asked for.
    const bool hides_destination = !(path::destination_of(change.arrives) == path::destination_of(change.leaves));
    Tuple from = connection.tuple();
    Tuple to = from;
    if (is_ipv6) {
        to.ipv6.destination = change.arrives.ipv6.source;
        if (hides_destination) to.ipv6.source = change.arrives.ipv6.destination;
        sum += address_difference(from, to);
    } else {
        const uint32_t source = (hides_destination ? change.arrives.key.destination() : from.key.source()).raw();
        to.key.addresses = uint64_t{source} | uint64_t{change.arrives.key.source().raw()} << 32;
    }
    write_addresses(ip, from, to);
    add_to_checksum(frame + connection.l4_offset + offsetof(wire::IcmpHeader, checksum), sum);
    return true;
}

}  // namespace sluice::nat
