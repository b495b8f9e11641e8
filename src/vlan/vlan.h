// VLANs (IEEE 802.1Q). A network is a VLAN; an access port carries the frames of one network untagged, a
// trunk port those of several, each under its network's VLAN ID but for one, the native, which goes
// untagged. Only a trunk looks at tags: to an access port, and inside of the outermost tag of a trunk, a
// tag is payload, and so QinQ passes through. Service tags are tags that no trunk carries. A priority tag is no
// tag anywhere: it comes off at ports that are looked at anyway, and elsewhere where the switch reads or bridges
// the frame, floods it or sends it on under a tag or in a tunnel. Worker side.
#pragma once

#include <array>
#include <vector>

#include "path/path.h"
#include "wire/vlan.h"

namespace sluice::vlan {

inline constexpr uint16_t kUntagged = 0;
inline constexpr uint16_t kNotCarried = 0xffff;
inline constexpr uint16_t kIds = 4096;

// What a trunk port carries. Built once a snapshot; a network is never carried twice.
struct Trunk {
    std::array<path::NetworkId, kIds> network_of;  // by VLAN ID; 0: of untagged frames
    std::vector<uint16_t> id_of;                   // by NetworkId: VLAN ID, kUntagged or kNotCarried

    bool carries(path::NetworkId network) const noexcept {
        return id_of[path::index(network)] != kNotCarried;
    }
};

// A frame from a trunk: in which network it is, and its tag comes off.
inline bool classify_tagged(path::Meta& meta, rte_mbuf* packet,
                                              const Trunk& trunk) noexcept {
    uint16_t id = kUntagged;
    const wire::EtherType type = wire::ether_type(packet);
    const bool tagged = type == wire::EtherType::kVlan;
    if (unlikely(!tagged && wire::is_vlan(type))) return path::drop(meta, path::Drop::kVlanNotAllowed);
    if (tagged) {
        constexpr uint16_t kNeeded = sizeof(wire::EthernetHeader) + sizeof(wire::VlanTag);
        if (packet->data_len < kNeeded) return path::drop(meta, path::Drop::kRunt);
        id = rte_pktmbuf_mtod_offset(packet, const wire::VlanTag*, sizeof(wire::EthernetHeader))->id();
    }
    meta.network = trunk.network_of[id];
    if (meta.network == path::kNoNetworkId) return path::drop(meta, path::Drop::kVlanNotAllowed);
    if (tagged) wire::pop_vlan(packet);
    return true;
}

// Admit, after Parse. Asked of the tables: slot(PortId) with `trunk`, null for none.
struct Classify {
    template <class Tables>
    [[gnu::always_inline]] static bool admit(path::Meta& meta, rte_mbuf* packet,
                                             const Tables& tables) noexcept {
        const Trunk* trunk = tables.slot(meta.ingress).trunk;
        if (trunk != nullptr) return classify_tagged(meta, packet, *trunk);
        if (unlikely(meta.network == path::kNoNetworkId)) {
            return path::drop(meta, path::Drop::kNoNetwork);
        }
        if (unlikely(wire::ether_type(packet) == wire::EtherType::kVlan)) wire::pop_priority_tag(packet);
        return true;
    }
};

}  // namespace sluice::vlan
