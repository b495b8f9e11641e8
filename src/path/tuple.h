// The 5-tuple (addresses, protocol, ports) within a flow domain, which identifies the packets of one connection.
// It is read from a packet once, for all stages. Worker side.
//
// A key is two words, made in registers. It contains IPv4 addresses whole, and a digest of IPv6 addresses; after
// a match by digest, the addresses themselves must be compared (Ipv6Pair). In place of ports, an ICMP echo has
// its identifier twice, with a mark if it is a reply. A packet of another protocol has none.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "path/ids.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"

#if defined(__SSSE3__)
#include <immintrin.h>
#endif

namespace sluice::flow {
struct Record;
}

namespace sluice::path {

// The networks in which a 5-tuple identifies a connection: those of a routing domain, or one bridge without a
// router.
enum class FlowDomain : uint16_t {};  // 15 bits

struct TupleKey {
    uint64_t addresses = 0;  // IPv4: source in the low half, destination in the high half, in network order
    uint64_t rest = 0;  // from the lowest bit: both ports (network order), protocol, IP version, domain, reply

    static constexpr uint64_t kEchoReply = 1ULL << 63;

    bool operator==(const TupleKey&) const = default;

    static constexpr uint64_t make_rest(uint32_t ports, uint8_t protocol, uint8_t version, FlowDomain domain,
                                        bool is_echo_reply = false) noexcept {
        return uint64_t{ports} | uint64_t{protocol} << 32 | uint64_t{version} << 40 |
               uint64_t{static_cast<uint16_t>(domain)} << 48 | (is_echo_reply ? kEchoReply : 0);
    }
    wire::be16 source_port() const noexcept { return wire::be16::from_raw(static_cast<uint16_t>(rest)); }
    wire::be16 destination_port() const noexcept {
        return wire::be16::from_raw(static_cast<uint16_t>(rest >> 16));
    }
    wire::be32 source() const noexcept { return wire::be32::from_raw(static_cast<uint32_t>(addresses)); }
    wire::be32 destination() const noexcept {
        return wire::be32::from_raw(static_cast<uint32_t>(addresses >> 32));
    }
    wire::Protocol protocol() const noexcept { return wire::Protocol{static_cast<uint8_t>(rest >> 32)}; }
    bool is_ipv6() const noexcept { return static_cast<uint8_t>(rest >> 40) == 6; }
    FlowDomain domain() const noexcept {
        return FlowDomain{static_cast<uint16_t>((rest & ~kEchoReply) >> 48)};
    }
    bool is_icmp() const noexcept {
        return protocol() == (is_ipv6() ? wire::Protocol::kIcmpv6 : wire::Protocol::kIcmp);
    }
};
static_assert(sizeof(TupleKey) == 16);

struct Ipv6Pair {
    wire::Ipv6Bytes source{};
    wire::Ipv6Bytes destination{};

    bool operator==(const Ipv6Pair&) const = default;
    // Compares with the two addresses of an IPv6 header, which are adjacent.
    [[gnu::always_inline]] bool is_at(const uint8_t* bytes) const noexcept {
        const uint8_t* own = source.data();
        const uint8_t* other = destination.data();
        return ((wire::load64(own) ^ wire::load64(bytes)) | (wire::load64(own + 8) ^ wire::load64(bytes + 8)) |
                (wire::load64(other) ^ wire::load64(bytes + 16)) |
                (wire::load64(other + 8) ^ wire::load64(bytes + 24))) == 0;
    }
    Ipv6Pair reversed() const noexcept { return {destination, source}; }
};

// A key with the addresses that it digests.
struct Tuple {
    TupleKey key;
    Ipv6Pair ipv6;  // if key.is_ipv6()

