"""All scenarios: each file of bench/scenarios/ has a list SCENARIOS. A new file needs no other change."""

import importlib
import os

from lib.machine import BENCH
from lib.packets import A, B, udp, write_pcap
from lib.setups import Bridge

# The order of the tables; other files come after these.
ORDER = ["flows", "macs", "imix", "long", "routing", "vxlan", "policy", "guarded", "nat"]


def all_scenarios(only=""):
    names = sorted(f[:-3] for f in os.listdir(os.path.join(BENCH, "scenarios")) if f.endswith(".py"))
    names.sort(key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER))
    found = [s for n in names for s in importlib.import_module(f"scenarios.{n}").SCENARIOS]
    return [s for s in found if only.lower() in s.name.lower()]


class Scenario:
    """What runs through a switch. `forward` makes the frames that port A replays for ever; `teach`
    those that port B sends once beforehand, so that the switch has learned where they go. `setup`
    (lib/setups.py) is what the switch is between the two, a bridge where left out; `leaves` how long a
    frame is on its way out, where that tells whether the switch did what it should. With `answers` port B
    replays its frames for ever too, once all of A's have gone through, and nothing is taught before. With
    `answered_by` ("a" or "b") B teaches, and once A's frames have gone through, that port answers for ever the first
    `frames` of them that were sent to it: what to answer, and from which address, only the switch knows.

    `opening` is (count, advance): the first `count` frames of A, and then those of B, open connections and
    are not replayed; the others are TCP segments, whose numbers advance by so many bytes each pass. With
    `crowd` there are as many ports, which all replay for ever: `forward` makes the frames of the one whose
    number it is given, and nothing is taught."""

    def __init__(self, name, words, forward, teach=None, macs=2, frames=1, setup=None, leaves=None,
                 answers=False, opening=None, crowd=0, answered_by=None):
        self.name, self.words, self.forward, self.teach = name, words, forward, teach
        self.macs, self.frames, self.setup, self.leaves = macs, frames, setup or Bridge(), leaves
        self.answers, self.opening, self.crowd, self.answered_by = answers, opening, crowd, answered_by

    def table_size(self):
        """The size of the switch's MAC table: at least twice the number of addresses."""
        return max(8192, 1 << (2 * self.macs - 1).bit_length())

    def sections(self, devices):
        """The sections of Sluice's configuration."""
        return self.setup.sluice(devices, self.table_size())

    def _stem(self, directory):
        return os.path.join(directory, "".join(c if c.isalnum() else "-" for c in self.name))

    def routes_file(self, directory):
        """Routes to be loaded after the start, one `10.1.0.0/16 via 10.0.0.1` per line; None if there are none."""
        path = self._stem(directory) + ".routes"
        if not os.path.exists(path):
            routes = self.setup.bulk_routes()
            if not routes:
                return None
            with open(path, "w") as file:
                file.writelines(f"{to} via {via}\n" for to, via in routes)
        return path

    def files(self, directory):
        """[file of A, file of B], or of each of a crowd; made on demand."""
        stem = self._stem(directory)
        if self.crowd:
            makers = [lambda number=number: self.forward(number) for number in range(self.crowd)]
            paths = [f"{stem}-{number}.pcap" for number in range(self.crowd)]
        else:
            makers, paths = [self.forward, self.teach], [stem + "-a.pcap", stem + "-b.pcap"]
        for path, frames in zip(paths, makers):
            if not os.path.exists(path):
                write_pcap(path, frames())
        return paths


def answer(size=64):
    """The frames that B sends to A, so that the switch learns it."""
    return lambda: [udp(A, B, size, (0x14000001, 0x0A000001, 5000, 1024))]
