// The learning bridge as stages of the path (IEEE 802.1Q, 8.6 to 8.8): learn the source, look the
// destination up, send it there or to everyone. Worker side only; mac_table.h is the table.
//
// `Tables` is the engine's view of a snapshot. Asked of it here:
//     MacTable* macs(NetworkId)       the network's table, to prefetch from
//     Entry find(const Meta&)         where the destination is, by that table
//     bool knows_source(const Meta&)  whether learning the source would change nothing
//     Drop judge_source(const Meta&, limit)  whether another source may come from its port
//     bool learn(const Meta&, limit)  the source, into the table: MacTable::learn()
//     Drop admit_other(const Meta&, mbuf*)  of a frame that isn't plain IP: its priority tag comes off, and
//                                     whether it claims the IP address of another
//     bool carries(PortId, NetworkId) whether the port is up and in that network
//     slot(PortId)                    `horizon`, `mac_limit`: what the port's limits are
//     bool may_flood(PortId, kind)    whether it may have one more frame flooded
//     Seconds now                     the worker's clock, one reading a batch
#pragma once

#include "bridge/flood_limit.h"
#include "bridge/mac_table.h"
#include "path/path.h"
#include "wire/flow_hash.h"
#include "wire/headers.h"

namespace sluice::bridge {

// 01-80-C2-00-00-0X (IEEE 802.1Q, table 8-1), as path::mac_key() reads it.
constexpr bool is_reserved(uint64_t mac) noexcept {
    return (mac & 0xf0ff'ffff'ffffULL) == 0x0000'00c2'8001ULL;
}

// Admit: is it fit to be bridged; start fetching both addresses' buckets.
//
// Frames come in runs of one conversation. What the frame before in the batch had the same addresses,
// port and network as need not be looked up again: nothing was learned between the two. It saves 62 of
// 147 instructions and 11 of 51 cycles where there are runs, and costs 12 instructions where there are
// none (bench/run replay: flows, MACs).
struct Lookup {
    // ARP and Neighbor Discovery are looked into here, before anything is learned: of IP with ports that costs
    // some comparisons.
    template <class Tables>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const path::Meta& before = path::previous(meta);
        if (!admit_claim(meta, packet, tables)) return false;
        meta.repeats = meta.destination_mac == before.destination_mac &&
                       meta.source_mac == before.source_mac &&
                       path::origin(meta) == path::origin(before);
        return meta.repeats || look_up(meta, tables);
    }

    // Whether the frame says nothing of IP addresses that it may not say. A priority tag comes off, which tells no
    // network: a frame that has one isn't plain IP, so the plain ones pay nothing for that.
    template <class Tables>
    [[gnu::always_inline]] static bool admit_claim(path::Meta& meta, rte_mbuf* packet,
                                                   const Tables& tables) noexcept {
        constexpr uint16_t kIpv4 = wire::be16(static_cast<uint16_t>(wire::EtherType::kIpv4)).raw();
        const auto* ethernet = rte_pktmbuf_mtod(packet, const wire::EthernetHeader*);
        if (likely(ethernet->type.raw() == kIpv4) || likely(wire::is_ipv6_with_ports(packet))) return true;
        const path::Drop reason = tables.admit_other(meta, packet);
        return likely(reason == path::Drop::kCount) || path::drop(meta, reason);
    }

    template <class Tables>
    [[gnu::always_inline]] static bool look_up(path::Meta& meta, const Tables& tables) noexcept {
        const MacTable* macs = tables.macs(meta.network);
        if (unlikely(path::is_group(meta.source_mac) || meta.source_mac == 0)) {
            return path::drop(meta, path::Drop::kInvalidSource);
        }
        meta.source_hash = MacTable::hash(meta.source_mac);
        meta.destination_hash = MacTable::hash(meta.destination_mac);
        macs->prefetch(meta.source_hash);
        macs->prefetch(meta.destination_hash);
        return true;
    }
};

// Decide: forward or flood, and then learn. Nothing is learned from what is dropped.
struct Bridge {
    template <class Tables>
    [[gnu::always_inline]] static bool decide(path::Meta& meta, const Tables& tables) noexcept {
        return decide_or(meta, tables, [&]() noexcept { return decide_unknown(meta, tables); });
    }

