#!/usr/bin/env python3
"""The path's prefetches are in the program that ships: gcc 12 silently deletes some.

usage: prefetch.py SLUICED
Looks at the functions of the worker that hold the path (Path<...>::run, or run_path and Worker::turn, into
which it is inlined). Exits with 77 (skipped) for a build without optimisation or with a sanitizer.
"""
import re
import subprocess
import sys


def functions(program):
    """Each function of the program with its instructions."""
    listing = subprocess.run(
        ["objdump", "-d", "--demangle", "--no-show-raw-insn", program],
        check=True, capture_output=True, text=True).stdout
    name, lines = None, []
    for line in listing.splitlines():
        if match := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            if name:
                yield name, lines
            name, lines = match[1], []
        elif name:
            lines.append(line)
    if name:
        yield name, lines


def main():
    program = sys.argv[1]
    holders = {}
    for name, lines in functions(program):
        if "__asan" in name or "__tsan" in name:
            print("skipped: built with a sanitizer")
            sys.exit(77)
        if "Worker::turn" in name or "engine::run_path" in name or ("path::Path<" in name and "::run" in name):
            holders[name] = sum("prefetch" in line for line in lines)
    # One bucket for the source and one for the destination of each packet.
    total = sum(holders.values())
    for name, count in holders.items():
        print(f"{count} prefetches in {name}")
    if not holders:
        print(f"{program} holds no function of the path")
    sys.exit(0 if total >= 2 else 1)


main()
