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

    bool is_plain_exit() const noexcept { return trunk == nullptr && mirrors_out == nullptr; }
    bool carries(path::NetworkId id) const noexcept {
        return network == id || (trunk != nullptr && trunk->carries(id));
    }
    port::Exit exit(path::NetworkId id) const noexcept {
        const uint16_t vlan = trunk != nullptr ? trunk->id_of[path::index(id)] : vlan::kUntagged;
        return {port, vlan, trunk != nullptr && vlan == vlan::kUntagged, horizon, mirrors_out};
    }
};
static_assert(sizeof(PortSlot) == 64);

struct QueueRef {
    port::Port* port;
    uint16_t queue;
    port::Wake wake;

    bool polled() const noexcept { return wake == port::Wake::kNever; }
};

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
