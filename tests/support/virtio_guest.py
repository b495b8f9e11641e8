#!/usr/bin/python3
"""A guest without a virtual machine: the front end of a vhost-user socket and the driver of its
virtqueues (split rings; VIRTIO 1.2, 2.7 and 5.1), joined to a TAP in this network namespace. For the
switch it acts as QEMU and a guest's kernel; for a test it is a namespace in which ping and iperf3
run. Frames pass with their virtio-net headers unchanged, so segments stay whole.

  virtio_guest.py [OPTIONS] SOCKET      prints "running" whenever its driver has started

  SIGUSR1 resets the driver (stops and restarts the rings, as a reboot does), SIGTERM ends it."""

import argparse
import array
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
import sys

SIZE = 64                 # descriptors of a ring
BUFFER = 66 * 1024        # bytes of a buffer that takes a whole segment
SMALL = 2048              # bytes of a buffer for mergeable buffers
HEADER = 12               # struct virtio_net_hdr_v1

CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6 = 0, 1, 7, 8, 11, 12
MERGEABLE, MULTI_QUEUE, PROTOCOL_FEATURES, VERSION_1 = 15, 22, 30, 32

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
PROTOCOL_MQ = 0

NEXT, WRITE = 1, 2        # flags of a descriptor


class Gone(Exception):
    """The switch has closed the connection."""


class Ring:
    """One virtqueue in the guest's memory, at `base`."""

    BYTES = 16 * SIZE + 4096 + 4096 + SIZE * BUFFER

    def __init__(self, memory, base, to_guest, buffer):
        self.base, self.to_guest, self.buffer = base, to_guest, buffer
        view = memoryview(memory)
        # Native 16-bit stores: otherwise the switch could read half of an index.
        self.descriptors = base
        self.available_at = base + 16 * SIZE
        self.used_at = self.available_at + 4096
        self.data = self.used_at + 4096
        self.available = view[self.available_at:self.available_at + 4096].cast("H")
        self.used = view[self.used_at:self.used_at + 4096].cast("H")
        self.used_entries = view[self.used_at + 4:self.used_at + 4 + 8 * SIZE].cast("I")
        self.memory = memory
        self.reset()

    def reset(self):
        self.memory[self.base:self.data] = bytes(self.data - self.base)
        self.filled = self.seen = 0
        self.free = list(range(SIZE))
        if self.to_guest:
            while self.free:
                self.publish(self.free.pop(), self.buffer, WRITE)

    def at(self, index):
        return self.data + index * self.buffer

    def publish(self, index, length, flags, address=None, following=0):
        struct.pack_into("=QIHH", self.memory, self.descriptors + 16 * index,
                         self.at(index) if address is None else address, length, flags, following)
        self.offer(index)

    def offer(self, index):
        self.available[2 + self.filled % SIZE] = index
        self.filled = (self.filled + 1) & 0xffff
        self.available[1] = self.filled

    def take_used(self):
        """(index, length) of the descriptors that the switch has finished."""
        while self.seen != self.used[1]:
            slot = self.seen % SIZE
            self.seen = (self.seen + 1) & 0xffff
            yield self.used_entries[2 * slot], self.used_entries[2 * slot + 1]

    def send(self, frame):
        for index, _ in self.take_used():
            self.free.append(index)
        if not self.free:
            return False
        index = self.free.pop()
        self.memory[self.at(index):self.at(index) + len(frame)] = frame
        self.publish(index, len(frame), 0)
        return True

    def received(self):
        """Frames with their headers; a mergeable one may lie in several buffers."""
        parts, left = [], 0
        for index, length in self.take_used():
            part = self.memory[self.at(index):self.at(index) + length]
            if left == 0:
                left = struct.unpack_from("=H", part, 10)[0] if self.buffer == SMALL else 1
            parts.append(part)
            left -= 1
            self.offer(index)
            if left == 0:
                yield b"".join(parts)
                parts = []

    def sabotage(self, how):
        """What no driver should do."""
        if how == "index":
            self.offer(SIZE + 700)
        elif how == "ahead":
            self.filled = (self.filled + SIZE + 9) & 0xffff
            self.available[1] = self.filled
        elif how == "address":
            self.publish(0, 100, 0, address=1 << 40)
        elif how == "loop":
            self.publish(0, 100, NEXT, following=0)
        elif how == "short":
            self.publish(0, 3, 0)


