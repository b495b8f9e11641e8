#include "vxlan/decapsulate.h"

#include "wire/layers.h"

namespace sluice::vxlan {
namespace {

using path::Drop;
using wire::Protocol;
using wire::read;

constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
constexpr uint32_t kMaxExtensions = 256;  // bytes: more than any sender needs

Outcome drop(Outer& outer, Drop reason) noexcept {
    outer.reason = reason;
    return Outcome::kDropped;
}

// The outer IP header's result for the later checks.
struct Datagram {
    uint32_t udp;  // offset of the UDP header
    uint32_t end;
    uint8_t traffic_class;
    wire::Sum addresses;  // the addresses' part of the pseudo-header's sum
};

// The start of an Ethernet header.
struct Addresses {
    wire::MacBytes destination;
    wire::MacBytes source;
};

struct Traffic {
    bool is_ip;
    uint8_t traffic_class;
};

// Whether the frame from `begin` to `end` has a priority tag (wire/vlan.h).
bool has_priority_tag(const rte_mbuf* packet, uint32_t begin, uint32_t end) noexcept {
    wire::EthernetHeader ethernet_copy;
    wire::VlanTag tag_copy;
    const uint32_t tag_at = begin + uint32_t{sizeof ethernet_copy};
    return read(packet, begin, ethernet_copy)->ether_type() == wire::EtherType::kVlan &&
           tag_at + sizeof tag_copy <= end && read(packet, tag_at, tag_copy)->id() == 0;
}

// The ECN of the inner frame between `begin` and `end`.
Traffic traffic_of(const rte_mbuf* packet, uint32_t begin, uint32_t end) noexcept {
    wire::EthernetHeader copy;
    const wire::EtherType type = read(packet, begin, copy)->ether_type();
    const uint32_t ip_at = begin + uint32_t{sizeof copy};
    if (type == wire::EtherType::kIpv4 && ip_at + sizeof(wire::Ipv4Header) <= end) {
        wire::Ipv4Header ip_copy;
        const auto* ip = read(packet, ip_at, ip_copy);
        return {ip->version() == 4, ip->traffic_class};
    }
    if (type == wire::EtherType::kIpv6 && ip_at + sizeof(wire::Ipv6Header) <= end) {
        wire::Ipv6Header ip_copy;
        const auto* ip = read(packet, ip_at, ip_copy);
        return {ip->version() == 6, ip->traffic_class()};
    }
    return {false, 0};
}

bool is_whole(const rte_mbuf* packet, const Datagram& datagram, uint32_t udp_size) noexcept {
    const wire::Sum pseudo = datagram.addresses +
                             wire::be16(static_cast<uint8_t>(Protocol::kUdp)).raw() +
                             wire::be16(static_cast<uint16_t>(udp_size)).raw();
    const wire::Sum sum = wire::sum_of(packet, datagram.udp, datagram.udp + udp_size);
    return wire::fold(wire::Sum{wire::fold(sum)} + wire::fold(pseudo)) == 0xffff;
}

// Of a fragment of a UDP packet, `begin` bytes behind the start of that.
Outcome examine_fragment(const rte_mbuf* packet, uint32_t udp, uint32_t begin, wire::be16 port,
                         Outer& outer) noexcept {
    wire::UdpHeader copy;
    const auto* header = begin == 0 ? read(packet, udp, copy) : nullptr;
    outer.reason = Drop::kVxlanFragment;
    return header != nullptr && header->destination_port == port ? Outcome::kDropped : Outcome::kFragment;
}

// Examines UDP and the headers behind it; `outer` has the results from the IP header.
Outcome examine_udp(const rte_mbuf* packet, const Datagram& datagram, wire::be16 port,
                    Outer& outer) noexcept {
    wire::UdpHeader udp_copy;
    if (datagram.udp + sizeof udp_copy > datagram.end) return drop(outer, Drop::kVxlanTruncated);
    const wire::UdpHeader& udp = *read(packet, datagram.udp, udp_copy);
    if (udp.destination_port != port) return Outcome::kNotVxlan;
    const uint32_t udp_size = udp.size.host();
    // A UDP size smaller than IP's is legal: RFC 9868 puts options into the rest, which VXLAN does not use.
    if (udp_size < sizeof udp || datagram.udp + udp_size > datagram.end) {
        return drop(outer, Drop::kVxlanOuterHeader);
    }
    if (udp.checksum.raw() != 0 && !is_vouched_for(packet) && !is_whole(packet, datagram, udp_size)) {
        return drop(outer, Drop::kVxlanUdpChecksum);
    }

    wire::VxlanHeader vxlan_copy;
    if (udp_size < kTunnelHeaders) return drop(outer, Drop::kVxlanTruncated);
    const auto& vxlan = *read(packet, datagram.udp + uint32_t{sizeof udp}, vxlan_copy);
    if (!vxlan.has_vni()) return drop(outer, Drop::kVxlanNoVniFlag);

    wire::EthernetHeader inner_copy;
    if (udp_size < kTunnelHeaders + sizeof inner_copy) return drop(outer, Drop::kVxlanInnerRunt);
    const uint32_t end = datagram.udp + udp_size;
    uint32_t begin = datagram.udp + kTunnelHeaders;
    outer.untags = has_priority_tag(packet, begin, end);
    // Without the tag, the frame begins 4 bytes later.
    if (outer.untags) begin += uint32_t{sizeof(wire::VlanTag)};
    const bool tagged = wire::is_vlan(read(packet, begin, inner_copy)->ether_type());
    outer.reason = Drop::kVxlanInnerVlan;
    outer.marks = false;
    if (matters(datagram.traffic_class)) {
        const Traffic inner = traffic_of(packet, begin, end);
        const Ecn before = ecn_of(inner.traffic_class);
        const Ecn after = out_of_tunnel(before, ecn_of(datagram.traffic_class));
        // A frame that is not IP has no ECN.
        if (inner.is_ip && after == Ecn::kLost) return drop(outer, Drop::kVxlanEcn);
        outer.marks = inner.is_ip && after != before;
        outer.ecn = after;
    }
    outer.changes = outer.marks || outer.untags;
    outer.size = static_cast<uint16_t>(begin);
    outer.end = end;
    outer.vni = vxlan.vni();
    return tagged ? Outcome::kTagged : Outcome::kAccepted;
}

// For an IPv4 header with its options; its checksum is part of the sum.
bool is_intact(const rte_mbuf* packet, uint32_t size) noexcept {
    return wire::fold(wire::sum_of(packet, kIp, kIp + size)) == 0xffff;
}

Outcome examine_ipv4(const rte_mbuf* packet, wire::be16 port, Outer& outer) noexcept {
    wire::Ipv4Header copy;
    const auto* ip = read(packet, kIp, copy);
    if (ip == nullptr) return drop(outer, Drop::kVxlanTruncated);
    if (ip->protocol() != Protocol::kUdp) return Outcome::kNotVxlan;
    const uint32_t header_size = ip->header_size();
    const uint32_t total_size = ip->total_size.host();
    if (ip->version() != 4 || header_size < sizeof *ip || total_size < header_size) {
        return drop(outer, Drop::kVxlanOuterHeader);
    }
    if (kIp + header_size > packet->pkt_len) return drop(outer, Drop::kVxlanTruncated);
    if (!is_intact(packet, header_size)) return drop(outer, Drop::kVxlanOuterHeader);
    if (kIp + total_size > packet->pkt_len) return drop(outer, Drop::kVxlanTruncated);
    if (ip->is_fragment()) {
        const uint32_t begin = ip->fragment.host() & wire::Ipv4Header::kOffsetMask;
        return examine_fragment(packet, kIp + header_size, begin, port, outer);
    }
    outer.ipv6 = false;
    outer.source = ip->source;
    return examine_udp(packet,
                       {.udp = kIp + header_size,
                        .end = kIp + total_size,
                        .traffic_class = ip->traffic_class,
                        .addresses = wire::sum_of(&ip->source, 2 * sizeof ip->source)},
                       port, outer);
}

Outcome examine_ipv6(const rte_mbuf* packet, wire::be16 port, Outer& outer) noexcept {
    wire::Ipv6Header copy;
    const auto* ip = read(packet, kIp, copy);
    if (ip == nullptr) return drop(outer, Drop::kVxlanTruncated);
    const uint32_t begin = kIp + uint32_t{sizeof *ip};
    const uint32_t end = begin + ip->payload_size.host();
    uint32_t udp = begin;
    Protocol protocol = ip->protocol();
    bool fragment = false;
    uint32_t part_begin = 0;
    while (protocol == Protocol::kHopByHop || protocol == Protocol::kRouting ||
           protocol == Protocol::kDestinationOptions || protocol == Protocol::kFragment) {
        wire::Ipv6Extension extension_copy;
        if (udp + sizeof extension_copy > end) return drop(outer, Drop::kVxlanOuterHeader);
        const auto* extension = read(packet, udp, extension_copy);
        if (extension == nullptr) return drop(outer, Drop::kVxlanTruncated);
        // The switch does not follow an unfinished source route (RFC 8200, 4.4).
        if (protocol == Protocol::kRouting && extension->segments_left != 0) {
            return drop(outer, Drop::kVxlanOuterHeader);
        }
        fragment = fragment || protocol == Protocol::kFragment;
        if (fragment) {
            wire::Ipv6Fragment fragment_copy;
            const auto* part = read(packet, udp, fragment_copy);
            if (part == nullptr) return drop(outer, Drop::kVxlanTruncated);
            part_begin = part->offset();
        }
        udp += protocol == Protocol::kFragment ? uint32_t{sizeof(wire::Ipv6Fragment)}
                                               : extension->header_size();
        protocol = extension->protocol();
        if (udp - begin > kMaxExtensions) return drop(outer, Drop::kVxlanOuterHeader);
        // The bytes behind a later fragment's header are no header.
        if (fragment) break;
    }
    if (protocol != Protocol::kUdp) return Outcome::kNotVxlan;
    if (ip->version() != 6 || udp > end) return drop(outer, Drop::kVxlanOuterHeader);
    if (end > packet->pkt_len) return drop(outer, Drop::kVxlanTruncated);
    if (fragment) return examine_fragment(packet, udp, part_begin, port, outer);
    outer.ipv6 = true;
    outer.source_ipv6 = ip->source;
    return examine_udp(packet,
                       {.udp = udp,
                        .end = end,
                        .traffic_class = ip->traffic_class(),
                        .addresses = wire::sum_of(&ip->source, 2 * sizeof ip->source)},
                       port, outer);
}

// Cuts the packet to `size` bytes, which is at least the size of its first mbuf.
void truncate(rte_mbuf* packet, uint32_t size) noexcept {
    rte_mbuf* m = packet;
    uint32_t left = size;
    uint16_t count = 1;
    for (; left > m->data_len; m = m->next, ++count) left -= m->data_len;
    m->data_len = static_cast<uint16_t>(left);
    rte_pktmbuf_free(m->next);
    m->next = nullptr;
    packet->nb_segs = count;
    packet->pkt_len = size;
}

// Removes outer headers when they, or the inner Ethernet header, span mbufs. The inner Ethernet header is
// assembled at the end of the first mbuf, over outer headers that are no longer needed. The outer headers are
// longer than it, and the first mbuf contained at least an Ethernet header.
void gather_inner(rte_mbuf* packet, uint32_t begin) noexcept {
    wire::EthernetHeader copy;
    const wire::EthernetHeader inner = *read(packet, begin, copy);
    uint32_t skip = begin + uint32_t{sizeof inner} - packet->data_len;
    while (packet->next != nullptr && skip >= packet->next->data_len) {
        rte_mbuf* m = packet->next;
        skip -= m->data_len;
        packet->next = m->next;
        --packet->nb_segs;
        rte_pktmbuf_free_seg(m);
    }
    if (packet->next != nullptr) {
        packet->next->data_off = static_cast<uint16_t>(packet->next->data_off + skip);
        packet->next->data_len = static_cast<uint16_t>(packet->next->data_len - skip);
    }
    packet->data_off = static_cast<uint16_t>(packet->data_off + packet->data_len - sizeof inner);
    packet->data_len = sizeof inner;
    packet->pkt_len -= begin;
    std::memcpy(rte_pktmbuf_mtod(packet, void*), &inner, sizeof inner);
}

// The ECN field is in the first two bytes of either IP header.
void mark_inner(rte_mbuf* packet, Ecn ecn) noexcept {
    const bool ipv4 = rte_pktmbuf_mtod(packet, const wire::EthernetHeader*)->ether_type() ==
                      wire::EtherType::kIpv4;
    const int shift = ipv4 ? 0 : 4;
    wire::be16 copy;
    const wire::be16 before = *read(packet, kIp, copy);
    const wire::be16 after(
        static_cast<uint16_t>((before.host() & ~(3u << shift)) | static_cast<unsigned>(ecn) << shift));
    wire::write_be16(packet, kIp, after);
    if (!ipv4) return;
    // RFC 1624, equation 3.
    constexpr uint32_t kField = kIp + offsetof(wire::Ipv4Header, checksum);
    const auto inverse = [](wire::be16 word) { return wire::Sum{static_cast<uint16_t>(~word.raw())}; };
    const wire::be16 checksum = *read(packet, kField, copy);
    wire::write_be16(packet, kField, wire::checksum_of(inverse(checksum) + inverse(before) + after.raw()));
}

}  // namespace

Outcome examine_slowly(const rte_mbuf* packet, wire::be16 port, Outer& outer) noexcept {
    wire::EthernetHeader copy;
    const auto* ethernet = read(packet, 0, copy);
    if (ethernet == nullptr) return drop(outer, Drop::kVxlanTruncated);
    if (ethernet->ether_type() == wire::EtherType::kIpv4) return examine_ipv4(packet, port, outer);
    if (ethernet->ether_type() == wire::EtherType::kIpv6) return examine_ipv6(packet, port, outer);
    return Outcome::kNotVxlan;
}

void strip_slowly(rte_mbuf* packet, const Outer& outer) noexcept {
    if (outer.end != packet->pkt_len) truncate(packet, outer.end);
    const bool untags = outer.changes && outer.untags;
    const bool marks = outer.changes && outer.marks;
    Addresses addresses{};
    if (untags) addresses = *read(packet, outer.size - uint32_t{sizeof(wire::VlanTag)}, addresses);
    if (packet->data_len >= outer.size + sizeof(wire::EthernetHeader)) {
        rte_pktmbuf_adj(packet, outer.size);
    } else {
        gather_inner(packet, outer.size);
    }
    if (untags) std::memcpy(rte_pktmbuf_mtod(packet, void*), &addresses, sizeof addresses);
    if (marks) mark_inner(packet, outer.ecn);
}

}  // namespace sluice::vxlan
