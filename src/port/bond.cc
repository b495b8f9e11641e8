#include "port/bond.h"

#include <fmt/format.h>
#include <net/if.h>
#include <rte_errno.h>
#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <vector>

#include "path/batch.h"
#include "port/device_option.h"
#include "port/interface.h"

namespace sluice::port {
namespace {

// Milliseconds between polls of the members' links: the time without traffic at a failover. Most users of the
// kernel's bonding set its `miimon` to this value.
constexpr uint32_t kLinkPeriod = 100;

// The most frames that a queue of a member may hold: its descriptors, or the kernel's queue of a TAP.
constexpr uint32_t kMostStale = 1024;

// A bonding device relies on link events of a member that claims to send them, and polls the others. net_tap
// claims so but sends none to others. While a SilentLinks exists, no member claims it. The bond that takes up its
// members meanwhile polls them all; it also gets the events of members that do send them, since those are enabled
// when the member starts.
class SilentLinks {
 public:
    explicit SilentLinks(std::span<const uint16_t> members) {
        for (const uint16_t member : members) {
            rte_eth_dev_info info{};
            if (rte_eth_dev_info_get(member, &info) != 0) continue;
            // DPDK's own variable. The device is not started, so no other thread reads it.
            auto* flags = const_cast<uint32_t*>(info.dev_flags);
            if ((*flags & RTE_ETH_DEV_INTR_LSC) == 0) continue;
            *flags &= ~uint32_t{RTE_ETH_DEV_INTR_LSC};
            silenced_.push_back(flags);
        }
    }
    SilentLinks(const SilentLinks&) = delete;
    ~SilentLinks() {
        for (uint32_t* flags : silenced_) *flags |= RTE_ETH_DEV_INTR_LSC;
    }

 private:
    std::vector<uint32_t*> silenced_;
};

// DPDK would only report that the operation is not permitted.
base::Result<void> check_mac(uint16_t bond, uint16_t first) {
    if (rte_eth_bond_mode_get(bond) != BONDING_MODE_ACTIVE_BACKUP) return {};
    rte_ether_addr mac{};
    if (rte_eth_macaddr_get(first, &mac) != 0) return {};
    const int status = rte_eth_dev_default_mac_addr_set(first, &mac);
    if (status != -ENOTSUP && status != -EINVAL) return {};
    std::array<char, RTE_ETH_NAME_MAX_LEN> name{};
    rte_eth_dev_get_name_by_port(first, name.data());
    return base::fail("{} can't be the first member of a bond, which has its MAC address: {}", name.data(),
                      status == -EINVAL ? "it has none" : "its driver can't set any");
}

}  // namespace

std::string bond_arguments(path::PortId id, BondMode mode, std::span<const uint16_t> members) {
    std::string arguments =
        fmt::format("net_bonding{},mode={},xmit_policy=l34", path::index(id),
                    mode == BondMode::kLacp ? BONDING_MODE_8023AD : BONDING_MODE_ACTIVE_BACKUP);
    for (const uint16_t member : members) arguments += fmt::format(",slave={}", member);
    return arguments;
}

base::Result<void> join(uint16_t bond, std::span<const uint16_t> members) {
    if (auto done = check_mac(bond, members.front()); !done) return done;
    rte_eth_bond_link_monitoring_set(bond, kLinkPeriod);
    const SilentLinks silent(members);
    // The bond takes up its members when it is configured for the first time, with any configuration. It
    // continues without a member that it cannot use.
    const rte_eth_conf conf{};
    if (const int status = rte_eth_dev_configure(bond, 1, 1, &conf); status != 0) {
        return base::fail("cannot configure the bond: {}", rte_strerror(-status));
    }
    std::array<uint16_t, RTE_MAX_ETHPORTS> joined;
    const int count = rte_eth_bond_slaves_get(bond, joined.data(), joined.size());
    if (count == static_cast<int>(members.size())) return {};
    return base::fail("only {} of the bond's {} members can be joined", count, members.size());
}

std::optional<uint16_t> carrier(uint16_t bond) noexcept {
    std::array<uint16_t, RTE_MAX_ETHPORTS> active;
    if (rte_eth_bond_active_slaves_get(bond, active.data(), active.size()) <= 0) return {};
    return static_cast<uint16_t>(rte_eth_bond_primary_get(bond));
}

void set_carrier(uint16_t bond, uint16_t member) noexcept { rte_eth_bond_primary_set(bond, member); }

std::optional<KernelMember> KernelMember::of(const std::string& arguments) {
    const std::string_view interface = device_option(arguments, "iface");
    if (!arguments.starts_with("net_af_packet") || interface.empty()) return {};
    KernelMember member{.interface = std::string(interface)};
    member.index = static_cast<int>(if_nametoindex(member.interface.c_str()));
    return member;
}

std::string KernelMember::no_link() const { return why_no_link(interface); }

bool KernelMember::was_replaced() const noexcept {
    const auto now = static_cast<int>(if_nametoindex(interface.c_str()));
    return now != 0 && now != index;
}

bool is_active(uint16_t bond, BondMode mode, uint16_t member) noexcept {
    if (mode == BondMode::kActiveBackup) return carrier(bond) == member;
    // "struct", because a function has the same name.
    struct rte_eth_bond_8023ad_slave_info info {};
    return rte_eth_bond_8023ad_slave_info(bond, member, &info) == 0 &&
           (info.actor_state & STATE_DISTRIBUTING) != 0;
}

uint16_t drop_stale(uint16_t bond, uint16_t queue, uint16_t& last, rte_mbuf** packets, uint16_t count,
                    path::PortId port, path::Counters& counters) noexcept {
    const uint16_t before = last;
    last = packets[0]->port;  // all packets of a burst come from one member
    if (likely(before == last) || before == RTE_MAX_ETHPORTS) return count;
    counters.drop_all(port, path::Drop::kStale, packets, count);
    rte_pktmbuf_free_bulk(packets, count);
    std::array<rte_mbuf*, path::kBatchSize> more;
    for (uint32_t seen = 0; seen < kMostStale; seen += count) {
        count = rte_eth_rx_burst(bond, queue, more.data(), more.size());
        if (count == 0) break;
        uint64_t bytes = 0;
        for (uint16_t i = 0; i < count; ++i) bytes += more[i]->pkt_len;
        counters.receive(port, queue, count, bytes);
        counters.drop_all(port, path::Drop::kStale, more.data(), count);
        rte_pktmbuf_free_bulk(more.data(), count);
    }
    return 0;
}

}  // namespace sluice::port
