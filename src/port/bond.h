// Several devices as one, by DPDK's bonding device: it starts and stops its members, looks after their
// links, and agrees with the other end on what to use where that speaks LACP. The device thread starts it;
// from then on DPDK's interrupt thread asks the members for their links and moves the traffic when the one
// that carries it has lost its own.
//
// DPDK's net_af_packet always says that it has a link. Of members over such an interface the control thread asks
// the kernel, and moves the traffic of an active-backup bond itself (KernelMember). With LACP it is the protocol
// that notices. What a link doesn't tell, the members ask for where that is configured (member_probes.h).
//
// The engine announces our stations then, by the member that took over (Port::take_failover()). That one keeps
// the traffic when the other is back.
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

// Has the bonding device take up its members; from here on it knows what they can. The first one of an
// active-backup bond must have a MAC address and take it, for it is the bond's, and DPDK sets it when the bond
// starts. (The driver net_af_xdp of 22.11 can't set any.)
base::Result<void> join(uint16_t bond, std::span<const uint16_t> members);

// Active-backup: the member that carries the traffic; none while no member has a link, as far as DPDK knows.
std::optional<uint16_t> carrier(uint16_t bond) noexcept;

// Has another member carry it.
void set_carrier(uint16_t bond, uint16_t member) noexcept;

// Whether the bond transmits through a member: the carrier, or one that LACP has agreed on.
bool is_active(uint16_t bond, BondMode mode, uint16_t member) noexcept;

// The kernel's interface behind a member whose driver can't tell of its link.
struct KernelMember {
    std::string interface;
    int index = 0;  // when the member was opened; 0: there was none

    // None for a member by a driver that tells by itself.
    static std::optional<KernelMember> of(const std::string& arguments);
    // Why it has no link; empty if it has one.
    std::string no_link() const;
    // Whether there is another of that name now, of which the driver knows nothing.
    bool was_replaced() const noexcept;
};

// --- Workers ---

// Active-backup: drops what a queue has just given where it comes from another member than what it gave
// before, and all that is in there. A member that stands by isn't read, so its queue holds what was flooded
// to it when it began to wait: our own broadcasts among others, by which the bridge would learn that our
// stations are out there. `last` is the queue's own, RTE_MAX_ETHPORTS where none has carried yet. Returns
// what is kept.
uint16_t drop_stale(uint16_t bond, uint16_t queue, uint16_t& last, rte_mbuf** packets, uint16_t count,
                    path::PortId port, path::Counters& counters) noexcept;

}  // namespace sluice::port
