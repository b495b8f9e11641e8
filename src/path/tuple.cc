// The slow path of reading a tuple: IPv6 with extension headers, ICMP, fragments, options, tags, short packets.
#include "path/tuple.h"

#include <algorithm>

#include "wire/layers.h"

namespace sluice::path {
namespace {

using wire::Protocol;

constexpr uint16_t kMaxTags = 4;
constexpr uint8_t kNeighborHopLimit = 255;  // RFC 4861, 6.1 and 7.1: with another hop limit, ND is ignored
constexpr uint16_t kMaxExtensions = 8;

// The IP packet in a frame or in the quote of an ICMP error. All offsets count from the frame's start.
struct Found {
    bool ipv6 = false;
    bool of_other_link = false;  // behind a VLAN tag that the switch does not interpret
    uint16_t ip = 0;
    uint32_t l4 = 0;
    uint32_t end = 0;  // of the datagram, by its own length
    uint8_t protocol = 0;
    bool first_fragment = false;
    bool later_fragment = false;
    uint32_t id = 0;  // of a fragment
    uint32_t part = 0;        // offset of the fragment's payload
    uint32_t part_begin = 0;  // position of that payload in the datagram
    uint8_t hop_limit = 0;
    // A later fragment of TCP that begins inside the TCP header: it could change the flags of the first one (RFC
    // 3128).
    bool overwrites_tcp = false;
};

constexpr uint16_t kTcpFlagsEnd = 16;  // bytes; fragments are cut at multiples of 8

bool find_ipv4(const rte_mbuf* m, Found& found) noexcept {
    wire::Ipv4Header copy;
    const auto* ip = wire::read(m, found.ip, copy);
    if (ip == nullptr || ip->version() != 4 || ip->header_size() < sizeof *ip) return false;
    if (ip->total_size.host() < ip->header_size()) return false;
    found.l4 = uint32_t{found.ip} + ip->header_size();
    found.end = uint32_t{found.ip} + ip->total_size.host();
    found.protocol = ip->next;
    found.later_fragment = (ip->fragment.host() & wire::Ipv4Header::kOffsetMask) != 0;
    found.first_fragment = ip->is_fragment() && !found.later_fragment;
    found.id = ip->id.host();
    const uint32_t offset = (ip->fragment.host() & wire::Ipv4Header::kOffsetMask) * 8u;
    found.part = found.l4;
    found.part_begin = offset;
    found.overwrites_tcp = found.later_fragment && offset < kTcpFlagsEnd && ip->protocol() == Protocol::kTcp;
    return true;
}

bool find_ipv6(const rte_mbuf* m, Found& found) noexcept {
    wire::Ipv6Header copy;
    const auto* ip = wire::read(m, found.ip, copy);
    if (ip == nullptr || ip->version() != 6) return false;
    found.l4 = uint32_t{found.ip} + sizeof *ip;
    found.end = found.l4 + ip->payload_size.host();
    found.protocol = ip->next;
    found.hop_limit = ip->hop_limit;
    for (uint16_t i = 0; i < kMaxExtensions; ++i) {
        switch (Protocol{found.protocol}) {
            case Protocol::kHopByHop:
            case Protocol::kRouting:
            case Protocol::kDestinationOptions: {
                wire::Ipv6Extension extension_copy;
                const auto* extension = wire::read(m, found.l4, extension_copy);
                if (extension == nullptr) return false;
                found.l4 += extension->header_size();
                found.protocol = extension->next;
                break;
            }
            case Protocol::kFragment: {
                wire::Ipv6Fragment fragment_copy;
                const auto* fragment = wire::read(m, found.l4, fragment_copy);
                if (fragment == nullptr) return false;
                found.l4 += sizeof *fragment;
                found.protocol = fragment->next;
                found.later_fragment = fragment->offset() != 0;
                // A packet with only an atomic fragment header counts as unfragmented (RFC 6946).
                found.first_fragment = !found.later_fragment && fragment->more();
                found.id = fragment->id.host();
                found.part = found.l4;
                found.part_begin = fragment->offset();
                found.overwrites_tcp = found.later_fragment && fragment->offset() < kTcpFlagsEnd &&
                                       fragment->protocol() == Protocol::kTcp;
                if (found.later_fragment) return true;
                break;
            }
            default: return true;
        }
    }
    return false;
}

bool find_ip(const rte_mbuf* m, Found& found) noexcept {
    return found.ipv6 ? find_ipv6(m, found) : find_ipv4(m, found);
}

// The addresses of an IP header as they enter the key.
uint64_t addresses(const rte_mbuf* m, const Found& found, Ipv6Pair& pair) noexcept {
    if (found.ipv6) {
        wire::Ipv6Header copy;
        const auto* ip = wire::read(m, found.ip, copy);
        pair = {ip->source, ip->destination};
        return digest(pair.source.data(), pair.destination.data());
    }
    wire::Ipv4Header copy;
    const auto* ip = wire::read(m, found.ip, copy);
    return uint64_t{ip->source.raw()} | uint64_t{ip->destination.raw()} << 32;
}

bool is_neighbor_discovery(uint8_t type) noexcept {
    return type >= 133 && type <= wire::IcmpHeader::kV6Redirect;
}

bool is_error(uint8_t type, bool ipv6) noexcept {
    using H = wire::IcmpHeader;
    if (ipv6) return type < H::kV6Informational;
    return type == H::kUnreachable || type == H::kSourceQuench || type == H::kTimeExceeded ||
           type == H::kParameterProblem;
}

bool is_echo(uint8_t type, bool ipv6) noexcept {
    using H = wire::IcmpHeader;
    if (ipv6) return type == H::kV6Echo || type == H::kV6EchoReply;
    return type == H::kEcho || type == H::kEchoReply;
}

struct Ports {
    PacketKind kind = PacketKind::kMalformed;
    bool is_answer = false;  // an echo reply
    uint32_t ports = 0;
    uint8_t tcp_flags = 0;
    uint8_t icmp_type = 0;
    uint8_t icmp_code = 0;
};

// Reads the ports or what replaces them. A quote (`quoted`) has eight bytes of the header (RFC 792); otherwise
// the whole header must be there.
Ports read_ports(const rte_mbuf* m, const Found& found, bool quoted) noexcept {
    const uint32_t size = found.end - found.l4;
    if (wire::has_ports(found.protocol)) {
        const bool tcp = Protocol{found.protocol} == Protocol::kTcp;
        const uint32_t least = quoted ? sizeof(uint32_t) : tcp ? sizeof(wire::TcpHeader) : sizeof(wire::UdpHeader);
        if (found.end < found.l4 || size < least || m->pkt_len < found.l4 + least) return {};
        uint32_t copy;
        Ports ports{.kind = PacketKind::kConnection};
        std::memcpy(&ports.ports, rte_pktmbuf_read(m, found.l4, sizeof copy, &copy), sizeof copy);
        wire::TcpHeader header;
        if (tcp && !quoted) ports.tcp_flags = wire::read(m, found.l4, header)->flags;
        return ports;
    }
    const auto icmp = static_cast<uint8_t>(found.ipv6 ? Protocol::kIcmpv6 : Protocol::kIcmp);
    if (found.protocol != icmp) return {.kind = PacketKind::kProtocol};
    wire::IcmpHeader copy;
    const auto* header = wire::read(m, found.l4, copy);
    if (header == nullptr || found.end < found.l4 || size < sizeof *header) return {};
    Ports ports{.kind = PacketKind::kSingle, .icmp_type = header->type, .icmp_code = header->code};
    using H = wire::IcmpHeader;
    if (is_echo(header->type, found.ipv6)) {
        const auto id = static_cast<uint16_t>(header->rest.raw());
        ports.kind = PacketKind::kConnection;
        ports.ports = uint32_t{id} | uint32_t{id} << 16;
        ports.is_answer = header->type == (found.ipv6 ? H::kV6EchoReply : H::kEchoReply);
    } else if (is_error(header->type, found.ipv6)) {
        ports.kind = PacketKind::kIcmpError;
    } else if (found.ipv6 && is_neighbor_discovery(header->type) && found.hop_limit == kNeighborHopLimit &&
               !found.of_other_link) {
        ports.kind = PacketKind::kNeighbor;
    }
    return ports;
}

enum class Payload : uint8_t { kIp, kArp, kOther, kUnknown };

// Skips the Ethernet header and its VLAN tags. Behind more than kMaxTags tags the payload is unknown: a receiver
// that removes all tags could find any packet there.
Payload find_ethernet(const rte_mbuf* m, Found& found, wire::EtherType& type) noexcept {
    type = rte_pktmbuf_mtod(m, const wire::EthernetHeader*)->ether_type();
    found.ip = sizeof(wire::EthernetHeader);
    for (uint16_t tags = 0; wire::is_vlan(type) && tags < kMaxTags; ++tags) {
        wire::VlanTag copy;
        const auto* tag = wire::read(m, found.ip, copy);
        if (tag == nullptr) return Payload::kUnknown;
        found.of_other_link |= tag->id() != 0;
        type = tag->ether_type();
        found.ip += sizeof *tag;
    }
    if (wire::is_vlan(type)) return Payload::kUnknown;
    found.ipv6 = type == wire::EtherType::kIpv6;
    if (found.ipv6 || type == wire::EtherType::kIpv4) return Payload::kIp;
    return type == wire::EtherType::kArp && !found.of_other_link ? Payload::kArp : Payload::kOther;
}

}  // namespace

void read_connection_slowly(const rte_mbuf* m, FlowDomain domain, Connection& connection) noexcept {
    connection.key = {};
    connection.ip = nullptr;
    connection.l4_offset = 0;
    connection.kind = PacketKind::kNotIp;
    connection.tracked = Tracked::kSingly;
    connection.first_fragment = false;
    connection.tcp_flags = connection.icmp_type = connection.icmp_code = 0;
    Found found;
    wire::EtherType type{};
    const Payload payload = find_ethernet(m, found, type);
    if (payload == Payload::kOther) {
        connection.ether_type = static_cast<uint16_t>(type);
        return;
    }
    connection.kind = payload == Payload::kArp ? PacketKind::kArp : PacketKind::kMalformed;
    if (payload == Payload::kArp) return;
    if (payload == Payload::kUnknown) return;
    const uint32_t header = found.ipv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header);
    // The fields are read in place, so the whole header must be in the first mbuf.
    if (m->data_len < found.ip + header || !find_ip(m, found) || found.overwrites_tcp) return;
    connection.ip = rte_pktmbuf_mtod_offset(m, const uint8_t*, found.ip);
    Ports ports{.kind = PacketKind::kLaterFragment};
    if (!found.later_fragment) {
        ports = read_ports(m, found, false);
        connection.first_fragment = found.first_fragment;
        connection.l4_offset = static_cast<uint16_t>(found.l4);
    }
    Ipv6Pair pair;
    connection.key = {addresses(m, found, pair),
                      TupleKey::make_rest(ports.ports, found.protocol, found.ipv6 ? 6 : 4, domain,
                                          ports.is_answer)};
    connection.kind = ports.kind;
    // A first fragment goes to the tracker, which notes it for the later ones.
    if ((ports.kind == PacketKind::kConnection || ports.kind == PacketKind::kProtocol) &&
        !found.first_fragment) {
        connection.tracked = Tracked::kByFlow;
    }
    connection.tcp_flags = ports.tcp_flags;
    connection.icmp_type = ports.icmp_type;
    connection.icmp_code = ports.icmp_code;
}

bool read_quoted(const rte_mbuf* m, const Connection& error, Tuple& tuple) noexcept {
    Found found{.ipv6 = error.is_ipv6()};
    found.ip = static_cast<uint16_t>(error.l4_offset + sizeof(wire::IcmpHeader));
    if (!find_ip(m, found) || found.later_fragment) return false;
    const Ports ports = read_ports(m, found, true);
    if (ports.kind != PacketKind::kConnection && ports.kind != PacketKind::kProtocol) return false;
    tuple.key = {addresses(m, found, tuple.ipv6),
                 TupleKey::make_rest(ports.ports, found.protocol, found.ipv6 ? 6 : 4, error.key.domain(),
                                     ports.is_answer)};
    return true;
}

FragmentPart fragment_part(const rte_mbuf* m, const Connection& connection) noexcept {
    Found found{.ipv6 = connection.is_ipv6()};
    found.ip = static_cast<uint16_t>(connection.ip - rte_pktmbuf_mtod(m, const uint8_t*));
    if (!find_ip(m, found)) return {};
    return {.id = found.id,
            .begin = found.part_begin,
            .end = found.part_begin + (found.end - std::min(found.end, found.part))};
}

}  // namespace sluice::path
