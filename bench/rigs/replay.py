"""replay: one worker, one core at 100 %, between a port that replays frames out of memory and one that
swallows them. No generator, no wire."""

import time

from lib import peers
from lib import vpp as vpp_lib
from lib.instructions import count
from lib.machine import Hugepages, build_switch
from lib.netns import Namespaces
from lib.ovs import Ovs
from lib.processes import Failed, Nursery
from lib.replay import Kind, window
from lib.scenarios import all_scenarios
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio
from lib.testpmd import Testpmd
from lib.vpp import Vpp

NAME = "replay"
DESCRIPTION = "forwarding alone: frames replayed out of memory, one worker on core 1"

CORE = 1
WINDOW = 1.0       # seconds
WARM = 1.0         # seconds before it
OVS_WARM = 30      # seconds at most until its flow caches are filled

MPPS = Figure("rate", "Mpps")
CYCLES = Figure("TSC cycles a packet", "cycles", "less", 1)
HELD = Figure("core held", "%", digits=0)
INSTRUCTIONS = Figure("instructions a packet", "instructions", "less", 1)
OWN = Figure("by its own count", "cycles", "less", 1)

# What is wanted: how many times testpmd io's cycles at most, and how many instructions of the switch's own.
WANTED = {"10k flows": (1.8, 95), "10k MACs": (2.4, 140),
          "guarded 10k flows": (2.0, 107), "guarded 10k MACs": (2.6, 152),
          "routing 1k": (2.0, 150), "encapsulation 10k": (2.3, 160), "decapsulation 10k": (2.4, 190),
          "stateful 10k": (2.6, 170), "guarded stateful 10k": (2.8, 180), "guarded stateful 10k MACs": (3.0, 190),
          "stateful 1M": (3.3, None), "stateful 100k, 10k rules": (3.0, 170),
          "decapsulation, policy, encapsulation": (3.8, 400)}
# IPv6's rows, each beside that of IPv4 of which it is to take at most so many times the cycles.
IPV4_OF = {"IPv6 10k flows": "10k flows", "routing IPv6 1k": "routing 1k", "stateful IPv6 10k": "stateful 10k",
           "guarded IPv6 10k flows": "guarded 10k flows", "guarded routed IPv6 10k": "guarded routed 10k",
           "guarded stateful IPv6 10k": "guarded stateful 10k"}
WANTED_OF_IPV4 = 1.15
# Rows with translation, each beside the row of the same connections without it, and how many times that row's cycles
# are wanted at most.
UNTRANSLATED_OF = {"source NAT 10k": ("routed stateful 10k", None), "source NAT 1M": ("routed stateful 1M", None),
                   "load balancing 10k, one way": ("routed stateful 10k, one way", 1.2),
                   "load balancing 10k, 16 stations": ("routed stateful 10k, 16 stations", 1.2),
                   "load balancing 1M, 16 stations": ("routed stateful 1M, 16 stations", 1.2),
                   "decapsulation, policy, load balancing, encapsulation":
                       ("decapsulation, policy, encapsulation to 16", None)}
# How many times as many OVS-DPDK is to take.
WANTED_OF_OVS = {"routing 1k": 5, "routing 100k": 5, "encapsulation 10k": 4, "decapsulation 10k": 4.5,
                 "stateful 10k": 10, "stateful 10k, 1k rules": 10}
# Million packets a second, where each begins a connection.
WANTED_RATE = {"new connections, 10 rules": 0.5, "new connections, 10k rules": 0.3,
               "new connections, 1k NetworkPolicies": 0.5, "new connections, Service and masquerade": 0.5}


def sluice(nursery, build, kind, pair, scenario):
    sections = scenario.sections(pair.devices())
    switch = Sluice(nursery, build, sections.pop("ports"), sections.pop("networks"), cores=[CORE],
                    idle="poll", dpdk_args=kind.eal(), more=sections)
    routes = scenario.routes_file(nursery.directory)
    if routes:
        switch.load_routes(routes)
    return switch


def ovs(nursery, place, kind, pair, scenario):
    spaces = Namespaces(nursery, 0)
    switch = Ovs(nursery, place, spaces.switch, CORE, eal=" ".join(kind.eal()),
                 bridge=scenario.setup.ovs_bridge(scenario.table_size()))
    scenario.setup.ovs(switch, pair.devices())
    return switch


