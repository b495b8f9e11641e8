// Connections as a stage of the path: a packet of a flow that was decided under the configuration in force
// goes where that says, by one look-up in the flow table; every other one is the tracker's to decide. Only in
// networks whose flow domain has policies at all. Worker side.
//
// A flow notes which MAC addresses its frames have, and by which version of the MAC table those are behind its
// ports (flow::Table::stations()). A bridged frame with those addresses asks no MAC table, and no guard: the frame
// that the flow was decided by came from the same port, MAC address and IP address, and passed. A routed packet's
// next hop stands in the flow. In all cases the flow holds for the ports that it was decided for: where a station
// has moved to another, its policies are asked anew.
#pragma once

#include <rte_prefetch.h>

#include "flow/flow_table.h"
#include "link/exit.h"
#include "path/tuple.h"
#include "policy/tracker.h"
#include "router/forward.h"
#include "view/tables.h"

namespace sluice::policy {

// Starts fetching what the flow table has for the packet's connection.
[[gnu::always_inline]] inline void look_up_flow(path::Meta& meta, const view::Tables& tables) noexcept {
    meta.connection.hash = tables.flows.hash(meta.connection.key);
    tables.flows.prefetch(meta.connection.hash);
}

// Admit, of a packet that LeaveToFlow has passed over, once its network is known.
struct ReadConnection {
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
        // Of a trunk or a tunnel the network was not known when the packet was received.
        if (unlikely(meta.unusual)) {
            meta.admission =
                flow::Decided::admission(tables.flow_generation(meta.network), meta.network, meta.ingress);
        }
        look_up_flow(meta, tables);
        return true;
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
};

// Connections whose packets nearly all have a flow: found, followed and counted here, decided by the tracker.
struct Track {
    [[gnu::always_inline]] static void find(path::Meta& meta, const view::Tables& tables) noexcept {
        // Of other packets what it finds is of no meaning, and asked by nobody.
        path::Connection& connection = meta.connection;
        connection.candidate = tables.flows.candidate(connection.hash);
        rte_prefetch0(connection.candidate);
    }

    // By its flow alone, and with nothing to be noted but what every packet is counted by.
    template <class T>
    [[gnu::always_inline]] static bool decide_usual(path::Meta& meta, const rte_mbuf* packet,
                                                    const T& tables) noexcept {
        if (likely(meta.fate == path::Fate::kBridgeByFlow)) return bridge_usual(meta, packet, tables);
        return meta.fate == path::Fate::kRouteByFlow && route_usual(meta, packet, tables);
    }

    template <class T>
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (likely(meta.fate == path::Fate::kBridgeByFlow)) return bridge(meta, packet, tables);
        const bool is_routed = meta.layer3 != path::Layer3::kNone;
        if (likely(is_routed && meta.connection.tracked == path::Tracked::kByFlow)) {
            return route(meta, packet, tables);
        }
        return decide_others(meta, packet, tables);
    }

 private:
    template <class T>
    [[gnu::noinline]] static bool decide_others(path::Meta& meta, const rte_mbuf* packet,
                                                const T& tables) noexcept {
        switch (meta.connection.tracked) {
            case path::Tracked::kNot: return router::Forward::decide(meta, packet, tables);
            case path::Tracked::kByFlow: return bridge(meta, packet, tables);
            case path::Tracked::kSingly: break;
        }
        return decide_singly(meta, packet, tables);
    }

