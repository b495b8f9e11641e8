"""The role of the switch between ports A and B in a scenario: a bridge, a router, one end of a tunnel.
Each setup has the configurations of Sluice, of OVS and, if it has vpp(), of VPP for the role, and the frames that B sends
beforehand, so that all switches run the same frames. Routers have fixed MAC addresses (ROUTER_A,
ROUTER_B), because the frames are made before any switch starts."""

import atexit
import ipaddress
import json
import os
import shutil
import tempfile

from lib.packets import A, B, advertisement, arp_reply, mac

ROUTER_A, ROUTER_B = mac(0xC, 1), mac(0xC, 2)
VNI = 100
LOCAL, REMOTE = "192.0.2.1", "192.0.2.2"  # tunnel end points
REMOTE_MAC = mac(0xD, 1)
HOPS = 8


def text(address):
    """The text of a MAC address."""
    return address.hex(":")


def number(address):
    return int(ipaddress.IPv4Address(address))


class Bridge:
    """Both ports, or as many as there are, in one network that learns."""

    has_ovs = True  # whether OVS can be set up for the same role

    def sluice(self, devices, table_size):
        """Sections of sluice.yaml."""
        return {"networks": [{"name": "bench", "mac-table-size": table_size}],
                "ports": [{"name": n, "device": d, "network": "bench"}
                          for n, d in zip(["a", "b", *(f"p{n}" for n in range(2, len(devices)))], devices)]}

    def bulk_routes(self):
        """(prefix, next hop) of the routes that are loaded after the start."""
        return []

    def ovs_bridge(self, table_size):
        """Settings of br0."""
        return [f"other_config:mac-table-size={table_size}"]

    def ovs(self, switch, devices):
        for i, device in enumerate(devices):
            switch.add_port(f"p{i}", "dpdk", dpdk_devargs=device)

    def vpp(self, switch):
        switch.tell_all(f"set interface {words}" for interface in switch.interfaces
                        for words in (f"l2 bridge {interface} 1", f"state {interface} up"))


class Firewall(Bridge):
    """A bridge with an ACL in front of B, whose rules are kept by connection. `rules` are (what of sluice.yaml,
    what of an OpenFlow match) of the denials before the one that lets `protocol` to port 5000 in."""

    def __init__(self, rules, flows, protocol="udp"):
        self.rules, self.flows, self.protocol = rules, flows, protocol

    def sluice(self, devices, table_size):
        sections = super().sluice(devices, table_size)
        rules = [{"deny": match} for match, _ in self.rules()]
        rules.append({"permit": {"proto": self.protocol, "port": 5000}})
        sections["acls"] = [{"name": "edge", "apply": {"port": "b", "direction": "ingress"}, "rules": rules}]
        sections["flows"] = {"size": self.flows}
        return sections

    def ovs(self, switch, devices):
        super().ovs(switch, devices)
        flows = ["table=0,priority=2,ip,ct_state=-trk,actions=ct(table=1)", "table=0,priority=1,actions=normal",
                 "table=1,priority=50000,ct_state=+trk+est,actions=normal"]
        flows += [f"table=1,priority={40000 - n},ct_state=+trk+new,in_port=p0,{match},actions=drop"
                  for n, (_, match) in enumerate(self.rules())]
        flows.append(f"table=1,priority=100,ct_state=+trk+new,in_port=p0,{self.protocol},tp_dst=5000,"
                     "actions=ct(commit),normal")
        switch.add_flows("br0", flows)

    def vpp(self, switch):
        """The acl plugin's sessions stand for connections: what B's port lets out may answer. Of a deny rule it
        takes one prefix and one port, as ours are."""
        super().vpp(switch)
        numbers = {"tcp": 6, "udp": 17}
        anything = ["0.0.0.0/0"]
        rules = [" ".join(["deny", f"src {match.get('from', anything)[0]} dst {match.get('to', anything)[0]}",
                           *([f"proto {numbers[match['proto']]}"] if "proto" in match else []),
                           *([f"dport {match['port']}"] if "port" in match else [])])
                 for match, _ in self.rules()]
        rules.append(f"permit+reflect src 0.0.0.0/0 dst 0.0.0.0/0 proto {numbers[self.protocol]} dport 5000")
        side = switch.interfaces[1]
        switch.tell_all([f"set acl-plugin acl {', '.join(rules)}",
                         "set acl-plugin acl deny src 0.0.0.0/0 dst 0.0.0.0/0",
                         f"set acl-plugin interface {side} output acl 0",
                         f"set acl-plugin interface {side} input acl 1"])


