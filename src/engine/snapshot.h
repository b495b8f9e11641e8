// THE TABLES: what workers read. The control thread compiles a Snapshot from the configuration and the
// state of the ports, publishes it (path::Published) and frees the one before after a grace period. A
// snapshot never changes; tables that learn (MAC addresses) are shared by the snapshots that follow
// one another.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bridge/flood_limit.h"
#include "bridge/mac_table.h"
#include "engine/config.h"
#include "guard/guard.h"
#include "port/egress.h"
#include "port/port.h"
#include "vlan/vlan.h"

namespace sluice::engine {

struct Network {
    std::shared_ptr<bridge::MacTable> macs;
    std::vector<port::Exit> members;  // ports that are up and have a link
};

struct QueueRef {
    port::Port* port;
    uint16_t queue;
    port::Wake wake;
    path::NetworkId network;  // of the port's slot, for the metadata of each packet
    bool unusual;

    bool polled() const noexcept { return wake == port::Wake::kNever; }
};

// A port as the path sees it. What most ports don't have is behind a pointer that is null.
struct alignas(64) PortSlot {
    port::Port* port = nullptr;                     // null: no such port, or down
    path::NetworkId network = path::kNoNetworkId;     // of untagged frames
    uint16_t horizon = 0;                           // split-horizon group
    uint32_t mac_limit = 0;
    const vlan::Trunk* trunk = nullptr;
    const std::vector<port::Mirror>* mirrors_out = nullptr;
    const std::vector<port::Mirror>* mirrors_in = nullptr;
    const guard::Guard* guard = nullptr;
    bridge::FloodLimiter* floods = nullptr;

    // Of what comes from it: more to look at than which network it is in.
    bool is_unusual() const noexcept {
        return network == path::kNoNetworkId || trunk != nullptr || mirrors_in != nullptr ||
               guard != nullptr || mac_limit != 0 || horizon != 0;
    }
    bool is_plain_exit() const noexcept {
        return (reinterpret_cast<uintptr_t>(trunk) | reinterpret_cast<uintptr_t>(mirrors_out)) == 0;
    }
    bool carries(path::NetworkId id) const noexcept {
        return network == id || (trunk != nullptr && trunk->carries(id));
    }
    QueueRef queue(uint16_t number, port::Wake wake) const noexcept {
        return {port, number, wake, network, is_unusual()};
    }
    port::Exit exit(path::NetworkId id) const noexcept {
        const uint16_t vlan = trunk != nullptr ? trunk->id_of[path::index(id)] : vlan::kUntagged;
        return {port, vlan, trunk != nullptr && vlan == vlan::kUntagged, horizon, mirrors_out};
    }
};
static_assert(sizeof(PortSlot) == 64);

struct Snapshot {
    uint64_t generation = 0;
    Idle idle = Idle::kAdaptive;
    std::array<PortSlot, path::kMaxPorts> slots;  // by PortId
    std::vector<Network> networks;                  // by NetworkId
    std::vector<bridge::MacTable*> macs;            // theirs, by NetworkId
    std::vector<std::vector<QueueRef>> queues;  // by WorkerId: the receive queues it polls

    // What slots point to.
    std::vector<std::unique_ptr<vlan::Trunk>> trunks;
    std::vector<std::unique_ptr<guard::Guard>> guards;
    std::vector<std::unique_ptr<wire::Filter>> filters;
    std::vector<std::unique_ptr<std::vector<port::Mirror>>> mirrors;
};

// Which worker polls a queue: never changes while the port lives, so that a change of the
// configuration reorders no port's packets.
constexpr uint16_t worker_of(path::PortId port, uint16_t queue, uint16_t workers) noexcept {
    return static_cast<uint16_t>((path::index(port) + queue) % workers);
}

}  // namespace sluice::engine