    template <class T>
    [[gnu::noinline]] static bool decide_singly(path::Meta& meta, const rte_mbuf* packet,
                                                const T& tables) noexcept {
        if (!look_up_late(meta, packet, tables)) return false;
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

    // What is decided is stored last: the compiler takes an atomic access for one that may change all of memory,
    // and would have Apply load it again.
    template <class T>
    [[gnu::always_inline]] static bool bridge_usual(path::Meta& meta, const rte_mbuf* packet,
                                                    const T& tables) noexcept {
        const path::Connection& connection = meta.connection;
        flow::Record& record = *connection.candidate;
        path::PortId egress;
        if (unlikely(!is_settled(meta, record, tables))) return false;
        if (unlikely(!leads_to(meta, record, tables, egress))) return false;
        flow::Table::note_settled(record, connection, packet);
        meta.egress = egress;
        meta.fate = path::Fate::kForward;
        return true;
    }
    template <class T>
    [[gnu::always_inline]] static bool route_usual(path::Meta& meta, const rte_mbuf* packet,
                                                   const T& tables) noexcept {
        flow::Record& record = *meta.connection.candidate;
        if (unlikely(!is_settled(meta, record, tables))) return false;
        Way way;
        if (unlikely(!find_way(meta, tables, way))) return false;
        const auto decided = flow::Decided::of(meta.admission, way.egress);
        if (unlikely(!has_noted(meta, record, decided, tables))) return false;
        flow::Table::note_settled(record, meta.connection, packet);
        take(meta, way);
        return true;
    }
    [[gnu::always_inline]] static bool is_settled(const path::Meta& meta, const flow::Record& record,
                                                  const view::Tables& tables) noexcept {
        return tables.flows.is(record, meta.connection) &&
               flow::Table::is_settled(record, meta.connection, tables.now);
    }

    // Whether the packet has a flow, if nothing stands against it.
    [[gnu::always_inline]] static bool has_flow(const path::Connection& connection,
                                                const view::Tables& tables) noexcept {
        return tables.flows.is(*connection.candidate, connection);
    }

    // False if the packet begins a connection anew where another has ended.
    [[gnu::always_inline]] static bool count(const path::Meta& meta, const rte_mbuf* packet,
                                             const view::Tables& tables) noexcept {
        const path::Connection& connection = meta.connection;
        return tables.flows.track(*connection.candidate, connection, packet, packet->pkt_len, tables.now,
                                  [&]() noexcept { refresh_source(meta, tables); });
    }

    // Once a second of each flow: the MAC table must not forget a source whose frames don't ask it.
    [[gnu::noinline]] static void refresh_source(const path::Meta& meta, const view::Tables& tables) noexcept {
        tables.macs(meta.network)->refresh(meta.source_mac, meta.ingress, tables.now,
                                           tables.slot(meta.ingress).mac_limit);
    }

    // Of a frame whose guard and addresses Admit has left to its flow, which doesn't know them.
    template <class T>
    [[gnu::always_inline]] static bool look_up_late(path::Meta& meta, const rte_mbuf* packet,
                                                    const T& tables) noexcept {
        if (meta.layer3 != path::Layer3::kNone || !meta.asks_flow_first) return true;
        meta.repeats = false;
        if (meta.guarded != path::Guarded::kNot && !guard::Check::admit(meta, packet, tables)) return false;
        return bridge::Lookup::look_up(meta, tables);
    }

    // By its flow alone, or else by the MAC table.
    template <class T>
    [[gnu::always_inline]] static bool bridge(path::Meta& meta, const rte_mbuf* packet,
                                              const T& tables) noexcept {
        if (likely(has_flow(meta.connection, tables) && follow_stations(meta, tables))) {
            return likely(count(meta, packet, tables)) || tables.features.tracker.decide(meta, packet, tables);
        }
        return bridge_by_table(meta, packet, tables);
    }

    // Where the flow's frames leave, if it has noted this frame's addresses and neither has moved or gone since.
    [[gnu::always_inline]] static bool leads_to(const path::Meta& meta, const flow::Record& record,
                                                const view::Tables& tables, path::PortId& egress) noexcept {
        const flow::Decided decided = record.decided.load(std::memory_order_acquire);
        egress = decided.egress();
        return likely(decided.admits(meta.admission)) && likely(has_noted(meta, record, decided, tables)) &&
               likely(tables.carries(egress, meta.network));
    }
    [[gnu::always_inline]] static bool follow_stations(path::Meta& meta, const view::Tables& tables) noexcept {
        path::PortId egress;
        if (!leads_to(meta, *meta.connection.candidate, tables, egress)) return false;
        meta.egress = egress;
        meta.fate = path::Fate::kForward;
        return true;
    }

    // By the MAC table, and has the flow note what that said.
    template <class T>
    [[gnu::noinline]] static bool bridge_by_table(path::Meta& meta, const rte_mbuf* packet,
                                                  const T& tables) noexcept {
        if (meta.fate == path::Fate::kBridgeByFlow) {
            meta.fate = path::Fate::kPending;
            meta.asks_flow_first = true;
        }
        const bool is_translated = has_flow(meta.connection, tables) &&
                                   (meta.connection.candidate->hop.load(std::memory_order_relaxed) &
                                    (Hop::kNeighbor | Hop::kTranslated)) == (Hop::kNeighbor | Hop::kTranslated);
        if (unlikely(is_translated)) return bridge_translated(meta, packet, tables);
        return bridge_untranslated(meta, packet, tables);
    }

    // An answer of a back end in its client's own network: it is routed, as the packets that it answers are.
    template <class T>
    [[gnu::noinline]] static bool bridge_translated(path::Meta& meta, const rte_mbuf* packet,
                                                    const T& tables) noexcept {
        if (!look_up_late(meta, packet, tables)) return false;
        meta.asks_flow_first = false;
        if (!tables.knows_source(meta) || !hand_to_router(meta, packet))
            return bridge_untranslated(meta, packet, tables);
        if (follow(meta, tables) && count(meta, packet, tables)) return true;
        meta.layer3 = path::Layer3::kNone;
        return tables.features.tracker.decide(meta, packet, tables);
    }

    template <class T>
    static bool bridge_untranslated(path::Meta& meta, const rte_mbuf* packet, const T& tables) noexcept {
        // The version first: what changes while it is looked up makes the note stale at once.
        const uint64_t version = tables.macs(meta.network)->spread_version();
        if (!look_up_late(meta, packet, tables)) return false;
        bool is_decided = false;
        const auto decide_unknown = [&]() noexcept {
            is_decided = true;
            return bridge_unknown(meta, packet, tables);
        };
        if (!router::Forward::bridge_it(meta, tables, decide_unknown)) return false;
        if (!is_decided) {
            const bool passes = is_flows_way(meta, tables) && count(meta, packet, tables);
            if (!passes && !tables.features.tracker.decide(meta, packet, tables)) return false;
        }
        if (is_flows_way(meta, tables) && has_known_source(meta, tables)) note(meta, version, tables);
        return true;
    }

    // Whether its flow was decided to go where the MAC table says that the frame's destination is.
    static bool is_flows_way(const path::Meta& meta, const view::Tables& tables) noexcept {
        if (meta.fate != path::Fate::kForward || !has_flow(meta.connection, tables)) return false;
        const flow::Record& record = *meta.connection.candidate;
        return is_decided_so(record, meta) && record.hop.load(std::memory_order_relaxed) == 0;
    }

    // Whether the MAC table has learned the frame's source by now. That of an overlay's routers is never learned.
    template <class T>
    static bool has_known_source(const path::Meta& meta, const T& tables) noexcept {
        return tables.knows_source(meta) || router::Forward::is_from_router(meta, tables);
    }

    // By its flow alone, or else by the tables of guards, addresses and routes.
    template <class T>
    [[gnu::always_inline]] static bool route(path::Meta& meta, const rte_mbuf* packet,
                                             const T& tables) noexcept {
        if (likely(has_flow(meta.connection, tables) && follow(meta, tables) &&
                   has_noted(meta, *meta.connection.candidate, flow::Decided::of(meta.admission, meta.egress),
                             tables))) {
            if (unlikely(!count(meta, packet, tables)))
                return tables.features.tracker.decide(meta, packet, tables);
            note_opening(meta);
            return true;
        }
        return route_by_tables(meta, packet, tables);
    }

    // Whether the packet's flow was decided to let it in and out by its ports.
    static bool is_decided_so(const flow::Record& record, const path::Meta& meta) noexcept {
        return record.decided.load(std::memory_order_acquire) == flow::Decided::of(meta.admission, meta.egress);
    }

    // Whether the flow has noted the packet's addresses, since it was decided so.
    [[gnu::always_inline]] static bool has_noted(const path::Meta& meta, const flow::Record& record,
                                                 flow::Decided decided, const view::Tables& tables) noexcept {
        const uint64_t version = tables.macs(meta.network)->spread_version();
        return record.stations.load(std::memory_order_relaxed) ==
               tables.flows.stations(meta.destination_mac, meta.source_mac, decided, version);
    }
    // Of a packet that its flow lets in and out: `version` is that of the MAC table from before it was looked up.
    static void note(const path::Meta& meta, uint64_t version, const view::Tables& tables) noexcept {
        const auto decided = flow::Decided::of(meta.admission, meta.egress);
        meta.connection.candidate->stations.store(
            tables.flows.stations(meta.destination_mac, meta.source_mac, decided, version),
            std::memory_order_relaxed);
    }

    // Asks all that route() spares, and has the flow note the addresses.
    template <class T>
    [[gnu::noinline]] static bool route_by_tables(path::Meta& meta, const rte_mbuf* packet,
                                                  const T& tables) noexcept {
        const uint64_t version = tables.macs(meta.network)->spread_version();
        meta.fate = path::Fate::kPending;
        meta.repeats = false;
        if (meta.guarded != path::Guarded::kNot && !guard::Check::admit(meta, packet, tables)) return false;
        if (path::is_group(meta.source_mac) || meta.source_mac == 0) {
            return path::drop(meta, path::Drop::kInvalidSource);
        }
        if (!router::Forward::knows_source(meta, tables)) return route_unknown(meta, packet, tables);
        const bool passes =
            has_flow(meta.connection, tables) && follow(meta, tables) && count(meta, packet, tables);
        if (!passes && !tables.features.tracker.decide(meta, packet, tables)) return false;
        if (passes) note_opening(meta);
        const bool is_known =
            (meta.fate == path::Fate::kRouteByPort || meta.fate == path::Fate::kRouteTranslated) &&
            has_flow(meta.connection, tables);
        if (is_known && is_decided_so(*meta.connection.candidate, meta)) note(meta, version, tables);
        return true;
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
        const neighbor::AddressWords words = neighbor::words_of(neighbor.address);
        if (likely(!connection.is_ipv6())) return words == neighbor::words_of(connection.key.destination());
        const auto& ip = *reinterpret_cast<const wire::Ipv6Header*>(connection.ip);
        return words == neighbor::words_of(ip.destination);
    }

    // The way that the flow was decided to take, if it still leads there.
    struct Way {
        neighbor::Entry* neighbor;
        path::PortId egress;
        path::Fate fate;
    };
    template <class T>
    [[gnu::always_inline]] static bool find_way(const path::Meta& meta, const T& tables, Way& way) noexcept {
        const flow::Record& record = *meta.connection.candidate;
        const flow::Decided decided = record.decided.load(std::memory_order_acquire);
        const uint32_t hop = record.hop.load(std::memory_order_acquire);
        // Networks are what they were as long as the generation is, and so is whom routes lead to.
        if (unlikely(!decided.admits(meta.admission))) return false;
        if (unlikely((hop & (Hop::kNeighbor | Hop::kTranslated)) != Hop::kNeighbor)) {
            return (hop & Hop::kTranslated) != 0 && find_translated_way(meta, decided, hop, tables, way);
        }
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
        return leave_by(neighbor, decided, path::Fate::kRouteByPort, meta, tables, way);
    }

    // To that neighbor, if it is behind the port that the flow was decided to leave by.
    template <class T>
    [[gnu::always_inline]] static bool leave_by(neighbor::Entry& neighbor, flow::Decided decided, path::Fate fate,
                                                const path::Meta& meta, const T& tables, Way& way) noexcept {
        const path::PortId exit = tables.features.link.ready_hop(neighbor, tables).exit;
        if (unlikely(exit == path::kNoPort)) return false;
        // And the hop is of that decision: whoever decides anew takes the word away first.
        const flow::Record& record = *meta.connection.candidate;
        if (unlikely(decided.egress() != exit || record.decided.load(std::memory_order_relaxed) != decided)) {
            return false;
        }
        way = {&neighbor, exit, fate};
        return true;
    }

    // is_destination() of what the packet leaves as: the source of its answers.
    [[gnu::always_inline]] static bool is_translated_destination(const neighbor::Entry& neighbor,
                                                                 const path::Meta& meta,
                                                                 const view::Tables& tables) noexcept {
        const flow::Record& answers = flow::peer_of(*meta.connection.candidate);
        if (unlikely(meta.connection.is_ipv6()))
            return policy::is_destination(neighbor, tables.flows.tuple(tables.flows.index(answers)).reversed(),
                                          tables);
        return path::index(neighbor.network) < tables.snapshot.networks.size() &&
               tables.network(neighbor.network).flow_domain == meta.connection.key.domain() &&
               neighbor.state.load(std::memory_order_relaxed) != neighbor::State::kFree &&
               neighbor::words_of(neighbor.address) == neighbor::words_of(answers.key.source());
    }

    // The same of packets that leave with other addresses or ports than they come with.
    template <class T>
    [[gnu::always_inline]] static bool find_translated_way(const path::Meta& meta, flow::Decided decided,
                                                           uint32_t hop, const T& tables, Way& way) noexcept {
        if (meta.layer3 == path::Layer3::kIpv4) {
            const auto& ip = *static_cast<const wire::Ipv4Header*>(meta.header);
            if (ip.version_size != 0x45 || ip.ttl <= 1) return false;
        } else if (meta.layer3 != path::Layer3::kIpv6 ||
                   static_cast<const wire::Ipv6Header*>(meta.header)->hop_limit <= 1) {
            return false;
        }
        neighbor::Entry& neighbor = tables.neighbors.at(hop & Hop::kIndexMask);
        if ((hop & Hop::kOnLink) != 0 && !is_translated_destination(neighbor, meta, tables)) return false;
        return leave_by(neighbor, decided, path::Fate::kRouteTranslated, meta, tables, way);
    }
    [[gnu::always_inline]] static void take(path::Meta& meta, const Way& way) noexcept {
        meta.neighbor = way.neighbor;
        meta.egress = way.egress;
        meta.fate = way.fate;
    }
    template <class T>
    [[gnu::always_inline]] static bool follow(path::Meta& meta, const T& tables) noexcept {
        Way way;
        if (!find_way(meta, tables, way)) return false;
        take(meta, way);
        return true;
    }
};

// Admit, the first stage: leaves a plain IP packet to its flow, if its port has nothing unusual and its network's
// connections are tracked. The other stages of Admit are asked about all other packets only. If its flow doesn't
// know the frame's addresses, Track has the guard and the tables judge it.
struct LeaveToFlow {
    [[gnu::always_inline]] static bool admit_usual(path::Meta& meta, rte_mbuf* packet,
                                                   const view::Tables& tables) noexcept {
        if (unlikely(meta.unusual)) return false;
        const view::Network& network = tables.network(meta.network);
        if (unlikely(!network.is_tracked)) return false;
        const auto* frame = rte_pktmbuf_mtod(packet, const uint8_t*);
        if (likely(path::read_plain_ipv4(packet, network.flow_domain, meta.connection))) {
            return leave(meta, packet, frame, network, tables);
        }
        return path::read_plain_ipv6(packet, network.flow_domain, meta.connection) &&
               leave(meta, packet, frame, network, tables);
    }

