// Overlays as a stage of the path (RFC 7348): a packet from the underlay for a tunnel end point of ours
// becomes the frame inside it, which comes from the tunnel and is in the network of its VNI. Worker side.
// The way into a tunnel is the last stage's (forward.h): it depends on where the frame leaves.
#pragma once

#include "engine/tables.h"
#include "path/parse.h"
#include "vxlan/decapsulate.h"

namespace sluice::engine {

// Admit, before anything is looked up. Nearly every packet is no business of it.
struct Decap {
    template <class T>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet, const T& tables) noexcept {
        const Network& network = tables.network(meta.network);
        if (likely(!network.is_underlay) || meta.destination_mac != network.mac) return true;
        return take_in(meta, packet, tables);
    }

 private:
    [[gnu::always_inline]] static bool take_in(path::Meta& meta, rte_mbuf* packet,
                                               const Tables& tables) noexcept {
        const Snapshot& snapshot = tables.snapshot;
        if (!snapshot.is_end_point(packet)) return true;
        vxlan::Outer outer;
        const vxlan::Outcome outcome = vxlan::examine(packet, snapshot.udp_port, outer);
        if (unlikely(outcome != vxlan::Outcome::kAccepted)) {
            if (outcome == vxlan::Outcome::kNotVxlan) return true;
            return path::drop(meta, outer.reason);
        }
        const path::NetworkId network = snapshot.vnis.find(outer.vni);
        if (unlikely(network == path::kNoNetworkId)) return path::drop(meta, path::Drop::kUnknownVni);
        const auto remote = outer.ipv6 ? snapshot.remotes.find(outer.source_ipv6)
                                       : snapshot.remotes.find(outer.source);
        if (unlikely(remote == vxlan::kNoNumber || !tables.carries(path::PortId{remote}, network))) {
            return path::drop(meta, path::Drop::kUnknownRemote);
        }
        vxlan::strip(packet, outer);
        meta.ingress = path::PortId{remote};
        meta.network = network;
        meta.unusual = true;  // it is of the tunnels' split-horizon group
        tables.counters.port(meta.ingress).received[0].add(1, packet->pkt_len);
        return path::Parse::admit(meta, packet, tables);
    }
};

}  // namespace sluice::engine
