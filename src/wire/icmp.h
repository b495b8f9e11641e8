// ICMP of a router: errors about packets that it does not forward, and answers for its own addresses (ICMP: RFC
// 792, RFC 1812, 4.3; ICMPv6: RFC 4443). The caller limits the rate (RFC 1812, 4.3.2.8; RFC 4443, 2.4 (f)) and
// knows the router's own addresses and which of them are broadcast addresses of a subnet.
//
// Packets here begin with an Ethernet header. Their IP header at `l3_offset` has passed check_ipv4() or
// check_ipv6() (ip_check.h). They may have any number of mbufs. Workers.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>

#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::wire {

// The errors of both families under one name. The comments give ICMP's type, then ICMPv6's.
enum class IcmpErrorKind : uint8_t {
    kNoRoute,              // network unreachable; no route to destination
    kHostUnreachable,      // host unreachable; address unreachable: no station answers for the address
    kProhibited,           // communication administratively prohibited
    kProtocolUnreachable,  // protocol unreachable; parameter problem, unrecognized next header
    kPortUnreachable,
    kTooBig,               // fragmentation needed and DF set; packet too big
    kTimeExceeded,         // in transit
};

struct IcmpError {
    IcmpErrorKind kind;
    uint16_t mtu = 0;       // of the next link, IP header included; for kTooBig
    uint32_t most = 65535;  // the largest IP packet that the way back to the sender carries
};

// Whether an error about a packet is allowed at all. It is not for ICMP errors and redirects, for packets that
// were sent to more than one station (except ICMPv6's "too big", RFC 4443, 2.4 (e.3)), for a source that is not
// one host, for fragments other than the first (RFC 1812, 4.3.2.7; our choice for IPv6, because a later fragment
// does not tell what it carries), and for unreadable packets.
bool may_answer_with_error(const rte_mbuf* m, uint16_t l3_offset, IcmpErrorKind kind) noexcept;

// Builds the error about a packet as it was received (before its TTL is decremented), from a source address of
// the same family. The frame is one mbuf with the IP header at offset 14, behind an Ethernet header with an
// EtherType and no addresses yet. It quotes as much as fits in 576 bytes of IPv4, in 1280 bytes of IPv6, and on
// the way back, but at least an IP header and 8 bytes (RFC 792). The mbuf belongs to the caller. Null if the pool
// is empty or its buffers are too small for a quote.
rte_mbuf* build_icmp_error(rte_mempool* pool, const rte_mbuf* offending, uint16_t l3_offset,
                           IcmpError error, const IpAddress& source) noexcept;

// The content of an ICMP message to one of the switch's own addresses about a packet that the switch has sent.
struct IcmpReport {
    enum class Kind : uint8_t {
        kEchoReply,
        kTooBig,           // too big for a link on the packet's way
        kUnreachable,      // not delivered: unreachable, or its TTL ran out
        kPortUnreachable,  // delivered, but no socket listens on the port
    };
    Kind kind;
    IpAddress from;         // the sender of the message
    uint16_t id = 0;        // of an echo reply
    // Of an error: the packet that it quotes. It is UDP and no fragment.
    IpAddress source{};
    IpAddress destination{};
    be16 source_port{};
    be16 destination_port{};
    uint32_t size = 0;      // of the packet, IP header included
    bool may_be_fragmented = false;  // by a router, since it is IPv4 without DF
    uint32_t mtu = 0;       // of kTooBig: of the next link; 0 if the router does not tell it (RFC 1191, 5)
    uint32_t rest = 0;      // offset in the frame of the quoted bytes after the UDP header
    uint32_t end = 0;       // where the quote ends
};
// Returns nothing for other messages, for quotes that end before the end of their UDP header, and for wrong
// checksums.
std::optional<IcmpReport> read_icmp_report(const rte_mbuf* m, uint16_t l3_offset) noexcept;

// Builds an echo request between addresses of one family: a frame of one mbuf, laid out as by build_icmp_error().
// Null if the pool is empty.
rte_mbuf* build_echo_request(rte_mempool* pool, const IpAddress& from, const IpAddress& to, uint16_t id,
                             uint16_t sequence) noexcept;

// The kinds of packets to one of the switch's own addresses.
enum class LocalPacket : uint8_t {
    kEchoRequest,  // make_echo_reply()
    kUdp,
    kTcp,
    kOther,       // another protocol: unreachable
    kNoAnswer,    // other ICMP, Neighbor Discovery among it, and IPv6 without a next header
    kFragment,    // the first or a later one: the switch does not reassemble
    kMalformed,   // ends within its headers
};
LocalPacket classify_local(const rte_mbuf* m, uint16_t l3_offset) noexcept;

// Turns an echo request into its reply, in place: addresses, type, a fresh TTL, checksums. IPv4 options become
// no-operations. The Ethernet header stays as it is. Returns false and changes nothing if no reply is due: a
// wrong ICMP checksum, a fragment, extension headers, or a source or destination that is not one host. The caller
// owns the packet's bytes alone.
bool make_echo_reply(rte_mbuf* m, uint16_t l3_offset) noexcept;

}  // namespace sluice::wire
