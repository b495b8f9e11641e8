// NAT's rules, as the steps of a decision ask them: for the first packet of a connection, and when its flow is
// decided anew.
//
// Immutable: built on the control thread, read by any number of workers at once. The mappings are shared and
// change.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <memory>
#include <vector>

#include "nat/mappings.h"
#include "path/ids.h"
#include "path/tuple.h"
#include "sluice/address.h"

namespace sluice::nat {

// Connections from some networks that leave by `out` get an outside address and port.
struct Masquerade {
    std::bitset<path::kMaxNetworks> networks;
    path::NetworkId out{};
    path::FlowDomain domain{};     // of all of them
    std::vector<IpPrefix> except;  // destinations
    bool has_ipv6 = false;
    uint32_t object = 0;
    std::shared_ptr<Mappings> mappings;
};

// An address beyond the switch, in one domain. In others it is anybody's.
struct Outside {
    path::FlowDomain domain{};
    IpAddress address;

    auto operator<=>(const Outside&) const = default;
};

// One inside address, which is another one beyond `out`: for connections of either side.
struct Static {
    IpAddress inside;
    Outside outside;
    path::NetworkId out{};
    uint32_t object = 0;
};

// What clients outside become for a Service's back ends at other hosts: an address of this host, to which these
// hosts send the answers.
struct ServicePools {
    std::vector<std::shared_ptr<Mappings>> all;
    std::vector<Mappings*> by_network;  // by the NetworkId that they leave by; null: there is no such address

    Mappings* find(path::NetworkId out) const {
        const size_t at = path::index(out);
        return at < by_network.size() ? by_network[at] : nullptr;
    }
    bool keep(Transport transport, const Endpoint& inside, const Endpoint& outside) const {
        return std::any_of(all.begin(), all.end(),
                           [&](const auto& pool) { return pool->keep(transport, inside, outside); });
    }
};

struct Rules {
    std::vector<Masquerade> masquerades;
    std::vector<Static> statics;
    std::vector<Outside> outside;  // all of them, sorted: nobody else has them
    ServicePools service_pools;

    const Masquerade* find_masquerade(path::NetworkId from, path::NetworkId to,
                                      const IpAddress& destination) const {
        for (const Masquerade& rule : masquerades) {
            if (rule.out != to || !rule.networks[path::index(from)] || (!destination.is_v4() && !rule.has_ipv6))
                continue;
            const bool is_excepted = std::any_of(rule.except.begin(), rule.except.end(),
                                                 [&](const IpPrefix& each) { return each.contains(destination); });
            if (!is_excepted) return &rule;
        }
        return nullptr;
    }
    const Static* find_inside(const IpAddress& inside, path::NetworkId to) const {
        for (const Static& rule : statics) {
            if (rule.inside == inside && rule.out == to) return &rule;
        }
        return nullptr;
    }
    const Static* find_outside(const Outside& outside_address) const {
        for (const Static& rule : statics) {
            if (rule.outside == outside_address) return &rule;
        }
        return nullptr;
    }
    // The rule that gives connections that address.
    const Masquerade* find_pool(const Outside& outside_address) const {
        for (const Masquerade& rule : masquerades) {
            const auto& addresses = rule.mappings->settings().pool.addresses;
            const bool has_address =
                std::find(addresses.begin(), addresses.end(), outside_address.address) != addresses.end();
            if (rule.domain == outside_address.domain && has_address) return &rule;
        }
        return nullptr;
    }
    bool owns(const Outside& address) const { return std::binary_search(outside.begin(), outside.end(), address); }
};

}  // namespace sluice::nat
