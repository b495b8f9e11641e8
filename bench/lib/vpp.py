"""A VPP of the user's own as a switch beside Sluice: Debian has none, so a setting names one. It must have
been built with the DPDK that is installed here, for its dpdk plugin drives the same replay device as the
others."""

import glob
import os
import subprocess

from lib.processes import Failed, run, thread_named, wait_until

SETTING = "SLUICE_BENCH_VPP"


def find():
    """(vpp, the folder of its plugins), of the program that the setting names. Raises Failed with a sentence
    for the notes if there is none that can be measured."""
    program = os.environ.get(SETTING)
    if not program:
        raise Failed(f"no VPP: {SETTING}=/path/to/bin/vpp names one that was built with the installed DPDK")
    if not os.access(program, os.X_OK) or not os.path.isfile(program):
        raise Failed(f"no VPP: {SETTING} names {program}, which is no program")
    root = os.path.dirname(os.path.dirname(os.path.realpath(program)))
    places = [os.path.join(root, place, "vpp_plugins/dpdk_plugin.so") for place in ("lib*", "lib*/*")]
    for plugin in (found for place in places for found in sorted(glob.glob(place))):
        if "librte_ethdev.so" not in run(["ldd", plugin], check=False):
            raise Failed(f"no VPP: {plugin} has a DPDK of its own inside, which can't load the replay device; "
                         "build VPP with the installed one")
        return program, os.path.dirname(plugin)
    raise Failed(f"no VPP: there is no vpp_plugins/dpdk_plugin.so in the libraries of {root}")


def version(program):
    return run([program, "--version"], check=False).split(" built")[0].removeprefix("vpp ").strip() or "unknown"


class Vpp:
    """One main thread on core 0, one worker, which polls, on `core`."""

    name = "VPP"
    _count = 0

    def __init__(self, nursery, program, plugins, netns, devices, preload, core=1, buffers=32_768):
        Vpp._count += 1
        directory = os.path.join(nursery.directory, f"vpp{Vpp._count}")
        os.mkdir(directory)
        self.control = os.path.join(directory, "cli.sock")
        self.client = os.path.join(os.path.dirname(program), "vppctl")
        file = os.path.join(directory, "startup.conf")
        with open(file, "w") as out:
            out.write(f"unix {{ nodaemon runtime-dir {directory} cli-listen {self.control} }}\n"
                      f"cpu {{ main-core 0 corelist-workers {core} }}\n"
                      "memory { main-heap-size 1G }\n"
                      f"buffers {{ buffers-per-numa {buffers} }}\n"
                      f"plugins {{ path {plugins} plugin default {{ disable }} plugin dpdk_plugin.so {{ enable }} "
                      "plugin acl_plugin.so { enable } }\n"
                      "dpdk { no-pci " + " ".join(f"vdev {device}" for device in devices) + " }\n")
        # The dpdk plugin passes on no option that loads a driver, so the program has it from the start.
        self.process = nursery.start([program, "-c", file], f"vpp{Vpp._count}", netns,
                                     env=dict(os.environ, LD_PRELOAD=preload))
        self.pid = self.process.pid
        wait_until(self._answers, "vpp", 30, self.process)
        self.interfaces = self._interfaces()
        if len(self.interfaces) != len(devices):
            raise Failed(f"VPP has {len(self.interfaces)} interfaces of {len(devices)}\n{self.process.log_tail()}")

    def tell(self, *words):
        return run([self.client, "-s", self.control, *words])

    def tell_all(self, lines):
        """Commands from a file, as there may be thousands."""
        file = self.control + ".commands"
        with open(file, "w") as out:
            out.writelines(line + "\n" for line in lines)
        return self.tell("exec", file)

    def _answers(self):
        return os.path.exists(self.control) and subprocess.run(
            [self.client, "-s", self.control, "show", "version"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0

    def _interfaces(self):
        """In the order of their devices."""
        lines = [line for line in self.tell("show", "interface").splitlines()[1:] if line[:1].strip()]
        names = [line.split()[:2] for line in lines if not line.startswith("local0")]
        return [name for name, _ in sorted(names, key=lambda each: int(each[1]))]

    def worker_thread(self, core):
        return thread_named(self.pid, "vpp_wk_0")

    def received(self):
        raise Failed("VPP is measured with net_sluice_replay only")