def open_tap(name, queue_count, offloads, mac):
    fds = []
    for _ in range(queue_count):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        flags = 0x0002 | 0x1000 | 0x4000 | (0x0100 if queue_count > 1 else 0)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), flags))  # TUNSETIFF
        fcntl.ioctl(fd, 0x400454d8, struct.pack("i", HEADER))                      # TUNSETVNETHDRSZ
        fcntl.ioctl(fd, 0x400454d0, 7 if offloads else 0)                          # TUNSETOFFLOAD
        fds.append(fd)
    os.system(f"ip link set {name} address {mac} up")
    return fds


class Guest:
    def __init__(self, options):
        self.options = options
        self.pairs = options.queues
        self.memory_fd = os.memfd_create("guest")
        size = 2 * self.pairs * Ring.BYTES
        size = (size + 4095) & ~4095
        os.ftruncate(self.memory_fd, size)
        sharing = mmap.MAP_PRIVATE if options.memory == "private" else mmap.MAP_SHARED
        self.memory = mmap.mmap(self.memory_fd, size, flags=sharing)
        self.size = size
        self.rings = []
        for number in range(2 * self.pairs):
            to_guest = number % 2 == 0
            buffer = SMALL if to_guest and options.mergeable else BUFFER
            self.rings.append(Ring(self.memory, number * Ring.BYTES, to_guest, buffer))
        self.kicks = [os.eventfd(0, os.EFD_NONBLOCK) for _ in self.rings]
        self.calls = [os.eventfd(0, os.EFD_NONBLOCK) for _ in self.rings]
        self.taps = open_tap(options.tap, self.pairs, not options.plain, options.mac)
        self.connection = None
        self.listener = None
        if options.client:
            return
        if os.path.exists(options.socket):
            os.remove(options.socket)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(options.socket)
        self.listener.listen(1)

    # --- the protocol ---

    def tell(self, request, body=b"", fds=()):
        message = struct.pack("=III", request, 1, len(body)) + body
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.connection.sendmsg([message], ancillary)
        except OSError as error:
            raise Gone from error

    def hear(self):
        try:
            heard = self.connection.recv(4096)
        except OSError as error:  # reset: the switch was killed before it read all of our data
            raise Gone from error
        if not heard:
            raise Gone
        return heard

    def ask(self, request, body=b""):
        self.tell(request, body)
        answer = b""
        while len(answer) < 12 or len(answer) < 12 + struct.unpack_from("=I", answer, 8)[0]:
            answer += self.hear()
        return answer[12:]

    def number(self, request):
        return struct.unpack("=Q", self.ask(request))[0]

    def start(self):
        offered = self.number(GET_FEATURES)
        wanted = [VERSION_1, PROTOCOL_FEATURES]
        if not self.options.plain:
            wanted += [CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6]
        if self.options.mergeable:
            wanted.append(MERGEABLE)
        if self.pairs > 1:
            wanted.append(MULTI_QUEUE)
        self.features = sum(1 << bit for bit in wanted) & offered
        self.tell(SET_OWNER)
        protocol = self.number(GET_PROTOCOL_FEATURES) & (1 << PROTOCOL_MQ)
        self.tell(SET_PROTOCOL_FEATURES, struct.pack("=Q", protocol))
        most = self.number(GET_QUEUE_NUM)
        if most < self.pairs:
            sys.exit(f"the switch grants {most} queue pairs, not {self.pairs}")
        self.start_rings()

    def start_rings(self):
        self.tell(SET_FEATURES, struct.pack("=Q", self.features))
        if self.options.memory == "none":  # as QEMU does, which then drives the device itself
            return
        region = struct.pack("=IIQQQQ", 1, 0, 0, self.size, self.address(0), 0)
        self.tell(SET_MEM_TABLE, region, [self.memory_fd])
        for number, ring in enumerate(self.rings):
            self.tell(SET_VRING_NUM, struct.pack("=II", number, SIZE))
            # The switch has also taken what it has used, so a new switch continues there.
            self.tell(SET_VRING_BASE, struct.pack("=II", number, ring.used[1]))
            self.tell(SET_VRING_ADDR, struct.pack(
                "=IIQQQQ", number, 0, self.address(ring.descriptors), self.address(ring.used_at),
                self.address(ring.available_at), 0))
            self.tell(SET_VRING_KICK, struct.pack("=Q", number), [self.kicks[number]])
            self.tell(SET_VRING_CALL, struct.pack("=Q", number), [self.calls[number]])
        for number in range(len(self.rings)):
            self.tell(SET_VRING_ENABLE, struct.pack("=II", number, 1))
            os.eventfd_write(self.kicks[number], 1)
        # An answer shows that the switch has handled all messages.
        self.number(GET_FEATURES)
        print("running", flush=True)

    def stop_rings(self):
        for number in range(len(self.rings)):
            self.tell(SET_VRING_ENABLE, struct.pack("=II", number, 0))
        for number in range(len(self.rings)):
            self.ask(GET_VRING_BASE, struct.pack("=II", number, 0))

    @staticmethod
    def address(offset):
        """The front end's own address of it: any, as long as it is the same everywhere."""
        return 0x7000_0000_0000 + offset

    # --- the driver ---

    def carry(self):
        """Moves frames between the TAP and the rings until the switch closes the connection."""
        waiting = self.taps + self.calls[0::2] + [self.connection.fileno()]
        while True:
            readable, _, _ = select.select(waiting, [], [], 1)
            for pair, tap in enumerate(self.taps):
                if self.calls[2 * pair] in readable:
                    try:
                        os.eventfd_read(self.calls[2 * pair])
                    except BlockingIOError:
                        pass
                self.deliver(self.rings[2 * pair], tap)
                os.eventfd_write(self.kicks[2 * pair], 1)
                if tap in readable:
                    self.send(self.rings[2 * pair + 1], tap)
                    os.eventfd_write(self.kicks[2 * pair + 1], 1)
            if self.connection.fileno() in readable:
                self.hear()

    @staticmethod
    def deliver(ring, tap):
        for frame in ring.received():
            try:
                os.write(tap, frame)
            except OSError as error:
                print(f"the kernel refused a frame of {len(frame)} bytes: {error}", flush=True)

    @staticmethod
    def send(ring, tap):
        for _ in range(SIZE):
            try:
                frame = os.read(tap, BUFFER)
            except BlockingIOError:
                return
            if not ring.send(frame):
                return

    def run(self):
        while True:
            if self.listener:
                self.connection, _ = self.listener.accept()
            else:
                self.connection = socket.socket(socket.AF_UNIX)
                try:
                    self.connection.connect(self.options.socket)
                except OSError:
                    select.select([], [], [], 0.1)
                    continue
            try:
                self.start()
                if self.options.sabotage:
                    self.rings[1].sabotage(self.options.sabotage)
                    os.eventfd_write(self.kicks[1], 1)
                while True:
                    try:
                        self.carry()
                    except Reset:
                        self.stop_rings()
                        for ring in self.rings:
                            ring.reset()
                        self.start_rings()
            except Gone:
                print("gone", flush=True)
                self.connection.close()


class Reset(Exception):
    """SIGUSR1."""


def on_reset(signal_number, frame):
    raise Reset


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("socket")
    parser.add_argument("--tap", default="eth0", help="the interface of this namespace (eth0)")
    parser.add_argument("--mac", default="02:00:00:00:77:01")
    parser.add_argument("--client", action="store_true", help="connect; default: listen")
    parser.add_argument("--queues", type=int, default=1, help="queue pairs (1)")
    parser.add_argument("--plain", action="store_true", help="negotiate no offload")
    parser.add_argument("--mergeable", action="store_true", help="small receive buffers, merged")
    parser.add_argument("--memory", choices=["shared", "private", "none"], default="shared",
                        help="which the switch is given (shared); private: a file that the guest doesn't write to")
    parser.add_argument("--sabotage", choices=["index", "ahead", "address", "loop", "short"],
                        help="publish one broken descriptor to the switch")
    guest = Guest(parser.parse_args())
    signal.signal(signal.SIGUSR1, on_reset)
    guest.run()


if __name__ == "__main__":
    main()
