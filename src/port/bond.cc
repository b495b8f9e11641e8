#include "port/bond.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#include <array>

namespace sluice::port {

std::string bond_arguments(path::PortId id, BondMode mode, std::span<const uint16_t> members) {
    std::string arguments =
        fmt::format("net_bonding{},mode={},xmit_policy=l34", path::index(id),
                    mode == BondMode::kLacp ? BONDING_MODE_8023AD : BONDING_MODE_ACTIVE_BACKUP);
    for (const uint16_t member : members) arguments += fmt::format(",slave={}", member);
    return arguments;
}

base::Result<void> join(uint16_t bond, std::span<const uint16_t> members) {
    // It takes up its members the first time that it is configured, whatever for, and goes on without one
    // that it can't have.
    const rte_eth_conf conf{};
    if (const int status = rte_eth_dev_configure(bond, 1, 1, &conf); status != 0) {
        return base::fail("cannot configure the bond: {}", rte_strerror(-status));
    }
    std::array<uint16_t, RTE_MAX_ETHPORTS> joined;
    const int count = rte_eth_bond_slaves_get(bond, joined.data(), joined.size());
    if (count == static_cast<int>(members.size())) return {};
    return base::fail("only {} of the bond's {} members can be joined", count, members.size());
}

}  // namespace sluice::port
