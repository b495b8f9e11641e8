// Why a packet was not delivered. Every packet that Sluice gives up is counted under exactly one of
// these, at one port: the ingress port where the packet itself or its sender is the cause, the egress
// port where the way out is. The sentence is what the operator reads (`sluicectl drops`): what it
// means and what to do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::path {

enum class Drop : uint8_t {
    // counted at the ingress port
    kRunt,
    kMalformedOffload,
    kCutShort,
    kStale,
    kInvalidSource,
    kNoNetwork,
    kVlanNotAllowed,
    kSpoofedMac,
    kSpoofedAddress,
    kSpoofedNeighbor,
    kRogueDhcp,
    kRogueRa,
    kForeignMac,
    kForeignAddress,
    kMacLimit,
    kFloodLimit,
    kReservedMac,
    kSamePort,
    kSplitHorizon,
    kNoMember,
    kVxlanTruncated,
    kVxlanOuterHeader,
    kVxlanFragment,
    kVxlanUdpChecksum,
    kVxlanNoVniFlag,
    kVxlanInnerRunt,
    kVxlanInnerVlan,
    kTaggedIntoTunnel,
    kVxlanEcn,
    kUnknownVni,
    kUnknownRemote,
    kUnderlayTransit,
    kFlatNetwork,
    kMalformedIp,
    kMalformedNeighbor,
    kNotForRouter,
    kMartian,
    kSourceRoute,
    kBeyondScope,
    kDirectedBroadcast,
    kTtlExceeded,
    kNoRoute,
    kBlackhole,
    kUnreachableRoute,
    kNeighborPending,
    kHostUnreachable,
    kFragmentationNeeded,
    kNoListener,
    kDenied,
    kRejected,
    kNoConnection,
    kFragmentUnknown,
    kFlowTableFull,
    kFlowShare,
    kBackground,
    // counted at the egress port
    kPortDown,
    kLinkDown,
    kTaggedOnNative,
    kTooBig,
    kTooLongForPeer,
    kNoBuffer,
    kTransmitFull,
    kTransmitFailed,
    kInterfaceDown,
    kCount,
};

inline constexpr size_t kDropCount = static_cast<size_t>(Drop::kCount);

struct DropText {
    std::string_view name;      // as counted and printed; stable, for scripts
    std::string_view sentence;  // what it means, what to do
};

