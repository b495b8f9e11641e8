"""The machine: its description, its packages, hugepages, and the folder for the bench's builds."""

import fcntl
import os
import platform
import re
import shutil
import subprocess

from lib.processes import Failed, run

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)
BUILT = os.path.join(ROOT, "build-bench")  # git-ignored: the plug-in, programs, unpacked peers
HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB"


def read(path, default=""):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return default


def installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    words = done.stdout.split()
    return words[1] if len(words) == 2 and words[0] == "installed" else None


def need(packages, say):
    """Installs Debian packages that are missing. None of those used here starts a service."""
    missing = [p for p in packages if not installed(p)]
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    quiet = ["-o", "Dpkg::Use-Pty=0"]
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *quiet, *missing]
    if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
        run(["apt-get", "update", "-qq"], timeout=600)
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
            raise Failed(f"apt-get cannot install {' '.join(missing)}")


def cores():
    return sorted(os.sched_getaffinity(0))


def tsc_hz():
    """Cycles of the time stamp counter per second, as the kernel measured it or KVM reports it."""
    match = re.search(r"tsc: (?:Detected|Refined TSC clocksource calibration:) ([0-9.]+) MHz",
                      subprocess.run(["dmesg"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                     text=True).stdout)
    if match:
        return float(match[1]) * 1e6
    # BogoMIPS is twice the counter's rate if the kernel's delay loop uses the counter.
    match = re.search(r"^bogomips\s*: ([0-9.]+)", read("/proc/cpuinfo"), re.M)
    return float(match[1]) / 2 * 1e6 if match else 0.0


def describe():
    info = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)", info, re.M)
    caches = []
    for index in range(4):
        base = f"/sys/devices/system/cpu/cpu0/cache/index{index}/"
        if os.path.exists(base):
            kind = {"Data": "d", "Instruction": "i"}.get(read(base + "type"), "")
            caches.append(f"L{read(base + 'level')}{kind} {read(base + 'size')}")
    memory = int(re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))[1]) >> 20
    return {"processor": (model[1] if model else platform.machine()) +
                         (", a virtual machine" if " hypervisor" in info else ""),
            "cores": f"{len(cores())} ({','.join(str(c) for c in cores())})",
            "caches": ", ".join(caches),
            "tsc": f"{tsc_hz() / 1e6:.1f} MHz",
            "memory": f"{memory} GiB",
            "kernel": platform.release(),
            "load before": " ".join(read("/proc/loadavg").split()[:3])}


def commit():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


def free_hugepages():
    """The number of free hugepages of 2 MiB."""
    return int(read(f"{HUGEPAGES}/free_hugepages", "0"))


class Hugepages:
    """Reserves the hugepages that a run needs beyond the free ones, and releases exactly these."""

    def __init__(self, mib, say):
        self.pages = mib // 2
        self.say = say
        self.added = 0

    def __enter__(self):
        missing = self.pages - free_hugepages()
        if missing > 0:
            self.say(f"reserving {missing} hugepages of 2 MiB for this run")
            before = self._reserved()
            self._set(before + missing)
            self.added = self._reserved() - before
        if free_hugepages() < self.pages:
            free = free_hugepages()
            self.__exit__()
            raise Failed(f"{self.pages} hugepages of 2 MiB are wanted and the kernel gives {free}: "
                         "memory is short or in pieces; a reboot helps")
        return self

    def __exit__(self, *_):
        if self.added:
            self._set(max(0, self._reserved() - self.added))

    @staticmethod
    def _reserved():
        return int(read(f"{HUGEPAGES}/nr_hugepages", "0"))

    @staticmethod
    def _set(pages):
        with open(f"{HUGEPAGES}/nr_hugepages", "w") as file:
            file.write(str(pages))


def only_one():
    """Returns a lock to be held: two benches at a time would disturb each other."""
    file = open("/run/lock/sluice-bench", "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failed("another bench/run is at work on this machine") from None
    return file


def build_switch(options, say):
    """The programs under test, as the product builds them: a release build in build/, or --build's."""
    build = os.path.abspath(options.build)
    if not options.no_build:
        if not os.path.exists(os.path.join(build, "build.ninja")):
            say("configuring a release build")
            run(["meson", "setup", build, ROOT, "--buildtype=release"], timeout=300)
        say("building sluiced and sluicectl")
        run(["ninja", "-C", build, "src/sluiced/sluiced", "src/sluicectl/sluicectl"], timeout=1800)
    if not os.path.exists(os.path.join(build, "src/sluiced/sluiced")):
        raise Failed(f"there is no sluiced in {build}: leave --no-build out")
    return build


def need_root():
    if os.geteuid() != 0:
        raise Failed("namespaces, hugepages and pinning need root: sudo bench/run ...")
    if not shutil.which("ip"):
        raise Failed("`ip` is missing: apt-get install iproute2")
