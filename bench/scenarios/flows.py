"""Learning bridge, two stations, many flows: what a switch that caches flows pays for each."""

from lib.packets import A, B, flows, udp, udp6
from lib.scenarios import Scenario, answer

SIZE = 64


def scenario(name, count, frame=udp):
    return Scenario(
        name, f"{count} UDP flows in random order from one MAC to one other, {SIZE}-byte frames",
        forward=lambda: (frame(B, A, SIZE, flow) for flow in flows(count)),
        teach=answer(SIZE), frames=count)


SCENARIOS = [scenario("1 flow", 1), scenario("1k flows", 1000), scenario("10k flows", 10_000),
             scenario("100k flows", 100_000), scenario("1M flows", 1_000_000),
             scenario("IPv6 10k flows", 10_000, udp6)]
