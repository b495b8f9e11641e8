// What a golden test is: a configuration, packets in, frames out and drops counted.
#pragma once

#include <iostream>

#include "golden/harness.h"

namespace sluice::golden {

using path::Drop;
using test::Bytes;
using test::Packet;
using test::Unfinished;

struct In {
    std::string port;
    Bytes frame;
    std::optional<Unfinished> unfinished = {};
    std::vector<size_t> chain = {};  // how the frame is spread over buffers
    int times = 1;                   // in one batch
};

struct Out {
    std::string port;
    Bytes frame;
    int times = 1;
};

struct Row {
    std::string name;
    std::string configuration;
    std::vector<In> in;  // one after the other, each in a batch of its own
    std::vector<Out> out = {};
    std::vector<std::tuple<std::string, Drop, uint64_t>> drops = {};
    std::optional<unsigned> buffers_left = {};  // in the pool, once the packets are in
};

// How gtest shows a row that failed.
inline void PrintTo(const Row& row, std::ostream* stream) {
    *stream << row.name;
}

// Ports are called as their devices.
inline std::string port(const std::string& name, const std::string& network = "blue",
                 const std::string& more = "") {
    return "  - {name: " + name + ", device: net_ring_" + name +
           (network.empty() ? "" : ", network: " + network) + more + "}\n";
}

inline const std::string kBlue = "networks: [{name: blue}]\nports:\n";
inline const std::string kThree = kBlue + port("a") + port("b") + port("c");

inline constexpr std::string_view kA = test::kMacA;
inline constexpr std::string_view kB = test::kMacB;
inline constexpr std::string_view kC = "02:00:00:00:00:0c";
inline constexpr std::string_view kBroadcast = "ff:ff:ff:ff:ff:ff";

// A plain frame from one station to another.
inline Bytes plain(std::string_view from, std::string_view to, size_t size = 100) {
    return Packet().eth(from, to).ipv4("10.0.0.1", "10.0.0.2").udp(7, 7).payload(size);
}

// The rows of layer 2 beyond a plain bridge: VLANs, port security, limits, groups, mirrors.
std::vector<Row> layer2_rows();
// What the switch does as a router.
std::vector<Row> route_rows();
// Who may say which address it has, what is learned of stations, and whom the switch answers.
std::vector<Row> station_rows();
// Networks that span hosts.
std::vector<Row> vxlan_rows();
// A NIC that carries tunnels and all else.
std::vector<Row> one_nic_rows();
// ACLs and the connections that they let in.
std::vector<Row> policy_rows();
// Services and NAT.
std::vector<Row> translation_rows();

// The router's MAC address in a network that spans no hosts, as the harness calls its switch.
inline std::string router_of(const std::string& network) {
    engine::NetworkConfig config;
    config.name = network;
    return engine::router_mac(config, "golden").text();
}

// A frame from its IP header on, as ICMP errors quote it.
inline Bytes packet_of(const Bytes& frame) { return Bytes(frame.begin() + 14, frame.end()); }

// What the switch makes itself is as long as Ethernet wants it: 60 bytes without the checksum.
inline Bytes padded(Bytes frame) {
    if (frame.size() < 60) frame.resize(60);
    return frame;
}

// As the switch hashes a frame's flow.
uint32_t hash_of(const Bytes& frame);

}  // namespace sluice::golden
