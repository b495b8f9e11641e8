// VLANs (IEEE 802.1Q). A network is a VLAN. An access port carries the frames of one network untagged. A trunk
// port carries those of several networks, each with its VLAN ID, except for the native one, which is untagged.
// Only a trunk interprets tags: at an access port, and behind the outermost tag at a trunk, a tag is payload, so
// QinQ passes. A trunk carries no service tags. A priority tag counts as no tag. It is removed at ports that are
// unusual anyway; elsewhere when the switch reads, bridges or floods the frame, or sends it with a tag or into a
// tunnel. Worker side.
#pragma once

#include <array>
#include <vector>

#include "path/path.h"
#include "wire/vlan.h"

namespace sluice::vlan {

inline constexpr uint16_t kUntagged = 0;
inline constexpr uint16_t kNotCarried = 0xffff;
inline constexpr uint16_t kIds = 4096;

// The networks of a trunk port. Built once per snapshot; each network occurs at most once.
struct Trunk {
    std::array<path::NetworkId, kIds> network_of;  // by VLAN ID; 0: of untagged frames
    std::vector<uint16_t> id_of;                   // by NetworkId: VLAN ID, kUntagged or kNotCarried

    bool carries(path::NetworkId network) const noexcept {
        return id_of[path::index(network)] != kNotCarried;
    }
};

// Finds the network of a frame from a trunk, and removes its tag.
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

// Admit, after Parse. Needs tables.slot(PortId) with `trunk`, which is null for other ports.
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
