// Messages between neighbors about their MACs: ARP (RFC 826, RFC 5227) and the solicitations and advertisements
// of Neighbor Discovery (RFC 4861, 4.3 and 4.4). They are read into one struct, and written.
//
// Reading trusts nothing and takes frames of any number of mbufs; writing makes whole frames without VLAN tags.
// The neighbor table and the responder decide what to learn and what to answer. Any thread that may read the
// frame.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>
#include <tl/expected.hpp>

#include "wire/address.h"

namespace sluice::wire {

// The message says that `sender` is at `sender_mac`. In an advertisement, `sender` is therefore the address that
// is advertised, not the source address.
struct NeighborMessage {
    bool solicits = false;    // an ARP request or a neighbor solicitation for `target`
    bool answers = false;     // an ARP reply or a neighbor advertisement
    bool probe = false;       // a request by a station that has no address yet and wants `target`: `sender` is
                              // 0.0.0.0 or :: (RFC 5227, 2.1.1; RFC 4862, 5.4.2)
    bool gratuitous = false;  // unsolicited: `sender` is the target too, or an advertisement without S
    bool overrides = false;   // replaces a known MAC: the O flag, and all of ARP (RFC 826)
    bool router = false;      // the R flag
    bool has_sender_mac = false;  // some messages of Neighbor Discovery have no MAC
    IpAddress sender;
    MacBytes sender_mac{};    // a unicast MAC, if has_sender_mac
    IpAddress target;         // the requested address; of an answer, the address of its receiver
    MacBytes target_mac{};    // ARP's field; of an advertisement, the frame's destination
};

enum class NoNeighborMessage : uint8_t {
    kOther,      // no such message: another EtherType, protocol, ICMPv6 type or ARP operation; VLAN tags
    kMalformed,  // RFC 4861, 7.1 discards it, or an ARP message with the same fault: drop the frame
};

// Neighbor Discovery behind extension headers is kOther: no host sends it so, and RFC 6980 forbids it behind a
// fragment header.
tl::expected<NeighborMessage, NoNeighborMessage> read_neighbor_message(const rte_mbuf* m) noexcept;

// Each of these writes a frame of at least 60 bytes into a new mbuf, which belongs to the caller. Null if the
// pool is empty. Addresses are of the family in the function's name.

// To all stations, or to `to_mac` alone to check whether a neighbor is still there. If `from` is 0.0.0.0, it is a
// probe.
rte_mbuf* build_arp_request(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                            const IpAddress& target,
                            const std::optional<MacBytes>& to_mac = std::nullopt) noexcept;

rte_mbuf* build_arp_reply(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                          const MacBytes& to_mac, const IpAddress& to) noexcept;

// A gratuitous ARP as in RFC 5227, 2.3: a request for the sender's own address.
rte_mbuf* build_arp_announcement(rte_mempool* pool, const MacBytes& mac,
                                 const IpAddress& address) noexcept;

// Announces a MAC whose addresses are not known: a RARP request for the sender's own address (RFC 903), as
// virtual machines send after a migration. Bridges learn from it, and no station answers.
rte_mbuf* build_station_announcement(rte_mempool* pool, const MacBytes& mac) noexcept;

// To the solicited-node multicast address of the target, or to the target itself at `to_mac`. If `from` is ::, it
// is a probe and carries no MAC.
rte_mbuf* build_neighbor_solicitation(rte_mempool* pool, const MacBytes& from_mac, const IpAddress& from,
                                      const IpAddress& target,
                                      const std::optional<MacBytes>& to_mac = std::nullopt) noexcept;

struct AdvertisementFlags {
    bool router = false;
    bool solicited = false;
    bool overrides = false;
};

// "`address` is at `mac`", sent from `address`. If `to` is :: (the sender of a probe), it goes to all nodes
// without the S flag (RFC 4861, 7.2.4), and `to_mac` is ignored.
rte_mbuf* build_neighbor_advertisement(rte_mempool* pool, const MacBytes& mac, const IpAddress& address,
                                       const MacBytes& to_mac, const IpAddress& to,
                                       AdvertisementFlags flags) noexcept;

// An unsolicited advertisement to all nodes; it replaces their entries (RFC 4861, 7.2.6).
rte_mbuf* build_neighbor_announcement(rte_mempool* pool, const MacBytes& mac, const IpAddress& address,
                                      bool router) noexcept;

}  // namespace sluice::wire
