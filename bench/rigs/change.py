"""change: what one change costs in a large configuration, while a worker forwards at full load."""

import time

from lib import compile as builder
from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces, reachable
from lib.processes import Failed, Nursery, on_core_and_waiting, wait_until
from lib.replay import Kind
from lib.scenarios import all_scenarios
from lib.sluice import Sluice
from lib.table import Figure, percentile, print_figures

NAME = "change"
DESCRIPTION = ("a switch with thousands of container ports is started and changed, one thing at a time, "
               "while a worker forwards connections at full load")

SIZES = {"ports": 4000, "networks": 200, "lists": 100, "rules": 100, "flows": 1_000_000}
CORE = 1
ROUNDS = 5      # of each change, in each run
PATIENCE = 600  # seconds that the start may take
ASKER = 0       # the core of the container that measures latency
ASKED, EVERY = 500, 1000  # its requests beside one change, and the microseconds between two of them

UNCHANGED = "no change"
START, ORPHANS = "start", "start that removes what was left"
TOOK = Figure("took", "s", "less", 2)
ANSWER = Figure("answer", "ms", "less", 1)
DECIDED = Figure("flows decided anew", "", "less", 0)
LOST = Figure("packets lost", "", "less", 0)
UNANSWERED = Figure("pings lost", "", "less", 0)
P99 = Figure("ping p99", "us", "less", 0)
GAP = Figure("longest gap between two polls", "us", "less", 0)
WAITED = Figure("others had the core", "ms", "less", 1)


def sizes_of(options):
    sizes = dict(SIZES)
    for text in options.size:
        name, _, number = text.partition("=")
        if name not in sizes or not number.isdigit():
            raise Failed(f"--size {text}: one of {', '.join(sizes)}, as in --size ports=250")
        sizes[name] = int(number)
    if sizes["networks"] > 250:
        raise Failed("--size networks: at most 250, which have a /16 each")
    return sizes


def network(i):
    return {"name": f"n{i}", "subnets": [f"10.{i}.0.0/16"], "gateway": f"10.{i}.0.1", "domain": f"d{i % 10}"}


def container(i, sizes, netns):
    n, host = i % sizes["networks"], i // sizes["networks"]
    # Without a route of its own each one would take the default route of their namespace from the others.
    return {"name": f"c{i}", "netns": netns, "interface": f"c{i}", "network": f"n{n}",
            "address": [f"10.{n}.{1 + host // 250}.{host % 250 + 1}"],
            "routes": [{"to": f"100.{64 + i // 250}.{i % 250}.0/24", "via": f"10.{n}.0.1"}]}


def access_list(i, sizes):
    rules = [{"permit": {"proto": "tcp", "from": f"192.168.{r % 250}.0/24", "port": 80 + r}}
             for r in range(sizes["rules"])]
    return {"name": f"l{i}", "apply": {"network": f"n{i % sizes['networks']}", "direction": "ingress"},
            "rules": rules}


def route(i):
    return {"to": f"172.{16 + i % 16}.{i // 16}.0/24", "via": f"10.{i}.0.9", "domain": f"d{i % 10}"}


