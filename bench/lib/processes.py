"""Starts and ends the bench's programs.

All programs are started through a Nursery. It stores the id of each process and ends only these, in
reverse order: by SIGTERM, then after a few seconds by SIGKILL. If the bench itself is killed, the
kernel ends its children (PR_SET_PDEATHSIG)."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Failed(Exception):
    """Something a person has to be told, and then the run is over."""


def run(args, timeout=120, check=True, input=None):
    """Runs a short command to its end and returns what it printed."""
    try:
        done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=timeout, input=input)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(str(a) for a in args)}: took more than {timeout:.0f} s") from None
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(str(a) for a in args)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_until(true, what, seconds=15, process=None):
    """Waits for a condition. If the process dies or the time is up, the error has the end of its log."""
    end = time.monotonic() + seconds
    while True:
        answer = true()
        if answer:
            return answer
        dead = process is not None and process.poll() is not None
        if dead or time.monotonic() > end:
            log = process.log_tail() if process is not None else ""
            raise Failed(f"{what}: {'the program ended' if dead else 'nothing in time'}\n{log}")
        time.sleep(0.02)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process(subprocess.Popen):
    def __init__(self, args, log, **more):
        self.log = log
        with open(log, "w") as out:
            more.setdefault("stdout", out)
            super().__init__([str(a) for a in args], stderr=out, start_new_session=True,
                             preexec_fn=_die_with_parent, **more)

    def log_tail(self, lines=12):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def stop(self, seconds=8):
        if self.poll() is None:
            self.terminate()
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                self.wait()


class Nursery:
    """`with Nursery(directory) as nursery:` everything started in it has ended afterwards."""

    def __init__(self, directory):
        self.directory = directory
        self.undo = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self.undo:
            action = self.undo.pop()
            try:
                action()
            except (Failed, OSError, subprocess.SubprocessError) as error:
                print(f"bench: cleaning up: {error}")

    def later(self, action):
        self.undo.append(action)

    def start(self, args, name, netns=None, cores=None, **more):
        """Starts a program; `name` names its log. netns and taskset exec, so the id stays its own."""
        prefix = ["ip", "netns", "exec", netns] if netns else []
        if cores is not None:
            prefix += ["taskset", "-c", cores]
        more.setdefault("stdin", subprocess.DEVNULL)
        process = Process(prefix + list(args), os.path.join(self.directory, f"{name}.log"), **more)
        self.later(process.stop)
        return process


def thread_named(pid, comm):
    """The id of the thread of a process whose name begins with this."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as file:
            if file.read().startswith(comm):
                return int(task)
    return None


def thread_on_core(pid, core):
    """The thread of a process that is pinned to just this core: a switch's worker."""
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        if os.sched_getaffinity(int(task)) == {core} and int(task) != pid:
            with open(f"/proc/{pid}/task/{task}/comm") as file:
                # DPDK's name for a worker; DPDK's helper threads may be pinned as well.
                if "worker" in file.read():
                    return int(task)
    return None


def on_core_and_waiting(pid, task):
    """Nanoseconds that a thread has run, and that it has waited for its core."""
    with open(f"/proc/{pid}/task/{task}/schedstat") as file:
        ran, waited, _ = file.read().split()
    return int(ran), int(waited)


def cpu_seconds(pid):
    """Processor time of a process, all its threads, in seconds (nanosecond clocks)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += on_core_and_waiting(pid, task)[0]
    return total / 1e9
