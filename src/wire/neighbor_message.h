// Messages between neighbours about their MACs: ARP (RFC 826, RFC 5227) and the solicitations and
// advertisements of Neighbor Discovery (RFC 4861, 4.3 and 4.4), read into one struct, and written.
//
// Reading trusts nothing and takes frames in any number of mbufs; writing makes whole frames without
// VLAN tags. What is remembered of a message, and who is answered, is not decided here. Any thread that
// may read the frame.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>
#include <tl/expected.hpp>

#include "wire/address.h"

namespace sluice::wire {

// `sender` is at `sender_mac`: so says the message, whichever it is. Of an advertisement `sender` is
// therefore the address that it advertises, not the one that it was sent from.
struct NeighborMessage {
    bool solicits = false;    // an ARP request or a neighbor solicitation: who has `target`?
    bool answers = false;     // an ARP reply or a neighbor advertisement
    bool probe = false;       // a request of one who has no address yet and wants `target`: `sender` is
                              // 0.0.0.0 or :: (RFC 5227, 2.1.1; RFC 4862, 5.4.2)
    bool gratuitous = false;  // told unasked: `sender` is the target too, or an advertisement without S
    bool overrides = false;   // replaces what is known: the O flag, and all of ARP (RFC 826)
    bool router = false;      // the R flag
    bool has_sender_mac = false;  // not every message of Neighbor Discovery tells a MAC
    IpAddress sender;
    MacBytes sender_mac{};    // one station's, if there is one
    IpAddress target;         // who is asked for; of an answer, who is answered
    MacBytes target_mac{};    // ARP's field; of an advertisement, the frame's destination
};

enum class NoNeighborMessage : uint8_t {
    kOther,      // something else: another EtherType, protocol, ICMPv6 type or ARP operation; VLAN tags
    kMalformed,  // RFC 4861, 7.1 would discard it, or its likeness in ARP: drop the frame
};

// Neighbor Discovery behind extension headers is kOther: nobody sends it so, and RFC 6980 forbids what
// could hide there.
tl::expected<NeighborMessage, NoNeighborMessage> read_neighbor_message(const rte_mbuf* m) noexcept;

// All of these write a frame of 60 bytes at least into a fresh mbuf, the caller's from then on; null if
// the pool is dry. Addresses are of the family that the name says.

// To everybody, or, to ask whether a neighbour is still there, to `to_mac` alone. With `from` 0.0.0.0
// it is a probe.
rte_mbuf* build_arp_request(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                            const IpAddress& target,
                            const std::optional<MacBytes>& to_mac = std::nullopt) noexcept;

rte_mbuf* build_arp_reply(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                          const MacBytes& to_mac, const IpAddress& to) noexcept;

// A gratuitous ARP, as RFC 5227, 2.3 has it: a request for the sender's own address.
rte_mbuf* build_arp_announcement(rte_mempool* pool, const MacBytes& mac,
                                 const IpAddress& address) noexcept;

// "`mac` is here", of a station whose addresses aren't known: a RARP request for its own address (RFC 903), as
// virtual machines send when they have moved. Bridges learn by it, and nobody answers.
rte_mbuf* build_station_announcement(rte_mempool* pool, const MacBytes& mac) noexcept;

// To the solicited-node multicast address of the target, or to the target at `to_mac`. With `from` ::
// it is a probe and tells no MAC.
rte_mbuf* build_neighbor_solicitation(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                                      const IpAddress& target,
                                      const std::optional<MacBytes>& to_mac = std::nullopt) noexcept;

struct AdvertisementFlags {
    bool router = false;
    bool solicited = false;
    bool overrides = false;
};

// "`address` is at `mac`", sent from `address`. To nobody (`to` is ::, a probe's sender) it goes to all
// nodes, without the S flag (RFC 4861, 7.2.4), and `to_mac` doesn't matter.
rte_mbuf* build_neighbor_advertisement(rte_mempool* pool, const MacBytes& mac, const IpAddress& address,
                                       const MacBytes& to_mac, const IpAddress& to,
                                       AdvertisementFlags flags) noexcept;

// An unsolicited advertisement to all nodes, which replaces what they know (RFC 4861, 7.2.6).
rte_mbuf* build_neighbor_announcement(rte_mempool* pool, const MacBytes& mac, const IpAddress& address,
                                      bool router) noexcept;

}  // namespace sluice::wire
