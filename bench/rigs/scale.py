"""scale: one worker with one replayed pair of ports, then two workers with a pair each."""

from lib import peers
from lib.machine import Hugepages, build_switch, cores
from lib.processes import Failed, Nursery
from lib.replay import Kind, windows
from lib.scenarios import all_scenarios
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio
from lib.testpmd import Testpmd

NAME = "scale"
DESCRIPTION = "one and two workers, each with a replayed port and a network of its own"

SCENARIOS = ("10k flows", "10k MACs")
CORES = [1, 0]   # the first alone, then both
SECONDS = 2.0
WARM = 1.0

RATE = Figure("rate of all workers", "Mpps")
HELD = Figure("cores held", "%", digits=0)


def sluice(nursery, build, kind, pairs, used, scenario):
    # Ports are dealt to the workers in turn, so all A come first, then all B.
    ports, networks = [], []
    for side in (0, 1):
        for i, pair in enumerate(pairs):
            ports.append({"name": f"{'ab'[side]}{i}", "device": pair.devices()[side],
                          "network": f"n{i}", "queues": 1})
    for i in range(len(pairs)):
        networks.append({"name": f"n{i}", "mac-table-size": scenario.table_size()})
    return Sluice(nursery, build, ports, networks, cores=used, idle="poll", dpdk_args=kind.eal())


def testpmd(nursery, program, kind, pairs, used, scenario):
    eal = list(kind.eal())
    for pair in pairs:
        for device in pair.devices():
            eal += ["--vdev", device]
    return Testpmd(nursery, program, "io", eal, used)


def measure(session, scenario, name, start, kind, files, count, number):
    with Nursery(session.directory) as nursery:
        pairs = [kind.pair(session.directory, files, first=2 * i) for i in range(count)]
        used = CORES[:count]
        switch = start(nursery, pairs, used, scenario)
        for pair in pairs:
            pair.begin(switch)
        windows(switch, pairs, used, WARM, session.tsc_hz)
        answers = windows(switch, pairs, used, SECONDS, session.tsc_hz)
        session.figures.add(scenario.name, f"{name}, {words(count)}", RATE, number,
                            sum(a[0] for a in answers))
        session.figures.add(scenario.name, f"{name}, {words(count)}", HELD, number,
                            100 * min(a[2] for a in answers))


def words(count):
    return "1 worker" if count == 1 else f"{count} workers"


def main(session):
    if not set(CORES) <= set(cores()):
        raise Failed(f"scale needs cores {CORES}")
    build = build_switch(session.options, session.say)
    kind = Kind(session)
    if not kind.plugin:
        raise Failed("scale needs net_sluice_replay: with net_pcap both workers would copy from the "
                     "same few buffers")
    program = peers.testpmd(session)
    session.note(f"worker 1 on core {CORES[0]}, worker 2 on core {CORES[1]}, where the bench and all "
                 "control threads live as well; rates are for the time that each worker had its core "
                 "(the fewer, \"cores held\", of the two is shown)")
    session.note("testpmd io scales as far as the machine's caches and memory do")
    found = [s for s in all_scenarios(session.options.only) if s.name in SCENARIOS]
    order = [("testpmd io", lambda *a: testpmd(a[0], program, kind, *a[1:])),
             ("Sluice", lambda *a: sluice(a[0], build, kind, *a[1:]))]
    with Hugepages(1536, session.say):
        for scenario in found:
            files = scenario.files(session.directory)
            for number in range(1, session.options.runs + 1):
                session.say(f"{scenario.name}: run {number} of {session.options.runs}")
                for count in (1, 2):
                    for name, start in order:
                        measure(session, scenario, name, start, kind, files, count, number)
            print(f"\n{scenario.name}: {scenario.words}.")
            print_figures(session.figures, scenario.name, "best / median / worst", (RATE, HELD))
            for name, wanted in (("testpmd io", ""), ("Sluice", "at least 1.9")):
                one, two = (session.figures.median(scenario.name, f"{name}, {words(n)}", RATE)
                            for n in (1, 2))
                print_ratio(f"{name}, two workers / one", two, one, wanted)
