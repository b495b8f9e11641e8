// What becomes of a packet that no flow speaks for: the first of a connection, one whose flow was decided
// under another configuration or for other ports, and those that have no flow of their own (ICMP errors,
// fragments, floods). It asks the forwarding tables and the policies on the packet's passage, and leaves a flow
// behind. One for each worker, on its thread.
//
// A flow is judged as its initiator's first packet would be, whichever direction the packet has: a reply that
// was judged as a connection of its own would be dropped. An existing flow that is refused stays in the table
// as one that is refused, or its answers would begin a connection the other way round. A new one that is
// refused leaves nothing behind: who floods with them fills no table.
#pragma once

#include <vector>

#include "acl/policies.h"
#include "flow/flow_table.h"
#include "flow/fragments.h"
#include "flow/held_fragments.h"
#include "link/link.h"
#include "path/tuple.h"
#include "path/witness.h"
#include "policy/subject.h"
#include "port/egress.h"
#include "view/tables.h"

namespace sluice::policy {

// Where a packet comes from and goes to, as policies and flows see it.
struct Passage {
    // A flow's next hop, as its record has it, with the network that its packets come in: two networks of a
    // trunk may have the same tuple. Of a routed one the neighbor's index.
    static constexpr uint32_t kNeighbor = 0x8000'0000;
    static constexpr uint32_t kOnLink = 0x4000'0000;  // the neighbor is the destination itself
    static constexpr uint32_t kNetworkShift = 18;
    static constexpr uint32_t kNetworkMask = (path::kMaxNetworks - 1U) << kNetworkShift;
    static constexpr uint32_t kIndexMask = (1U << kNetworkShift) - 1;
    static constexpr uint32_t kLocal = 1;             // to the switch itself
    // Of a bridged flow, in place of a neighbor's index: of where its destination MAC address is, a digest.
    static constexpr uint32_t kStationMask = kIndexMask & ~kLocal;
    static_assert((kNetworkMask & (kNeighbor | kOnLink)) == 0 && neighbor::Table::kCapacity <= kIndexMask + 1);

    static constexpr uint32_t network_bits(path::NetworkId network) noexcept {
        return uint32_t{path::index(network)} << kNetworkShift;
    }
    // What was decided, without what was noted since.
    static constexpr uint32_t decided_part(uint32_t hop) noexcept {
        return (hop & kNeighbor) != 0 ? hop : hop & ~kStationMask;
    }
    static constexpr path::NetworkId network_of(uint32_t hop) noexcept {
        return path::NetworkId((hop & kNetworkMask) >> kNetworkShift);
    }

    path::PortId ingress = path::kNoPort;
    path::PortId egress = path::kNoPort;              // kNoPort: not known, many, or the switch itself
    path::NetworkId from = path::kNoNetworkId;
    path::NetworkId to = path::kNoNetworkId;
    uint32_t hop = 0;
    bool is_unfinished = false;  // its neighbor is asked for first: it is judged again when that has answered

    Passage reversed() const noexcept { return {egress, ingress, to, from, 0, is_unfinished}; }
};

// What all policies on a way say together.
struct Judgement {
    flow::Verdict verdict = flow::Verdict::kAllow;
    bool stateful = true;        // answers are let through
    bool judged = false;         // there was a policy
    uint32_t objects[2]{};       // of egress and ingress: what permits it, or refuses it
    uint32_t logged = 0;         // the last rule on the way that wants it to be told; 0: none does
    uint32_t object() const noexcept { return objects[1] != 0 ? objects[1] : objects[0]; }
};

class Tracker {
 public:
    explicit Tracker(link::Link& link) : link_(link) {
        reachable_.reserve(path::kMaxPorts);
        due_.reserve(flow::HeldFragments::kMost);
    }