    bool operator==(const Tuple&) const = default;
    Tuple reversed() const noexcept;  // of the packets in the other direction
};

// A digest of two addresses. It is not secret: the addresses themselves are compared in the end.
[[gnu::always_inline]] inline uint64_t digest(const uint8_t* source, const uint8_t* destination) noexcept {
    const uint32_t from = wire::hash_word(wire::hash_word(0, wire::load64(source)), wire::load64(source + 8));
    const uint32_t to =
        wire::hash_word(wire::hash_word(0, wire::load64(destination)), wire::load64(destination + 8));
    return from | uint64_t{to} << 32;  // each half depends on one address, so a reply has the halves swapped
}

inline TupleKey reversed(const TupleKey& key) noexcept {
    const auto ports = static_cast<uint32_t>(key.rest);
    return {key.addresses >> 32 | key.addresses << 32,
            ((key.rest & ~uint64_t{UINT32_MAX}) | (ports >> 16 | ports << 16)) ^
                (key.is_icmp() ? TupleKey::kEchoReply : 0)};
}

inline Tuple Tuple::reversed() const noexcept { return {path::reversed(key), ipv6.reversed()}; }

enum class PacketKind : uint8_t {
    kArp,            // no policy applies, unless a VLAN tag stands before it
    kNeighbor,       // Neighbor Discovery (RFC 4861); no policy applies, unless a VLAN tag stands before it
    kNotIp,          // decided alone, by its EtherType
    kConnection,     // has a connection: TCP, UDP, SCTP, ICMP echo and its reply
    kSingle,         // decided alone: other ICMP messages
    kProtocol,       // another protocol: a connection of its addresses
    kIcmpError,      // about a packet that it quotes
    kLaterFragment,  // has no ports: decided as its first fragment was
    kMalformed,      // its headers are cut short or contradict themselves
};

// How a packet is decided if connections are tracked.
enum class Tracked : uint8_t {
    kNot,     // not at all: its network's domain has no policies
    kByFlow,  // by its flow, if it has a valid one
    kSingly,  // by the tracker, each packet alone
};

// The part of a packet that policies and connection state use. It is the second line of the packet's metadata.
struct Connection {
    TupleKey key;
    const uint8_t* ip;         // the IP header in the first mbuf; null if the packet is not IP
    flow::Record* candidate;   // record of the flow table to compare with; null: none
    uint32_t hash;             // of the key, by the flow table's hash function
    uint32_t object;           // id of the configuration object that refused the packet
    // The next eight bytes are written at once: see plain_shape().
    uint16_t l4_offset;        // of the L4 header from the frame's start, if all of it is there
    PacketKind kind;
    Tracked tracked;
    bool first_fragment;
    uint8_t tcp_flags;         // 0 if not TCP
    uint8_t icmp_type;
    uint8_t icmp_code;
    uint16_t ether_type;       // of kNotIp: the type behind its tags, or the length of an LLC frame

    bool is_tracked() const noexcept { return tracked != Tracked::kNot; }
    bool is_ipv6() const noexcept { return key.is_ipv6(); }
    wire::Protocol protocol() const noexcept { return key.protocol(); }
    Ipv6Pair ipv6() const noexcept;  // of an IPv6 packet
    Tuple tuple() const noexcept;
    uint8_t dscp() const noexcept;
};

inline Ipv6Pair Connection::ipv6() const noexcept {
    const auto& header = *reinterpret_cast<const wire::Ipv6Header*>(ip);
    return {header.source, header.destination};
}

inline Tuple Connection::tuple() const noexcept {
    return {key, is_ipv6() ? ipv6() : Ipv6Pair{}};
}

inline uint8_t Connection::dscp() const noexcept {
    if (is_ipv6()) return reinterpret_cast<const wire::Ipv6Header*>(ip)->traffic_class() >> 2;
    return reinterpret_cast<const wire::Ipv4Header*>(ip)->traffic_class >> 2;
}

// The eight bytes at l4_offset for a plain tracked packet. The caller adds the TCP flags.
inline constexpr uint64_t plain_shape(uint16_t l4_offset) noexcept {
    return uint64_t{l4_offset} | uint64_t{static_cast<uint8_t>(PacketKind::kConnection)} << 16 |
           uint64_t{static_cast<uint8_t>(Tracked::kByFlow)} << 24;
}
inline constexpr int kFlagsShift = 40;
static_assert(offsetof(Connection, l4_offset) % 8 == 0 &&
              offsetof(Connection, kind) == offsetof(Connection, l4_offset) + 2 &&
              offsetof(Connection, tracked) == offsetof(Connection, l4_offset) + 3 &&
              offsetof(Connection, tcp_flags) == offsetof(Connection, l4_offset) + 5 &&
              offsetof(Connection, icmp_code) == offsetof(Connection, l4_offset) + 7);

// The least size of an IP packet of a protocol with ports, without options; for other protocols a size that no
// packet reaches. A table, because a branch on the protocol cannot be predicted.
struct LeastSizes {
    uint32_t of[256];