class Pods(Bridge):
    """A bridge between two pods, with NetworkPolicies for many apps in one namespace: those of B's app let others in
    first, and A's app at last, by UDP to port 5000."""

    has_ovs = False
    OF_B = 10  # policies that select B

    def __init__(self, policies, flows):
        self.policies, self.flows = policies, flows

    def objects(self):
        for n in range(self.policies):
            is_of_b = n % (self.policies // self.OF_B) == 0
            peer = "client" if n == self.policies - self.policies // self.OF_B else f"app{n}"
            yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                   "metadata": {"name": f"policy-{n}", "namespace": "default"},
                   "spec": {"podSelector": {"matchLabels": {"app": "server" if is_of_b else f"app{n}"}},
                            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": peer}}}],
                                         "ports": [{"protocol": "UDP", "port": 5000}]}]}}

    def sluice(self, devices, table_size):
        sections = super().sluice(devices, table_size)
        for port, app in zip(sections["ports"], ("client", "server")):
            port["labels"] = {"app": app}
        file = os.path.join(tempfile.mkdtemp(prefix="sluice-bench-"), "policies.json")
        atexit.register(shutil.rmtree, os.path.dirname(file))
        with open(file, "w") as text_of:
            json.dump({"apiVersion": "v1", "kind": "List", "items": list(self.objects())}, text_of)
        return {**sections, "manifests": [file], "flows": {"size": self.flows}}


class Filtered:
    """Another setup, with an ACL in front of B that permits connections by UDP to port 5000."""

    has_ovs = False

    def __init__(self, setup, flows):
        self.setup, self.flows = setup, flows

    def sluice(self, devices, table_size):
        sections = self.setup.sluice(devices, table_size)
        rules = [{"permit": {"proto": "udp", "port": 5000}}]
        sections["acls"] = [{"name": "edge", "apply": {"port": "b", "direction": "ingress"}, "rules": rules}]
        sections["flows"] = {"size": self.flows}
        return sections

    def bulk_routes(self):
        return self.setup.bulk_routes()


class Guarded:
    """Another setup, whose ports declare a MAC address and IP addresses, as those of containers and guests do:
    they may send from no other, and serve neither DHCP nor router advertisements. `ports` has (MAC address,
    addresses) of each, `subnets` those of the network."""

    has_ovs = False

    def __init__(self, setup, ports, subnets):
        self.setup, self.ports, self.subnets = setup, ports, subnets

    def sluice(self, devices, table_size):
        sections = self.setup.sluice(devices, table_size)
        for port, (address, own) in zip(sections["ports"], self.ports):
            port.update({"mac": text(address), "address": own, "serves": []})
        for network in sections["networks"]:
            network.setdefault("subnets", self.subnets)
        return sections

    def bulk_routes(self):
        return self.setup.bulk_routes()


