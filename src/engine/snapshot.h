// THE TABLES: what workers read. The control thread compiles a Snapshot from the configuration and the
// state of the ports, publishes it (path::Published) and frees the one before after a grace period. A
// snapshot never changes; tables that learn (MAC addresses) are shared by the snapshots that follow
// one another.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bridge/mac_table.h"
#include "engine/config.h"
#include "port/port.h"

namespace sluice::engine {

struct Network {
    std::shared_ptr<bridge::MacTable> macs;
    std::vector<port::Port*> members;  // ports that are up and have a link
};

struct alignas(32) PortSlot {
    port::Port* port = nullptr;         // null: no such port, or down
    bridge::MacTable* macs = nullptr;   // of the port's network; null if it is in none
    const Network* network = nullptr;
};

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
    std::vector<std::unique_ptr<Network>> networks;
    std::vector<std::vector<QueueRef>> queues;  // by WorkerId: the receive queues it polls
};

// Which worker polls a queue: never changes while the port lives, so that a change of the
// configuration reorders no port's packets.
constexpr uint16_t worker_of(path::PortId port, uint16_t queue, uint16_t workers) noexcept {
    return static_cast<uint16_t>((path::index(port) + queue) % workers);
}

}  // namespace sluice::engine
