// Several devices as one, by DPDK's bonding device. It starts and stops its members, monitors their links, and
// negotiates with the other end if that speaks LACP. The device thread starts it. From then on DPDK's interrupt
// thread polls the members' links. If the active member loses its link, that thread moves the traffic to another
// member.
//
// DPDK's net_af_packet always reports a link. For members over such an interface the control thread asks the
// kernel, and moves the traffic of an active-backup bond itself (KernelMember). With LACP the protocol detects
// the failure. Failures that a link does not show are detected by probes, if configured (member_probes.h).
//
// After a failover the engine announces our stations through the new active member (Port::take_failover()). That
// member stays active when the other one recovers.
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

// DPDK's arguments for a bond of these devices. The first one is active at the beginning.
std::string bond_arguments(path::PortId id, BondMode mode, std::span<const uint16_t> members);

// Adds the members to the bonding device, which then knows their capabilities. The first member of an
// active-backup bond must have a MAC address and accept one, because the bond uses that address and DPDK sets it
// when the bond starts. (The driver net_af_xdp of 22.11 cannot set one.)
base::Result<void> join(uint16_t bond, std::span<const uint16_t> members);

// Active-backup: the member that carries the traffic; none if no member has a link, as far as DPDK knows.
std::optional<uint16_t> carrier(uint16_t bond) noexcept;

// Makes another member carry the traffic.
void set_carrier(uint16_t bond, uint16_t member) noexcept;

// Whether the bond transmits through a member: the active one, or one that LACP has agreed on.
bool is_active(uint16_t bond, BondMode mode, uint16_t member) noexcept;

// The kernel's interface behind a member whose driver cannot report its link.
struct KernelMember {
    std::string interface;
    int index = 0;  // when the member was opened; 0: it did not exist

    // None for a member whose driver reports its link.
    static std::optional<KernelMember> of(const std::string& arguments);
    // The reason why it has no link; empty if it has one.
    std::string no_link() const;
    // Whether another interface has this name now, which the driver does not use.
    bool was_replaced() const noexcept;
};

// --- Workers ---

// Active-backup: if a queue's burst comes from another member than its previous one, drops the burst and all
// packets that are left in the queue. A standby member is not read, so its queue holds the frames that were
// flooded to it when it became standby, our own broadcasts among them. From those the bridge would learn that our
// stations are out there. `last` is the member of the queue's previous burst, or RTE_MAX_ETHPORTS before the
// first one. Returns the number of packets that are kept.
uint16_t drop_stale(uint16_t bond, uint16_t queue, uint16_t& last, rte_mbuf** packets, uint16_t count,
                    path::PortId port, path::Counters& counters) noexcept;

}  // namespace sluice::port
