#include "wire/neighbor_message.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/ip_check.h"
#include "wire/layers.h"

namespace sluice::wire {
namespace {

using Result = tl::expected<NeighborMessage, NoNeighborMessage>;

constexpr uint8_t kHopLimit = 255;  // shows that no router has forwarded the message (RFC 4861, 3.1)

// A message is no longer than the packet that every link carries (RFC 8200, 5). This bounds the time that a
// guest's 64 KiB of options can cost.
constexpr uint32_t kMostMessageBytes = 1280 - sizeof(Ipv6Header);

Result other() noexcept { return tl::unexpected(NoNeighborMessage::kOther); }
Result malformed() noexcept { return tl::unexpected(NoNeighborMessage::kMalformed); }

// Whether it is a unicast MAC: no cache may hold another one (RFC 1812, 3.3.2).
bool is_station(const MacBytes& mac) noexcept { return !is_group(mac) && mac != MacBytes{}; }

// Whether a single station can have the address. An IPv4-mapped IPv6 address is refused, because an IpAddress
// would take it for the IPv4 address.
bool is_host(be32 address) noexcept { return !is_martian_source4(address.host()); }
bool is_host(const Ipv6Bytes& address) noexcept { return !is_martian_source6(address); }

Result read_arp(const rte_mbuf* m) noexcept {
    ArpHeader copy;
    const auto* arp = read(m, sizeof(EthernetHeader), copy);
    if (arp == nullptr || !arp->is_ipv4_over_ethernet()) return malformed();
    NeighborMessage message;
    message.solicits = arp->operation == be16(ArpHeader::kRequest);
    message.answers = arp->operation == be16(ArpHeader::kReply);
    if (!message.solicits && !message.answers) return other();
    message.has_sender_mac = true;
    message.overrides = true;
    message.sender = address_of(arp->sender_address);
    message.sender_mac = arp->sender_mac;
    message.target = address_of(arp->target_address);
    message.target_mac = arp->target_mac;
    message.probe = message.solicits && message.sender.is_unspecified();
    message.gratuitous = !message.probe && message.sender == message.target;
    if (!is_station(message.sender_mac)) return malformed();
    if (!message.probe && !is_host(arp->sender_address)) return malformed();
    if (message.solicits && !is_host(arp->target_address)) return malformed();
    return message;
}

// Reads the options between two offsets of the frame. Returns false if the list is invalid or contains a MAC that
// is not unicast.
bool read_options(const rte_mbuf* m, uint32_t at, uint32_t end, uint8_t wanted,
                  NeighborMessage& message) noexcept {
    while (at < end) {
        LinkLayerOption copy;
        const auto* option = read(m, at, copy);
        if (option == nullptr || option->size_word == 0 || option->size() > end - at) return false;
        if (option->type == wanted && !message.has_sender_mac) {
            if (option->size() != sizeof *option || !is_station(option->mac)) return false;
            message.has_sender_mac = true;
            message.sender_mac = option->mac;
        }
        at += option->size();
    }
    return true;
}

// RFC 4861, 7.1.1; read_neighbor_discovery() has checked the other conditions.
bool finish_solicitation(const Ipv6Header& ip, const NeighborHeader& header,
                         NeighborMessage& message) noexcept {
    message.solicits = true;
    message.sender = address_of(ip.source);
    message.target = address_of(header.target);
    message.probe = message.sender.is_unspecified();
    if (!message.probe) return is_host(ip.source);
    return !message.has_sender_mac && ip.destination == solicited_node_of(header.target);
}

// RFC 4861, 7.1.2; as above.
bool finish_advertisement(const Ipv6Header& ip, const NeighborHeader& header, const MacBytes& to_mac,
                          NeighborMessage& message) noexcept {
    const bool solicited = header.has(NeighborHeader::kSolicited);
    message.answers = true;
    message.gratuitous = !solicited;
    message.overrides = header.has(NeighborHeader::kOverride);
    message.router = header.has(NeighborHeader::kRouter);
    message.sender = address_of(header.target);
    message.target = address_of(ip.destination);
    message.target_mac = to_mac;
    return !(solicited && message.target.is_multicast());
}

Result read_neighbor_discovery(const rte_mbuf* m, const MacBytes& to_mac) noexcept {
    constexpr uint32_t kIp = sizeof(EthernetHeader);
    constexpr uint32_t kIcmp = kIp + sizeof(Ipv6Header);
    Ipv6Header ip_copy;
    IcmpHeader icmp_copy;
    const auto* ip = read(m, kIp, ip_copy);
    if (ip == nullptr || ip->version() != 6 || ip->protocol() != Protocol::kIcmpv6) return other();
    const auto* icmp = read(m, kIcmp, icmp_copy);
    if (icmp == nullptr) return other();
    const bool solicits = icmp->type == IcmpHeader::kV6NeighborSolicitation;
    if (!solicits && icmp->type != IcmpHeader::kV6NeighborAdvertisement) return other();

    const uint32_t size = ip->payload_size.host();
    if (ip->hop_limit != kHopLimit || icmp->code != 0 || size < sizeof(NeighborHeader) ||
        size > kMostMessageBytes || kIcmp + size > m->pkt_len) {
        return malformed();
    }
    const Sum pseudo = pseudo_header_sum(*ip, Protocol::kIcmpv6, size);
    if (fold(sum_of(m, kIcmp, kIcmp + size) + pseudo) != 0xffff) return malformed();

    NeighborHeader header_copy;
    const auto& header = *read(m, kIcmp, header_copy);
    NeighborMessage message;
    const uint8_t wanted = solicits ? LinkLayerOption::kSource : LinkLayerOption::kTarget;
    if (!is_host(header.target) ||
        !read_options(m, kIcmp + sizeof header, kIcmp + size, wanted, message)) {
        return malformed();
    }
    const bool fine = solicits ? finish_solicitation(*ip, header, message)
                               : finish_advertisement(*ip, header, to_mac, message);
    return fine ? Result(message) : malformed();
}

struct ArpFrame {
    EthernetHeader ethernet;
    ArpHeader arp;
    uint8_t padding[18];
};
static_assert(sizeof(ArpFrame) == 60);

struct NeighborFrame {
    EthernetHeader ethernet;
    Ipv6Header ip;
    NeighborHeader neighbor;
    LinkLayerOption option;
};
static_assert(sizeof(NeighborFrame) == 86);

rte_mbuf* frame_of(rte_mempool* pool, const void* bytes, uint16_t size) noexcept {
    rte_mbuf* m = rte_pktmbuf_alloc(pool);
    if (unlikely(m == nullptr)) return nullptr;
    std::memcpy(rte_pktmbuf_append(m, size), bytes, size);
    return m;
}

constexpr uint16_t kRarpRequest = 3;

rte_mbuf* build_arp(rte_mempool* pool, uint16_t operation, const MacBytes& destination,
                    const MacBytes& from_mac, const IpAddress& from, const MacBytes& to_mac,
                    const IpAddress& to, EtherType type = EtherType::kArp) noexcept {
    ArpFrame frame{};
    frame.ethernet = {destination, from_mac, be16(static_cast<uint16_t>(type))};
    frame.arp = {.hardware_type = be16(ArpHeader::kHardwareEthernet),
                 .protocol_type = be16(static_cast<uint16_t>(EtherType::kIpv4)),
                 .hardware_size = sizeof(MacBytes),
                 .protocol_size = sizeof(be32),
                 .operation = be16(operation),
                 .sender_mac = from_mac,
                 .sender_address = be32(from.v4()),
                 .target_mac = to_mac,
                 .target_address = be32(to.v4())};
    return frame_of(pool, &frame, sizeof frame);
}

// Writes the sizes and the checksum, which the caller leaves open.
rte_mbuf* finish(rte_mempool* pool, NeighborFrame& frame, bool with_option) noexcept {
    const auto size = static_cast<uint16_t>(sizeof frame - (with_option ? 0 : sizeof frame.option));
    const auto l4_size = static_cast<uint16_t>(size - offsetof(NeighborFrame, neighbor));
    frame.ethernet.set_ether_type(EtherType::kIpv6);
    frame.ip.version_class_label = be32(0x6000'0000);
    frame.ip.payload_size = be16(l4_size);
    frame.ip.next = static_cast<uint8_t>(Protocol::kIcmpv6);
    frame.ip.hop_limit = kHopLimit;
    frame.option.size_word = sizeof frame.option / 8;
    const Sum pseudo = pseudo_header_sum(frame.ip, Protocol::kIcmpv6, l4_size);
    frame.neighbor.checksum =
        checksum_of(sum_of(reinterpret_cast<const uint8_t*>(&frame) + offsetof(NeighborFrame, neighbor),
                           l4_size, pseudo));
    return frame_of(pool, &frame, size);
}

}  // namespace

Result read_neighbor_message(const rte_mbuf* m) noexcept {
    EthernetHeader copy;
    const auto* ethernet = read(m, 0, copy);
    if (ethernet == nullptr) return other();
    switch (ethernet->ether_type()) {
        case EtherType::kArp: return read_arp(m);
        case EtherType::kIpv6: return read_neighbor_discovery(m, ethernet->destination);
        default: return other();
    }
}

rte_mbuf* build_arp_request(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                            const IpAddress& target, const std::optional<MacBytes>& to_mac) noexcept {
    return build_arp(pool, ArpHeader::kRequest, to_mac.value_or(kBroadcastMac), from_mac, from,
                     MacBytes{}, target);
}

rte_mbuf* build_arp_reply(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                          const MacBytes& to_mac, const IpAddress& to) noexcept {
    return build_arp(pool, ArpHeader::kReply, to_mac, from_mac, from, to_mac, to);
}

rte_mbuf* build_arp_announcement(rte_mempool* pool, const MacBytes& mac,
                                 const IpAddress& address) noexcept {
    return build_arp_request(pool, mac, address, address);
}

rte_mbuf* build_station_announcement(rte_mempool* pool, const MacBytes& mac) noexcept {
    const IpAddress unknown = IpAddress::from_v4(0);
    return build_arp(pool, kRarpRequest, kBroadcastMac, mac, unknown, mac, unknown, EtherType::kRarp);
}

rte_mbuf* build_neighbor_solicitation(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                                      const IpAddress& target,
                                      const std::optional<MacBytes>& to_mac) noexcept {
    NeighborFrame frame{};
    frame.ip.source = from.bytes;
    frame.ip.destination = to_mac ? target.bytes : solicited_node_of(target.bytes);
    frame.ethernet.source = from_mac;
    frame.ethernet.destination = to_mac ? *to_mac : multicast_mac_of(frame.ip.destination);
    frame.neighbor.type = IcmpHeader::kV6NeighborSolicitation;
    frame.neighbor.target = target.bytes;
    frame.option = {LinkLayerOption::kSource, 0, from_mac};
    return finish(pool, frame, !from.is_unspecified());
}

rte_mbuf* build_neighbor_advertisement(rte_mempool* pool, const MacBytes& mac, const IpAddress& address,
                                       const MacBytes& to_mac, const IpAddress& to,
                                       AdvertisementFlags flags) noexcept {
    const bool to_all = to.is_unspecified();
    NeighborFrame frame{};
    frame.ip.source = address.bytes;
    frame.ip.destination = to_all ? kAllNodes : to.bytes;
    frame.ethernet.source = mac;
    frame.ethernet.destination = to_all ? multicast_mac_of(kAllNodes) : to_mac;
    frame.neighbor.type = IcmpHeader::kV6NeighborAdvertisement;
    frame.neighbor.flags = be32((flags.router ? NeighborHeader::kRouter : 0) |
                                (flags.solicited && !to_all ? NeighborHeader::kSolicited : 0) |
                                (flags.overrides ? NeighborHeader::kOverride : 0));
    frame.neighbor.target = address.bytes;
    frame.option = {LinkLayerOption::kTarget, 0, mac};
    return finish(pool, frame, true);
}

rte_mbuf* build_neighbor_announcement(rte_mempool* pool, const MacBytes& mac, const IpAddress& address,
                                      bool router) noexcept {
    return build_neighbor_advertisement(pool, mac, address, {}, IpAddress{},
                                        {.router = router, .overrides = true});
}

}  // namespace sluice::wire
