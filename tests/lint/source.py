#!/usr/bin/env python3
"""Holds what the source tree promises and no compiler checks: layers, sizes, drop texts.

usage: source.py ROOT
Prints a line for each mistake, "file:line: what", and fails if there are any.
"""
import pathlib
import re
import sys

# The layers in order, as in meson.build; folders in one set may not include each other. What is
# above a folder may not be included by it.
LAYERS = [
    {"base"},
    {"dhcp", "kube", "wire"},
    {"path"},
    {"port", "punt", "bridge", "vlan", "guard", "neighbor", "vxlan", "acl", "flow", "pod", "nat", "service", "dns"},
    {"route"},
    {"network"},
    {"view"},
    {"link", "mirror"},
    {"tunnel"},
    {"router", "responder"},
    {"policy"},
    {"engine"},
    {"docker", "explain", "health", "protocols"},
    {"control"},
    {"sluiced"},
]
RANK = {folder: rank for rank, layer in enumerate(LAYERS) for folder in layer}
# The clients' programs talk to the daemon over the socket: they know no layer but base.
CLIENTS = {"sluicectl", "sluice-cni"}
# src/control is two libraries; what clients link is in include/sluice/client.h.
MAX_LINES = 800
MAX_COLUMNS = 115  # as in .clang-format

mistakes = []


def mistake(file, line, what):
    mistakes.append(f"{file}:{line}: {what}")


def sources(root):
    for folder in ("src", "include"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".h", ".cc"):
                yield file, file.relative_to(root)


def check_include(name, line, folder, included):
    target = included.split("/")[0]
    if target == "sluice" or target == folder:
        return
    if folder == "include":
        mistake(name, line, f"a public header includes {included}, which isn't installed")
    elif folder in CLIENTS:
        if target != "base":
            mistake(name, line, f"{folder} is a client and includes {included}")
    elif folder not in RANK:
        mistake(name, line, f"the folder {folder} is in no layer: name it in tests/lint/source.py")
    elif target not in RANK:
        mistake(name, line, f"{included} is in no layer")
    elif RANK[target] >= RANK[folder]:
        mistake(name, line, f"{folder} includes {included}, which is not below it")


def check_file(file, name):
    text = file.read_text()
    lines = text.splitlines()
    folder = name.parts[1] if name.parts[0] == "src" else "include"
    if len(lines) > MAX_LINES:
        mistake(name, len(lines), f"{len(lines)} lines are too many for one page of thought")
    if file.suffix == ".h" and "#pragma once" not in lines:
        mistake(name, 1, "no #pragma once")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            mistake(name, number, f"{len(line)} columns: the formatter's limit is {MAX_COLUMNS}")
        if match := re.match(r'\s*#\s*include\s*"([^"]+)"', line):
            check_include(name, number, folder, match[1])
        if match := re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            mistake(name, number, f"{match[1]}: do it, or open an issue")
    check_prefetchers(name, text)


def check_prefetchers(name, text):
    """A function that only prefetches must be always_inline: gcc 12 deletes calls of others."""
    function = re.compile(r"(?P<head>[^;{}]*?\b\w+\s*\([^;{}]*\)[^;{}()]*)\{(?P<body>[^{}]*)\}")
    for match in function.finditer(text):
        statements = [s.strip() for s in match["body"].split(";") if s.strip()]
        prefetches = [s for s in statements if re.match(r"(rte_prefetch\w*|__builtin_prefetch)\b", s)]
        if statements and prefetches == statements and "always_inline" not in match["head"]:
            line = text.count("\n", 0, match.end("head")) + 1
            mistake(name, line, "only prefetches, and is not [[gnu::always_inline]]")


def check_drops(root):
    name = pathlib.Path("src/path/drop.h")
    text = (root / name).read_text()
    body = re.search(r"enum class Drop[^{]*\{(.*?)\};", text, re.S)[1]
    reasons = [r for r in re.findall(r"^\s*(k\w+),", body, re.M) if r != "kCount"]
    names = re.findall(r'^    \{"([a-z-]+)",', text, re.M)
    expected = [re.sub(r"(?<!^)([A-Z])", r"-\1", r[1:]).lower() for r in reasons]
    if not reasons or names != expected:
        mistake(name, 1, f"the texts {names} are not those of the enumerators {expected}")


def main():
    root = pathlib.Path(sys.argv[1])
    count = 0
    for file, name in sources(root):
        check_file(file, name)
        count += 1
    if count == 0:
        mistake(root, 0, "no sources found")
    check_drops(root)
    print("\n".join(mistakes) or f"{count} files are in order")
    sys.exit(1 if mistakes else 0)


main()
