"""churn: replay at full load while everything that can change changes, ten times a second."""

import time

from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces
from lib.processes import Failed, Nursery, on_core_and_waiting, run
from lib.replay import Kind
from lib.scenarios import all_scenarios
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio

NAME = "churn"
DESCRIPTION = ("a worker at full load while the configuration is reloaded, ports come and go and all "
               "statistics are polled, ten times a second")

CORE = 1
SECONDS = 10
A_SECOND = 10
SCENARIO = "10k MACs"

LOST = Figure("packets lost", "packets", "less", 0)
SENT = Figure("packets", "million", digits=0)
GAP = Figure("longest gap between two polls", "us", "less", 0)
RATE = Figure("rate", "Mpps")
WAITED = Figure("others had the core", "ms", "less", 1)
ANSWER = Figure("slowest answer", "ms", "less", 1)
ROUNDS = Figure("rounds", "in all", digits=0)
QUIET, CHURN = "left alone", "churned"


class Churner:
    """One round changes the file and reloads it, adds or deletes ports, and asks for everything."""

    def __init__(self, switch, spaces):
        self.switch, self.spaces = switch, spaces
        self.rounds = 0
        self.slowest = (0.0, "")
        self.steady_ports = list(switch.config["ports"])

    def ask(self, method, **params):
        start = time.monotonic()
        answer = self.switch.call(method, params)
        self.slowest = max(self.slowest, (time.monotonic() - start, method))
        return answer

    def round(self):
        odd = self.rounds % 2
        # A port of the file comes and goes with each second reload, another network's ageing changes.
        config = self.switch.config
        config["ports"] = self.steady_ports + (
            [{"name": "filed", "device": "net_null7,no-rx=1", "network": "bench"}] if odd else [])
        config["networks"][1]["ageing"] = 300 + odd
        self.switch.write_config()
        self.ask("config.reload")
        # Added ones: a device, and a container's TAP, both in the network under load.
        for port in ({"name": "added", "device": "net_null8,no-rx=1", "network": "bench"},
                     {"name": "tap", "netns": self.spaces.containers[0], "network": "bench"}):
            if odd:
                self.ask("port.delete", name=port["name"])
            else:
                self.ask("port.add", port=port)
        for method in ("status", "stats", "port.list", "network.list", "mac.list", "drops",
                       "config.show"):
            self.ask(method)
        self.rounds += 1


def settled(pair):
    """Stops port A and returns when nothing moves any more."""
    pair.a.halt()
    before, end = -1, time.monotonic() + 10
    while before != pair.b.transmitted() and time.monotonic() < end:
        before = pair.b.transmitted()
        time.sleep(0.1)


def measure(session, build, kind, scenario, files, churned, number):
    with Nursery(session.directory) as nursery:
        spaces = Namespaces(nursery, 1)
        # The container's own words (neighbour discovery) would come out of port B uncounted.
        run(["ip", "netns", "exec", spaces.containers[0], "sysctl", "-qw",
             "net.ipv6.conf.default.disable_ipv6=1"])
        pair = kind.pair(session.directory, files, gaps=True)
        ports = [{"name": n, "device": d} for n, d in zip("ab", pair.devices())]
        networks = [{"name": "bench", "mac-table-size": scenario.table_size()}, {"name": "other"}]
        switch = Sluice(nursery, build, ports, networks, cores=[CORE], idle="poll",
                        dpdk_args=kind.eal(), netns=spaces.switch)
        pair.begin(switch)
        time.sleep(0.5)
        churner = Churner(switch, spaces)
        start, before = time.monotonic(), pair.a.received()
        task = switch.worker_thread(CORE)
        waited = on_core_and_waiting(switch.pid, task)[1]
        pair.a.forget_gap()
        if churned:
            while (now := time.monotonic()) < start + SECONDS:
                churner.round()
                time.sleep(max(0, 1 / A_SECOND - (time.monotonic() - now)))
        else:
            time.sleep(SECONDS)
        gap = pair.a.longest_gap()
        waited = (on_core_and_waiting(switch.pid, task)[1] - waited) / 1e6
        rate = (pair.a.received() - before) / (time.monotonic() - start) / 1e6
        settled(pair)

        def add(figure, value):
            session.figures.add(NAME, CHURN if churned else QUIET, figure, number, value)

        # Every frame of A is for an address behind B.
        add(LOST, pair.a.received() - pair.b.transmitted())
        add(SENT, pair.a.received() / 1e6)
        add(GAP, gap * 1e6)
        add(RATE, rate)
        add(WAITED, waited)
        if churned:
            add(ANSWER, churner.slowest[0] * 1e3)
            session.note(f"run {number}: the slowest answer was that of {churner.slowest[1]}")
            add(ROUNDS, churner.rounds)
        for row in switch.call("drops")["drops"]:
            session.note(f"run {number}, {CHURN if churned else QUIET}: {row['packets']} dropped at "
                         f"port {row['port']}: {row['reason']}")


def main(session):
    build = build_switch(session.options, session.say)
    kind = Kind(session)
    if not kind.plugin:
        raise Failed("churn needs net_sluice_replay, which measures the gaps")
    scenario = next(s for s in all_scenarios() if s.name == SCENARIO)
    session.note(f"{scenario.name}: {scenario.words}; each row {SECONDS} s long")
    session.note("lost: what port A received less what port B was given, after the end; flooded copies "
                 "for the ports that come and go would not count")
    session.note("the gap holds whatever took the core away from the worker, the hypervisor and other "
                 f"programs too: the row \"{QUIET}\" shows what the machine does by itself")
    with Hugepages(1024, session.say):
        files = scenario.files(session.directory)
        for number in range(1, session.options.runs + 1):
            session.say(f"run {number} of {session.options.runs}")
            for churned in (False, True):
                measure(session, build, kind, scenario, files, churned, number)
    print_figures(session.figures, NAME, "best / median / worst",
                  (LOST, SENT, RATE, GAP, WAITED, ANSWER, ROUNDS))
    lost = max(session.figures.values(NAME, CHURN, LOST))
    gap = max(session.figures.values(NAME, CHURN, GAP))
    print(f"  lost in the worst run: {lost:.0f} (wanted: 0); longest gap of all: {gap:.0f} us "
          "(wanted: at most 1000)")
    print_ratio("rate, churned / left alone", *(session.figures.median(NAME, s, RATE)
                                                for s in (CHURN, QUIET)))
