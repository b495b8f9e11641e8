#include "port/port_config.h"

#include <gtest/gtest.h>

namespace sluice::port {
namespace {

// The error of a port's keys, as the user reads it; empty for none.
std::string error_of(const std::string& yaml) {
    auto document = base::parse_yaml(yaml, "f");
    if (!document) return document.error()[0].text();
    PortConfig port;
    const base::Errors errors = base::read(*document, port);
    return errors.empty() ? "" : errors[0].text();
}

PortConfig read(const std::string& yaml) {
    auto document = base::parse_yaml(yaml, "f");
    PortConfig port;
    EXPECT_TRUE(document && base::read(*document, port).empty()) << error_of(yaml);
    return port;
}

TEST(PortConfig, ReadsEveryKeyOfAContainer) {
    const PortConfig port = read(
        "{name: web, netns: w, network: blue, interface: net0, mac: '02:00:00:00:00:01',\n"
        " address: [10.0.0.2/24, 'fd00::2'], routes: [{to: 0.0.0.0/0, via: 10.0.0.1}],\n"
        " mtu: 9000, queues: 4}");
    EXPECT_EQ(port.kind(), Kind::kNetns);
    EXPECT_EQ(port.netns, "w");
    EXPECT_EQ(port.network, "blue");
    EXPECT_EQ(port.interface_name(), "net0");
    EXPECT_EQ(port.mac->text(), "02:00:00:00:00:01");
    ASSERT_EQ(port.address.size(), 2u);
    EXPECT_EQ(port.address[0].text(), "10.0.0.2/24");
    EXPECT_FALSE(port.address[1].has_length());
    EXPECT_EQ(port.routes.at(0).via->text(), "10.0.0.1");
    EXPECT_EQ(port.mtu, 9000);
    EXPECT_EQ(port.queues, 4);
}

TEST(PortConfig, InterfacesHaveDefaultNames) {
    EXPECT_EQ(read("{name: web, netns: w}").interface_name(), "eth0");
    EXPECT_EQ(read("{name: up0, host: true}").interface_name(), "up0");
    EXPECT_EQ(read("{name: up0, host: true}").kind(), Kind::kHost);
    EXPECT_EQ(read("{name: d, device: net_null0}").kind(), Kind::kDevice);
}

TEST(PortConfig, WritesWhatItReads) {
    for (const char* yaml :
         {"{name: a, netns: w, address: [10.0.0.2], routes: [{to: 10.1.0.0/16}], mtu: 68}",
          "{name: a, host: true, network: n}", "{name: a, device: 'net_null0,size=60', queues: 16}",
          "{name: a, vhost-user: {path: /run/a.sock, mode: server, queues: 2, offloads: false, group: kvm}}",
          "{name: a, device: d, trunk: {networks: [x, y], native: z}, serves: [dhcp, ra],"
          " spoofing: allow, mac-limit: 3, split-horizon: g, flood-limit: {unknown: 7}}",
          "{name: a, netns: a, rate-limit: {ingress: {rate: 1.5G}, egress: {rate: 64k, burst: 32 KiB}}}",
          "{name: a, bond: {mode: lacp, members: ['net_x0,y=1', net_x1]}, network: n}",
          "{name: a, bond: {members: [net_x0], probe: {interval: 250, targets: [10.0.0.1, 'fd00::1'], vlan: 7}},"
          " trunk: {networks: [x]}}",
          "{name: a, netns: 'pid:12', accept-ra: true}", "{name: a, netns: '010'}"}) {
        const PortConfig port = read(yaml);
        EXPECT_EQ(read(base::to_yaml(base::write(port))), port) << yaml;
    }
}

TEST(PortConfig, IsOfExactlyOneKind) {
    const std::string message = "needs exactly one of `netns`, `host: true`, `vhost-user`, `device` and `bond`";
    EXPECT_EQ(error_of("{name: a}"), "netns (f:1:1): " + message);
    EXPECT_EQ(error_of("{name: a, host: false}"), "netns (f:1:1): " + message);
    EXPECT_EQ(error_of("{name: a, netns: w, host: true}"), "host (f:1:27): " + message);
    EXPECT_EQ(error_of("{name: a, netns: w, device: d}"), "device (f:1:29): " + message);
    EXPECT_EQ(error_of("{name: a, vhost-user: {path: /x}, device: d}"), "device (f:1:43): " + message);
    // Which one was meant is clear where it is wrong.
    EXPECT_EQ(error_of("{name: a, host: maybe}"), "host (f:1:17): expected true or false, found 'maybe'");
}

TEST(PortConfig, NeedsAName) {
    EXPECT_EQ(error_of("{netns: w}"), "f:1:1: the key 'name' is missing");
    EXPECT_NE(error_of("{name: '-a', netns: w}").find("is not a name"), std::string::npos);
    EXPECT_NE(error_of("{name: 'a/b', netns: w}").find("is not a name"), std::string::npos);
}

TEST(PortConfig, RefusesWhatNoInterfaceCanHave) {
    EXPECT_TRUE(
        error_of("{name: a, netns: w, mac: '01:00:00:00:00:01'}").starts_with("mac (f:1:26)"));
    EXPECT_TRUE(error_of("{name: a, netns: w, mac: '00:00:00:00:00:00'}").starts_with("mac "));
    EXPECT_TRUE(error_of("{name: a, netns: w, interface: a/b}").starts_with("interface "));
    EXPECT_TRUE(error_of("{name: sixteen-letters0, host: true}").starts_with("interface "));
    EXPECT_EQ(error_of("{name: sixteen-letters0, host: true, interface: h0}"), "");
    EXPECT_TRUE(error_of("{name: a, netns: ../x}").starts_with("netns "));
    EXPECT_TRUE(error_of("{name: a, netns: 'pid:x'}").starts_with("netns "));
    EXPECT_TRUE(error_of("{name: a, netns: w, mtu: 67}").starts_with("mtu "));
    EXPECT_TRUE(error_of("{name: a, netns: w, mtu: 65522}").starts_with("mtu "));
    EXPECT_TRUE(error_of("{name: a, netns: w, queues: 17}").starts_with("queues "));
}

TEST(PortConfig, RefusesARouteThroughTheOtherFamily) {
    EXPECT_EQ(error_of("{name: a, netns: w, routes: [{to: 0.0.0.0/0, via: 'fd00::1'}]}"),
              "routes[0].via (f:1:51): is of another address family than `to`");
}

TEST(PortConfig, ADeviceHasNoInterfaceInTheKernel) {
    for (const char* key : {"interface: e0", "routes: [{to: 10.0.0.0/8}]"}) {
        const std::string error = error_of(fmt::format("{{name: a, device: d, {}}}", key));
        EXPECT_TRUE(error.starts_with("device (f:1:19): has no interface in the kernel")) << error;
    }
}

TEST(PortConfig, ABondHasNoMemberThatCannotServeInIt) {
    EXPECT_EQ(error_of("{name: a, bond: {members: ['net_af_packet0,iface=e0', 'net_af_xdp1,iface=e1']}}"),
              "bond (f:1:17): has a member by net_af_xdp, whose driver takes no MAC address, without which DPDK starts "
              "no bond, and needs packet memory of its own: take net_af_packet for that interface");
    EXPECT_EQ(error_of("{name: a, bond: {members: ['net_af_packet0,iface=e0', 'net_af_packet1,iface=e1']}}"), "");
}

// Where nothing is said and nothing refused, the namespace's own settings hold.
TEST(PortConfig, InForceIsWhatSluiceSetsOfRouterAdvertisements) {
    const auto in_force = [](const std::string& keys) { return read("{name: a, " + keys + "}").in_force().accept_ra; };
    EXPECT_EQ(in_force("netns: w"), std::nullopt);
    EXPECT_EQ(in_force("host: true"), std::nullopt);
    EXPECT_EQ(in_force("netns: w, address: [10.0.0.1]"), false);
    EXPECT_EQ(in_force("netns: w, accept-ra: false"), false);
    EXPECT_EQ(in_force("netns: w, accept-ra: true, address: [10.0.0.1]"), true);
    EXPECT_EQ(in_force("device: net_null0, address: [10.0.0.1]"), std::nullopt) << "it has no interface";
}

TEST(PortConfig, AProbeAsksSomebodyWhereThatIsOfUse) {
    const auto error = [](const std::string& bond, const std::string& more = "") {
        return error_of(fmt::format("{{name: a, bond: {{members: [net_x0], {}}}{}}}", bond, more));
    };
    EXPECT_EQ(error("probe: {targets: 10.0.0.1}"), "");
    EXPECT_EQ(read("{name: a, bond: {members: [net_x0], probe: {targets: 10.0.0.1}}}").bond->probe->interval, 1000u);
    EXPECT_EQ(error("probe: {interval: 500}"), "bond.probe (f:1:44): the key 'targets' is missing");
    EXPECT_EQ(error("probe: {targets: []}"), "bond.probe.targets (f:1:54): takes 1 to 16 addresses");
    EXPECT_EQ(error("probe: {targets: [10.0.0]}").find("bond.probe.targets[0] (f:1:55): "), 0u);
    for (const char* interval : {"99", "60001", "1s"}) {
        EXPECT_EQ(error(fmt::format("probe: {{targets: 10.0.0.1, interval: {}}}", interval))
                      .find("bond.probe.interval (f:1:74): "), 0u);
    }
    EXPECT_EQ(error("mode: lacp, probe: {targets: 10.0.0.1}"),
              "bond.probe (f:1:56): is for `mode: active-backup`: with lacp the protocol finds the members that work");
    EXPECT_EQ(error("probe: {targets: 10.0.0.1, vlan: 7}"),
              "bond (f:1:17): has a `probe` with a VLAN ID, and isn't a trunk: leave `vlan` out");
    EXPECT_EQ(error("probe: {targets: 10.0.0.1, vlan: 7}", ", trunk: {networks: [x]}"), "");
    EXPECT_EQ(error("probe: {targets: 10.0.0.1, vlan: 4095}", ", trunk: {networks: [x]}").find(
                  "bond.probe.vlan (f:1:70): "), 0u);
}

TEST(PortConfig, AVirtualMachineHasItsInterfaceInside) {
    const PortConfig port = read("{name: a, vhost-user: {path: /run/a}, mac: '02:00:00:00:00:01'}");
    EXPECT_EQ(port.kind(), Kind::kVhostUser);
    EXPECT_EQ(port.vhost_user->mode, VhostMode::kClient);
    EXPECT_TRUE(port.vhost_user->offloads);
    for (const char* key : {"interface: e0", "routes: [{to: 10.0.0.0/8}]", "queues: 2"}) {
        const std::string error =
            error_of(fmt::format("{{name: a, vhost-user: {{path: /x}}, {}}}", key));
        EXPECT_TRUE(error.starts_with("vhost-user (f:1:23): has its interface in the guest")) << error;
    }
    EXPECT_TRUE(error_of("{name: a, vhost-user: {path: x}}").starts_with("vhost-user.path "));
    EXPECT_TRUE(error_of("{name: a, vhost-user: {path: /x, mode: y}}").starts_with("vhost-user.mode "));
    EXPECT_TRUE(error_of("{name: a, vhost-user: {path: /x, queues: 17}}").starts_with("vhost-user.queues "));
    EXPECT_TRUE(error_of("{name: a, vhost-user: {path: /x, group: kvm}}").starts_with("vhost-user.group "));
    EXPECT_EQ(error_of("{name: a, vhost-user: {mode: server}}"),
              "vhost-user (f:1:23): the key 'path' is missing");
}

TEST(PortConfig, ATrunkIsNotInANetworkToo) {
    const std::string waits =
        "would wait for the other end (server=1): have that one serve the socket, and leave server=1 out";
    EXPECT_EQ(error_of("{name: a, device: 'net_virtio_user0,path=/x,server=1'}"), "device (f:1:19): " + waits);
    EXPECT_EQ(error_of("{name: a, bond: {members: ['net_virtio_user0,path=/x,server=1']}}"), "bond (f:1:17): " + waits);
    EXPECT_EQ(error_of("{name: a, device: d, trunk: {networks: [x]}, network: y}"),
              "trunk (f:1:29): stands beside `network`: a port is in one network, or a trunk of several");
    EXPECT_EQ(error_of("{name: a, device: d, trunk: {}}"),
              "trunk.networks (f:1:29): needs at least one network");
    EXPECT_EQ(error_of("{name: a, device: d, trunk: {native: y}}"), "");
}

TEST(PortConfig, DeclaredAddressesNeedNoRouterAdvertisements) {
    EXPECT_TRUE(read("{name: a, netns: w}").accepts_ra());
    EXPECT_FALSE(read("{name: a, netns: w, accept-ra: false}").accepts_ra());
    EXPECT_FALSE(read("{name: a, netns: w, address: [10.0.0.2]}").accepts_ra());
    EXPECT_TRUE(read("{name: a, host: true, address: [10.0.0.2], accept-ra: true}").accepts_ra());
    EXPECT_EQ(error_of("{name: a, device: d, accept-ra: true}"),
              "accept-ra (f:1:33): is for interfaces that Sluice makes in a kernel: ports of the kinds netns and host");
}

TEST(PortConfig, WhoMayServe) {
    EXPECT_FALSE(read("{name: a, netns: w}").may_serve(Service::kDhcp));
    EXPECT_FALSE(read("{name: a, vhost-user: {path: /x}}").may_serve(Service::kRa));
    EXPECT_TRUE(read("{name: a, host: true}").may_serve(Service::kRa));
    EXPECT_TRUE(read("{name: a, host: true, address: [10.0.0.2]}").may_serve(Service::kDhcp));
    EXPECT_TRUE(read("{name: a, device: d}").may_serve(Service::kDhcp));
    EXPECT_FALSE(read("{name: a, device: d, address: [10.0.0.2]}").may_serve(Service::kDhcp));
    EXPECT_FALSE(read("{name: a, device: d, address: [10.0.0.2]}").may_serve(Service::kRa));
    EXPECT_TRUE(read("{name: a, device: d, address: [10.0.0.2], serves: [ra]}").may_serve(Service::kRa));
    EXPECT_FALSE(read("{name: a, device: d, serves: []}").may_serve(Service::kDhcp));
    EXPECT_TRUE(read("{name: a, netns: w, serves: [dhcp]}").may_serve(Service::kDhcp));
    EXPECT_FALSE(read("{name: a, netns: w, serves: [dhcp]}").may_serve(Service::kRa));
}

TEST(PortConfig, GuardedIsWhoHasDeclaredAddresses) {
    EXPECT_FALSE(read("{name: a, netns: w}").is_guarded());
    EXPECT_TRUE(read("{name: a, netns: w, address: [10.0.0.1]}").is_guarded());
    EXPECT_FALSE(read("{name: a, netns: w, address: [10.0.0.1], spoofing: allow}").is_guarded());
}

TEST(InterfaceName, IsWhatLinuxTakes) {
    for (const char* name : {"eth0", "a", "fifteen-letters", "veth@x", "é"}) {
        EXPECT_TRUE(is_interface_name(name)) << name;
    }
    for (const char* name : {"", ".", "..", "sixteen-letters0", "a/b", "a:b", "a b", "a\tb"}) {
        EXPECT_FALSE(is_interface_name(name)) << name;
    }
}

TEST(NetnsName, IsANameAPathOrAProcess) {
    for (const char* netns : {"web", "pid:1", "pid:123456789", "/var/run/netns/x", "..."}) {
        EXPECT_TRUE(is_netns(netns)) << netns;
    }
    for (const char* netns :
         {".", "..", "a/b", "pid:", "pid:0", "pid:007", "pid:-1", "pid:1234567890", "pid:1x"}) {
        EXPECT_FALSE(is_netns(netns)) << netns;
    }
}

}  // namespace
}  // namespace sluice::port
