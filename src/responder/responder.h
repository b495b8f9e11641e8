// The responder: the switch's own messages, off the fast path. It answers ARP and Neighbor Discovery for its
// gateways' addresses (and, in overlays, for stations that it knows), requests neighbors' MAC addresses,
// announces new stations, answers pings, and reports drops to senders by ICMP. Each worker has one, on its
// thread.
//
// Its messages are counted as `made`. An answer goes back to the packet's ingress port and source MAC address.
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

// A task that the control thread gives a worker.
struct Chore {
    enum class Kind : uint8_t { kSolicit, kRelease, kAnnounce, kTell, kPing, kVerify } kind;
    neighbor::Entry* neighbor = nullptr;  // of kSolicit, kRelease
    // kAnnounce: tells all others that this address (if none is given: that this MAC) is at this MAC, behind this
    // port. kTell: tells the stations beyond this port that the address (::, if unknown) at this MAC is on our
    // side. kVerify: asks behind this port who has this address. kPing: the port is the tunnel to the remote that
    // is pinged.
    path::NetworkId network{};
    path::PortId port{};
    IpAddress address{};
    uint64_t mac = 0;
};

class Responder {
 public:
    Responder(port::Pools pools, link::Link& link, tunnel::Output& output)
        : pools_(pools), link_(link), output_(output) {}

    // --- apply; each takes ownership of the packet ---

    // Handles a packet to the switch itself.
    void receive(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Handles a frame before it is flooded, if it concerns the switch. True if it took the frame.
    bool take_flooded(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Handles a frame with an unknown destination, whose station may have gone with its port. Does not take the
    // frame.
    void seek_departed(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // --- at the end of a batch ---

    // Reports a drop to the packet's sender, if allowed. Does not take the packet.
    void answer_with_error(const path::Meta& meta, path::Drop reason, uint16_t mtu, const rte_mbuf* packet,
                           const view::Tables& tables) noexcept;
    void solicit(const neighbor::Entry& neighbor, const view::Tables& tables) noexcept;

    // --- between batches ---

    bool has_chores() const noexcept { return has_chores_.load(std::memory_order_acquire); }
    void do_chores(const view::Tables& tables) noexcept;

    // --- control thread ---

    void ask(std::vector<Chore> chores);

 private:
    // A limit per turn, because each chore may flood.
    static constexpr size_t kChoresAtOnce = 32;

    // Handles ARP and ND. True if it took the packet.
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

    // Locations of stations (stations.cc).
    void spread(path::NetworkId network, path::PortId from, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void announce(const Chore& chore, const view::Tables& tables) noexcept;
    void tell(const Chore& chore, const view::Tables& tables) noexcept;
    rte_mbuf* build_announcement(const Chore& chore) const noexcept;
    void verify(const Chore& chore, const view::Tables& tables) noexcept;
    // The router's source address for messages to `peer`: of the peer's subnet if possible, otherwise of its
    // family.
    static std::optional<IpAddress> own_address(const view::Network& network, const IpAddress& peer) noexcept;

    bool reset(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    port::Pools pools_;
    link::Link& link_;
    tunnel::Output& output_;
    std::mutex mutex_;
    std::vector<Chore> chores_;
    std::vector<Chore> doing_;
    size_t done_ = 0;  // number of done chores in doing_
    std::atomic<bool> has_chores_{false};
};

}  // namespace sluice::responder
