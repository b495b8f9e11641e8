"""Frames for the scenarios: generated with a fixed seed, written as pcap files to /dev/shm.

A frame's size is its length in the buffer, without FCS, so the minimum on a wire would be 60."""

import os
import random
import struct
import zlib

_IP = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")
_TCP = struct.Struct("!HHIIBBHHH")


def mac(side, number):
    """A locally administered MAC address: side 0xa or 0xb, and a number."""
    return bytes([0x02, side]) + number.to_bytes(4, "big")


A, B = mac(0xA, 1), mac(0xB, 1)


def udp(destination, source, size, flow):
    """One UDP frame; flow is (source address, destination address, source port, destination port)."""
    from_ip, to_ip, from_port, to_port = flow
    length = size - 14
    # The sum of all 16-bit words of the header but the checksum: RFC 1071.
    total = (0x4500 + length + 0x4000 + 0x4011 + (from_ip >> 16) + (from_ip & 0xFFFF) +
             (to_ip >> 16) + (to_ip & 0xFFFF))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    head = (destination + source + b"\x08\x00" +
            _IP.pack(0x45, 0, length, 0, 0x4000, 64, 17, total ^ 0xFFFF, from_ip, to_ip) +
            _UDP.pack(from_port, to_port, length - 20, 0))
    return head + bytes(size - len(head))


SYN, ACK = 2, 16  # TCP's flags


def tcp(destination, source, size, flow, flags, numbers, data=0):
    """One TCP segment of `data` bytes without options, its frame padded to `size`; numbers are (sequence,
    acknowledgement)."""
    from_ip, to_ip, from_port, to_port = flow
    length = 20 + 20 + data
    ends = struct.pack("!II", from_ip, to_ip)
    head = _IP.pack(0x45, 0, length, 0, 0x4000, 64, 6, 0, from_ip, to_ip)
    segment = _TCP.pack(from_port, to_port, *numbers, 5 << 4, flags, 0xFFFF, 0, 0) + bytes(data)
    checksum = _checksum(ends + struct.pack("!HH", 6, 20 + data) + segment)
    frame = (destination + source + b"\x08\x00" + head[:10] + struct.pack("!H", _checksum(head)) + head[12:] +
             segment[:16] + struct.pack("!H", checksum) + segment[18:])
    return frame + bytes(size - len(frame))


def _checksum(data):
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


_PREFIX6 = bytes.fromhex("20010db8") + bytes(8)


def _address6(number):
    return number.to_bytes(16, "big") if number >> 32 else _PREFIX6 + number.to_bytes(4, "big")


def udp6(destination, source, size, flow):
    """The same over IPv6: addresses of 32 bits are those of `flow` behind 2001:db8::/96."""
    from_ip, to_ip, from_port, to_port = flow
    length = size - 54
    ends = _address6(from_ip) + _address6(to_ip)
    total = sum(struct.unpack("!16H", ends)) + length + 17 + from_port + to_port + length
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (destination + source + b"\x86\xdd" + struct.pack("!IHBB", 0x60000000, length, 17, 64) + ends +
            _UDP.pack(from_port, to_port, length, (total ^ 0xFFFF) or 0xFFFF) + bytes(length - 8))


def arp_reply(destination, source, sender, target):
    """An ARP reply to `target`: `sender` (an IPv4 address as a number) is at `source`. Padded to 64 bytes."""
    words = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    frame = (destination + source + b"\x08\x06" + words + source + sender.to_bytes(4, "big") +
             destination + target.to_bytes(4, "big"))
    return frame + bytes(64 - len(frame))


def advertisement(destination, source, sender, target):
    """The same over IPv6 (RFC 4861, 4.4), of addresses as 16 bytes: solicited, and in place of what was known."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + sender + b"\x02\x01" + source
    checksum = _checksum(sender + target + struct.pack("!II", len(body), 58) + body)
    body = body[:2] + struct.pack("!H", checksum) + body[4:]
    return (destination + source + b"\x86\xdd" + struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + sender +
            target + body)


def vxlan(destination, source, from_ip, to_ip, vni, frame):
    """A frame in VXLAN over IPv4, without an outer UDP checksum; the source port identifies the flow."""
    port = 0xC000 | zlib.crc32(frame[26:38]) >> 18
    outer = udp(destination, source, 50 + len(frame), (from_ip, to_ip, port, 4789))
    return outer[:42] + struct.pack("!II", 0x08000000, vni << 8) + frame


def flows(count, seed=1):
    """Distinct flows in random order."""
    dice = random.Random(seed)
    # A flow is a number below 2^44; drawing without repetition makes them distinct.
    for number in dice.sample(range(1 << 44), count):
        yield (0x0A000000 + (number & 0xFFFF), 0x14000000 + (number >> 16 & 0xFFFF),
               1024 + (number >> 32 & 0xFFF), 5000)


def write_pcap(path, frames):
    """Returns the number of frames."""
    count = 0
    with open(path + ".part", "wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)))
            file.write(frame)
            count += 1
    os.rename(path + ".part", path)
    return count
