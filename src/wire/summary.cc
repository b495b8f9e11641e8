#include "wire/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "sluice/address.h"
#include "wire/address.h"
#include "wire/headers.h"

namespace sluice::wire {
namespace {

// Reads headers one after the other; returns nothing if the bytes end inside a header.
class Reader {
 public:
    explicit Reader(std::span<const uint8_t> bytes, bool is_inner = false) : bytes_(bytes), is_inner_(is_inner) {}
    // A reader of the frame inside the tunnel, which begins here.
    Reader inner() const { return Reader(bytes_, true); }
    bool is_inner() const { return is_inner_; }

    template <class Header>
    std::optional<Header> peek() const {
        Header header;
        if (bytes_.size() < sizeof header) return std::nullopt;
        std::memcpy(&header, bytes_.data(), sizeof header);
        return header;
    }
    template <class Header>
    std::optional<Header> take() {
        auto header = peek<Header>();
        if (header) skip(sizeof *header);
        return header;
    }
    void skip(size_t size) { bytes_ = bytes_.subspan(std::min(size, bytes_.size())); }

 private:
    std::span<const uint8_t> bytes_;
    bool is_inner_;
};

std::string frame_text(Reader reader);

std::string text(const MacBytes& mac) { return MacAddress{mac}.text(); }
std::string text(be32 address) { return address_of(address).text(); }
std::string text(const Ipv6Bytes& address) { return address_of(address).text(); }

std::string flags_of(const TcpHeader& tcp) {
    // As tcpdump writes them: ACK is a dot.
    constexpr std::pair<uint8_t, char> kFlags[] = {
        {TcpHeader::kFin, 'F'}, {TcpHeader::kSyn, 'S'}, {TcpHeader::kRst, 'R'}, {TcpHeader::kPsh, 'P'},
        {TcpHeader::kUrg, 'U'}, {TcpHeader::kEce, 'E'}, {TcpHeader::kCwr, 'W'}, {TcpHeader::kAck, '.'}};
    std::string flags;
    for (const auto& [flag, letter] : kFlags) {
        if ((tcp.flags & flag) != 0) flags += letter;
    }
    return flags.empty() ? "none" : flags;
}

std::string icmp_text(const IcmpHeader& icmp) {
    const uint32_t id = icmp.rest.host() >> 16;
    const uint32_t sequence = icmp.rest.host() & 0xffff;
    switch (icmp.type) {
        case IcmpHeader::kEcho: return fmt::format("ICMP echo request, id {}, seq {}", id, sequence);
        case IcmpHeader::kEchoReply: return fmt::format("ICMP echo reply, id {}, seq {}", id, sequence);
        case IcmpHeader::kTimeExceeded: return "ICMP time exceeded";
        case IcmpHeader::kUnreachable:
            if (icmp.code == IcmpHeader::kFragmentationNeeded) {
                return fmt::format("ICMP fragmentation needed, mtu {}", sequence);
            }
            return fmt::format("ICMP unreachable, code {}", icmp.code);
        default: return fmt::format("ICMP type {}, code {}", icmp.type, icmp.code);
    }
}

std::string icmpv6_text(const IcmpHeader& icmp, Reader reader) {
    const uint32_t id = icmp.rest.host() >> 16;
    const uint32_t sequence = icmp.rest.host() & 0xffff;
    switch (icmp.type) {
        case IcmpHeader::kV6Echo: return fmt::format("ICMPv6 echo request, id {}, seq {}", id, sequence);
        case IcmpHeader::kV6EchoReply: return fmt::format("ICMPv6 echo reply, id {}, seq {}", id, sequence);
        case IcmpHeader::kV6Unreachable: return fmt::format("ICMPv6 unreachable, code {}", icmp.code);
        case IcmpHeader::kV6PacketTooBig: return fmt::format("ICMPv6 too big, mtu {}", icmp.rest.host());
        case IcmpHeader::kV6TimeExceeded: return "ICMPv6 time exceeded";
        case IcmpHeader::kV6RouterAdvertisement: return "ICMPv6 router advertisement";
        case IcmpHeader::kV6NeighborSolicitation:
            if (const auto neighbor = reader.peek<NeighborHeader>()) {
                return "ICMPv6 neighbor solicitation, who has " + text(neighbor->target);
            }
            return "ICMPv6 neighbor solicitation";
        case IcmpHeader::kV6NeighborAdvertisement:
            if (const auto neighbor = reader.peek<NeighborHeader>()) {
                return "ICMPv6 neighbor advertisement, of " + text(neighbor->target);
            }
            return "ICMPv6 neighbor advertisement";
        default: return fmt::format("ICMPv6 type {}, code {}", icmp.type, icmp.code);
    }
}

std::string protocol_text(Protocol protocol) {
    switch (protocol) {
        case Protocol::kIcmp: return "ICMP";
        case Protocol::kIcmpv6: return "ICMPv6";
        case Protocol::kTcp: return "TCP";
        case Protocol::kUdp: return "UDP";
        case Protocol::kSctp: return "SCTP";
        case Protocol::kEsp: return "ESP";
        case Protocol::kAuthentication: return "AH";
        case Protocol::kNoNext: return "no next header";
        default: return fmt::format("protocol {}", static_cast<int>(protocol));
    }
}

// ", VXLAN vni 100: " and the inner frame, for VXLAN's port (RFC 7348, 5). A tunnel inside a tunnel is shown as
// UDP.
std::string vxlan_text(Reader reader) {
    reader.skip(sizeof(UdpHeader));
    const auto vxlan = reader.take<VxlanHeader>();
    if (reader.is_inner() || !vxlan) return "";
    if (!vxlan->has_vni()) return ", VXLAN without a VNI";
    return fmt::format(", VXLAN vni {}: {}", vxlan->vni(), frame_text(reader.inner()));
}

// The part after an IP header, up to the ports. A later fragment has none.
std::string datagram_text(const std::string& source, const std::string& destination, Protocol protocol,
                          Reader reader, const std::string& fragment, bool later_fragment) {
    std::string plain = fmt::format("{} > {}: {}{}", source, destination, protocol_text(protocol), fragment);
    if (later_fragment) return plain;
    struct Ports {
        be16 source;
        be16 destination;
    };
    switch (protocol) {
        case Protocol::kTcp:
        case Protocol::kUdp:
        case Protocol::kSctp: {
            const auto ports = reader.peek<Ports>();
            if (!ports) return plain;
            std::string line = fmt::format("{}.{} > {}.{}: {}", source, ports->source.host(), destination,
                                           ports->destination.host(), protocol_text(protocol));
            if (protocol == Protocol::kTcp) {
                if (const auto tcp = reader.peek<TcpHeader>()) {
                    line += fmt::format(" [{}], seq {}", flags_of(*tcp), tcp->sequence.host());
                    if ((tcp->flags & TcpHeader::kAck) != 0) {
                        line += fmt::format(", ack {}", tcp->acknowledgement.host());
                    }
                }
            }
            line += fragment;
            const bool is_vxlan = protocol == Protocol::kUdp && ports->destination.host() == VxlanHeader::kPort;
            return is_vxlan ? line + vxlan_text(reader) : line;
        }
        case Protocol::kIcmp:
        case Protocol::kIcmpv6: {
            const auto icmp = reader.peek<IcmpHeader>();
            if (!icmp) return plain;
            const std::string told =
                protocol == Protocol::kIcmp ? icmp_text(*icmp) : icmpv6_text(*icmp, reader);
            return fmt::format("{} > {}: {}{}", source, destination, told, fragment);
        }
        default: return plain;
    }
}

std::string fragment_text(uint32_t id, uint32_t offset, bool more) {
    return fmt::format(", fragment (id {}, offset {}{})", id, offset, more ? "+" : "");
}

std::string ipv4_text(Reader reader) {
    const auto ip = reader.peek<Ipv4Header>();
    if (!ip) return "IPv4, cut short";
    if (ip->version() != 4 || ip->header_size() < sizeof *ip) return "IPv4, malformed";
    reader.skip(ip->header_size());
    const uint32_t offset = uint32_t{8} * (ip->fragment.host() & Ipv4Header::kOffsetMask);
    const bool more = (ip->fragment.host() & Ipv4Header::kMoreFragments) != 0;
    const std::string fragment = ip->is_fragment() ? fragment_text(ip->id.host(), offset, more) : "";
    return datagram_text(text(ip->source), text(ip->destination), ip->protocol(), reader, fragment,
                         offset != 0);
}

std::string ipv6_text(Reader reader) {
    const auto ip = reader.take<Ipv6Header>();
    if (!ip) return "IPv6, cut short";
    if (ip->version() != 6) return "IPv6, malformed";
    Protocol protocol = ip->protocol();
    std::string fragment;
    bool later = false;
    for (bool is_extension = true; is_extension && !later;) {
        switch (protocol) {
            case Protocol::kHopByHop:
            case Protocol::kRouting:
            case Protocol::kDestinationOptions: {
                const auto extension = reader.peek<Ipv6Extension>();
                is_extension = extension.has_value();
                if (!extension) break;
                reader.skip(extension->header_size());
                protocol = extension->protocol();
                break;
            }
            case Protocol::kFragment: {
                const auto part = reader.take<Ipv6Fragment>();
                is_extension = part.has_value();
                if (!part) break;
                protocol = part->protocol();
                later = part->offset() != 0;
                fragment = fragment_text(part->id.host(), part->offset(), part->more());
                break;
            }
            default: is_extension = false;
        }
    }
    return datagram_text(text(ip->source), text(ip->destination), protocol, reader, fragment, later);
}

std::string arp_text(Reader reader) {
    const auto arp = reader.peek<ArpHeader>();
    if (!arp) return "ARP, cut short";
    switch (arp->operation.host()) {
        case ArpHeader::kRequest:
            return fmt::format("ARP who-has {} tell {}", text(arp->target_address),
                               text(arp->sender_address));
        case ArpHeader::kReply:
            return fmt::format("ARP {} is-at {}", text(arp->sender_address), text(arp->sender_mac));
        default: return fmt::format("ARP operation {}", arp->operation.host());
    }
}

// The payload of an Ethernet frame.
std::string payload_text(EtherType type, Reader reader) {
    switch (type) {
        case EtherType::kIpv4: return ipv4_text(reader);
        case EtherType::kIpv6: return ipv6_text(reader);
        case EtherType::kArp: return arp_text(reader);
        default: break;
    }
    // Values up to 1500 are the length of an LLC frame (IEEE 802.3, 3.2.6), such as spanning tree's.
    if (static_cast<uint16_t>(type) <= 1500) return "LLC";
    return fmt::format("ethertype 0x{:04x}", static_cast<uint16_t>(type));
}

// "MAC > MAC, vlan 5", and the type of the payload. Nothing if the bytes end before that.
struct Link {
    std::string text;
    std::optional<EtherType> type;
};

Link take_link(Reader& reader) {
    const auto ethernet = reader.take<EthernetHeader>();
    if (!ethernet) return {"runt", std::nullopt};
    Link link{text(ethernet->source) + " > " + text(ethernet->destination), ethernet->ether_type()};
    while (is_vlan(*link.type)) {
        const auto tag = reader.take<VlanTag>();
        if (!tag) return {link.text + ", vlan, cut short", std::nullopt};
        link.text += fmt::format(", vlan {}", tag->id());
        link.type = tag->ether_type();
    }
    return link;
}

std::string frame_text(Reader reader) {
    const Link link = take_link(reader);
    return link.type ? link.text + ": " + payload_text(*link.type, reader) : link.text;
}

}  // namespace

std::string summary(std::span<const uint8_t> bytes, size_t length) {
    Reader reader(bytes);
    const Link link = take_link(reader);
    const std::string line = fmt::format("{}, length {}", link.text, length);
    return link.type ? line + ": " + payload_text(*link.type, reader) : line;
}

}  // namespace sluice::wire
