"""Translation, beside the same ways without it: NAT for stations that go out by another network; a Service with 16
back ends, between ports and between tunnels; and new connections through both. Which back end a connection gets is the
switch's choice, so in these rows the replaying device answers what it is sent."""

import ipaddress
import random
from itertools import chain, repeat

from lib.packets import A, B, flows, udp, vxlan
from lib.scenarios import Scenario
from lib.setups import LOCAL, ROUTER_A, ROUTER_B, VNI, Filtered, Guarded, Relay, Router, number, text

SIZE = 64
CLIENT = number("172.16.0.2")   # the first of them
OUTSIDE = number("172.16.1.1")  # the gateway's address there
SERVERS = number("172.16.1.2")  # the first of them
SERVICE = "10.96.0.10"
BACKENDS = 16


class Translated(Router):
    """A router with further sections. `new` has OVS's actions for a connection's first packet, see track(); None: OVS
    isn't measured."""

    def __init__(self, flows, new, **sections):
        super().__init__(lambda: [], 0)
        self.flows, self.new, self.more = flows, new, sections
        self.has_ovs = new is not None

    def sluice(self, devices, table_size):
        return {**super().sluice(devices, table_size), **self.more, "flows": {"size": self.flows}}

    def ovs(self, switch, devices):
        if self.new == GROUP:
            switch.add_group("br0", "group_id=1,type=select,selection_method=hash,fields(ip_src,udp_src)" + "".join(
                f",bucket=bucket_id:{n},weight:1,ct(commit,table=2,nat(dst={server(n)}))" for n in range(BACKENDS)))
        track(switch, devices, self.new, "table=1,nat")


GROUP = "group:1"  # whose buckets are the back ends


class Tracked(Filtered):
    """A router with one rule, whose connections OVS tracks too."""

    has_ovs = True

    def ovs_bridge(self, table_size):
        return self.setup.ovs_bridge(table_size)

    def ovs(self, switch, devices):
        track(switch, devices, f"ct(commit),{TO_B}", "table=1")


class Containers(Guarded):
    """The ports of containers. OVS's ports don't check their senders, so they do less."""

    def __init__(self, setup, ports, subnets):
        super().__init__(setup, ports, subnets)
        self.has_ovs = setup.has_ovs

    def ovs_bridge(self, table_size):
        return self.setup.ovs_bridge(table_size)

    def ovs(self, switch, devices):
        self.setup.ovs(switch, devices)


def leave(router, station, port):
    return f"mod_dl_src:{text(router)},mod_dl_dst:{text(station)},dec_ttl,output:{port}"


TO_A, TO_B = leave(ROUTER_A, A, "p0"), leave(ROUTER_B, B, "p1")


def track(switch, devices, new, then):
    """Connections to port 5000, as OVS tracks them between two networks; all stations of a network have one MAC. The
    first packet of each takes the actions `new`, and leaves by table 2 if these look it up again."""
    for i, device in enumerate(devices):
        switch.add_port(f"p{i}", "dpdk", dpdk_devargs=device)
    switch.add_flows("br0", [
        f"table=0,in_port=p0,udp,dl_dst={text(ROUTER_A)},actions=ct({then})",
        f"table=0,in_port=p1,udp,dl_dst={text(ROUTER_B)},actions=ct({then})",
        f"table=1,in_port=p0,udp,ct_state=+trk+new,tp_dst=5000,actions={new}",
        f"table=1,in_port=p0,udp,ct_state=+trk+est,actions={TO_B}",
        f"table=1,in_port=p1,udp,ct_state=+trk+est,actions={TO_A}",
        f"table=2,udp,actions={TO_B}"])


def server(n):
    return str(ipaddress.IPv4Address(SERVERS + n))


def client(n):
    return str(ipaddress.IPv4Address(CLIENT + n))


def declared(setup, servers, clients=1):
    """The ports of containers: each declares its addresses, those of A all clients', those of B all servers'."""
    return Containers(setup, [(A, [f"{client(n)}/24" for n in range(clients)]),
                              (B, [f"{server(n)}/24" for n in range(servers)])], [])


