#include "policy/steps.h"

#include <algorithm>

#include "link/exit.h"
#include "path/tuple_address.h"
#include "router/decide.h"
#include "wire/headers.h"

namespace sluice::policy {
namespace {

using path::destination_of;
using path::source_of;

bool is_tunnel(path::PortId port, const view::Tables& tables) noexcept {
    return tables.slot(port).tunnel != nullptr;
}

// Whether policies have a say at that end. Of tunnels neither network is asked: the other host asks for what its
// guests send and are sent.
bool is_asked(const Place& place, const view::Tables& tables) noexcept {
    return place.port != path::kNoPort && !is_tunnel(place.port, tables);
}

// The pod with that address, which is behind no port of its own. A station beside the pods of this host is none of
// them, and none of another host, whatever address it claims.
const pod::Pod* find_elsewhere(const IpAddress& address, path::PortId port, const pod::Pods& pods,
                               const view::Tables& tables) noexcept {
    if (port != path::kNoPort && !is_tunnel(port, tables) && !pods.leads_out(port)) return nullptr;
    const pod::Pod* pod = pods.at(address);
    return pod != nullptr && pod->is_here && port != path::kNoPort ? nullptr : pod;
}

}  // namespace

Candidate candidate_of(const path::Meta& meta, const path::Tuple& leaves, const view::Tables& tables) noexcept {
    Candidate candidate;
    const bool is_ip = meta.connection.kind != path::PacketKind::kNotIp && meta.connection.ip != nullptr;
    if (is_ip) {
        candidate.original = meta.connection.tuple();
        candidate.translated = leaves;
        candidate.first = first_packet_of(meta.connection);
    }
    candidate.subject = subject_of(meta.connection);
    if (unlikely(is_ip && candidate.is_translated())) {
        const bool is_later = candidate.subject.later_fragment;
        candidate.subject = subject_of(candidate.judged(), candidate.first);
        candidate.subject.later_fragment = is_later;
        candidate.subject.fragment |= is_later;
        candidate.hop = Hop::kTranslated;
    }
    candidate.from = {meta.ingress, meta.network};
    Steps::lead(candidate, meta, tables);
    return candidate;
}

bool is_destination(const neighbor::Entry& neighbor, const path::Tuple& tuple,
                    const view::Tables& tables) noexcept {
    return path::index(neighbor.network) < tables.snapshot.networks.size() &&
           tables.network(neighbor.network).flow_domain == tuple.key.domain() &&
           neighbor.state.load(std::memory_order_relaxed) != neighbor::State::kFree &&
           neighbor.address == destination_of(tuple);
}

namespace {

bool is_to_tunnels(const path::TupleKey& key, const view::Tables& tables) noexcept {
    return key.protocol() == wire::Protocol::kUdp && key.destination_port() == tables.snapshot.udp_port;
}

// What a station of the underlay's network sends to another is theirs: its source is a guard's to judge, or it
// comes from the wire.
bool is_routed_into_underlay(const Candidate& candidate, const view::Tables& tables) noexcept {
    return (candidate.hop & Hop::kNeighbor) != 0 && tables.network(candidate.to.network).is_underlay;
}

}  // namespace

bool imitates_tunnel(const Candidate& candidate, const view::Tables& tables) noexcept {
    if (is_routed_into_underlay(candidate, tables) && is_to_tunnels(candidate.translated.key, tables)) return true;
    const bool is_routed_out =
        (candidate.hop & Hop::kNeighbor) != 0 && tables.network(candidate.from.network).is_underlay;
    return is_routed_out && is_to_tunnels(path::reversed(candidate.original.key), tables);
}

bool imitates_tunnel_error(const rte_mbuf* packet, const path::Connection& connection, const Candidate& candidate,
                           const view::Tables& tables) noexcept {
    if (!is_routed_into_underlay(candidate, tables)) return false;
    path::Tuple quoted;
    return path::read_quoted(packet, connection, quoted) && is_to_tunnels(quoted.key, tables);
}

bool Steps::route(path::Meta& meta, const rte_mbuf* packet, const path::Tuple& leaves,
                  const view::Tables& tables) noexcept {
    if (meta.layer3 == path::Layer3::kOther) {
        meta.fate = path::Fate::kLocal;
        return true;
    }
    const router::Header header = router::read_header(meta, packet);
    const router::Answer answer = router::find_route({.source = source_of(meta.connection.tuple()),
                                                      .destination = destination_of(leaves),
                                                      .network = meta.network,
                                                      .ingress = meta.ingress,
                                                      .hash = header.hash,
                                                      .ttl = header.ttl,
                                                      .has_source_route = header.has_source_route},
                                                     tables, link_);
    if (answer.fate == path::Fate::kDrop) return path::drop(meta, answer.reason);
    meta.fate = answer.fate;
    meta.neighbor = answer.neighbor;
    return true;
}

void Steps::lead(Candidate& candidate, const path::Meta& meta, const view::Tables& tables) noexcept {
    candidate.to = {path::kNoPort, meta.network};
    switch (meta.fate) {
        case path::Fate::kForward: candidate.to.port = meta.egress; break;
        case path::Fate::kFlood: candidate.is_flooded = true; break;
        case path::Fate::kLocal: candidate.hop |= Hop::kLocal; break;
        case path::Fate::kRoute: {
            auto& neighbor = *static_cast<neighbor::Entry*>(meta.neighbor);
            const uint64_t mac = neighbor.mac.load(std::memory_order_acquire);
            candidate.to.network = neighbor.network;
            candidate.to.port = link::exit_of(neighbor, mac, tables.network(neighbor.network), tables);
            candidate.is_unfinished = mac == 0;
            candidate.is_flooded = mac != 0 && candidate.to.port == path::kNoPort;
            candidate.hop |= Hop::kNeighbor | tables.neighbors.index(neighbor);
            if (is_destination(neighbor, candidate.translated, tables)) candidate.hop |= Hop::kOnLink;
            break;
        }
        default: break;
    }
}

// Asks the lists one by one, but those that were `asked` before; false when one refuses.
bool Steps::ask(const std::vector<acl::SharedList>& lists, const std::vector<acl::SharedList>& asked,
                const acl::Subject& subject, Hits hits, uint32_t& object, Judgement& judgement) noexcept {
    for (const acl::SharedList& list : lists) {
        if (std::find(asked.begin(), asked.end(), list) != asked.end()) continue;
        const acl::Answer answer = hits == Hits::kCounted ? list->judge(subject) : list->look_up(subject);
        if (unlikely(is_telling_)) told_.add() = {answer.object, static_cast<uint8_t>(answer.action)};
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

bool Steps::ask_pod(const Candidate& candidate, pod::Direction direction, Judgement& judgement,
                    const view::Tables& tables) noexcept {
    const pod::Pods* pods = tables.snapshot.pods.get();
    if (likely(pods == nullptr)) return true;
    const bool is_egress = direction == pod::Direction::kEgress;
    const Place& own = is_egress ? candidate.from : candidate.to;
    const Place& other = is_egress ? candidate.to : candidate.from;
    const pod::Pod* pod = pods->at(own.port);
    if (pod == nullptr) return true;
    const acl::Subject& subject = candidate.subject;
    pod::Peer peer{.pod = other.port != path::kNoPort ? pods->at(other.port) : nullptr};
    if (subject.is_ip) {
        peer.address = is_egress ? destination_of(candidate.translated) : source_of(candidate.original);
        if (peer.pod == nullptr) peer.pod = find_elsewhere(peer.address, other.port, *pods, tables);
        // What a sender claims; a destination need not be the receiver's own address: it may be a group's.
        peer.is_forged = !is_egress && peer.pod != nullptr && peer.pod->has_address &&
                         pods->at(peer.address) != peer.pod;
        // The host, or the switch in its place.
        const bool is_to_switch = is_egress && (candidate.hop & (Hop::kNeighbor | Hop::kLocal)) == Hop::kLocal;
        if (is_to_switch || pods->is_host(other.port, peer.address)) return true;
    }
    const pod::Service service{
        .protocol = subject.protocol, .has_port = subject.has_ports, .port = subject.destination_port};
    const pod::Answer answer = pod::judge(*pod, direction, peer, is_egress ? peer.pod : pod, service);
    if (!answer.is_isolated) return true;
    if (unlikely(is_telling_)) {
        const acl::Action action = answer.permits ? acl::Action::kPermit : acl::Action::kDeny;
        told_.add() = {answer.object, static_cast<uint8_t>(action)};
    }
    judgement.judged = true;
    judgement.objects[is_egress ? 0 : 1] = answer.object;
    if (!answer.permits) judgement.verdict = flow::Verdict::kDeny;
    return answer.permits;
}

bool Steps::egress(Candidate& candidate, Hits hits, const view::Tables& tables) noexcept {
    if (!is_asked(candidate.from, tables)) return true;
    Judgement& judgement = candidate.judgement;
    const acl::Policies& port = tables.snapshot.policies_of(candidate.from.port);
    const acl::Policies& network = tables.snapshot.policies_of(candidate.from.network);
    return ask(port.egress, {}, candidate.subject, hits, judgement.objects[0], judgement) &&
           ask(network.egress, port.egress, candidate.subject, hits, judgement.objects[0], judgement) &&
           ask_pod(candidate, pod::Direction::kEgress, judgement, tables);
}

bool Steps::ingress(Candidate& candidate, Hits hits, const view::Tables& tables) noexcept {
    if (!is_asked(candidate.to, tables)) return true;
    Judgement& judgement = candidate.judgement;
    const acl::Policies& network = tables.snapshot.policies_of(candidate.to.network);
    const acl::Policies& port = tables.snapshot.policies_of(candidate.to.port);
    return ask(network.ingress, {}, candidate.subject, hits, judgement.objects[1], judgement) &&
           ask(port.ingress, network.ingress, candidate.subject, hits, judgement.objects[1], judgement) &&
           ask_pod(candidate, pod::Direction::kIngress, judgement, tables);
}

bool Steps::evaluate_member(Candidate& candidate, const view::Tables& tables) noexcept {
    candidate.judgement = {};
    const bool is_from_station = is_asked(candidate.from, tables);
    return (!is_from_station || ask_pod(candidate, pod::Direction::kEgress, candidate.judgement, tables)) &&
           ingress(candidate, hits_, tables);
}

bool Steps::evaluate(Candidate& candidate, Hits hits, const view::Tables& tables) noexcept {
    candidate.judgement = {};
    return egress(candidate, hits, tables) && ingress(candidate, hits, tables);
}

bool Steps::look_up(Candidate& candidate, const view::Tables& tables) noexcept {
    return evaluate(candidate, Hits::kUncounted, tables);
}

bool Steps::evaluate_finally(Candidate& candidate, const view::Tables& tables) noexcept {
    return evaluate(candidate, hits_, tables);
}

bool Steps::evaluate(Candidate& candidate, const view::Tables& tables) noexcept {
    if (!candidate.is_unfinished) return evaluate_finally(candidate, tables);
    const uint32_t told = told_.count;
    if (look_up(candidate, tables)) return true;
    told_.count = told;
    return evaluate_finally(candidate, tables);
}

}  // namespace sluice::policy
