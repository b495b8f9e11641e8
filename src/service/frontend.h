// A front end: an address, protocol and port of a Service, and the back ends that serve it (Kubernetes' Service
// v1, or the configuration's own).
//
// A worker asks it for the first packet of a connection, and again when the connection's flow is out of date. It
// then writes the back end into the connection's tuple.
//
// Immutable: built on the control thread, read by any number of workers at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "path/ids.h"
#include "path/tuple.h"
#include "service/maglev.h"
#include "sluice/address.h"

namespace sluice::service {

enum class State : uint8_t {
    kServing,
    kDraining,     // keeps its connections, gets no new ones
    kTerminating,  // keeps its TCP connections, gets no new ones. (Where no other back end is left and it shall
                   // get new ones, the control thread names it kServing.)
    kFailing,      // has failed its health checks: loses its connections, as if it had gone, and gets no new ones
};

struct Backend {
    IpAddress address;
    uint16_t port = 0;
    State state = State::kServing;
    uint16_t weight = 1;  // 0: keeps its connections, gets no new ones
    uint32_t object = 0;
};

// Back ends that may have one Service's port in common: the front ends of a Service share them.
class Backends {
 public:
    static constexpr size_t kMax = Maglev::kMaxBackends;

    // Up to kMax, all of one family. Of two with one address and port, one that serves counts, then the greater
    // weight.
    explicit Backends(std::vector<Backend> list);

    // Null: none may get a new connection.
    const Backend* choose(uint32_t hash) const noexcept {
        const uint32_t index = table_.choose(hash);
        return index != Maglev::kNone ? &list_[index] : nullptr;
    }
    // Null: there is none with this address and port.
    const Backend* find(const IpAddress& address, uint16_t port) const noexcept;
    // By address and port.
    const std::vector<Backend>& list() const noexcept { return list_; }
    const Maglev& table() const noexcept { return table_; }

 private:
    std::vector<Backend> list_;
    Maglev table_;
};
using SharedBackends = std::shared_ptr<const Backends>;

enum class Kind : uint8_t {
    kClusterIp,
    kNodePort,  // its address is a node's, not the Service's own
    kExternalIp,
    kLoadBalancerIp,
};

enum class WithoutBackends : uint8_t {
    kReject,  // a TCP reset, or an ICMP error "port unreachable"
    kDrop,    // the policy is Local: another node may have a back end
};

// What a packet shows of a front end. Without padding.
struct FrontendKey {
    IpAddress address;
    uint16_t port = 0;
    uint16_t protocol = 0;  // IP protocol number

    auto operator<=>(const FrontendKey&) const = default;
};
static_assert(sizeof(FrontendKey) == 20);

struct Frontend {
    FrontendKey key;
    path::FlowDomain domain{};  // in which the address is the Service's; elsewhere it is anybody's
    Kind kind = Kind::kClusterIp;
    WithoutBackends without_backends = WithoutBackends::kReject;
    path::Seconds affinity = 0;      // how long a client keeps its back end (ClientIP); 0: no affinity
    uint32_t object = 0;
    uint64_t id = 0;                // names it for affinity; stays the same while the Service has it
    std::vector<IpPrefix> sources;  // loadBalancerSourceRanges; empty: everyone
    // Its clients are outside, and may be sent to other hosts (externalTrafficPolicy Cluster): back ends there see
    // an address of this host in place of the client's, so that their answers come back here.
    bool hides_clients = false;
    SharedBackends backends;        // null: none

    bool admits(const IpAddress& source) const noexcept {
        return sources.empty() || std::any_of(sources.begin(), sources.end(),
                                              [&](const IpPrefix& prefix) { return prefix.contains(source); });
    }
    // For a new connection, by a hash of its tuple. Null: see without_backends.
    const Backend* choose(uint32_t hash) const noexcept {
        return backends != nullptr ? backends->choose(hash) : nullptr;
    }
    // For an existing connection to this back end. Null: the back end may not keep it.
    const Backend* find(const IpAddress& address, uint16_t port) const noexcept {
        const Backend* backend = backends != nullptr ? backends->find(address, port) : nullptr;
        if (backend == nullptr) return nullptr;
        switch (backend->state) {
            case State::kServing:
            case State::kDraining:
                return backend;
            case State::kTerminating:
                return key.protocol == static_cast<uint16_t>(wire::Protocol::kTcp) ? backend : nullptr;
            case State::kFailing:
                break;
        }
        return nullptr;
    }
    // For a new connection of a client that had this back end before (Affinity). Null: the back end gets no new
    // connections.
    const Backend* find_for_new(const IpAddress& address, uint16_t port) const noexcept {
        const Backend* backend = backends != nullptr ? backends->find(address, port) : nullptr;
        return backend != nullptr && backend->state == State::kServing && backend->weight != 0 ? backend : nullptr;
    }
};
using SharedFrontend = std::shared_ptr<const Frontend>;

}  // namespace sluice::service
