#include "view/snapshot.h"

#include "wire/headers.h"
#include "wire/mbuf.h"

namespace sluice::view {

// Headers may be spread over several mbufs.
bool Snapshot::is_end_point_slowly(const rte_mbuf* packet) const noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    const wire::EtherType type = wire::ether_type(packet);
    if (type == wire::EtherType::kIpv4) {
        wire::Ipv4Header copy;
        const auto* ip = wire::read(packet, kIp, copy);
        return ip != nullptr && ip->destination.raw() == end_point.raw();
    }
    wire::Ipv6Header copy;
    const auto* ip = type == wire::EtherType::kIpv6 ? wire::read(packet, kIp, copy) : nullptr;
    return ip != nullptr && ip->destination == end_point_ipv6;
}

}  // namespace sluice::view
