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
#include "policy/candidate.h"
#include "policy/steps.h"
#include "port/egress.h"
#include "view/tables.h"

namespace sluice::policy {

// Makes a bridged frame, whose connection is translated, one for the router. False: its headers are not those of a
// packet that may be routed.
bool hand_to_router(path::Meta& meta, const rte_mbuf* packet) noexcept;

// Of a routed TCP packet that passes: has Apply look at the MSS of a SYN.
inline void note_opening(path::Meta& meta) noexcept {
    if (likely((meta.connection.tcp_flags & wire::TcpHeader::kSyn) == 0)) return;
    meta.opens_tcp = true;
    if (meta.fate == path::Fate::kRouteTranslated) meta.translated = path::Translated::kWanted;
    if (meta.fate == path::Fate::kRouteByPort) meta.fate = path::Fate::kRouteTranslated;
}

class Tracker {
 public:
    Tracker(link::Link& link, Steps::Hits hits) : link_(link), steps_(link, hits) {
        reachable_.reserve(path::kMaxPorts);
        due_.reserve(flow::HeldFragments::kMost);
    }

    // Decide, of a packet that was parsed and whose frame's addresses are known: true if it goes its way.
    [[gnu::noinline]] bool decide(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // Goes on with a packet that has waited for its neighbor, which is known now: at the egress policies, since
    // the configuration may have changed meanwhile.
    bool resume(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept;

    // Apply, of a later fragment that is to be held. Takes the packet.
    void hold(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept;
    // Between batches: later fragments whose first has been judged, and those that have waited too long. Whoever
    // takes them owns their packets.
    struct Due {
        flow::HeldFragments::Held held;
        bool is_late;
    };
    const std::vector<Due>& take_due_fragments(const view::Tables& tables) noexcept;
    static void give_up(const flow::HeldFragments::Held& held, const view::Tables& tables) noexcept;
    uint32_t held_fragments() const noexcept { return held_.count(); }

    // Of one packet that somebody watches, from begin_telling() on: who decided about it, and what the lists
    // said, in their order.
    void begin_telling() noexcept {
        has_decided_ = false;
        steps_.begin_telling();
    }
    const Steps::Told& end_telling() noexcept { return steps_.end_telling(); }
    bool has_decided() const noexcept { return has_decided_; }

 private:
    // Services and NAT (tracker_translation.cc): what the packet leaves as. Translated frames are routed.
    enum class Way : uint8_t { kOn, kLocal, kNone };
    Way translate(path::Meta& meta, const rte_mbuf* packet, path::Tuple& leaves,
                  const view::Tables& tables) noexcept;
    Way translate_connection(path::Meta& meta, const rte_mbuf* packet, path::Tuple& leaves,
                             const view::Tables& tables) noexcept;
    Way translate_error(path::Meta& meta, const rte_mbuf* packet, path::Tuple& leaves,
                        const view::Tables& tables) noexcept;
    Way translate_later_fragment(path::Meta& meta, const rte_mbuf* packet, path::Tuple& leaves,
                                 const view::Tables& tables) noexcept;
    Way follow_translation(path::Meta& meta, const rte_mbuf* packet, uint32_t index, const path::Tuple& from,
                           path::Tuple& leaves, const view::Tables& tables) noexcept;
    // Whether the packets of a flow, which may have been decided under another configuration, go on as it says.
    bool keeps_translation(uint32_t index, const Candidate& candidate, path::NetworkId network,
                           const view::Tables& tables) noexcept;
    static void begin_source_anew(Candidate& candidate) noexcept;
    bool finish_translated(path::Meta& meta, const Candidate& candidate, const view::Tables& tables) noexcept;

    bool decide_way(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& leaves,
                    const view::Tables& tables) noexcept;
    bool decide_kind(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                     const view::Tables& tables) noexcept;
    bool decide_connection(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                           const view::Tables& tables) noexcept;
    bool decide_new(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                    const view::Tables& tables) noexcept;
    bool commit(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                const view::Tables& tables) noexcept;
    bool pick_up(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate, flow::Beginning beginning,
                 const view::Tables& tables) noexcept;
    bool decide_opening(path::Meta& meta, const rte_mbuf* packet, uint32_t index, Candidate& candidate,
                        const view::Tables& tables) noexcept;
    bool decide_single(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                       const view::Tables& tables) noexcept;
    bool is_untranslatable(path::Meta& meta, const Candidate& candidate, const view::Tables& tables) noexcept;
    static bool is_false_answer(uint32_t index, const Candidate& candidate, const view::Tables& tables) noexcept;
    // Whether the candidate's flow holds what was decided for it, by the configuration in force and for this way.
    // Else the initiator's first packet is evaluated anew. The candidate's judgement is the flow's from then on.
    // `network` is one of the flow's domain: the packet's.
    bool judge_flow(uint32_t index, Candidate& candidate, path::NetworkId network,
                    const view::Tables& tables) noexcept;
    static path::PortId exit_of(uint32_t index, const view::Tables& tables) noexcept;

    // Packets that follow others (tracker_followers.cc).
    static void remember_fragment(const path::Connection& connection, const rte_mbuf* packet,
                                  flow::Verdict verdict, const view::Tables& tables) noexcept;
    bool decide_later_fragment(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                               const view::Tables& tables) noexcept;
    bool decide_orphan(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                       const view::Tables& tables) noexcept;
    bool may_hold(const path::Meta& meta, const rte_mbuf* packet) const noexcept;
    static uint32_t quoted_flow(const path::Connection& connection, const rte_mbuf* packet, path::Tuple& quoted,
                                const view::Tables& tables) noexcept;
    bool is_related(const rte_mbuf* packet, const path::Connection& connection, const Candidate& candidate,
                    const view::Tables& tables) noexcept;

    // Floods: asks for each of the network's ports, once a packet. Those that may not get it are counted.
    struct Reach {
        bool is_known = false;
        const std::vector<port::Exit>* members = nullptr;  // that the packet may reach; null: all of the network
        bool has_others = false;                           // than the port that it came from; or there are tunnels
    };
    const Reach& reach(const path::Meta& meta, const rte_mbuf* packet, const Candidate& candidate,
                       const view::Tables& tables) noexcept;
    static path::PortId known_exit(const path::Meta& meta, const rte_mbuf* packet,
                                   const view::Tables& tables) noexcept;

    static bool pass_or_refuse(path::Meta& meta, const rte_mbuf* packet, const Candidate& candidate,
                               const view::Tables& tables) noexcept;
    static void note(const path::Meta& meta, const rte_mbuf* packet, const Candidate& candidate,
                     const view::Tables& tables) noexcept;
    static bool refuse(path::Meta& meta, const Candidate& candidate) noexcept;

    link::Link& link_;
    Steps steps_;
    bool has_decided_ = false;
    uint32_t found_ = flow::kNoRecord;  // the flow of the packet at hand, in its direction
    Reach reach_;  // of the packet at hand
    std::vector<port::Exit> reachable_;
    std::vector<Due> due_;
    flow::HeldFragments held_;
};

}  // namespace sluice::policy