    // Decide, of a packet that was parsed and whose frame's addresses are known: true if it goes its passage.
    [[gnu::noinline]] bool decide(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // Of a packet that has waited for its neighbor, which is known now.
    bool decide_again(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;

    // Apply, of a later fragment that is to be held. Takes the packet.
    void hold(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Between batches: later fragments whose first has been judged, and those that have waited too long. Whoever takes
    // them owns their packets.
    struct Due {
        flow::HeldFragments::Held held;
        bool is_late;
    };
    const std::vector<Due>& take_due_fragments(const view::Tables& tables) noexcept;
    static void give_up(const flow::HeldFragments::Held& held, const view::Tables& tables) noexcept;
    uint32_t held_fragments() const noexcept { return held_.count(); }

    // Whether a neighbor on the packet's link is its destination: entries of those that nobody uses are given
    // to others, of other domains too.
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

    // Of one packet that somebody watches, from begin_telling() on: who decided about it, and what the lists
    // said, in their order.
    using Told = path::Few<path::Witnessed::Asked, 8>;
    void begin_telling() noexcept {
        is_telling_ = true;
        has_decided_ = false;
        asked_.count = 0;
    }
    const Told& end_telling() noexcept {
        is_telling_ = false;
        return asked_;
    }
    bool has_decided() const noexcept { return has_decided_; }

 private:
    // Those of the exits to which the packet may be flooded; the others are counted. The answer lives until
    // the next call.
    const std::vector<port::Exit>& may_reach(const path::Meta& meta, const rte_mbuf* packet,
                                             path::NetworkId network, const view::Tables& tables) noexcept;
    bool decide_passage(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;
    bool decide_kind(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                     const view::Tables& tables) noexcept;
    bool decide_connection(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                           const view::Tables& tables) noexcept;
    bool decide_new(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& tuple, const Passage& passage,
                    const view::Tables& tables) noexcept;
    // What a flow is made of: its first packet, with what was said of that. The passage is the packet's; the
    // judgement is of the initiator's first packet.
    struct FirstPacket {
        path::Tuple tuple;
        Passage passage;
        Opening opening;
        Judgement judgement;
        flow::Sender sender = flow::Sender::kInitiator;
    };
    bool begin(path::Meta& meta, const rte_mbuf* packet, const FirstPacket& first, const view::Tables& tables) noexcept;
    bool pick_up(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& tuple, const Passage& passage,
                 flow::Beginning beginning, const view::Tables& tables) noexcept;
    bool decide_opening(path::Meta& meta, const rte_mbuf* packet, uint32_t index, const path::Tuple& tuple,
                        const Passage& passage, const view::Tables& tables) noexcept;
    bool decide_single(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                       const view::Tables& tables) noexcept;
    static void remember_fragment(const path::Connection& connection, const rte_mbuf* packet,
                                  flow::Verdict verdict, const view::Tables& tables) noexcept;
    bool decide_later_fragment(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                               const view::Tables& tables) noexcept;
    bool decide_orphan(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                       const view::Tables& tables) noexcept;
    bool may_hold(const path::Meta& meta, const rte_mbuf* packet) const noexcept;
    static uint32_t quoted_flow(const path::Connection& connection, const rte_mbuf* packet, path::Tuple& quoted,
                                const view::Tables& tables) noexcept;
    bool is_related(const path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                    const view::Tables& tables) noexcept;
    static path::PortId exit_of(uint32_t index, const view::Tables& tables) noexcept;
    static path::PortId known_exit(const path::Connection& connection, const rte_mbuf* packet,
                                   const view::Tables& tables) noexcept;
    struct Known {
        Judgement judgement;
        bool holds;  // it stands in the flow's record
    };
    Known judge_flow(uint32_t index, const path::Tuple& tuple, const Passage& passage,
                     const view::Tables& tables) noexcept;
    enum class Hits : bool { kUncounted, kCounted };
    Judgement judge(const acl::Subject& subject, const Passage& passage, const view::Tables& tables) noexcept;
    Judgement judge(const acl::Subject& subject, const Passage& passage, Hits hits, const view::Tables& tables) noexcept;
    bool ask(const std::vector<acl::SharedList>& lists, const std::vector<acl::SharedList>& asked, const acl::Subject& subject,
             Hits hits, uint32_t& object, Judgement& judgement) noexcept;
    static bool pass_or_refuse(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                               const Judgement& judgement, const view::Tables& tables) noexcept;
    static void note(const path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                     const Judgement& judgement, const view::Tables& tables) noexcept;
    static bool refuse(path::Meta& meta, const Passage& passage, flow::Verdict verdict, uint32_t object) noexcept;
    static Passage passage_of(const path::Meta& meta, const view::Tables& tables) noexcept;

    link::Link& link_;
    Told asked_;
    bool is_telling_ = false;
    bool has_decided_ = false;
    std::vector<port::Exit> reachable_;
    std::vector<Due> due_;
    flow::HeldFragments held_;
};

}  // namespace sluice::policy