def vpp(nursery, found, kind, pair, scenario):
    switch = Vpp(nursery, *found, Namespaces(nursery, 0).switch, pair.devices(), kind.plugin, CORE)
    scenario.setup.vpp(switch)
    return switch


def testpmd(nursery, program, mode, kind, pair):
    eal = list(kind.eal())
    for device in pair.devices():
        eal += ["--vdev", device]
    return Testpmd(nursery, program, mode, eal, [CORE])


def warm_ovs(switch):
    """Until less than one packet in 1000 misses the flow caches, or OVS_WARM is over."""
    end = time.monotonic() + OVS_WARM
    while time.monotonic() < end:
        switch.clear()
        time.sleep(1)
        if switch.misses() * 1000 < switch.received():
            return


def starters(session, build, kind):
    """(name, how to start it) in the order in which they take turns."""
    program = peers.testpmd(session)
    order = [(f"testpmd {mode}", lambda n, p, s, mode=mode: testpmd(n, program, mode, kind, p))
             for mode in ("io", "mac", "macswap")]
    if session.peers:
        place = peers.ovs(session)
        order.append(("OVS-DPDK", lambda n, p, s: ovs(n, place, kind, p, s)))
        try:
            if not kind.plugin:
                raise Failed("no VPP: it is measured with net_sluice_replay only")
            found = vpp_lib.find()
            session.versions["VPP"] = vpp_lib.version(found[0])
            order.append(("VPP", lambda n, p, s: vpp(n, found, kind, p, s)))
        except Failed as why:
            session.note(str(why))
    order.append(("Sluice", lambda n, p, s: sluice(n, build, kind, p, s)))
    return order


def check_connections(switch, pair, scenario):
    """All connections of an opening are what TCP calls them, and those that a port answers are answered."""
    if scenario.answered_by and not isinstance(switch, Testpmd) and (missing := pair.unanswered()):
        raise Failed(f"{scenario.name}, {switch.name}: {missing} of {scenario.frames} packets didn't come out")
    state, count = (("established", scenario.opening[0]) if scenario.opening else
                    ("answered", scenario.frames) if scenario.answered_by else (None, 0))
    if isinstance(switch, Sluice) and state:
        found = switch.call("flow.list", {"state": state, "limit": 1})["count"]
        if found != count:
            raise Failed(f"{scenario.name}: {found} of {count} connections are {state}")


def can_be(name, scenario):
    """Whether the peer can be set up as what the scenario needs."""
    return {"OVS-DPDK": scenario.setup.has_ovs, "VPP": hasattr(scenario.setup, "vpp")}.get(name, True)


def measure(session, scenario, name, start, kind, number):
    with Nursery(session.directory) as nursery:
        pair = kind.devices(session, scenario)
        switch = start(nursery, pair, scenario)
        pair.begin(switch)
        if isinstance(switch, Ovs):
            warm_ovs(switch)
        time.sleep(WARM)
        own = switch.busy() if isinstance(switch, Sluice) else None
        if isinstance(switch, Ovs):
            switch.clear()
            own = (0, 0)
        mpps, cycles, share = window(switch, pair, CORE, WINDOW, session.tsc_hz)
        session.figures.add(scenario.name, name, MPPS, number, mpps)
        session.figures.add(scenario.name, name, CYCLES, number, cycles)
        if isinstance(switch, Ovs) and (missed := switch.misses() / max(1, switch.received())) > 0.001:
            session.note(f"{scenario.name}, {name}, run {number}: after {OVS_WARM} s {100 * missed:.1f} % of "
                         "the packets still missed its flow caches: this is no steady state, it has none")
        if own:
            after = switch.busy()
            session.figures.add(scenario.name, name, OWN, number,
                                (after[0] - own[0]) / (after[1] - own[1]) * share)
        session.figures.add(scenario.name, name, HELD, number, 100 * share)
        forwarded = pair.forwarded()
        if forwarded is not None and forwarded < 0.99 * pair.received(switch):
            session.note(f"{scenario.name}, {name}, run {number}: only {forwarded} of "
                         f"{pair.received(switch)} packets came out")
        check_connections(switch, pair, scenario)
        size = pair.mean_size()
        if scenario.leaves and size and not isinstance(switch, Testpmd) and abs(size - scenario.leaves) > 1:
            raise Failed(f"{scenario.name}, {name}: frames leave with {size:.1f} bytes, "
                         f"not with {scenario.leaves}")


