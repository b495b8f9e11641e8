// The first stage of every path: reads the Ethernet header once and checks its length. A bridge needs only the
// two MACs; later stages parse more if they need it.
#pragma once

#include <cstring>

#include "path/path.h"
#include "sluice/address.h"

namespace sluice::path {

inline constexpr uint16_t kEthernetHeader = 14;
inline constexpr uint64_t kMacMask = 0x0000'ffff'ffff'ffffULL;

// A MAC's six bytes in memory order in the low 48 bits, so that one load and one mask make a key. The group bit
// (IEEE 802, lowest bit of the first octet) is bit 0. For little-endian hosts, as DPDK supports.
[[gnu::always_inline]] inline uint64_t mac_key(const uint8_t* at) noexcept {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word & kMacMask;
}

inline uint64_t mac_key(const MacAddress& mac) noexcept {
    uint8_t bytes[8]{};
    std::memcpy(bytes, mac.bytes.data(), mac.bytes.size());
    return mac_key(bytes);
}

constexpr bool is_group(uint64_t mac) noexcept { return (mac & 1) != 0; }

struct Parse {
    template <class Tables>
    [[gnu::always_inline]] static bool admit(Meta& meta, rte_mbuf* packet, const Tables&) noexcept {
        if (unlikely(packet->data_len < kEthernetHeader)) return drop(meta, Drop::kRunt);
        read_macs(meta, rte_pktmbuf_mtod(packet, const uint8_t*));
        return true;
    }

    // Of a frame that is long enough.
    [[gnu::always_inline]] static void read_macs(Meta& meta, const uint8_t* frame) noexcept {
        // Both loads read two bytes past their MAC. The EtherType ends at byte 14, so both are inside the frame.
        meta.destination_mac = mac_key(frame);
        meta.source_mac = mac_key(frame + 6);
    }
};

}  // namespace sluice::path
