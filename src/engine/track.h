// Connections as a stage of the path: a packet of a flow that was decided under the configuration in force
// goes where that says, by one look-up in the flow table; every other one is the tracker's to decide. Only in
// networks whose flow domain has policies at all. Worker side.
//
// A bridged packet's port is the MAC table's word, which learning asks for anyway, and a routed one's next hop
// stands in the flow. In both the flow holds for the ports that it was decided for: where a station has moved
// to another, its policies are asked anew.
#pragma once

#include "engine/forward.h"
#include "engine/tables.h"
#include "engine/tracker.h"
#include "flow/flow_table.h"
#include "path/tuple.h"

namespace sluice::engine {

struct Track {
    // Ethernet with a tag, IPv6 with an extension or two, TCP: what a chain's first mbuf should hold.
    static constexpr uint16_t kMostHeaders = 128;

    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const Network& network = tables.network(meta.network);
        path::Connection& connection = meta.connection;
        if (unlikely(!network.is_tracked)) {
            connection.is_tracked = false;
            return true;
        }
        if (unlikely(packet->nb_segs > 1)) {
            wire::gather_headers(packet, kMostHeaders);
            if (meta.layer3 != path::Layer3::kNone) meta.header = rte_pktmbuf_mtod_offset(packet, void*, 14);
        }
        path::read_connection(packet, network.flow_domain, connection);
        connection.hash = tables.flows.hash(connection.key);
        tables.flows.prefetch(connection.hash);
        return true;
    }

    [[gnu::always_inline]] static void find(path::Meta& meta, const Tables& tables) noexcept {
        path::Connection& connection = meta.connection;
        if (!connection.is_tracked) return;
        // A first fragment is the tracker's, which takes note of it for those that follow.
        const bool may_have_flow = (connection.kind == path::PacketKind::kConnection ||
                                    connection.kind == path::PacketKind::kProtocol) &&
                                   !connection.first_fragment;
        connection.candidate = may_have_flow ? tables.flows.candidate(connection.hash) : flow::kNoRecord;
        if (likely(connection.candidate != flow::kNoRecord)) {
            tables.flows.prefetch_record(connection.candidate);
        }
    }

    template <class T>
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (!meta.connection.is_tracked) return Forward::decide(meta, packet, tables);
        return meta.layer3 == path::Layer3::kNone ? bridge(meta, packet, tables)
                                                  : route(meta, packet, tables);
    }

 private:
    // Whether the packet has a flow that was decided under the configuration in force, and may pass.
    [[gnu::always_inline]] static bool is_allowed(const path::Connection& connection, flow::Action& action,
                                                  const Tables& tables) noexcept {
        const uint32_t candidate = connection.candidate;
        return candidate != flow::kNoRecord && tables.flows.is(candidate, connection) &&
               tables.flows.action(candidate, tables.flow_generation, action) &&
               action.verdict == flow::Verdict::kAllow;
    }

    // False if the packet begins a connection anew where another has ended.
    [[gnu::always_inline]] static bool count(const path::Connection& connection, const rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        return tables.flows.track(connection.candidate, connection, packet, packet->pkt_len, tables.now);
    }

    template <class T>
    [[gnu::always_inline]] static bool bridge(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (!Forward::bridge_it(meta, tables)) return false;
        flow::Action action;
        if (likely(is_allowed(meta.connection, action, tables) && meta.fate == path::Fate::kForward &&
                   action.ingress == meta.ingress && action.egress == meta.egress &&
                   count(meta.connection, packet, tables))) {
            return true;
        }
        return tables.tracker.decide(meta, packet, tables);
    }

    template <class T>
    [[gnu::always_inline]] static bool route(path::Meta& meta, const rte_mbuf* packet,
                                             const T& tables) noexcept {
        if (unlikely(!Forward::learn_source(meta, tables))) return path::drop(meta, path::Drop::kMacLimit);
        flow::Action action;
        if (likely(is_allowed(meta.connection, action, tables) && follow(meta, action, tables) &&
                   count(meta.connection, packet, tables))) {
            return true;
        }
        return tables.tracker.decide(meta, packet, tables);
    }

    // The way that the flow was decided to take, if nothing stands against it.
    [[gnu::always_inline]] static bool follow(path::Meta& meta, const flow::Action& action,
                                              const Tables& tables) noexcept {
        if (unlikely((action.hop & Passage::kNeighbor) == 0)) return false;
        neighbor::Entry& neighbor = tables.neighbors.at(action.hop & Passage::kIndexMask);
        if (likely(meta.layer3 == path::Layer3::kIpv4)) {
            const auto& ip = *static_cast<const wire::Ipv4Header*>(meta.header);
            if (unlikely(ip.version_size != 0x45 || ip.ttl <= 1)) return false;
        } else if (static_cast<const wire::Ipv6Header*>(meta.header)->hop_limit <= 1) {
            return false;
        }
        if (unlikely((action.hop & Passage::kOnLink) != 0 && !Tracker::is_destination(neighbor, meta))) {
            return false;
        }
        const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
        const path::PortId exit =
            Speaker::exit_of(neighbor, mac, tables.network(neighbor.network), tables);
        if (unlikely(action.ingress != meta.ingress || action.egress != exit || exit == path::kNoPort)) {
            return false;
        }
        meta.neighbor = &neighbor;
        meta.fate = path::Fate::kRoute;
        return true;
    }
};

}  // namespace sluice::engine
