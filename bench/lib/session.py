"""The session that every rig gets: options, machine, progress, figures, and a working folder."""

import json
import os
import shutil
import sys
import tempfile
import time

from lib import machine
from lib.table import Figures


class Session:
    def __init__(self, options, command):
        self.options = options
        self.command = command
        self.figures = Figures()
        self.versions = {"sluice": machine.commit()}
        self.notes = []
        self.machine = machine.describe()
        self.tsc_hz = machine.tsc_hz()
        self.started = time.strftime("%Y-%m-%d %H:%M:%S")
        os.makedirs(machine.BUILT, exist_ok=True)
        # Logs and sockets are in memory: a socket's path must be short, and a disk would disturb the runs.
        self.directory = tempfile.mkdtemp(prefix="sluice-bench-", dir="/dev/shm")

    def close(self):
        if self.options.keep_logs:
            print(f"logs: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def peers(self):
        return self.options.peers

    def say(self, text):
        """Prints progress, apart from the tables."""
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    def note(self, text):
        """Adds a sentence below the tables, once."""
        if text not in self.notes:
            self.notes.append(text)

    def print_header(self, rig):
        print(f"\n{rig.NAME}: {rig.DESCRIPTION}")
        for key, value in self.machine.items():
            print(f"  {key}: {value}")

    def print_footer(self):
        print("\nversions: " + ", ".join(f"{k} {v}" for k, v in self.versions.items()))
        for note in self.notes:
            print(f"- {note}")
        print(f"repeat it with: {self.command}")

    def write_json(self, path, rig):
        with open(path, "w") as file:
            json.dump({"rig": rig.NAME, "started": self.started, "command": self.command,
                       "machine": self.machine, "versions": self.versions, "notes": self.notes,
                       "figures": self.figures.rows}, file, indent=1)
            file.write("\n")
