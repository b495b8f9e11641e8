"""containers: iperf3 and ping between two network namespaces, through each switch in turn."""

import json
import time

from lib import peers
from lib.machine import Hugepages, build_switch, need
from lib.netns import Namespaces, inside, ping_times, reachable
from lib.ovs import Ovs
from lib.processes import Failed, Nursery, run, wait_until
from lib.sluice import Sluice
from lib.table import Figure, percentile, print_figures, print_ratio

NAME = "containers"
DESCRIPTION = "TCP, UDP and ping between two containers (network namespaces)"

SECONDS = 3
NEXT = (5000, None)    # pings, seconds between them; None: the next follows the answer
BUSY = (5000, 0.001)
QUIET = (200, 0.05)    # long enough apart for every switch to fall asleep

TCP1 = Figure("TCP, 1 stream", "Gbit/s")
TCP4 = Figure("TCP, 4 streams", "Gbit/s")
AGAIN = Figure("of 4 streams, segments sent again", "", "less", 0)  # where packets are lost, or change places
UDP = Figure("UDP received", "Gbit/s")
UDP_LOST = Figure("UDP lost", "%", "less", 1)
NEXT_50, NEXT_99, NEXT_999 = (Figure(f"back-to-back ping {p}", "us", "less", 0)
                              for p in ("p50", "p99", "p99.9"))
BUSY_50, BUSY_99, BUSY_999 = (Figure(f"busy ping {p}", "us", "less", 0)
                              for p in ("p50", "p99", "p99.9"))
QUIET_50, QUIET_99, QUIET_MOST = (Figure(f"quiet ping {p}", "us", "less", 0)
                                  for p in ("p50", "p99", "greatest"))
TABLES = [(TCP1, TCP4, AGAIN), (UDP, UDP_LOST), (NEXT_50, NEXT_99, NEXT_999), (BUSY_50, BUSY_99, BUSY_999),
          (QUIET_50, QUIET_99, QUIET_MOST)]


KERNEL, PINNED = "kernel bridge, unpinned", "kernel bridge, ends on core 0"
SLUICE, POLICY, WORKERS = "Sluice", "Sluice, policy on both ports", "Sluice, two workers"


class Case:
    """One way to join two containers. `ends` are the cores that iperf3 and ping may use. With `is_tcp_only`
    neither UDP nor ping is measured."""

    def __init__(self, name, ends, join, is_tcp_only=False):
        self.name, self.ends, self.join, self.is_tcp_only = name, ends, join, is_tcp_only


def kernel_bridge(nursery, spaces):
    run(["ip", "-n", spaces.switch, "link", "add", "bridge", "type", "bridge"])
    run(["ip", "-n", spaces.switch, "link", "set", "bridge", "up"])
    for end in spaces.veth_pairs():
        run(["ip", "-n", spaces.switch, "link", "set", end, "master", "bridge"])


def policy(ports):
    """An ACL in front of each port, whose rules are kept by connection: what iperf3 and ping say passes."""
    rules = [{"deny": {"proto": "tcp", "port": 23}}, {"permit": {"proto": "tcp", "port": 5201}},
             {"permit": {"proto": "udp", "port": 5201}}, {"permit": {"proto": "icmp"}}]
    return {"acls": [{"name": f"to-{port['name']}", "apply": {"port": port["name"], "direction": "ingress"},
                      "rules": rules} for port in ports]}


def sluice(build, with_policy=False, cores=(1,)):
    def join(nursery, spaces):
        ports = [{"name": f"c{i}", "netns": name, "address": [spaces.address(i)]}
                 for i, name in enumerate(spaces.containers)]
        Sluice(nursery, build, ports, cores=cores, netns=spaces.switch,
               more=policy(ports) if with_policy else None)
    return join


def ovs_tso(place):
    def join(nursery, spaces):
        switch = Ovs(nursery, place, spaces.switch,
                     settings=["other_config:userspace-tso-enable=true"], main_core=1)
        for end in spaces.veth_pairs():
            switch.add_port(end)
        return switch
    return join


def ovs_af_packet(place):
    def join(nursery, spaces):
        switch = Ovs(nursery, place, spaces.switch)
        for i, end in enumerate(spaces.veth_pairs()):
            # The driver can't carry an unfinished checksum, so the containers must finish theirs.
            run(["ip", "netns", "exec", spaces.containers[i], "ethtool", "-K", "eth0", "tx", "off"])
            switch.add_port(f"p{i}", "dpdk", dpdk_devargs=f"net_af_packet{i},iface={end},qpairs=1,"
                            "blocksz=65536,framesz=2048,framecnt=4096,qdisc_bypass=1")
        return switch
    return join


def cases(session, build):
    wanted = [Case(KERNEL, "0,1", kernel_bridge), Case(PINNED, "0", kernel_bridge)]
    if session.peers:
        place = peers.ovs(session)
        wanted += [Case("OVS-DPDK, veth with TSO", "0", ovs_tso(place)),
                   Case("OVS-DPDK, net_af_packet", "0", ovs_af_packet(place))]
    return wanted + [Case(SLUICE, "0", sluice(build)), Case(POLICY, "0", sluice(build, with_policy=True)),
                     Case(WORKERS, "0,1", sluice(build, cores=(0, 1)), is_tcp_only=True)]


def iperf(nursery, spaces, case, *options):
    """What the receiving end got, as iperf3 tells it."""
    server, client = spaces.containers[1], spaces.containers[0]
    listener = nursery.start(["iperf3", "-s", "-1"], "iperf3-server", server, case.ends)
    listening = ["ip", "netns", "exec", server, "ss", "-Hltn", "sport = :5201"]
    wait_until(lambda: run(listening).strip(), "iperf3 -s", process=listener)
    text = run(inside(client, case.ends, ["iperf3", "-c", spaces.address(1, False), "-J",
                                          "-t", SECONDS, *options]),
               timeout=SECONDS + 30, check=False)
    listener.stop()
    try:
        end = json.loads(text)["end"]
    except (ValueError, KeyError):
        raise Failed(f"{case.name}: iperf3 said {text[:300]}") from None
    return end


