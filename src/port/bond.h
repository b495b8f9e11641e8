// Several devices as one, by DPDK's bonding device: it starts and stops its members, looks after their
// links, and agrees with the other end on what to use where that speaks LACP. The control thread makes it;
// from then on DPDK's interrupt thread asks the members for their links and moves the traffic when the one
// that carries it has lost its own.
//
// Nothing is announced then: who is on the other side learns by what comes next where our stations are, or
// by the port that went down. The member that took over keeps the traffic when the other one is back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "path/counters.h"
#include "path/ids.h"
#include "port/port_config.h"

struct rte_mbuf;

namespace sluice::port {

// DPDK's arguments for a bond of these devices, the first of which carries at the beginning.
std::string bond_arguments(path::PortId id, BondMode mode, std::span<const uint16_t> members);

// Has the bonding device take up its members; from here on it knows what they can.
base::Result<void> join(uint16_t bond, std::span<const uint16_t> members);

// Active-backup: the member that carries the traffic; none while no member has a link.
std::optional<uint16_t> carrier(uint16_t bond) noexcept;

// Whether the bond transmits through a member: the carrier, or one that LACP has agreed on.
bool is_active(uint16_t bond, BondMode mode, uint16_t member) noexcept;

// --- Workers ---

// Active-backup: drops what a queue has just given where it comes from another member than what it gave
// before, and all that is in there. A member that stands by isn't read, so its queue holds what was flooded
// to it when it began to wait: our own broadcasts among others, by which the bridge would learn that our
// stations are out there. `last` is the queue's own, RTE_MAX_ETHPORTS where none has carried yet. Returns
// what is kept.
uint16_t drop_stale(uint16_t bond, uint16_t queue, uint16_t& last, rte_mbuf** packets, uint16_t count,
                    path::PortId port, path::Counters& counters) noexcept;

}  // namespace sluice::port
