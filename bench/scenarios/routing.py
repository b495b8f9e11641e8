"""Routing among ports: a look-up in the routes, another neighbor's MAC address, a hop less."""

import random

from lib.packets import A, flows, udp, udp6
from lib.scenarios import Scenario
from lib.setups import HOPS, ROUTER_A, Router, Router6

SIZE = 64


def side_by_side(count):
    """/24s from 20.0.0.0 on, as tables of this kind are often measured with."""
    return [(0x14000000 + n * 256, 24) for n in range(count)]


# Of the Internet's routes, roughly: length and share.
LENGTHS = {24: 60, 23: 10, 22: 12, 21: 5, 20: 5, 19: 4, 18: 2, 17: 1, 16: 1}


def spread(count):
    """Of the Internet's lengths, anywhere from 11.0.0.0 to 99.255.255.255 or 128.0.0.0 to
    168.255.255.255: no two side by side that need not be."""
    dice = random.Random(5)
    found = {}
    while len(found) < count:
        length = dice.choices(list(LENGTHS), LENGTHS.values())[0]
        first = dice.choice([*range(11, 100), *range(128, 169)])
        address = (first << 24 | dice.randrange(1 << 24)) >> (32 - length) << (32 - length)
        found[address, length] = True
    return list(found)


def scenario(name, words, routes, count, frames, router=Router, frame=udp):
    def forward():
        dice = random.Random(6)
        table = routes(count)
        for source, _, from_port, to_port in flows(frames):
            address, length = dice.choice(table)
            to = address + 1 + dice.randrange((1 << (32 - length)) - 2)
            yield frame(ROUTER_A, A, SIZE, (source, to, from_port, to_port))

    setup = router(lambda: routes(count), count)
    return Scenario(
        name, f"{count} {'IPv4' if router is Router else 'IPv6'} routes, {words}, to {HOPS} next hops behind port "
        f"B; {frames} UDP flows, each to a random address of a random route, {SIZE}-byte frames",
        forward, setup.teach, frames=frames, setup=setup)


SCENARIOS = [
    scenario("routing 1k", "/24 side by side", side_by_side, 1000, 10_000),
    scenario("routing IPv6 1k", "/120 side by side", side_by_side, 1000, 10_000, Router6, udp6),
    scenario("routing 100k", "/24 side by side", side_by_side, 100_000, 100_000),
    scenario("routing 1M", "/24 side by side", side_by_side, 1_000_000, 1_000_000),
    scenario("routing 1M spread", "of the Internet's lengths, anywhere", spread, 1_000_000, 1_000_000),
]
