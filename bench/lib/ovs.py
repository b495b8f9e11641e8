"""OVS-DPDK as a peer of Sluice: its database, daemon and sockets are in the session's folder, and its
kernel interfaces in a network namespace of the bench."""

import os
import re

from lib.processes import Failed, run, thread_named, wait_until


class Ovs:
    """One bridge, br0, that learns (fail-mode standalone).

    DPDK's ports are polled by one PMD thread on `core`; the kernel's are read by the main thread, on
    `main_core`, with everything else that OVS does."""

    name = "OVS-DPDK"
    _count = 0

    def __init__(self, nursery, place, netns, core=1, settings=(), eal="", memory=1024, bridge=(),
                 main_core=0):
        Ovs._count += 1
        self.core = core
        self.place = place
        self.netns = netns
        self.directory = os.path.join(nursery.directory, f"ovs{Ovs._count}")
        os.mkdir(self.directory)
        # The daemon's pid files, and the sockets of its bridges.
        environment = dict(os.environ, OVS_RUNDIR=self.directory, OVS_DBDIR=self.directory,
                           OVS_LOGDIR=self.directory, OVS_SYSCONFDIR=self.directory)
        database = os.path.join(self.directory, "conf.db")
        self.socket = os.path.join(self.directory, "db.sock")
        self.control = os.path.join(self.directory, "vswitchd.ctl")
        run([self._path("usr/bin/ovsdb-tool"), "create", database,
             self._path("usr/share/openvswitch/vswitch.ovsschema")])
        server = nursery.start(
            [self._path("usr/sbin/ovsdb-server"), database, f"--remote=punix:{self.socket}",
             f"--unixctl={self.directory}/db.ctl"],
            f"ovsdb{Ovs._count}", netns, "0", env=environment)
        wait_until(lambda: os.path.exists(self.socket), "ovsdb-server", process=server)
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                   f"other_config:dpdk-lcore-mask={1 << main_core:#x}",
                   f"other_config:pmd-cpu-mask={1 << core:#x}",
                   f"other_config:dpdk-socket-mem={memory}",
                   f"other_config:dpdk-extra=--no-pci --in-memory {eal}".strip(),
                   "other_config:max-idle=600000", "other_config:flow-limit=2000000", *settings)
        self.process = nursery.start(
            [self._path("usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"),
             f"unix:{self.socket}", f"--unixctl={self.control}", "--mlockall"],
            f"vswitchd{Ovs._count}", netns, str(main_core), env=environment)
        self.pid = self.process.pid
        wait_until(lambda: os.path.exists(self.control), "ovs-vswitchd", process=self.process)
        try:
            self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
                       *bridge)
        except Failed as error:
            raise Failed(f"{error}\novs-vswitchd said:\n{self.process.log_tail()}") from None

    def _path(self, path):
        return os.path.join(self.place, path)

    def vsctl(self, *args):
        return run([self._path("usr/bin/ovs-vsctl"), f"--db=unix:{self.socket}", "--timeout=60",
                    *args])

    def appctl(self, *args):
        try:
            return run([self._path("usr/bin/ovs-appctl"), "-t", self.control, *args])
        except Failed as error:
            raise Failed(f"{error}\novs-vswitchd said:\n{self.process.log_tail()}") from None

    def add_bridge(self, name, *settings):
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", *settings)

    def set_address(self, bridge, address):
        """Gives a bridge's own interface an address of this host."""
        run(["ip", "-n", self.netns, "address", "add", address, "dev", bridge])
        run(["ip", "-n", self.netns, "link", "set", bridge, "up"])

    def add_flows(self, bridge, flows):
        """Adds OpenFlow rules, all at once."""
        run([self._path("usr/bin/ovs-ofctl"), "--bundle", "add-flows",
             f"unix:{self.directory}/{bridge}.mgmt", "-"], input="\n".join(flows) + "\n", timeout=600)

    def add_group(self, bridge, group):
        """Adds an OpenFlow group, for the rules that name it."""
        run([self._path("usr/bin/ovs-ofctl"), "-O", "OpenFlow15", "add-group",
             f"unix:{self.directory}/{bridge}.mgmt", group])

    def add_port(self, name, kind=None, bridge="br0", **options):
        """kind None: the kernel's interface of that name; else dpdk, dpdkvhostuserclient, ..."""
        words = ["add-port", bridge, name]
        if kind:
            words += ["--", "set", "Interface", name, f"type={kind}"]
            # DPDK's counters have hyphens in their names, a tunnel's have none.
            dash = "-" if kind.startswith("dpdk") else "_"
            words += [f"options:{k.replace('_', dash)}=\"{v}\"" for k, v in options.items()]
        self.vsctl(*words)
        error = self.vsctl("get", "Interface", name, "error").strip()
        if error != "[]":
            raise Failed(f"OVS port {name}: {error}")

    def worker_thread(self, core):
        return thread_named(self.pid, f"pmd-c{core:02d}")

    def clear(self):
        self.appctl("dpif-netdev/pmd-stats-clear")

    def busy(self):
        """(TSC cycles spent on packets, packets received) of the PMD thread since clear()."""
        text = self.appctl("dpif-netdev/pmd-stats-show").split("main thread")[0]
        cycles = re.search(r"processing cycles: (\d+)", text)
        packets = re.search(r"packets received: (\d+)", text)
        return (int(cycles[1]) if cycles else 0), (int(packets[1]) if packets else 0)

    def received(self):
        return self.busy()[1]

    def misses(self):
        """The PMD thread's packets since clear() that matched no cached flow."""
        text = self.appctl("dpif-netdev/pmd-stats-show").split("main thread")[0]
        return sum(int(n) for n in re.findall(r"miss with \w+ upcall: (\d+)", text))
