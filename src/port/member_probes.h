// Which members of an active-backup bond work, by what comes by them: for members that have a link whatever
// happens behind the next switch. It is the ARP monitoring of Linux' bonding driver (arp_interval,
// arp_ip_target), which DPDK's lacks: at every interval each member asks each target for its MAC address, by
// ARP or a neighbor solicitation. A member is silent once nothing at all came by it while it asked kMissed times.
//
// All members ask, those that stand by too, each with a MAC address of its own: with that of a station of ours
// the switch beyond the bond would send that station's traffic to the member that asked last. Probes that come
// back by another member are no sign of life. What probes are asked and answered by is counted nowhere, as
// little as LACP's messages are.
//
// A request's sender is 0.0.0.0, as the switch may have no address there (RFC 5227 calls that an ARP probe; the
// owner of an address answers it). A solicitation comes from the link-local address of its MAC: from :: it would
// make a target give up an address that is new to it (RFC 4862, 5.4.3).
//
// DPDK's bonding device reads the member that carries only. The workers read the others, each its own queues:
// what they give is thrown away.
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
    // How many probes nothing may have followed.
    static constexpr uint32_t kMissed = 3;

    // --- Control thread, while no worker has the bond ---

    // `identity` tells the bond from all others on all hosts: its members' MAC addresses follow from that.
    MemberProbes(const ProbeConfig& config, const std::string& identity, rte_mempool* buffers);
    MemberProbes(const MemberProbes&) = delete;
    // The bond was started; nothing is known of its members yet, which is taken for good.
    void start(uint16_t bond, std::span<const uint16_t> members);

    // --- Control thread ---

    // Why a member is thought not to work; empty if it does.
    std::string silence(size_t member) const;

    // --- Workers ---

    // A burst of the bond's, of one member. Frees what belongs to the probes; returns what is kept.
    uint16_t receive(rte_mbuf** packets, uint16_t count) noexcept;
    // Whether the worker of that queue has something to do, to be asked at every turn.
    bool is_due(uint16_t queue, uint64_t now) const noexcept { return now >= due_[queue].look; }
    // It reads the members that stand by, by their queues of that number. True: of queue 0, it is time to send().
    bool look(uint16_t queue, uint64_t now) noexcept;
    // By the members' first transmit queue, which is the caller's meanwhile.
    void send() noexcept;

 private:
    // In its own cache line: workers write them.
    struct alignas(64) Member {
        uint16_t device = 0;
        uint64_t mac = 0;
        std::atomic<uint32_t> unanswered{0};  // probes since something came by it; written by all workers
    };
    struct alignas(64) Due {
        uint64_t look = 0;  // TSC; the worker's that has the queue
        uint64_t send = 0;
    };

    bool is_ours(uint64_t mac) const noexcept { return (mac & ~kMember) == base_mac_; }
    rte_mbuf* build(const IpAddress& target, uint64_t mac) const noexcept;
    uint16_t free_ours(rte_mbuf** packets, uint16_t count, Member* member) const noexcept;

    // The last bits of a member's MAC address are its number.
    static constexpr uint64_t kMember = uint64_t{BondConfig::kMostMembers - 1} << 40;

    ProbeConfig config_;
    std::string targets_;  // as they are told
    uint64_t base_mac_;
    uint64_t interval_;  // TSC cycles
    rte_mempool* buffers_;
    uint16_t bond_ = RTE_MAX_ETHPORTS;
    size_t member_count_ = 0;
    std::array<Member, BondConfig::kMostMembers> members_;
    std::array<Due, path::kMaxQueues> due_;
};

}  // namespace sluice::port
