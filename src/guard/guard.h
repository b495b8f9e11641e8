// Port security: what a port may say of itself. A port with declared addresses sends from its own MAC
// and IP addresses only, in ARP (RFC 826, RFC 5227) and Neighbor Discovery (RFC 4861) too, and a port
// that serves neither answers no DHCP request (RFC 2131, RFC 8415) and sends no router advertisement or
// redirect (RFC 6105), nor what could hide one (RFC 7113). The tunnels of an overlay are held to the latter too.
//
// An IPv6 link-local address is a port's own if it is derived from its MAC (RFC 4291, appendix A) or
// declared. What stands behind VLAN tags is held to the same. A fragment's first piece is judged; later
// ones by their IP source alone. Worker side.
#pragma once

#include <vector>

#include "path/path.h"
#include "sluice/address.h"

namespace sluice::guard {

struct Guard {
    uint64_t mac = 0;                  // path::mac_key() of the only source; 0: any
    bool check_addresses = false;      // only `addresses`, and what IPv6 derives from `mac`
    std::vector<IpAddress> addresses;
    bool serves_dhcp = false;
    bool serves_ra = false;

    // Whether there is nothing to look at.
    bool allows_all() const noexcept {
        return mac == 0 && !check_addresses && serves_dhcp && serves_ra;
    }
    // The reason to drop a frame from the port, or kCount.
    path::Drop judge(const path::Meta& meta, const rte_mbuf* packet) const noexcept;
};

// Admit, after the network is known. Asked of the tables: slot(PortId) with `guard`, null for none.
struct Check {
    template <class Tables>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const Guard* guard = tables.slot(meta.ingress).guard;
        if (likely(guard == nullptr)) return true;
        const path::Drop reason = guard->judge(meta, packet);
        return likely(reason == path::Drop::kCount) || path::drop(meta, reason);
    }
};

}  // namespace sluice::guard
