// The ways out of a network: a port, a tunnel to a remote host, or all of them. What goes into a tunnel gets its
// outer headers here and leaves by the underlay's port. One for each worker, on its thread.
#pragma once

#include <vector>

#include "link/exit.h"
#include "link/link.h"
#include "port/pools.h"
#include "tunnel/ways.h"
#include "view/tables.h"

namespace sluice::tunnel {

class Output {
 public:
    Output(port::Pools pools, link::Link& link) : pools_(pools), link_(link) {}

    // --- the path's stages ---

    [[gnu::always_inline]] WayIn& way_in(path::PortId exit, path::NetworkId network, const view::PortSlot& slot,
                                         const view::Tables& tables) noexcept {
        WayIn& way = ways_in_.at(WayIn::place(exit, network));
        if (unlikely(way.tunnel != slot.tunnel || way.network != network)) find_way(way, exit, network, tables);
        return way;
    }
    Ways<WayOut>& ways_out() noexcept { return ways_out_; }
    // What is known of ways lasts for a batch.
    void end_batch(path::Counters& counters) noexcept {
        ways_in_.leave(counters);
        ways_out_.leave(counters);
    }

    // A bridged frame into the tunnel that is its egress, as seldom out of line as can be. Takes the packet.
    [[gnu::always_inline]] void send_by_tunnel(path::Meta& meta, rte_mbuf* packet, const view::PortSlot& slot,
                                               const view::Tables& tables) noexcept {
        WayIn& way = way_in(meta.egress, meta.network, slot, tables);
        if (likely(way.takes(packet) && (likely(wire::has_plain_ipv4(packet)) || !vxlan::is_tagged(packet)))) {
            return way.enter(packet, tables.egress);
        }
        send_unusual_by_tunnel(meta, packet, slot, tables);
    }

    // --- out of line; each takes the packet ---

    // By a port or tunnel that is known.
    void send(path::NetworkId network, path::PortId exit, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // By its destination MAC address.
    void send_in(path::NetworkId network, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // To those ports, and to all of the network's tunnels. `from` gets none; kNoPort: all do. `cause` is the
    // packet as it came; null: the switch itself says it.
    void send_to_all(path::NetworkId network, const std::vector<port::Exit>& members, path::PortId from,
                     const path::Meta* cause, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void send_to_tunnels(path::NetworkId network, const path::Meta* cause, rte_mbuf* packet,
                         const view::Tables& tables) noexcept;
    // Of the underlay's link: what a tunnel of ours sends, where the neighbor or its port isn't known.
    void send_to_neighbor(path::Meta& meta, neighbor::Entry& neighbor, rte_mbuf* packet,
                          const view::Tables& tables) noexcept;
    struct Underlay {
        neighbor::Entry* neighbor;
        const view::Network* network;
        const view::PortSlot* slot;  // null: not known yet
        uint64_t mac;
        uint32_t hash;
        uint32_t most;  // bytes of a frame to be carried
    };
    // How a packet gets to a remote end point. False: by no way.
    bool find_underlay(const rte_mbuf* packet, const view::TunnelSlot& tunnel, Underlay& underlay,
                       const view::Tables& tables) const noexcept;
    void wrap(path::NetworkId network, path::PortId tunnel, const Underlay& underlay, rte_mbuf* packet,
              const view::Tables& tables) noexcept;

    // Of a packet that is about to go into all tunnels of the network: tells its sender once, of the one that
    // takes the least. Nothing is cut for those that take more.
    void tell_too_long(const path::Meta& cause, path::NetworkId network, const rte_mbuf* packet,
                       const view::Tables& tables) noexcept;

    // --- the hosts at the other ends (remotes.cc) ---

    // Of a packet to a tunnel end point of ours: what a remote host, or a router on the way, says about our
    // packets. True if it was understood.
    static bool hear(const rte_mbuf* packet, const view::Tables& tables) noexcept;
    // The same, and nothing is noted.
    static bool understands(const rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Asks whether the remote end point is there.
    void ping(path::PortId tunnel, const view::Tables& tables) noexcept;

 private:
    void find_way(WayIn& way, path::PortId exit, path::NetworkId network, const view::Tables& tables) noexcept;
    void send_unusual_by_tunnel(const path::Meta& meta, rte_mbuf* packet, const view::PortSlot& slot,
                                const view::Tables& tables) noexcept;
    void cut(const path::Meta& meta, const Underlay& underlay, rte_mbuf* segment,
             const view::Tables& tables) noexcept;

    port::Pools pools_;
    link::Link& link_;
    Ways<WayIn> ways_in_;
    Ways<WayOut> ways_out_;
    uint16_t pings_ = 0;  // sequence number
};

}  // namespace sluice::tunnel
