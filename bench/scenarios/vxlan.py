"""VXLAN between two hosts: bridged frames into a tunnel, and out of one."""

from lib.packets import A, B, flows, udp, vxlan
from lib.scenarios import Scenario, answer
from lib.setups import LOCAL, REMOTE, REMOTE_MAC, ROUTER_A, VNI, Decapsulation, Encapsulation, number

SIZE = 64


def frames(count):
    return (udp(B, A, SIZE, flow) for flow in flows(count))


def encapsulation(name, count):
    setup = Encapsulation()
    return Scenario(
        f"encapsulation {name}", f"{count} UDP flows from one MAC to one behind a remote tunnel end point, "
        f"{SIZE}-byte frames that leave in VXLAN, 50 bytes longer",
        lambda: frames(count), setup.teach, frames=count, setup=setup, leaves=SIZE + 50)


def decapsulation(name, count):
    return Scenario(
        f"decapsulation {name}", f"the same {count} flows, in VXLAN from the remote end point, {SIZE} bytes "
        "once they are out of it",
        lambda: (vxlan(ROUTER_A, REMOTE_MAC, number(REMOTE), number(LOCAL), VNI, frame)
                 for frame in frames(count)),
        answer(SIZE), frames=count, setup=Decapsulation(), leaves=SIZE)


SCENARIOS = [f(*count) for f in (encapsulation, decapsulation)
             for count in (("10k", 10_000), ("1M", 1_000_000))]