 private:
    [[gnu::always_inline]] static bool leave(path::Meta& meta, rte_mbuf* packet, const uint8_t* frame,
                                             const view::Network& network, const view::Tables& tables) noexcept {
        path::Parse::read_macs(meta, frame);
        if (meta.destination_mac == network.to_router) return admit_routed(meta, packet, tables);
        meta.fate = path::Fate::kBridgeByFlow;
        look_up_flow(meta, tables);
        return true;
    }

    // Out of line, or a bridged packet's registers would be spilled for it.
    [[gnu::noinline]] static bool admit_routed(path::Meta& meta, rte_mbuf* packet,
                                               const view::Tables& tables) noexcept {
        const view::Network& network = tables.network(meta.network);
        if (network.is_underlay && (network.only_tunnels || is_to_tunnels(meta.connection, tables))) return false;
        if (!read_header(meta, packet)) return false;
        meta.fate = path::Fate::kRouteByFlow;
        look_up_flow(meta, tables);
        return true;
    }

    // RouteLookup takes it out of its tunnel, if it is for an end point of ours.
    static bool is_to_tunnels(const path::Connection& connection, const view::Tables& tables) noexcept {
        return connection.key.protocol() == wire::Protocol::kUdp &&
               connection.key.destination_port() == tables.snapshot.udp_port;
    }

    // As RouteLookup does. False if something is wrong with the header.
    [[gnu::always_inline]] static bool read_header(path::Meta& meta, rte_mbuf* packet) noexcept {
        meta.header = rte_pktmbuf_mtod_offset(packet, void*, link::kEthernet);
        const bool is_ipv4 = likely(!meta.connection.is_ipv6());
        const wire::IpCheck check = is_ipv4 ? wire::check_ipv4(packet, link::kEthernet)
                                            : wire::check_ipv6(packet, link::kEthernet);
        if (unlikely(check != wire::IpCheck::kValid)) return false;
        meta.layer3 = is_ipv4 ? path::Layer3::kIpv4 : path::Layer3::kIpv6;
        return true;
    }
};

}  // namespace sluice::policy
