#include "policy/allocate.h"

#include "path/tuple_address.h"

namespace sluice::policy {
namespace {

using path::destination_of;
using path::Drop;
using path::source_of;
using path::Tuple;

// In place of a port an echo has its identifier, twice.
nat::Endpoint source_endpoint(const Tuple& tuple) noexcept {
    return {source_of(tuple), tuple.key.source_port().host()};
}

void set_source(Tuple& tuple, const nat::Endpoint& source) noexcept {
    path::set_source(tuple, source.address, source.port);
}

// Whether Balance has given it another source already.
bool has_source(const Candidate& candidate) noexcept {
    return source_endpoint(candidate.original) != source_endpoint(candidate.translated);
}

// Whether Balance has given it another destination.
bool has_other_destination(const Candidate& candidate) noexcept {
    const Tuple& original = candidate.original;
    const Tuple& translated = candidate.translated;
    return destination_of(original) != destination_of(translated) ||
           (!original.key.is_icmp() && original.key.destination_port() != translated.key.destination_port());
}

bool is_asked_address(const Candidate& candidate) noexcept {
    return source_of(candidate.translated) == destination_of(candidate.original);
}

// Where answers could not be told from those of another connection: the client that a back end sees is the address
// that the client has asked for, which nobody else has. A connection whose destination is not translated comes
// from another port of its client.
bool take_other_source(Candidate& candidate, unsigned attempt) noexcept {
    const Tuple& original = candidate.original;
    const uint16_t port = original.key.source_port().host();
    if (has_other_destination(candidate)) {
        if (attempt != 1) return false;
        path::set_source(candidate.translated, destination_of(original), port);
        return true;
    }
    if (attempt > nat::Mappings::kMaxAttempts || !nat::transport_of(original.key.protocol())) return false;
    constexpr uint32_t kFirst = 1024;
    constexpr uint32_t kStep = 7919;  // a prime number
    const uint32_t other = (port + attempt * kStep) % (UINT16_MAX + 1 - kFirst) + kFirst;
    path::set_source(candidate.translated, source_of(original), static_cast<uint16_t>(other));
    return true;
}

// Of a connection that leaves, or that Balance has turned back to another host behind the same pool: that one sees
// its client as the outside would (RFC 4787, REQ-9).
const nat::Masquerade* find_masquerade(const Candidate& candidate, const view::Tables& tables) noexcept {
    const nat::Rules& rules = *tables.snapshot.nat;
    const service::Services* services = tables.snapshot.services.get();
    const Tuple& original = candidate.original;
    const bool is_turned_back = destination_of(original) != destination_of(candidate.translated) &&
                                (services == nullptr || services->find(original) == nullptr);
    const nat::Masquerade* pool =
        is_turned_back ? rules.find_pool({original.key.domain(), destination_of(original)}) : nullptr;
    if (pool != nullptr) return pool;
    return rules.find_masquerade(candidate.from.network, candidate.to.network,
                                 destination_of(candidate.translated));
}

// Whether the destination may be at another host. Of a candidate whose own packet is the initiator's. Where a port
// has no guard, routers and other hosts may be behind it.
bool leaves_host(const Candidate& candidate, const view::Tables& tables) noexcept {
    const path::PortId port = candidate.to.port;
    if (port == path::kNoPort || (candidate.hop & Hop::kOnLink) == 0) return true;
    const view::PortSlot& slot = tables.slot(port);
    return slot.tunnel != nullptr || slot.guard == nullptr;
}

// Whether what other hosts send to the client comes to this host: to a pod, or to a station of a network that
// spans hosts, at a port here.
bool is_reached_here(const Place& client, const view::Tables& tables) noexcept {
    if (client.port == path::kNoPort || tables.slot(client.port).tunnel != nullptr) return false;
    const pod::Pods* pods = tables.snapshot.pods.get();
    return tables.network(client.network).vni != 0 || (pods != nullptr && pods->at(client.port) != nullptr);
}

// Of a client outside whose connection leads to a Service's back end at another host: the pool that its source is
// taken from. Null: it keeps its address.
nat::Mappings* find_service_pool(const Candidate& candidate, const view::Tables& tables) noexcept {
    nat::Mappings* pool = tables.snapshot.nat->service_pools.find(candidate.to.network);
    const service::Services* services = tables.snapshot.services.get();
    if (pool == nullptr || services == nullptr || !has_other_destination(candidate)) return nullptr;
    const service::Frontend* frontend = services->find(candidate.original);
    if (frontend == nullptr || !frontend->hides_clients) return nullptr;
    const bool has_address = pool->pool().family(source_of(candidate.original)).size() != 0;
    return has_address && leaves_host(candidate, tables) && !is_reached_here(candidate.from, tables) ? pool
                                                                                                     : nullptr;
}

Drop reason_of(nat::Outcome outcome) noexcept {
    switch (outcome) {
        case nat::Outcome::kFound:
        case nat::Outcome::kNew:
        case nat::Outcome::kShared:
            return Drop::kCount;
        case nat::Outcome::kHostLimit:
            return Drop::kNatHostLimit;
        case nat::Outcome::kBusy:
            return Drop::kNatBusy;
        default:
            return Drop::kNatExhausted;
    }
}

Drop map_source(Candidate& candidate, nat::Mappings& mappings, unsigned attempt, Dry dry) noexcept {
    const nat::Endpoint inside = source_endpoint(candidate.original);
    const auto transport = nat::transport_of(candidate.original.key.protocol());
    if (!transport) {
        const auto address = mappings.address_of(inside.address, attempt);
        if (address) set_source(candidate.translated, {*address, 0});
        return address ? Drop::kCount : Drop::kNatExhausted;
    }
    if (dry == Dry::kYes) {
        // As it would be where the port is free.
        const auto address = mappings.address_of(inside.address, 0);
        if (address) set_source(candidate.translated, {*address, inside.port});
        return address ? Drop::kCount : Drop::kNatExhausted;
    }
    const nat::Answer answer = mappings.map(*transport, inside, attempt, candidate.from.port);
    if (answer.is_mapped()) set_source(candidate.translated, answer.outside);
    return reason_of(answer.outcome);
}

}  // namespace

std::optional<uint32_t> find_rule(const Candidate& candidate, const view::Tables& tables) noexcept {
    const nat::Rules* rules = tables.snapshot.nat.get();
    const bool is_routed = (candidate.hop & Hop::kNeighbor) != 0;
    if (rules == nullptr || candidate.sender != flow::Sender::kInitiator || !is_routed || has_source(candidate))
        return std::nullopt;
    const IpAddress inside = source_of(candidate.original);
    if (const nat::Static* rule = rules->find_inside(inside, candidate.to.network)) return rule->object;
    const nat::Masquerade* rule = find_masquerade(candidate, tables);
    return rule != nullptr ? std::optional(rule->object) : std::nullopt;
}

Drop allocate(Candidate& candidate, unsigned attempt, Dry dry, const view::Tables& tables) noexcept {
    const nat::Rules* rules = tables.snapshot.nat.get();
    // What is bridged, or is for the switch itself, keeps its source.
    const bool is_routed = (candidate.hop & Hop::kNeighbor) != 0;
    const auto keep_or_take_other = [&]() noexcept {
        const bool is_taken = attempt == 0 || (is_routed && take_other_source(candidate, attempt));
        return is_taken ? Drop::kCount : Drop::kTupleTaken;
    };
    if (candidate.sender != flow::Sender::kInitiator) return attempt == 0 ? Drop::kCount : Drop::kTupleTaken;
    if (!is_routed || rules == nullptr || (attempt == 0 && has_source(candidate))) return keep_or_take_other();
    const nat::Endpoint inside = source_endpoint(candidate.original);
    if (const nat::Static* rule = rules->find_inside(inside.address, candidate.to.network)) {
        if (attempt != 0) return Drop::kTupleTaken;
        set_source(candidate.translated, {rule->outside.address, inside.port});
        return Drop::kCount;
    }
    if (const nat::Masquerade* rule = find_masquerade(candidate, tables))
        return map_source(candidate, *rule->mappings, attempt, dry);
    if (nat::Mappings* pool = find_service_pool(candidate, tables))
        return map_source(candidate, *pool, attempt, dry);
    return keep_or_take_other();
}

bool keeps_source(const Candidate& candidate, Dry dry, const view::Tables& tables) noexcept {
    const nat::Rules* rules = tables.snapshot.nat.get();
    const nat::Endpoint inside = source_endpoint(candidate.original);
    const nat::Endpoint outside = source_endpoint(candidate.translated);
    if (is_asked_address(candidate)) return true;
    const bool is_routed = (candidate.hop & Hop::kNeighbor) != 0;
    // A client whose port alone has changed: another connection had it.
    const bool is_same = is_routed ? inside.address == outside.address : inside == outside;
    if (rules == nullptr || !is_routed) return is_same;
    if (const nat::Static* rule = rules->find_inside(inside.address, candidate.to.network))
        return outside == nat::Endpoint{rule->outside.address, inside.port};
    const auto transport = nat::transport_of(candidate.original.key.protocol());
    if (const nat::Masquerade* rule = find_masquerade(candidate, tables)) {
        if (!transport || dry == Dry::kYes) return inside.address != outside.address;
        return rule->mappings->keep(*transport, inside, outside, candidate.from.port);
    }
    // By an answer it isn't known how the initiator's packets leave: these ask again.
    if (is_same) return candidate.sender != flow::Sender::kInitiator || !find_service_pool(candidate, tables);
    // A client that is hidden stays so, wherever its back end is now.
    const service::Services* services = tables.snapshot.services.get();
    const service::Frontend* frontend =
        services != nullptr && transport ? services->find(candidate.original) : nullptr;
    if (frontend == nullptr || !frontend->hides_clients) return false;
    return dry == Dry::kYes || rules->service_pools.keep(*transport, inside, outside);
}

}  // namespace sluice::policy