class Router:
    """A router between a network with A and one with B, behind which are its next hops. `routes` makes
    (address, prefix length) of each route; they lead to the next hops in turn."""

    has_ovs = True
    LINK, LENGTH = "172.16.{}.{}", 24  # of the two networks, and of hosts in them
    OPENFLOW = ("ip", "nw_dst")

    def __init__(self, routes, count):
        self.routes, self.count = routes, count

    def _hops(self):
        return [self.LINK.format(1, 2 + n) for n in range(HOPS)]

    def _list(self):
        hops = self._hops()
        for n, route in enumerate(self.routes()):
            yield self._prefix(*route), hops[n % HOPS]

    @staticmethod
    def _prefix(address, length):
        return f"{ipaddress.IPv4Address(address)}/{length}"

    def introduce(self, station, host):
        """A station of B's network says who it is, as it would if it were asked."""
        return arp_reply(ROUTER_B, station, number(host), number(self.LINK.format(1, 1)))

    def in_file(self):
        """The routes that an operator would write by hand; others are loaded by `sluicectl route load`."""
        return self.count <= 1000

    def teach(self):
        return [self.introduce(mac(0xB, n), hop) for n, hop in enumerate(self._hops())]

    def sluice(self, devices, table_size):
        networks = [{"name": name, "subnets": [f"{self.LINK.format(n, 0)}/{self.LENGTH}"],
                     "gateway": self.LINK.format(n, 1), "gateway-mac": text(address)}
                    for n, (name, address) in enumerate((("left", ROUTER_A), ("right", ROUTER_B)))]
        routes = [{"to": to, "via": via} for to, via in self._list()] if self.in_file() else []
        return {"networks": networks, "routes": routes,
                "ports": [{"name": "a", "device": devices[0], "network": "left"},
                          {"name": "b", "device": devices[1], "network": "right"}]}

    def bulk_routes(self):
        return [] if self.in_file() else self._list()

    def ovs_bridge(self, table_size):
        return ["fail_mode=secure"]

    def ovs(self, switch, devices):
        """One rule per route, as OVS routes between DPDK ports."""
        for i, device in enumerate(devices):
            switch.add_port(f"p{i}", "dpdk", dpdk_devargs=device)
        macs = dict(zip(self._hops(), (text(mac(0xB, n)) for n in range(HOPS))))
        protocol, field = self.OPENFLOW
        switch.add_flows("br0", (
            f"priority={to.partition('/')[2]},{protocol},dl_dst={text(ROUTER_A)},{field}={to},"
            f"actions=mod_dl_src:{text(ROUTER_B)},mod_dl_dst:{macs[via]},dec_ttl,output:p1"
            for to, via in self._list()))


    def vpp(self, switch):
        macs = (ROUTER_A, ROUTER_B)
        lines = [f"set interface {words}" for n, interface in enumerate(switch.interfaces)
                 for words in (f"mac address {interface} {text(macs[n])}",
                               f"ip address {interface} {self.LINK.format(n, 1)}/{self.LENGTH}",
                               f"state {interface} up")]
        lines += [f"set ip neighbor {switch.interfaces[1]} {hop} {text(mac(0xB, n))}"
                  for n, hop in enumerate(self._hops())]
        switch.tell_all([*lines, *(f"ip route add {to} via {via}" for to, via in self._list())])


class Router6(Router):
    """The same with IPv6, between the addresses that udp6() makes of those of IPv4."""

    LINK, LENGTH = "2001:db8:0:{}::{}", 64
    OPENFLOW = ("ipv6", "ipv6_dst")

    @staticmethod
    def _prefix(address, length):
        return f"{ipaddress.IPv6Address((0x20010DB8 << 96) + address)}/{96 + length}"

    def introduce(self, station, host):
        return advertisement(ROUTER_B, station, ipaddress.IPv6Address(host).packed,
                             ipaddress.IPv6Address(self.LINK.format(1, 1)).packed)


