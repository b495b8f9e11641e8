"""dpdk-testpmd as a switch: the lower bound. It reads no addresses to forward: io touches no byte of a
packet, mac writes both addresses, macswap exchanges them."""

import re
import subprocess
import time

from lib.processes import thread_on_core, wait_until


class Testpmd:
    _count = 0

    def __init__(self, nursery, program, mode, eal, cores=(1,)):
        Testpmd._count += 1
        self.name = f"testpmd {mode}"
        lcores = ",".join(f"{i + 1}@{core}" for i, core in enumerate(cores))
        self.process = nursery.start(
            # Line by line, because its answers are read from a file.
            ["stdbuf", "-oL", program, "--lcores", f"0@0,{lcores}", "--main-lcore", "0",
             "--in-memory", "--no-pci", "--no-telemetry", "-m", "512", *eal,
             "--", "-i", f"--forward-mode={mode}", f"--nb-cores={len(cores)}",
             "--total-num-mbufs=32768", "--no-flush-rx", "--no-mlockall"],
            f"testpmd{Testpmd._count}", cores="0," + ",".join(str(c) for c in cores),
            stdin=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.tell("start")
        wait_until(lambda: f"{mode} packet forwarding" in self._log(), "dpdk-testpmd", 20,
                   self.process)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def _log(self):
        with open(self.process.log, errors="replace") as log:
            return log.read()

    def worker_thread(self, core):
        return thread_on_core(self.pid, core)

    def received(self):
        """Packets that port 0 received, queried from testpmd."""
        said = len(self._log())
        self.tell("show port stats 0")
        time.sleep(0.02)
        match = wait_until(lambda: re.search(r"RX-packets: (\d+)", self._log()[said:]),
                           "show port stats", 5, self.process)
        return int(match[1])

    def count_cycles(self):
        """Starts to count for busy()."""
        self.tell("set record-core-cycles on")
        self.tell("clear fwd stats all")

    def busy(self):
        """(cycles of the bursts with packets, packets) since count_cycles()."""
        said = len(self._log())
        self.tell("show fwd stats all")
        match = wait_until(lambda: re.search(r"total cycles=(\d+)\s*/ total \w+ packets=(\d+)",
                                             self._log()[said:]),
                           "show fwd stats", 5, self.process)
        return int(match[1]), int(match[2])
