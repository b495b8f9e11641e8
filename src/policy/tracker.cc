#include "policy/tracker.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "link/exit.h"
#include "policy/subject.h"
#include "router/decide.h"
#include "wire/headers.h"

namespace sluice::policy {
namespace {

using path::Connection;
using path::Drop;
using path::PacketKind;

flow::Decision decision_of(const Judgement& judgement, const Passage& passage, const Opening& opening,
                           const view::Tables& tables) noexcept {
    return {.generation = tables.flow_generation,
            .ingress = passage.ingress,
            .egress = passage.egress,
            .hop = passage.hop,
            .verdict = judgement.verdict,
            .objects = {judgement.objects[0], judgement.objects[1]},
            .opening = std::bit_cast<uint32_t>(opening)};
}

bool is_tunnel(path::PortId port, const view::Tables& tables) noexcept {
    return tables.slot(port).tunnel != nullptr;
}

}  // namespace

// Asks the lists one by one, but those that were `asked` before; false when one refuses.
bool Tracker::ask(const std::vector<acl::SharedList>& lists, const std::vector<acl::SharedList>& asked,
                  const acl::Subject& subject, Hits hits, uint32_t& object, Judgement& judgement) noexcept {
    for (const acl::SharedList& list : lists) {
        if (std::find(asked.begin(), asked.end(), list) != asked.end()) continue;
        const acl::Answer answer = hits == Hits::kCounted ? list->judge(subject) : list->look_up(subject);
        if (unlikely(is_telling_)) asked_.add() = {answer.object, static_cast<uint8_t>(answer.action)};
        judgement.judged = true;
        object = answer.object;
        judgement.stateful &= answer.stateful;
        if (answer.log) judgement.logged = answer.object;
        if (answer.action == acl::Action::kPermit) continue;
        const bool reject = answer.action == acl::Action::kReject;
        judgement.verdict = reject ? flow::Verdict::kReject : flow::Verdict::kDeny;
        return false;
    }
    return true;
}

// A hit is counted where an answer is the last word: not for who only asks, nor of what is asked again.
Judgement Tracker::judge(const acl::Subject& subject, const Passage& passage, const view::Tables& tables) noexcept {
    if (tables.assumed != nullptr) return judge(subject, passage, Hits::kUncounted, tables);
    if (!passage.is_unfinished) return judge(subject, passage, Hits::kCounted, tables);
    const uint32_t asked = asked_.count;
    const Judgement judgement = judge(subject, passage, Hits::kUncounted, tables);
    if (judgement.verdict == flow::Verdict::kAllow) return judgement;
    asked_.count = asked;
    return judge(subject, passage, Hits::kCounted, tables);
}

// Of tunnels neither network is asked: the other host asks for what its guests send and are sent.
Judgement Tracker::judge(const acl::Subject& subject, const Passage& passage, Hits hits,
                         const view::Tables& tables) noexcept {
    Judgement judgement;
    const view::Snapshot& snapshot = tables.snapshot;
    if (passage.ingress != path::kNoPort && !is_tunnel(passage.ingress, tables)) {
        uint32_t& object = judgement.objects[0];
        const acl::Policies& port = snapshot.policies_of(passage.ingress);
        const acl::Policies& network = snapshot.policies_of(passage.from);
        if (!ask(port.egress, {}, subject, hits, object, judgement)) return judgement;
        if (!ask(network.egress, port.egress, subject, hits, object, judgement)) return judgement;
    }
    if (passage.egress != path::kNoPort && !is_tunnel(passage.egress, tables)) {
        uint32_t& object = judgement.objects[1];
        const acl::Policies& network = snapshot.policies_of(passage.to);
        const acl::Policies& port = snapshot.policies_of(passage.egress);
        if (!ask(network.ingress, {}, subject, hits, object, judgement)) return judgement;
        ask(port.ingress, network.ingress, subject, hits, object, judgement);
    }
    return judgement;
}

bool Tracker::refuse(path::Meta& meta, const Passage& passage, flow::Verdict verdict, uint32_t object) noexcept {
    meta.connection.object = object;
    meta.egress = passage.egress;  // for whoever asks where it was to go
    return path::drop(meta, verdict == flow::Verdict::kReject ? Drop::kRejected : Drop::kDenied);
}

Passage Tracker::passage_of(const path::Meta& meta, const view::Tables& tables) noexcept {
    Passage passage{.ingress = meta.ingress,
                    .from = meta.network,
                    .to = meta.network,
                    .hop = Passage::network_bits(meta.network)};
    switch (meta.fate) {
        case path::Fate::kForward: passage.egress = meta.egress; break;
        case path::Fate::kLocal: passage.hop |= Passage::kLocal; break;
        case path::Fate::kRoute: {
            auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
            const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
            passage.to = neighbor.network;
            passage.egress = link::likely_exit_of(neighbor, mac, tables.network(neighbor.network), tables);
            passage.is_unfinished = mac == 0;
            if (tables.assumed != nullptr) break;  // it leaves no flow
            passage.hop |= Passage::kNeighbor | tables.neighbors.index(neighbor);
            if (is_destination(neighbor, meta, tables)) passage.hop |= Passage::kOnLink;
            break;
        }
        default: break;
    }
    return passage;
}

bool Tracker::decide(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    meta.connection.object = 0;
    has_decided_ = true;
    if (!tables.may_send_from_source(meta)) return path::drop(meta, Drop::kForeignAddress);
    if (meta.layer3 != path::Layer3::kNone && !router::decide_route(meta, packet, tables, link_)) return false;
    return decide_passage(meta, packet, tables);
}

bool Tracker::decide_passage(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    const Passage passage = passage_of(meta, tables);
    asked_.count = 0;  // of what is judged again, the last word
    if (!decide_kind(meta, packet, passage, tables)) return false;
    if (meta.fate == path::Fate::kRoute) {
        // It leaves by where it was judged for, or is judged again.
        meta.egress = passage.egress;
        meta.fate = passage.egress != path::kNoPort ? path::Fate::kRouteBy : path::Fate::kRouteUnseen;
    }
    const bool is_flooded = meta.fate == path::Fate::kFlood || meta.fate == path::Fate::kRouteUnseen;
    if (is_flooded && !passage.is_unfinished && !tables.network(passage.to).flat) {
        link_.set_reachable(&may_reach(meta, packet, passage.to, tables));
    }
    return true;
}

bool Tracker::decide_kind(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                          const view::Tables& tables) noexcept {
    switch (meta.connection.kind) {
        case PacketKind::kArp: return true;
        case PacketKind::kMalformed: return path::drop(meta, Drop::kMalformedIp);
        case PacketKind::kNeighbor:
            // On its link nobody asks; it has no business beyond (RFC 4861, 6.1 and 7.1).
            if (meta.fate != path::Fate::kRoute) return true;
            return decide_single(meta, packet, passage, tables);
        case PacketKind::kIcmpError:
            return is_related(meta, packet, passage, tables) || decide_single(meta, packet, passage, tables);
        case PacketKind::kNotIp:
        case PacketKind::kSingle: return decide_single(meta, packet, passage, tables);
        case PacketKind::kLaterFragment: return decide_later_fragment(meta, packet, passage, tables);
        case PacketKind::kConnection:
        case PacketKind::kProtocol: {
            const bool passes = decide_connection(meta, packet, passage, tables);
            if (unlikely(meta.connection.first_fragment)) {
                remember_fragment(meta.connection, packet, passes ? flow::Verdict::kAllow : flow::Verdict::kDeny,
                                  tables);
            }
            return passes;
        }
    }
    return true;
}

void Tracker::note(const path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                   const Judgement& judgement, const view::Tables& tables) noexcept {
    if (likely(judgement.logged == 0)) return;
    // It is told when all has been asked.
    if (passage.is_unfinished && judgement.verdict == flow::Verdict::kAllow) return;
    const Drop reason = judgement.verdict == flow::Verdict::kAllow  ? Drop::kCount
                        : judgement.verdict == flow::Verdict::kDeny ? Drop::kDenied
                                                                    : Drop::kRejected;
    tables.counters.rules.record(meta.ingress, reason, packet,
                                 {.ingress = meta.ingress, .egress = passage.egress, .network = meta.network,
                                  .object = judgement.logged});
}

bool Tracker::pass_or_refuse(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                             const Judgement& judgement, const view::Tables& tables) noexcept {
    note(meta, packet, passage, judgement, tables);
    return judgement.verdict == flow::Verdict::kAllow ||
           refuse(meta, passage, judgement.verdict, judgement.object());
}

bool Tracker::decide_single(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                            const view::Tables& tables) noexcept {
    return pass_or_refuse(meta, packet, passage, judge(subject_of(meta.connection), passage, tables), tables);
}

bool Tracker::decide_connection(path::Meta& meta, const rte_mbuf* packet, const Passage& passage,
                                const view::Tables& tables) noexcept {
    Connection& connection = meta.connection;
    const path::Tuple tuple = connection.tuple();
    // What is only asked about is asked about as the first packet of a connection.
    const uint32_t index = tables.assumed != nullptr ? flow::kNoRecord : tables.flows.find(tuple);
    if (index == flow::kNoRecord) return decide_new(meta, packet, tuple, passage, tables);

    flow::Record& record = tables.flows.record(index);
    const flow::Decided decided = record.decided.load(std::memory_order_relaxed);
    Passage way = passage;
    // Its address is forgotten for the moment: may_reach() finds the port among all.
    if (way.egress == path::kNoPort && meta.fate != path::Fate::kLocal) way.egress = exit_of(index, tables);
    const auto [judgement, holds] = judge_flow(index, tuple, way, tables);
    const bool is_allowed = judgement.verdict == flow::Verdict::kAllow;
    const bool is_same_way = decided.ingress() == way.ingress && decided.egress() == way.egress;
    if (!holds) {
        // By a rule that now follows connections, or no longer does: another kind of flow.
        if (is_allowed && judgement.stateful == tables.flows.is_stateless(index)) {
            tables.flows.remove(index, tables.worker);
            return decide_new(meta, packet, tuple, way, tables);
        }
        // What lets a connection in is told of its first packet, and of none of its answers.
        if (!is_allowed || (index & 1) == 0) note(meta, packet, way, judgement, tables);
        // Another way than the flow's, and refused: that is this packet's affair alone.
        if (is_allowed ? !passage.is_unfinished : is_same_way) {
            const auto opening = std::bit_cast<Opening>(tables.flows.origin(index).opening);
            tables.flows.decide(index, decision_of(judgement, way, opening, tables));
        }
    }
    if (!is_allowed) {
        // Forgotten while somebody still tries, its answers would begin a connection the other way round.
        if (is_same_way) record.seen.store(tables.now, std::memory_order_relaxed);
        return refuse(meta, way, judgement.verdict, judgement.object());
    }
    if (tables.flows.opens_anew(record, connection, packet)) {
        return decide_opening(meta, packet, index, tuple, way, tables);
    }
    // One that waits for its neighbor comes here again.
    if (passage.is_unfinished) return true;
    if (!tables.flows.track_judged(record, connection, packet, packet->pkt_len, tables.now)) {
        return decide_new(meta, packet, tuple, way, tables);
    }
    return true;
}

// Where the packets of a flow's direction leave: as was decided, or where those of the other come from.
path::PortId Tracker::exit_of(uint32_t index, const view::Tables& tables) noexcept {
    const flow::Decided own = tables.flows.record(index).decided.load(std::memory_order_relaxed);
    if (own.generation() != 0) return own.egress();
    const flow::Decided peer = tables.flows.record(index ^ 1).decided.load(std::memory_order_relaxed);
    return peer.generation() != 0 ? peer.ingress() : path::kNoPort;
}

bool Tracker::decide_new(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& tuple,
                         const Passage& passage, const view::Tables& tables) noexcept {
    Connection& connection = meta.connection;
    const flow::Beginning beginning = flow::Table::beginning_of(connection, packet);
    const bool opens = beginning == flow::Beginning::kOpens || tables.assumed != nullptr;
    if (!opens && tables.flows.picks_up()) return pick_up(meta, packet, tuple, passage, beginning, tables);
    const Judgement judgement = judge(subject_of(connection), passage, tables);
    note(meta, packet, passage, judgement, tables);
    if (judgement.verdict != flow::Verdict::kAllow) {
        return refuse(meta, passage, judgement.verdict, judgement.object());
    }
    const bool is_tcp = connection.protocol() == wire::Protocol::kTcp;
    if (!opens && is_tcp && judgement.judged && judgement.stateful) {
        connection.object = judgement.object();
        meta.egress = passage.egress;
        return path::drop(meta, Drop::kNoConnection);
    }
    return !opens || begin(meta, packet, {tuple, passage, opening_of(connection), judgement}, tables);
}

// Leaves a flow behind for a packet that was judged.
bool Tracker::begin(path::Meta& meta, const rte_mbuf* packet, const FirstPacket& first,
                    const view::Tables& tables) noexcept {
    const Connection& connection = meta.connection;
    const Judgement& judgement = first.judgement;
    // When its neighbor has answered, the rest of its way is judged. (Where that is known, and his port isn't,
    // it is flooded to.)
    if (first.passage.is_unfinished || tables.assumed != nullptr) return true;
    const auto tracking = judgement.stateful ? flow::Tracking::kConnection : flow::Tracking::kStateless;
    const flow::Decision decision = decision_of(judgement, first.passage, first.opening, tables);
    const bool is_answer = first.sender == flow::Sender::kResponder;
    const flow::Added added =
        tables.flows.add(is_answer ? first.tuple.reversed() : first.tuple, decision, tracking, tables.now,
                         tables.worker, first.sender);
    switch (added.outcome) {
        case flow::Added::kNew:
            tables.flows.track_judged(tables.flows.record(added.index), connection, packet, packet->pkt_len,
                                      tables.now);
            return true;
        case flow::Added::kExisting: return true;  // its next packet finds it
        case flow::Added::kFull:
        case flow::Added::kShareUsed: break;
    }
    if (!judgement.judged) return true;
    meta.egress = first.passage.egress;
    return path::drop(meta, added.outcome == flow::Added::kFull ? Drop::kFlowTableFull : Drop::kFlowShare);
}

// A packet in the midst of a connection that is not known: a restart has lost that, or there is none. Either end
// may have begun it. The packet is judged as it stands, as the first one of its sender. Where no policy has a say
// in that, but one lets the other end begin the connection, it is the other end's. While flows are recovered, a
// packet that is refused passes if a SYN of either end would have been let through. It must be one that a
// connection's midst has: what can neither continue nor reset one is judged by the rules alone.
bool Tracker::pick_up(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& tuple, const Passage& passage,
                      flow::Beginning beginning, const view::Tables& tables) noexcept {
    const Connection& connection = meta.connection;
    const bool is_way_known = passage.egress != path::kNoPort && !passage.is_unfinished;
    const bool is_reset = connection.protocol() == wire::Protocol::kTcp &&
                          (connection.tcp_flags & (wire::TcpHeader::kSyn | wire::TcpHeader::kRst)) == wire::TcpHeader::kRst;
    const bool recovers = is_way_known && tables.flows.is_recovering(tables.now) &&
                          (beginning != flow::Beginning::kNever || is_reset);
    const auto permits = [](const Judgement& judgement) { return judgement.verdict == flow::Verdict::kAllow; };
    const auto judge_first = [&](const FirstPacket& first, Hits hits) {
        const bool is_answer = first.sender == flow::Sender::kResponder;
        asked_.count = 0;
        return judge(subject_of(is_answer ? tuple.reversed() : tuple, first.opening),
                     is_answer ? passage.reversed() : passage, hits, tables);
    };
    // Whether the connection began so.
    const auto may_have_begun = [&](FirstPacket& first) {
        first.judgement = judge_first(first, Hits::kUncounted);
        return permits(first.judgement) && first.judgement.stateful;
    };

    FirstPacket first{tuple, passage, opening_of(connection), {}};
    first.judgement = recovers ? judge_first(first, Hits::kUncounted) : judge(subject_of(connection), passage, tables);
    FirstPacket by_sender = first;
    if (connection.protocol() == wire::Protocol::kTcp) by_sender.opening.tcp_flags = wire::TcpHeader::kSyn;
    FirstPacket by_peer = by_sender;
    by_peer.sender = flow::Sender::kResponder;
    bool is_counted = !recovers;
    if (permits(first.judgement) && !first.judgement.judged) {
        if (is_way_known && may_have_begun(by_peer) && by_peer.judgement.judged) {
            first = by_peer;
            is_counted = false;
        }
    } else if (recovers && !permits(first.judgement)) {
        if (may_have_begun(by_sender)) {
            first = by_sender;
        } else if (may_have_begun(by_peer)) {
            first = by_peer;
        }
    }
    if (!is_counted) first.judgement = judge_first(first, Hits::kCounted);
    note(meta, packet, passage, first.judgement, tables);
    if (!permits(first.judgement)) {
        return refuse(meta, passage, first.judgement.verdict, first.judgement.object());
    }
    // Of what is flooded nobody knows yet who its other end is.
    return beginning == flow::Beginning::kNever || !is_way_known || begin(meta, packet, first, tables);
}

// A SYN or an INIT that its flow didn't begin with, in the way that the flow lets pass: it asks for a connection
// of its own, and passes only where that is permitted as well.
bool Tracker::decide_opening(path::Meta& meta, const rte_mbuf* packet, uint32_t index, const path::Tuple& tuple,
                             const Passage& passage, const view::Tables& tables) noexcept {
    const Connection& connection = meta.connection;
    if (tables.flows.is_over(index)) return decide_new(meta, packet, tuple, passage, tables);
    const Judgement judgement = judge(subject_of(connection), passage, tables);
    note(meta, packet, passage, judgement, tables);
    if (judgement.verdict != flow::Verdict::kAllow) {
        return refuse(meta, passage, judgement.verdict, judgement.object());
    }
    if (passage.is_unfinished) return true;
    // What was picked up and has no answer was no connection yet: this one takes its place.
    const bool is_picked_up =
        !tables.flows.record(index).is(flow::kOpened) && !tables.flows.record(index ^ 1).is(flow::kOpened);
    const flow::State state = tables.flows.state_at(index);
    const bool is_replaced = state == flow::State::kNew || (state == flow::State::kInit && is_picked_up) ||
                             judgement.stateful == tables.flows.is_stateless(index);
    if (is_replaced) {
        tables.flows.remove(index, tables.worker);
        return begin(meta, packet, {tuple, passage, opening_of(connection), judgement}, tables);
    }
    tables.flows.track_judged(tables.flows.record(index), connection, packet, packet->pkt_len, tables.now);
    return true;
}

void Tracker::remember_fragment(const Connection& connection, const rte_mbuf* packet, flow::Verdict verdict,
                                const view::Tables& tables) noexcept {
    if (tables.assumed != nullptr) return;
    tables.fragments.add(connection.tuple(), path::fragment_part(packet, connection), verdict, tables.now);
}

// What was decided for a flow's packets, where that was by the configuration in force and for this passage;
// else what is said now to its initiator's first packet.
Tracker::Known Tracker::judge_flow(uint32_t index, const path::Tuple& tuple, const Passage& passage,
                                   const view::Tables& tables) noexcept {
    const flow::Origin origin = tables.flows.origin(index);
    flow::Action action;
    if (flow::Table::action(tables.flows.record(index), tables.flow_generation, action) &&
        action.ingress == passage.ingress && action.egress == passage.egress && 
        Passage::decided_part(action.hop) == passage.hop) {
        return {{.verdict = action.verdict, .objects = {origin.objects[0], origin.objects[1]}}, true};
    }
    const auto opening = std::bit_cast<Opening>(origin.opening);
    const bool is_answer = (index & 1) != 0;
    return {judge(subject_of(is_answer ? tuple.reversed() : tuple, opening),
                  is_answer ? passage.reversed() : passage, tables),
            false};
}

bool Tracker::decide_again(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    meta.connection = {};
    meta.fate = path::Fate::kRoute;
    // While it waited, its network may have been deleted.
    if (path::index(meta.network) >= tables.snapshot.networks.size() ||
        tables.network(meta.network).table == nullptr) {
        return path::drop(meta, Drop::kNoNetwork);
    }
    const view::Network& network = tables.network(meta.network);
    if (!network.is_tracked) return true;
    path::read_connection(packet, network.flow_domain, meta.connection);
    return decide_passage(meta, packet, tables);
}

}  // namespace sluice::policy
