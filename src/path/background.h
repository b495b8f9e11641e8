// Expected background: messages that every host sends to its whole link unasked. Their drop is no loss if the
// link has no other host, or if a policy denies them. Each new container sends a dozen such frames. Counted with
// other drops, they would bury the drops that an operator looks for. Workers.
#pragma once

#include <rte_mbuf.h>

namespace sluice::path {

// Group membership reports and queries (MLD, IGMP), router solicitations, ARP and Neighbor Discovery about the
// sender's own address, and the announcements and searches of mDNS, LLMNR, SSDP, WS-Discovery and NetBIOS. All
// are sent to group addresses. Requests that expect an answer (ARP for another address, DHCP) do not count.
bool is_background(const rte_mbuf* packet) noexcept;

}  // namespace sluice::path
