// The packet that a question is about: who would send it, where it would enter the switch, and its bytes, as
// the sender's own kernel would write them. Control thread.
#pragma once

#include <rte_mbuf.h>

#include <optional>
#include <string>

#include "engine/switch.h"
#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::explain {

// What a person asks: a packet of this protocol from one end to the other.
struct Question {
    std::string from;  // the name of a port, or an IP address
    std::string to;    // the same, or a MAC address
    wire::Protocol protocol = wire::Protocol::kTcp;  // kTcp, kUdp, kSctp, kIcmp (of IPv6: ICMPv6)
    uint16_t source_port = 40000;
    uint16_t destination_port = 80;
    // What the sender would choose by itself, where nothing stands here.
    std::optional<uint32_t> length;  // bytes of the IP packet
    std::optional<bool> df;          // whether it may not be fragmented, of IPv4
    std::optional<uint16_t> vlan;    // the ID of the tag that it comes with; 0: none
    std::optional<MacAddress> source_mac;
    std::optional<MacAddress> destination_mac;
};

// One end of it.
struct End {
    const engine::HeldPort* port = nullptr;  // null: a remote host's station, or the switch itself
    path::PortId id = path::kNoPort;         // the port's, or a tunnel's
    std::string network;                     // empty: none
    IpAddress address;
    IpAddress station;                       // the next hop's where it is behind one, else its own
    uint64_t mac = 0;                        // path::mac_key(), the station's
    bool is_assumed_address = false;         // the port declares none
};

struct Probe {
    End from;
    End to;                  // its `port` is null where only routing can tell
    std::vector<End> others; // stations that a route to several may send it to
    uint64_t destination_mac = 0;
    uint16_t vlan = 0;       // that its port's trunk wants; 0: none
    bool is_on_link = false; // on the sender's own link
    bool names_port = false; // the question is about a port, not about an address
    bool has_df = false;
};

// An error says what is not known, and what to give instead.
base::Result<Probe> find_probe(const engine::Switch& running, const Question& question);

// Null where no buffer is left.
rte_mbuf* build_probe(const port::Pools& pools, const Probe& probe, const Question& question);

}  // namespace sluice::explain
