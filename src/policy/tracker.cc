#include "policy/tracker.h"

#include <bit>

#include "path/tuple_address.h"
#include "tunnel/output.h"
#include "wire/headers.h"

namespace sluice::policy {
namespace {

using path::Connection;
using path::Drop;
using path::PacketKind;

// Of a packet that came in this network: both ends of its way are in one flow domain.
flow::Decision decision_of(const Candidate& candidate, path::NetworkId network,
                           const view::Tables& tables) noexcept {
    const Judgement& judgement = candidate.judgement;
    return {.generation = tables.flow_generation(network),
            .network = candidate.from.network,
            .ingress = candidate.from.port,
            .egress = candidate.to.port,
            .hop = candidate.hop,
            .verdict = judgement.verdict,
            .objects = {judgement.objects[0], judgement.objects[1]},
            .opening = std::bit_cast<uint32_t>(candidate.first)};
}

// Whether the packet answers a probe of the switch's own (service/probes.h).
bool answers_probe(const path::Meta& meta, const view::Tables& tables) noexcept {
    const service::Probes* probes = tables.snapshot.probes.get();
    if (likely(probes == nullptr)) return false;
    const Connection& connection = meta.connection;
    const bool is_tcp =
        connection.kind == PacketKind::kConnection && connection.protocol() == wire::Protocol::kTcp;
    if (!is_tcp || (meta.layer3 != path::Layer3::kIpv4 && meta.layer3 != path::Layer3::kIpv6)) return false;
    const service::ProbeTargets& targets = *tables.snapshot.probe_targets;
    const uint16_t port = connection.key.destination_port().host();
    if (!probes->has_port(port) || connection.key.domain() != targets.domain) return false;
    const path::Tuple tuple = connection.tuple();
    return probes->expects(
        targets, {path::source_of(tuple), path::destination_of(tuple), connection.key.source_port().host(), port});
}

}  // namespace

bool Tracker::refuse(path::Meta& meta, const Candidate& candidate) noexcept {
    meta.connection.object = candidate.judgement.object();
    meta.egress = candidate.to.port;  // for whoever asks where it was to go
    return path::drop(meta,
                      candidate.judgement.verdict == flow::Verdict::kReject ? Drop::kRejected : Drop::kDenied);
}

bool Tracker::decide(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    meta.connection.object = 0;
    meta.translated = path::Translated::kNot;
    meta.opens_tcp = false;
    has_decided_ = true;
    if (!tables.may_send_from_source(meta)) return path::drop(meta, Drop::kForeignAddress);
    if (meta.connection.kind == PacketKind::kMalformed) return path::drop(meta, Drop::kMalformedIp);
    // No policy is asked about it, and no flow is made of it.
    if (unlikely(answers_probe(meta, tables))) {
        meta.fate = path::Fate::kLocal;
        return true;
    }
    path::Tuple leaves = meta.connection.tuple();
    Way way = Way::kOn;
    found_ = flow::kNoRecord;
    if (unlikely(tables.snapshot.has_translation)) way = translate(meta, packet, leaves, tables);
    if (way == Way::kNone) return false;
    if (way == Way::kLocal) {
        meta.fate = path::Fate::kLocal;
    } else if (meta.layer3 != path::Layer3::kNone && !steps_.route(meta, packet, leaves, tables)) {
        return false;
    }
    return decide_way(meta, packet, leaves, tables);
}

bool Tracker::resume(path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    meta.fate = path::Fate::kRoute;
    // While it waited, its network may have been deleted.
    if (path::index(meta.network) >= tables.snapshot.networks.size() ||
        tables.network(meta.network).table == nullptr) {
        return path::drop(meta, Drop::kNoNetwork);
    }
    const view::Network& network = tables.network(meta.network);
    if (!network.is_tracked) return true;
    // Nobody has read it where its network was not tracked when it came, or has another domain now.
    Connection& connection = meta.connection;
    if (!connection.is_tracked() || connection.key.domain() != network.flow_domain) {
        path::read_connection(packet, network.flow_domain, connection);
    }
    path::Tuple leaves = connection.tuple();
    found_ = flow::kNoRecord;
    if (unlikely(tables.snapshot.has_translation)) {
        // What it becomes may have changed meanwhile, and so may its way.
        const Way way = translate(meta, packet, leaves, tables);
        if (way == Way::kNone) return false;
        if (way == Way::kLocal) {
            meta.fate = path::Fate::kLocal;
        } else if (!(leaves == connection.tuple()) && !steps_.route(meta, packet, leaves, tables)) {
            return false;
        }
    }
    return decide_way(meta, packet, leaves, tables);
}

bool Tracker::decide_way(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& leaves,
                         const view::Tables& tables) noexcept {
    if (meta.connection.kind == PacketKind::kArp) return true;
    // What other hosts say of our tunnels' own packets is no connection, and no policy's business.
    if (meta.fate == path::Fate::kLocal && unlikely(tables.network(meta.network).is_underlay) &&
        tunnel::Output::understands(packet, tables)) {
        return true;
    }
    Candidate candidate = candidate_of(meta, leaves, tables);
    steps_.forget_told();
    reach_.is_known = false;
    if (!decide_kind(meta, packet, candidate, tables)) return false;
    if (candidate.is_flooded) link_.set_reachable(packet, reach(meta, packet, candidate, tables).members);
    if (meta.fate == path::Fate::kRoute) {
        // It leaves by where it was judged for, or is judged again.
        meta.egress = candidate.to.port;
        meta.fate = candidate.to.port != path::kNoPort ? path::Fate::kRouteByPort : path::Fate::kRoutePortUnknown;
    }
    // An error about a packet whose port alone was changed stays as it is, but for what it quotes.
    const bool quotes_translated = meta.connection.kind == PacketKind::kIcmpError && found_ != flow::kNoRecord;
    if (unlikely(candidate.is_translated() || quotes_translated) && !finish_translated(meta, candidate, tables))
        return false;
    note_opening(meta);
    return true;
}

bool Tracker::decide_kind(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                          const view::Tables& tables) noexcept {
    switch (meta.connection.kind) {
        case PacketKind::kArp: return true;
        case PacketKind::kMalformed: return path::drop(meta, Drop::kMalformedIp);
        case PacketKind::kNeighbor:
            // On its link nobody asks; it has no business beyond (RFC 4861, 6.1 and 7.1).
            if (meta.fate != path::Fate::kRoute) return true;
            return decide_single(meta, packet, candidate, tables);
        case PacketKind::kIcmpError:
            if (unlikely(imitates_tunnel_error(packet, meta.connection, candidate, tables)))
                return path::drop(meta, Drop::kVxlanPort);
            return is_related(packet, meta.connection, candidate, tables) ||
                   decide_single(meta, packet, candidate, tables);
        case PacketKind::kNotIp:
        case PacketKind::kSingle: return decide_single(meta, packet, candidate, tables);
        case PacketKind::kLaterFragment: return decide_later_fragment(meta, packet, candidate, tables);
        case PacketKind::kConnection:
        case PacketKind::kProtocol: {
            const bool passes = decide_connection(meta, packet, candidate, tables);
            // Until it is known where the first one goes, nobody knows what the later ones become: they wait.
            const bool waits = passes && candidate.is_unfinished && tables.snapshot.has_translation;
            if (unlikely(meta.connection.first_fragment && !waits)) {
                remember_fragment(meta.connection, packet, passes ? flow::Verdict::kAllow : flow::Verdict::kDeny,
                                  tables);
            }
            return passes;
        }
    }
    return true;
}

void Tracker::note(const path::Meta& meta, const rte_mbuf* packet, const Candidate& candidate,
                   const view::Tables& tables) noexcept {
    const Judgement& judgement = candidate.judgement;
    if (likely(judgement.logged == 0)) return;
    // It is told when all has been asked.
    if (candidate.is_unfinished && judgement.permits()) return;
    const Drop reason = judgement.verdict == flow::Verdict::kAllow  ? Drop::kCount
                        : judgement.verdict == flow::Verdict::kDeny ? Drop::kDenied
                                                                    : Drop::kRejected;
    // The packet's own way, also where the other end's was asked about.
    const bool is_own = candidate.sender == flow::Sender::kInitiator;
    tables.counters.rules.record(meta.ingress, reason, packet,
                                 {.ingress = meta.ingress,
                                  .egress = is_own ? candidate.to.port : candidate.from.port,
                                  .network = meta.network,
                                  .object = judgement.logged});
}

bool Tracker::pass_or_refuse(path::Meta& meta, const rte_mbuf* packet, const Candidate& candidate,
                             const view::Tables& tables) noexcept {
    note(meta, packet, candidate, tables);
    return candidate.judgement.permits() || refuse(meta, candidate);
}

bool Tracker::decide_single(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                            const view::Tables& tables) noexcept {
    steps_.evaluate(candidate, tables);
    return pass_or_refuse(meta, packet, candidate, tables) && !is_untranslatable(meta, candidate, tables);
}

// Of a packet that begins no connection. Where NAT would give the sender of one another address, it may not show
// its own: it is dropped.
bool Tracker::is_untranslatable(path::Meta& meta, const Candidate& candidate,
                                const view::Tables& tables) noexcept {
    if (likely(tables.snapshot.nat == nullptr) || candidate.is_unfinished) return false;
    const auto rule = find_rule(candidate, tables);
    if (!rule) return false;
    meta.connection.object = *rule;
    meta.egress = candidate.to.port;
    return !path::drop(meta, Drop::kNoConnection);
}

// Whether a packet that seems to answer a flow can't be its answer: the flow came in by another network than the
// packet leaves by, where NAT gives its sender another address. Who has forged that flow wants to see it leave
// without.
bool Tracker::is_false_answer(uint32_t index, const Candidate& candidate, const view::Tables& tables) noexcept {
    if (likely(tables.snapshot.nat == nullptr) || (index & 1) == 0 || candidate.is_translated()) return false;
    const flow::Decided opened = tables.flows.record(index ^ 1).decided.load(std::memory_order_relaxed);
    return opened.generation() != 0 && opened.network() != candidate.to.network &&
           find_rule(candidate, tables).has_value();
}

bool Tracker::decide_connection(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                                const view::Tables& tables) noexcept {
    Connection& connection = meta.connection;
    // The flow that such a packet may have is of a time when this was no underlay.
    if (unlikely(imitates_tunnel(candidate, tables))) return path::drop(meta, Drop::kVxlanPort);
    const uint32_t index = tables.flows.find(candidate.original);
    if (index == flow::kNoRecord) return decide_new(meta, packet, candidate, tables);
    found_ = index;

    flow::Record& record = tables.flows.record(index);
    const flow::Decided decided = record.decided.load(std::memory_order_relaxed);
    Candidate known = candidate;
    // Its address is forgotten for the moment: may_reach() finds the port among all.
    if (known.to.port == path::kNoPort && meta.fate != path::Fate::kLocal) known.to.port = exit_of(index, tables);
    const auto begin_anew = [&]() noexcept {
        found_ = flow::kNoRecord;
        const bool passes = decide_new(meta, packet, known, tables);
        candidate.translated = known.translated;
        return passes;
    };
    if (is_false_answer(index, known, tables)) {
        tables.flows.remove(index, tables.worker);
        return begin_anew();
    }
    if (!keeps_translation(index, known, meta.network, tables)) {
        tables.flows.remove(index, tables.worker);
        if ((index & 1) != 0) return path::drop(meta, Drop::kNoConnection);
        begin_source_anew(known);
        return begin_anew();
    }
    const bool holds = judge_flow(index, known, meta.network, tables);
    const Judgement& judgement = known.judgement;
    const bool is_same_way = decided.ingress() == known.from.port && decided.egress() == known.to.port;
    if (!holds) {
        // By a rule that now follows connections, or no longer does: another kind of flow.
        if (judgement.permits() && judgement.stateful == tables.flows.is_stateless(index)) {
            tables.flows.remove(index, tables.worker);
            return begin_anew();
        }
        // What lets a connection in is told of its first packet, and of none of its answers.
        if (!judgement.permits() || (index & 1) == 0) note(meta, packet, known, tables);
        // If the packet takes another way than the flow and is refused there, the flow's verdict stays.
        if (judgement.permits() ? !candidate.is_unfinished : is_same_way) {
            Candidate decision = known;
            decision.first = std::bit_cast<FirstPacket>(tables.flows.origin(index).opening);
            tables.flows.decide(index, decision_of(decision, meta.network, tables));
        }
    }
    if (!judgement.permits()) {
        // Forgotten while somebody still tries, its answers would begin a connection the other way round.
        if (is_same_way) record.seen.store(tables.now, std::memory_order_relaxed);
        return refuse(meta, known);
    }
    if (tables.flows.opens_anew(record, connection, packet))
        return decide_opening(meta, packet, index, known, tables);
    // One that waits for its neighbor comes here again.
    if (candidate.is_unfinished) return true;
    if (!tables.flows.track_judged(record, connection, packet, packet->pkt_len, tables.now)) {
        return begin_anew();
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

bool Tracker::decide_new(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                         const view::Tables& tables) noexcept {
    Connection& connection = meta.connection;
    const flow::Beginning beginning = flow::Table::beginning_of(connection, packet);
    const bool opens = beginning == flow::Beginning::kOpens;
    if (!opens && tables.flows.picks_up()) return pick_up(meta, packet, candidate, beginning, tables);
    steps_.evaluate(candidate, tables);
    if (!pass_or_refuse(meta, packet, candidate, tables)) return false;
    if (!opens && is_untranslatable(meta, candidate, tables)) return false;
    const bool is_tcp = connection.protocol() == wire::Protocol::kTcp;
    if (!opens && is_tcp && candidate.judgement.judged && candidate.judgement.stateful) {
        connection.object = candidate.judgement.object();
        meta.egress = candidate.to.port;
        return path::drop(meta, Drop::kNoConnection);
    }
    return !opens || commit(meta, packet, candidate, tables);
}

// Leaves a flow behind for a packet that was permitted.
bool Tracker::commit(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate,
                     const view::Tables& tables) noexcept {
    const Judgement& judgement = candidate.judgement;
    // When its neighbor has answered, the rest of its way is judged. (Where that is known, and his port isn't,
    // it is flooded to.)
    if (candidate.is_unfinished) return true;
    // Whom nobody hears begins no connection.
    if (candidate.is_flooded && !reach(meta, packet, candidate, tables).has_others) return true;
    const auto tracking = judgement.stateful ? flow::Tracking::kConnection : flow::Tracking::kStateless;
    const bool is_peers = candidate.sender == flow::Sender::kResponder;
    const Place& from = is_peers ? candidate.to : candidate.from;
    const Place& to = is_peers ? candidate.from : candidate.to;
    flow::Added added{flow::kNoRecord, flow::Added::kTaken};
    for (unsigned attempt = 0; added.outcome == flow::Added::kTaken; ++attempt) {
        if (unlikely(tables.snapshot.nat != nullptr || attempt != 0)) {
            const Drop reason = allocate(candidate, attempt, steps_.is_dry(), tables);
            if (unlikely(reason != Drop::kCount)) {
                meta.connection.object = find_rule(candidate, tables).value_or(0);
                meta.egress = to.port;
                return path::drop(meta, reason);
            }
        }
        if (candidate.is_translated()) candidate.hop |= Hop::kTranslated;
        flow::Decision decision = decision_of(candidate, meta.network, tables);
        decision.network = from.network;
        decision.ingress = from.port;
        decision.egress = to.port;
        // As each side's packets arrive: the other side answers what left.
        const flow::Keys keys{candidate.original, candidate.translated.reversed()};
        added = tables.flows.add(keys, decision, tracking, tables.now, tables.worker, candidate.sender);
    }
    found_ = added.index;
    switch (added.outcome) {
        case flow::Added::kNew:
            // For whoever notes what was found about its addresses.
            meta.connection.candidate = &tables.flows.record(added.index);
            tables.flows.track_judged(tables.flows.record(added.index), meta.connection, packet, packet->pkt_len,
                                      tables.now);
            return true;
        case flow::Added::kExisting:
            // Its next packet finds it.
            if (likely(tables.flows.tuple(added.index ^ 1) == candidate.translated.reversed())) return true;
            break;
        case flow::Added::kTaken:
        case flow::Added::kFull:
        case flow::Added::kShareUsed: break;
    }
    found_ = flow::kNoRecord;
    if (!judgement.judged && !candidate.is_translated()) return true;
    meta.egress = to.port;
    return path::drop(meta, added.outcome == flow::Added::kShareUsed ? Drop::kFlowShare : Drop::kFlowTableFull);
}

// A packet in the midst of a connection that is not known: a restart has lost that, or there is none. Either end
// may have begun it. The packet is judged as it stands, as the first one of its sender. Where no policy has a say
// in that, but one lets the other end begin the connection, it is the other end's. While flows are recovered, a
// packet that is refused passes if a SYN of either end would have been let through. It must be one that a
// connection's midst has: what can neither continue nor reset one is judged by the rules alone.
bool Tracker::pick_up(path::Meta& meta, const rte_mbuf* packet, Candidate& candidate, flow::Beginning beginning,
                      const view::Tables& tables) noexcept {
    const Connection& connection = meta.connection;
    const bool is_way_known = candidate.to.port != path::kNoPort && !candidate.is_unfinished;
    const bool is_tcp = connection.protocol() == wire::Protocol::kTcp;
    const uint8_t opening_flags = connection.tcp_flags & (wire::TcpHeader::kSyn | wire::TcpHeader::kRst);
    const bool is_reset = is_tcp && opening_flags == wire::TcpHeader::kRst;
    const bool recovers = is_way_known && tables.flows.is_recovering(tables.now) &&
                          (beginning != flow::Beginning::kNever || is_reset);
    // Whether the connection may have begun so.
    const auto may_have_begun = [&](Candidate& other) {
        steps_.forget_told();
        return steps_.look_up(other, tables) && other.judgement.stateful;
    };

    Candidate chosen = candidate;
    steps_.forget_told();
    if (recovers) {
        steps_.look_up(chosen, tables);
    } else {
        steps_.evaluate(chosen, tables);
    }
    FirstPacket opening = candidate.first;
    if (is_tcp) opening.tcp_flags = wire::TcpHeader::kSyn;
    bool is_counted = !recovers;
    if (chosen.judgement.permits() && !chosen.judgement.judged) {
        Candidate by_peer = candidate.opened_by_peer(opening);
        if (is_way_known && may_have_begun(by_peer) && by_peer.judgement.judged) {
            chosen = by_peer;
            is_counted = false;
        }
    } else if (recovers && !chosen.judgement.permits()) {
        Candidate by_sender = candidate.opened_by(opening);
        Candidate by_peer = candidate.opened_by_peer(opening);
        if (may_have_begun(by_sender)) {
            chosen = by_sender;
        } else if (may_have_begun(by_peer)) {
            chosen = by_peer;
        }
    }
    if (!is_counted) {
        steps_.forget_told();
        steps_.evaluate_finally(chosen, tables);
    }
    note(meta, packet, chosen, tables);
    if (!chosen.judgement.permits()) {
        meta.connection.object = chosen.judgement.object();
        meta.egress = candidate.to.port;
        return path::drop(meta,
                          chosen.judgement.verdict == flow::Verdict::kReject ? Drop::kRejected : Drop::kDenied);
    }
    // Of what is flooded nobody knows yet who its other end is.
    if (!is_way_known) return true;
    if (beginning == flow::Beginning::kNever) return !is_untranslatable(meta, candidate, tables);
    chosen.hop = candidate.hop;
    const bool passes = commit(meta, packet, chosen, tables);
    candidate.translated = chosen.sender == flow::Sender::kInitiator ? chosen.translated : candidate.translated;
    return passes;
}

// A SYN or an INIT that its flow didn't begin with, in the way that the flow lets pass: it asks for a connection
// of its own, and passes only where that is permitted as well.
bool Tracker::decide_opening(path::Meta& meta, const rte_mbuf* packet, uint32_t index, Candidate& candidate,
                             const view::Tables& tables) noexcept {
    const Connection& connection = meta.connection;
    if (tables.flows.is_over(index)) return decide_new(meta, packet, candidate, tables);
    steps_.evaluate(candidate, tables);
    if (!pass_or_refuse(meta, packet, candidate, tables)) return false;
    if (candidate.is_unfinished) return true;
    // What was picked up and has no answer was no connection yet: this one takes its place.
    const bool is_picked_up =
        !tables.flows.record(index).is(flow::kOpened) && !tables.flows.record(index ^ 1).is(flow::kOpened);
    const flow::State state = tables.flows.state_at(index);
    const bool is_replaced = state == flow::State::kNew || (state == flow::State::kInit && is_picked_up) ||
                             candidate.judgement.stateful == tables.flows.is_stateless(index);
    if (is_replaced) {
        tables.flows.remove(index, tables.worker);
        return commit(meta, packet, candidate, tables);
    }
    tables.flows.track_judged(tables.flows.record(index), connection, packet, packet->pkt_len, tables.now);
    return true;
}

bool Tracker::judge_flow(uint32_t index, Candidate& candidate, path::NetworkId network,
                         const view::Tables& tables) noexcept {
    const flow::Origin origin = tables.flows.origin(index);
    flow::Action action;
    if (flow::Table::action(tables.flows.record(index), tables.flow_generation(network), action) &&
        action.network == candidate.from.network && action.ingress == candidate.from.port &&
        action.egress == candidate.to.port && action.hop == candidate.hop) {
        candidate.judgement = {.verdict = action.verdict, .objects = {origin.objects[0], origin.objects[1]}};
        return true;
    }
    const auto opening = std::bit_cast<FirstPacket>(origin.opening);
    const bool is_answer = (index & 1) != 0;
    Candidate initiators = is_answer ? candidate.opened_by_peer(opening) : candidate.opened_by(opening);
    if (is_answer) {
        // What the initiator sent stands in its record.
        initiators.original = tables.flows.tuple(index ^ 1);
        initiators.translated = candidate.original.reversed();
        initiators.subject = subject_of(initiators.judged(), opening);
    }
    steps_.evaluate(initiators, tables);
    candidate.judgement = initiators.judgement;
    return false;
}

}  // namespace sluice::policy
