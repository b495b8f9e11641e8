#include "wire/icmp.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/extensions.h"
#include "wire/ip_check.h"
#include "wire/layers.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

constexpr uint8_t kTtl = 64;
constexpr uint8_t kInternetworkControl = 0xc0;  // precedence 6, CS6 (RFC 1812, 4.3.2.5; RFC 2474, 4.2.2)
constexpr uint8_t kFillingOption = 1;           // an IPv4 option
constexpr uint32_t kMostIpv4 = 576;             // the size of an error, its own headers included
constexpr uint32_t kMostIpv6 = 1280;
constexpr int kMostExtensions = 8;

// The part of a packet after its IP header and extension headers.
struct Upper {
    bool ipv6;
    bool fragment;
    bool first;           // whether it is no fragment, or the first one
    Protocol protocol;
    uint32_t offset;      // of its first byte in the frame
    uint32_t end;         // the packet's end in the frame
    uint32_t next_field;  // IPv6: offset in the packet of the field with its protocol number

    uint32_t size() const noexcept { return end > offset ? end - offset : 0; }
    bool is_icmp() const noexcept {
        return protocol == (ipv6 ? Protocol::kIcmpv6 : Protocol::kIcmp);
    }
};

uint8_t version_at(const rte_mbuf* m, uint32_t offset) noexcept {
    uint8_t copy = 0;
    const auto* first = read(m, offset, copy);
    return first == nullptr ? 0 : *first >> 4;
}

std::optional<Upper> find_upper4(const rte_mbuf* m, uint32_t l3_offset) noexcept {
    Ipv4Header copy;
    const auto* ip = read(m, l3_offset, copy);
    if (ip == nullptr) return std::nullopt;
    return Upper{.ipv6 = false,
                 .fragment = ip->is_fragment(),
                 .first = (ip->fragment.host() & Ipv4Header::kOffsetMask) == 0,
                 .protocol = ip->protocol(),
                 .offset = l3_offset + ip->header_size(),
                 .end = std::min(l3_offset + ip->total_size.host(), m->pkt_len),
                 .next_field = 0};
}

std::optional<Upper> find_upper6(const rte_mbuf* m, uint32_t l3_offset) noexcept {
    Ipv6Header copy;
    const auto* ip = read(m, l3_offset, copy);
    if (ip == nullptr) return std::nullopt;
    constexpr auto kHeader = static_cast<uint32_t>(sizeof(Ipv6Header));
    Upper upper{.ipv6 = true,
                .fragment = false,
                .first = true,
                .protocol = ip->protocol(),
                .offset = l3_offset + kHeader,
                .end = std::min(l3_offset + kHeader + ip->payload_size.host(), m->pkt_len),
                .next_field = offsetof(Ipv6Header, next)};
    for (int i = 0; upper.first && is_extension(upper.protocol); ++i) {
        Ipv6Extension extension_copy;
        const auto* extension = read(m, upper.offset, extension_copy);
        if (extension == nullptr || i == kMostExtensions || upper.size() < sizeof *extension) {
            return std::nullopt;
        }
        if (upper.protocol == Protocol::kFragment) {
            Ipv6Fragment fragment_copy;
            const auto* fragment = read(m, upper.offset, fragment_copy);
            upper.first = fragment->offset() == 0;
            upper.fragment = upper.fragment || !upper.first || fragment->more();
        }
        upper.next_field = upper.offset - l3_offset;
        upper.offset += extension_size(upper.protocol, *extension);
        upper.protocol = extension->protocol();
    }
    if (upper.offset > upper.end) return std::nullopt;
    return upper;
}

// Returns nothing if the packet ends inside its chain of headers.
std::optional<Upper> find_upper(const rte_mbuf* m, uint32_t l3_offset) noexcept {
    switch (version_at(m, l3_offset)) {
        case 4: return find_upper4(m, l3_offset);
        case 6: return find_upper6(m, l3_offset);
        default: return std::nullopt;
    }
}

std::optional<uint8_t> icmp_type(const rte_mbuf* m, const Upper& upper) noexcept {
    uint8_t copy = 0;
    const auto* type = upper.size() > 0 ? read(m, upper.offset, copy) : nullptr;
    return type == nullptr ? std::nullopt : std::optional(*type);
}

