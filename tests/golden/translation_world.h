// The networks, rules and packets of the tests of Services and NAT.
#pragma once

#include "golden/row.h"
#include "wire/headers.h"

namespace sluice::golden::translation {

using Tcp = wire::TcpHeader;

// Containers a, b and c are in one network, the server w is in another one, which knows no way to the containers.
inline constexpr std::string_view kMacOfA = "02:00:00:00:00:01";
inline constexpr std::string_view kMacOfB = "02:00:00:00:00:02";
inline constexpr std::string_view kMacOfC = "02:00:00:00:00:03";
inline constexpr std::string_view kMacOfW = "02:00:00:00:00:80";
inline constexpr std::string_view kA4 = "10.0.0.1";
inline constexpr std::string_view kB4 = "10.0.0.2";
inline constexpr std::string_view kC4 = "10.0.0.3";
inline constexpr std::string_view kW4 = "192.0.2.80";
inline constexpr std::string_view kOut4 = "192.0.2.1";
inline constexpr std::string_view kStatic4 = "192.0.2.33";
inline constexpr std::string_view kShop4 = "10.96.0.10";  // a is its back end
inline constexpr std::string_view kIdle4 = "10.96.0.11";  // has none
inline constexpr std::string_view kEdge4 = "192.0.2.10";  // on the link of w; b is its back end
inline constexpr std::string_view kA6 = "fd00:a::1";
inline constexpr std::string_view kB6 = "fd00:a::2";
inline constexpr std::string_view kW6 = "2001:db8::80";
inline constexpr std::string_view kOut6 = "2001:db8::1";
inline constexpr std::string_view kShop6 = "fd00:96::a";

inline const std::string kPods = router_of("pods");
inline const std::string kOut = router_of("out");

inline std::string networks_and_ports(const std::string& more_of_w = "") {
    return "networks:\n"
           "  - {name: pods, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}\n"
           "  - {name: out, subnets: [192.0.2.0/24, '2001:db8::/64'], gateway: [192.0.2.1, '2001:db8::1']}\n"
           "ports:\n" +
           port("a", "pods", ", mac: '" + std::string(kMacOfA) + "', address: [10.0.0.1, 'fd00:a::1']") +
           port("b", "pods", ", mac: '" + std::string(kMacOfB) + "', address: [10.0.0.2, 'fd00:a::2']") +
           port("c", "pods", ", mac: '" + std::string(kMacOfC) + "', address: [10.0.0.3]") +
           port("d", "out", ", mac: '" + std::string(kMacOfW) + "', address: [192.0.2.80, '2001:db8::80']" + more_of_w);
}
inline const std::string kRules =
    "nat:\n"
    "  - {name: way-out, masquerade: [pods], out: out, ipv6: true}\n"
    "  - {name: www, static: {inside: 10.0.0.3, outside: 192.0.2.33}, out: out}\n"
    "publish:\n"
    "  - {address: 192.0.2.1, port: 8080, to: 'a:80'}\n"
    "services:\n"
    "  - {name: shop, address: [10.96.0.10, 'fd00:96::a'],\n"
    "     ports: [{port: 80, to: 8080}, {port: 53, proto: udp}],\n"
    "     backends: [{address: 10.0.0.1}, {address: 'fd00:a::1'}]}\n"
    "  - {name: idle, address: [10.96.0.11], ports: [{port: 80}, {port: 53, proto: udp}]}\n"
    "  - {name: edge, address: [192.0.2.10], ports: [{port: 80}], backends: [{address: 10.0.0.2}]}\n";
inline const std::string kAll = networks_and_ports() + kRules;

// From a station to the router, and from the router to a station. With addresses as the packet shows them.
inline Packet from_a(std::string_view to, uint8_t protocol = 253) {
    return Packet().eth(kMacOfA, kPods).ipv4(kA4, to, protocol);
}
inline Packet from_b(std::string_view to, uint8_t protocol = 253) {
    return Packet().eth(kMacOfB, kPods).ipv4(kB4, to, protocol);
}
inline Packet from_c(std::string_view to, uint8_t protocol = 253) {
    return Packet().eth(kMacOfC, kPods).ipv4(kC4, to, protocol);
}
inline Packet from_w(std::string_view to, uint8_t protocol = 253) {
    return Packet().eth(kMacOfW, kOut).ipv4(kW4, to, protocol);
}
inline Packet to_a(std::string_view from, uint8_t protocol = 253) {
    return Packet().eth(kPods, kMacOfA).ipv4(from, kA4, protocol).ttl(63);
}
inline Packet to_b(std::string_view from, uint8_t protocol = 253) {
    return Packet().eth(kPods, kMacOfB).ipv4(from, kB4, protocol).ttl(63);
}
inline Packet to_c(std::string_view from, uint8_t protocol = 253) {
    return Packet().eth(kPods, kMacOfC).ipv4(from, kC4, protocol).ttl(63);
}
inline Packet to_w(std::string_view from, uint8_t protocol = 253) {
    return Packet().eth(kOut, kMacOfW).ipv4(from, kW4, protocol).ttl(63);
}
// The same in IPv6.
inline Packet from_a6(std::string_view to) { return Packet().eth(kMacOfA, kPods).ipv6(kA6, to); }
inline Packet from_b6(std::string_view to) { return Packet().eth(kMacOfB, kPods).ipv6(kB6, to); }
inline Packet from_w6(std::string_view to) { return Packet().eth(kMacOfW, kOut).ipv6(kW6, to); }
inline Packet to_a6(std::string_view from) { return Packet().eth(kPods, kMacOfA).ipv6(from, kA6).ttl(63); }
inline Packet to_b6(std::string_view from) { return Packet().eth(kPods, kMacOfB).ipv6(from, kB6).ttl(63); }
inline Packet to_w6(std::string_view from) { return Packet().eth(kOut, kMacOfW).ipv6(from, kW6).ttl(63); }

inline Packet ping(Packet packet, uint16_t id = 7000) { return packet.icmp_echo(id, 1).payload(20); }
inline Packet pong(Packet packet, uint16_t id = 7000, bool is_ipv6 = false) {
    return packet.icmp(is_ipv6 ? 129 : 0, 0, uint32_t{id} << 16 | 1).payload(20);
}

// An ICMP error about that frame, which it quotes as far as `most` bytes.
inline Packet error(Packet packet, uint8_t type, uint8_t code, const Bytes& about, size_t most = 28, uint32_t rest = 0) {
    Bytes quoted = packet_of(about);
    quoted.resize(std::min(quoted.size(), most));
    return packet.icmp(type, code, rest).payload(quoted);
}
// The switch's own to c and b, about a frame of theirs.
inline Packet switch_error(std::string_view mac, std::string_view to, uint8_t type, uint8_t code, const Bytes& about,
                    uint32_t rest = 0) {
    return error(Packet().eth(kPods, mac).ipv4("10.0.0.254", to).traffic_class(0xc0).fragment(0), type, code, about,
                 548, rest);
}

}  // namespace sluice::golden::translation
