"""The two devices of a replayed switch, and their counters.

Normally net_sluice_replay (bench/replay/): its counters are in a page that the bench reads, whatever
program has the device. If DPDK's source is not available, net_pcap with infinite_rx=1: then the
switch's own counters are used, and every frame holds an mbuf."""

import mmap
import os
import time

from lib.compile import replay_plugin
from lib.processes import Failed, on_core_and_waiting, wait_until

MAGIC = 0x79616C7065722D73
# struct page of net_sluice_replay.c, in words of 64 bits.
TSC_HZ, GO, RECEIVE, TRANSMIT, WORDS = 1, 3, 8, 8 + 8 * 8, 8 + 2 * 8 * 8
LAST_POLL, LONGEST_GAP = 4, 5


class Device:
    """One net_sluice_replay device, seen from the bench."""

    def __init__(self, directory, number, frames=None, passes=0, gaps=False, gate=True):
        self.path = os.path.join(directory, f"replay{number}.page")
        with open(self.path, "wb") as file:
            file.write(bytes(8 * WORDS))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8 * WORDS)
        self.words = memoryview(self.map).cast("Q")
        self.arguments = f"net_sluice_replay{number},page={self.path}"
        if frames:
            self.arguments += f",frames={frames},passes={passes}"
        if gaps:
            self.arguments += ",gaps=1"
        if not gate:
            self.go()

    def opened(self):
        return self.words[0] == MAGIC

    def go(self):
        self.words[GO] = 1

    def halt(self):
        self.words[GO] = 0

    def tsc_hz(self):
        return self.words[TSC_HZ]

    def received(self):
        return sum(self.words[RECEIVE + 8 * q] for q in range(8))

    def transmitted(self):
        return sum(self.words[TRANSMIT + 8 * q] for q in range(8))

    def mean_size(self):
        """The average size in bytes of a sent frame."""
        return sum(self.words[TRANSMIT + 8 * q + 1] for q in range(8)) / max(1, self.transmitted())

    def longest_gap(self):
        """Seconds, over all queues since forget_gap()."""
        return max(self.words[RECEIVE + 8 * q + LONGEST_GAP] for q in range(8)) / self.tsc_hz()

    def forget_gap(self):
        for q in range(8):
            self.words[RECEIVE + 8 * q + LONGEST_GAP] = 0


class ReplayPair:
    """A replays for ever. B sends its learning frames once and then only receives, or answers for ever
    (Scenario.answers)."""

    def __init__(self, directory, files, first=0, gaps=False, answers=0):
        self.a = Device(directory, first, files[0], gaps=gaps)
        self.b = Device(directory, first + 1, files[1], passes=0 if answers else 1, gaps=gaps)
        # A pcap record is 16 bytes more than its frame, and all frames of B have 64.
        self.lessons = (os.path.getsize(files[1]) - 24) // 80
        self.questions = answers

    def devices(self):
        return [self.a.arguments, self.b.arguments]

    def begin(self, switch):
        """Sends B's learning frames, then starts A."""
        wait_until(lambda: self.a.opened() and self.b.opened(), "the replay devices",
                   process=switch.process)
        if self.questions:
            self.a.go()
            wait_until(lambda: self.a.received() >= self.questions, "the questions of port A", 120,
                       switch.process)
            self.b.go()
        else:
            self.b.go()
            wait_until(lambda: self.b.received() >= self.lessons, "teaching from port B", 120,
                       switch.process)
            self.a.go()
        wait_until(lambda: self.forwarded() > 100_000, "no packet gets through", 60,
                   switch.process)

    def received(self, switch):
        return self.a.received() + (self.b.received() if self.questions else 0)

    def forwarded(self):
        return self.a.transmitted() + self.b.transmitted()

    def mean_size(self):
        return self.b.mean_size()


class PcapPair:
    """The same with net_pcap. It starts to replay when it is opened."""

    def __init__(self, directory, files, first=0, gaps=False, answers=0):
        once = "infinite_rx=1" if answers else ""
        self.arguments = [f"net_pcap{first},rx_pcap={files[0]},infinite_rx=1",
                          f"net_pcap{first + 1},rx_pcap={files[1]},{once}".rstrip(",")]

    def devices(self):
        return self.arguments

    def begin(self, switch):
        time.sleep(1)

    def received(self, switch):
        return switch.received()

    def forwarded(self):
        return None

    def mean_size(self):
        return None


class Kind:
    """Which device this run uses, and the argument that loads its driver."""

    def __init__(self, session):
        self.plugin, self.pair, self.most_frames = None, ReplayPair, None
        if session.options.device != "pcap":
            try:
                self.plugin = replay_plugin(session.say)
            except Failed as error:
                if session.options.device == "replay":
                    raise
                session.note(f"net_sluice_replay can't be built here: {error}")
        if self.plugin:
            self.device = "net_sluice_replay"
            session.note("device: net_sluice_replay (bench/replay/): receiving copies each frame out "
                         "of memory into a fresh mbuf, what is sent is counted and freed; testpmd io "
                         "shows what that alone costs")
        else:
            self.device, self.pair, self.most_frames = "net_pcap", PcapPair, 12_000
            session.note("device: net_pcap with infinite_rx=1 for all switches: each frame of the "
                         "file holds an mbuf, so scenarios of many frames are left out")

    def eal(self):
        return ["-d", self.plugin] if self.plugin else []


def windows(switch, pairs, cores, seconds, tsc_hz):
    """One measurement of all workers at a time: the packets that each received in a window, for each
    second that it had its core.

    A worker polls all the time, so its core's cycles divided by the packets are what one costs; time
    that others had on the core is taken out by what the scheduler says. Returns for each worker
    (million packets a second, TSC cycles a packet, share of the core)."""
    def look():
        return [(time.monotonic_ns(), pair.received(switch), *on_core_and_waiting(switch.pid, task))
                for pair, task in zip(pairs, tasks)]

    tasks = [switch.worker_thread(core) for core in cores]
    before = look()
    time.sleep(seconds)
    answers = []
    for old, new in zip(before, look()):
        elapsed, packets, ran, waited = (n - o for n, o in zip(new, old))
        if packets == 0:
            raise Failed(f"{switch.name}: nothing was received in {seconds} s")
        share = ran / (ran + waited) if ran else 1.0
        on_core = elapsed / 1e9 * share
        answers.append((packets / on_core / 1e6, on_core * tsc_hz / packets, share))
    return answers


def window(switch, pair, core, seconds, tsc_hz):
    """The same of one worker."""
    return windows(switch, [pair], [core], seconds, tsc_hz)[0]
