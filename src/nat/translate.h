// Rewrites a packet's addresses and ports, as its flow says: from the tuple that it arrived with to the tuple that
// it leaves with. All checksums on the way are kept as right, or as wrong, as they were (RFC 1624, eqn. 3):
// those of IPv4, TCP, UDP, SCTP and ICMP, and an unfinished one (wire/offload.h), which holds the pseudo-header's
// sum. Worker side; the caller owns the packet's bytes alone.
#pragma once

#include <rte_mbuf.h>

#include <bit>
#include <cstring>

#include "path/tuple.h"
#include "wire/headers.h"
#include "wire/offload.h"

namespace sluice::nat {

// Both of one flow domain, family and protocol.
struct Change {
    path::Tuple arrives;
    path::Tuple leaves;

    Change reversed() const noexcept { return {leaves.reversed(), arrives.reversed()}; }
    // What is done to a packet that was changed, to undo it.
    Change undone() const noexcept { return {leaves, arrives}; }
};

// The same of nearly all packets: TCP or UDP over IPv4. `arrives` and `answers` are the keys of the flow's two
// directions: a packet leaves as the reverse of what its answers arrive as. False, and nothing is changed: the
// packet is for translate().
[[gnu::always_inline]] inline bool translate_plain(rte_mbuf* packet, const path::Connection& connection,
                                                   const path::TupleKey& answers) noexcept;

// Of a packet with a connection. False, and nothing is changed, if its headers don't lie in its first mbuf.
bool translate(rte_mbuf* packet, const path::Connection& connection, const Change& change) noexcept;

// Of a later fragment of such a packet: its addresses alone.
bool translate_later_fragment(rte_mbuf* packet, const path::Connection& connection, const Change& change) noexcept;

// Of an ICMP error about a packet of the flow's. `change` is what was done to the packet that it quotes: the quote
// becomes what the sender of that had sent, and the error goes to that sender (RFC 5508, 4.2). If the end that the
// packet went to tells the error itself, the sender sees it under the address that it knows. Quotes that are cut
// short lose nothing.
bool translate_error(rte_mbuf* packet, const path::Connection& connection, const Change& change) noexcept;

inline bool translate_plain(rte_mbuf* packet, const path::Connection& connection,
                            const path::TupleKey& answers) noexcept {
    constexpr uint64_t kTcpIpv4 = path::TupleKey::make_rest(0, static_cast<uint8_t>(wire::Protocol::kTcp), 4, {});
    constexpr uint64_t kUdpIpv4 = path::TupleKey::make_rest(0, static_cast<uint8_t>(wire::Protocol::kUdp), 4, {});
    constexpr uint64_t kKind = 0x0000'ffff'0000'0000;  // protocol and version
    const path::TupleKey& arrives = connection.key;
    const uint64_t kind = arrives.rest & kKind;
    const bool is_tcp = kind == kTcpIpv4;
    if (unlikely(!is_tcp && kind != kUdpIpv4)) return false;
    // Of both, all that is changed lies in what every packet of theirs has.
    const uint32_t checksum_at = connection.l4_offset + (is_tcp ? 16 : 6);
    if (unlikely(connection.kind != path::PacketKind::kConnection || packet->data_len < checksum_at + 2))
        return false;

    auto* frame = rte_pktmbuf_mtod(packet, uint8_t*);
    uint8_t* ip = frame + (connection.ip - frame);
    const uint64_t addresses = answers.addresses >> 32 | answers.addresses << 32;
    const auto reversed_ports = static_cast<uint32_t>(answers.rest);
    const uint32_t ports = reversed_ports >> 16 | reversed_ports << 16;
    // One's complement sums of words of any size are the same modulo 2^16 - 1 (RFC 1071, 2): the carry out of the
    // upper end is added at the lower one.
    const auto add = [](uint64_t a, uint64_t b) {
        uint64_t sum = 0;
        const bool carry = __builtin_add_overflow(a, b, &sum);
        return sum + (carry ? 1 : 0);
    };
    // What the change adds to a sum, where what is taken away is added as its complement.
    const uint64_t by_addresses = add(~arrives.addresses, addresses);
    const uint64_t by_ports = uint64_t{static_cast<uint32_t>(~arrives.rest)} + ports;
    // Both halves of a sum and of its turn by 16 bits add up to the same: their carry into the upper one is the
    // end-around carry.
    const auto fold = [](uint64_t sum) {
        uint32_t low = static_cast<uint32_t>(sum);
        low += __builtin_add_overflow(low, static_cast<uint32_t>(sum >> 32), &low) ? 1 : 0;
        return static_cast<uint16_t>((low + std::rotl(low, 16)) >> 16);
    };
    std::memcpy(ip + offsetof(wire::Ipv4Header, source), &addresses, sizeof addresses);
    uint16_t field;
    std::memcpy(&field, ip + offsetof(wire::Ipv4Header, checksum), sizeof field);
    field = static_cast<uint16_t>(~fold(add(by_addresses, static_cast<uint16_t>(~field))));
    std::memcpy(ip + offsetof(wire::Ipv4Header, checksum), &field, sizeof field);

    std::memcpy(frame + connection.l4_offset, &ports, sizeof ports);
    std::memcpy(&field, frame + checksum_at, sizeof field);
    if (unlikely(wire::is_unfinished(packet))) {
        field = fold(add(by_addresses, field));
    } else if (is_tcp || field != 0) {
        field = static_cast<uint16_t>(~fold(add(by_addresses, by_ports + static_cast<uint16_t>(~field))));
        if (!is_tcp && field == 0) field = 0xffff;
    }
    std::memcpy(frame + checksum_at, &field, sizeof field);
    return true;
}

}  // namespace sluice::nat
