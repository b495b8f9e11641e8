"""vhost: generator and sink at the guest's end of two vhost-user ports (PVP), the switch at the other.

Pktgen-DPDK can drive the same ports instead, where it is installed: bench/vhost/pktgen."""

import os
import re
import time

from lib import compile as builder
from lib import peers
from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces
from lib.ovs import Ovs
from lib.processes import Nursery, on_core_and_waiting, wait_until
from lib.scenarios import all_scenarios
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio
from lib.testpmd import Testpmd

NAME = "vhost"
DESCRIPTION = ("PVP: a generator and sink with two virtio-user ports on core 0, the switch with two "
               "vhost-user ports on core 1")

CORE = 1
WARM, SECONDS = 2, 3
SCENARIOS = ("1k flows", "100k flows")

RATE = Figure("received", "Mpps")
LOST = Figure("lost", "%", "less", 3)
REFUSED = Figure("ring refused", "% of bursts", digits=1)
BUSY = Figure("busy cycles a packet", "cycles", "less", 1)


def socket_of(nursery, port):
    return os.path.join(nursery.directory, f"pvp{port}.sock")


def generator(nursery, program, files):
    """Serves both sockets; switches connect to it."""
    ports = []
    for port in (0, 1):
        if os.path.exists(socket_of(nursery, port)):
            os.remove(socket_of(nursery, port))
        ports += ["--vdev", f"net_virtio_user{port},path={socket_of(nursery, port)},server=1,"
                  "queue_size=1024"]
    process = nursery.start(
        [program, "-l", "0", "--in-memory", "--single-file-segments", "--no-pci", "--no-telemetry",
         "-m", "256", *ports, "--", *files, WARM, SECONDS], "pvp")
    # The second one is made when somebody has connected to the first; switches try again.
    wait_until(lambda: os.path.exists(socket_of(nursery, 0)), "pvp", process=process)
    return process


def devices(nursery):
    return [f"net_vhost{port},iface={socket_of(nursery, port)},client=1" for port in (0, 1)]


def sluice(nursery, build, scenario):
    return Sluice(nursery, build,
                  [{"name": name, "vhost-user": {"path": socket_of(nursery, port)}}
                   for port, name in enumerate("ab")],
                  cores=[CORE], idle="poll")


def ovs(nursery, place, scenario):
    switch = Ovs(nursery, place, Namespaces(nursery, 0).switch, CORE)
    for port in (0, 1):
        switch.add_port(f"p{port}", "dpdkvhostuserclient",
                        vhost_server_path=socket_of(nursery, port))
    return switch


def testpmd(nursery, program, scenario):
    eal = []
    for device in devices(nursery):
        eal += ["--vdev", device]
    return Testpmd(nursery, program, "io", eal, [CORE])


def busy_cycles(switch, process):
    """TSC cycles a packet of the turns (bursts, iterations) that had packets, by the switch's count, in
    a window within the generator's; without the time in which others had the core."""
    task = switch.worker_thread(CORE)
    if isinstance(switch, Ovs):
        switch.clear()
    if isinstance(switch, Testpmd):
        switch.count_cycles()
    old = switch.busy() if isinstance(switch, Sluice) else (0, 0)
    ran, waited = on_core_and_waiting(switch.pid, task)
    time.sleep(SECONDS - 1)
    cycles, packets = switch.busy()
    ran_after, waited_after = on_core_and_waiting(switch.pid, task)
    share = (ran_after - ran) / (ran_after - ran + waited_after - waited)
    cycles, packets = cycles - old[0], packets - old[1]
    return cycles / packets * share if packets else 0.0


def measure(session, scenario, name, start, program, files, number):
    with Nursery(session.directory) as nursery:
        process = generator(nursery, program, files)
        switch = start(nursery, scenario)
        wait_until(lambda: "begin" in process.log_tail(), f"{name}: the generator's warming", 60,
                   process)
        cycles = busy_cycles(switch, process)
        line = r"sent (\d+) received (\d+) offered (\d+) refused-bursts (\d+) bursts (\d+)"
        match = wait_until(lambda: re.search(line, process.log_tail()), "pvp's figures", 30)
        sent, received, _, refused, bursts = (int(n) for n in match.groups())

        def add(figure, value):
            session.figures.add(scenario.name, name, figure, number, value)

        add(RATE, received / SECONDS / 1e6)
        add(LOST, max(0.0, 100 * (sent - received) / sent))
        add(REFUSED, 100 * refused / bursts)
        add(BUSY, cycles)


def main(session):
    build = build_switch(session.options, session.say)
    program = builder.program("vhost/pvp.c", session.say)
    floor = peers.testpmd(session)
    session.note("lost: packets that the ring took and the sink did not get; ring refused: bursts of "
                 "the generator of which the full ring left some over. Where that is rare, the one-core "
                 "generator is the limit and the rate ranks nothing: busy cycles do")
    session.note("busy cycles: empty polls left out, as each switch counts them (testpmd: "
                 "record-core-cycles; OVS: processing cycles; Sluice: busy-cycles), less the time in "
                 "which others had the core")
    order = [("testpmd io", lambda n, s: testpmd(n, floor, s))]
    if session.peers:
        place = peers.ovs(session)
        order.append(("OVS-DPDK", lambda n, s: ovs(n, place, s)))
    order.append(("Sluice", lambda n, s: sluice(n, build, s)))
    found = [s for s in all_scenarios(session.options.only) if s.name in SCENARIOS]
    with Hugepages(2048, session.say):
        for scenario in found:
            files = scenario.files(session.directory)
            for number in range(1, session.options.runs + 1):
                session.say(f"{scenario.name}: run {number} of {session.options.runs}")
                for name, start in order:
                    measure(session, scenario, name, start, program, files, number)
            print(f"\n{scenario.name}: {scenario.words}.")
            print_figures(session.figures, scenario.name, "best / median / worst",
                          (RATE, LOST, REFUSED, BUSY))

            def median(switch, figure):
                return session.figures.median(scenario.name, switch, figure)

            if session.peers:
                print_ratio("busy cycles, Sluice / OVS-DPDK", median("Sluice", BUSY),
                            median("OVS-DPDK", BUSY), "at most 0.85")
            print_ratio("rate, Sluice / testpmd io", median("Sluice", RATE),
                        median("testpmd io", RATE), "at least 1")
