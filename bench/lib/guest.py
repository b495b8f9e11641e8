"""A virtual machine: QEMU without KVM, and the kernel and initramfs of the tests
(tests/support/guest_image, whose init answers commands on the console)."""

import base64
import os
import re
import select
import subprocess
import time

from lib.machine import BUILT, ROOT, need
from lib.processes import Failed


def image(say):
    """The folder with the guest's kernel and initramfs."""
    need(["qemu-system-x86", "lz4", "iperf3", "ethtool"], say)
    folder = os.path.join(BUILT, "guest")
    say("the guests' image")
    done = subprocess.run([os.path.join(ROOT, "tests/support/guest_image"), folder], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failed(done.stdout.strip())
    return folder


class Guest:
    """QEMU serves the vhost-user socket; the switch connects to it. On one core with everything else
    that isn't the switch's worker."""

    def __init__(self, nursery, folder, name, socket, address, core):
        self.name = name
        pipe = os.path.join(nursery.directory, f"{name}.pipe")
        for end in (".in", ".out"):
            if os.path.exists(pipe + end):
                os.remove(pipe + end)
            os.mkfifo(pipe + end)
        if os.path.exists(socket):
            os.remove(socket)
        self.questions = os.open(pipe + ".in", os.O_RDWR)
        self.answers = os.open(pipe + ".out", os.O_RDWR)
        nursery.later(lambda: [os.close(fd) for fd in (self.questions, self.answers)])
        self.unread = b""
        last = int(address.split("/")[0].split(".")[-1])
        self.process = nursery.start(
            ["qemu-system-x86_64", "-name", name, "-nodefaults", "-display", "none",
             "-machine", "q35,memory-backend=memory", "-accel", "tcg,thread=multi,tb-size=128",
             "-cpu", "qemu64", "-smp", "1", "-m", "256M",
             "-object", "memory-backend-memfd,id=memory,size=256M,share=on",
             "-kernel", os.path.join(folder, "kernel"), "-initrd", os.path.join(folder, "initramfs"),
             "-append", f"console=ttyS0 quiet mitigations=off guest_address={address} guest_queues=1",
             "-chardev", f"pipe,id=console,path={pipe}",
             "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=console",
             "-chardev", f"socket,id=switch,path={socket},server=on,wait=off",
             "-netdev", "vhost-user,id=net,chardev=switch",
             # vectors=0: QEMU 7.2 crashes when it sets up MSI-X for vhost-user without KVM.
             "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:00:00:{last:02x},vectors=0,romfile="],
            name, cores=core)

    def _line(self, end):
        while b"\n" not in self.unread:
            left = end - time.monotonic()
            if left <= 0 or self.process.poll() is not None:
                raise Failed(f"guest {self.name} doesn't answer\n{self.process.log_tail()}")
            if select.select([self.answers], [], [], min(left, 0.2))[0]:
                self.unread += os.read(self.answers, 65536)
        line, self.unread = self.unread.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def await_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while self._line(end) != "ready":
            pass

    def run(self, command, seconds=60):
        """The output and the exit status of a command in its shell."""
        token = str(time.monotonic_ns())
        text = base64.b64encode(command.encode()).decode()
        os.write(self.questions, f"{token} {text}\n".encode())
        end, lines = time.monotonic() + seconds, []
        while True:
            line = self._line(end)
            over = re.fullmatch(rf"end {token} (\d+)", line)
            if over:
                return "\n".join(lines), int(over[1])
            lines.append(line)
