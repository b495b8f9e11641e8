// What a router says of a packet that it doesn't pass on, and what it answers for itself: ICMP
// (RFC 792, RFC 1812, 4.3) and ICMPv6 (RFC 4443). How often it may say so (RFC 1812, 4.3.2.8; RFC 4443,
// 2.4 (f)), what its own addresses are and which of them are broadcast addresses of a subnet is for the
// caller to know.
//
// Packets here begin with an Ethernet header, their IP header at `l3_offset` is as check_ipv4() or
// check_ipv6() wants it (ip_check.h), and they have as many mbufs as they like. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::wire {

// Both families' errors under one name; the comments name ICMP's and ICMPv6's type.
enum class IcmpErrorKind : uint8_t {
    kNoRoute,              // network unreachable; no route to destination
    kHostUnreachable,      // host unreachable; address unreachable: nobody there answers
    kProhibited,           // communication administratively prohibited
    kProtocolUnreachable,  // protocol unreachable; parameter problem, unrecognized next header
    kPortUnreachable,
    kTooBig,               // fragmentation needed and DF set; packet too big
    kTimeExceeded,         // in transit
};

struct IcmpError {
    IcmpErrorKind kind;
    uint16_t mtu = 0;       // of the link ahead, IP header included: for kTooBig
    uint32_t most = 65535;  // bytes of IP that the way back to the sender carries
};

// Whether there may be an error about a packet at all. Not about ICMP errors and redirects, not about
// what was sent to more than one station (but ICMPv6's "too big", RFC 4443, 2.4 (e.3)), not to a source
// that isn't one host, and not about fragments but the first (RFC 1812, 4.3.2.7; for IPv6 it is our
// choice, since there what a later one carries can't be told). Not either about what can't be read.
bool may_answer_with_error(const rte_mbuf* m, uint16_t l3_offset, IcmpErrorKind kind) noexcept;

// The error about a packet as it was received (before a hop is taken off), from an address of its
// family: a frame of one mbuf whose IP header is at offset 14, behind an Ethernet header with an
// EtherType and no addresses yet. It quotes as much as fits in 576 bytes of IPv4 or 1280 of IPv6, and
// on the way back, but an IP header and 8 bytes at least (RFC 792). The mbuf is the caller's; null if the pool is
// dry or its buffers hold no quote.
rte_mbuf* build_icmp_error(rte_mempool* pool, const rte_mbuf* offending, uint16_t l3_offset,
                           IcmpError error, const IpAddress& source) noexcept;

// What an ICMP message for one of the switch's own addresses tells about a packet that the switch has sent.
struct IcmpReport {
    enum class Kind : uint8_t {
        kEchoReply,
        kTooBig,           // for a link on its way
        kUnreachable,      // or its TTL ran out: it went no further
        kPortUnreachable,  // it arrived, and nobody listens there
    };
    Kind kind;
    IpAddress from;         // who sent the message
    uint16_t id = 0;        // of an echo reply
    // Of an error: the packet that it quotes, which is UDP and no fragment.
    IpAddress source{};
    IpAddress destination{};
    be16 source_port{};
    be16 destination_port{};
    uint32_t size = 0;      // of the packet, IP header included
    bool may_be_fragmented = false;  // by a router: IPv4 without DF
    uint32_t mtu = 0;       // of kTooBig: of the link ahead; 0: the router doesn't say (RFC 1191, 5)
    uint32_t rest = 0;      // where in the frame what follows the UDP header is quoted
    uint32_t end = 0;       // where the quote ends
};
// Nothing of other messages, of quotes that end before their UDP header does, and of wrong checksums.
std::optional<IcmpReport> read_icmp_report(const rte_mbuf* m, uint16_t l3_offset) noexcept;

// An echo request between addresses of one family: a frame of one mbuf as build_icmp_error() makes it. Null
// if the pool is dry.
rte_mbuf* build_echo_request(rte_mempool* pool, const IpAddress& from, const IpAddress& to, uint16_t id,
                             uint16_t sequence) noexcept;

// What a packet for one of the switch's own addresses wants.
enum class LocalPacket : uint8_t {
    kEchoRequest,  // make_echo_reply()
    kUdp,
    kTcp,
    kOther,       // another protocol: unreachable
    kNoAnswer,    // other ICMP, Neighbor Discovery among it, and IPv6 without a next header
    kFragment,    // the first or a later one: reassembly is not the switch's
    kMalformed,   // ends within its headers
};
LocalPacket classify_local(const rte_mbuf* m, uint16_t l3_offset) noexcept;

// Turns an echo request into its reply, in place: addresses, type, a fresh TTL, checksums; IPv4 options
// become no-operations. The Ethernet header stays as it is. False, with nothing changed, where there is
// nothing to answer: a wrong ICMP checksum, a fragment, extension headers, a request to or from what
// isn't one host. The caller owns the packet's bytes alone.
bool make_echo_reply(rte_mbuf* m, uint16_t l3_offset) noexcept;

}  // namespace sluice::wire
