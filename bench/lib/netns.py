"""The bench's own network namespaces, and a pair of containers in them."""

import os
import re
import subprocess

from lib.processes import run

SUBNET = "10.77.9"


class Namespaces:
    """A namespace for the switch and one for each container; removed when the nursery is left."""

    def __init__(self, nursery, containers, of=""):
        """`of` tells them from those of another switch at the same time."""
        prefix = f"slb-{os.getpid()}{of}"
        self.switch = f"{prefix}-switch"
        self.containers = [f"{prefix}-{i}" for i in range(containers)]
        for name in [self.switch, *self.containers]:
            run(["ip", "netns", "add", name])
            nursery.later(lambda name=name: run(["ip", "netns", "del", name]))
            run(["ip", "-n", name, "link", "set", "lo", "up"])

    def address(self, container, with_length=True):
        """A container's address, by its number: 10.77.9.1 and so on; after .250 in the next subnet of the /16."""
        net, host = divmod(container, 250)
        text = f"10.77.{9 + net}.{host + 1}"
        return text + "/16" if with_length else text

    def veth_pairs(self):
        """eth0 in each container, its other end in the switch's namespace. Returns those ends."""
        ends = []
        for i, name in enumerate(self.containers):
            end = f"port{i}"
            run(["ip", "-n", self.switch, "link", "add", end, "type", "veth", "peer", "name", "eth0",
                 "netns", name])
            run(["ip", "-n", self.switch, "link", "set", end, "up"])
            run(["ip", "-n", name, "link", "set", "eth0", "up"])
            run(["ip", "-n", name, "address", "add", self.address(i), "dev", "eth0"])
            ends.append(end)
        return ends


def inside(netns, cores, args):
    return ["ip", "netns", "exec", netns, "taskset", "-c", cores, *args]


def reachable(netns, address):
    done = subprocess.run(["ip", "netns", "exec", netns, "ping", "-c", "1", "-W", "1", address],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def ping_times(netns, cores, address, count, interval):
    """Round trips in microseconds, sorted. Root may ping at any interval; None sends the next as
    soon as an answer is there."""
    pace = ["-A"] if interval is None else ["-i", str(interval)]
    text = run(inside(netns, cores, ["ping", *pace, "-c", count, "-W", "1", address]),
               timeout=count * (interval or 0.001) * 4 + 30, check=False)
    return sorted(1000 * float(t) for t in re.findall(r"time=([0-9.]+) ms", text))