// A redirect counts as an error (RFC 1122, 3.2.2; RFC 4443, 2.4 (e.2)).
bool is_error(uint8_t type, bool ipv6) noexcept {
    if (ipv6) return type < IcmpHeader::kV6Informational || type == IcmpHeader::kV6Redirect;
    return type == IcmpHeader::kUnreachable || type == IcmpHeader::kSourceQuench ||
           type == IcmpHeader::kRedirect || type == IcmpHeader::kTimeExceeded ||
           type == IcmpHeader::kParameterProblem;
}

// Whether each address of the packet can be one host's.
struct Hosts {
    bool source;
    bool destination;
};
Hosts hosts_of(const rte_mbuf* m, uint32_t l3_offset, bool ipv6) noexcept {
    if (ipv6) {
        Ipv6Header copy;
        const auto& ip = *read(m, l3_offset, copy);
        return {!is_martian_source6(ip.source), !is_martian_source6(ip.destination)};
    }
    Ipv4Header copy;
    const auto& ip = *read(m, l3_offset, copy);
    return {!is_martian_source4(ip.source.host()), !is_martian_source4(ip.destination.host())};
}

// The ICMP header for each kind of error.
IcmpHeader header_of4(const IcmpError& error) noexcept {
    const auto unreachable = [](uint8_t code, uint32_t rest = 0) {
        return IcmpHeader{IcmpHeader::kUnreachable, code, be16(0), be32(rest)};
    };
    switch (error.kind) {
        case IcmpErrorKind::kNoRoute: return unreachable(IcmpHeader::kNetwork);
        case IcmpErrorKind::kHostUnreachable: return unreachable(IcmpHeader::kHost);
        case IcmpErrorKind::kProhibited: return unreachable(IcmpHeader::kProhibited);
        case IcmpErrorKind::kProtocolUnreachable: return unreachable(IcmpHeader::kProtocol);
        case IcmpErrorKind::kPortUnreachable: return unreachable(IcmpHeader::kPort);
        case IcmpErrorKind::kTooBig:  // RFC 1191, 4
            return unreachable(IcmpHeader::kFragmentationNeeded, error.mtu);
        case IcmpErrorKind::kTimeExceeded: break;
    }
    return {IcmpHeader::kTimeExceeded, 0, be16(0), be32(0)};
}

IcmpHeader header_of6(const IcmpError& error, const rte_mbuf* offending, uint32_t l3_offset) noexcept {
    const auto header = [](uint8_t type, uint8_t code, uint32_t rest = 0) {
        return IcmpHeader{type, code, be16(0), be32(rest)};
    };
    switch (error.kind) {
        case IcmpErrorKind::kNoRoute: return header(IcmpHeader::kV6Unreachable, IcmpHeader::kV6NoRoute);
        case IcmpErrorKind::kHostUnreachable:
            return header(IcmpHeader::kV6Unreachable, IcmpHeader::kV6Address);
        case IcmpErrorKind::kProhibited:
            return header(IcmpHeader::kV6Unreachable, IcmpHeader::kV6Prohibited);
        case IcmpErrorKind::kProtocolUnreachable: {
            const auto upper = find_upper(offending, l3_offset);
            return header(IcmpHeader::kV6ParameterProblem, IcmpHeader::kV6NextHeader,
                          upper ? upper->next_field : offsetof(Ipv6Header, next));
        }
        case IcmpErrorKind::kPortUnreachable:
            return header(IcmpHeader::kV6Unreachable, IcmpHeader::kV6Port);
        case IcmpErrorKind::kTooBig: return header(IcmpHeader::kV6PacketTooBig, 0, error.mtu);
        case IcmpErrorKind::kTimeExceeded: break;
    }
    return header(IcmpHeader::kV6TimeExceeded, 0);
}

template <class Ip>
struct ErrorFrame {
    EthernetHeader ethernet;
    Ip ip;
    IcmpHeader icmp;
};
static_assert(sizeof(ErrorFrame<Ipv6Header>) == 62);

