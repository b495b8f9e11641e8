// The way out of an overlay (RFC 7348), as the path's stage for routers has it: a packet from the underlay for
// a tunnel end point of ours becomes the frame inside it, which comes from the tunnel and is in the network
// of its VNI. Worker side. The way into a tunnel is the last stage's (output.h): it depends on where the
// frame leaves.
#pragma once

#include "path/parse.h"
#include "tunnel/output.h"
#include "view/tables.h"
#include "vxlan/decapsulate.h"
#include "wire/address.h"

namespace sluice::tunnel {

struct Decap {
    // Of a packet for the router's MAC address in the underlay. True with the packet as it was if it is no
    // VXLAN for us; false if it was dropped.
    [[gnu::always_inline]] static bool take_in(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables,
                                               Output& output) noexcept {
        const view::Snapshot& snapshot = tables.snapshot;
        if (!snapshot.is_end_point(packet)) return true;
        const vxlan::UsualOuter usual = vxlan::examine_ipv4(packet, snapshot.udp_port);
        if (likely(usual.found)) {
            WayOut& way = output.ways_out().at(WayOut::place(usual.vni, usual.source));
            if (likely(usual.vni == way.vni && usual.source == way.source)) {
                vxlan::strip_usual(packet, vxlan::kOverheadIpv4);
                return come_by(way, meta, packet, tables);
            }
        }
        return take_in_slowly(meta, packet, tables, output);
    }

 private:
    [[gnu::noinline]] static bool take_in_slowly(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables,
                                                 Output& output) noexcept {
        const view::Snapshot& snapshot = tables.snapshot;
        vxlan::Outer outer;
        outer.source = {};  // of IPv6 that is another
        const vxlan::Outcome outcome = vxlan::examine(packet, snapshot.udp_port, outer);
        if (unlikely(outcome != vxlan::Outcome::kAccepted)) {
            if (outcome == vxlan::Outcome::kNotVxlan) return true;
            // Of another connection, as far as it says.
            if (outcome == vxlan::Outcome::kFragment && !tables.network(meta.network).only_tunnels) return true;
            const bool is_taken = outcome == vxlan::Outcome::kTagged && takes_tags(outer.vni, tables);
            if (!is_taken) return path::drop(meta, outer.reason);
        }
        WayOut& way = output.ways_out().at(WayOut::place(outer.vni, outer.source));
        if (outer.ipv6 || outer.vni != way.vni || outer.source != way.source) {
            const path::Drop reason = find(outer, snapshot, way, tables, output);
            if (unlikely(reason != path::Drop::kCount)) return path::drop(meta, reason);
        }
        vxlan::strip(packet, outer);
        return come_by(way, meta, packet, tables);
    }

    // Of the inner frame.
    [[gnu::always_inline]] static bool come_by(WayOut& way, path::Meta& meta, rte_mbuf* packet,
                                               const view::Tables& tables) noexcept {
        meta.ingress = way.tunnel;
        meta.network = way.network;
        meta.unusual = true;  // it is of the tunnels' split-horizon group
        meta.guarded = path::Guarded::kNot;
        ++way.packets;
        way.bytes += packet->pkt_len;
        return path::Parse::admit(meta, packet, tables) && is_allowed(meta, packet, tables);
    }

    // What guard::Check is for ports. It looks for DHCP and ICMPv6, so that TCP, UDP and IPv4 of the usual
    // network pass by their protocol's number.
    [[gnu::always_inline]] static bool is_allowed(path::Meta& meta, const rte_mbuf* packet,
                                                  const view::Tables& tables) noexcept {
        constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
        constexpr uint16_t kIpv6 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv6)).raw();
        const view::Network& network = tables.network(meta.network);
        const auto* ethernet = rte_pktmbuf_mtod(packet, const wire::EthernetHeader*);
        if (likely(network.tunnels_serve_dhcp)) {
            if (likely(ethernet->type.raw() == kIpv4)) return true;
            if (ethernet->type.raw() == kIpv6 && packet->data_len >= sizeof *ethernet + sizeof(wire::Ipv6Header)) {
                const wire::Protocol next = reinterpret_cast<const wire::Ipv6Header*>(ethernet + 1)->protocol();
                if (likely(next == wire::Protocol::kTcp || next == wire::Protocol::kUdp)) return true;
            }
        }
        return network.tunnel_guard == nullptr || judge(meta, packet, *network.tunnel_guard);
    }

    [[gnu::noinline]] static bool judge(path::Meta& meta, const rte_mbuf* packet,
                                        const guard::Guard& guard) noexcept {
        const path::Drop reason = guard.judge(meta, packet);
        return reason == path::Drop::kCount || path::drop(meta, reason);
    }

    static bool takes_tags(uint32_t vni, const view::Tables& tables) noexcept {
        const path::NetworkId network = tables.snapshot.vnis.find(vni);
        return network != path::kNoNetworkId && tables.network(network).carries_tags;
    }

    static void note(path::Event::Kind kind, const vxlan::Outer& outer, path::NetworkId network,
                     const view::Tables& tables) noexcept {
        const IpAddress source = outer.ipv6 ? wire::address_of(outer.source_ipv6) : wire::address_of(outer.source);
        tables.counters.events.note({.kind = kind, .network = network, .number = outer.vni, .address = source});
    }

    [[gnu::noinline]] static path::Drop find(const vxlan::Outer& outer, const view::Snapshot& snapshot,
                                             WayOut& way, const view::Tables& tables, Output& output) noexcept {
        const path::NetworkId network = snapshot.vnis.find(outer.vni);
        if (network == path::kNoNetworkId) {
            note(path::Event::Kind::kUnknownVni, outer, network, tables);
            return path::Drop::kUnknownVni;
        }
        const auto remote = outer.ipv6 ? snapshot.remotes.find(outer.source_ipv6)
                                       : snapshot.remotes.find(outer.source);
        if (remote == vxlan::kNoNumber || !tables.carries(path::PortId{remote}, network)) {
            note(path::Event::Kind::kUnknownRemote, outer, network, tables);
            return path::Drop::kUnknownRemote;
        }
        output.ways_out().renew(way, tables.counters);
        way.tunnel = path::PortId{remote};
        way.network = network;
        if (!outer.ipv6) {
            way.vni = outer.vni;
            way.source = outer.source;
        }
        return path::Drop::kCount;
    }
};

}  // namespace sluice::tunnel
