// Connections as a stage of the path: a packet of a flow that was decided under the configuration in force
// goes where that says, by one look-up in the flow table; every other one is the tracker's to decide. Only in
// networks whose flow domain has policies at all. Worker side.
//
// A bridged packet's port is the MAC table's word, which learning asks for anyway. Where the guard has proven the
// source there is nothing to learn. The flow remembers that port until the MAC table's version changes. A routed
// packet's next hop stands in the flow. In all cases the flow holds for the ports that it was decided for: where a
// station has moved to another, its policies are asked anew.
#pragma once

#include <rte_prefetch.h>

#include "flow/flow_table.h"
#include "link/exit.h"
#include "path/tuple.h"
#include "policy/tracker.h"
#include "router/forward.h"
#include "view/tables.h"

namespace sluice::policy {

struct Track {
    // Ethernet with a tag, IPv6 with an extension or two, TCP: what a chain's first mbuf should hold.
    static constexpr uint16_t kMostHeaders = 128;

    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        const view::Network& network = tables.network(meta.network);
        path::Connection& connection = meta.connection;
        if (unlikely(!network.is_tracked)) {
            connection.tracked = path::Tracked::kNot;
            return true;
        }
        if (unlikely(!path::read_plain_connection(packet, network.flow_domain, connection))) {
            read_slowly(meta, packet, network.flow_domain);
        }
        connection.hash = tables.flows.hash(connection.key);
        tables.flows.prefetch(connection.hash);
        return true;
    }

    [[gnu::always_inline]] static void find(path::Meta& meta, const view::Tables& tables) noexcept {
        path::Connection& connection = meta.connection;
        if (unlikely(connection.tracked != path::Tracked::kByFlow)) return;
        connection.candidate = tables.flows.candidate(connection.hash);
        // Of null too: that is no access.
        rte_prefetch0(connection.candidate);
    }