def count_instructions(session, build, kind, scenario):
    """Callgrind's word on Sluice, and on the two devices without a switch."""
    if not kind.plugin:
        session.note("instructions were not counted: that needs net_sluice_replay")
        return
    if scenario.crowd:
        session.note(f"{scenario.name}: no instructions, which are counted between two ports")
        return
    if (scenario.answers or scenario.answered_by) and scenario.frames > 200_000:
        session.note(f"{scenario.name}: no instructions, as callgrind takes longer for all frames than a flow lives")
        return
    session.say(f"{scenario.name}: counting instructions under callgrind")
    whole, devices = count(session, build, kind, scenario)
    session.figures.add(scenario.name, "Sluice", INSTRUCTIONS, 1, whole)
    session.figures.add(scenario.name, "devices alone", INSTRUCTIONS, 1, devices)
    print(f"{scenario.name}: {whole:.1f} instructions a packet, of which the devices' {devices:.1f}, "
          f"the switch's own {whole - devices:.1f}" +
          (f" (wanted: at most {wanted})" if (wanted := WANTED.get(scenario.name, (None, None))[1]) else ""))


def summarise(session, scenario):
    print(f"\n{scenario.name}: {scenario.words}.")
    print_figures(session.figures, scenario.name, "best / median / worst", (MPPS, CYCLES, OWN, HELD))
    median = {s: session.figures.median(scenario.name, s, CYCLES)
              for s in session.figures.switches(scenario.name)}
    for other in ("testpmd io", "testpmd macswap", "OVS-DPDK", "VPP"):
        if other in median:
            wanted = WANTED.get(scenario.name) if other == "testpmd io" else None
            print_ratio(f"cycles, Sluice / {other}", median["Sluice"], median[other],
                        f"at most {wanted[0]}" if wanted else "")
    if "OVS-DPDK" in median and scenario.name in WANTED_OF_OVS:
        print_ratio("cycles, OVS-DPDK / Sluice", median["OVS-DPDK"], median["Sluice"],
                    f"at least {WANTED_OF_OVS[scenario.name]}")
    if scenario.name in WANTED_RATE:
        print(f"  million connections a second wanted: at least {WANTED_RATE[scenario.name]}")
    plain, wanted = UNTRANSLATED_OF.get(scenario.name, (None, None))
    if plain and session.figures.switches(plain):
        print_ratio(f"cycles, {scenario.name} / {plain}", median["Sluice"],
                    session.figures.median(plain, "Sluice", CYCLES), f"at most {wanted}" if wanted else "")
    plain = IPV4_OF.get(scenario.name)
    if plain and session.figures.switches(plain):
        print_ratio(f"cycles, {scenario.name} / {plain}", median["Sluice"],
                    session.figures.median(plain, "Sluice", CYCLES), f"at most {WANTED_OF_IPV4}")


def main(session):
    build = build_switch(session.options, session.say)
    kind = Kind(session)
    session.note("a frame's size is what lies in the buffer, without FCS")
    session.note(f"rate and cycles: packets that port A received in a window of {WINDOW:.0f} s, the "
                 "time stamp counter's rate, and the share of the time that the worker had its core "
                 "(schedstat), in the same way for all")
    session.note("core held: the share of the window in which nobody else had the worker's core; the "
                 "rest is taken out of the figures, the caches that it cost are not")
    session.note("its own count: Sluice's busy-cycles / received; OVS's processing cycles / packets "
                 "received (pmd-stats-show)")
    session.note("instructions: callgrind's count of the worker's turns (bench/replay/instructions.cc), "
                 "after each frame went through once; \"the devices'\" is a bare receive and transmit")
    scenarios = [s for s in all_scenarios(session.options.only) if kind.can_replay(s)]
    with Hugepages(1536, session.say):
        order = starters(session, build, kind)
        for scenario in scenarios:
            session.say(f"{scenario.name}: making the frames")
            scenario.files(session.directory)
            for number in range(1, session.options.runs + 1):
                session.say(f"{scenario.name}: run {number} of {session.options.runs}")
                for name, start in order:
                    if can_be(name, scenario):
                        measure(session, scenario, name, start, kind, number)
            summarise(session, scenario)
    print("")
    for scenario in scenarios:
        count_instructions(session, build, kind, scenario)
