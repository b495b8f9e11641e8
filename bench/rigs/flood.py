"""flood: a million SYN packets against a full flow table, and TCP of an established connection meanwhile."""

import os
import random
import struct
import time

from lib.machine import Hugepages, build_switch, need
from lib.netns import Namespaces, reachable
from lib.packets import mac, write_pcap
from lib.processes import Failed, Nursery, run, wait_until
from lib.replay import Device, Kind
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio

NAME = "flood"
DESCRIPTION = "an iperf3 connection between two containers while a million SYN packets meet a full flow table"

CORE = 1
ENDS = "0"         # iperf3's, and the bench's
SYNS = 1_000_000
FLOWS = 4096       # that the table holds
SECONDS = 3.0      # before the flood
VICTIM = mac(0xC, 1)

BEFORE = Figure("TCP before", "Gbit/s")
DURING = Figure("TCP in the flood", "Gbit/s")
SHARE = Figure("goes on with", "%", digits=1)
FLOOD = Figure("flood", "Mpps")


def syns():
    """From as many sources, to port 80 of the victim."""
    chance = random.Random(6)
    head = VICTIM + mac(0xC, 2) + b"\x08\x00"
    for _ in range(SYNS):
        source = chance.getrandbits(32) | 0x2000_0000
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40, 0, 0, 64, 6, 0, source, 0x0A4D0A01)
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        tcp = struct.pack(">HHIIBBHHH", chance.getrandbits(16) | 1024, 80, 1, 0, 0x50, 2, 1024, 0, 0)
        yield head + ip[:10] + struct.pack(">H", total ^ 0xFFFF) + ip[12:] + tcp + bytes(6)


def start(nursery, build, kind, spaces, flood):
    ports = [{"name": f"c{i}", "netns": name, "address": [spaces.address(i)]}
             for i, name in enumerate(spaces.containers)]
    ports += [{"name": "flood", "device": flood.arguments}, {"name": "victim", "device": "net_null0,no-rx=1"}]
    networks = [{"name": "bench", "static": [{"mac": VICTIM.hex(":"), "port": "victim"}]}]
    rules = [{"permit": {"proto": "tcp", "port": [80, 5201]}}, {"permit": {"proto": "icmp"}},
             {"permit": {"proto": "icmpv6"}}]
    acls = [{"name": "web", "apply": {"network": "bench", "direction": "ingress"}, "rules": rules}]
    return Sluice(nursery, build, ports, networks, cores=[CORE], dpdk_args=kind.eal(), netns=spaces.switch,
                  more={"acls": acls, "flows": {"size": FLOWS}})


class Connection:
    """iperf3 from the first container to the second, and what its port has received."""

    def __init__(self, nursery, spaces, switch):
        client, server = spaces.containers
        self.switch = switch
        wait_until(lambda: reachable(client, spaces.address(1, False)), "no ping", 20)
        listener = nursery.start(["iperf3", "-s", "-1"], "iperf3-server", server, ENDS)
        listening = ["ip", "netns", "exec", server, "ss", "-Hltn", "sport = :5201"]
        wait_until(lambda: run(listening).strip(), "iperf3 -s", process=listener)
        self.process = nursery.start(["iperf3", "-c", spaces.address(1, False), "-t", "120"], "iperf3", client,
                                     ENDS)
        wait_until(lambda: self.bytes() > 100_000_000, "iperf3's connection", 20, self.process)

    def bytes(self):
        return next(p for p in self.switch.call("port.list")["ports"] if p["name"] == "c1")["tx"]["bytes"]

    def rate(self, seconds, until=lambda: False):
        """Gbit/s that reach the second container, for so long or until something is true; and how long."""
        before, begin = self.bytes(), time.monotonic()
        while time.monotonic() - begin < seconds and not until():
            time.sleep(0.01)
        after, end = self.bytes(), time.monotonic()
        return (after - before) * 8 / (end - begin) / 1e9, end - begin


def measure(session, build, kind, frames, number):
    with Nursery(session.directory) as nursery:
        spaces = Namespaces(nursery, 2)
        flood = Device(session.directory, 0, frames, passes=1)
        switch = start(nursery, build, kind, spaces, flood)
        connection = Connection(nursery, spaces, switch)
        before, _ = connection.rate(SECONDS)
        flood.go()
        during, seconds = connection.rate(60, until=lambda: flood.received() >= SYNS)
        counted = switch.call("flow.count")
        if flood.received() < SYNS:
            raise Failed(f"only {flood.received()} packets of the flood were received")
        if not any(row["what"].startswith("evicted") and row["count"] > SYNS / 2 for row in counted["pressure"]):
            raise Failed(f"the flow table was not flooded: {counted}")
        refused = [d for d in switch.call("drops")["drops"] if d["port"] in ("c0", "c1") and
                   d["reason"] in ("flow-table-full", "flow-share", "no-connection", "denied", "rejected")]
        if refused:
            session.note(f"run {number}: of the connection were refused {refused}")
        for figure, value in ((BEFORE, before), (DURING, during), (SHARE, 100 * during / before),
                              (FLOOD, SYNS / seconds / 1e6)):
            session.figures.add(NAME, "Sluice", figure, number, value)


def main(session):
    need(["iperf3", "iputils-ping", "iproute2"], session.say)
    build = build_switch(session.options, session.say)
    kind = Kind(session)
    if not kind.plugin:
        raise Failed("flood needs net_sluice_replay, which begins when it is told to")
    frames = os.path.join(session.directory, "syns.pcap")
    session.say("making the flood")
    write_pcap(frames, syns())
    session.note(f"one worker on core {CORE}, both ends of the connection on core {ENDS}; the flood comes as fast "
                 "as the worker takes it, so that it and the connection share one core")
    with Hugepages(1024, session.say):
        for number in range(1, session.options.runs + 1):
            session.say(f"run {number} of {session.options.runs}")
            measure(session, build, kind, frames, number)
    print(f"\n{NAME}: {SYNS} SYN packets, {FLOWS} flows.")
    print_figures(session.figures, NAME, "best / median / worst", (BEFORE, DURING, SHARE, FLOOD))
    print_ratio("TCP in the flood / before", session.figures.median(NAME, "Sluice", DURING),
                session.figures.median(NAME, "Sluice", BEFORE), "at least 0.9")