    // `decide_unknown` is called for a packet whose source is to be learned.
    template <class Tables, class Unknown>
    [[gnu::always_inline]] static bool decide_or(path::Meta& meta, const Tables& tables,
                                                 Unknown decide_unknown) noexcept {
        if (meta.repeats) {
            if (likely(path::previous(meta).fate == path::Fate::kForward)) {
                meta.egress = path::previous(meta).egress;
                meta.fate = path::Fate::kForward;
                return true;
            }
            if (!Lookup::look_up(meta, tables)) return false;
        }
        if (unlikely(!tables.knows_source(meta))) return decide_unknown();
        return forward(meta, tables);
    }

    template <class Tables>
    [[gnu::noinline]] static bool decide_unknown(path::Meta& meta, const Tables& tables) noexcept {
        return decide_unknown(meta, tables, []() noexcept { return true; });
    }

    // `decide_rest` has the last word.
    template <class Tables, class Rest>
    static bool decide_unknown(path::Meta& meta, const Tables& tables, Rest decide_rest) noexcept {
        if (!admit_source(meta, tables)) return false;
        if (meta.destination_mac == meta.source_mac) {
            meta.egress = meta.ingress;
            return path::drop(meta, path::Drop::kSamePort);
        }
        if (!forward(meta, tables)) {
            // The frame has arrived already, behind a hub: its sender is there, and is learned. A sender that is
            // known behind another port isn't.
            const bool is_there = meta.reason == path::Drop::kSamePort && !tables.is_elsewhere(meta);
            if (is_there) (void)tables.learn(meta, mac_limit(meta, tables));
            return false;
        }
        return decide_rest() && learn(meta, tables);
    }

    // Without learning, what has been looked up.
    template <class Tables>
    [[gnu::always_inline]] static bool forward(path::Meta& meta, const Tables& tables) noexcept {
        const Entry entry = tables.find(meta);
        meta.egress = entry.port();
        // The entry's port may have left the network a moment ago, or be down: what belongs to this
        // network must not follow it, and is flooded until the address is learned again.
        if (likely(entry.found() && tables.carries(entry.port(), meta.network))) {
            if (unlikely(entry.port() == meta.ingress)) {
                return path::drop(meta, path::Drop::kSamePort);
            }
            if (unlikely(meta.unusual) && share_a_horizon(meta, tables)) {
                return path::drop(meta, path::Drop::kSplitHorizon);
            }
            meta.fate = path::Fate::kForward;
            return true;
        }
        if (unlikely(entry.is_static())) return path::drop(meta, path::Drop::kPortDown);
        // Group addresses are never learned, so they end here as well.
        if (unlikely(is_reserved(meta.destination_mac))) {
            return path::drop(meta, path::Drop::kReservedMac);
        }
        if (!tables.may_flood(meta.ingress, kind_of(meta))) {
            return path::drop(meta, path::Drop::kFloodLimit);
        }
        meta.fate = path::Fate::kFlood;
        return true;
    }

    // Before a packet is decided whose source is to be learned: whether it may come from its port.
    template <class Tables>
    static bool admit_source(path::Meta& meta, const Tables& tables) noexcept {
        const path::Drop reason = tables.judge_source(meta, mac_limit(meta, tables));
        return reason == path::Drop::kCount || path::drop(meta, reason);
    }

    // Afterwards. Another worker may have taken the last place.
    template <class Tables>
    static bool learn(path::Meta& meta, const Tables& tables) noexcept {
        return tables.learn(meta, mac_limit(meta, tables)) || path::drop(meta, path::Drop::kMacLimit);
    }

 private:
    template <class Tables>
    static uint32_t mac_limit(const path::Meta& meta, const Tables& tables) noexcept {
        return unlikely(meta.unusual) ? tables.slot(meta.ingress).mac_limit : 0;
    }

    template <class Tables>
    static bool share_a_horizon(const path::Meta& meta, const Tables& tables) noexcept {
        const uint16_t group = tables.slot(meta.ingress).horizon;
        return group != 0 && group == tables.slot(meta.egress).horizon;
    }

    static FloodKind kind_of(const path::Meta& meta) noexcept {
        if (meta.destination_mac == path::kMacMask) return FloodKind::kBroadcast;
        return path::is_group(meta.destination_mac) ? FloodKind::kMulticast : FloodKind::kUnknown;
    }
};

}  // namespace sluice::bridge