class Switch:
    """One with the scenario's two ports, and everything else that `sizes` says beside them."""

    def __init__(self, session, nursery, build, kind, scenario, files, sizes):
        self.session, self.sizes = session, sizes
        # All in one, which is the worst case: whatever the kernel does by interface, it does for all.
        self.spaces = Namespaces(nursery, 4)
        self.pair = kind.pair(session.directory, files, gaps=True, answers=sizes["flows"])
        self.sections = scenario.sections(self.pair.devices())
        ports = self.sections["ports"] + [container(i, sizes, self.spaces.containers[0])
                                          for i in range(sizes["ports"])]
        # Their pings tell what a change does to latency.
        self.ends = self.spaces.containers[2:]
        ports += [{"name": f"ping{i}", "netns": end, "network": "pings", "address": [self.spaces.address(i)]}
                  for i, end in enumerate(self.ends)]
        networks = self.sections["networks"] + [{"name": "pings"}] + [network(i) for i in range(sizes["networks"])]
        more = {"acls": self.sections["acls"] + [access_list(i, sizes) for i in range(sizes["lists"])],
                "routes": [route(i) for i in range(sizes["networks"])],
                "flows": self.sections["flows"]}
        start = time.monotonic()
        self.sluice = Sluice(nursery, build, ports, networks, cores=[CORE], idle="poll", dpdk_args=kind.eal(),
                             netns=self.spaces.switch, wait=PATIENCE, more=more)
        self.started = time.monotonic() - start

    def call(self, method, **params):
        return self.sluice.call(method, params)

    def reload(self):
        self.sluice.write_config()
        start = time.monotonic()
        self.call("config.reload")
        return time.monotonic() - start

    def begin_pings(self, nursery, echo):
        far = self.spaces.address(1, False)
        wait_until(lambda: reachable(self.ends[0], far), "no ping between containers", 20)
        return nursery.start([echo, ASKER, *self.ends, far, ASKED, EVERY], "echo")

    def timed(self, method, **params):
        start = time.monotonic()
        self.call(method, **params)
        return time.monotonic() - start

    def decided(self):
        """How often the list at the scenario's port was evaluated."""
        lists = self.call("acl.list", name="edge")["acls"]
        return sum(rule["hits"] for acl in lists for rule in acl["rules"])

    def dropped(self):
        """At the scenario's ports. Containers say things of their own, which their guards drop."""
        return sum(row["packets"] for row in self.call("drops")["drops"] if row["port"] in ("a", "b"))

    def all_flows_passed(self):
        """Returns when each flow has had a packet in either direction since the call."""
        pair = self.pair
        wanted = [d.received() + 1.2 * self.sizes["flows"] for d in (pair.a, pair.b)]
        wait_until(lambda: all(d.received() >= w for d, w in zip((pair.a, pair.b), wanted)),
                   "the flows don't pass", 120, self.sluice.process)


def changes(switch, n):
    """Each change and the one that takes it back, as (name, how it is done: seconds that the answer took)."""
    config = switch.sluice.config
    spare = switch.spaces.containers[1]
    null = {"name": "null", "device": "net_null7,no-rx=1", "network": "n0"}
    tap = {"name": "tap", "netns": spare, "network": "n0", "address": ["10.0.200.1"]}
    to = f"198.18.{n}.0/24"

    def rule():
        config["acls"][1]["rules"][0] = {"deny": {"proto": "tcp", "port": 7 + n}}
        return switch.reload()

    def add_network():
        config["networks"].append(network(251))
        return switch.reload()

    def delete_network():
        config["networks"].pop()
        return switch.reload()

    return [("nothing: config reload", switch.reload),
            ("port add, net_null", lambda: switch.timed("port.add", port=null)),
            ("port delete, net_null", lambda: switch.timed("port.delete", name="null")),
            ("port add, container", lambda: switch.timed("port.add", port=tap)),
            ("port delete, container", lambda: switch.timed("port.delete", name="tap")),
            ("route add", lambda: switch.timed("route.add", route={"to": to, "via": "10.0.0.9", "domain": "d0"})),
            ("route delete", lambda: switch.timed("route.delete", to=to, domain="d0")),
            ("one rule, by config reload", rule),
            ("one network more, by config reload", add_network),
            ("one network less, by config reload", delete_network)]


def end_pings(process):
    """(requests without an answer, the 99th percentile of the others' round trips in microseconds)"""
    if process.wait(60) != 0:
        raise Failed("the pings failed:\n" + process.log_tail())
    times = sorted(int(line) / 1000 for line in process.log_tail(ASKED).splitlines())
    return ASKED - len(times), percentile(times, 0.99) if times else 0


