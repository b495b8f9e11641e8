"""attach: from CNI's ADD to a container's first ping, among few containers and many, beside the kernel's bridge."""

import json
import os
import subprocess
import time

from lib.machine import Hugepages, build_switch, installed, need
from lib.netns import Namespaces
from lib.processes import Failed, Nursery
from lib.sluice import Sluice
from lib.table import Figure, print_figures, print_ratio

NAME = "attach"
DESCRIPTION = "one more container by CNI, where 1, 100 and 1,000 are there already; the plugins take turns"

PACKAGE = "containernetworking-plugins"
PLUGINS = "/usr/lib/cni"  # of that package
THERE = (1, 100, 1000)
ROUNDS = 10  # containers more, each of which goes again, for each number that is there
CORE = 1
PATIENCE = 10  # seconds for the first ping

READY = Figure("ADD to first ping", "ms", "less", 1)
ADD = Figure("ADD", "ms", "less", 1)
DELETE = Figure("DEL", "ms", "less", 1)
MEMORY = Figure("resident memory a container", "KiB", "less", 0)

BRIDGE, SLUICE = "bridge plugin", "Sluice"


class Plugin:
    """A CNI plugin, the namespace that it works in, and its containers' namespaces."""

    def __init__(self, program, configuration, spaces):
        self.program, self.spaces = program, spaces
        self.configuration = json.dumps({"cniVersion": "1.0.0", "name": "attach",
                                         "type": os.path.basename(program), **configuration})
        self.first = None  # the address of the first container, which the others ping

    def run(self, command, number):
        space = self.spaces.containers[number]
        environment = {"CNI_COMMAND": command, "CNI_CONTAINERID": f"c{number}", "CNI_IFNAME": "eth0",
                       "CNI_NETNS": f"/run/netns/{space}", "CNI_PATH": PLUGINS, "PATH": os.environ["PATH"]}
        done = subprocess.run(["nsenter", f"--net=/run/netns/{self.spaces.switch}", self.program],
                              input=self.configuration, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode != 0:
            raise Failed(f"{command} of container {number} by {self.program}: {done.stdout}{done.stderr}")
        return done.stdout

    def add(self, number):
        address = json.loads(self.run("ADD", number))["ips"][0]["address"].partition("/")[0]
        self.first = self.first or address

    def ping(self, number):
        """Returns when the first container has answered."""
        command = ["nsenter", f"--net=/run/netns/{self.spaces.containers[number]}",
                   "ping", "-q", "-c", "1", "-W", "1", self.first]
        end = time.monotonic() + PATIENCE
        while subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            if time.monotonic() > end:
                raise Failed(f"container {number} of {self.program} has no answer to its pings")


def bridge(session, spaces):
    return Plugin(f"{PLUGINS}/bridge", {
        "bridge": "cni0", "isGateway": True,
        "ipam": {"type": "host-local", "subnet": "10.78.0.0/16", "dataDir": f"{session.directory}/host-local",
                 "routes": [{"dst": "0.0.0.0/0"}]}}, spaces)


def resident(pid):
    """KiB of a process, hugepages included."""
    with open(f"/proc/{pid}/status") as status:
        sizes = dict(line.split(":", 1) for line in status)
    return sum(int(sizes[key].split()[0]) for key in ("VmRSS", "HugetlbPages"))


def measure(session, plugins, there, number):
    scenario = scenario_of(there)
    for extra in range(there, there + ROUNDS):
        for name, plugin in plugins.items():
            start = time.monotonic()
            plugin.add(extra)
            added = time.monotonic()
            plugin.ping(extra)
            ready = time.monotonic()
            plugin.run("DEL", extra)
            ended = time.monotonic()
            for figure, seconds in ((READY, ready - start), (ADD, added - start), (DELETE, ended - ready)):
                session.figures.add(scenario, name, figure, number, seconds * 1e3)


def scenario_of(there):
    return f"{there} containers there already"


def run_once(session, build, number):
    with Nursery(session.directory) as nursery:
        spaces = {name: Namespaces(nursery, THERE[-1] + ROUNDS, of)
                  for name, of in ((BRIDGE, "-bridge"), (SLUICE, "-sluice"))}
        switch = Sluice(nursery, build, [], cores=[CORE], netns=spaces[SLUICE].switch, networks=[
            {"name": "attach", "subnets": ["10.79.0.0/16"], "gateway": ["10.79.0.1"]}])
        plugins = {BRIDGE: bridge(session, spaces[BRIDGE]),
                   SLUICE: Plugin(os.path.join(build, "src/sluice-cni/sluice-cni"), {"socket": switch.socket},
                                  spaces[SLUICE])}
        memory, present = None, 0
        for there in THERE:
            session.say(f"run {number} of {session.options.runs}: {scenario_of(there)}")
            for container in range(present, there):
                for plugin in plugins.values():
                    plugin.add(container)
            present = there
            measure(session, plugins, there, number)
            if memory is None:
                memory = resident(switch.pid)
            else:
                session.figures.add(scenario_of(there), SLUICE, MEMORY, number,
                                    (resident(switch.pid) - memory) / (there - THERE[0]))


def main(session):
    build = build_switch(session.options, session.say)
    need([PACKAGE], session.say)
    session.versions[PACKAGE] = installed(PACKAGE)
    session.note(f"ADD to first ping: from the start of the plugin until the first container has answered a ping "
                 f"of the new one, both programs' starts included; {ROUNDS} containers a run, one after the other")
    session.note("the bridge plugin takes its addresses from host-local, Sluice from itself; IPv4 only")
    session.note("memory: what sluiced has more than with the first container, pages of hugepages included; the "
                 "kernel's own memory for interfaces and namespaces is in neither")
    with Hugepages(512, session.say):
        for number in range(1, session.options.runs + 1):
            run_once(session, build, number)
    for there in THERE:
        print_figures(session.figures, scenario_of(there), scenario_of(there), (READY, ADD, DELETE, MEMORY))
        ours, theirs = (session.figures.median(scenario_of(there), name, READY) for name in (SLUICE, BRIDGE))
        print_ratio("ADD to first ping, Sluice / bridge plugin", ours, theirs)
    print("  wanted: ADD to first ping below 30 ms, memory below 200 KiB a container")
