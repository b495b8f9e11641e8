#!/bin/bash
# The books balance with flooding, segmentation, copies and drops in play, every drop has a reason
# with a sentence, and all packet buffers are back when traffic has stopped.
. "$(dirname "$0")/_init.sh"

netns a b c
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}, {name: alone}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24], spoofing: allow}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.3/24], mtu: 1300}
  - {name: file, device: "net_pcap0,tx_pcap=$TMP/out.pcap", network: blue}
  - {name: void, device: "net_null0,no-rx=1", network: blue}
  - {name: lone, host: true, network: alone}
  - {name: homeless, host: true}
END
start
up a b c file void lone homeless
ip netns list >/dev/null
serve b
pings a 10.0.0.2

# What a program of the container sends into its own interface, with the virtio-net header that the
# kernel makes of it: a TCP segment of 40000 bytes, its checksum unfinished, to an address that
# nobody has. It is flooded: whole to the containers, cut for the devices, too big for c.
cat >"$TMP/send.py" <<'END'
import socket, struct, sys
SOL_PACKET, PACKET_VNET_HDR = 263, 15
kind, count = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
s.bind((sys.argv[3], 0))
plain = struct.pack("<BBHHHH", 0, 0, 0, 0, 0, 0)
source, unknown = b"\2\0\0\0\0\x0a", b"\2\0\0\0\0\x99"
def ipv4(protocol, payload):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0,
                       bytes([10, 0, 0, 1]), bytes([10, 0, 0, 77]))
    total = sum(struct.unpack(">10H", head))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack(">H", total ^ 0xffff) + head[12:] + payload
def pseudo(protocol, size):
    total = sum(struct.unpack(">4H", bytes([10, 0, 0, 1, 10, 0, 0, 77]))) + protocol + size
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return total
if kind == "segment":
    size = 20 + 40000
    tcp = struct.pack(">HHIIBBHHH", 1000, 2000, 1, 1, 0x50, 0x18, 1000, pseudo(6, size), 0)
    frame = unknown + source + b"\x08\0" + ipv4(6, tcp + bytes(i & 255 for i in range(40000)))
    header = struct.pack("<BBHHHH", 1, 1, 54, 1446, 34, 16)
elif kind == "checksum":
    size = 8 + 500
    udp = struct.pack(">HHHH", 1000, 2000, size, pseudo(17, size))
    frame = unknown + source + b"\x08\0" + ipv4(17, udp + b"y" * 500)
    header = struct.pack("<BBHHHH", 1, 0, 0, 0, 34, 6)
else:
    destination = {"broadcast": b"\xff" * 6, "stp": bytes.fromhex("0180c2000000"), "unknown": unknown,
                   "group-source": unknown}[kind]
    frame = destination + (b"\x03" + source[1:] if kind == "group-source" else source) + b"\x88\xb5" + b"z" * 50
    header = plain
for _ in range(count): s.send(header + frame)
END
send() { at "${3:-a}" python3 "$TMP/send.py" "$1" "$2" "${4:-eth0}"; }
total() { ctl --json stats | jq ".totals.$1"; }
reason() { ctl --json drops | jq --arg port "$1" --arg reason "$2" '[.drops[] | select(.port == $port and .reason == $reason) | .packets] | add // 0'; }
frames() { ctl --json stats | jq --arg port "$1" '.ports[] | select(.name == $port) | .tx | map(.packets) | add'; }
settled() { balanced && [[ $(total received) == "$(sleep 0.2; total received)" ]]; }

wait_for 30 "balanced books" settled
made=$(total made) file=$(frames file) void=$(frames void) whole=$(frames b)
send segment 20
# A segment becomes 28 frames of up to 1500 bytes at the two devices, stays whole for b, and is too big
# for c, where even its pieces would exceed the MTU.
cut() { (($(frames file) >= file + 20 * 28)) && (($(frames void) >= void + 20 * 28)); }
wait_for 20 "the pieces of 20 segments" cut
wait_for 20 "whole segments at b" eval '(($(frames b) >= whole + 20))'
wait_for 20 "segments too big for c" eval '(($(reason c too-big) == 20))'
expect_that "made by the switch: copies and further pieces" "$(total made) >= $made + 20 * (3 + 27 + 27)"
wait_for 20 "balanced books after segments" settled

send checksum 20
send broadcast 50
send stp 3
expect_stp() { (($(reason a reserved-mac) == 3)); }
wait_for 20 "drops of reserved addresses" expect_stp
send group-source 4
wait_for 20 "drops of group sources" eval '(($(reason a invalid-source) == 4))'
send broadcast 5 host lone
wait_for 20 "drops in a network without other members" eval '(($(reason lone no-member) >= 5))'
send broadcast 5 host homeless
wait_for 20 "drops of a port without network" eval '(($(reason homeless no-network) >= 5))'
wait_for 20 "balanced books after drops" settled

# Traffic of all sorts at once, and ports that come and go under it.
spawn a iperf3 -c 10.0.0.2 -t 3 >"$TMP/stream" 2>&1
stream=$PID
for ((i = 0; i < 10; ++i)); do
    send segment 50
    send broadcast 200
    ctl port add "extra$i" host=true "interface=x$i" network=blue >/dev/null
    send checksum 50
    ctl port delete "extra$i" >/dev/null
done
finish "$stream" 60 "iperf3"
wait_for 30 "balanced books under all of it" settled

# Each drop is explained.
expect "drops without a sentence" 0 "$(query '[.drops[] | select((.meaning | length) < 30)] | length' drops)"
expect "sum of the drops by reason of living ports" "$(query '[.ports[] | .drops, .background] | add' port list)" \
    "$(query '[.drops[].packets] | add' drops)"

# What the files say: no frame beyond the MTU, no wrong checksum.
need tcpdump
stop
python3 - "$TMP/out.pcap" <<'END' || fail "frames beyond the MTU in the capture"
import struct, sys
with open(sys.argv[1], "rb") as f:
    f.read(24)
    longest = count = 0
    while head := f.read(16):
        size = struct.unpack("<4I", head)[3]
        f.read(struct.unpack("<4I", head)[2])
        longest, count = max(longest, size), count + 1
print(f"{count} frames, the longest of {longest} bytes")
sys.exit(longest > 1514 or longest < 1400)
END
tcpdump -nn -vv -r "$TMP/out.pcap" >"$TMP/out.txt" 2>/dev/null
if grep -m 3 -E "incorrect|bad cksum|bad udp cksum|wrong" "$TMP/out.txt"; then fail "wrong checksums in the capture"; fi
expect_that "TCP frames whose checksum tcpdump found right" "$(grep -c "cksum 0x[0-9a-f]* (correct)" "$TMP/out.txt") >= 20 * 28"
expect_that "UDP frames whose checksum tcpdump found right" "$(grep -c "udp sum ok" "$TMP/out.txt") >= 20"
no_checksum_errors a b c
