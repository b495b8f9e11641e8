"""The peers' programs: Debian's packages, unpacked into the bench's own folder.

They are not installed, so none of their services starts, now or at the next boot. Libraries that they
share with Sluice (DPDK, libnuma, ...) are the installed ones."""

import glob
import os
import subprocess

from lib.machine import BUILT, installed, need
from lib.processes import Failed, run

PLACE = os.path.join(BUILT, "peers")
TESTPMD = ["dpdk-dev"]
OVS = ["openvswitch-common", "openvswitch-switch", "openvswitch-switch-dpdk"]
LIBRARIES = {"libunbound.so.8": "libunbound8", "libxdp.so.1": "libxdp1", "libbpf.so.1": "libbpf1",
             "libnuma.so.1": "libnuma1", "libcap-ng.so.0": "libcap-ng0"}


def unpack(packages, say):
    """Downloads and unpacks missing packages."""
    debs = os.path.join(PLACE, "debs")
    os.makedirs(debs, exist_ok=True)
    for package in packages:
        if glob.glob(os.path.join(debs, f"{package}_*.deb")):
            continue
        say(f"fetching {package}, to be unpacked into {os.path.relpath(PLACE)}")
        command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package]
        for attempt in (1, 2):
            done = subprocess.run(command, cwd=debs, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
            if done.returncode == 0:
                break
            if attempt == 2:
                raise Failed(f"apt-get cannot fetch {package}: {done.stderr.strip()}")
            run(["apt-get", "update", "-qq"], timeout=600)
        for deb in glob.glob(os.path.join(debs, f"{package}_*.deb")):
            run(["dpkg-deb", "-x", deb, PLACE])


def version(package):
    for deb in glob.glob(os.path.join(PLACE, "debs", f"{package}_*.deb")):
        return os.path.basename(deb).split("_")[1].replace("%3a", ":")
    return installed(package) or "unknown"


def program(path, say):
    """The path of an unpacked program. Installs the libraries that it lacks."""
    file = os.path.join(PLACE, path)
    missing = [line.split()[0] for line in run(["ldd", file]).splitlines() if "not found" in line]
    unknown = [m for m in missing if m not in LIBRARIES]
    if unknown:
        raise Failed(f"{file} needs {', '.join(unknown)}: install libdpdk-dev")
    need([LIBRARIES[m] for m in missing], say)
    return file


def testpmd(session):
    unpack(TESTPMD, session.say)
    session.versions["testpmd"] = version("dpdk-dev")
    return program("usr/bin/dpdk-testpmd", session.say)


def ovs(session):
    """The folder that replaces / in OVS's paths."""
    unpack(OVS, session.say)
    session.versions["OVS-DPDK"] = version("openvswitch-switch-dpdk")
    program("usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", session.say)
    return PLACE
