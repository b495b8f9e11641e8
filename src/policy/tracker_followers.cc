// The tracker's part for packets that follow others: ICMP errors, later fragments, and what is flooded.
#include "path/parse.h"
#include "policy/subject.h"
#include "policy/tracker.h"
#include "wire/headers.h"

namespace sluice::policy {

using path::Connection;
using path::Drop;
using path::PacketKind;

// The flow of the packet that an ICMP error quotes, if the error goes to the one who sent that. `quoted` is that
// packet as its sender had sent it.
uint32_t Tracker::quoted_flow(const Connection& connection, const rte_mbuf* packet, path::Tuple& quoted,
                              const view::Tables& tables) noexcept {
    if (!path::read_quoted(packet, connection, quoted)) return flow::kNoRecord;
    const bool to_its_sender = connection.is_ipv6()
                                   ? quoted.ipv6.source == connection.ipv6().destination
                                   : quoted.key.source().raw() == connection.key.destination().raw();
    if (!to_its_sender) return flow::kNoRecord;
    if (likely(!tables.snapshot.has_translation)) return tables.flows.find(quoted);
    // As it was seen after its translation: its answers would arrive so. What another connection was before its
    // own translation may look the same, so that comes second.
    const uint32_t answers = tables.flows.find(quoted.reversed());
    if (answers == flow::kNoRecord) return tables.flows.find(quoted);
    quoted = tables.flows.tuple(answers ^ 1);
    return answers ^ 1;
}

// An ICMP error about a packet that a flow let pass, from where that went to where it came from (RFC 5508, 4.2).
// At another port (a router's, of several on the way) it passes as that port's policies allow.
bool Tracker::is_related(const rte_mbuf* packet, const Connection& connection, const Candidate& candidate,
                         const view::Tables& tables) noexcept {
    path::Tuple quoted;
    const uint32_t index = quoted_flow(connection, packet, quoted, tables);
    if (index == flow::kNoRecord) return false;
    const flow::Record& record = tables.flows.record(index);
    const flow::Decided decided = record.decided.load(std::memory_order_acquire);
    // Of this direction nothing has passed yet.
    if (decided.generation() == 0) return false;
    Candidate other = candidate;
    if (candidate.from.port == decided.egress()) other.from = {};
    if (candidate.to.port == decided.ingress()) other.to = {};
    const uint32_t told = steps_.told();
    if (!steps_.look_up(other, tables)) {
        steps_.forget_told(told);
        return false;
    }
    flow::Action action;
    if (flow::Table::action(record, tables.flow_generation(candidate.from.network), action)) {
        return action.verdict == flow::Verdict::kAllow;
    }
    // Decided before the last change: the next packet of the flow may be long in coming.
    Candidate of_flow;
    of_flow.original = quoted;
    of_flow.translated = tables.flows.tuple(index ^ 1).reversed();
    of_flow.hop = record.hop.load(std::memory_order_relaxed);
    const bool is_routed = (of_flow.hop & Hop::kNeighbor) != 0;
    const path::NetworkId from = decided.network();
    of_flow.from = {decided.ingress(), from};
    of_flow.to = {decided.egress(),
                  is_routed ? tables.neighbors.at(of_flow.hop & Hop::kIndexMask).network : from};
    judge_flow(index, of_flow, candidate.from.network, tables);
    return of_flow.judgement.permits();
}

// It is its first fragment's flow that it belongs to.
bool Tracker::decide_later_fragment(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                                    const view::Tables& tables) noexcept {
    using First = flow::Fragments::First;
    Connection& connection = meta.connection;
    path::Tuple tuple = connection.tuple();
    const First first = tables.fragments.complete(tuple, path::fragment_part(packet, connection), tables.now);
    if (first == First::kOverlapped) return path::drop(meta, Drop::kMalformedIp);
    if (first == First::kUnknown) return decide_orphan(meta, packet, candidate, tables);
    const uint32_t index = tables.flows.find(tuple);
    candidate.original = tuple;
    candidate.translated = index != flow::kNoRecord ? tables.flows.tuple(index ^ 1).reversed() : tuple;
    if (index != flow::kNoRecord) {
        Candidate known = candidate;
        if (known.to.port == path::kNoPort && meta.fate != path::Fate::kLocal)
            known.to.port = exit_of(index, tables);
        judge_flow(index, known, meta.network, tables);
        if (!known.judgement.permits()) return refuse(meta, known);
    } else {
        candidate.subject = subject_of(tuple, candidate.first);
        candidate.subject.fragment = true;
        steps_.evaluate(candidate, tables);
        if (!pass_or_refuse(meta, packet, candidate, tables)) return false;
    }
    // Its first was refused for what this one doesn't show (its flags, a full table).
    return first == First::kPermitted || path::drop(meta, Drop::kFragmentUnknown);
}

void Tracker::remember_fragment(const Connection& connection, const rte_mbuf* packet, flow::Verdict verdict,
                                const view::Tables& tables) noexcept {
    tables.fragments.add(connection.tuple(), path::fragment_part(packet, connection), verdict, tables.now);
}

// Large buffers are few, and no container could be read while they wait here.
bool Tracker::may_hold(const path::Meta& meta, const rte_mbuf* packet) const noexcept {
    return packet->pkt_len <= port::kBufferSize && held_.has_room(meta.ingress);
}

// A later fragment whose first isn't known passes where no policy could ask for what it doesn't show. It waits
// for the first elsewhere: that may come after it.
bool Tracker::decide_orphan(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                            const view::Tables& tables) noexcept {
    const bool is_allowed = steps_.look_up(candidate, tables);
    if (is_allowed && (!candidate.judgement.judged || !candidate.judgement.stateful)) {
        steps_.forget_told();
        steps_.evaluate(candidate, tables);
        return pass_or_refuse(meta, packet, candidate, tables);
    }
    meta.connection.object = candidate.judgement.object();
    if (!may_hold(meta, packet)) return path::drop(meta, Drop::kFragmentUnknown);
    meta.fate = path::Fate::kHeld;
    return false;
}

void Tracker::hold(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const auto displaced = held_.hold({.packet = packet,
                                       .tuple = meta.connection.tuple(),
                                       .part = path::fragment_part(packet, meta.connection),
                                       .ingress = meta.ingress,
                                       .network = meta.network,
                                       .layer3 = meta.layer3,
                                       .since = tables.now});
    if (displaced) give_up(*displaced, tables);
}

void Tracker::give_up(const flow::HeldFragments::Held& held, const view::Tables& tables) noexcept {
    tables.counters.drop(held.ingress, Drop::kFragmentUnknown, held.packet,
                         {.ingress = held.ingress, .network = held.network});
    rte_pktmbuf_free(held.packet);
}

const std::vector<Tracker::Due>& Tracker::take_due_fragments(const view::Tables& tables) noexcept {
    due_.clear();
    if (!held_.is_time(tables.fragments.changes(), tables.now)) return due_;
    const auto is_late = [&](const flow::HeldFragments::Held& held) {
        return static_cast<int32_t>(tables.now - held.since) >=
               static_cast<int32_t>(flow::HeldFragments::kPatience);
    };
    const auto& due = held_.take([&](const flow::HeldFragments::Held& held) {
        path::Tuple tuple = held.tuple;
        return is_late(held) ||
               tables.fragments.complete(tuple, held.part, tables.now) != flow::Fragments::First::kUnknown;
    });
    for (const flow::HeldFragments::Held& held : due) due_.push_back({held, is_late(held)});
    return due_;
}

// The port that the packet's flow leads to, for certain; kNoPort if there is none.
path::PortId Tracker::known_exit(const path::Meta& meta, const rte_mbuf* packet,
                                 const view::Tables& tables) noexcept {
    const Connection& connection = meta.connection;
    path::Tuple tuple = connection.tuple();
    flow::Action action;
    const auto decided = [&](uint32_t index) {
        return index != flow::kNoRecord &&
               flow::Table::action(tables.flows.record(index), tables.flow_generation(meta.network), action) &&
               action.verdict == flow::Verdict::kAllow;
    };
    switch (connection.kind) {
        case PacketKind::kConnection:
        case PacketKind::kProtocol: return decided(tables.flows.find(tuple)) ? action.egress : path::kNoPort;
        case PacketKind::kLaterFragment:
            return tables.fragments.complete(tuple, path::fragment_part(packet, connection), tables.now) ==
                               flow::Fragments::First::kPermitted &&
                           decided(tables.flows.find(tuple))
                       ? action.egress
                       : path::kNoPort;
        case PacketKind::kIcmpError:
            return decided(quoted_flow(connection, packet, tuple, tables)) ? action.ingress : path::kNoPort;
        default: return path::kNoPort;
    }
}

const Tracker::Reach& Tracker::reach(const path::Meta& meta, const rte_mbuf* packet, const Candidate& candidate,
                                     const view::Tables& tables) noexcept {
    if (reach_.is_known) return reach_;
    const view::Network& network = tables.network(candidate.to.network);
    const Connection& connection = meta.connection;
    reach_ = {.is_known = true, .members = nullptr, .has_others = true};
    // Nothing is flooded to stations of a flat network.
    if (connection.kind == PacketKind::kArp || connection.kind == PacketKind::kNeighbor || network.flat)
        return reach_;
    // What a flow lets pass to a port, it lets pass there when its MAC address is forgotten too.
    const path::PortId known = known_exit(meta, packet, tables);
    Candidate one = candidate;
    one.subject = subject_of(connection);
    reachable_.clear();
    reach_.members = &reachable_;
    reach_.has_others = !network.tunnels.empty();
    for (const port::Exit& exit : network.members) {
        one.to.port = exit.port->id();
        // A bridge doesn't send it back.
        const bool is_sender = one.to.port == meta.ingress && meta.fate == path::Fate::kFlood;
        if (is_sender || one.to.port == known || steps_.evaluate_member(one, tables)) {
            reachable_.push_back(exit);
            reach_.has_others |= !is_sender;
            continue;
        }
        tables.counters.totals.made.add(1);
        tables.counters.drop(one.to.port, Drop::kDenied, packet,
                             {.ingress = meta.ingress,
                              .egress = one.to.port,
                              .network = candidate.to.network,
                              .object = one.judgement.object()});
    }
    return reach_;
}

}  // namespace sluice::policy
