"""idle: what an idle switch costs, and what waking it costs."""

import time

from lib import compile as builder
from lib import peers
from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces
from lib.processes import Failed, Nursery, cpu_seconds, on_core_and_waiting, run
from lib.sluice import Sluice
from lib.table import Figure, percentile, print_figures, print_ratio
from rigs.containers import ovs_af_packet, ovs_tso

NAME = "idle"
DESCRIPTION = "an idle switch's use of a core, and how long its waking takes"

CPU = "CPU use without traffic"
WAKE = "wake"
SECONDS = 5
SETTLE = 15           # router solicitations (RFC 4861: three, 4 s apart) and the like are over
SETTLE_TWO = 4        # of two containers, where a stray frame changes no percentile
ROUNDS = 1000
INTERVAL = 2000       # us between rounds: far more than the time that a worker spins

USE = Figure("of one core", "%", "less", 2)
CONTROL = Figure("of it the main thread", "%", "less", 2)
START = Figure("start, until all ports are up", "s", "less", 2)
P50, P99, P999 = (Figure(p, "us", "less", 1) for p in ("p50", "p99", "p99.9"))

BARE_ONE = "eventfd, one way"
BARE_BOTH = "eventfd, there and back"
PATH_POLL = "container to container, worker polling"
PATH_SLEEP = "container to container, worker asleep"


def containers(spaces):
    return [{"name": f"c{i}", "netns": name, "address": [spaces.address(i)]}
            for i, name in enumerate(spaces.containers)]


def measure_use(session, build, count, number):
    with Nursery(session.directory) as nursery:
        spaces = Namespaces(nursery, count)
        start = time.monotonic()
        switch = Sluice(nursery, build, containers(spaces), netns=spaces.switch, wait=60)
        took = time.monotonic() - start
        record(session, f"Sluice, {count} containers", switch.pid, number)
        session.figures.add(CPU, f"Sluice, {count} containers", START, number, took)


def measure_use_of_ovs(session, place, number):
    for name, join in (("veth with TSO", ovs_tso), ("net_af_packet", ovs_af_packet)):
        with Nursery(session.directory) as nursery:
            switch = join(place)(nursery, Namespaces(nursery, 2))
            record(session, f"OVS-DPDK, 2 containers, {name}", switch.pid, number)


def record(session, name, pid, number):
    time.sleep(SETTLE)
    start, used = time.monotonic(), (cpu_seconds(pid), on_core_and_waiting(pid, pid)[0] / 1e9)
    time.sleep(SECONDS)
    now = (cpu_seconds(pid), on_core_and_waiting(pid, pid)[0] / 1e9)
    for figure, before, after in zip((USE, CONTROL), used, now):
        session.figures.add(CPU, name, figure, number,
                            100 * (after - before) / (time.monotonic() - start))


def add_times(session, name, number, nanoseconds):
    if len(nanoseconds) < ROUNDS * 0.9:
        raise Failed(f"{name}: {len(nanoseconds)} of {ROUNDS} frames arrived")
    ordered = sorted(n / 1000 for n in nanoseconds)
    for figure, share in ((P50, 0.5), (P99, 0.99), (P999, 0.999)):
        session.figures.add(WAKE, name, figure, number, percentile(ordered, share))


def measure_bare(session, wake, number):
    rounds = [line.split() for line in
              run([wake, "bare", 0, 1, ROUNDS, INTERVAL], timeout=60).splitlines()]
    add_times(session, BARE_ONE, number, [int(r[0]) for r in rounds])
    add_times(session, BARE_BOTH, number, [int(r[1]) for r in rounds])


def measure_path(session, build, wake, name, idle, number):
    with Nursery(session.directory) as nursery:
        spaces = Namespaces(nursery, 2)
        Sluice(nursery, build, containers(spaces), idle=idle, netns=spaces.switch)
        time.sleep(SETTLE_TWO)
        text = run([wake, "path", 0, *spaces.containers, ROUNDS, INTERVAL], timeout=120)
        add_times(session, name, number, [int(line) for line in text.split()])


def main(session):
    build = build_switch(session.options, session.say)
    wake = builder.program("idle/wake.cc", session.say, dpdk=False, libraries=["-lpthread"])
    place = peers.ovs(session) if session.peers else None
    session.note(f"CPU use: nanosecond clocks of all the process's threads over {SECONDS} s, "
                 f"{SETTLE} s after its start; the configuration's default, workers.idle: adaptive")
    session.note(f"wakes: {ROUNDS} rounds, {INTERVAL} us apart. eventfd: a thread on core 0 writes one, "
                 "a thread on core 1 sleeping in epoll_wait wakes (one way), and rings back (there and "
                 "back)")
    session.note("container to container: a frame from a packet socket in one container to a packet "
                 "socket in the other, its sender sleeping on core 0 until it arrives, Sluice on core "
                 "1. Both rows hold the sending, both TAP devices, the bridge and the sender's own "
                 "wake; they differ in the worker's sleep alone, so their difference is the wake")
    with Hugepages(1280 if place else 256, session.say):
        for number in range(1, session.options.runs + 1):
            session.say(f"run {number} of {session.options.runs}: CPU use")
            if place:
                measure_use_of_ovs(session, place, number)
            for count in (2, 250):
                measure_use(session, build, count, number)
            session.say(f"run {number} of {session.options.runs}: wakes")
            measure_bare(session, wake, number)
            measure_path(session, build, wake, PATH_POLL, "poll", number)
            measure_path(session, build, wake, PATH_SLEEP, "adaptive", number)
    print_figures(session.figures, CPU, CPU, (USE, CONTROL, START))
    print("  wanted: below 3 % of a core; 250 containers up in less than 5 s")
    print_figures(session.figures, WAKE, WAKE, (P50, P99, P999))
    asleep, polling, bare, both = (session.figures.median(WAKE, n, P50)
                                   for n in (PATH_SLEEP, PATH_POLL, BARE_ONE, BARE_BOTH))
    print_ratio("a wake of Sluice (asleep less polling) / an eventfd's, one way", asleep - polling,
                bare, "at most 2")
    print_ratio("two wakes and the path between containers / two wakes of an eventfd", asleep, both)
