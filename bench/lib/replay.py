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
TSC_HZ, FRAMES, GO, KEPT, RECEIVE, TRANSMIT, WORDS = 1, 2, 3, 6, 8, 8 + 8 * 8, 8 + 2 * 8 * 8
LAST_POLL, LONGEST_GAP = 4, 5


class Device:
    """One net_sluice_replay device, seen from the bench."""

    def __init__(self, directory, number, frames=None, passes=0, gaps=False, gate=True, opening=None, answers=0):
        """`opening` is (the file's first frames that are received once, what each pass of the others adds to
        TCP's numbers). `answers` is how many of the packets that are sent the device keeps, to answer them."""
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
        if opening:
            self.arguments += ",opening={},advance={}".format(*opening)
        if answers:
            self.arguments += f",answers={answers}"
        if not gate:
            self.go()

    def opened(self):
        return self.words[0] == MAGIC

    def go(self, stage=1):
        """2: beyond the opening; the answers."""
        self.words[GO] = stage

    def halt(self):
        self.words[GO] = 0

    def frames(self):
        """In its file."""
        return self.words[FRAMES]

    def kept(self):
        """Answers so far."""
        return self.words[KEPT]

    def tsc_hz(self):
        return self.words[TSC_HZ]

    def received(self):
        return sum(self.words[RECEIVE + 8 * q] for q in range(8))

    def transmitted(self):
        return sum(self.words[TRANSMIT + 8 * q] for q in range(8))

    def transmitted_bytes(self):
        return sum(self.words[TRANSMIT + 8 * q + 1] for q in range(8))

    def longest_gap(self):
        """Seconds, over all queues since forget_gap()."""
        return max(self.words[RECEIVE + 8 * q + LONGEST_GAP] for q in range(8)) / self.tsc_hz()

    def forget_gap(self):
        for q in range(8):
            self.words[RECEIVE + 8 * q + LONGEST_GAP] = 0


def mean_size(devices):
    """The average size in bytes of a sent frame."""
    return sum(d.transmitted_bytes() for d in devices) / max(1, sum(d.transmitted() for d in devices))


class ReplayPair:
    """A replays for ever. B sends its learning frames once, or answers for ever (Scenario.answers). With an opening
    (see Device) both open their connections first, B after A. With `answered_by` B sends its learning frames, A's
    frames go through, and then device "a" or "b" answers for ever what it was sent."""

    def __init__(self, directory, files, first=0, gaps=False, answers=0, opening=None, answered_by=None):
        def kept_by(name):
            return answers if answered_by == name else 0

        once = not answers or answered_by
        self.a = Device(directory, first, files[0], gaps=gaps, opening=opening, answers=kept_by("a"))
        self.b = Device(directory, first + 1, files[1], passes=1 if once else 0, gaps=gaps, opening=opening,
                        answers=kept_by("b"))
        self.opening = opening[0] if opening else 0
        self.questions = answers
        self.answerer = {"a": self.a, "b": self.b}.get(answered_by)

    def devices(self):
        return [self.a.arguments, self.b.arguments]

    def begin(self, switch):
        """Sends B's learning frames, then starts A."""
        wait_until(lambda: self.a.opened() and self.b.opened(), "the replay devices",
                   process=switch.process)
        if self.opening:
            for device, words in ((self.a, "the requests to connect"), (self.b, "the answers to them")):
                device.go()
                wait_until(lambda device=device: device.received() >= self.opening, words, 120, switch.process)
            self.a.go(2)
            self.b.go(2)
        elif self.answerer:
            self._teach(switch)
            self.a.go()
            # More than once, so that packets which have waited for a neighbor are among them.
            wait_until(lambda: self.a.received() >= 3 * self.questions, "the questions of port A", 120,
                       switch.process)
            self.answerer.go(2)
            # A's answers come in turn with its own frames.
            self._wait_for_answers(self.answerer, (2 if self.answerer is self.a else 1) * self.questions, switch)
        elif self.questions:
            self.a.go()
            wait_until(lambda: self.a.received() >= self.questions, "the questions of port A", 120,
                       switch.process)
            self.b.go()
            self._wait_for_answers(self.b, self.questions, switch)
        else:
            self._teach(switch)
            self.a.go()
        wait_until(lambda: self.forwarded() > 100_000, "no packet gets through", 60,
                   switch.process)

    def _teach(self, switch):
        self.b.go()
        wait_until(lambda: self.b.received() >= self.b.frames(), "teaching from port B", 120, switch.process)

    @staticmethod
    def _wait_for_answers(device, count, switch):
        """Until each connection has been answered once: only then what is measured is the same all the time."""
        end = device.received() + count
        wait_until(lambda: device.received() >= end, "the answers", 120, switch.process)

    def unanswered(self):
        """How many of A's frames have no answer."""
        return self.questions - self.answerer.kept() if self.answerer else 0

    def received(self, switch):
        return self.a.received() + (self.b.received() if self.questions else 0)

    def forwarded(self):
        return self.a.transmitted() + self.b.transmitted()

    def mean_size(self):
        return mean_size([self.a, self.b])


class ReplayCrowd:
    """As many devices as there are files; each replays its own for ever."""

    def __init__(self, directory, files):
        self.all = [Device(directory, number, file) for number, file in enumerate(files)]

    def devices(self):
        return [device.arguments for device in self.all]

    def begin(self, switch):
        wait_until(lambda: all(device.opened() for device in self.all), "the replay devices",
                   process=switch.process)
        for device in self.all:
            device.go()
        wait_until(lambda: self.forwarded() > 100_000, "no packet gets through", 60, switch.process)

    def received(self, switch):
        return sum(device.received() for device in self.all)

    def forwarded(self):
        return sum(device.transmitted() for device in self.all)

    def mean_size(self):
        return mean_size(self.all)


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

    def devices(self, session, scenario):
        """Those that the scenario's switch stands between."""
        files = scenario.files(session.directory)
        if scenario.crowd:
            return ReplayCrowd(session.directory, files)
        answers = scenario.frames if scenario.answers or scenario.answered_by else 0
        if scenario.opening:
            return self.pair(session.directory, files, answers=answers, opening=scenario.opening)
        if scenario.answered_by:
            return self.pair(session.directory, files, answers=answers, answered_by=scenario.answered_by)
        return self.pair(session.directory, files, answers=answers)

    def can_replay(self, scenario):
        return self.plugin or not (scenario.opening or scenario.crowd or scenario.answered_by or
                                   scenario.frames > self.most_frames)

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
                         "file holds an mbuf, so scenarios of many frames are left out, and those that "
                         "net_sluice_replay alone can replay: TCP, answers of ends that the switch has chosen, "
                         "and ports by the dozen")

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
