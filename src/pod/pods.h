// Pods and the NetworkPolicies that select them, as the steps of a decision ask them (Kubernetes' NetworkPolicy
// v1).
//
// A policy selects pods and isolates them in one direction or both. To an isolated pod comes only what a rule of
// one of its policies permits, and likewise from it. A rule names its peers by scopes: numbers of sets of pods, of
// which each pod has a bit for each that it is in (kube/selection.h). So a rule is asked by looking at a bit,
// whatever its selectors say, and pods come and go without a rule being touched.
//
// Immutable: built on the control thread (engine/pod_policies.h), read by any number of workers at once.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::pod {

// As the pod sees it.
enum class Direction : uint8_t { kIngress, kEgress };
inline constexpr size_t kDirections = 2;

using NameId = uint32_t;  // of a port's name; 0: none

struct PortMatch {
    uint8_t protocol = 0;
    uint16_t first = 0;
    uint16_t last = UINT16_MAX;
    NameId name = 0;  // instead of first and last: what the destination pod calls that
};

struct Block {
    IpPrefix cidr;
    std::vector<IpPrefix> except;

    bool contains(const IpAddress& address) const noexcept;
};

struct Rule {
    bool has_peers = false;  // else everyone
    bool has_ports = false;  // else every port of every protocol
    std::vector<uint32_t> scopes;
    std::vector<Block> blocks;
    std::vector<PortMatch> ports;
    uint32_t object = 0;
};

struct Policy {
    bool isolates[kDirections]{};
    std::vector<Rule> rules[kDirections];
};
using SharedPolicy = std::shared_ptr<const Policy>;

struct NamedPort {
    NameId name = 0;
    uint8_t protocol = 0;
    uint16_t number = 0;
};

struct Pod {
    std::vector<uint64_t> scopes;        // bits, by number
    std::vector<SharedPolicy> policies;  // that select it
    std::vector<NamedPort> ports;
    uint32_t denial[kDirections]{};  // the object that a refusal names
    bool is_here = false;            // at a port of this switch
    bool has_address = false;        // its addresses are known

    bool is_in(uint32_t scope) const noexcept {
        return scope / 64 < scopes.size() && (scopes[scope / 64] >> scope % 64 & 1) != 0;
    }
};

// The other end of a connection.
struct Peer {
    const Pod* pod = nullptr;  // null: it is no pod
    IpAddress address;
    bool is_forged = false;  // the address isn't the pod's: no block of addresses permits it
};

// What a connection asks of its destination.
struct Service {
    uint8_t protocol = 0;
    bool has_port = false;  // of TCP, UDP and SCTP; all other protocols match rules without ports only
    uint16_t port = 0;
};

struct Answer {
    bool is_isolated = false;  // a policy of that direction selects the pod
    bool permits = true;
    uint32_t object = 0;  // the rule that permits it, or the pod's denial; 0: nobody was asked
};

// What the policies of `pod` say of a connection to it (kIngress) or from it (kEgress). `destination`: the pod
// that it goes to, which gives names to ports; null: none.
Answer judge(const Pod& pod, Direction direction, const Peer& peer, const Pod* destination,
             const Service& service) noexcept;

using SharedPod = std::shared_ptr<const Pod>;

// Finds the pods. A pod at a port of the switch is found by that, others by their addresses.
class Pods {
 public:
    // An address of the host itself, at its port.
    struct Host {
        path::PortId port{};
        IpAddress address;

        auto operator<=>(const Host&) const = default;
    };

    // `by_port`: by PortId; null where no pod is. `ways_out`: ports behind which other pods may be; ascending.
    explicit Pods(std::vector<SharedPod> by_port = {}, std::vector<Host> hosts = {},
                  std::vector<path::PortId> ways_out = {})
        : by_port_(std::move(by_port)), hosts_(std::move(hosts)), ways_out_(std::move(ways_out)) {}
    // Room for so many addresses.
    void reserve(size_t addresses);
    // Each address once, and no more than there is room for.
    void add(const IpAddress& address, SharedPod pod);

    // Null: there is none.
    const Pod* at(const IpAddress& address) const noexcept {
        if (slots_.empty()) return nullptr;
        for (uint64_t at = hash(address);; ++at) {
            const Slot& slot = slots_[at & (slots_.size() - 1)];
            if (slot.pod == nullptr || slot.address == address) return slot.pod.get();
        }
    }
    const Pod* at(path::PortId port) const noexcept {
        return path::index(port) < by_port_.size() ? by_port_[path::index(port)].get() : nullptr;
    }
    bool leads_out(path::PortId port) const noexcept {
        return std::binary_search(ways_out_.begin(), ways_out_.end(), port);
    }
    // A host reaches its pods whatever policies say, and they reach it.
    bool is_host(path::PortId port, const IpAddress& address) const noexcept {
        return std::find(hosts_.begin(), hosts_.end(), Host{port, address}) != hosts_.end();
    }

 private:
    struct Slot {
        IpAddress address;
        SharedPod pod;  // null: the slot is free
    };

    static uint64_t hash(const IpAddress& address) noexcept {
        uint64_t words[2];
        std::memcpy(words, address.bytes.data(), sizeof words);
        const uint64_t mixed = (words[0] ^ words[1] >> 32 ^ words[1]) * 0x9e37'79b9'7f4a'7c15ULL;
        return mixed ^ mixed >> 32;
    }

    std::vector<Slot> slots_;  // open addressing; a power of two of them, at most half in use
    std::vector<SharedPod> by_port_;
    std::vector<Host> hosts_;  // few
    std::vector<path::PortId> ways_out_;
};

}  // namespace sluice::pod
