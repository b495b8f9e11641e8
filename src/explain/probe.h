// The packet of a dry run: its sender, its ingress port, and its bytes as the sender's own kernel would write
// them. Control thread.
#pragma once

#include <rte_mbuf.h>

#include <optional>
#include <string>

#include "engine/switch.h"
#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::explain {

// A user's request: a packet of this protocol from one end to the other.
struct Question {
    std::string from;  // the name of a port, or an IP address
    std::string to;    // a port's name, an IP address or a MAC address
    wire::Protocol protocol = wire::Protocol::kTcp;  // kTcp, kUdp, kSctp, kIcmp (of IPv6: ICMPv6)
    uint16_t source_port = 40000;
    uint16_t destination_port = 80;
    // Of the ports `from` and `to`, in place of those that they declare (pod_end.h).
    std::optional<IpAddress> from_address;
    std::optional<IpAddress> to_address;
    // The following are chosen as the sender would, unless given.
    std::optional<uint32_t> length;  // bytes of the IP packet
    std::optional<bool> df;          // whether DF is set, for IPv4
    std::optional<uint16_t> vlan;    // the VLAN ID of its tag; 0: no tag
    std::optional<MacAddress> source_mac;
    std::optional<MacAddress> destination_mac;
};

// One end of the packet's way.
struct End {
    const engine::HeldPort* port = nullptr;  // null: a station behind a remote host, or the switch itself
    path::PortId id = path::kNoPort;         // of the port or tunnel
    std::string network;                     // empty: none
    IpAddress address;
    IpAddress station;                       // the next hop's if there is one, otherwise `address`
    uint64_t mac = 0;                        // path::mac_key() of the station
    bool is_assumed_address = false;         // the port declares no address
};

struct Probe {
    End from;
    End to;                  // its `port` is null if only routing can determine it
    std::vector<End> others; // stations to which a multipath route may send it
    uint64_t destination_mac = 0;
    uint16_t vlan = 0;       // the tag for its port's trunk; 0: none
    bool is_on_link = false; // the destination is on the sender's own link
    bool names_port = false; // the request names a port, not an address
    bool has_df = false;
};

// An error says what is unknown and what to give instead.
base::Result<Probe> find_probe(const engine::Switch& running, const Question& question);

// Null if no buffer is free.
rte_mbuf* build_probe(const port::Pools& pools, const Probe& probe, const Question& question);

}  // namespace sluice::explain
