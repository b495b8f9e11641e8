// Expected background: what every host says to its whole link without being asked, and what is no loss where
// nobody is there to hear it or a policy keeps it back. Each new container sends a dozen of such frames. Counted
// with other drops they would bury the ones that somebody looks for. Workers.
#pragma once

#include <rte_mbuf.h>

namespace sluice::path {

// Membership reports and queries of groups (MLD, IGMP), router solicitations, ARP and Neighbor Discovery about
// the sender's own address, and the announcements and searches of mDNS, LLMNR, SSDP, WS-Discovery and NetBIOS.
// All of them are sent to group addresses. Requests that somebody waits for (ARP for another, DHCP) are none.
bool is_background(const rte_mbuf* packet) noexcept;

}  // namespace sluice::path
