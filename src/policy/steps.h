// The steps of a decision, in their order:
//
//     Balance    a Service's address becomes that of a back end       balance() (balance.h)
//     Route      where the tuple leads                                route()
//     Candidate  what the headers showed, and where the route leads   candidate_of()
//     Tunnels    the VXLAN port of the underlay is theirs alone       imitates_tunnel()
//     Egress     what the sender's policies say                       egress()
//     Ingress    what the receiver's policies say                     ingress()
//     Allocate   an address and a port where NAT hides the source     allocate() (allocate.h)
//     Commit     the flow: what was decided, for the packets to come  Tracker::commit()
//
// Each step reads and writes the candidate and its own feature's table. The route comes before the egress policies
// so that a refusal can say where the packet was to go; no policy's answer depends on that. It comes before the
// candidate too, as a packet's fate: of the packet it takes the TTL and the options, the addresses are the
// tuple's. Worker side.
#pragma once

#include <vector>

#include "acl/policies.h"
#include "link/link.h"
#include "path/witness.h"
#include "policy/allocate.h"
#include "policy/candidate.h"
#include "view/tables.h"

namespace sluice::policy {

// Of a packet whose connection was read, which leaves as that tuple, and whose fate is known.
Candidate candidate_of(const path::Meta& meta, const path::Tuple& leaves, const view::Tables& tables) noexcept;

// Whether a neighbor on the packet's link is its destination: entries of those that nobody uses are given to
// others, of other domains too.
bool is_destination(const neighbor::Entry& neighbor, const path::Tuple& tuple,
                    const view::Tables& tables) noexcept;

// Whether a packet that is routed into the underlay's network, or out of it, or its answer, goes to the VXLAN port
// there: another host could take it for a frame that comes from this one.
bool imitates_tunnel(const Candidate& candidate, const view::Tables& tables) noexcept;
// The same of an ICMP error, which quotes a packet to that port: another host could believe it of its tunnels.
bool imitates_tunnel_error(const rte_mbuf* packet, const path::Connection& connection, const Candidate& candidate,
                           const view::Tables& tables) noexcept;

class Steps {
 public:
    enum class Hits : bool { kUncounted, kCounted };

    // `hits`: whether rules count the packets that they match.
    Steps(link::Link& link, Hits hits) : link_(link), hits_(hits) {}

    // Of a packet for the router, which leaves as that tuple: looks its route up and gives the packet its fate.
    // False if it is dropped.
    bool route(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& leaves,
               const view::Tables& tables) noexcept;
    // Whether this is a dry run, in which nothing is counted and nothing taken.
    Dry is_dry() const noexcept { return hits_ == Hits::kUncounted ? Dry::kYes : Dry::kNo; }
    // To whom the packet's fate leads: the candidate's `to`, `hop` and `is_unfinished`.
    static void lead(Candidate& candidate, const path::Meta& meta, const view::Tables& tables) noexcept;

    // Egress and ingress; true if all policies on the way permit it. A hit is counted where an answer is the last
    // word: not of what is asked again.
    bool evaluate(Candidate& candidate, const view::Tables& tables) noexcept;
    // Of what is flooded, for one port that it may go to, after its egress lists were asked: the pods at both
    // ends, and the ingress lists.
    bool evaluate_member(Candidate& candidate, const view::Tables& tables) noexcept;
    // As evaluate(), and nothing is counted.
    bool look_up(Candidate& candidate, const view::Tables& tables) noexcept;
    // The same, and whatever is asked is counted.
    bool evaluate_finally(Candidate& candidate, const view::Tables& tables) noexcept;

    // Of a packet that somebody watches: what the lists said, in their order.
    using Told = path::BoundedList<path::Witnessed::Asked, 8>;
    void begin_telling() noexcept {
        is_telling_ = true;
        told_.count = 0;
    }
    const Told& end_telling() noexcept {
        is_telling_ = false;
        return told_;
    }
    // Of what is asked once more the last word is told.
    uint32_t told() const noexcept { return told_.count; }
    void forget_told(uint32_t from = 0) noexcept { told_.count = from; }

 private:
    bool evaluate(Candidate& candidate, Hits hits, const view::Tables& tables) noexcept;
    bool egress(Candidate& candidate, Hits hits, const view::Tables& tables) noexcept;
    bool ingress(Candidate& candidate, Hits hits, const view::Tables& tables) noexcept;
    // What the NetworkPolicies say of the pod at that end.
    bool ask_pod(const Candidate& candidate, pod::Direction direction, Judgement& judgement,
                 const view::Tables& tables) noexcept;
    bool ask(const std::vector<acl::SharedList>& lists, const std::vector<acl::SharedList>& asked,
             const acl::Subject& subject, Hits hits, uint32_t& object, Judgement& judgement) noexcept;

    link::Link& link_;
    Hits hits_;
    Told told_;
    bool is_telling_ = false;
};

}  // namespace sluice::policy
