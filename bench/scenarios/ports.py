"""Many ports with traffic on all: each packet leaves by another transmit buffer than the one before."""

import random

from lib.packets import mac, udp
from lib.scenarios import Scenario

SIZE = 64
PORTS = 32    # DPDK opens no more devices (RTE_MAX_ETHPORTS)
FLOWS = 1000  # of each port


def frames(port):
    """From its one station to those of all others, in random order."""
    dice = random.Random(100 + port)
    for source_port in dice.sample(range(1024, 60_000), FLOWS):
        other = dice.choice([n for n in range(PORTS) if n != port])
        flow = (0x0A000001 + port, 0x0A000001 + other, source_port, 5000)
        yield udp(mac(0xA, other), mac(0xA, port), SIZE, flow)


SCENARIOS = [Scenario(
    f"{PORTS} ports", f"{PORTS} ports with a MAC each, and traffic on all: {FLOWS} UDP flows of each to random "
    f"others, {SIZE}-byte frames", forward=frames, macs=PORTS, frames=PORTS * FLOWS, crowd=PORTS)]