    constexpr LeastSizes() : of{} {
        for (uint32_t& size : of) size = UINT32_MAX;
        of[static_cast<size_t>(wire::Protocol::kTcp)] = sizeof(wire::Ipv4Header) + sizeof(wire::TcpHeader);
        of[static_cast<size_t>(wire::Protocol::kUdp)] = sizeof(wire::Ipv4Header) + sizeof(wire::UdpHeader);
        of[static_cast<size_t>(wire::Protocol::kSctp)] = sizeof(wire::Ipv4Header) + sizeof(wire::UdpHeader);
    }
};
inline constexpr LeastSizes kLeastSizes;

// Reads a frame's connection: key, ip, l4_offset, kind, flags and types. Takes any frame whose first mbuf holds
// as many of its headers as it can (wire::gather_headers).
void read_connection_slowly(const rte_mbuf* m, FlowDomain domain, Connection& connection) noexcept;

// The same for plain IPv6 packets: ports behind the IP header, in the first mbuf. Returns false and reads nothing
// for any other packet.
[[gnu::always_inline]] inline bool read_plain_ipv6(const rte_mbuf* m, FlowDomain domain,
                                                   Connection& connection) noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    constexpr uint32_t kL4 = kIp + sizeof(wire::Ipv6Header);
    if (unlikely(!wire::is_ipv6_with_ports(m))) return false;
    const auto* ip = rte_pktmbuf_mtod_offset(m, const uint8_t*, kIp);
    const uint8_t protocol = ip[6];
    const uint32_t size = uint32_t{ip[4]} << 8 | ip[5];
    const uint32_t least = kLeastSizes.of[protocol] - static_cast<uint32_t>(sizeof(wire::Ipv4Header));
    if (unlikely(size < least || m->data_len < kL4 + least)) return false;
    const bool is_tcp = protocol == static_cast<uint8_t>(wire::Protocol::kTcp);
    connection.key = {digest(ip + 8, ip + 24),
                      TupleKey::make_rest(wire::load32(ip + sizeof(wire::Ipv6Header)), protocol, 6, domain)};
    connection.ip = ip;
    const uint64_t flags = is_tcp ? ip[sizeof(wire::Ipv6Header) + 13] : 0;
    const uint64_t shape = plain_shape(kL4) | flags << kFlagsShift;
    std::memcpy(&connection.l4_offset, &shape, sizeof shape);
    return true;
}

// The key of a plain IPv4 packet with ports. It is the header's bytes 9 to 19 and the four behind it, in another
// order: one shuffle instead of eight instructions, where the CPU has it.
[[gnu::always_inline]] inline void read_ipv4_key(const uint8_t* ip, FlowDomain domain, TupleKey& key) noexcept {
#if defined(__SSSE3__)
    constexpr int kProtocol = 1;
    constexpr int kNone = -1;
    const __m128i order = _mm_setr_epi8(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, kProtocol, kNone, kNone, kNone);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(ip + 8));
    const uint64_t others = TupleKey::make_rest(0, 0, 4, domain);
    const __m128i words =
        _mm_or_si128(_mm_shuffle_epi8(bytes, order), _mm_set_epi64x(static_cast<int64_t>(others), 0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&key), words);
#else
    key = {wire::load64(ip + 12),
           TupleKey::make_rest(wire::load32(ip + sizeof(wire::Ipv4Header)), ip[9], 4, domain)};
#endif
}

// The same for plain IPv4 packets.
[[gnu::always_inline]] inline bool read_plain_ipv4(const rte_mbuf* m, FlowDomain domain,
                                                   Connection& connection) noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
    constexpr uint32_t kL4 = kIp + sizeof(wire::Ipv4Header);
    if (unlikely(m->data_len < kL4 + sizeof(wire::TcpHeader))) return false;
    const auto* frame = rte_pktmbuf_mtod(m, const uint8_t*);
    uint16_t type;
    std::memcpy(&type, frame + kIp - sizeof type, sizeof type);
    const uint8_t* ip = frame + kIp;
    const uint8_t protocol = ip[9];
    const uint32_t size = uint32_t{ip[2]} << 8 | ip[3];
    if (unlikely(type != kIpv4 || !wire::is_plain_ipv4(wire::load64(ip)) || size < kLeastSizes.of[protocol])) {
        return false;
    }
    const bool is_tcp = protocol == static_cast<uint8_t>(wire::Protocol::kTcp);
    read_ipv4_key(ip, domain, connection.key);
    connection.ip = ip;
    const uint64_t flags = is_tcp ? frame[kL4 + 13] : 0;
    const uint64_t shape = plain_shape(kL4) | flags << kFlagsShift;
    std::memcpy(&connection.l4_offset, &shape, sizeof shape);
    return true;
}

// Of both families.
[[gnu::always_inline]] inline bool read_plain_connection(const rte_mbuf* m, FlowDomain domain,
                                                         Connection& connection) noexcept {
    return likely(read_plain_ipv4(m, domain, connection)) || read_plain_ipv6(m, domain, connection);
}

inline void read_connection(const rte_mbuf* m, FlowDomain domain, Connection& connection) noexcept {
    if (!read_plain_connection(m, domain, connection)) read_connection_slowly(m, domain, connection);
}

// Reads the tuple of the packet that an ICMP error quotes, in the direction in which it was sent. Returns false
// if the quote is too short for a tuple.
bool read_quoted(const rte_mbuf* m, const Connection& error, Tuple& tuple) noexcept;

// The part of a datagram that a fragment carries (RFC 791, 3.2; RFC 8200, 4.5), in bytes of the fragmented
// payload.
struct FragmentPart {
    uint32_t id = 0;  // of the datagram; with its addresses and, in IPv4, its protocol, it identifies the datagram
    uint32_t begin = 0;
    uint32_t end = 0;
};
FragmentPart fragment_part(const rte_mbuf* m, const Connection& connection) noexcept;

}  // namespace sluice::path
