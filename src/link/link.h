// What a packet may meet on a network's link: its neighbor has not answered yet, its port is gone, it is longer
// than the link carries. The packet is kept or dropped here. What is to be said about that (a solicitation, an
// ICMP error) is only noted: the responder says it at the end of the batch (engine/path.h), so that what is said
// may use all that stands above this folder. One for each worker, on its thread.
#pragma once

#include <rte_cycles.h>

#include <memory>
#include <utility>
#include <vector>

#include "link/frame.h"
#include "link/ready_hop.h"
#include "path/batch.h"
#include "port/pools.h"
#include "view/tables.h"
#include "wire/fragment.h"

namespace sluice::link {

// Whether an IPv4 packet's sender lets routers cut it.
bool may_be_fragmented(const rte_mbuf* packet) noexcept;

// Of a packet that has waited for its neighbor. What a tunnel of ours sends is no packet that is passed on:
// kOther.
path::Meta meta_of(const neighbor::Waiting& waiting, const view::Tables& tables) noexcept;

class Link {
 public:
    // A packet that was dropped, whose sender is to be told by ICMP (or a TCP reset).
    struct Refused {
        path::Meta meta;
        rte_mbuf* packet;  // owned
        path::Drop reason;
        uint16_t mtu;      // of kFragmentationNeeded
    };
    // A packet whose neighbor has answered.
    struct Answered {
        neighbor::Waiting waiting;  // owns the packet
        neighbor::Entry* neighbor;
    };

    // Neighbors that are asked for in a batch; beyond that nobody is asked, and the next packet is.
    static constexpr size_t kMostAsked = 256;

    Link(port::Pools pools, size_t most_asked);
    Link(const Link&) = delete;
    ~Link();  // with all that it has noted

    // Errors and solicitations that one port may cause: so many a second, and at once. True: one more may be sent.
    bool may_answer(path::PortId port) noexcept;

    // Counts the packet and takes it. The sender is told, where that is due for the reason.
    void drop(const path::Meta& meta, path::Drop reason, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // The same, of a packet to a port that is down or has no link.
    void drop_absent(const path::Meta& meta, path::PortId port, rte_mbuf* packet,
                     const view::Tables& tables) noexcept;
    // A routed packet, or a copy of it if others share its bytes: it is to be changed. Null: there was no buffer,
    // and it was dropped.
    rte_mbuf* make_own(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Of a packet that the switch itself was meant by, and has understood. Takes it.
    void consume(rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Of a packet that goes on nevertheless: its sender is told that it is too long for some.
    void tell_too_long(const path::Meta& meta, uint16_t mtu, const rte_mbuf* packet) noexcept;

    // Decide, of a packet that is flooded: the ports that it may reach; null: all of its network. Apply asks for
    // them. A packet that is dropped in between leaves them behind, so they are that packet's alone, and last for
    // a batch.
    void set_reachable(const rte_mbuf* packet, const std::vector<port::Exit>* members) noexcept {
        reachable_ = {packet, members};
    }
    const std::vector<port::Exit>& reachable(const rte_mbuf* packet, const view::Network& network) const noexcept {
        const bool is_its_own = reachable_.packet == packet && reachable_.members != nullptr;
        return is_its_own ? *reachable_.members : network.members;
    }

    // How frames to the neighbor leave, for a batch.
    [[gnu::always_inline]] const ReadyHop& ready_hop(neighbor::Entry& neighbor,
                                                     const view::Tables& tables) noexcept {
        return hops_.of(neighbor, tables);
    }

    // Keeps a packet until its neighbor has answered, and has the neighbor asked. Takes the packet.
    void hold(const path::Meta& meta, neighbor::Entry& neighbor, rte_mbuf* packet,
              const view::Tables& tables) noexcept;
    void resume(const neighbor::Held& held, neighbor::Entry& neighbor, const view::Tables& tables) noexcept;
    void solicit(neighbor::Entry& neighbor) noexcept;

    // Of a packet that is longer than its way on: in fragments where its sender allows that, which
    // `send_piece(rte_mbuf*)` takes; else its sender is told of the MTU. Takes the packet.
    template <class Send>
    void too_big(const path::Meta& meta, path::PortId exit, uint32_t mtu, rte_mbuf* packet, Send send_piece,
                 const view::Tables& tables) noexcept {
        if (!may_be_fragmented(packet))
            return drop_too_big(meta, exit, static_cast<uint16_t>(mtu), packet, tables);
        wire::Fragmenter fragmenter(packet, kEthernet, static_cast<uint16_t>(mtu),
                                    pools_.holding(mtu + kEthernet));
        uint32_t pieces = 0;
        while (rte_mbuf* piece = fragmenter.next()) {
            send_piece(piece);
            ++pieces;
        }
        const uint32_t missing = fragmenter.failed() ? fragmenter.remaining() : 0;
        count_pieces({.ingress = meta.ingress, .egress = exit, .network = meta.network, .count = missing},
                     meta.ingress, pieces, packet, tables);
        rte_pktmbuf_free(packet);
    }
    // The books of a packet that became several: those that were made beside it, and those that there was no
    // buffer for (`site.count` of them, counted at `place`).
    static void count_pieces(const path::DropSite& site, path::PortId place, uint32_t pieces,
                             const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // --- what was noted ---

    bool has_notes() const noexcept { return !notes_.empty(); }
    void end_batch() noexcept {
        reachable_ = {};
        hops_.end_batch();
    }
    // take(const Refused&), take(const Answered&) and take(neighbor::Entry&), in the order in which they were
    // noted. They may note more: that is taken as well.
    template <class Take>
    void take_notes(Take take) noexcept {
        size_t answered = 0;
        size_t refused = 0;
        size_t asked = 0;
        for (size_t i = 0; i < notes_.size(); ++i) {
            switch (notes_[i]) {
                case Note::kAnswered: take(Answered(answered_[answered++])); break;
                case Note::kRefused: take(Refused(refused_[refused++])); break;
                case Note::kAsked: take(*asked_[asked++]); break;
            }
        }
        notes_.clear();
        answered_.clear();
        refused_.clear();
        asked_.clear();
    }

 private:
    static constexpr uint64_t kAnswersPerSecond = 100;
    static constexpr uint64_t kAnswersAtOnce = 20;
    // Of a batch. Beyond that nobody is told.
    static constexpr size_t kMostRefused = 256;
    static constexpr size_t kMostAnswered = size_t{path::kBatchSize} * neighbor::kMaxHeld;

    void drop_wrapped(const path::Meta& meta, path::Drop reason, rte_mbuf* packet,
                      const view::Tables& tables) noexcept;
    void drop_too_big(const path::Meta& meta, path::PortId exit, uint16_t mtu, rte_mbuf* packet,
                      const view::Tables& tables) noexcept;
    void refuse(const path::Meta& meta, path::Drop reason, uint16_t mtu, rte_mbuf* packet) noexcept;

    enum class Note : uint8_t { kAnswered, kRefused, kAsked };

    ReadyHops hops_;
    port::Pools pools_;
    size_t most_asked_;
    std::unique_ptr<uint64_t[]> answers_due_;  // by PortId: TSC, as in bridge::FloodLimiter
    uint64_t second_;
    struct Reachable {
        const rte_mbuf* packet = nullptr;
        const std::vector<port::Exit>* members = nullptr;
    };
    Reachable reachable_;
    std::vector<Note> notes_;  // in their order; each kind's own are in its list
    std::vector<Refused> refused_;
    std::vector<Answered> answered_;
    std::vector<neighbor::Entry*> asked_;
};

}  // namespace sluice::link
