"""Ports as containers and guests have them: guarded, each with a MAC address and IP addresses of its own."""

import random

from lib.packets import A, B, mac, udp, udp6
from lib.scenarios import Scenario
from lib.setups import Bridge, Firewall, Guarded, number, text

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


class ManyMacs(Firewall):
    """Only A's port is guarded; behind B's are all the other stations."""

    def sluice(self, devices, table_size):
        sections = super().sluice(devices, table_size)
        sections["networks"][0]["subnets"] = ["10.0.0.0/16"]
        sections["ports"][0].update({"mac": text(A), "address": [f"{ADDRESSES[0]}/16"], "serves": []})
        return sections


def many(name):
    return Scenario(
        name, f"one rule at port B; {FLOWS} UDP connections of a station with a declared address to as many others, "
        f"each with its own MAC, both directions, {SIZE}-byte frames",
        forward=lambda: (udp(station, A, SIZE, flow) for flow, station in one_to_many(FLOWS)),
        teach=lambda: (udp(A, station, SIZE, turned(flow)) for flow, station in one_to_many(FLOWS)),
        macs=FLOWS, frames=FLOWS, setup=ManyMacs(lambda: [], 262_144), answers=True)


SCENARIOS = [many("guarded stateful 10k MACs"),
             bridge("guarded 10k flows", udp), bridge("guarded IPv6 10k flows", udp6),
             stateful("guarded stateful 10k", udp), stateful("guarded stateful IPv6 10k", udp6)]
