// What the kernel lists over rtnetlink, read from the bytes of one message of an answer (netlink_reply.h): an
// interface, an address, a route. Each reader answers with none for a message of another type, and for an object
// that is not asked for. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "sluice/address.h"

struct nlmsghdr;

namespace sluice::port {

// rtm_protocol and IFA_PROTO of ours. 80 to 185 are free in iproute2's rt_protos.
inline constexpr uint8_t kRouteProtocol = 0x53;

struct Link {
    int index = 0;
    std::string name;
    std::string alias;
    MacAddress mac;
    uint32_t mtu = 0;
    bool up = false;
    bool is_running = false;  // up, and with a carrier
    bool has_carrier = true;    // though it may be down
    bool has_arp = true;        // false: it asks for no neighbors and answers none (IFF_NOARP)
    bool has_multicast = true;  // IFF_MULTICAST
    bool is_in_vrf = false;   // enslaved to a VRF
    uint64_t transmit_drops = 0;  // of frames that the kernel was to transmit by it
    std::string kind;  // IFLA_INFO_KIND: "tun", "veth", …; empty where the kernel tells none

    bool operator==(const Link&) const = default;
};

// Where the other end of a veth is.
struct PeerLink {
    int index = 0;                  // 0: the kernel names none
    std::optional<uint32_t> netns;  // its namespace, by a number of this namespace's own; none: this one

    bool operator==(const PeerLink&) const = default;
};

// Whose addresses and routes: ours bear the mark, all includes those of the kernel and of other programs. Ours
// that lead elsewhere are other ports' routes: by other interfaces than the one that is asked about.
enum class Whose { kOurs, kAll, kOursElsewhere };

struct KernelAddress {
    IpAddress address;
    uint8_t length = 0;  // of the prefix, bits
    // The kernel has taken it for another station's (RFC 4862, 5.4), and never uses it: IFA_F_DADFAILED.
    bool is_duplicate = false;

    bool operator==(const KernelAddress&) const = default;
};

struct KernelRoute {
    IpPrefix to;
    std::optional<IpAddress> via = {};
    bool is_multipath = false;  // it has several next hops, which `via` doesn't name
    uint32_t metric = 0;        // 0: the kernel's own

    bool operator==(const KernelRoute&) const = default;
};

struct RouteNotice {
    IpPrefix to;
    std::set<int> links;  // the interfaces by which it leads

    bool operator==(const RouteNotice&) const = default;
};

// A whole message (netlink_message.h); whatever is in it, what they answer with is a valid object: addresses of
// the family, prefixes no longer than those.
std::optional<Link> read_link(const nlmsghdr* message);
std::optional<PeerLink> read_peer(const nlmsghdr* message);
// Of the interface.
std::optional<KernelAddress> read_address(const nlmsghdr* message, int index, Whose whose);
// Of the main table, in a list of this family's; by the interface, or with a next hop by it. Ours have one next
// hop.
std::optional<KernelRoute> read_route(const nlmsghdr* message, uint8_t family, int index, Whose whose);

// The interfaces by which the route leads if it is a default route, of whatever table; otherwise none.
std::set<int> links_of_default_route(const nlmsghdr* message);
// Of the main table: a route that has come or gone.
std::optional<RouteNotice> read_route_notice(const nlmsghdr* message);

}  // namespace sluice::port
