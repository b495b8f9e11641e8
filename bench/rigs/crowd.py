"""crowd: two containers and 250 with traffic on all of them, through one worker."""

import time

from lib import compile as builder
from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces
from lib.processes import Nursery, on_core_and_waiting, wait_until
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio
from rigs.containers import policy

NAME = "crowd"
DESCRIPTION = "containers that all send, from core 0, through one worker on core 1: few of them and many"

CORE = 1
FEW, MANY = 2, 250
FLOWS = 10_000
WARM, SECONDS = 1, 3

RATE = Figure("forwarded", "Mpps", digits=3)
CYCLES = Figure("TSC cycles a packet", "cycles", "less", 0)
OWN = Figure("of it outside of the kernel", "cycles", "less", 0)
BATCH = Figure("packets a batch", "", digits=1)


def name_of(count, with_policy):
    return f"{count} containers" + (", policy on all ports" if with_policy else "")


def counted(switch):
    """(packets received, batches, nanoseconds that the worker has run, its ticks in user space and in all)"""
    worker, task = switch.call("stats")["workers"][0], switch.worker_thread(CORE)
    with open(f"/proc/{switch.pid}/task/{task}/stat") as file:
        user, system = (int(word) for word in file.read().rpartition(")")[2].split()[11:13])
    return worker["received"], worker["batches"], on_core_and_waiting(switch.pid, task)[0], user, user + system


def measure(session, build, talk, count, with_policy, number):
    with Nursery(session.directory) as nursery:
        spaces = Namespaces(nursery, count)
        ports = [{"name": f"c{i}", "netns": name, "address": [spaces.address(i)]}
                 for i, name in enumerate(spaces.containers)]
        # All may begin connections with all: 250 lists, whose rules are the same.
        more = {"acls": [{**acl, "rules": [{"permit": {"proto": "udp", "port": 5000}}]}
                         for acl in policy(ports)["acls"]]} if with_policy else None
        switch = Sluice(nursery, build, ports, cores=[CORE], netns=spaces.switch, wait=60, more=more)
        process = nursery.start([talk, 0, FLOWS, *spaces.containers], f"talk{count}")
        wait_until(lambda: counted(switch)[0] > 2 * FLOWS, "the containers don't talk", 30, process)
        time.sleep(WARM)
        start, before = time.monotonic(), counted(switch)
        time.sleep(SECONDS)
        elapsed = time.monotonic() - start
        packets, batches, ran, user, ticks = (n - o for n, o in zip(counted(switch), before))
        drops = switch.call("drops")["drops"]
        cycles = ran * session.tsc_hz / 1e9 / packets
        for figure, value in ((RATE, packets / elapsed / 1e6), (CYCLES, cycles),
                              (OWN, cycles * user / max(1, ticks)), (BATCH, packets / batches)):
            session.figures.add(NAME, name_of(count, with_policy), figure, number, value)
        dropped = sum(row["packets"] for row in drops if row["reason"] != "background")
        if dropped:
            session.note(f"{name_of(count, with_policy)}, run {number}: the switch dropped {dropped} packets: " +
                         ", ".join(sorted({row["reason"] for row in drops})))


def main(session):
    build = build_switch(session.options, session.say)
    talk = builder.program("crowd/talk.cc", session.say, dpdk=False)
    session.note(f"{FLOWS} UDP flows among the containers, 64-byte frames, from packet sockets "
                 "(bench/crowd/talk.cc); a container's kernel drops what comes, on the worker's core, which is "
                 "part of the cycles, as are one read and one write of a TAP device a packet; what is outside of "
                 "the kernel is the switch's own part, by the ticks of the kernel's clock")
    session.note("the sender is faster than the worker, which never sleeps then; what TAP devices refuse is lost "
                 "before the switch")
    kinds = [(count, with_policy) for with_policy in (False, True) for count in (FEW, MANY)]
    with Hugepages(512, session.say):
        for number in range(1, session.options.runs + 1):
            for kind in kinds:
                session.say(f"run {number} of {session.options.runs}: {name_of(*kind)}")
                measure(session, build, talk, *kind, number)
    print_figures(session.figures, NAME, "best / median / worst", (RATE, CYCLES, OWN, BATCH))
    for with_policy in (False, True):
        many, few = (session.figures.median(NAME, name_of(count, with_policy), CYCLES) for count in (MANY, FEW))
        print_ratio(f"cycles, {name_of(MANY, with_policy)} / {FEW}", many, few)