// A frame with zeroed headers and the quote behind them: at most `most` bytes of IP in all.
template <class Ip>
rte_mbuf* quote(rte_mempool* pool, const rte_mbuf* offending, uint32_t l3_offset, uint32_t packet_size,
                uint32_t most) noexcept {
    constexpr uint32_t kHeaders = sizeof(ErrorFrame<Ip>);
    rte_mbuf* m = rte_pktmbuf_alloc(pool);
    if (unlikely(m == nullptr)) return nullptr;
    const uint32_t room = rte_pktmbuf_tailroom(m);
    if (unlikely(room < kHeaders + sizeof(Ip))) {
        rte_pktmbuf_free(m);
        return nullptr;
    }
    constexpr uint32_t kLeast = sizeof(Ip) + 8;
    constexpr uint32_t kBefore = kHeaders - sizeof(EthernetHeader);
    most = std::max(most, kBefore + kLeast) - kBefore;
    const uint32_t size =
        std::min({packet_size, offending->pkt_len - l3_offset, most, room - kHeaders});
    auto* frame = rte_pktmbuf_append(m, static_cast<uint16_t>(kHeaders + size));
    std::memset(frame, 0, kHeaders);
    const void* quoted = rte_pktmbuf_read(offending, l3_offset, size, frame + kHeaders);
    if (quoted != frame + kHeaders) std::memcpy(frame + kHeaders, quoted, size);
    m->port = offending->port;
    return m;
}

rte_mbuf* build_error4(rte_mempool* pool, const rte_mbuf* offending, uint32_t l3_offset, IcmpError error,
                       be32 source) noexcept {
    Ipv4Header copy;
    const auto& about = *read(offending, l3_offset, copy);
    rte_mbuf* m = quote<Ipv4Header>(pool, offending, l3_offset, about.total_size.host(),
                                     std::min(kMostIpv4, error.most));
    if (unlikely(m == nullptr)) return nullptr;
    auto& frame = *rte_pktmbuf_mtod(m, ErrorFrame<Ipv4Header>*);
    const uint32_t icmp_size = m->pkt_len - offsetof(ErrorFrame<Ipv4Header>, icmp);
    frame.ethernet.set_ether_type(EtherType::kIpv4);
    frame.icmp = header_of4(error);
    frame.icmp.checksum = checksum_of(sum_of(&frame.icmp, icmp_size));
    frame.ip.version_size = 0x45;
    frame.ip.traffic_class = kInternetworkControl;
    frame.ip.total_size = be16(static_cast<uint16_t>(sizeof frame.ip + icmp_size));
    // DF is clear, so each error needs an id of its own; it takes the id of the packet that it is about.
    frame.ip.id = about.id;
    frame.ip.ttl = kTtl;
    frame.ip.next = static_cast<uint8_t>(Protocol::kIcmp);
    frame.ip.source = source;
    frame.ip.destination = about.source;
    frame.ip.checksum = header_checksum(frame.ip);
    return m;
}

