#include "vxlan/tunnel.h"

namespace sluice::vxlan {
namespace {

void copy_address(uint8_t* to, const IpAddress& address) noexcept {
    if (address.is_v4()) {
        const wire::be32 v4(address.v4());
        std::memcpy(to, &v4, sizeof v4);
    } else {
        std::memcpy(to, address.bytes.data(), address.bytes.size());
    }
}

IpAddress address_at(const Tunnel& tunnel, size_t which) noexcept {
    if (tunnel.ipv6) {
        IpAddress address;
        std::memcpy(address.bytes.data(), tunnel.addresses.data() + which * 16, 16);
        return address;
    }
    wire::be32 v4;
    std::memcpy(&v4, tunnel.addresses.data() + which * sizeof v4, sizeof v4);
    return IpAddress::from_v4(v4.host());
}

}  // namespace

IpAddress local_of(const Tunnel& tunnel) noexcept { return address_at(tunnel, 0); }
IpAddress remote_of(const Tunnel& tunnel) noexcept { return address_at(tunnel, 1); }

Tunnel make_tunnel(const IpAddress& local, const IpAddress& remote, uint16_t port, UdpChecksum checksum,
                   const MacAddress& source, const MacAddress& destination) noexcept {
    Tunnel tunnel{};
    tunnel.ipv6 = !local.is_v4();
    tunnel.ethernet.destination = destination.bytes;
    tunnel.ethernet.source = source.bytes;
    tunnel.ethernet.set_ether_type(tunnel.ipv6 ? wire::EtherType::kIpv6 : wire::EtherType::kIpv4);
    tunnel.port = wire::be16(port);
    tunnel.checksum = checksum;
    const size_t size = tunnel.ipv6 ? sizeof(wire::Ipv6Bytes) : sizeof(wire::be32);
    copy_address(tunnel.addresses.data(), local);
    copy_address(tunnel.addresses.data() + size, remote);

    const wire::Sum addresses = wire::sum_of(tunnel.addresses.data(), 2 * size);
    const wire::Sum protocol = wire::be16(static_cast<uint8_t>(wire::Protocol::kUdp)).raw();
    tunnel.pseudo_sum = wire::fold(addresses + protocol);
    // Version and header size; DF; 64 hops and the protocol.
    const wire::Sum constants = wire::be16(0x4500).raw() +
                                wire::be16(wire::Ipv4Header::kDontFragment).raw() +
                                wire::be16(0x4000).raw();
    tunnel.header_sum = wire::fold(addresses + constants + protocol);
    return tunnel;
}

rte_mbuf* encapsulate_shared(rte_mbuf* packet, const Tunnel& tunnel, uint32_t vni, uint32_t flow_hash,
                             rte_mempool* headers) noexcept {
    if (wire::is_unfinished(packet)) {
        rte_mbuf* copy = rte_pktmbuf_copy(packet, headers, 0, UINT32_MAX);
        if (copy == nullptr) return nullptr;
        rte_pktmbuf_free(packet);
        encapsulate(copy, tunnel, vni, flow_hash);
        return copy;
    }
    if (packet->nb_segs == RTE_MBUF_MAX_NB_SEGS) return nullptr;
    rte_mbuf* head = rte_pktmbuf_alloc(headers);
    if (head == nullptr) return nullptr;
    const uint32_t size = packet->pkt_len;
    const wire::Sum sum =
        tunnel.checksum == UdpChecksum::kFull ? wire::sum_of(packet, 0, size) : 0;
    auto* at = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(head, tunnel.overhead()));
    write_outer(at, tunnel, vni, flow_hash, size, traffic_class_of(packet), sum);
    head->port = packet->port;
    rte_pktmbuf_chain(head, packet);
    packet->ol_flags &= kBufferFlags;
    describe_outer(head, tunnel);
    return head;
}

}  // namespace sluice::vxlan
