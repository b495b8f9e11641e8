// Probes of Services' back ends (service/probes.h): what a worker sends and how it takes the answers. A probe goes
// from the switch's address in the back end's network to where Services' connections go, by the same routes. It is
// the traffic of the back end's own host: no policy is asked about it, and it leaves no flow behind.
#include <algorithm>
#include <cstring>

#include "link/exit.h"
#include "path/tuple_address.h"
#include "responder/responder.h"
#include "wire/tcp_segment.h"

namespace sluice::responder {
namespace {

using service::Phase;
using service::ProbeReply;
using service::ProbeResult;
using service::Probes;
using wire::TcpHeader;

// An answer's first segment has the status: more is not asked for.
constexpr uint16_t kWindow = 1024;

// Nothing: there is no route. Null: the neighbor table has no room for it.
std::optional<neighbor::Entry*> find_neighbor(const service::ProbeTarget& target, uint32_t number,
                                              const view::Network& from, const view::Tables& tables) noexcept {
    const route::HopId id = target.address.is_v4() ? from.routes->fib4().find(target.address.v4())
                                                   : from.routes->fib6().find(target.address.bytes.data());
    // Of several next hops each probe takes the same one.
    constexpr uint32_t kSpread = 0x9e37'79b1;
    const route::NextHop& hop = route::hop_of(tables.hops, id, [&]() noexcept { return number * kSpread; });
    if (hop.kind == route::HopKind::kVia) return hop.neighbor;
    if (hop.kind != route::HopKind::kConnected) return std::nullopt;
    neighbor::Entry* entry = tables.neighbors.find(hop.network, target.address);
    return entry != nullptr ? entry : tables.neighbors.add(hop.network, target.address, tables.now);
}

// Whether a known connection would get the answer: NAT hides clients behind the same address.
bool is_taken(const service::ProbeTarget& target, const IpAddress& own, uint16_t port, path::FlowDomain domain,
              const view::Tables& tables) noexcept {
    const uint8_t version = own.is_v4() ? 4 : 6;
    path::Tuple answer;
    answer.key.rest = path::TupleKey::make_rest(0, static_cast<uint8_t>(wire::Protocol::kTcp), version, domain);
    path::set_source(answer, target.address, target.port);
    path::set_destination(answer, own, port);
    return tables.flows.find(answer) != flow::kNoRecord;
}

}  // namespace

void Responder::probe(const Chore& chore, const view::Tables& tables) noexcept {
    const service::ProbeTargets* targets = tables.snapshot.probe_targets.get();
    if (targets == nullptr || chore.check >= targets->list.size()) return;
    Probes& probes = *tables.snapshot.probes;
    const service::ProbeTarget& target = targets->list[chore.check];
    const auto pending = probes.pending(chore.check);
    if (!pending) return;
    const auto fail = [&](ProbeResult result) noexcept { probes.fail(chore.check, *pending, result); };

    const bool has_network = path::index(targets->network) < tables.snapshot.networks.size();
    const view::Network* from = has_network ? &tables.network(targets->network) : nullptr;
    if (from == nullptr || from->routes == nullptr) return fail(ProbeResult::kNoRoute);
    const auto found = find_neighbor(target, chore.check, *from, tables);
    if (!found) return fail(ProbeResult::kNoRoute);
    neighbor::Entry* neighbor = *found;
    if (neighbor == nullptr) return probes.mark_unresolved(chore.check, *pending);
    if (path::index(neighbor->network) >= tables.snapshot.networks.size()) return fail(ProbeResult::kNoRoute);
    const view::Network& network = tables.network(neighbor->network);
    const auto own = own_address(network, target.address);
    if (!own || network.mac == 0) return fail(ProbeResult::kNoAddress);
    if (tables.snapshot.find_absent(neighbor->network, neighbor->address) != nullptr)
        return fail(ProbeResult::kPortDown);
    link::mark_used(*neighbor, tables);
    const uint64_t mac = neighbor->mac.load(std::memory_order_acquire);
    const path::PortId exit = link::exit_of(*neighbor, mac, network, tables);
    // Stations of a flat network see nothing that isn't theirs: the answer tells where this one is.
    if (mac == 0 || (exit == path::kNoPort && network.flat)) {
        if (mac != 0 || tables.neighbors.ask(*neighbor, tables.now)) link_.solicit(*neighbor);
        return probes.mark_unresolved(chore.check, *pending);
    }

    const bool is_syn = pending->phase == Phase::kWanted;
    // It is not sent and says nothing; the next one has another port.
    if (is_syn && is_taken(target, *own, pending->port, targets->domain, tables)) return;
    const auto request_size = static_cast<uint32_t>(target.request.size());
    rte_mbuf* packet =
        wire::build_tcp_segment(pools_.buffers,
                                {.source = *own,
                                 .destination = target.address,
                                 .source_port = pending->port,
                                 .destination_port = target.port,
                                 .sequence = is_syn ? pending->sequence : pending->sequence + 1 + request_size,
                                 .flags = is_syn ? TcpHeader::kSyn : TcpHeader::kRst,
                                 .window = kWindow},
                                {});
    if (packet == nullptr) return;
    if (!probes.mark_sent(chore.check, *pending, *own)) return rte_pktmbuf_free(packet);
    tables.counters.totals.made.add(1);
    link::write_macs(packet, mac, network.mac);
    if (exit == path::kNoPort) return output_.send_in(neighbor->network, packet, tables);
    output_.send(neighbor->network, exit, packet, tables);
}

// True if it took the packet: a segment that belongs to a probe.
bool Responder::take_answer(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const service::ProbeTargets* targets = tables.snapshot.probe_targets.get();
    if (likely(targets == nullptr) || tables.network(meta.network).flow_domain != targets->domain) return false;
    const auto segment = wire::read_tcp_segment(packet);
    if (!segment) return false;
    Probes& probes = *tables.snapshot.probes;
    const service::ProbeTuple tuple{segment->source, segment->destination, segment->source_port,
                                    segment->destination_port};
    if (!probes.expects(*targets, tuple)) return false;
    if (effect_ == Effect::kNone) {
        link_.consume(packet, tables);
        return true;
    }
    service::ProbeSegment seen{.flags = segment->flags,
                               .sequence = segment->sequence,
                               .acknowledgement = segment->acknowledgement,
                               .size = segment->payload_size};
    const auto shown = std::min<uint32_t>(segment->payload_size, seen.begin.size());
    // DPDK looks for the byte behind a chain's last one, even if none is to be read.
    const void* begin =
        shown == 0 ? nullptr : rte_pktmbuf_read(packet, segment->payload, shown, seen.begin.data());
    if (begin != nullptr && begin != seen.begin.data()) std::memcpy(seen.begin.data(), begin, shown);
    const auto answered = probes.answer(*targets, tuple, seen);
    if (!answered) return false;
    link_.consume(packet, tables);
    reply(meta, *segment, *answered, tables);
    return true;
}

// All hosts of an overlay have the same router, so another one may have sent the probe that this segment answers.
// True if it took the packet.
bool Responder::pass_answer_on(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (network.vni == 0 || network.tunnels.empty() || tables.slot(meta.ingress).tunnel != nullptr) return false;
    const auto segment = wire::read_tcp_segment(packet);
    if (!segment || (segment->flags & TcpHeader::kAck) == 0 || segment->destination_port < Probes::kFirstPort ||
        segment->destination_port > Probes::kLastPort || !link_.may_answer(meta.ingress)) {
        return false;
    }
    output_.send_to_tunnels(meta.network, nullptr, packet, tables);
    link_.consume(packet, tables);
    return true;
}

// To where the segment came from.
void Responder::reply(const path::Meta& meta, const wire::TcpSegment& to, const Probes::Answered& answered,
                      const view::Tables& tables) noexcept {
    if (answered.reply.kind == ProbeReply::Kind::kNone) return;
    const bool is_request = answered.reply.kind == ProbeReply::Kind::kRequest;
    rte_mbuf* packet = wire::build_tcp_segment(
        pools_.buffers,
        {.source = to.destination,
         .destination = to.source,
         .source_port = to.destination_port,
         .destination_port = to.source_port,
         .sequence = answered.reply.sequence,
         .acknowledgement = answered.reply.acknowledgement,
         .flags = is_request ? uint8_t{TcpHeader::kAck | TcpHeader::kPsh} : TcpHeader::kRst,
         .window = kWindow},
        is_request ? std::string_view(*answered.request) : std::string_view());
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    link::write_macs(packet, meta.source_mac, tables.network(meta.network).mac);
    output_.send(meta.network, meta.ingress, packet, tables);
}

}  // namespace sluice::responder
