"""Stateful policy: an ACL in front of port B, whose connections are tracked, both directions of each."""

import ipaddress
import random
from itertools import chain

from lib.packets import A, B, flows, udp, udp6, vxlan
from lib.scenarios import Scenario
from lib.setups import LOCAL, ROUTER_A, ROUTER_B, VNI, Firewall, Relay, number

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


def begin(name, rules):
    """More connections than the table holds, so that each packet finds none of its own."""
    count = 400_000
    return Scenario(
        name, f"{rules} rules at port B; every packet begins a connection, and makes another one leave the "
        f"full table (65536 flows), {SIZE}-byte frames",
        forward=lambda: (udp(B, A, SIZE, flow) for flow in flows(count)),
        teach=lambda: [udp(A, B, SIZE, (0x14000001, 0x0A000001, 5000, 1024))],
        frames=count, setup=Firewall(lambda: denials(rules - 1), 65_536))


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
    scenario("stateful 1M", 0, 1_000_000),
    scenario("stateful 10k, 1k rules", 999, 10_000),
    scenario("stateful 100k, 10k rules", 9_999, 100_000),
    begin("new connections, 10 rules", 10),
    begin("new connections, 10k rules", 10_000),
    relay("decapsulation, policy, encapsulation", 10_000),
]