def received(end):
    return end["sum_received"]["bits_per_second"] / 1e9


def tcp(nursery, spaces, case, streams):
    return received(iperf(nursery, spaces, case, "-P", streams))


def udp(nursery, spaces, case):
    """As fast as the sender can, datagrams of 1448 bytes."""
    end = iperf(nursery, spaces, case, "-u", "-b", "0", "-l", 1448)["sum"]
    share = end["lost_packets"] / end["packets"] if end["packets"] else 1
    return end["bits_per_second"] / 1e9 * (1 - share), 100 * share


def measure(session, nursery, spaces, case, number):
    def add(figure, value):
        session.figures.add(NAME, case.name, figure, number, value)

    far = spaces.address(1, False)
    wait_until(lambda: reachable(spaces.containers[0], far), f"{case.name}: no ping", 20)
    time.sleep(0.5)  # duplicate address detection and the like are over
    add(TCP1, tcp(nursery, spaces, case, 1))
    end = iperf(nursery, spaces, case, "-P", 4)
    add(TCP4, received(end))
    add(AGAIN, end["sum_sent"]["retransmits"])
    if case.is_tcp_only:
        return
    rate, lost = udp(nursery, spaces, case)
    add(UDP, rate)
    add(UDP_LOST, lost)
    for (count, interval), names in ((NEXT, (NEXT_50, NEXT_99, NEXT_999)),
                                     (BUSY, (BUSY_50, BUSY_99, BUSY_999)),
                                     (QUIET, (QUIET_50, QUIET_99, QUIET_MOST))):
        times = ping_times(spaces.containers[0], case.ends, far, count, interval)
        if not times:
            raise Failed(f"{case.name}: no ping came back")
        if len(times) < count:
            session.note(f"{case.name}, run {number}: {count - len(times)} of {count} pings lost")
        last = 1.0 if names[2] is QUIET_MOST else 0.999
        for figure, share in zip(names, (0.5, 0.99, last)):
            add(figure, percentile(times, share))


def summarise(session):
    figures = session.figures
    for shown in TABLES:
        print_figures(figures, NAME, "switch", shown)

    def median(switch, figure):
        return figures.median(NAME, switch, figure)

    def better_bridge(figure):
        both = [median(s, figure) for s in figures.switches(NAME) if s.startswith("kernel")]
        return (max if figure.better == "more" else min)(both)

    print("\nSluice against the others (ratios of medians; of the kernel's two rows the better):")
    for figure in (TCP1, TCP4):
        mine = median(SLUICE, figure)
        wanted = ("at least 0.7", "at least 1.3", "at least 5") if figure is TCP1 else ("",) * 3
        print_ratio(f"{figure.name}, Sluice / kernel bridge", mine, better_bridge(figure), wanted[0])
        if session.peers:
            print_ratio(f"{figure.name}, Sluice / OVS-DPDK with TSO", mine,
                        median("OVS-DPDK, veth with TSO", figure), wanted[1])
            print_ratio(f"{figure.name}, Sluice / OVS-DPDK net_af_packet", mine,
                        median("OVS-DPDK, net_af_packet", figure), wanted[2])
    for figure, wanted in ((NEXT_50, "at most 1.5"), (BUSY_50, "at most 1.5"), (QUIET_50, "")):
        print_ratio(f"{figure.name}, Sluice / kernel bridge", median(SLUICE, figure),
                    better_bridge(figure), wanted)
    for figure in (TCP1, TCP4):
        print_ratio(f"{figure.name}, with policy on both ports / without", median(POLICY, figure),
                    median(SLUICE, figure), "at least 0.95")
    print_ratio(f"{TCP4.name}, Sluice with two workers / kernel bridge on the same cores", median(WORKERS, TCP4),
                median(KERNEL, TCP4), "at least 0.9")


def main(session):
    need(["iperf3", "iputils-ping", "ethtool", "iproute2"], session.say)
    build = build_switch(session.options, session.say)
    session.note("iperf3 and ping, both ends, on core 0 and the switch's worker on core 1 (OVS: its "
                 "PMD thread, always polling; with veth ports its main thread, which reads those); "
                 "\"unpinned\" and \"two workers\" may use both cores for everything; the kernel runs its "
                 "softirqs where it wants")
    session.note("policy on both ports: an ACL of four rules in front of each, kept by connection")
    session.note(f"iperf3: {SECONDS} s a figure, one direction; UDP unpaced, 1448 bytes a datagram")
    session.note(f"back-to-back ping: {NEXT[0]}, each sent when the answer to the last is there "
                 f"(ping -A); busy ping: {BUSY[0]} at {BUSY[1]} s; quiet ping: {QUIET[0]} at {QUIET[1]} s, of "
                 "which the greatest instead of p99.9; both ends' kernels are part of the time")
    session.note("offloads: kernel bridge, OVS with TSO and Sluice carry 64 KiB segments; "
                 "net_af_packet can't, its containers finish checksums and cut segments themselves")
    with Hugepages(1280, session.say):
        wanted = cases(session, build)
        for number in range(1, session.options.runs + 1):
            for case in wanted:
                session.say(f"run {number} of {session.options.runs}: {case.name}")
                with Nursery(session.directory) as nursery:
                    spaces = Namespaces(nursery, 2)
                    case.join(nursery, spaces)
                    measure(session, nursery, spaces, case, number)
    summarise(session)
