// What a worker has found out about tunnels in this batch: for a packet to or from one that had a packet before
// it, one look at a small array answers. It ends with the batch, and so nobody has to be told of a change.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <bit>

#include "path/counters.h"
#include "port/egress.h"
#include "view/snapshot.h"
#include "vxlan/tunnel.h"
#include "wire/flow_hash.h"
#include "wire/mbuf.h"

namespace sluice::tunnel {

// The usual way into a tunnel from one network: its end of the underlay known, and nothing about it that needs
// more than the ready header.
struct alignas(128) WayIn {
    const view::TunnelSlot* tunnel = nullptr;
    port::Port* port = nullptr;  // of the underlay
    path::PortId exit{};         // its number
    path::NetworkId network{};
    uint32_t most = 0;           // bytes of a frame to be carried; 0: the way isn't as usual
    uint64_t bytes = 0;
    uint32_t packets = 0;        // sent by it and not counted yet
    path::PortId id{};           // of the tunnel
    vxlan::ReadyOuter ready;

    static uint32_t place(path::PortId tunnel, path::NetworkId network) noexcept {
        return path::index(tunnel) + path::index(network) * 3U;
    }
    // Whether the packet may go by it as it is.
    [[gnu::always_inline]] bool takes(const rte_mbuf* packet) const noexcept {
        constexpr uint64_t kUnusual = port::kUnfinished | vxlan::kBufferFlags;
        return packet->pkt_len <= most && (packet->ol_flags & kUnusual) == 0 && wire::is_alone(packet) &&
               rte_pktmbuf_headroom(packet) >= vxlan::kOverheadIpv4;
    }
    // `most` leaves room for the outer headers, and nothing about the packet is unfinished: the port takes it.
    [[gnu::always_inline]] void enter(rte_mbuf* packet, port::Egress& egress) noexcept {
        if (likely(wire::has_plain_ipv4(packet))) {
            const auto* ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, sizeof(wire::EthernetHeader));
            vxlan::encapsulate(packet, ready, wire::flow_hash_of_ipv4(ip), ip[1]);
        } else {
            vxlan::encapsulate(packet, ready, wire::flow_hash(packet), vxlan::traffic_class_of(packet));
        }
        ++packets;
        bytes += packet->pkt_len;
        egress.send_plain(*port, exit, packet);
    }
    void leave(path::Counters& counters) const noexcept {
        if (packets != 0) counters.port(id).transmitted.add(packets, bytes);
    }
};

// Where what comes out of a tunnel belongs, by its VNI and its sender on IPv4.
struct WayOut {
    static constexpr uint32_t kNone = UINT32_MAX;  // no VNI

    uint32_t vni = kNone;
    wire::be32 source{};
    path::PortId tunnel{};
    path::NetworkId network{};
    uint32_t packets = 0;  // not counted yet
    uint64_t bytes = 0;

    static uint32_t place(uint32_t vni, wire::be32 source) noexcept {
        return vni * 3 + (source.raw() >> 24);  // the last octet
    }
    void leave(path::Counters& counters) const noexcept {
        if (packets != 0) counters.port(tunnel).received[0].add(packets, bytes);
    }
};

// A few of them. Two that share a place take turns.
template <class Way>
class Ways {
 public:
    [[gnu::always_inline]] Way& at(uint32_t place) noexcept { return ways_[place % kPlaces]; }

    // To be filled with another.
    void renew(Way& way, path::Counters& counters) noexcept {
        way.leave(counters);
        way = {};
        used_ |= uint64_t{1} << (&way - ways_.data());
    }
    void leave(path::Counters& counters) noexcept {
        for (; used_ != 0; used_ &= used_ - 1) {
            Way& way = ways_[static_cast<size_t>(std::countr_zero(used_))];
            way.leave(counters);
            way = {};
        }
    }

 private:
    static constexpr uint32_t kPlaces = 32;

    std::array<Way, kPlaces> ways_;
    uint64_t used_ = 0;  // a bit each
};

}  // namespace sluice::tunnel
