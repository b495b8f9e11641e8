"""overlay: iperf3 and ping between containers on two hosts that VXLAN joins, through each switch in turn.

The hosts are network namespaces of this machine, with a veth pair for the underlay and a container each.
Whoever wraps a packet puts frames of the underlay's MTU on that pair: it has no offloads, as a wire has
none."""

import time

from lib import peers
from lib.machine import Hugepages, build_switch, need
from lib.netns import Namespaces, ping_times, reachable
from lib.ovs import Ovs
from lib.processes import Failed, Nursery, run, wait_until
from lib.sluice import Sluice
from lib.table import percentile, print_figures, print_ratio
from rigs.containers import NEXT, NEXT_50, NEXT_99, TCP1, TCP4, UDP, UDP_LOST, Case, tcp, udp

NAME = "overlay"
DESCRIPTION = "TCP, UDP and ping between containers on two hosts, over VXLAN"

VNI = 100
MTU = 1450  # of the containers: what an underlay of 1500 leaves
WIRE = ["tso", "off", "gso", "off", "gro", "off", "tx-udp_tnl-segmentation", "off"]


class Hosts(Namespaces):
    """Two hosts joined by their `under` interfaces, and two containers."""

    def __init__(self, nursery):
        super().__init__(nursery, 4)
        self.hosts = self.containers[2:]
        run(["ip", "-n", self.hosts[0], "link", "add", "under", "type", "veth", "peer", "name", "under",
             "netns", self.hosts[1]])
        for host in self.hosts:
            run(["ip", "netns", "exec", host, "ethtool", "-K", "under", *WIRE])
            run(["ip", "-n", host, "link", "set", "under", "up"])

    def end_point(self, host):
        return f"192.0.2.{host + 1}"

    def veth(self, host):
        """eth0 in the host's container, its other end `port` in the host."""
        container = self.containers[host]
        run(["ip", "-n", self.hosts[host], "link", "add", "port", "type", "veth", "peer", "name", "eth0",
             "netns", container])
        run(["ip", "-n", self.hosts[host], "link", "set", "port", "up"])
        run(["ip", "-n", container, "link", "set", "eth0", "mtu", MTU, "up"])
        run(["ip", "-n", container, "address", "add", self.address(host), "dev", "eth0"])


def kernel(nursery, spaces):
    for i, host in enumerate(spaces.hosts):
        spaces.veth(i)
        for words in (f"address add {spaces.end_point(i)}/24 dev under",
                      f"link add vxlan0 type vxlan id {VNI} remote {spaces.end_point(1 - i)} dstport 4789 "
                      "dev under", "link add bridge type bridge", "link set vxlan0 master bridge up",
                      "link set port master bridge", "link set bridge up"):
            run(["ip", "-n", host, *words.split()])


def sluice(build, driver):
    def join(nursery, spaces):
        for i, host in enumerate(spaces.hosts):
            Sluice(nursery, build,
                   [{"name": "c", "netns": spaces.containers[i], "address": [spaces.address(i)]},
                    {"name": "under", "device": f"{driver}{i},iface=under", "network": ""}],
                   [{"name": "bench", "vxlan": {"vni": VNI, "remotes": [spaces.end_point(1 - i)]}}],
                   cores=[i], netns=host,
                   more={"underlay": {"port": "under", "address": f"{spaces.end_point(i)}/24"}})
    return join


