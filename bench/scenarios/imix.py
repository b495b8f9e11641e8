"""Frames of mixed size, as on an access line of the Internet."""

import random

from lib.packets import A, B, flows, udp
from lib.scenarios import Scenario, answer

MIX = [64] * 7 + [576] * 4 + [1500]


def forward():
    dice = random.Random(4)
    for flow in flows(12_000):
        yield udp(B, A, dice.choice(MIX), flow)


SCENARIOS = [Scenario(
    "IMIX", "12000 UDP flows between two MACs; of 12 frames, in random order, about 7 have 64 bytes, "
    "4 have 576, 1 has 1500", forward, answer(), frames=12_000)]