rte_mbuf* build_error6(rte_mempool* pool, const rte_mbuf* offending, uint32_t l3_offset, IcmpError error,
                       const Ipv6Bytes& source) noexcept {
    Ipv6Header copy;
    const auto& about = *read(offending, l3_offset, copy);
    const uint32_t packet_size = static_cast<uint32_t>(sizeof about) + about.payload_size.host();
    rte_mbuf* m = quote<Ipv6Header>(pool, offending, l3_offset, packet_size, std::min(kMostIpv6, error.most));
    if (unlikely(m == nullptr)) return nullptr;
    auto& frame = *rte_pktmbuf_mtod(m, ErrorFrame<Ipv6Header>*);
    const uint32_t icmp_size = m->pkt_len - offsetof(ErrorFrame<Ipv6Header>, icmp);
    frame.ethernet.set_ether_type(EtherType::kIpv6);
    frame.ip.version_class_label = be32(0x6000'0000 | uint32_t{kInternetworkControl} << 20);
    frame.ip.payload_size = be16(static_cast<uint16_t>(icmp_size));
    frame.ip.next = static_cast<uint8_t>(Protocol::kIcmpv6);
    frame.ip.hop_limit = kTtl;
    frame.ip.source = source;
    frame.ip.destination = about.source;
    frame.icmp = header_of6(error, offending, l3_offset);
    const Sum pseudo = pseudo_header_sum(frame.ip, Protocol::kIcmpv6, icmp_size);
    frame.icmp.checksum = checksum_of(sum_of(&frame.icmp, icmp_size, pseudo));
    return m;
}

bool has_right_icmp_checksum(const rte_mbuf* m, uint32_t l3_offset, const Upper& upper) noexcept {
    Sum sum = sum_of(m, upper.offset, upper.end);
    if (upper.ipv6) {
        Ipv6Header copy;
        sum += fold(pseudo_header_sum(*read(m, l3_offset, copy), Protocol::kIcmpv6, upper.size()));
    }
    return fold(sum) == 0xffff;
}

void turn_round(Ipv4Header& ip) noexcept {
    std::swap(ip.source, ip.destination);
    ip.ttl = kTtl;
    auto* options = reinterpret_cast<uint8_t*>(&ip) + sizeof ip;
    std::memset(options, kFillingOption, ip.header_size() - sizeof ip);
    ip.checksum = header_checksum(ip);
}

void turn_round(Ipv6Header& ip) noexcept {
    std::swap(ip.source, ip.destination);
    ip.hop_limit = kTtl;
}

IpAddress source_of(const rte_mbuf* m, uint32_t l3_offset, bool ipv6) noexcept {
    if (ipv6) {
        Ipv6Header copy;
        return address_of(read(m, l3_offset, copy)->source);
    }
    Ipv4Header copy;
    return address_of(read(m, l3_offset, copy)->source);
}

using Kind = IcmpReport::Kind;

std::optional<Kind> report_kind4(const IcmpHeader& icmp) noexcept {
    switch (icmp.type) {
        case IcmpHeader::kEchoReply: return Kind::kEchoReply;
        case IcmpHeader::kTimeExceeded: return Kind::kUnreachable;
        case IcmpHeader::kUnreachable: break;
        default: return std::nullopt;
    }
    if (icmp.code == IcmpHeader::kFragmentationNeeded) return Kind::kTooBig;
    return icmp.code == IcmpHeader::kPort ? Kind::kPortUnreachable : Kind::kUnreachable;
}

std::optional<Kind> report_kind6(const IcmpHeader& icmp) noexcept {
    switch (icmp.type) {
        case IcmpHeader::kV6EchoReply: return Kind::kEchoReply;
        case IcmpHeader::kV6PacketTooBig: return Kind::kTooBig;
        case IcmpHeader::kV6TimeExceeded: return Kind::kUnreachable;
        case IcmpHeader::kV6Unreachable: break;
        default: return std::nullopt;
    }
    return icmp.code == IcmpHeader::kV6Port ? Kind::kPortUnreachable : Kind::kUnreachable;
}

// Reads the IP header that an error quotes. Returns the offset of the UDP header behind it, or 0 if it is not
// UDP.
uint32_t read_quoted_ip(const rte_mbuf* m, uint32_t at, IcmpReport& report) noexcept {
    if (version_at(m, at) == 6) {
        Ipv6Header copy;
        const auto* ip = read(m, at, copy);
        if (ip == nullptr || ip->protocol() != Protocol::kUdp) return 0;
        report.source = address_of(ip->source);
        report.destination = address_of(ip->destination);
        report.size = static_cast<uint32_t>(sizeof *ip) + ip->payload_size.host();
        return at + static_cast<uint32_t>(sizeof *ip);
    }
    Ipv4Header copy;
    const auto* ip = read(m, at, copy);
    if (ip == nullptr || ip->version() != 4 || ip->header_size() < sizeof *ip || ip->is_fragment() ||
        ip->protocol() != Protocol::kUdp) {
        return 0;
    }
    report.source = address_of(ip->source);
    report.destination = address_of(ip->destination);
    report.size = ip->total_size.host();
    report.may_be_fragmented = (ip->fragment.host() & Ipv4Header::kDontFragment) == 0;
    return at + ip->header_size();
}

}  // namespace

