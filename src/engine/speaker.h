// What the switch itself says and does as a router on each network, off the fast path: it answers ARP and
// Neighbor Discovery for its gateways' addresses (and, in overlays, for stations that it knows), asks for
// neighbors' MAC addresses and keeps packets until it has them, answers pings, and tells senders by ICMP
// why a packet went no further. One for each worker, on its thread.
//
// What it makes is counted as `made`. An answer to a packet goes back to where that came from: to its
// port and source MAC address.
#pragma once

#include <rte_cycles.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "view/tables.h"
#include "engine/ways.h"
#include "port/pools.h"
#include "wire/flow_hash.h"
#include "wire/icmp.h"
#include "wire/ip_check.h"
#include "wire/neighbor_message.h"

namespace sluice::engine {

// Where the network header of an untagged frame begins.
constexpr uint16_t kEthernet = sizeof(wire::EthernetHeader);

inline wire::MacBytes bytes_of(uint64_t mac) noexcept {
    wire::MacBytes bytes;
    std::memcpy(bytes.data(), &mac, bytes.size());
    return bytes;
}

// What the control thread asks a worker to do.
struct Chore {
    enum class Kind : uint8_t { kSolicit, kRelease, kAnnounce, kTell, kPing, kVerify } kind;
    neighbor::Entry* neighbor = nullptr;  // of kSolicit, kRelease
    // Of kAnnounce: this address is at this MAC, behind this port; without an address, the MAC is there. Of kTell:
    // this port tells whoever is beyond it that the address (::, none is known) at this MAC is on our side. Of
    // kVerify: who has this address there? Of kPing the port is the tunnel to the one who is asked.
    path::NetworkId network{};
    path::PortId port{};
    IpAddress address{};
    uint64_t mac = 0;
};

class Speaker {
 public:
    explicit Speaker(port::Pools pools);

    // --- the path's stages ---

    // Where the MAC table has the neighbor, kNoPort if it doesn't or the neighbor has no address yet.
    [[gnu::always_inline]] static path::PortId exit_of(neighbor::Entry& neighbor, uint64_t mac,
                                                       const view::Network& network,
                                                       const view::Tables& tables) noexcept {
        const uint64_t known = neighbor.exit.load(std::memory_order_relaxed);
        const path::PortId port{static_cast<uint16_t>(known)};
        if (likely(known >> 16 == tag(mac, network.table->version()) && mac != 0 &&
                   tables.carries(port, neighbor.network))) {
            return port;
        }
        return find_exit(neighbor, mac, network, tables);
    }

    // The same, of a packet that may be one that is only asked about.
    static path::PortId likely_exit_of(neighbor::Entry& neighbor, uint64_t mac, const view::Network& network,
                                       const view::Tables& tables) noexcept {
        const path::PortId exit = exit_of(neighbor, mac, network, tables);
        if (likely(tables.assumed == nullptr) || exit != path::kNoPort) return exit;
        return tables.assumed->port_of(neighbor.network, mac);
    }

    // One hop less.
    [[gnu::always_inline]] static void count_down(const path::Meta& meta) noexcept {
        if (likely(meta.layer3 == path::Layer3::kIpv4)) {
            wire::decrement_ttl(*static_cast<wire::Ipv4Header*>(meta.header));
        } else if (meta.layer3 == path::Layer3::kIpv6) {
            wire::decrement_hop_limit(*static_cast<wire::Ipv6Header*>(meta.header));
        }
    }

    // Twelve bytes in two stores.
    [[gnu::always_inline]] static void write_macs(rte_mbuf* packet, uint64_t destination,
                                                  uint64_t source) noexcept {
        auto* frame = rte_pktmbuf_mtod(packet, uint8_t*);
        const uint64_t first = destination | source << 48;
        const auto rest = static_cast<uint32_t>(source >> 16);
        std::memcpy(frame, &first, sizeof first);
        std::memcpy(frame + sizeof first, &rest, sizeof rest);
    }

    // What it knows of ways lasts for a batch.
    void end_batch(path::Counters& counters) noexcept {
        ways_in_.leave(counters);
        ways_out_.leave(counters);
    }
    Ways<WayOut>& ways_out() noexcept { return ways_out_; }

    [[gnu::always_inline]] WayIn& way_in(path::PortId exit, path::NetworkId network, const view::PortSlot& slot,
                                         const view::Tables& tables) noexcept {
        WayIn& way = ways_in_.at(WayIn::place(exit, network));
        if (unlikely(way.tunnel != slot.tunnel || way.network != network)) {
            find_way(way, exit, network, tables);
        }
        return way;
    }

    // Into a tunnel, as seldom out of line as can be. Takes the packet.
    [[gnu::always_inline]] void send_by_tunnel(path::Meta& meta, rte_mbuf* packet, const view::PortSlot& slot,
                                               const view::Tables& tables) noexcept {
        WayIn& way = way_in(meta.egress, meta.network, slot, tables);
        if (likely(way.takes(packet) && !vxlan::is_tagged(packet))) return way.enter(packet, tables.egress);
        send_unusual_by_tunnel(meta, packet, slot, tables);
    }

