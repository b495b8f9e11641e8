#include "port/member_probes.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>

#include "path/batch.h"
#include "port/derived_mac.h"
#include "wire/address.h"
#include "wire/neighbor_message.h"
#include "wire/vlan.h"

namespace sluice::port {
namespace {

// Reads of the standby members per interval.
constexpr uint64_t kLooks = 8;
// The most frames that one look reads from a member's queue, so that a flood there does not delay the worker's
// traffic.
constexpr uint16_t kMostAtOnce = 256;

constexpr uint64_t kMacMask = 0xffff'ffff'ffff;

// The first six bytes, the first of them lowest.
uint64_t mac_at(const uint8_t* bytes) noexcept {
    uint64_t mac;
    std::memcpy(&mac, bytes, sizeof mac);
    return mac & kMacMask;
}

wire::MacBytes bytes_of(uint64_t mac) noexcept {
    wire::MacBytes bytes;
    std::memcpy(bytes.data(), &mac, bytes.size());
    return bytes;
}

}  // namespace

MemberProbes::MemberProbes(const ProbeConfig& config, const std::string& identity, rte_mempool* buffers)
    : config_(config), interval_(rte_get_tsc_hz() / 1000 * config.interval), buffers_(buffers) {
    uint64_t mac = 0;
    std::memcpy(&mac, host_mac("probe:" + identity).bytes.data(), 6);
    base_mac_ = mac & ~kMember;
    for (const IpAddress& target : config.targets) targets_ += (targets_.empty() ? "" : ", ") + target.text();
}

void MemberProbes::start(uint16_t bond, std::span<const uint16_t> members) {
    bond_ = bond;
    member_count_ = members.size();
    for (size_t i = 0; i < member_count_; ++i) {
        members_[i].device = members[i];
        members_[i].mac = base_mac_ | uint64_t{i} << 40;
        members_[i].unanswered.store(0, std::memory_order_relaxed);
        // Answers come to an address that is not the device's.
        rte_eth_promiscuous_enable(members[i]);
    }
    due_.fill({});
}

std::string MemberProbes::silence(size_t member) const {
    if (members_[member].unanswered.load(std::memory_order_relaxed) <= kMissed) return {};
    return fmt::format("it received nothing while it probed {} {} times, every {} ms",
                       targets_, kMissed, config_.interval);
}

uint16_t MemberProbes::receive(rte_mbuf** packets, uint16_t count) noexcept {
    for (size_t i = 0; i < member_count_; ++i) {
        if (members_[i].device == packets[0]->port) return free_ours(packets, count, &members_[i]);
    }
    return free_ours(packets, count, nullptr);
}

uint16_t MemberProbes::free_ours(rte_mbuf** packets, uint16_t count, Member* member) const noexcept {
    uint16_t kept = 0;
    bool is_heard = false;
    for (uint16_t i = 0; i < count; ++i) {
        const auto* frame = rte_pktmbuf_mtod(packets[i], const uint8_t*);
        const bool has_macs = packets[i]->data_len >= 2 * sizeof(wire::MacBytes);
        const bool is_own = has_macs && is_ours(mac_at(frame + sizeof(wire::MacBytes)));
        is_heard |= !is_own;
        if (unlikely(is_own || (has_macs && is_ours(mac_at(frame))))) {
            rte_pktmbuf_free(packets[i]);
        } else {
            packets[kept++] = packets[i];
        }
    }
    if (is_heard && member != nullptr && member->unanswered.load(std::memory_order_relaxed) != 0) {
        member->unanswered.store(0, std::memory_order_relaxed);
    }
    return kept;
}

bool MemberProbes::look(uint16_t queue, uint64_t now) noexcept {
    due_[queue].look = now + interval_ / kLooks;
    const int carrier = rte_eth_bond_primary_get(bond_);
    for (size_t i = 0; i < member_count_; ++i) {
        Member& member = members_[i];
        if (member.device == carrier) continue;
        std::array<rte_mbuf*, path::kBatchSize> packets;
        for (uint16_t seen = 0; seen < kMostAtOnce;) {
            const uint16_t count = rte_eth_rx_burst(member.device, queue, packets.data(), packets.size());
            if (count == 0) break;
            rte_pktmbuf_free_bulk(packets.data(), free_ours(packets.data(), count, &member));
            seen = static_cast<uint16_t>(seen + count);
        }
    }
    if (queue != 0 || now < due_[0].send) return false;
    due_[0].send = now + interval_;
    return true;
}

void MemberProbes::send() noexcept {
    for (size_t i = 0; i < member_count_; ++i) {
        Member& member = members_[i];
        member.unanswered.fetch_add(1, std::memory_order_relaxed);
        std::array<rte_mbuf*, ProbeConfig::kMostTargets> packets;
        uint16_t count = 0;
        for (const IpAddress& target : config_.targets) {
            if (rte_mbuf* packet = build(target, member.mac); packet != nullptr) packets[count++] = packet;
        }
        const uint16_t sent = rte_eth_tx_burst(member.device, 0, packets.data(), count);
        rte_pktmbuf_free_bulk(packets.data() + sent, count - sent);
    }
}

rte_mbuf* MemberProbes::build(const IpAddress& target, uint64_t mac) const noexcept {
    const wire::MacBytes from = bytes_of(mac);
    rte_mbuf* packet =
        target.is_v4() ? wire::build_arp_request(buffers_, from, IpAddress::from_v4(0), target)
                       : wire::build_neighbor_solicitation(buffers_, from, wire::link_local_of(from), target);
    if (packet == nullptr || config_.vlan == 0) return packet;
    rte_mbuf* tagged = wire::push_vlan(packet, config_.vlan, buffers_);
    if (tagged == nullptr) rte_pktmbuf_free(packet);
    return tagged;
}

}  // namespace sluice::port
