// Several devices as one, by DPDK's bonding device: it starts and stops its members, looks after their
// links, and agrees with the other end on what to use where that speaks LACP. Control thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "path/ids.h"
#include "port/port_config.h"

namespace sluice::port {

// DPDK's arguments for a bond of these devices, the first of which carries at the beginning.
std::string bond_arguments(path::PortId id, BondMode mode, std::span<const uint16_t> members);

// Has the bonding device take up its members; from here on it knows what they can.
base::Result<void> join(uint16_t bond, std::span<const uint16_t> members);

}  // namespace sluice::port