std::optional<IcmpReport> read_icmp_report(const rte_mbuf* m, uint16_t l3_offset) noexcept {
    const auto upper = find_upper(m, l3_offset);
    if (!upper || upper->fragment || !upper->is_icmp() || upper->size() < sizeof(IcmpHeader)) {
        return std::nullopt;
    }
    IcmpHeader copy;
    const auto* icmp = read(m, upper->offset, copy);
    if (icmp == nullptr) return std::nullopt;
    const auto kind = upper->ipv6 ? report_kind6(*icmp) : report_kind4(*icmp);
    if (!kind || !has_right_icmp_checksum(m, l3_offset, *upper)) return std::nullopt;
    IcmpReport report{.kind = *kind, .from = source_of(m, l3_offset, upper->ipv6)};
    if (report.kind == Kind::kEchoReply) {
        report.id = static_cast<uint16_t>(icmp->rest.host() >> 16);
        return report;
    }
    const uint32_t quote = upper->offset + static_cast<uint32_t>(sizeof *icmp);
    const uint32_t udp_at = read_quoted_ip(m, quote, report);
    UdpHeader udp_copy;
    const auto* udp = udp_at == 0 ? nullptr : read(m, udp_at, udp_copy);
    report.rest = udp_at + static_cast<uint32_t>(sizeof *udp);
    report.end = upper->end;
    if (udp == nullptr || report.rest > report.end || report.source.is_v4() == upper->ipv6) {
        return std::nullopt;
    }
    report.source_port = udp->source_port;
    report.destination_port = udp->destination_port;
    // The upper half of the word has other uses in ICMP (RFC 1191, 4; RFC 4884, 4.1).
    if (report.kind == Kind::kTooBig) report.mtu = upper->ipv6 ? icmp->rest.host() : icmp->rest.host() & 0xffff;
    return report;
}