    template <class T>
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (unlikely(meta.connection.tracked != path::Tracked::kByFlow)) {
            return meta.connection.tracked == path::Tracked::kNot ? router::Forward::decide(meta, packet, tables)
                                                                  : decide_singly(meta, packet, tables);
        }
        return meta.layer3 == path::Layer3::kNone ? bridge(meta, packet, tables)
                                                  : route(meta, packet, tables);
    }

 private:
    [[gnu::noinline]] static void read_slowly(path::Meta& meta, rte_mbuf* packet,
                                              path::FlowDomain domain) noexcept {
        if (packet->nb_segs > 1) {
            wire::gather_headers(packet, kMostHeaders);
            if (meta.layer3 != path::Layer3::kNone) meta.header = rte_pktmbuf_mtod_offset(packet, void*, 14);
        }
        path::read_connection(packet, domain, meta.connection);
    }

    template <class T>
    [[gnu::noinline]] static bool decide_singly(path::Meta& meta, const rte_mbuf* packet,
                                                const T& tables) noexcept {
        if (!look_up_late(meta, tables)) return false;
        if (meta.layer3 != path::Layer3::kNone) {
            return router::Forward::knows_source(meta, tables)
                       ? tables.features.tracker.decide(meta, packet, tables)
                       : route_unknown(meta, packet, tables);
        }
        bool is_decided = false;
        const auto decide_unknown = [&]() noexcept {
            is_decided = true;
            return bridge_unknown(meta, packet, tables);
        };
        if (!router::Forward::bridge_it(meta, tables, decide_unknown)) return false;
        return is_decided || tables.features.tracker.decide(meta, packet, tables);
    }

    // Of a packet whose source is to be learned: by the tracker, also where a flow speaks for it.
    template <class T>
    [[gnu::noinline]] static bool bridge_unknown(path::Meta& meta, const rte_mbuf* packet,
                                                 const T& tables) noexcept {
        return bridge::Bridge::decide_unknown(meta, tables, [&]() noexcept {
            if (tables.network(meta.network).flat) meta.fate = path::Fate::kFlood;
            return tables.features.tracker.decide(meta, packet, tables);
        });
    }
    template <class T>
    [[gnu::noinline]] static bool route_unknown(path::Meta& meta, const rte_mbuf* packet,
                                                const T& tables) noexcept {
        return bridge::Bridge::admit_source(meta, tables) &&
               tables.features.tracker.decide(meta, packet, tables) && bridge::Bridge::learn(meta, tables);
    }

    // Whether the packet has a flow, if nothing stands against it.
    [[gnu::always_inline]] static bool has_flow(const path::Connection& connection,
                                                const view::Tables& tables) noexcept {
        return connection.candidate != nullptr && tables.flows.is(*connection.candidate, connection);
    }

    // False if the packet begins a connection anew where another has ended.
    [[gnu::always_inline]] static bool count(const path::Connection& connection, const rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        return tables.flows.track(*connection.candidate, connection, packet, packet->pkt_len, tables.now);
    }

    // Of a frame whose addresses Admit has left to its flow, which doesn't know them.
    template <class T>
    [[gnu::always_inline]] static bool look_up_late(path::Meta& meta, const T& tables) noexcept {
        if (meta.layer3 != path::Layer3::kNone || !meta.asks_flow_first) return true;
        meta.repeats = false;
        return bridge::Lookup::look_up(meta, tables);
    }

    // By its flow alone, or else by the MAC table.
    template <class T>
    [[gnu::always_inline]] static bool bridge(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (likely(has_flow(meta.connection, tables) && knows_source(meta, tables) &&
                   follow_station(meta, tables))) {
            return likely(count(meta.connection, packet, tables)) ||
                   tables.features.tracker.decide(meta, packet, tables);
        }
        return bridge_by_table(meta, packet, tables);
    }

    // Of a frame to be bridged: whether learning its source would certainly change nothing.
    template <class T>
    [[gnu::always_inline]] static bool knows_source(const path::Meta& meta, const T& tables) noexcept {
        if (meta.asks_flow_first) return true;
        return meta.repeats ? meta.before->fate == path::Fate::kForward : tables.knows_source(meta);
    }

    // Where the flow's frames were sent, if that is where the frame before it went, which had the same addresses;
    // or if the destination is the one that the flow has noted, and no station has moved or gone since.
    [[gnu::always_inline]] static bool follow_station(path::Meta& meta, const view::Tables& tables) noexcept {
        const flow::Record& record = *meta.connection.candidate;
        const flow::Decided decided = record.decided.load(std::memory_order_acquire);
        if (unlikely(!decided.allows(tables.flow_generation, meta.network, meta.ingress))) return false;
        const path::PortId egress = decided.egress();
        const uint32_t hop = record.hop.load(std::memory_order_relaxed);
        if (!meta.asks_flow_first && meta.repeats) {
            if (unlikely(egress != meta.before->egress || (hop & ~Hop::kStationMask) != 0)) return false;
        } else {
            if (unlikely(hop != station_of(meta, tables.macs(meta.network)->version()))) return false;
            const view::PortSlot& slot = tables.slot(egress);
            if (unlikely(slot.network != meta.network && !slot.carries(meta.network))) return false;
        }
        meta.egress = egress;
        meta.fate = path::Fate::kForward;
        return true;
    }

    // A digest of the destination and of the MAC table's version. One bit is always set: a new record has none.
    [[gnu::always_inline]] static uint32_t station_of(const path::Meta& meta, uint32_t version) noexcept {
        constexpr uint32_t kNoted = 1;
        const uint32_t digest =
            bridge::MacTable::hash(meta.destination_mac ^ uint64_t{version} * 0x9e37'79b9'7f4a'7c15ULL);
        return (digest & Hop::kStationMask) | kNoted;
    }

    // By the MAC table, and has the flow remember what that said.
    template <class T>
    [[gnu::noinline]] static bool bridge_by_table(path::Meta& meta, const rte_mbuf* packet,
                                                  const T& tables) noexcept {
        // The version first: what changes while it is looked up makes the note stale at once.
        const uint32_t version = tables.macs(meta.network)->version();
        meta.repeats = false;
        if (!bridge::Lookup::look_up(meta, tables)) return false;
        bool is_decided = false;
        const auto decide_unknown = [&]() noexcept {
            is_decided = true;
            return bridge_unknown(meta, packet, tables);
        };
        if (!router::Forward::bridge_it(meta, tables, decide_unknown)) return false;
        if (!is_decided) {
            const bool passes = is_flows_way(meta, tables) && count(meta.connection, packet, tables);
            if (!passes && !tables.features.tracker.decide(meta, packet, tables)) return false;
        }
        if (is_flows_way(meta, tables)) note_station(meta, version, tables);
        return true;
    }

    // Whether its flow was decided to go where the MAC table says that the frame's destination is.
    static bool is_flows_way(const path::Meta& meta, const view::Tables& tables) noexcept {
        if (meta.fate != path::Fate::kForward || !has_flow(meta.connection, tables)) return false;
        const flow::Record& record = *meta.connection.candidate;
        const flow::Decided wanted(tables.flow_generation, true, meta.network, meta.ingress, meta.egress);
        return record.decided.load(std::memory_order_acquire) == wanted &&
               Hop::decided_part(record.hop.load(std::memory_order_relaxed)) == 0;
    }

    static void note_station(const path::Meta& meta, uint32_t version, const view::Tables& tables) noexcept {
        flow::Record& record = *meta.connection.candidate;
        uint32_t hop = record.hop.load(std::memory_order_relaxed);
        if (Hop::decided_part(hop) != 0) return;
        // Unless somebody decides anew meanwhile.
        record.hop.compare_exchange_strong(hop, station_of(meta, version), std::memory_order_relaxed);
    }

    template <class T>
    [[gnu::always_inline]] static bool route(path::Meta& meta, const rte_mbuf* packet,
                                             const T& tables) noexcept {
        if (unlikely(!router::Forward::knows_source(meta, tables))) return route_unknown(meta, packet, tables);
        if (likely(has_flow(meta.connection, tables) && follow(meta, tables) &&
                   count(meta.connection, packet, tables))) {
            return true;
        }
        return tables.features.tracker.decide(meta, packet, tables);
    }

    // is_destination() of steps.h, of a packet in hand.
    [[gnu::always_inline]] static bool is_destination(const neighbor::Entry& neighbor, const path::Meta& meta,
                                                      const view::Tables& tables) noexcept {
        const path::Connection& connection = meta.connection;
        if (unlikely(path::index(neighbor.network) >= tables.snapshot.networks.size() ||
                     tables.network(neighbor.network).flow_domain != connection.key.domain() ||
                     neighbor.state.load(std::memory_order_relaxed) == neighbor::State::kFree)) {
            return false;
        }
        if (likely(!connection.is_ipv6())) {
            // ::ffff:a.b.c.d, as sluice/address.h has it.
            const uint8_t* bytes = neighbor.address.bytes.data();
            const uint64_t mapped = 0xffff'0000U | uint64_t{connection.key.destination().raw()} << 32;
            return wire::load64(bytes) == 0 && wire::load64(bytes + 8) == mapped;
        }
        const auto& ip = *reinterpret_cast<const wire::Ipv6Header*>(connection.ip);
        return neighbor.address.bytes == ip.destination;
    }

    // The way that the flow was decided to take, if it still leads there.
    [[gnu::always_inline]] static bool follow(path::Meta& meta, const view::Tables& tables) noexcept {
        const flow::Record& record = *meta.connection.candidate;
        const flow::Decided decided = record.decided.load(std::memory_order_acquire);
        const uint32_t hop = record.hop.load(std::memory_order_acquire);
        // Networks are what they were as long as the generation is, and so is whom routes lead to.
        if (unlikely(decided.generation() != tables.flow_generation)) return false;
        if (unlikely((hop & Hop::kNeighbor) == 0)) return false;
        neighbor::Entry& neighbor = tables.neighbors.at(hop & Hop::kIndexMask);
        if (likely(meta.layer3 == path::Layer3::kIpv4)) {
            const auto& ip = *static_cast<const wire::Ipv4Header*>(meta.header);
            if (unlikely(ip.version_size != 0x45 || ip.ttl <= 1)) return false;
        } else if (meta.layer3 != path::Layer3::kIpv6 ||
                   static_cast<const wire::Ipv6Header*>(meta.header)->hop_limit <= 1) {
            return false;
        }
        if (unlikely((hop & Hop::kOnLink) != 0 && !is_destination(neighbor, meta, tables))) {
            return false;
        }
        const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
        const path::PortId exit =
            link::exit_of(neighbor, mac, tables.network(neighbor.network), tables);
        if (unlikely(exit == path::kNoPort)) return false;
        // And the hop is of that decision: whoever decides anew takes the word away first.
        const flow::Decided wanted(tables.flow_generation, true, meta.network, meta.ingress, exit);
        if (unlikely(!(decided == wanted && record.decided.load(std::memory_order_relaxed) == wanted))) {
            return false;
        }
        meta.neighbor = &neighbor;
        meta.egress = exit;
        meta.fate = path::Fate::kRouteByPort;
        return true;
    }
};

}  // namespace sluice::policy
