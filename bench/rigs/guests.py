"""guests: TCP between two virtual machines at vhost-user ports, segments whole."""

import json
import os

from lib import peers
from lib.guest import Guest, image
from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces
from lib.ovs import Ovs
from lib.processes import Failed, Nursery, wait_until
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio

NAME = "guests"
DESCRIPTION = ("TCP and ping between two virtual machines (QEMU without KVM) on core 0, the switch with "
               "two vhost-user ports on core 1")

SECONDS = 5
TCP1 = Figure("TCP, 1 stream", "Gbit/s")
TCP4 = Figure("TCP, 4 streams", "Gbit/s")
PING = Figure("ping, mean", "us", "less", 0)


def address(number):
    return f"10.77.9.{number + 1}"


def sluice(build):
    def start(nursery, sockets):
        Sluice(nursery, build, [{"name": f"vm{i}", "vhost-user": {"path": path}}
                                for i, path in enumerate(sockets)], cores=[1])
    return start


def ovs(place):
    def start(nursery, sockets):
        switch = Ovs(nursery, place, Namespaces(nursery, 0).switch, 1,
                     settings=["other_config:userspace-tso-enable=true"])
        for i, path in enumerate(sockets):
            switch.add_port(f"vm{i}", "dpdkvhostuserclient", vhost_server_path=path)
    return start


def tcp(guest, streams):
    text, status = guest.run(f"iperf3 -J -c {address(1)} -t {SECONDS} -P {streams}", SECONDS + 60)
    if status != 0:
        raise Failed(f"iperf3 in a guest: {text[-300:]}")
    return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e9


def ping(guest):
    text, _ = guest.run(f"ping -q -c 200 -i 0.01 {address(1)}")
    return float(text.rsplit("=", 1)[1].split("/")[1]) * 1000


def measure(session, folder, name, start, number):
    with Nursery(session.directory) as nursery:
        sockets = [os.path.join(nursery.directory, f"vm{i}.sock") for i in (0, 1)]
        guests = [Guest(nursery, folder, f"vm{i}", sockets[i], address(i) + "/24", "0") for i in (0, 1)]
        start(nursery, sockets)
        for guest in guests:
            guest.await_ready()
        wait_until(lambda: guests[0].run(f"ping -c 1 -W 1 {address(1)}")[1] == 0, f"{name}: no ping", 30)
        for figure, value in ((TCP1, tcp(guests[0], 1)), (TCP4, tcp(guests[0], 4)),
                              (PING, ping(guests[0]))):
            session.figures.add(NAME, name, figure, number, value)


def main(session):
    build = build_switch(session.options, session.say)
    folder = image(session.say)
    session.note(f"iperf3: {SECONDS} s a figure, from one guest to the other; ping: 200 at 10 ms. Both guests "
                 "are emulated on one core, which is the limit: what the switch does shows in how much it "
                 "spares them")
    order = []
    if session.peers:
        order.append(("OVS-DPDK, userspace TSO", ovs(peers.ovs(session))))
    order.append(("Sluice", sluice(build)))
    with Hugepages(1280, session.say):
        for number in range(1, session.options.runs + 1):
            for name, start in order:
                session.say(f"run {number} of {session.options.runs}: {name}")
                measure(session, folder, name, start, number)
    print_figures(session.figures, NAME, "best / median / worst", (TCP1, TCP4, PING))
    if session.peers:
        for figure in (TCP1, TCP4, PING):
            mine, theirs = (session.figures.median(NAME, s, figure) for s in ("Sluice", order[0][0]))
            print_ratio(f"{figure.name}, Sluice / OVS-DPDK", mine, theirs,
                        "at least 1" if figure is TCP1 else "")
