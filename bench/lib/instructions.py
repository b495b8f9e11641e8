"""Instructions a packet, counted by valgrind's callgrind: repeatable although times are noisy."""

import glob
import json
import os
import re
import subprocess

from lib import compile as builder
from lib.machine import free_hugepages
from lib.processes import Failed
from lib.replay import Device

FRAMES = 20_000  # at first; a scenario may have fewer


def program(build, say):
    return builder.linked_program("replay/instructions.cc", build, say, ["valgrind"])


def count(session, build, kind, scenario):
    """(instructions a packet through the switch and its devices, through the devices alone)"""
    driver = program(build, session.say)
    answers = []
    routes = scenario.routes_file(session.directory)
    for mode in ("switch", "io"):
        files = scenario.files(session.directory)
        kept = {scenario.answered_by: scenario.frames}
        a = Device(session.directory, 0, files[0], opening=scenario.opening, answers=kept.get("a", 0))
        b = Device(session.directory, 1, files[1], passes=0 if scenario.opening else 1, opening=scenario.opening,
                   answers=kept.get("b", 0))
        config = os.path.join(session.directory, "instructions.yaml")
        with open(config, "w") as file:
            # Valgrind can't map hugepages. The switch uses none if it asks for more than are free.
            size = max(256, free_hugepages() * 2 + 2)
            json.dump({"dpdk": {"args": kind.eal()}, "memory": {"size": f"{size}MiB"},
                       "workers": {"idle": "poll"},
                       **scenario.sections([a.arguments, b.arguments])}, file)
        out = os.path.join(session.directory, "callgrind.out")
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}",
             driver, config, a.path, b.path, mode, str(max(FRAMES, 2 * scenario.frames)),
             *([routes] if routes else [])],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        packets = re.search(r"packets (\d+)", done.stdout)
        counted = re.search(r"Collected : (\d+)", done.stdout)
        for file in glob.glob(out + "*"):
            if session.options.keep_logs:
                os.replace(file, os.path.join(session.directory, f"callgrind.{mode}"))
            else:
                os.remove(file)
        if not packets or not counted:
            raise Failed(f"callgrind: {done.stdout[-600:]}")
        answers.append(int(counted[1]) / int(packets[1]))
    return answers
