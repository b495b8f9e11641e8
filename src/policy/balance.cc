#include "policy/balance.h"

#include <optional>

#include "path/tuple_address.h"

namespace sluice::policy {
namespace {

using path::destination_of;
using path::Drop;
using path::source_of;
using path::Tuple;

uint32_t hash_of(const Tuple& tuple) noexcept {
    return wire::hash_word(wire::hash_word(0, tuple.key.addresses), tuple.key.rest);
}

Balanced to_backend(Tuple& leaves, const service::Frontend& frontend, Dry dry,
                    const view::Tables& tables) noexcept {
    const IpAddress client = source_of(leaves);
    if (!frontend.admits(client)) return {Balanced::kDropped, Drop::kServiceSource, frontend.object};
    // With affinity the client's address alone decides. So a client that is forgotten gets the same one again,
    // unless the back ends are others by now.
    const uint32_t hash =
        frontend.affinity != 0 ? static_cast<uint32_t>(std::hash<IpAddress>{}(client)) : hash_of(leaves);
    const service::Backend* backend = frontend.choose(hash);
    if (backend == nullptr) {
        const bool is_told = frontend.without_backends == service::WithoutBackends::kReject;
        return {Balanced::kDropped, is_told ? Drop::kNoEndpoint : Drop::kNoLocalEndpoint, frontend.object};
    }
    if (frontend.affinity != 0) {
        service::Affinity& affinity = *tables.snapshot.affinity;
        const service::Backend* known = dry == Dry::kYes ? affinity.find(frontend, client, tables.now)
                                                         : &affinity.keep(frontend, client, *backend, tables.now);
        if (known != nullptr) backend = known;
    }
    const IpAddress asked = destination_of(leaves);
    path::set_destination(leaves, backend->address, backend->port);
    // A pod that reaches itself through its Service would answer itself past the switch: it sees the Service's
    // address as its client.
    if (backend->address == client) path::set_source(leaves, asked, leaves.key.source_port().host());
    return {Balanced::kTranslated, {}, frontend.object};
}

// Who has the outside endpoint that the tuple leads to. Pings of an outside address are for the switch.
std::optional<nat::Endpoint> inside_of(const Tuple& tuple, const nat::Masquerade& pool) noexcept {
    const auto transport = nat::transport_of(tuple.key.protocol());
    if (!transport || *transport == nat::Transport::kEcho) return std::nullopt;
    return pool.mappings->inside_of(*transport, {destination_of(tuple), tuple.key.destination_port().host()});
}

}  // namespace

Balanced balance(Tuple& leaves, path::NetworkId from, Dry dry, const view::Tables& tables) noexcept {
    const IpAddress destination = destination_of(leaves);
    const path::FlowDomain domain = leaves.key.domain();
    if (const service::Services* services = tables.snapshot.services.get()) {
        const bool has_ports = wire::has_ports(static_cast<uint8_t>(leaves.key.protocol()));
        if (const service::Frontend* frontend = has_ports ? services->find(leaves) : nullptr)
            return to_backend(leaves, *frontend, dry, tables);
        if (const service::Frontend* owner = services->owner(domain, destination)) {
            if (leaves.key.is_icmp()) return {Balanced::kLocal, {}, owner->object};
            return {Balanced::kDropped, Drop::kNoServicePort, owner->object};
        }
    }
    if (const nat::Rules* rules = tables.snapshot.nat.get()) {
        if (const nat::Static* rule = rules->find_outside({domain, destination})) {
            const IpAddress client = source_of(leaves);
            path::set_destination(leaves, rule->inside, leaves.key.destination_port().host());
            // As above: it would answer itself.
            if (rule->inside == client) path::set_source(leaves, destination, leaves.key.source_port().host());
            return {Balanced::kTranslated, {}, rule->object};
        }
        if (!rules->owns({domain, destination})) return {};
        // Hairpinning (RFC 4787, REQ-9): who is behind the pool himself reaches the others there as the outside
        // knows them. From outside nobody begins a connection.
        const nat::Masquerade* pool = rules->find_pool({domain, destination});
        if (pool != nullptr && pool->networks[path::index(from)]) {
            if (const auto inside = inside_of(leaves, *pool)) {
                path::set_destination(leaves, inside->address, inside->port);
                return {Balanced::kTranslated, {}, pool->object};
            }
        }
        return {Balanced::kLocal, {}, 0};
    }
    return {};
}

bool keeps_destination(const Tuple& original, const Tuple& leaves, const view::Tables& tables) noexcept {
    const IpAddress before = destination_of(original);
    const IpAddress after = destination_of(leaves);
    const service::Services* services = tables.snapshot.services.get();
    const bool has_ports = wire::has_ports(static_cast<uint8_t>(original.key.protocol()));
    if (const service::Frontend* frontend =
            services != nullptr && has_ports ? services->find(original) : nullptr) {
        return frontend->admits(source_of(original)) &&
               frontend->find(after, leaves.key.destination_port().host()) != nullptr;
    }
    const nat::Outside asked{original.key.domain(), before};
    const nat::Rules* rules = tables.snapshot.nat.get();
    const nat::Static* rule = rules != nullptr ? rules->find_outside(asked) : nullptr;
    if (rule != nullptr) return rule->inside == after;
    if (rules != nullptr && before != after) {
        const nat::Masquerade* pool = rules->find_pool(asked);
        return pool != nullptr &&
               inside_of(original, *pool) == nat::Endpoint{after, leaves.key.destination_port().host()};
    }
    // An echo's identifier is its source's.
    const bool is_same_port =
        original.key.is_icmp() || original.key.destination_port() == leaves.key.destination_port();
    return before == after && is_same_port;
}

}  // namespace sluice::policy
