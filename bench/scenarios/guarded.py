"""Ports as containers and guests have them: guarded, each with a MAC address and IP addresses of its own."""

import random
from ipaddress import ip_address

from lib.packets import A, B, mac, udp, udp6
from lib.scenarios import Scenario
from lib.setups import ROUTER_A, ROUTER_B, Bridge, Filtered, Firewall, Guarded, Router, Router6, number

SIZE = 64
ADDRESSES = ["10.0.0.1", "10.0.0.2"]
ADDRESSES6 = ["2001:db8::a00:1", "2001:db8::a00:2"]  # as udp6() makes them
FLOWS = 10_000


def conversations():
    """Connections of one station to another, in random order."""
    ports = random.Random(5).sample(range(1024, 60_000), FLOWS)
    return [(number(ADDRESSES[0]), number(ADDRESSES[1]), port, 5000) for port in ports]


def turned(flow):
    from_ip, to_ip, from_port, to_port = flow
    return to_ip, from_ip, to_port, from_port


def guarded(setup):
    ports = [(station, [f"{v4}/24", f"{v6}/64"]) for station, v4, v6 in zip((A, B), ADDRESSES, ADDRESSES6)]
    return Guarded(setup, ports, ["10.0.0.0/24", "2001:db8::/64"])


def bridge(name, frame):
    return Scenario(
        name, f"{FLOWS} UDP flows between two stations with declared addresses, {SIZE}-byte frames",
        forward=lambda: (frame(B, A, SIZE, flow) for flow in conversations()),
        teach=lambda: [frame(A, B, SIZE, turned(conversations()[0]))],
        frames=FLOWS, setup=guarded(Bridge()))


def stateful(name, frame):
    return Scenario(
        name, f"one rule at port B; {FLOWS} UDP connections between two stations with declared addresses, both "
        f"directions, {SIZE}-byte frames",
        forward=lambda: (frame(B, A, SIZE, flow) for flow in conversations()),
        teach=lambda: (frame(A, B, SIZE, turned(flow)) for flow in conversations()),
        frames=FLOWS, setup=guarded(Firewall(lambda: [], 262_144)), answers=True)


def one_to_many(count):
    """Connections of one station with a declared address to as many stations as there are connections."""
    dice = random.Random(8)
    return [((number(ADDRESSES[0]), number("10.0.0.0") + 256 + n, port, 5000), mac(0xB, 1 + n))
            for n, port in enumerate(dice.choices(range(1024, 60_000), k=count))]


def to_many(name, count, setup, policy=None):
    """Only A's port is guarded; behind B's are all the other stations. With a policy both directions."""
    only_a = Guarded(setup, [(A, [f"{ADDRESSES[0]}/16"])], ["10.0.0.0/16"])
    return Scenario(
        name, (f"{policy}; " if policy else "") +
        f"{count} UDP connections of a station with a declared address to as many others, each with its own "
        f"MAC, {'both directions, ' if policy else ''}{SIZE}-byte frames",
        forward=lambda: (udp(station, A, SIZE, flow) for flow, station in one_to_many(count)),
        teach=lambda: (udp(A, station, SIZE, turned(flow)) for flow, station in one_to_many(count)),
        macs=count, frames=count, setup=only_a, answers=policy is not None)


def stateful_to_many(name, count):
    return to_many(name, count, Firewall(lambda: [], 262_144), "one rule at port B")


def routed(name, router, frame):
    """`router` is the setup of the switch, and knows the two links."""
    between = router(lambda: [], 0)
    ends = [int(ip_address(router.LINK.format(n, 2))) for n in (0, 1)]
    ports = [(station, [f"{router.LINK.format(n, 2)}/{router.LENGTH}"]) for n, station in enumerate((A, B))]
    return Scenario(
        name, f"{FLOWS} UDP flows between two stations with declared addresses in two networks, routed, "
        f"{SIZE}-byte frames",
        forward=lambda: (frame(ROUTER_A, A, SIZE, (*ends, port, 5000)) for _, _, port, _ in conversations()),
        teach=lambda: [between.introduce(B, router.LINK.format(1, 2))],
        frames=FLOWS, setup=Guarded(between, ports, []))


def routed_stateful(name, router, frame):
    """The same with an ACL in front of B, both directions of each connection: pods of a routed network."""
    between = router(lambda: [], 0)
    a, b = (int(ip_address(router.LINK.format(n, 2))) for n in (0, 1))
    ports = [(station, [f"{router.LINK.format(n, 2)}/{router.LENGTH}"]) for n, station in enumerate((A, B))]
    return Scenario(
        name, f"one rule at port B; {FLOWS} UDP connections between two stations with declared addresses in two "
        f"networks, routed, both directions, {SIZE}-byte frames",
        forward=lambda: (frame(ROUTER_A, A, SIZE, (a, b, port, 5000)) for _, _, port, _ in conversations()),
        teach=lambda: [between.introduce(B, router.LINK.format(1, 2)),
                       *(frame(ROUTER_B, B, SIZE, (b, a, 5000, port)) for _, _, port, _ in conversations())],
        frames=FLOWS, setup=Guarded(Filtered(between, 262_144), ports, []), answers=True)


SCENARIOS = [
    bridge("guarded 10k flows", udp), bridge("guarded IPv6 10k flows", udp6),
    to_many("guarded 10k MACs", FLOWS, Bridge()),
    routed("guarded routed 10k", Router, udp), routed("guarded routed IPv6 10k", Router6, udp6),
    routed_stateful("guarded routed stateful 10k", Router, udp),
    stateful("guarded stateful 10k", udp), stateful("guarded stateful IPv6 10k", udp6),
    stateful_to_many("guarded stateful 1k MACs", 1000), stateful_to_many("guarded stateful 10k MACs", FLOWS),
]