    // Decide: a hop that is no neighbor's; a packet with more to it than most (options, link-local source).
    bool decide(path::Meta& meta, const route::NextHop& hop, const view::Tables& tables) noexcept;
    bool decide_unusual(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // Apply: what leaves by no port that is known, and a routed packet that needs more than the path has for it;
    // each takes the packet.
    void apply(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void route(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void send_unusual_by_tunnel(path::Meta& meta, rte_mbuf* packet, const view::PortSlot& slot,
                                const view::Tables& tables) noexcept;

    // Apply, of a frame that is flooded since its destination isn't known.
    void seek_departed(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // --- between batches ---

    bool has_chores() const noexcept { return has_chores_.load(std::memory_order_acquire); }
    void do_chores(const view::Tables& tables) noexcept;

    // --- control thread ---

    void ask(std::vector<Chore> chores);

 private:
    // Errors and solicitations that one port may cause: so many a second, and at once.
    static constexpr uint64_t kAnswersPerSecond = 100;
    static constexpr uint64_t kAnswersAtOnce = 20;
    // Each may flood: no batch waits for many of them.
    static constexpr size_t kChoresAtOnce = 32;

    // What an exit was found for: that MAC address, while the table says the same of it.
    [[gnu::always_inline]] static uint64_t tag(uint64_t mac, uint32_t version) noexcept {
        return mac ^ version;
    }
    static path::PortId find_exit(neighbor::Entry& neighbor, uint64_t mac, const view::Network& network,
                                  const view::Tables& tables) noexcept;
    void drop(path::Meta& meta, path::Drop reason, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void drop_wrapped(const path::Meta& meta, path::Drop reason, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void drop_absent(path::Meta& meta, path::PortId port, rte_mbuf* packet, const view::Tables& tables) noexcept;
    bool may_answer(path::PortId port) noexcept;

    template <class Send>
    void too_big(path::Meta& meta, path::PortId exit, uint32_t mtu, rte_mbuf* packet, Send send_piece,
                 const view::Tables& tables) noexcept;
    static void count_down(rte_mbuf* piece) noexcept;
    void consume(rte_mbuf* packet, const view::Tables& tables) noexcept;

    // ARP and ND.
    bool converse(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void take_note(const path::Meta& meta, const wire::NeighborMessage& message,
                   const view::Tables& tables) noexcept;
    static void note_rival(const path::Meta& meta, const neighbor::Entry& entry, uint64_t mac, uint64_t before,
                           bool has_moved, const view::Tables& tables) noexcept;
    bool answer(const path::Meta& meta, const wire::NeighborMessage& message, const view::Tables& tables) noexcept;
    void resolve(path::Meta& meta, neighbor::Entry& neighbor, rte_mbuf* packet,
                 const view::Tables& tables) noexcept;
    void solicit(const neighbor::Entry& neighbor, const view::Tables& tables) noexcept;
    void route_again(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void route_unseen(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void resume(neighbor::Held& waiting, neighbor::Entry& neighbor, const view::Tables& tables) noexcept;
    void release(neighbor::Entry& neighbor, const view::Tables& tables) noexcept;
    static path::Meta waiting_meta(const neighbor::Waiting& waiting, const view::Tables& tables) noexcept;

    // Where stations are (speaker_stations.cc).
    void spread(path::NetworkId network, path::PortId from, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void announce(const Chore& chore, const view::Tables& tables) noexcept;
    void tell(const Chore& chore, const view::Tables& tables) noexcept;
    rte_mbuf* build_announcement(const Chore& chore) const noexcept;
    void verify(const Chore& chore, const view::Tables& tables) noexcept;
    // The router's address to speak from to this one: of its subnet if there is one, else of its family.
    static std::optional<IpAddress> own_address(const view::Network& network, const IpAddress& peer) noexcept;

    // What is for the switch.
    void flood(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void receive(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void answer_with_error(const path::Meta& meta, path::Drop reason, uint16_t mtu, const rte_mbuf* packet,
                           const view::Tables& tables) noexcept;
    bool reset(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // About tunnels (speaker_underlay.cc).
    static bool hear(const rte_mbuf* packet, const view::Tables& tables) noexcept;
    void ping(path::PortId id, const view::Tables& tables) noexcept;

    // Ways out.
    void send(path::NetworkId network, path::PortId exit, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // `from` gets none; kNoPort: all do. `cause` is the packet as it came; null: the switch itself says it.
    void send_to_all(path::NetworkId network, const std::vector<port::Exit>& members, path::PortId from,
                     const path::Meta* cause, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void send_to_tunnels(path::NetworkId network, const path::Meta* cause, rte_mbuf* packet,
                         const view::Tables& tables) noexcept;
    void tell_too_long(const path::Meta& cause, path::NetworkId network, const rte_mbuf* packet,
                       const view::Tables& tables) noexcept;
    void send_in(path::NetworkId network, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void find_way(WayIn& way, path::PortId exit, path::NetworkId network, const view::Tables& tables) noexcept;
    struct Underlay;
    bool find_underlay(const rte_mbuf* packet, const view::TunnelSlot& tunnel, Underlay& underlay,
                       const view::Tables& tables) const noexcept;
    void cut(const path::Meta& meta, const Underlay& underlay, rte_mbuf* segment,
             const view::Tables& tables) noexcept;
    void wrap(path::NetworkId network, path::PortId tunnel, const Underlay& underlay, rte_mbuf* packet,
              const view::Tables& tables) noexcept;

    Ways<WayIn> ways_in_;
    Ways<WayOut> ways_out_;
    port::Pools pools_;
    std::unique_ptr<uint64_t[]> answers_due_;  // by PortId: TSC, as in bridge::FloodLimiter
    uint64_t second_;
    std::mutex mutex_;
    std::vector<Chore> chores_;
    std::vector<Chore> doing_;
    size_t done_ = 0;  // of those
    uint16_t pings_ = 0;  // sequence number
    std::atomic<bool> has_chores_{false};
};

}  // namespace sluice::engine
