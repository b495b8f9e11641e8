"""Builds the bench's own programs and its DPDK plug-in, outside the product's build, if their source
is newer than the files in build-bench/."""

import glob
import os
import subprocess

from lib.machine import BENCH, BUILT, ROOT, installed, need
from lib.processes import Failed, run

# As the switch is built: with AVX2 and BMI if the CPU has them.
FLAGS = ["-O3", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter"]

FRAMES = os.path.join(BENCH, "replay/frames.h")
PROGRAM = os.path.join(BENCH, "program.h")


def pkg_config(*args):
    words = run(["pkg-config", *args, "libdpdk"]).split()
    return [w for w in words if not w.startswith("-march=")]


def march():
    with open("/proc/cpuinfo") as file:
        return "-march=x86-64-v3" if " avx2 " in file.read() else "-march=x86-64-v2"


def fresh(target, sources):
    return os.path.exists(target) and all(os.path.getmtime(s) < os.path.getmtime(target)
                                          for s in sources)


def program(source, say, dpdk=True, libraries=()):
    """Compiles one C or C++ file of bench/ into build-bench/."""
    path = os.path.join(BENCH, source)
    target = os.path.join(BUILT, os.path.splitext(os.path.basename(source))[0])
    if fresh(target, [path, FRAMES, PROGRAM]):
        return target
    say(f"building {os.path.basename(target)}")
    need(["g++", "gcc", "pkg-config"] + (["libdpdk-dev"] if dpdk else []), say)
    compiler = ["g++", "-std=c++20"] if path.endswith(".cc") else ["gcc"]
    run([*compiler, *FLAGS, march(), *(pkg_config("--cflags") if dpdk else []), "-o", target, path,
         *(pkg_config("--libs") if dpdk else []), *libraries], timeout=300)
    return target


LAYERS = ("engine", "policy", "responder", "router", "tunnel", "link", "view", "network", "mirror", "nat", "service",
          "flow", "pod", "acl", "vxlan", "route", "neighbor", "guard", "bridge", "dhcp", "dns", "punt", "port", "path",
          "wire", "kube", "base")


def linked_program(source, build, say, tools=()):
    """The same of a C++ file that uses the switch's own code, as the product's build has made it."""
    path = os.path.join(BENCH, source)
    target = os.path.join(BUILT, os.path.splitext(os.path.basename(source))[0])
    libraries = [os.path.join(build, f"src/{layer}/libsluice-{layer}.a") for layer in LAYERS]
    if fresh(target, [path, *libraries]):
        return target
    say(f"building {os.path.basename(target)}")
    need([*tools, "g++", "pkg-config"], say)
    others = run(["pkg-config", "--libs", "fmt", "yaml-cpp", "libmnl", "libpcap", "ldns"]).split()
    run(["g++", "-std=c++20", *FLAGS, "-Wno-missing-field-initializers", *pkg_config("--cflags"), march(),
         f"-I{ROOT}/src", f"-I{ROOT}/include", "-o", target, path,
         "-Wl,--start-group", *libraries, "-Wl,--end-group", *others, "-lrte_net_bond", *pkg_config("--libs")],
        timeout=300)
    return target


def dpdk_source(say):
    """The source tree of exactly the installed DPDK: drivers need headers that no package has.
    A list of the bench's own is used; the machine's lists stay as they are."""
    version = installed("libdpdk-dev")
    tree = os.path.join(BUILT, f"dpdk-{version}")
    if os.path.exists(os.path.join(tree, "lib/ethdev/ethdev_driver.h")):
        return tree
    say(f"fetching the source of DPDK {version}")
    need(["dpkg-dev", "xz-utils"], say)
    place = os.path.join(BUILT, "source")
    parts = os.path.join(place, "sources.d")
    os.makedirs(parts, exist_ok=True)
    os.makedirs(os.path.join(place, "lists/partial"), exist_ok=True)
    for file in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
        if not os.path.isfile(file) or not file.endswith((".list", ".sources")):
            continue
        with open(file) as old, open(os.path.join(parts, os.path.basename(file)), "w") as new:
            for line in old:
                if line.startswith("Types:"):
                    line = "Types: deb-src\n"
                elif line.startswith("deb "):
                    line = "deb-src " + line[4:]
                # Other vendors' lists may have no sources; they have no DPDK either.
                if "debian.org" in line or not line.startswith("deb-src"):
                    new.write(line)
    for file in glob.glob(os.path.join(parts, "*.sources")):
        with open(file) as text:
            if "debian.org" not in text.read():
                os.remove(file)
    options = ["-qq", "-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}",
               "-o", f"Dir::State::Lists={place}/lists", "-o", "APT::Sandbox::User=root"]
    for command in (["apt-get", "update"], ["apt-get", "source", "--download-only",
                                            f"dpdk={version}"]):
        done = subprocess.run([*command, *options], cwd=place, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
    archive = glob.glob(os.path.join(place, "dpdk_*.orig.tar.xz"))
    if not archive:
        raise Failed("apt-get source brought no orig.tar.xz of DPDK")
    os.makedirs(tree, exist_ok=True)
    run(["tar", "-xJf", archive[-1], "-C", tree, "--strip-components=1", "--wildcards",
         "*/lib/*.h", "*/drivers/bus/vdev/*.h"])
    return tree


def replay_plugin(say):
    """The plug-in's path. Raises Failed if DPDK's source is not available."""
    source = os.path.join(BENCH, "replay/net_sluice_replay.c")
    # It works with one version of DPDK only.
    target = os.path.join(BUILT, f"replay-{installed('libdpdk-dev')}", "librte_net_sluice_replay.so")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if fresh(target, [source, FRAMES]):
        return target
    tree = dpdk_source(say)
    say("building net_sluice_replay")
    run(["gcc", *FLAGS, march(), "-std=gnu11", *pkg_config("--cflags"), "-DALLOW_INTERNAL_API",
         "-DALLOW_EXPERIMENTAL_API", f"-I{tree}/lib/ethdev", f"-I{tree}/lib/eal/include",
         f"-I{tree}/drivers/bus/vdev", "-fPIC", "-shared", "-o", target, source,
         "-Wl,--no-as-needed", "-lrte_bus_vdev", "-lrte_ethdev", "-lrte_mbuf", "-lrte_mempool",
         "-lrte_kvargs", "-lrte_eal"], timeout=300)
    return target
