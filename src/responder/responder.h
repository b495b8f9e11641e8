// The responder: the switch's own messages, off the fast path. It answers ARP and Neighbor Discovery for its
// gateways' addresses (and, in overlays, for stations that it knows), requests neighbors' MAC addresses,
// announces new stations, answers pings, reports drops to senders by ICMP, and sends health checks' probes. What
// takes longer (names, addresses) it hands over to the protocol thread. Each worker has one, on its thread.
//
// Its messages are counted as `made`. An answer goes back to the packet's ingress port and source MAC address.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "link/link.h"
#include "port/pools.h"
#include "punt/line.h"
#include "tunnel/output.h"
#include "view/tables.h"
#include "wire/icmp.h"
#include "wire/ip_check.h"
#include "wire/neighbor_message.h"
#include "wire/tcp_segment.h"

namespace sluice::responder {

// A task that the control thread gives a worker.
struct Chore {
    enum class Kind : uint8_t { kSolicit, kRelease, kAnnounce, kTell, kPing, kVerify, kProbe } kind;
    neighbor::Entry* neighbor = nullptr;  // of kSolicit, kRelease
    // kAnnounce: tells all others that this address (if none is given: that this MAC) is at this MAC, behind this
    // port. kTell: tells the stations beyond this port that the address (::, if unknown) at this MAC is on our
    // side. kVerify: asks behind this port who has this address. kPing: the port is the tunnel to the remote that
    // is pinged. kProbe: sends what the health check with this number has to send.
    path::NetworkId network{};
    path::PortId port{};
    IpAddress address{};
    uint64_t mac = 0;
    uint32_t check = 0;
};

class Responder {
 public:
    // Of packets on what the switch remembers. kNone: of a dry run.
    enum class Effect : bool { kNone, kUsual };

    Responder(port::Pools pools, link::Link& link, tunnel::Output& output, Effect effect = Effect::kUsual)
        : pools_(pools), link_(link), output_(output), effect_(effect) {}

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

    // Or answers of the protocol thread.
    bool has_chores() const noexcept {
        return has_chores_.load(std::memory_order_acquire) || (line_ != nullptr && line_->has_answers());
    }
    void do_chores(const view::Tables& tables) noexcept;

    // --- control thread ---

    // To the protocol thread; null: to none any more. While the worker doesn't run.
    void connect(punt::Line* line) noexcept { line_ = line; }
    void ask(std::vector<Chore> chores);

 private:
    // A limit per turn, because each chore may flood.
    static constexpr size_t kChoresAtOnce = 32;
    static constexpr size_t kAnswersAtOnce = 64;  // of the protocol thread
    // Of a port without a guard, whose stations may send from any address: the answers could be somebody else's.
    static constexpr uint64_t kQueriesPerSecond = 1000;
    static constexpr uint64_t kQueriesAtOnce = 256;

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

    // Probes of back ends (probes.cc).
    void probe(const Chore& chore, const view::Tables& tables) noexcept;
    bool take_answer(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    bool pass_answer_on(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    void reply(const path::Meta& meta, const wire::TcpSegment& to, const service::Probes::Answered& answered,
               const view::Tables& tables) noexcept;

    // Questions for the protocol thread (punts.cc).
    struct Payload {
        uint32_t begin = 0;  // in the frame
        uint32_t size = 0;
    };
    bool hears(const path::Meta& meta, const view::Tables& tables) const noexcept;
    bool may_ask(const path::Meta& meta, const view::Tables& tables) noexcept;
    bool punt_datagram(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    bool punt_segment(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    bool punt_group_message(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    bool hand_over(const path::Meta& meta, const punt::Head& head, Payload payload, rte_mbuf* packet,
                   const view::Tables& tables) noexcept;
    void say(const punt::Message& answer, const view::Tables& tables) noexcept;

    bool reset(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    port::Pools pools_;
    link::Link& link_;
    tunnel::Output& output_;
    Effect effect_;
    punt::Line* line_ = nullptr;  // null: nobody answers what takes time
    std::unique_ptr<uint64_t[]> queries_due_{new uint64_t[path::kMaxPorts]()};  // by PortId: TSC, as in link::Link
    std::mutex mutex_;
    std::vector<Chore> chores_;
    std::vector<Chore> doing_;
    size_t done_ = 0;  // number of done chores in doing_
    std::atomic<bool> has_chores_{false};
};

}  // namespace sluice::responder