class Tunnel:
    """One end of a VXLAN tunnel: one port is in the network, the other is the underlay's."""

    has_ovs = True

    def __init__(self, inside, outside, underlay_mac):
        self.inside, self.outside, self.underlay_mac = inside, outside, underlay_mac

    def sluice(self, devices, table_size):
        network = {"name": "bench", "mac-table-size": table_size,
                   "vxlan": {"vni": VNI, "remotes": [REMOTE]}}
        if self.inside == 0:
            network["vxlan"]["static"] = [{"mac": text(B), "remote": REMOTE}]
        return {"networks": [network],
                "underlay": {"port": "ab"[self.outside], "address": f"{LOCAL}/24",
                             "mac": text(self.underlay_mac)},
                "ports": [{"name": "ab"[i], "device": device,
                           "network": "bench" if i == self.inside else ""}
                          for i, device in enumerate(devices)]}

    def bulk_routes(self):
        return []

    def ovs_bridge(self, table_size):
        return ["fail_mode=secure"]

    def ovs(self, switch, devices):
        """The tunnel's port beside the inside one, its packets through a bridge with the underlay's."""
        switch.add_bridge("under", f"other_config:hwaddr={text(self.underlay_mac)}")
        switch.add_port("v0", "vxlan", remote_ip=REMOTE, local_ip=LOCAL, key=VNI, dst_port=4789)
        switch.add_port(f"p{self.inside}", "dpdk", dpdk_devargs=devices[self.inside])
        switch.add_port(f"p{self.outside}", "dpdk", bridge="under", dpdk_devargs=devices[self.outside])
        switch.set_address("under", f"{LOCAL}/24")
        switch.appctl("ovs/route/add", "192.0.2.0/24", "under")
        switch.appctl("tnl/neigh/set", "under", REMOTE, text(REMOTE_MAC))
        ways = [(f"p{self.inside}", "v0"), ("v0", f"p{self.inside}")]
        switch.add_flows("br0", [f"in_port={i},actions=output:{o}" for i, o in ways])


class Relay(Tunnel):
    """From one tunnel into another, routed between two overlays that have a policy, so that connections are
    looked up; what it says is asked where guests are, at the other ends. All by port A. In the overlay on the
    right are so many `stations`; `sections` are added to the configuration."""

    has_ovs = False
    REMOTES = (REMOTE, "192.0.2.3")
    MACS = (REMOTE_MAC, mac(0xD, 2))
    STATIONS = number("20.1.0.2")  # the first of them

    def __init__(self, stations=1, **sections):
        super().__init__(inside=1, outside=0, underlay_mac=ROUTER_A)
        self.stations, self.more = stations, sections

    @classmethod
    def station(cls, n):
        return str(ipaddress.IPv4Address(cls.STATIONS + n))

    def sluice(self, devices, table_size):
        networks = [{"name": name, "subnets": [subnet], "gateway": gateway, "gateway-mac": text(ROUTER_B),
                     "vxlan": {"vni": VNI + n, "remotes": [remote],
                               "static": [{"mac": text(station), "remote": remote, "address": [address]}
                                          for station, address in stations]}}
                    for n, (name, subnet, gateway, remote, stations) in enumerate(zip(
                        ("left", "right"), ("10.0.0.0/15", "20.0.0.0/15"), ("10.1.0.1", "20.1.0.1"), self.REMOTES,
                        ([(A, "10.1.0.2")], [(mac(0xB, 1 + n), self.station(n)) for n in range(self.stations)])))]
        return {"networks": networks,
                "routes": [{"to": "10.0.0.0/16", "via": "10.1.0.2"}, {"to": "20.0.0.0/16", "via": "20.1.0.2"}],
                "underlay": {"port": "a", "address": f"{LOCAL}/24", "mac": text(self.underlay_mac)},
                "acls": [{"name": "edge", "apply": [{"network": n, "direction": "egress"} for n in ("left", "right")],
                          "rules": [{"permit": {"proto": "udp", "port": 5000}}]}],
                "ports": [{"name": n, "device": device, "network": ""} for n, device in zip("ab", devices)],
                **self.more}

    def teach(self):
        """No frames about the two remote hosts: only port A receives those, see `hello`."""
        return [arp_reply(ROUTER_A, A, number("192.0.2.9"), number(LOCAL))]

    def hello(self):
        """The frames about the two remote hosts, which port A sends first."""
        return [arp_reply(ROUTER_A, station, number(remote), number(LOCAL))
                for station, remote in zip(self.MACS, self.REMOTES)]


class Encapsulation(Tunnel):
    """From A into the tunnel, out by B."""

    def __init__(self):
        super().__init__(inside=0, outside=1, underlay_mac=ROUTER_B)

    def teach(self):
        return [arp_reply(ROUTER_B, REMOTE_MAC, number(REMOTE), number(LOCAL))]


class Decapsulation(Tunnel):
    """Out of the tunnel, from A to B."""

    def __init__(self):
        super().__init__(inside=1, outside=0, underlay_mac=ROUTER_A)