def ovs(place, af_packet):
    """With the kernel's interfaces as they are, which OVS's main thread reads, or through DPDK's driver for
    them, which its PMD thread polls."""
    def join(nursery, spaces):
        for i, host in enumerate(spaces.hosts):
            spaces.veth(i)
            # OVS 3.1 drops what is unfinished before a tunnel.
            run(["ip", "netns", "exec", spaces.containers[i], "ethtool", "-K", "eth0", "tx", "off"])
            switch = Ovs(nursery, place, host, core=i, main_core=i, memory=512)
            switch.add_bridge("br-under")
            for number, (interface, bridge) in enumerate((("port", "br0"), ("under", "br-under"))):
                if not af_packet:
                    switch.add_port(interface, bridge=bridge)
                    continue
                switch.add_port(f"{interface}-dpdk", "dpdk", bridge=bridge, dpdk_devargs=(
                    f"net_af_packet{number},iface={interface},qpairs=1,blocksz=65536,framesz=2048,"
                    "framecnt=4096,qdisc_bypass=1"))
            switch.add_port("v0", "vxlan", remote_ip=spaces.end_point(1 - i),
                            local_ip=spaces.end_point(i), key=VNI, dst_port=4789)
            switch.set_address("br-under", f"{spaces.end_point(i)}/24")
            switch.appctl("ovs/route/add", "192.0.2.0/24", "br-under")
    return join


def cases(session, build):
    wanted = [Case("kernel VXLAN", "0,1", kernel)]
    if session.peers:
        place = peers.ovs(session)
        wanted += [Case("OVS-DPDK, kernel veth", "0,1", ovs(place, False)),
                   Case("OVS-DPDK, net_af_packet", "0,1", ovs(place, True))]
    return wanted + [Case("Sluice", "0,1", sluice(build, "net_af_packet"))]


def measure(session, nursery, spaces, case, number):
    def add(figure, value):
        session.figures.add(NAME, case.name, figure, number, value)

    far = spaces.address(1, False)
    wait_until(lambda: reachable(spaces.containers[0], far), f"{case.name}: no ping", 30)
    time.sleep(0.5)
    add(TCP1, tcp(nursery, spaces, case, 1))
    add(TCP4, tcp(nursery, spaces, case, 4))
    rate, lost = udp(nursery, spaces, case)
    add(UDP, rate)
    add(UDP_LOST, lost)
    times = ping_times(spaces.containers[0], case.ends, far, *NEXT)
    if not times:
        raise Failed(f"{case.name}: no ping came back")
    add(NEXT_50, percentile(times, 0.5))
    add(NEXT_99, percentile(times, 0.99))


def summarise(session):
    print_figures(session.figures, NAME, "switch", (TCP1, TCP4, UDP, UDP_LOST, NEXT_50, NEXT_99))

    def median(switch):
        return session.figures.median(NAME, switch, TCP1)

    print("\nSluice against the others (ratios of medians):")
    print_ratio(f"{TCP1.name}, Sluice / kernel VXLAN", median("Sluice"), median("kernel VXLAN"),
                "at least 0.8")
    if session.peers:
        best = max(median(s) for s in session.figures.switches(NAME) if s.startswith("OVS"))
        print_ratio(f"{TCP1.name}, Sluice / the better OVS-DPDK", median("Sluice"), best, "at least 3")


def main(session):
    need(["iperf3", "iputils-ping", "ethtool", "iproute2"], session.say)
    build = build_switch(session.options, session.say)
    session.note("iperf3 and ping, both ends, may use both cores; of the two hosts' switches one has its "
                 "worker (OVS: its PMD thread and its main thread) on core 0, the other on core 1")
    session.note("the underlay is a veth pair without tso, gso, gro and tx-udp_tnl-segmentation: all put "
                 "frames of 1500 bytes on it; Sluice drives its end with net_af_packet")
    session.note("the containers' TCP hands 64 KiB segments to the kernel and to Sluice, which cut them; "
                 "OVS 3.1 can't take these into a tunnel, so its containers cut them")
    with Hugepages(2048, session.say):
        wanted = cases(session, build)
        for number in range(1, session.options.runs + 1):
            for case in wanted:
                session.say(f"run {number} of {session.options.runs}: {case.name}")
                with Nursery(session.directory) as nursery:
                    spaces = Hosts(nursery)
                    case.join(nursery, spaces)
                    measure(session, nursery, spaces, case, number)
    summarise(session)
