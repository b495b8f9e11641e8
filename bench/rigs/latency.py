"""latency: pings between two containers, beside the kernel's bridge and beside a floor: a forwarder that only
reads and writes, between two TAP devices like Sluice's."""

from lib import compile as builder
from lib.machine import Hugepages, build_switch, need
from lib.netns import Namespaces, reachable
from lib.processes import Nursery, on_core_and_waiting, run, wait_until
from lib.sluice import Sluice
from lib.table import Figure, percentile, print_figures, print_table
from rigs.containers import kernel_bridge

NAME = "latency"
DESCRIPTION = "round trips between two containers on core 0, the switch on core 1, in nanoseconds"

ENDS, CORE = 0, 1
QUIET_INTERVAL = 10_000  # us: the worker is asleep when a request comes

SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
TIMES = {name: Figure(name, "us", "less", 1) for name in SHARES}
P50 = TIMES["p50"]
# Of the switch's thread, while the mode was measured.
WAITED = Figure("others had the switch's core", "ms", "less", 1)

KERNEL, SPIN, SLEEP = "kernel bridge", "floor, spinning", "floor, sleeping"
SLUICE, POLL = "Sluice", "Sluice, idle: poll"
BARE = "eventfd, one way"


class Mode:
    """`count` requests, one each `interval` us, 0: the next follows the answer; beside `load` datagrams a
    second."""

    def __init__(self, name, words, count, interval, load=0):
        self.name, self.words, self.count, self.interval, self.load = name, words, count, interval, load


MODES = [Mode("back to back", "each request follows the answer to the last one", 20_000, 0),
         Mode("busy", "one request a millisecond", 4000, 1000),
         Mode("loaded", "one request a millisecond beside 10,000 datagrams a second", 4000, 1000, 10_000),
         Mode("quiet", "one request in 10 ms", 1000, QUIET_INTERVAL)]


def kernel(nursery, spaces):
    kernel_bridge(nursery, spaces)


def floor(program, mode):
    def join(nursery, spaces):
        process = nursery.start([program, mode, CORE, *spaces.containers], f"forward-{mode}")
        wait_until(lambda: "ready" in process.log_tail(), "the bare forwarder", process=process)
        for i, name in enumerate(spaces.containers):
            # As Sluice does it: nothing ever waits in a discipline of a TAP device.
            run(["tc", "-n", name, "qdisc", "replace", "dev", "eth0", "root", "noqueue"])
            run(["ip", "-n", name, "address", "add", spaces.address(i), "dev", "eth0"])
            run(["ip", "-n", name, "link", "set", "eth0", "up"])
        return process.pid, process.pid
    return join


def sluice(build, idle):
    def join(nursery, spaces):
        switch = Sluice(nursery, build, [{"name": f"c{i}", "netns": name, "address": [spaces.address(i)]}
                                         for i, name in enumerate(spaces.containers)],
                        cores=[CORE], idle=idle, netns=spaces.switch)
        return switch.pid, switch.worker_thread(CORE)
    return join


def measure(session, echo, name, spaces, thread, number):
    far = spaces.address(1, False)
    wait_until(lambda: reachable(spaces.containers[0], far), f"{name}: no ping", 20)
    for mode in MODES:
        waited = on_core_and_waiting(*thread)[1] if thread else 0
        text = run([echo, ENDS, *spaces.containers, far, mode.count, mode.interval,
                    *([mode.load] if mode.load else [])],
                   timeout=mode.count * (mode.interval / 1e6 + 0.001) * 4 + 30)
        times = sorted(int(line) / 1000 for line in text.split())
        if len(times) < mode.count:
            session.note(f"{name}, {mode.name}, run {number}: {mode.count - len(times)} of {mode.count} requests "
                         "had no answer within a second")
        for figure, share in SHARES.items():
            session.figures.add(mode.name, name, TIMES[figure], number, percentile(times, share))
        if thread:
            session.figures.add(mode.name, name, WAITED, number, (on_core_and_waiting(*thread)[1] - waited) / 1e6)


def measure_wake(session, wake, number):
    count = 500
    times = sorted(int(line.split()[0]) / 1000 for line in
                   run([wake, "bare", ENDS, CORE, count, QUIET_INTERVAL], timeout=120).splitlines())
    for figure, share in SHARES.items():
        session.figures.add(BARE, BARE, TIMES[figure], number, percentile(times, share))


def print_ratios(session, mode):
    """Of medians: each Sluice by each of the others, at each percentile."""
    def median(switch, figure):
        return session.figures.median(mode.name, switch, TIMES[figure])

    print("")
    print_table(["ratios of medians", *SHARES],
                [[f"{mine} / {other}", *(f"{median(mine, f) / median(other, f):.2f}" for f in SHARES)]
                 for mine in (SLUICE, POLL) for other in (SPIN, SLEEP, KERNEL)])


def summarise(session):
    for mode in MODES:
        print(f"\n{mode.name}: {mode.words}, {mode.count} in all.")
        print_figures(session.figures, mode.name, "best / median / worst", (*TIMES.values(), WAITED))
        print_ratios(session, mode)
        if mode.interval != QUIET_INTERVAL:
            print(f"  wanted: {SLUICE} / {SPIN} at most 1.25 at p50")
    print_figures(session.figures, BARE, f"wake, {QUIET_INTERVAL} us apart", TIMES.values())
    quiet, bare = MODES[-1].name, session.figures.median(BARE, BARE, P50)
    for name in (SLUICE, SPIN, SLEEP):
        more = session.figures.median(quiet, name, P50) - session.figures.median(quiet, KERNEL, P50)
        print(f"  quiet p50, {name} less {KERNEL}: {more:.1f} us, {more / bare:.2f} bare wakes" +
              (" (wanted: at most 2)" if name == SLUICE else ""))


def main(session):
    need(["iputils-ping", "iproute2"], session.say)
    build = build_switch(session.options, session.say)
    forward, echo, wake = (builder.program(source, session.say, dpdk=False, libraries=["-lpthread"])
                           for source in ("latency/forward.cc", "latency/echo.cc", "idle/wake.cc"))
    session.note("a thread on core 0 sends ICMP echo requests from one container and sleeps until the answer "
                 "is there; the kernel of the other container answers. The kernel's bridge does all of it on "
                 "core 0, the others on both cores: their times have the sender's wake in them, and quiet ones "
                 "the switch's wake too")
    session.note("floor: bench/latency/forward.cc, one read and one write a frame; sleeping, one epoll_wait a "
                 "wake more")
    session.note("the load's datagrams have 64 bytes and go the same way as the requests, from the sender's core")
    session.note("others had the switch's core: how long the switch's thread could have run and had to wait "
                 "(schedstat); a p99.9 with much of it is the machine's")
    cases = [(KERNEL, kernel), (SPIN, floor(forward, "spin")), (SLEEP, floor(forward, "sleep")),
             (SLUICE, sluice(build, "adaptive")), (POLL, sluice(build, "poll"))]
    with Hugepages(256, session.say):
        for number in range(1, session.options.runs + 1):
            session.say(f"run {number} of {session.options.runs}: bare wakes")
            measure_wake(session, wake, number)
            for name, join in cases:
                session.say(f"run {number} of {session.options.runs}: {name}")
                with Nursery(session.directory) as nursery:
                    spaces = Namespaces(nursery, 2)
                    measure(session, echo, name, spaces, join(nursery, spaces), number)
    summarise(session)
