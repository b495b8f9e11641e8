// Which port a packet came by, as its mbuf tells: for drops on the way out, where nothing else is left of its way
// in. Ports of ours write their number into the mbuf's `port`. DPDK's drivers write that of their device there, so
// that it costs no instruction more: a table says which port has which device. Copies keep the field. What the
// switch makes itself has none.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>

#include "path/ids.h"

namespace sluice::path {

inline constexpr uint16_t kNumberIsPort = 0x8000;  // beside a PortId; without it, a device's number
static_assert(kMaxPorts < kNumberIsPort);  // and RTE_MBUF_PORT_INVALID is beyond all of them

// One more than the port's number, by device; 0: none. The control thread writes, workers read.
inline std::array<std::atomic<uint16_t>, RTE_MAX_ETHPORTS> ports_of_devices{};

inline void set_port_of_device(uint16_t device, PortId port) noexcept {
    const uint16_t number = port == kNoPort ? 0 : static_cast<uint16_t>(index(port) + 1);
    ports_of_devices[device].store(number, std::memory_order_relaxed);
}

inline void set_came_by(rte_mbuf* packet, PortId port) noexcept { packet->port = kNumberIsPort | index(port); }

// kNoPort: not known, or the switch itself.
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