def measure(session, switch, nursery, echo, number):
    pair, sluice = switch.pair, switch.sluice
    task = sluice.worker_thread(CORE)
    for n in range(ROUNDS):
        for name, change in [(UNCHANGED, lambda: 0), *changes(switch, number * ROUNDS + n)]:
            switch.all_flows_passed()
            hits, waited = switch.decided(), on_core_and_waiting(sluice.pid, task)[1]
            dropped = switch.dropped()
            pings = switch.begin_pings(nursery, echo)
            time.sleep(ASKED * EVERY / 4e6)
            pair.a.forget_gap()
            took = change()
            gap = pair.a.longest_gap()
            unanswered, p99 = end_pings(pings)
            switch.all_flows_passed()
            add = lambda figure, value: session.figures.add(NAME, name, figure, number, value)  # noqa: E731
            add(ANSWER, took * 1e3)
            add(DECIDED, switch.decided() - hits)
            add(LOST, switch.dropped() - dropped)
            add(UNANSWERED, unanswered)
            add(P99, p99)
            add(GAP, gap * 1e6)
            add(WAITED, (on_core_and_waiting(sluice.pid, task)[1] - waited) / 1e6)


def measure_orphans(session, switch, build, nursery, number):
    """The same file without its containers, after a switch that had no time to remove them."""
    switch.sluice.process.kill()
    switch.sluice.process.wait()
    start = time.monotonic()
    config = dict(switch.sluice.config, ports=[], acls=[], routes=[])
    file = switch.sluice.file
    switch.sluice.config = config
    switch.sluice.write_config()
    left = nursery.start([f"{build}/src/sluiced/sluiced", "--config", file], "orphans", netns=switch.spaces.switch)
    wait_until(switch.sluice._answers, "sluiced does not come up", PATIENCE, left)
    session.figures.add(START, ORPHANS, TOOK, number, time.monotonic() - start)


def main(session):
    sizes = sizes_of(session.options)
    build = build_switch(session.options, session.say)
    kind = Kind(session)
    if not kind.plugin:
        raise Failed("change needs net_sluice_replay, which measures the gaps")
    echo = builder.program("latency/echo.cc", session.say, dpdk=False, libraries=["-lpthread"])
    wanted = {10_000: "stateful 10k", 1_000_000: "stateful 1M"}.get(sizes["flows"])
    if not wanted:
        raise Failed("--size flows: 10000 or 1000000")
    scenario = next(s for s in all_scenarios() if s.name == wanted)
    session.note("sizes: " + ", ".join(f"{number} {name}" for name, number in sizes.items()) +
                 "; all containers in one namespace; rules a list")
    session.note("answer: from the request to the answer on the control socket, when the change is in force; of a "
                 "reload the reading of the file is part")
    session.note("flows decided anew: evaluations of the ACL at a replaying port until every flow has passed again")
    session.note("lost: what came from the replaying ports, or was to go there, and was dropped for whatever reason, "
                 "until every flow has passed again")
    session.note(f"pings: {ASKED} from one container to another, one each {EVERY} us; the change comes after a "
                 "quarter of them. Compare their p99 with that of the row without a change")
    with Hugepages(1536, session.say):
        files = scenario.files(session.directory)
        for number in range(1, session.options.runs + 1):
            session.say(f"run {number} of {session.options.runs}: the start")
            with Nursery(session.directory) as nursery:
                switch = Switch(session, nursery, build, kind, scenario, files, sizes)
                session.figures.add(START, START, TOOK, number, switch.started)
                switch.pair.begin(switch.sluice)
                session.say(f"run {number} of {session.options.runs}: the changes")
                measure(session, switch, nursery, echo, number)
                session.say(f"run {number} of {session.options.runs}: what is left")
                measure_orphans(session, switch, build, nursery, number)
    print_figures(session.figures, START, "best / median / worst", (TOOK,))
    print("  wanted: 1,000 ports in less than 5 s, 4,000 in less than 25 s")
    print_figures(session.figures, NAME, "best / median / worst",
                  (ANSWER, DECIDED, LOST, UNANSWERED, P99, GAP, WAITED))
    print("  wanted: port add in less than 5 ms beside the device's own opening, no packet lost, no ping lost")
