// The ingress port of a packet as its mbuf tells it. Drops at the egress use it, because nothing else there knows
// the ingress port. Our own ports write their number into the mbuf's `port`. DPDK's drivers write their device's
// number, which costs no extra instruction; a table maps devices to ports. Copies keep the field. Packets that
// the switch makes have no port.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>

#include "path/ids.h"

namespace sluice::path {

inline constexpr uint16_t kNumberIsPort = 0x8000;  // set: the rest is a PortId; clear: a device's number
static_assert(kMaxPorts < kNumberIsPort);  // RTE_MBUF_PORT_INVALID is beyond all of them

// The port's number plus one, by device; 0: none. The control thread writes, workers read.
inline std::array<std::atomic<uint16_t>, RTE_MAX_ETHPORTS> ports_of_devices{};

inline void set_port_of_device(uint16_t device, PortId port) noexcept {
    const uint16_t number = port == kNoPort ? 0 : static_cast<uint16_t>(index(port) + 1);
    ports_of_devices[device].store(number, std::memory_order_relaxed);
}

inline void set_came_by(rte_mbuf* packet, PortId port) noexcept { packet->port = kNumberIsPort | index(port); }

// kNoPort: unknown, or the switch made the packet.
inline PortId came_by(const rte_mbuf* packet) noexcept {
    const uint16_t number = packet->port;
    if (number < RTE_MAX_ETHPORTS) {
        const uint16_t port = ports_of_devices[number].load(std::memory_order_relaxed);
        return port == 0 ? kNoPort : PortId{static_cast<uint16_t>(port - 1)};
    }
    const bool is_port = number >= kNumberIsPort && number < kNumberIsPort + kMaxPorts;
    return is_port ? PortId{static_cast<uint16_t>(number - kNumberIsPort)} : kNoPort;
}

}  // namespace sluice::path
