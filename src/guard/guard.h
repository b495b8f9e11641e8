// Port security: what a port may say of itself. A port with declared addresses sends from its own MAC
// and IP addresses only, in ARP (RFC 826, RFC 5227) and Neighbor Discovery (RFC 4861) too, and a port
// that serves neither answers no DHCP request (RFC 2131, RFC 8415) and sends no router advertisement or
// redirect (RFC 6105), nor what could hide one (RFC 7113). The tunnels of an overlay are held to the latter too.
//
// An IPv6 link-local address is a port's own if it is derived from its MAC (RFC 4291, appendix A) or
// declared. What stands behind VLAN tags is held to the same. A fragment's first piece is judged; later
// ones by their IP source alone. Worker side.
#pragma once

#include <cstring>
#include <vector>

#include "path/path.h"
#include "path/tuple.h"
#include "sluice/address.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"

namespace sluice::guard {

// The sources that nearly all packets of a port have: its MAC address and one IP address of each family, as they
// stand in the headers. A bit that a mask hasn't set is not compared.
struct Usual {
    // Bit 32 is set in the wanted value, so that no IPv4 source equals it.
    static constexpr uint64_t kNoIpv4 = uint64_t{1} << 32;

    uint64_t mac = 0;
    uint64_t mac_mask = 0;
    uint64_t ipv4 = kNoIpv4;
    uint64_t ipv4_mask = kNoIpv4;
    uint64_t ipv6[2]{};
    uint64_t ipv6_mask = 0;
    bool has_ipv6 = false;
};

struct Guard {
    uint64_t mac = 0;                  // path::mac_key() of the only source; 0: any
    bool check_addresses = false;      // only `addresses`, and what IPv6 derives from `mac`
    std::vector<IpAddress> addresses;
    bool allows_link_local = false;  // and any link-local address of IPv6: a guest chooses its own (RFC 7217)
    bool serves_dhcp = false;
    bool serves_ra = false;
    Usual usual;

    // Computes `usual` from the other members: called after they are set.
    void set_usual() noexcept;
    // Whether there is nothing to look at.
    bool allows_all() const noexcept {
        return mac == 0 && !check_addresses && serves_dhcp && serves_ra;
    }
    // The reason to drop a frame from the port, or kCount.
    path::Drop judge(const path::Meta& meta, const rte_mbuf* packet) const noexcept;
};

// TCP, UDP and SCTP in plain IP, from the usual sources and not to a DHCP client: nothing that a guard looks for.
// Asked of the tables: slot(PortId) with `guard`, which is there.
struct Shortcut {
    template <class Tables>
    [[gnu::always_inline]] static bool passes(const path::Meta& meta, const rte_mbuf* packet,
                                              const Tables& tables) noexcept {
        return passes(meta, packet, tables.slot(meta.ingress).guard->usual);
    }

    [[gnu::always_inline]] static bool passes(const path::Meta& meta, const rte_mbuf* packet,
                                              const Usual& usual) noexcept {
        constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
        constexpr uint32_t kLeast = kIp + sizeof(wire::Ipv4Header) + sizeof(wire::UdpHeader);
        constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
        constexpr uint16_t kDhcpClient = wire::be16(68).raw();
        if (unlikely(packet->data_len < kLeast)) return false;
        const auto* ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, kIp);
        uint16_t type;
        std::memcpy(&type, ip - sizeof type, sizeof type);
        if (unlikely(type != kIpv4)) return passes_ipv6(meta, packet, usual);
        uint16_t port;
        std::memcpy(&port, ip + sizeof(wire::Ipv4Header) + sizeof port, sizeof port);
        const uint32_t size = uint32_t{ip[2]} << 8 | ip[3];
        const uint64_t others = ((meta.source_mac ^ usual.mac) & usual.mac_mask) |
                                ((wire::load32(ip + 12) ^ usual.ipv4) & usual.ipv4_mask);
        return others == 0 && wire::is_plain_ipv4(wire::load64(ip)) && size >= path::kLeastSizes.of[ip[9]] &&
               port != kDhcpClient;
    }

 private:
    [[gnu::always_inline]] static bool passes_ipv6(const path::Meta& meta, const rte_mbuf* packet,
                                                   const Usual& usual) noexcept {
        constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
        constexpr uint32_t kLeast = kIp + sizeof(wire::Ipv6Header) + sizeof(wire::UdpHeader);
        constexpr uint16_t kDhcpClient = wire::be16(546).raw();
        if (unlikely(packet->data_len < kLeast || !wire::is_ipv6_with_ports(packet) || !usual.has_ipv6))
            return false;
        const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kIp);
        const auto* udp = reinterpret_cast<const wire::UdpHeader*>(ip + 1);
        const uint8_t* source = ip->source.data();
        const uint64_t others = ((meta.source_mac ^ usual.mac) & usual.mac_mask) |
                                ((wire::load64(source) ^ usual.ipv6[0]) & usual.ipv6_mask) |
                                ((wire::load64(source + 8) ^ usual.ipv6[1]) & usual.ipv6_mask);
        return others == 0 && ip->payload_size.host() >= sizeof *udp && udp->destination_port.raw() != kDhcpClient;
    }
};

// Admit, after the network is known. Asked of the tables: slot(PortId) with `guard`, null for none.
struct Check {
    template <class Tables>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, const rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const Guard* guard = tables.slot(meta.ingress).guard;
        if (likely(guard == nullptr)) return true;
        const path::Drop reason = guard->judge(meta, packet);
        return likely(reason == path::Drop::kCount) || path::drop(meta, reason);
    }
};

}  // namespace sluice::guard