rte_mbuf* build_echo_request(rte_mempool* pool, const IpAddress& from, const IpAddress& to, uint16_t id,
                             uint16_t sequence) noexcept {
    constexpr uint16_t kIcmpSize = sizeof(IcmpHeader);
    rte_mbuf* m = rte_pktmbuf_alloc(pool);
    if (unlikely(m == nullptr)) return nullptr;
    const bool ipv4 = from.is_v4();
    const uint16_t size = ipv4 ? sizeof(ErrorFrame<Ipv4Header>) : sizeof(ErrorFrame<Ipv6Header>);
    // The size of the shortest Ethernet frame.
    const uint16_t padded = std::max<uint16_t>(size, 60);
    std::memset(rte_pktmbuf_append(m, padded), 0, padded);
    const be32 rest(uint32_t{id} << 16 | sequence);
    if (ipv4) {
        auto& frame = *rte_pktmbuf_mtod(m, ErrorFrame<Ipv4Header>*);
        frame.ethernet.set_ether_type(EtherType::kIpv4);
        frame.icmp = {IcmpHeader::kEcho, 0, be16(0), rest};
        frame.icmp.checksum = checksum_of(sum_of(&frame.icmp, kIcmpSize));
        frame.ip.version_size = 0x45;
        frame.ip.traffic_class = kInternetworkControl;
        frame.ip.total_size = be16(static_cast<uint16_t>(sizeof frame.ip + kIcmpSize));
        frame.ip.fragment = be16(Ipv4Header::kDontFragment);
        frame.ip.ttl = kTtl;
        frame.ip.next = static_cast<uint8_t>(Protocol::kIcmp);
        frame.ip.source = be32(from.v4());
        frame.ip.destination = be32(to.v4());
        frame.ip.checksum = header_checksum(frame.ip);
    } else {
        auto& frame = *rte_pktmbuf_mtod(m, ErrorFrame<Ipv6Header>*);
        frame.ethernet.set_ether_type(EtherType::kIpv6);
        frame.ip.version_class_label = be32(0x6000'0000 | uint32_t{kInternetworkControl} << 20);
        frame.ip.payload_size = be16(kIcmpSize);
        frame.ip.next = static_cast<uint8_t>(Protocol::kIcmpv6);
        frame.ip.hop_limit = kTtl;
        frame.ip.source = from.bytes;
        frame.ip.destination = to.bytes;
        frame.icmp = {IcmpHeader::kV6Echo, 0, be16(0), rest};
        const Sum pseudo = pseudo_header_sum(frame.ip, Protocol::kIcmpv6, kIcmpSize);
        frame.icmp.checksum = checksum_of(sum_of(&frame.icmp, kIcmpSize, pseudo));
    }
    return m;
}

bool may_answer_with_error(const rte_mbuf* m, uint16_t l3_offset, IcmpErrorKind kind) noexcept {
    const auto upper = find_upper(m, l3_offset);
    if (!upper || !upper->first) return false;
    EthernetHeader copy;
    const auto* ethernet = read(m, 0, copy);
    const Hosts hosts = hosts_of(m, l3_offset, upper->ipv6);
    if (ethernet == nullptr || !hosts.source) return false;
    const bool to_one = hosts.destination && !is_group(ethernet->destination);
    if (!to_one && !(upper->ipv6 && kind == IcmpErrorKind::kTooBig)) return false;
    if (!upper->is_icmp()) return true;
    const auto type = icmp_type(m, *upper);
    return type && !is_error(*type, upper->ipv6);
}

rte_mbuf* build_icmp_error(rte_mempool* pool, const rte_mbuf* offending, uint16_t l3_offset,
                           IcmpError error, const IpAddress& source) noexcept {
    return version_at(offending, l3_offset) == 4
               ? build_error4(pool, offending, l3_offset, error, be32(source.v4()))
               : build_error6(pool, offending, l3_offset, error, source.bytes);
}

LocalPacket classify_local(const rte_mbuf* m, uint16_t l3_offset) noexcept {
    const auto upper = find_upper(m, l3_offset);
    if (!upper) return LocalPacket::kMalformed;
    if (upper->fragment) return LocalPacket::kFragment;
    if (upper->is_icmp()) {
        if (upper->size() < sizeof(IcmpHeader)) return LocalPacket::kMalformed;
        const uint8_t echo = upper->ipv6 ? IcmpHeader::kV6Echo : IcmpHeader::kEcho;
        return icmp_type(m, *upper) == echo ? LocalPacket::kEchoRequest : LocalPacket::kNoAnswer;
    }
    switch (upper->protocol) {
        case Protocol::kUdp:
            return upper->size() < sizeof(UdpHeader) ? LocalPacket::kMalformed : LocalPacket::kUdp;
        case Protocol::kTcp:
            return upper->size() < sizeof(TcpHeader) ? LocalPacket::kMalformed : LocalPacket::kTcp;
        case Protocol::kNoNext: return upper->ipv6 ? LocalPacket::kNoAnswer : LocalPacket::kOther;
        default: return LocalPacket::kOther;
    }
}

bool make_echo_reply(rte_mbuf* m, uint16_t l3_offset) noexcept {
    if (classify_local(m, l3_offset) != LocalPacket::kEchoRequest) return false;
    const auto upper = find_upper(m, l3_offset);
    const uint32_t header_size = upper->offset - l3_offset;
    const bool extended = upper->ipv6 && header_size != sizeof(Ipv6Header);
    if (extended || m->data_len < upper->offset || is_unfinished(m)) return false;
    const Hosts hosts = hosts_of(m, l3_offset, upper->ipv6);
    if (!hosts.source || !hosts.destination) return false;
    if (!has_right_icmp_checksum(m, l3_offset, *upper)) return false;

    // The pseudo-header's sum does not depend on the order of the addresses, so only the type has changed (RFC
    // 1624, equation 3).
    IcmpHeader copy;
    const auto& icmp = *read(m, upper->offset, copy);
    const be16 before(static_cast<uint16_t>(icmp.type << 8 | icmp.code));
    const uint8_t reply = upper->ipv6 ? IcmpHeader::kV6EchoReply : IcmpHeader::kEchoReply;
    const be16 after(static_cast<uint16_t>(reply << 8 | icmp.code));
    const Sum sum = Sum{static_cast<uint16_t>(~icmp.checksum.raw())} +
                    static_cast<uint16_t>(~before.raw()) + after.raw();
    write_be16(m, upper->offset, after);
    // If all bytes are 0 now, the checksum must be all ones.
    write_be16(m, upper->offset + offsetof(IcmpHeader, checksum), nonzero_checksum_of(sum));
    if (upper->ipv6) turn_round(*rte_pktmbuf_mtod_offset(m, Ipv6Header*, l3_offset));
    else turn_round(*rte_pktmbuf_mtod_offset(m, Ipv4Header*, l3_offset));
    return true;
}

}  // namespace sluice::wire
