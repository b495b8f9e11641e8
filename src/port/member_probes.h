// Detects which members of an active-backup bond work by the packets that they receive, for failures behind the
// next switch that leave the member's link up. It is the ARP monitoring of Linux' bonding driver (arp_interval,
// arp_ip_target), which DPDK's bonding lacks. In every interval each member asks each target for its MAC address,
// by ARP or a neighbor solicitation. A member is silent if it received nothing at all during kMissed probes.
//
// All members probe, standby members too, each from a MAC address of its own. With the MAC of one of our
// stations, the switch beyond the bond would send that station's traffic to the member that probed last. Probes
// that return by another member do not count as a sign of life. Probes and their answers are not counted, as with
// LACP's messages.
//
// The sender address of a request is 0.0.0.0, since the switch may have no address there (RFC 5227 calls that an
// ARP probe; the owner of an address answers it). A solicitation is sent from the link-local address of its MAC.
// From :: it would make a target give up an address that is new to it (RFC 4862, 5.4.3).
//
// DPDK's bonding device reads only the active member. The workers read the others, each its own queues, and drop
// the packets.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "path/ids.h"
#include "port/pools.h"
#include "port/port_config.h"

namespace sluice::port {

class MemberProbes {
 public:
    // Probes without any received packet after which a member is silent.
    static constexpr uint32_t kMissed = 3;

    // --- Control thread, while no worker has the bond ---

    // `identity` is unique for the bond among all hosts; its members' MAC addresses are derived from it.
    MemberProbes(const ProbeConfig& config, const std::string& identity, rte_mempool* buffers);
    MemberProbes(const MemberProbes&) = delete;
    // Call it when the bond was started. Its members count as working until probes show otherwise.
    void start(uint16_t bond, std::span<const uint16_t> members);

    // --- Control thread ---

    // The reason why a member seems not to work; empty if it does.
    std::string silence(size_t member) const;

    // --- Workers ---

    // Takes a burst of the bond from one member. Frees answers to probes and returns how many packets are kept.
    uint16_t receive(rte_mbuf** packets, uint16_t count) noexcept;
    // Whether the queue's worker should call look(); checked at every turn.
    bool is_due(uint16_t queue, uint64_t now) const noexcept { return now >= due_[queue].look; }
    // Reads the standby members' queues of that number. Returns true (queue 0 only) if it is time to send().
    bool look(uint16_t queue, uint64_t now) noexcept;
    // Sends through the members' first transmit queue, which the caller owns meanwhile.
    void send() noexcept;

 private:
    // Each in its own cache line, because workers write them.
    struct alignas(64) Member {
        uint16_t device = 0;
        uint64_t mac = 0;
        std::atomic<uint32_t> unanswered{0};  // probes since the member received a packet; written by all workers
    };
    struct alignas(64) Due {
        uint64_t look = 0;  // TSC; used by the queue's worker
        uint64_t send = 0;
    };

    bool is_ours(uint64_t mac) const noexcept { return (mac & ~kMember) == base_mac_; }
    rte_mbuf* build(const IpAddress& target, uint64_t mac) const noexcept;
    uint16_t free_ours(rte_mbuf** packets, uint16_t count, Member* member) const noexcept;

    // The member's number is in the last bits of its MAC address.
    static constexpr uint64_t kMember = uint64_t{BondConfig::kMostMembers - 1} << 40;

    ProbeConfig config_;
    std::string targets_;  // as shown to users
    uint64_t base_mac_;
    uint64_t interval_;  // TSC cycles
    rte_mempool* buffers_;
    uint16_t bond_ = RTE_MAX_ETHPORTS;
    size_t member_count_ = 0;
    std::array<Member, BondConfig::kMostMembers> members_;
    std::array<Due, path::kMaxQueues> due_;
};

}  // namespace sluice::port
