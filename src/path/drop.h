// The reasons for which a packet is not delivered. Every packet that Sluice drops is counted under exactly one
// reason, at one port: at the ingress port if the packet or its sender is the cause, at the egress port if the
// way out is. The operator reads the sentence (`sluicectl drops`): what it means and what to do.
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
    kEgressRateLimit,
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
    kVxlanPort,
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
    kResponderBusy,
    kDenied,
    kRejected,
    kNoConnection,
    kFragmentUnknown,
    kFlowTableFull,
    kFlowShare,
    kNoEndpoint,
    kNoLocalEndpoint,
    kNoServicePort,
    kServiceSource,
    kNatExhausted,
    kNatHostLimit,
    kNatBusy,
    kTupleTaken,
    kBackground,
    // counted at the egress port
    kPortDown,
    kLinkDown,
    kTaggedOnNative,
    kTooBig,
    kTooLongForPeer,
    kNoBuffer,
    kIngressRateLimit,
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
     "The frame came to a member of an active-backup bond before that member became the active one. Expected "
     "at a failover."},
    {"invalid-source",
     "The source MAC is a group address or all zero, which no station may send from (IEEE 802.3, "
     "3.2.3). Look at the sender."},
    {"no-network", "The port is in no network, so its frames cannot be forwarded. Give it a `network:`."},
    {"vlan-not-allowed",
     "The frame came to a trunk with a VLAN ID that none of its `networks` has, with a service tag (0x88a8, "
     "0x9100), or untagged while the trunk has no `native` network. Add the network, or look at the other end "
     "of the trunk."},
    {"spoofed-mac",
     "The source is not the port's own MAC address. If the sender may use others (a router, a bridge behind "
     "the port): `spoofing: allow`."},
    {"spoofed-address",
     "The source is not among the port's `address`es. Declare it, or let the port send from any: "
     "`spoofing: allow`."},
    {"spoofed-neighbor",
     "An ARP or Neighbor Discovery message claims an address that is not among the port's, or gives "
     "another MAC than the frame's source. Declare the address, or `spoofing: allow`."},
    {"rogue-dhcp",
     "A DHCP server's answer from a port that may not serve DHCP, or from a tunnel of a network that accepts "
     "none from its tunnel. If it is a server: `serves: [dhcp]` at the port, or in the network's `vxlan`."},
    {"rogue-ra",
     "A router advertisement or redirect (ICMPv6 134, 137) from a port that may not send any, or from a tunnel "
     "of a network that accepts none from its tunnel; or tags or extension headers that could hide one (RFC "
     "7113). If it is a router: `serves: [ra]` at the port, or in the network's `vxlan`."},
    {"foreign-mac",
     "The source, or the sender's MAC address in ARP, RARP or Neighbor Discovery, belongs to another port of "
     "the network, to a remote end point or to the switch's own router: `sluicectl mac list` shows it as "
     "static. Two stations have one address, a loop returns frames, or the sender pretends to be another "
     "station. A container that moves here must leave its old port first."},
    {"foreign-address",
     "The sender claims or probes for an IP address (in ARP, in Neighbor Discovery, or, where ACLs follow "
     "connections, as the source of a new one) that the configuration declares for another port or remote end "
     "point, that belongs to another network of the routing domain, or that is the switch's own gateway; or "
     "its message has more tags, extension headers or options than the switch reads, which could hide such a "
     "claim. A container that moves here must leave its old port first. If the port may use the addresses of "
     "others (a router): `spoofing: allow`; the gateway's address it may never use."},
    {"mac-limit",
     "The port has already learned as many MAC addresses as its `mac-limit` allows, and this is another one. "
     "`sluicectl mac list` shows them."},
    {"flood-limit",
     "More broadcast, multicast or unknown frames a second than the port's `flood-limit` allows, or than a port "
     "with a loop may have. Expected in a storm; look for a loop behind the port: where one was seen, `sluicectl "
     "port list` and the log name its two ports."},
    {"egress-rate-limit",
     "More traffic came from the port's guest than `rate-limit: {egress: ...}` of the port allows. Expected of "
     "TCP at "
     "its limit; raise `rate` or `burst` otherwise."},
    {"reserved-mac",
     "The destination is one of 01:80:c2:00:00:00 to 0f (STP, LACP, pause, LLDP), which a bridge "
     "doesn't forward (IEEE 802.1Q, 8.6.3). Expected with LLDP or STP speakers."},
    {"same-port",
     "The destination is behind the port that the frame came from, so it has got the frame already. Expected "
     "behind another bridge or a hub."},
    {"split-horizon",
     "The frame was for a port of the same `split-horizon` group as its ingress port; ports of a group do not "
     "exchange frames."},
    {"no-member",
     "The frame was to be flooded, but the network has no other port that is up. See `sluicectl "
     "port list`."},
    {"vxlan-truncated",
     "A packet to a tunnel end point ends before the length in its IP header, or inside its UDP or VXLAN "
     "header. Look at the MTU of the underlay, and at the sender."},
    {"vxlan-outer-header",
     "The outer IP header of a packet to a tunnel end point is invalid, or its header checksum or a length in "
     "it or in the UDP header is wrong. Look at the sender, and at the devices between."},
    {"vxlan-fragment",
     "A tunnel packet came in fragments, which VXLAN doesn't allow (RFC 7348, 4.3). Raise the MTU of the "
     "underlay, or lower that of the networks: the tunnel takes 50 bytes on IPv4, 70 on IPv6."},
    {"vxlan-udp-checksum",
     "The UDP checksum of a tunnel packet is wrong: the packet was damaged on the way, or a device did not "
     "finish the checksum. Look at the sender's offloads (ethtool -k) and at the links."},
    {"vxlan-no-vni-flag",
     "The VXLAN header lacks the flag for a valid VNI (RFC 7348, 5). Look at the sender: it may send another "
     "protocol than VXLAN to this port."},
    {"vxlan-inner-runt",
     "The frame inside a tunnel packet is shorter than an Ethernet header (14 bytes). Look at the sender."},
    {"vxlan-inner-vlan",
     "The frame inside a tunnel packet has a VLAN tag, which a tunnel doesn't carry (RFC 7348, 6.1). Give "
     "the VLAN a VNI of its own, and let the sender take the tag off; or `vxlan: {inner-vlan: carry}`."},
    {"tagged-into-tunnel",
     "The frame has a VLAN tag, and would go to another host in a tunnel, which doesn't carry tags (RFC 7348, "
     "6.1). Give the VLAN a network with a VNI of its own; or, on all hosts, `vxlan: {inner-vlan: carry}`."},
    {"vxlan-ecn",
     "The underlay marked a tunnel packet for congestion, but the inner packet does not support ECN marks, so "
     "it is dropped instead (RFC 6040, 4.2). Expected in congestion."},
    {"unknown-vni",
     "A tunnel packet has a VNI that no network of this switch has. Give a network that `vni`, or take this "
     "host off the sender's list of remotes."},
    {"unknown-remote",
     "A tunnel packet whose sender isn't among the network's `remotes`. If it should be, add it there."},
    {"underlay-transit",
     "A packet came from the underlay to this host's MAC address there, but for another host's IP address. The "
     "switch does not route between hosts of the underlay. Look at the sender's routes."},
    {"vxlan-port",
     "The packet, or its answer, would be routed to the VXLAN port (UDP 4789, if `underlay: {udp-port}` is no "
     "other) of a host in the underlay's network, which could take it for a frame of this switch's networks; or "
     "it is an ICMP error about such a packet. Only the switch's own tunnels send to that port there. Look at the "
     "sender; if it has VXLAN of its own, let that use another port."},
    {"flat-network",
     "The frame was for another station of a `flat` network, whose ports are not bridged: all packets go "
     "through the router. Look at the routes inside the container: its address is a /32 or /128."},
    {"malformed-ip",
     "The IP header of a packet for the router is wrong: its version, a length, or the header checksum (RFC "
     "1812, 5.2.2). Or, from a port with declared addresses: the header is wrong or has more extension headers "
     "or tags than the switch reads, or the packet ends inside its UDP header. Look at the sender."},
    {"malformed-neighbor",
     "An ARP or Neighbor Discovery message is malformed (RFC 826; RFC 4861, 7.1). Look at the sender."},
    {"not-for-router",
     "The frame was sent to the router's MAC address and is neither IP nor ARP. Look at the sender."},
    {"martian",
     "The source or destination is an address that is never routed: loopback, this network, multicast or "
     "reserved (RFC 1812, 5.3.7). Look at the sender."},
    {"source-route",
     "The packet carries a source route, which the switch doesn't follow (RFC 7126, RFC 5095). Look at the "
     "sender."},
    {"beyond-scope",
     "The source or destination is a link-local address, which is never routed (RFC 3927, 7; RFC 4291, 2.5.6), "
     "whatever the configuration. Give the sender an address of its network's subnet."},
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
     "The neighbor's MAC address is not known yet, and the queue of packets that wait for it is full. A few "
     "are expected at the start of a conversation; otherwise see `sluicectl neighbor list`."},
    {"host-unreachable",
     "The next station on the way did not answer the request for its MAC address (ARP, Neighbor Discovery). Is "
     "the station up, and in that subnet? `sluicectl neighbor list`."},
    {"fragmentation-needed",
     "The packet is longer than the MTU of its next link and may not be fragmented; the sender was told "
     "(ICMP). A few are expected of path MTU discovery."},
    {"no-listener",
     "The packet was for an address of the switch itself, and nothing listens there: it answers pings, DNS "
     "queries "
     "at the gateways (`dns` at the network), and DHCP where the network has `dhcp`."},
    {"responder-busy",
     "The packet was a question to the switch itself (a name, an address), and too many wait for their answers: "
     "of "
     "this port, or of all. Look at how many the port's station asks."},
    {"denied",
     "A rule of an ACL, or the end of its list, denies the packet; or NetworkPolicies isolate a pod, and no rule "
     "of theirs permits it; or no NetworkPolicy selects a pod, and `policy: {default: deny}` holds: `sluicectl "
     "drops --last` says which."},
    {"rejected",
     "A rule of an ACL rejects the packet, and the sender was told (TCP RST or ICMP): `sluicectl drops "
     "--last` says which."},
    {"no-connection",
     "The packet belongs to no known connection and does not begin one. Either NAT would give its sender another "
     "address, or it is a TCP segment and `flows: {pick-up: false}` forbids picking up a connection in the "
     "middle. "
     "Expected after a restart."},
    {"fragment-unknown",
     "A later fragment is decided as its packet's first fragment was, but that did not come within two "
     "seconds, or too many later fragments waited (64 per port). Look for loss on the sender's path, and at "
     "its MTU."},
    {"flow-table-full",
     "There was no room in the flow table for a new connection that a policy decides: established connections "
     "use it all. Raise `flows: {size}`; `sluicectl flow count` shows which ports have how many."},
    {"flow-share",
     "There was no room for a new connection: the flow table is full, and the port has reached its share of "
     "new connections or the address has an eighth of the table. Look at the connections that it opens: "
     "`sluicectl flow count`, `sluicectl flow list`."},
    {"no-endpoint",
     "The Service has no endpoint that takes connections, so its sender is told at once (a TCP reset, or ICMP "
     "\"port unreachable\"). `sluicectl service show` says why."},
    {"no-local-endpoint",
     "The Service takes connections from there only to endpoints of this host (its traffic policy is Local), and "
     "this host has none that takes connections."},
    {"no-service-port",
     "The address is a Service's, and the Service has no such port. `sluicectl service show` lists its ports."},
    {"service-source", "The Service does not take connections from this source: `loadBalancerSourceRanges`."},
    {"nat-exhausted",
     "NAT has no outside address or port left for a new connection. Give it more `addresses`, or look for whoever "
     "uses most: `sluicectl nat list`."},
    {"nat-host-limit",
     "The sender's address has as many connections through NAT as one may have: `ports-per-host`, or its fair "
     "share "
     "of the table. `sluicectl nat list` shows who uses most."},
    {"nat-busy",
     "NAT's entry for the sender was in use for too long by a thread that the kernel has interrupted. The "
     "sender's "
     "next packet tries again. If there are many, give workers cores of their own (`workers: {cores: ...}`)."},
    {"tuple-taken",
     "Answers to the new connection could not be told from those of another one, which a Service or NAT has "
     "turned "
     "to the same end, and the port of this one can't be changed. The sender's next port will do: "
     "`sluicectl flow list` shows the other one."},
    {"background",
     "A message that every host sends unasked (MLD, IGMP, router solicitations, ARP and ND about its own "
     "address, mDNS, LLMNR, SSDP, NetBIOS) and that had no receiver: the network has no other member or is "
     "`flat`, a policy denies the message, or the frame is in no network; or an ARP or ND request on the "
     "underlay's link for another station there. Expected. `sluicectl drops --last --all` shows them."},
    {"port-down",
     "The port that the destination's MAC or IP address is declared for is down, or the underlay's port is, "
     "for a tunnel. (A declared address stays with its port.) `sluicectl port show` says why."},
    {"link-down",
     "The other end of the egress port is missing: no guest is connected, or its driver has not started. "
     "`sluicectl port show` shows the state."},
    {"tagged-on-native",
     "The frame would leave a trunk untagged, in the native VLAN, but has a tag of its own, so the other end "
     "would take it for a frame of another VLAN. Make its network a tagged one of the trunk."},
    {"too-big", "The frame is longer than the MTU of its egress port. Give both ends the same `mtu:`."},
    {"too-long-for-peer",
     "The frame fits the port's MTU but not the MTU of the port's interface, or of the interface at the other "
     "end (of a veth, say). Give both ends the same `mtu:`."},
    {"no-buffer", "No packet buffer was left for a copy or a segment. Raise `memory.buffers`."},
    {"ingress-rate-limit",
     "More traffic went to the port's guest than `rate-limit: {ingress: ...}` of the port allows. Expected of TCP "
     "at "
     "its limit; raise `rate` or `burst` otherwise."},
    {"transmit-full",
     "The receiver doesn't take frames as fast as they come: its queue was full. Expected when a "
     "receiver is overloaded; otherwise give it more `queues:` or CPU."},
    {"transmit-failed", "The device refused the frame. `sluicectl port show` has the last error."},
    {"interface-down", "The interface inside the container is down. Set it up there: `ip link set IF up`."},
}};

// Whether the reason is counted at the ingress port. (kNoBuffer of the responder is an exception.)
constexpr bool is_of_ingress(Drop reason) noexcept { return reason < Drop::kPortDown; }

// Reasons that count as kBackground for a message that hosts send unasked (background.h), since its drop is no
// loss.
constexpr bool may_be_background(Drop reason) noexcept {
    return reason == Drop::kNoMember || reason == Drop::kFlatNetwork || reason == Drop::kDenied ||
           reason == Drop::kRejected || reason == Drop::kNoNetwork || reason == Drop::kVlanNotAllowed;
}

constexpr const DropText& text(Drop reason) noexcept {
    return kDropTexts[static_cast<size_t>(reason)];
}

}  // namespace sluice::path
