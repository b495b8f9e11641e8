// Routing as stages of the path (RFC 1812, RFC 8200): what is addressed to the router's MAC address of its
// network is looked up in the network's routing domain and sent to a neighbor, by another network or the
// same. What needs more than that (ARP, the switch's own addresses, errors to answer, neighbors that have
// to be asked for) is the speaker's, once the packet has got this fate. Worker side.
#pragma once

#include "bridge/bridge.h"
#include "engine/speaker.h"
#include "engine/tables.h"
#include "wire/flow_hash.h"
#include "wire/ip_check.h"

namespace sluice::engine {

// Admit, after bridge::Lookup: is it the router's; are its headers right; start fetching the route.
struct RouteLookup {
    template <class T>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet, const T& tables) noexcept {
        meta.layer3 = path::Layer3::kNone;
        const Network& network = tables.network(meta.network);
        if (meta.destination_mac != network.mac || network.mac == 0) return true;
        return look_up(meta, packet, network);
    }

    [[gnu::always_inline]] static bool look_up(path::Meta& meta, rte_mbuf* packet,
                                               const Network& network) noexcept {
        auto* ethernet = rte_pktmbuf_mtod(packet, wire::EthernetHeader*);
        meta.header = ethernet + 1;
        if (likely(ethernet->type.raw() == wire::be16(0x0800).raw())) {
            const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
            if (unlikely(wire::check_ipv4(packet, sizeof *ethernet) != wire::IpCheck::kValid)) {
                return path::drop(meta, path::Drop::kMalformedIp);
            }
            meta.layer3 = path::Layer3::kIpv4;
            network.routes->fib4().prefetch(ip->destination.host());
            return true;
        }
        if (ethernet->type.raw() == wire::be16(0x86dd).raw()) {
            const auto* ip = static_cast<const wire::Ipv6Header*>(meta.header);
            if (unlikely(wire::check_ipv6(packet, sizeof *ethernet) != wire::IpCheck::kValid)) {
                return path::drop(meta, path::Drop::kMalformedIp);
            }
            meta.layer3 = path::Layer3::kIpv6;
            network.routes->fib6().prefetch(ip->destination.data());
            return true;
        }
        meta.layer3 = path::Layer3::kOther;
        return true;
    }
};

// Decide: bridge or route.
struct Forward {
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const rte_mbuf* packet,
                                              const Tables& tables) noexcept {
        if (meta.layer3 == path::Layer3::kNone) return bridge_it(meta, tables);
        // Of a run the first has been learned.
        if (!(meta.repeats && meta.before->fate == path::Fate::kRoute)) {
            if (meta.repeats && !bridge::Lookup::look_up(meta, tables)) return false;
            if (unlikely(!bridge::Bridge::learn(meta, tables))) {
                return path::drop(meta, path::Drop::kMacLimit);
            }
        }
        return route(meta, packet, tables);
    }

 private:
    // From a tunnel: the routers of an overlay's hosts have one address, which is behind no port. Learned,
    // it would move with every other packet from two of them, and each move makes all neighbors be looked
    // up again.
    [[gnu::noinline]] static bool bridge_from_router(path::Meta& meta, const Tables& tables) noexcept {
        if (meta.repeats && !bridge::Lookup::look_up(meta, tables)) return false;
        return bridge::Bridge::forward(meta, tables);
    }

    [[gnu::always_inline]] static bool bridge_it(path::Meta& meta, const Tables& tables) noexcept {
        if (unlikely(meta.unusual) && meta.source_mac == tables.network(meta.network).mac) {
            return bridge_from_router(meta, tables);
        }
        if (!bridge::Bridge::decide(meta, tables)) return false;
        // There is no bridging between the ports of a flat network: what isn't for the router is ARP and
        // ND at best.
        if (unlikely(tables.network(meta.network).flat)) meta.fate = path::Fate::kFlood;
        return true;
    }

    [[gnu::always_inline]] static bool route(path::Meta& meta, const rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const route::Table& routes = *tables.network(meta.network).routes;
        HopId id = 0;
        uint8_t ttl = 0;
        if (likely(meta.layer3 == path::Layer3::kIpv4)) {
            const auto* ip = static_cast<const wire::Ipv4Header*>(meta.header);
            const uint32_t source = ip->source.host();
            const uint32_t destination = ip->destination.host();
            // Multicast and 240.0.0.0/4: other martians have routes of their own.
            if (unlikely(wire::is_martian_source4(source) || destination >= 0xe000'0000)) {
                return path::drop(meta, path::Drop::kMartian);
            }
            if (unlikely(wire::is_link_local4(source) || ip->version_size != 0x45)) {
                return tables.speaker.decide_unusual(meta, packet, tables);
            }
            id = routes.fib4().find(destination);
            ttl = ip->ttl;
        } else if (meta.layer3 == path::Layer3::kIpv6) {
            const auto* ip = static_cast<const wire::Ipv6Header*>(meta.header);
            if (unlikely(wire::is_martian_source6(ip->source))) {
                return path::drop(meta, path::Drop::kMartian);
            }
            if (unlikely(wire::is_link_local6(ip->source))) {
                return tables.speaker.decide_unusual(meta, packet, tables);
            }
            id = routes.fib6().find(ip->destination.data());
            ttl = ip->hop_limit;
        } else {
            meta.fate = path::Fate::kLocal;
            return true;
        }
        const NextHop* hop = &tables.hops[id];
        if (unlikely(hop->kind == HopKind::kGroup)) hop = &tables.hops[hop->pick(wire::flow_hash(packet))];
        if (unlikely(hop->kind != HopKind::kVia)) return tables.speaker.decide(meta, *hop, tables);
        if (unlikely(ttl <= 1)) return path::drop(meta, path::Drop::kTtlExceeded);
        meta.neighbor = hop->neighbor;
        meta.fate = path::Fate::kRoute;
        return true;
    }
};

// Apply, the last stage.
struct Deliver {
    [[gnu::always_inline]] static void apply(path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        if (likely(meta.fate == path::Fate::kForward)) {
            const PortSlot& slot = tables.slot(meta.egress);
            if (likely(slot.is_plain_exit())) {
                tables.egress.send(*slot.port, packet);
            } else if (slot.tunnel != nullptr) {
                tables.speaker.send_by_tunnel(meta, meta.egress, meta.network, packet, slot, tables);
            } else {
                tables.egress.send(slot.exit(meta.network), packet);
            }
        } else if (likely(meta.fate == path::Fate::kRoute)) {
            route(meta, packet, tables);
        } else {
            tables.speaker.apply(meta, packet, tables);
        }
    }

 private:
    [[gnu::always_inline]] static void route(path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
        const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
        const Network& network = tables.network(neighbor.network);
        const path::PortId exit = Speaker::exit_of(neighbor, mac, network, tables);
        const PortSlot& slot = tables.slot(exit);
        // Known, by an ordinary port, and not too big: everything else is rare.
        if (unlikely(exit == path::kNoPort || !slot.is_plain_exit() ||
                     packet->pkt_len > slot.port->max_frame())) {
            return tables.speaker.route(meta, packet, tables);
        }
        Speaker::count_down(meta);
        Speaker::write_macs(packet, mac, network.mac);
        if (unlikely(neighbor.used.load(std::memory_order_relaxed) != tables.now)) {
            neighbor.used.store(tables.now, std::memory_order_relaxed);
        }
        tables.egress.send(*slot.port, packet);
    }
};

}  // namespace sluice::engine
