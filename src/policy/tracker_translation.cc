// The tracker's part for Services and NAT: what a packet leaves as, before its route is looked up, and what the
// last stage needs to know to write that.
#include "path/tuple_address.h"
#include "policy/balance.h"
#include "policy/tracker.h"
#include "wire/ip_check.h"

namespace sluice::policy {
namespace {

using path::Drop;
using path::PacketKind;
using path::Tuple;

// What the packets of a record's direction leave as.
Tuple leaving(uint32_t index, const view::Tables& tables) noexcept {
    return tables.flows.tuple(index ^ 1).reversed();
}

}  // namespace

bool hand_to_router(path::Meta& meta, const rte_mbuf* packet) noexcept {
    if (meta.layer3 != path::Layer3::kNone) return true;
    const path::Connection& connection = meta.connection;
    if (connection.ip != rte_pktmbuf_mtod(packet, const uint8_t*) + link::kEthernet) return false;
    const wire::IpCheck check = connection.is_ipv6() ? wire::check_ipv6(packet, link::kEthernet)
                                                     : wire::check_ipv4(packet, link::kEthernet);
    if (check != wire::IpCheck::kValid) return false;
    meta.header = const_cast<uint8_t*>(connection.ip);
    meta.layer3 = connection.is_ipv6() ? path::Layer3::kIpv6 : path::Layer3::kIpv4;
    return true;
}

namespace {

// Of a packet that no connection translates. What is for an address of the switch's is for nobody behind it.
bool is_local(const path::Meta& meta, const Tuple& leaves, const view::Tables& tables) noexcept {
    const bool is_routed = meta.layer3 == path::Layer3::kIpv4 || meta.layer3 == path::Layer3::kIpv6;
    return is_routed && tables.snapshot.owns(leaves.key.domain(), path::destination_of(leaves));
}

// Whether the packet is from a station that may send from its declared addresses only.
bool is_guarded(const path::Meta& meta, const view::Tables& tables) noexcept {
    const guard::Guard* guard = tables.slot(meta.ingress).guard;
    return guard != nullptr && guard->check_addresses;
}

}  // namespace

Tracker::Way Tracker::translate(path::Meta& meta, const rte_mbuf* packet, Tuple& leaves,
                                const view::Tables& tables) noexcept {
    switch (meta.connection.kind) {
        case PacketKind::kConnection:
        case PacketKind::kProtocol:
            return translate_connection(meta, packet, leaves, tables);
        case PacketKind::kIcmpError:
            return translate_error(meta, packet, leaves, tables);
        case PacketKind::kLaterFragment:
            return translate_later_fragment(meta, packet, leaves, tables);
        default:
            return is_local(meta, leaves, tables) ? Way::kLocal : Way::kOn;
    }
}

// By the flow that stands at `index`, in the packet's direction. `from`: as its packets arrive.
Tracker::Way Tracker::follow_translation(path::Meta& meta, const rte_mbuf* packet, uint32_t index,
                                         const Tuple& from, Tuple& leaves, const view::Tables& tables) noexcept {
    const Tuple to = leaving(index, tables);
    if (from == to) return Way::kOn;
    if (!hand_to_router(meta, packet)) {
        path::drop(meta, Drop::kMalformedIp);
        return Way::kNone;
    }
    leaves = to;
    return Way::kOn;
}

Tracker::Way Tracker::translate_connection(path::Meta& meta, const rte_mbuf* packet, Tuple& leaves,
                                           const view::Tables& tables) noexcept {
    const Tuple own = leaves;
    uint32_t index = tables.flows.find(own);
    // A new connection from the port of one that is over has a choice of its own: that one's back end may be
    // drained.
    if (index != flow::kNoRecord && (index & 1) == 0 && tables.flows.is_over(index) &&
        flow::Table::beginning_of(meta.connection, packet) == flow::Beginning::kOpens) {
        tables.flows.remove(index, tables.worker);
        index = flow::kNoRecord;
    }
    if (index != flow::kNoRecord) {
        const bool is_answer = (index & 1) != 0;
        const Tuple original = is_answer ? tables.flows.tuple(index ^ 1) : own;
        const Tuple translated = leaving(index & ~1U, tables);
        const bool is_kept = keeps_destination(original, translated, tables);
        if (is_kept && !(original == translated))
            return follow_translation(meta, packet, index, own, leaves, tables);
        if (is_kept && is_answer) return Way::kOn;
        // What stood for its destination is gone, or something stands for it now.
        if (!is_kept) tables.flows.remove(index, tables.worker);
        if (is_answer) {
            path::drop(meta, Drop::kNoConnection);
            return Way::kNone;
        }
    }
    // What is bridged is not for the switch.
    if (meta.layer3 == path::Layer3::kNone || meta.layer3 == path::Layer3::kOther) return Way::kOn;
    const Balanced balanced = balance(leaves, meta.network, steps_.is_dry(), tables);
    switch (balanced.outcome) {
        case Balanced::kUnchanged:
        case Balanced::kTranslated:
            return Way::kOn;
        case Balanced::kLocal:
            return Way::kLocal;
        case Balanced::kDropped:
            break;
    }
    meta.connection.object = balanced.object;
    path::drop(meta, balanced.reason);
    return Way::kNone;
}

// An error about a packet that was translated goes to the one who had sent that.
Tracker::Way Tracker::translate_error(path::Meta& meta, const rte_mbuf* packet, Tuple& leaves,
                                      const view::Tables& tables) noexcept {
    Tuple quoted;
    const uint32_t index = quoted_flow(meta.connection, packet, quoted, tables);
    if (index == flow::kNoRecord) return is_local(meta, leaves, tables) ? Way::kLocal : Way::kOn;
    const Tuple seen = leaving(index, tables);
    if (quoted == seen) return Way::kOn;
    // A station with declared addresses is no router: it tells of what was sent to itself.
    const flow::Decided decided = tables.flows.record(index).decided.load(std::memory_order_acquire);
    if (is_guarded(meta, tables) && decided.egress() != meta.ingress)
        return is_local(meta, leaves, tables) ? Way::kLocal : Way::kOn;
    // Somebody on this side of the translation quotes what nobody has changed yet.
    Tuple shown;
    if (!path::read_quoted(packet, meta.connection, shown) || !(shown == seen)) return Way::kOn;
    Tuple to = leaves;
    // An error has no ports: only the addresses count.
    path::set_destination(to, path::source_of(quoted), 0);
    if (path::destination_of(seen) != path::destination_of(quoted))
        path::set_source(to, path::destination_of(quoted), 0);
    if (!hand_to_router(meta, packet)) {
        path::drop(meta, Drop::kMalformedIp);
        return Way::kNone;
    }
    leaves = to;
    found_ = index;
    return Way::kOn;
}

// As its first fragment was. One whose first isn't known waits for it: nobody knows yet what it becomes.
Tracker::Way Tracker::translate_later_fragment(path::Meta& meta, const rte_mbuf* packet, Tuple& leaves,
                                               const view::Tables& tables) noexcept {
    using First = flow::Fragments::First;
    Tuple tuple = leaves;
    const First first = tables.fragments.complete(tuple, path::fragment_part(packet, meta.connection), tables.now);
    if (first == First::kUnknown) {
        if (may_hold(meta, packet)) {
            meta.fate = path::Fate::kHeld;
        } else {
            path::drop(meta, Drop::kFragmentUnknown);
        }
        return Way::kNone;
    }
    const uint32_t index = first == First::kPermitted ? tables.flows.find(tuple) : flow::kNoRecord;
    if (index == flow::kNoRecord) return is_local(meta, leaves, tables) ? Way::kLocal : Way::kOn;
    found_ = index;
    return follow_translation(meta, packet, index, tuple, leaves, tables);
}

bool Tracker::keeps_translation(uint32_t index, const Candidate& candidate, path::NetworkId network,
                                const view::Tables& tables) noexcept {
    flow::Action action;
    if (flow::Table::action(tables.flows.record(index), tables.flow_generation(network), action) &&
        ((action.hop ^ candidate.hop) & Hop::kTranslated) == 0) {
        return true;
    }
    if (!(candidate.translated == leaving(index, tables))) return false;
    if (!tables.snapshot.has_translation) return true;
    if ((index & 1) == 0) return keeps_source(candidate, steps_.is_dry(), tables);
    Candidate initiators = candidate.opened_by_peer(candidate.first);
    initiators.hop = candidate.hop;
    return keeps_source(initiators, steps_.is_dry(), tables);
}

// As if NAT had given it no source yet.
void Tracker::begin_source_anew(Candidate& candidate) noexcept {
    const Tuple& original = candidate.original;
    path::set_source(candidate.translated, path::source_of(original), original.key.source_port().host());
    candidate.hop &= ~Hop::kTranslated;
    if (candidate.is_translated()) candidate.hop |= Hop::kTranslated;
}

// Of a packet that passes: tells Apply by which flow it is translated.
bool Tracker::finish_translated(path::Meta& meta, const Candidate& candidate,
                                const view::Tables& tables) noexcept {
    // It waits as it came, and is asked about again.
    if (candidate.is_unfinished) return true;
    if (found_ == flow::kNoRecord) return path::drop(meta, Drop::kNoConnection);
    meta.connection.candidate = &tables.flows.record(found_);
    meta.translated = path::Translated::kWanted;
    if (meta.fate == path::Fate::kRouteByPort) meta.fate = path::Fate::kRouteTranslated;
    return true;
}

}  // namespace sluice::policy
