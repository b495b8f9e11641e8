"""Stateful policy: an ACL in front of port B, whose connections are tracked, both directions of each."""

import ipaddress
import random
from itertools import chain

from lib.packets import ACK, SYN, A, B, flows, tcp, udp, udp6, vxlan
from lib.scenarios import Scenario
from lib.setups import LOCAL, ROUTER_A, ROUTER_B, VNI, Firewall, Pods, Relay, number

SIZE = 64


def denials(count):
    """Rules of all shapes, none of which is about the flows: prefixes, ports and ranges of ports."""
    dice = random.Random(7)
    for n in range(count):
        source = ipaddress.IPv4Address(0x1E000000 + (dice.randrange(1 << 16) << 8))
        port = dice.randrange(6000, 60000)
        if n % 4 == 0:
            yield {"from": [f"{source}/24"]}, f"ip,nw_src={source}/24"
        elif n % 4 == 1:
            yield ({"proto": "tcp", "from": [f"{source}/24"], "port": port},
                   f"tcp,nw_src={source}/24,tp_dst={port}")
        elif n % 4 == 2:
            yield {"proto": "udp", "port": port}, f"udp,tp_dst={port}"
        else:
            yield ({"proto": "udp", "from": [f"{source}/24"], "to": ["20.0.0.0/16"], "port": port},
                   f"udp,nw_src={source}/24,nw_dst=20.0.0.0/16,tp_dst={port}")


def turned(flow):
    from_ip, to_ip, from_port, to_port = flow
    return to_ip, from_ip, to_port, from_port


def scenario(name, rules, count, frame=udp):
    return Scenario(
        name, f"{rules + 1} rules at port B; {count} UDP connections, both directions, {SIZE}-byte frames",
        forward=lambda: (frame(B, A, SIZE, flow) for flow in flows(count)),
        teach=lambda: (frame(A, B, SIZE, turned(flow)) for flow in flows(count)),
        frames=count, setup=Firewall(lambda: denials(rules), max(262_144, 2 * count)), answers=True)


# The frames of an Internet mix with their FCS: 64 (here as in all rows without), 594 and 1518 bytes.
MIX = [64] * 7 + [590] * 4 + [1514]


def mixed(name, count):
    def frames(of, seed):
        dice = random.Random(seed)
        return (of(dice.choice(MIX), flow) for flow in flows(count))

    return Scenario(
        name, f"one rule at port B; {count} UDP connections, both directions; of 12 frames, in random order, "
        "about 7 have 64 bytes, 4 have 590, 1 has 1514",
        forward=lambda: frames(lambda size, flow: udp(B, A, size, flow), 4),
        teach=lambda: frames(lambda size, flow: udp(A, B, size, turned(flow)), 5),
        frames=count, setup=Firewall(lambda: [], 262_144), answers=True)


DATA = 10  # bytes of a TCP segment, which fill its frame


def connected(name, count):
    """Handshakes, and then data of both ends, which acknowledges the other's."""
    first = {flow: (dice.getrandbits(32), dice.getrandbits(32))
             for dice in [random.Random(9)] for flow in flows(count)}

    def numbers(flow, turn):
        """(own, the other's) before the first byte of data."""
        return tuple((first[flow][side ^ turn] + 1) & 0xFFFFFFFF for side in (0, 1))

    def client():
        for flow in flows(count):
            yield tcp(B, A, SIZE, flow, SYN, (first[flow][0], 0))
        for flow in flows(count):
            yield tcp(B, A, SIZE, flow, ACK, numbers(flow, 0), DATA)

    def server():
        for flow in flows(count):
            yield tcp(A, B, SIZE, turned(flow), SYN | ACK, (first[flow][1], numbers(flow, 1)[1]))
        for flow in flows(count):
            yield tcp(A, B, SIZE, turned(flow), ACK, numbers(flow, 1), DATA)

    return Scenario(
        name, f"one rule at port B; {count} TCP connections after their handshakes, both directions, {SIZE}-byte "
        f"frames of {DATA} bytes of new data, each acknowledging what the other end has sent",
        forward=client, teach=server, frames=count, setup=Firewall(lambda: [], 262_144, "tcp"), answers=True,
        opening=(count, DATA))


def begin(name, words, setup):
    """More connections than the table holds, so that each packet finds none of its own."""
    count = 400_000
    return Scenario(
        name, f"{words}; every packet begins a connection, and makes another one leave the "
        f"full table (65536 flows), {SIZE}-byte frames",
        forward=lambda: (udp(B, A, SIZE, flow) for flow in flows(count)),
        teach=lambda: [udp(A, B, SIZE, (0x14000001, 0x0A000001, 5000, 1024))],
        frames=count, setup=setup)


def begin_by_rules(name, rules):
    return begin(name, f"{rules} rules at port B", Firewall(lambda: denials(rules - 1), 65_536))


def begin_by_policies(name, count):
    return begin(name, f"{count} NetworkPolicies, {Pods.OF_B} of which select the pod at port B and one lets A's in",
                 Pods(count, 65_536))


def relayed(count):
    """Both directions of each connection, from the remote host that its sender is on."""
    hosts = [(number(remote), address) for remote, address in zip(Relay.REMOTES, Relay.MACS)]
    for flow in flows(count):
        for side, (station, way) in enumerate(((A, flow), (B, turned(flow)))):
            remote, address = hosts[side]
            yield vxlan(ROUTER_A, address, remote, number(LOCAL), VNI + side,
                        udp(ROUTER_B, station, SIZE, way))


def relay(name, count):
    setup = Relay()
    return Scenario(
        name, f"from one VXLAN tunnel into another, routed between two overlays with tracked connections; {count} "
        f"UDP connections, both directions, {SIZE}-byte inner frames; all by port A",
        forward=lambda: chain(setup.hello(), relayed(count)), teach=setup.teach, frames=2 * count, setup=setup, leaves=SIZE + 50)


SCENARIOS = [
    scenario("stateful 10k", 0, 10_000),
    scenario("stateful IPv6 10k", 0, 10_000, udp6),
    mixed("stateful IMIX 10k", 10_000),
    connected("stateful TCP 10k", 10_000),
    scenario("stateful 1M", 0, 1_000_000),
    scenario("stateful 10k, 1k rules", 999, 10_000),
    scenario("stateful 100k, 10k rules", 9_999, 100_000),
    begin_by_rules("new connections, 10 rules", 10),
    begin_by_rules("new connections, 10k rules", 10_000),
    begin_by_policies("new connections, 1k NetworkPolicies", 1_000),
    relay("decapsulation, policy, encapsulation", 10_000),
]
