"""Learning bridge, many stations: two random look-ups in the MAC table for each packet."""

import random

from lib.packets import flows, mac, udp
from lib.scenarios import Scenario

SIZE = 64


def scenario(name, count):
    """`count` addresses in all, half of them behind each port."""
    half = count // 2

    def forward():
        dice = random.Random(2)
        for flow in flows(count):
            yield udp(mac(0xB, dice.randrange(half)), mac(0xA, dice.randrange(half)), SIZE, flow)

    def teach():
        # Each station of B says a word to one of A.
        for number, flow in enumerate(flows(half, seed=3)):
            yield udp(mac(0xA, number), mac(0xB, number), SIZE, flow)

    return Scenario(
        name, f"{count} MACs, half behind each port; each frame of {SIZE} bytes goes from a random "
        "one of A to a random one of B, each its own UDP flow", forward, teach, count, count)


SCENARIOS = [scenario("1k MACs", 1000), scenario("10k MACs", 10_000),
             scenario("100k MACs", 100_000)]