def connections(count, servers):
    """(server, the client's port) of each, in random order."""
    ports = random.Random(5).sample(range(1024, 60_000), count // servers)
    pairs = [(SERVERS + n, port) for n in range(servers) for port in ports]
    random.Random(6).shuffle(pairs)
    return pairs


def clients_ports(count, clients):
    """(client, its port) of each connection, in random order."""
    return [(from_ip - SERVERS + CLIENT, port) for from_ip, port in connections(count, clients)]


def introduce(servers):
    return [Router(lambda: [], 0).introduce(B, server(n)) for n in range(servers)]


def both_ways(name, words, count, setup, client, servers=1):
    return Scenario(
        name, f"{count} UDP connections of one station to {servers} others in another network, {words}, both "
        f"directions, {SIZE}-byte frames",
        forward=lambda: (udp(ROUTER_A, A, SIZE, (CLIENT, to, port, 5000))
                         for to, port in connections(count, servers)),
        teach=lambda: [*introduce(servers),
                       *(udp(ROUTER_B, B, SIZE, (to, client, 5000, port))
                         for to, port in connections(count, servers))],
        frames=count, setup=declared(setup, servers), answers=True)


def one_way(name, words, count, setup, to):
    """Without OVS, for which a connection is new until it is answered."""
    setup = declared(setup, BACKENDS)
    setup.has_ovs = False
    return Scenario(
        name, f"{count} UDP connections of one station to {words}, one direction, {SIZE}-byte frames",
        forward=lambda: (udp(ROUTER_A, A, SIZE, (CLIENT, to, port, 5000)) for _, port in connections(count, 1)),
        teach=lambda: introduce(BACKENDS), frames=count, setup=setup)


def to_backends(name, words, count, clients, setup, to):
    """`to` gives the destination of each connection. B answers as the back end that a packet has reached."""
    return Scenario(
        name, f"{count} UDP connections of {'one station' if clients == 1 else f'{clients} stations'} to {words}, both "
        f"directions, {SIZE}-byte frames",
        forward=lambda: (udp(ROUTER_A, A, SIZE, (from_ip, destination, port, 5000))
                         for (from_ip, port), destination in zip(clients_ports(count, clients), to(count))),
        teach=lambda: introduce(BACKENDS), frames=count, setup=declared(setup, BACKENDS, clients), answered_by="b")


def directly(count):
    """One of the 16 stations for each connection."""
    dice = random.Random(7)
    return (SERVERS + dice.randrange(BACKENDS) for _ in range(count))


def balanced(count):
    return repeat(number(SERVICE), count)


def between_tunnels(name, words, count, setup, to):
    """As the row of tunnels in policy.py, but to as many stations as the Service has back ends."""
    def forward():
        destinations = to(count)
        for from_ip, _, port, _ in flows(count):
            yield vxlan(ROUTER_A, Relay.MACS[0], number(Relay.REMOTES[0]), number(LOCAL), VNI,
                        udp(ROUTER_B, A, SIZE, (from_ip, next(destinations), port, 5000)))

    return Scenario(
        name, f"from one VXLAN tunnel into another, routed between two overlays with tracked connections; {count} UDP "
        f"connections to {words}, both directions, {SIZE}-byte inner frames; all by port A",
        forward=lambda: chain(setup.hello(), forward()), teach=setup.teach, frames=count, setup=setup,
        leaves=SIZE + 50, answered_by="a")


def to_stations(count):
    dice = random.Random(7)
    return (Relay.STATIONS + dice.randrange(BACKENDS) for _ in range(count))


def begin(name, words, count, clients, setup):
    """More connections than the table holds, so that each packet finds none of its own. Behind port A are many hosts, so
    it declares no address."""
    return Scenario(
        name, f"{words}; every packet begins a connection of one of {clients} stations, and makes another one leave "
        f"the full table (65536 flows), {SIZE}-byte frames",
        forward=lambda: (udp(ROUTER_A, A, SIZE, (from_ip, number(SERVICE), port, 5000))
                         for from_ip, port in clients_ports(count, clients)),
        teach=lambda: introduce(BACKENDS), frames=count, setup=declared(setup, BACKENDS, 0))


def nat(flows):
    outside = ipaddress.IPv4Address(OUTSIDE)
    return Translated(flows, f"ct(commit,nat(src={outside})),{TO_B}", nat=[{"masquerade": ["left"], "out": "right"}])


def service(address=server):
    return [{"name": "bench", "address": SERVICE, "ports": [{"port": 5000, "proto": "udp"}],
             "backends": [{"address": address(n)} for n in range(BACKENDS)]}]


def balancer(flows, ovs=GROUP):
    return Translated(flows, ovs, services=service())


def balancer_with_masquerade(flows):
    """As many outside addresses as it takes to have a port for each connection that is replayed."""
    outside = [str(ipaddress.IPv4Address(OUTSIDE + 200 + n)) for n in range(8)]
    return Translated(flows, None, services=service(),
                      nat=[{"masquerade": ["left"], "out": "right", "addresses": outside}])


def filtered(flows):
    return Tracked(Router(lambda: [], 0), flows)


ONE_OF = f"{BACKENDS} others in another network, routed, with one rule"
A_SERVICE = f"a Service with {BACKENDS} back ends"

SCENARIOS = [
    both_ways("routed stateful 10k", "routed, with one rule", 10_000, filtered(262_144), CLIENT),
    both_ways("source NAT 10k", "hidden behind the router's address", 10_000, nat(262_144), OUTSIDE),
    both_ways("routed stateful 1M", "routed, with one rule", 1_000_000, filtered(2_097_152), CLIENT, 100),
    both_ways("source NAT 1M", "hidden behind the router's address", 1_000_000, nat(2_097_152), OUTSIDE, 100),
    one_way("routed stateful 10k, one way", "another in another network, routed, with one rule", 10_000,
            filtered(262_144), SERVERS),
    one_way("load balancing 10k, one way", f"a Service with {BACKENDS} back ends", 10_000, balancer(262_144),
            number(SERVICE)),
    to_backends("routed stateful 10k, 16 stations", ONE_OF, 10_000, 1, filtered(262_144), directly),
    to_backends("load balancing 10k, 16 stations", A_SERVICE, 10_000, 1, balancer(262_144), balanced),
    to_backends("routed stateful 1M, 16 stations", ONE_OF, 1_000_000, 100, filtered(2_097_152), directly),
    # Without OVS, whose slow path chooses the back ends: a million connections take it minutes.
    to_backends("load balancing 1M, 16 stations", A_SERVICE, 1_000_000, 100, balancer(2_097_152, None), balanced),
    between_tunnels("decapsulation, policy, encapsulation to 16", f"{BACKENDS} stations", 10_000,
                    Relay(BACKENDS), to_stations),
    between_tunnels("decapsulation, policy, load balancing, encapsulation", A_SERVICE, 10_000,
                    Relay(BACKENDS, services=service(Relay.station)), balanced),
    begin("new connections, Service and masquerade", f"{A_SERVICE}, and masquerade for its clients", 400_000, 100,
          balancer_with_masquerade(65_536)),
]
