// Objects that the kernel lists over rtnetlink, read from one message of an answer (netlink_reply.h): an
// interface, an address, a route. Each reader returns none for a message of another type and for an object that
// was not requested. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "sluice/address.h"

struct nlmsghdr;

namespace sluice::port {

// Our rtm_protocol and IFA_PROTO. 80 to 185 are free in iproute2's rt_protos.
inline constexpr uint8_t kRouteProtocol = 0x53;

struct Link {
    int index = 0;
    std::string name;
    std::string alias;
    MacAddress mac;
    uint32_t mtu = 0;
    bool up = false;
    bool is_running = false;  // up, and with a carrier
    bool has_carrier = true;    // even if it is down
    bool has_arp = true;        // false: it neither sends nor answers ARP (IFF_NOARP)
    bool has_multicast = true;  // IFF_MULTICAST
    bool is_in_vrf = false;   // enslaved to a VRF
    uint64_t transmit_drops = 0;  // frames that the kernel dropped when it transmitted by the interface
    std::string kind;  // IFLA_INFO_KIND: "tun", "veth", …; empty if the kernel does not tell it

    bool operator==(const Link&) const = default;
};

// The place of a veth's other end.
struct PeerLink {
    int index = 0;                  // 0: the kernel tells none
    std::optional<uint32_t> netns;  // its namespace, by an id of this namespace; none: this namespace

    bool operator==(const PeerLink&) const = default;
};

// Which addresses and routes: ours have our mark; all includes those of the kernel and of other programs; ours
// elsewhere are other ports' routes, by other interfaces than the given one.
enum class Whose { kOurs, kAll, kOursElsewhere };

struct KernelAddress {
    IpAddress address;
    uint8_t length = 0;  // of the prefix, bits
    // The kernel found it to be another station's (RFC 4862, 5.4) and never uses it: IFA_F_DADFAILED.
    bool is_duplicate = false;

    bool operator==(const KernelAddress&) const = default;
};

struct KernelRoute {
    IpPrefix to;
    std::optional<IpAddress> via = {};
    bool is_multipath = false;  // it has several next hops; `via` is none of them
    uint32_t metric = 0;        // 0: the kernel's own

    bool operator==(const KernelRoute&) const = default;
};

struct RouteNotice {
    IpPrefix to;
    std::set<int> links;  // the interfaces of its next hops

    bool operator==(const RouteNotice&) const = default;
};

// Each takes a complete message (netlink_message.h). Whatever its bytes are, a returned object is valid:
// addresses of the family, and prefixes no longer than these.
std::optional<Link> read_link(const nlmsghdr* message);
std::optional<PeerLink> read_peer(const nlmsghdr* message);
// An address of the interface.
std::optional<KernelAddress> read_address(const nlmsghdr* message, int index, Whose whose);
// A route of the main table, in a list of this family, with a next hop by the interface. Ours have one next hop.
std::optional<KernelRoute> read_route(const nlmsghdr* message, uint8_t family, int index, Whose whose);

// The interfaces of the route if it is a default route, of any table; otherwise none.
std::set<int> links_of_default_route(const nlmsghdr* message);
// A route of the main table that was added or removed.
std::optional<RouteNotice> read_route_notice(const nlmsghdr* message);

}  // namespace sluice::port
