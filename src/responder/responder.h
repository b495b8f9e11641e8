// What the switch itself says, off the fast path: it answers ARP and Neighbor Discovery for its gateways'
// addresses (and, in overlays, for stations that it knows), asks for neighbors' MAC addresses, announces stations
// that have come, answers pings, and tells senders by ICMP why a packet went no further. One for each worker, on
// its thread.
//
// What it makes is counted as `made`. An answer to a packet goes back to where that came from: to its
// port and source MAC address.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "link/link.h"
#include "port/pools.h"
#include "tunnel/output.h"
#include "view/tables.h"
#include "wire/icmp.h"
#include "wire/ip_check.h"
#include "wire/neighbor_message.h"

namespace sluice::responder {

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

class Responder {
 public:
    Responder(port::Pools pools, link::Link& link, tunnel::Output& output)
        : pools_(pools), link_(link), output_(output) {}

    // --- apply; each takes the packet ---

    // Of a packet to the switch itself.
    void receive(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Of a frame that is about to be flooded: what the switch has to say about it. True if it took the frame.
    bool take_flooded(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Of a frame whose destination isn't known, which may have gone with its port. Doesn't take it.
    void seek_departed(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // --- at the end of a batch ---

    // Tells the sender of a packet why it went no further, where that may be told. Doesn't take the packet.
    void answer_with_error(const path::Meta& meta, path::Drop reason, uint16_t mtu, const rte_mbuf* packet,
                           const view::Tables& tables) noexcept;
    void solicit(const neighbor::Entry& neighbor, const view::Tables& tables) noexcept;

    // --- between batches ---

    bool has_chores() const noexcept { return has_chores_.load(std::memory_order_acquire); }
    void do_chores(const view::Tables& tables) noexcept;

    // --- control thread ---

    void ask(std::vector<Chore> chores);

 private:
    // Each may flood: no batch waits for many of them.
    static constexpr size_t kChoresAtOnce = 32;

    // ARP and ND.
    bool converse(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void take_note(const path::Meta& meta, const wire::NeighborMessage& message,
                   const view::Tables& tables) noexcept;
    static void note_rival(const path::Meta& meta, const neighbor::Entry& entry, uint64_t mac, uint64_t before,
                           bool has_moved, const view::Tables& tables) noexcept;
    bool answer(const path::Meta& meta, const wire::NeighborMessage& message, const view::Tables& tables) noexcept;
    // Answers a refused probe for the owner of the address.
    void answer_probe(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;
    void send_answer(const path::Meta& meta, const wire::NeighborMessage& message, uint64_t mac, bool overrides,
                     const view::Tables& tables) noexcept;
    void release(neighbor::Entry& neighbor, const view::Tables& tables) noexcept;

    // Where stations are (stations.cc).
    void spread(path::NetworkId network, path::PortId from, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void announce(const Chore& chore, const view::Tables& tables) noexcept;
    void tell(const Chore& chore, const view::Tables& tables) noexcept;
    rte_mbuf* build_announcement(const Chore& chore) const noexcept;
    void verify(const Chore& chore, const view::Tables& tables) noexcept;
    // The router's address to speak from to this one: of its subnet if there is one, else of its family.
    static std::optional<IpAddress> own_address(const view::Network& network, const IpAddress& peer) noexcept;

    bool reset(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    port::Pools pools_;
    link::Link& link_;
    tunnel::Output& output_;
    std::mutex mutex_;
    std::vector<Chore> chores_;
    std::vector<Chore> doing_;
    size_t done_ = 0;  // of those
    std::atomic<bool> has_chores_{false};
};

}  // namespace sluice::responder