inline constexpr std::array<DropText, kDropCount> kDropTexts{{
    {"runt", "The frame is shorter than an Ethernet header (14 bytes). Look at the sender's driver."},
    {"malformed-offload",
     "The virtio-net header of the frame asks for a checksum or a segmentation that the frame's own "
     "headers don't allow (VIRTIO 1.2, 5.1.6.2). Look at the sender's kernel or its driver."},
    {"cut-short",
     "The packet was longer than the frames of the port's driver, and its end is missing. Give both ends "
     "the same MTU; if the sender is a kernel, turn its segments off (ethtool -K INTERFACE tso off gso "
     "off)."},
    {"stale",
     "The frame had come to a member of an active-backup bond before that carried the traffic. Expected "
     "at a failover."},
    {"invalid-source",
     "The source MAC is a group address or all zero, which no station may send from (IEEE 802.3, "
     "3.2.3). Look at the sender."},
    {"no-network", "The port is in no network, so there is nowhere to forward to. Give it a `network:`."},
    {"vlan-not-allowed",
     "The frame came to a trunk under a VLAN ID that none of its `networks` has, with a service tag (0x88a8, "
     "0x9100), or untagged where it has no `native` one. Add the network, or look at the other end of the "
     "trunk."},
    {"spoofed-mac",
     "The source is not the port's own MAC address. If the sender may have others (a router, a bridge "
     "behind the port): `spoofing: allow`."},
    {"spoofed-address",
     "The source is not among the port's `address`es. Declare it, or let the port send from any: "
     "`spoofing: allow`."},
    {"spoofed-neighbor",
     "An ARP or Neighbor Discovery message claims an address that is not among the port's, or gives "
     "another MAC than the frame's source. Declare the address, or `spoofing: allow`."},
    {"rogue-dhcp",
     "A DHCP server's answer from a port that may not serve DHCP, or from a tunnel of a network that takes none "
     "from there. If it is a server: `serves: [dhcp]` at the port, or in the network's `vxlan`."},
    {"rogue-ra",
     "A router advertisement or redirect (ICMPv6 134, 137) from a port that may not send any, or from a tunnel "
     "of a network that takes none from there; or tags or extension headers behind which one could hide (RFC "
     "7113). If it is a router: `serves: [ra]` at the port, or in the network's `vxlan`."},
    {"foreign-mac",
     "The source, or the sender's MAC address in ARP, RARP or Neighbor Discovery, is one that belongs to another "
     "port of the network, to a remote end point or to the switch's own router: `sluicectl mac list` shows them "
     "as static. Two stations have one address, a loop returns frames, or the sender pretends to be another. A "
     "container that moves here must leave its old port first."},
    {"foreign-address",
     "The sender says that an IP address is its own, or probes for it (in ARP, in Neighbor Discovery, or, where "
     "ACLs follow connections, as the source of a new one), which the configuration declares for another port or "
     "remote end point, which is of another network of the routing domain, or which is the switch's own gateway; "
     "or it hides what it says behind more tags, extension headers or options than anybody needs. A container "
     "that moves here must leave its old port first. If the port may use the addresses of others (a router): "
     "`spoofing: allow`; those of the gateway it never may."},
    {"mac-limit",
     "The port has as many MAC addresses behind it as its `mac-limit` allows, and this is another. "
     "`sluicectl mac list` shows them."},
    {"flood-limit",
     "More broadcast, multicast or unknown frames a second than the port's `flood-limit` allows, or than a port "
     "with a loop may have. Expected in a storm; look for a loop behind the port: where one was seen, `sluicectl "
     "port list` and the log name its two ports."},
    {"reserved-mac",
     "The destination is one of 01:80:c2:00:00:00 to 0f (STP, LACP, pause, LLDP), which a bridge "
     "doesn't forward (IEEE 802.1Q, 8.6.3). Expected with LLDP or STP speakers."},
    {"same-port",
     "The destination is known to be behind the port that the frame came from: it has arrived "
     "already. Expected behind another bridge or a hub."},
    {"split-horizon",
     "The frame was for a port of the same `split-horizon` group as the one that it came from, and those "
     "don't talk to each other."},
    {"no-member",
     "The frame was to be flooded, but the network has no other port that is up. See `sluicectl "
     "port list`."},
    {"vxlan-truncated",
     "A packet to a tunnel end point ends before its IP header says, or before its UDP or VXLAN header "
     "does. Look at the MTU of the underlay, and at the sender."},
    {"vxlan-outer-header",
     "The outer IP header of a packet to a tunnel end point makes no sense, or its header checksum or a "
     "length in it or in the UDP header is wrong. Look at the sender, and at what is between."},
    {"vxlan-fragment",
     "A tunnel packet came in fragments, which VXLAN doesn't allow (RFC 7348, 4.3). Raise the MTU of the "
     "underlay, or lower that of the networks: the tunnel takes 50 bytes on IPv4, 70 on IPv6."},
    {"vxlan-udp-checksum",
     "The UDP checksum of a tunnel packet is wrong: it was damaged on the way, or a device on it has not "
     "finished the checksum. Look at the sender's offloads (ethtool -k) and at the links."},
    {"vxlan-no-vni-flag",
     "A VXLAN header without the flag that says that it has a VNI (RFC 7348, 5). Look at the sender, and "
     "whether it is VXLAN that it sends to this port."},
    {"vxlan-inner-runt",
     "The frame inside a tunnel packet is shorter than an Ethernet header (14 bytes). Look at the sender."},
    {"vxlan-inner-vlan",
     "The frame inside a tunnel packet has a VLAN tag, which a tunnel doesn't carry (RFC 7348, 6.1). Give "
     "the VLAN a VNI of its own, and let the sender take the tag off; or `vxlan: {inner-vlan: carry}`."},
    {"tagged-into-tunnel",
     "The frame has a VLAN tag, and would go to another host in a tunnel, which doesn't carry tags (RFC 7348, "
     "6.1). Give the VLAN a network with a VNI of its own; or, on all hosts, `vxlan: {inner-vlan: carry}`."},
    {"vxlan-ecn",
     "The underlay marked a tunnel packet as having met congestion, and the packet inside can't tell that "
     "to its receiver, so it is lost instead (RFC 6040, 4.2). Expected in congestion."},
    {"unknown-vni",
     "A tunnel packet with a VNI that no network of ours has. Give a network that `vni`, or take this "
     "host off the sender's list of remotes."},
    {"unknown-remote",
     "A tunnel packet whose sender isn't among the network's `remotes`. If it should be, add it there."},
    {"underlay-transit",
     "A packet came from the underlay to this host's MAC address there, for another host's IP address: the "
     "underlay is a way between end points, and no router. Look at the sender's routes."},
    {"flat-network",
     "The frame was for another station of a `flat` network, whose ports are not bridged: everything goes "
     "by the router. Look at the routes inside the container: its address is a /32 or /128."},
    {"malformed-ip",
     "The IP header of a packet for the router is wrong: its version, a length, or the header checksum (RFC "
     "1812, 5.2.2); or that of a packet from a port with declared addresses is, or has more extension headers or "
     "tags than anybody needs; or the packet ends before its UDP header does. Look at the sender."},
    {"malformed-neighbor",
     "An ARP or Neighbor Discovery message is malformed (RFC 826; RFC 4861, 7.1). Look at the sender."},
    {"not-for-router",
     "The frame was sent to the router's MAC address and is neither IP nor ARP. Look at the sender."},
    {"martian",
     "The source or destination address is one that no packet may be routed with: loopback, this network, "
     "multicast or reserved (RFC 1812, 5.3.7). Look at the sender."},
    {"source-route",
     "The packet carries a source route, which the switch doesn't follow (RFC 7126, RFC 5095). Look at the "
     "sender."},
    {"beyond-scope",
     "The source or destination is a link-local address, which is never routed (RFC 3927, 7; RFC 4291, "
     "2.5.6): no object of the configuration decides that. Give the sender an address of its network's subnet."},
    {"directed-broadcast",
     "The destination is the broadcast address of a subnet, or the subnet itself, to which no router "
     "forwards (RFC 2644)."},
    {"ttl-exceeded",
     "The packet's TTL or hop limit was used up. Expected of traceroute; otherwise look for a routing loop "
     "(`sluicectl route lookup`)."},
    {"no-route",
     "No route leads to the destination: `sluicectl route lookup ADDRESS`. Add one, or a network with its "
     "subnet."},
    {"blackhole", "The route to the destination is a `type: blackhole`: `sluicectl route lookup ADDRESS`."},
    {"unreachable-route",
     "The route to the destination is a `type: unreachable`: `sluicectl route lookup ADDRESS`."},
    {"neighbor-pending",
     "The neighbor's MAC address is not known yet, and more packets than are kept wait for it already. A "
     "few are expected at the start of a conversation; otherwise see `sluicectl neighbor list`."},
    {"host-unreachable",
     "Nobody answered in the network of the next station on the way when its MAC address was asked for (ARP, "
     "Neighbor Discovery). Is the station up, and in that subnet? `sluicectl neighbor list`."},
    {"fragmentation-needed",
     "The packet is longer than the MTU of its way on, and may not be fragmented; the sender was told (ICMP). "
     "A few are expected of path MTU discovery."},
    {"no-listener",
     "The packet was for an address of the switch itself, where nobody listens: it answers pings only."},
    {"denied",
     "A rule of an ACL, or the end of its list, denies the packet: `sluicectl drops --last` says which."},
    {"rejected",
     "A rule of an ACL rejects the packet, and the sender was told (TCP RST or ICMP): `sluicectl drops "
     "--last` says which."},
    {"no-connection",
     "The TCP segment is of no connection that is known and begins none, and `flows: {pick-up: false}` lets "
     "none be picked up in the middle. Expected after a restart."},
    {"fragment-unknown",
     "A later fragment came without the first one of its packet, by which it would be judged, and that didn't "
     "come "
     "within two seconds; or more of them waited for theirs than are kept (64 of a port). Look for loss on the "
     "sender's path, and at its MTU."},
    {"flow-table-full",
     "No flow could be remembered for a new connection that a policy is about: all are in use by established "
     "ones. Raise `flows: {size}`; `sluicectl flow count` shows which ports have how many."},
    {"flow-share",
     "The same, and the port has begun as many connections as it may have while the table is full, or the address "
     "has an eighth of it. Look at what it opens: `sluicectl flow count`, `sluicectl flow list`."},
    {"background",
     "A message that every host sends unasked (MLD, IGMP, router solicitations, ARP and ND about its own "
     "address, mDNS, LLMNR, SSDP, NetBIOS), which nobody was to get: the network has no other member, is "
     "`flat`, or a policy keeps it back, or the frame is in no network at all; or a question (ARP, ND) of the "
     "underlay's link for another station there. Expected. `sluicectl drops --last --all` shows them."},
    {"port-down",
     "The port behind which the destination is declared is down (its MAC address or its IP address belongs to the "
     "port for as long as that is declared), or that of the underlay, for a tunnel. `sluicectl port show` says "
     "why."},
    {"link-down",
     "Nobody is at the other end of the port that it must leave by: no guest is connected, or its "
     "driver has not started. `sluicectl port show` says how far it is."},
    {"tagged-on-native",
     "The frame would leave a trunk untagged, in the native VLAN, but carries a tag of its own, by which "
     "the other end would take it for another VLAN's. Make that network a tagged one of the trunk."},
    {"too-big",
     "The frame is longer than the MTU of the port that it must leave by. Give both ends the same "
     "`mtu:`."},
    {"too-long-for-peer",
     "The frame fits the port's MTU, but is too long for the interface that it leaves by, or for the one at the "
     "other end (of a veth, say): that has a smaller MTU. Give both ends the same `mtu:`."},
    {"no-buffer", "No packet buffer was left for a copy or a segment. Raise `memory.buffers`."},
    {"transmit-full",
     "The receiver doesn't take frames as fast as they come: its queue was full. Expected when a "
     "receiver is overloaded; otherwise give it more `queues:` or CPU."},
    {"transmit-failed", "The device refused the frame. `sluicectl port show` has the last error."},
    {"interface-down", "The interface inside the container is down. Set it up there: `ip link set IF up`."},
}};

// Of the reasons that are counted at the ingress port (The responder aside, which may lack a buffer there).
constexpr bool is_of_ingress(Drop reason) noexcept { return reason < Drop::kPortDown; }

// Reasons for which a message that hosts send unasked is no loss: it counts as kBackground (background.h).
constexpr bool may_be_background(Drop reason) noexcept {
    return reason == Drop::kNoMember || reason == Drop::kFlatNetwork || reason == Drop::kDenied ||
           reason == Drop::kRejected || reason == Drop::kNoNetwork || reason == Drop::kVlanNotAllowed;
}

constexpr const DropText& text(Drop reason) noexcept {
    return kDropTexts[static_cast<size_t>(reason)];
}

}  // namespace sluice::path
