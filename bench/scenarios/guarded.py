"""Ports as containers and guests have them: guarded, each with a MAC address and an IP address of its own."""

import random

from lib.packets import A, B, udp
from lib.scenarios import Scenario
from lib.setups import Bridge, Firewall, Guarded, number

SIZE = 64
ADDRESSES = ["10.0.0.1", "10.0.0.2"]
FLOWS = 10_000


def conversations():
    """Connections of one station to another, in random order."""
    ports = random.Random(5).sample(range(1024, 60_000), FLOWS)
    return [(number(ADDRESSES[0]), number(ADDRESSES[1]), port, 5000) for port in ports]


def turned(flow):
    from_ip, to_ip, from_port, to_port = flow
    return to_ip, from_ip, to_port, from_port


def guarded(setup):
    return Guarded(setup, [(mac, [f"{address}/24"]) for mac, address in zip((A, B), ADDRESSES)], ["10.0.0.0/24"])


SCENARIOS = [
    Scenario("guarded 10k flows", f"{FLOWS} UDP flows between two stations with declared addresses, {SIZE}-byte frames",
             forward=lambda: (udp(B, A, SIZE, flow) for flow in conversations()),
             teach=lambda: [udp(A, B, SIZE, turned(conversations()[0]))],
             frames=FLOWS, setup=guarded(Bridge())),
    Scenario("guarded stateful 10k", f"one rule at port B; {FLOWS} UDP connections between two stations with declared "
             f"addresses, both directions, {SIZE}-byte frames",
             forward=lambda: (udp(B, A, SIZE, flow) for flow in conversations()),
             teach=lambda: (udp(A, B, SIZE, turned(flow)) for flow in conversations()),
             frames=FLOWS, setup=guarded(Firewall(lambda: [], 262_144)), answers=True),
]
