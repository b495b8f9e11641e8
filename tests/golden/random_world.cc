#include "golden/random_world.h"

#include <fmt/format.h>

#include <map>

namespace sluice::golden {
namespace {

constexpr uint16_t kBlueVlan = 10;
constexpr uint16_t kRedVlan = 20;

}  // namespace

// Two networks on five ports: bridges, or routed, with a trunk by chance.
World make_world(Random& random) {
    World world;
    world.is_routed = random.chance(60);
    const bool has_trunk = random.chance(40);
    std::string ports;
    std::map<std::string, std::string> statics;
    for (size_t i = 0; i < kWorldDevices.size(); ++i) {
        const bool is_trunk = has_trunk && i == 4;
        const std::string own = i < 3 ? "blue" : "red";
        const std::string native = is_trunk && random.chance(40) ? ", native: red" : "";
        const std::string where = !is_trunk         ? "network: " + own
                                  : native.empty() ? "trunk: {networks: [blue, red]}"
                                                   : "trunk: {networks: [blue]" + native + "}";
        const bool guarded = !is_trunk && random.chance(30);
        const int count = is_trunk ? 2 : guarded ? 1 : 1 + static_cast<int>(random.below(2));
        for (int n = 0; n < count; ++n) {
            Station station;
            station.network = is_trunk ? (n == 0 ? "blue" : "red") : own;
            const auto host = static_cast<int>(i * 4 + 1) + n;
            const bool blue = station.network == "blue";
            station.mac = fmt::format("02:00:00:00:00:{:02x}", host);
            station.v4 = fmt::format("10.0.{}.{}", blue ? 0 : 1, host);
            station.v6 = fmt::format("fd00:{}::{:x}", blue ? "a" : "b", host);
            station.device = i;
            if (is_trunk) station.vlan = blue ? kBlueVlan : native.empty() ? kRedVlan : uint16_t{0};
            if (random.chance(40)) {
                statics[station.network] +=
                    fmt::format("{{mac: '{}', port: {}}}, ", station.mac, kWorldDevices[i]);
            }
            world.stations.push_back(station);
        }
        ports += fmt::format("  - {{name: {0}, device: net_ring_{0}, {1}", kWorldDevices[i], where);
        if (guarded) {
            const Station& station = world.stations.back();
            ports += fmt::format(", mac: '{}', address: [{}, '{}']", station.mac, station.v4, station.v6);
        }
        if (random.chance(15)) ports += ", mtu: 600";
        ports += "}\n";
    }
    for (const std::string name : {"blue", "red"}) {
        const char* third = name == "blue" ? "0" : "1";
        const char* letter = name == "blue" ? "a" : "b";
        world.networks_and_ports += fmt::format(
            "  - {{name: {}, vlan: {}, subnets: [10.0.{}.0/24, 'fd00:{}::/64'], static: [{}]{}}}\n", name,
            name == "blue" ? kBlueVlan : kRedVlan, third, letter, statics[name],
            world.is_routed ? fmt::format(", gateway: [10.0.{}.254, 'fd00:{}::fe']", third, letter) : "");
    }
    world.networks_and_ports = "networks:\n" + world.networks_and_ports + "ports:\n" + ports;
    if (world.is_routed) {
        Station far = random.one_of(world.stations);
        world.networks_and_ports += fmt::format(
            "routes:\n  - {{to: 10.9.0.0/16, via: {}}}\n  - {{to: 'fd00:9::/64', via: '{}'}}\n"
            "  - {{to: 10.8.0.0/16, type: blackhole}}\n  - {{to: 10.7.0.0/16, type: unreachable}}\n",
            far.v4, far.v6);
        far.v4 = "10.9.0.5";
        far.v6 = "fd00:9::5";
        far.far = true;
        world.stations.push_back(far);
    }
    return world;
}

namespace {

std::string make_peers(Random& random, const World& world, bool v4) {
    const Station& station = random.one_of(world.stations);
    switch (random.below(4)) {
        case 0: return v4 ? random.one_of({"10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/29", "10.9.0.0/16"})
                          : random.one_of({"'fd00:a::/64'", "'fd00:b::/64'", "'fd00:9::/64'"});
        case 1: return random.one_of({"few", "some"});
        default: return v4 ? station.v4 : "'" + station.v6 + "'";
    }
}

std::string make_rule(Random& random, const World& world) {
    const std::string action = random.chance(65) ? "permit" : random.one_of({"deny", "reject"});
    const std::string protocol = random.one_of({"", "", "tcp", "tcp", "tcp", "udp", "udp", "icmp", "icmpv6"});
    std::string match;
    auto ask = [&](const std::string& key, const std::string& value) {
        match += (match.empty() ? "" : ", ") + key + ": " + value;
    };
    if (!protocol.empty()) ask("proto", protocol);
    const bool v4 = protocol == "icmpv6" ? false : protocol == "icmp" || random.chance(60);
    if (random.chance(30)) ask("from", "[" + make_peers(random, world, v4) + "]");
    if (random.chance(30)) ask("to", "[" + make_peers(random, world, v4) + "]");
    if (protocol == "tcp" || protocol == "udp") {
        if (random.chance(60)) ask("port", random.one_of({"80", "[53, 443]", "50-90", "[22, 1000-2000]"}));
        if (random.chance(10)) ask("from-port", random.one_of({"1000", "1001-1010"}));
    }
    if (protocol == "tcp" && random.chance(15)) ask("tcp-flags", random.one_of({"[syn, '!ack']", "[ack]"}));
    if (protocol == "icmp" && random.chance(60)) ask("type", random.one_of({"8", "0", "3"}));
    if (protocol == "icmpv6" && random.chance(60)) ask("type", random.one_of({"128", "129", "1"}));
    if (random.chance(5)) ask("dscp", "46");
    if (random.chance(5)) ask("fragments", random.one_of({"true", "false"}));
    const bool stateless = action == "permit" && random.chance(25);
    return fmt::format("{{{}: {{{}}}{}}}", action, match, stateless ? ", stateful: false" : "");
}

}  // namespace

std::string make_acls(Random& random, const World& world) {
    std::string text = "address-sets:\n  - {name: few, addresses: [10.0.0.1, 'fd00:a::1']}\n"
                       "  - {name: some, addresses: [10.0.0.0/28, 10.0.1.13, 'fd00:b::/64']}\nacls:\n";
    const uint32_t count = 1 + random.below(4);
    for (uint32_t i = 0; i < count; ++i) {
        std::string rules;
        for (uint32_t n = random.below(6); n > 0; --n) rules += make_rule(random, world) + ", ";
        if (random.chance(40)) rules += "{permit: {}}";
        const std::string where = random.chance(70)
                                      ? "port: " + random.one_of(kWorldDevices)
                                      : std::string("network: ") + random.one_of({"blue", "red"});
        text += fmt::format("  - {{name: acl{}, apply: {{{}, direction: {}}}, rules: [{}]}}\n", i, where,
                            random.one_of({"ingress", "egress"}), rules);
    }
    return text;
}

}  // namespace sluice::golden
