#!/bin/bash
# Interfaces that stay with the kernel, by packet sockets and by net_af_xdp: a veth whose other end is a
# kernel that leaves checksums unfinished and would send segments of 64 KiB, as veths do unless told. The
# one takes these segments whole, the other keeps the kernel from sending them.
. "$(dirname "$0")/_init.sh"
need iperf3 ethtool

netns a b packet xdp
# Between the switch and a peer: wire NAME HOST
wire() {
    ip -n "${P}host" link add "wire-$1" type veth peer name eth0 netns "$P$1"
    at host sh -c "echo 1 >/proc/sys/net/ipv6/conf/wire-$1/disable_ipv6"
    ip -n "${P}host" link set "wire-$1" up
    ip -n "$P$1" link set eth0 up
    ip -n "$P$1" address add "10.0.0.$2/24" dev eth0
    ip -n "$P$1" address add "fd00::$2/64" dev eth0 nodad
}
wire packet 8
wire xdp 9
at host ethtool -K wire-packet gro on
feature() { at "$1" ethtool -k "$2" | awk -v name="$3:" '$1 == name { print $2 }'; }
expect "checksums of the peer's to finish" on "$(feature packet eth0 tx-checksumming)"
expect "segments of the peer's to cut" on "$(feature packet eth0 tcp-segmentation-offload)"

config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"], spoofing: allow}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24, "fd00::2/64"]}
  - {name: packet, device: "net_af_packet0,iface=wire-packet", network: blue}
  - {name: xdp, device: "net_af_xdp0,iface=wire-xdp", network: blue}
END
start
up a b packet xdp
expect "segments of the peer's, now" on "$(feature packet eth0 tcp-segmentation-offload)"
expect "segments of the other peer's, now" off "$(feature xdp eth0 tcp-segmentation-offload)"
expect "merging at the switch's end" on "$(feature host wire-packet generic-receive-offload)"
expect "UDP segments for the peer to cut" off "$(feature host wire-packet tx-udp-segmentation)"

pings a 10.0.0.8
pings a 10.0.0.9
pings packet 10.0.0.9 -s 1472
pings a fd00::9

# TCP both ways, with a container (whose segments of 64 KiB are cut) and with each other; UDP.
serve a
serve packet
serve xdp
for peer in packet xdp; do
    address=$([[ $peer == packet ]] && echo 8 || echo 9)
    iperf a "10.0.0.$address" -t 1
    expect_that "bytes a segment to $peer" "$(jq '.end.sum_received.bytes' "$TMP/iperf.json") > 10000000"
    iperf "$peer" 10.0.0.1 -t 1
    iperf "$peer" fd00::1 -n 4M
    iperf a "fd00::$address" -n 4M
    iperf "$peer" 10.0.0.1 -t 1 -u -b 10M
done
iperf packet 10.0.0.9 -t 1
iperf xdp 10.0.0.8 -n 8M
no_checksum_errors a packet xdp
seen() { query ".port.device[\"kernel-interface\"].\"$2\"" port show "$1"; }
for peer in packet xdp; do
    expect_that "unfinished checksums of $peer" "$(seen $peer unfinished-checksums) > 1000"
    expect "packets of $peer cut short" 0 "$(seen $peer cut-short)"
done
grep -q "the kernel behind wire-xdp leaves checksums unfinished" "$LOG" || fail "no word in the log"
expect "drops under cut-short" 0 "$(ctl --json drops | jq '[.drops[] | select(.reason == "cut-short")] | length')"

# Broadcasts: every copy arrives as it was sent.
copies=()
for peer in packet xdp; do
    spawn $peer timeout 20 python3 -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.bind(("eth0", 0))
print("ready", flush=True)
seen = 0
while seen < 200:
    frame = s.recv(2000)
    number = int.from_bytes(frame[14:16], "big")
    assert frame[16:] == bytes([number % 251]) * (44 + number % 1400), (number, frame[:64])
    seen += 1
' >"$TMP/copies-$peer"
    copies+=("$PID")
    wait_for 10 "the reader in $peer" grep -q ready "$TMP/copies-$peer"
done
at a python3 -c '
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for i in range(200):
    s.send(b"\xff" * 6 + b"\2\0\0\0\0\x77" + b"\x88\xb5" + i.to_bytes(2, "big") + bytes([i % 251]) * (44 + i % 1400))
    time.sleep(0.001)
'
for pid in "${copies[@]}"; do finish "$pid" 25 "the reader of broadcasts"; done

# Segments of 64 KiB cross whole.
counted() { query ".ports[] | select(.name == \"packet\") | .rx.$1" port list; }
packets=$(counted packets)
bytes=$(counted bytes)
iperf packet 10.0.0.1 -t 1
expect_that "bytes a packet from the peer" "$(counted bytes) - $bytes > 5000 * ($(counted packets) - $packets)"

# Datagrams of a container's, as fast as it can: they go as runs that the kernel cuts, where it knows how.
iperf a 10.0.0.8 -t 1 -u -b 0 -l 1400
expect_that "datagrams that arrived" "$(jq '.end.sum.packets - .end.sum.lost_packets' "$TMP/iperf.json") > 1000"
no_checksum_errors a packet
if [[ $(printf '%s\n' 6.2 "$(uname -r)" | sort -V | head -n 1) == 6.2 ]]; then
    can() { query '.port.device.offloads.transmit | index("udp-segmentation")' port show packet; }
    wait_for 10 "runs of datagrams" can
fi

# UDP segments of the peer's, which the switch doesn't take: once the first have come, the peer cuts them.
expect "held to its MTU" false "$(seen packet held-to-mtu || true)"
spawn a timeout 30 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.1", 7000))
print("ready", flush=True)
sizes = [len(s.recv(65536)) for i in range(10)]
assert sizes == [1000] * 10, sizes
' >"$TMP/datagrams"
reader=$PID
wait_for 10 "the reader of datagrams" grep -q ready "$TMP/datagrams"
send_segments() {
    at packet python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_UDP, 103, 1000)  # UDP_SEGMENT
s.sendto(bytes(10000), ("10.0.0.1", 7000))
'
    ended "$reader"
}
wait_for 20 "the datagrams of a segment" send_segments
finish "$reader" 10 "the reader of datagrams"
expect "held to its MTU" true "$(seen packet held-to-mtu)"
expect "segments of the peer's, then" off "$(feature packet eth0 tcp-segmentation-offload)"
expect "merging, then" off "$(feature host wire-packet generic-receive-offload)"
grep -q "wire-packet sent UDP segments" "$LOG" || fail "no word in the log"
iperf packet 10.0.0.1 -n 8M

# The link, and the interface, as they come and go.
ip -n "${P}packet" link set eth0 down
no_link() { port_is packet no-link; }
wait_for 10 "the link to be lost" no_link
ip -n "${P}packet" link set eth0 up
up packet
ip -n "${P}packet" address add "fd00::8/64" dev eth0 nodad
pings a 10.0.0.8

# A switch that is killed leaves net_af_xdp's program behind; the next one takes its place.
kill_9
expect "merging at the killed switch's end" off "$(feature host wire-packet generic-receive-offload)"
at host ethtool -K wire-packet gro on tx-udp-segmentation on  # nobody else does
ip -n "${P}host" -d link show wire-xdp | grep -q xdp || fail "no XDP program is left behind"
expect "segments of the peer's without a switch" on "$(feature packet eth0 tcp-segmentation-offload)"
start
up a b packet xdp
wait_for 10 "ping after the restart" answers_ping a 10.0.0.9
pings a 10.0.0.8
iperf packet 10.0.0.9 -n 8M
iperf xdp 10.0.0.1 -n 8M
no_checksum_errors a packet xdp

# What the kernel is not held to any more, once the port is gone.
stop
expect "segments of the peer's after the switch" on "$(feature packet eth0 tcp-segmentation-offload)"
expect "merging at the switch's end after it" on "$(feature host wire-packet generic-receive-offload)"
expect "UDP segments after it" on "$(feature host wire-packet tx-udp-segmentation)"

# Large frames.
for peer in packet xdp; do
    mtu=$([[ $peer == packet ]] && echo 9000 || echo 3400)
    ip -n "$P$peer" link set eth0 mtu "$mtu"
done
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"], mtu: 9000}
  - {name: packet, device: "net_af_packet0,iface=wire-packet", network: blue, mtu: 9000}
  - {name: xdp, device: "net_af_xdp0,iface=wire-xdp", network: blue, mtu: 3400}
END
start
up a packet xdp
pings a 10.0.0.8 -s 8972 -M do
pings packet 10.0.0.1 -s 8972 -M do
pings xdp 10.0.0.1 -s 3372 -M do
iperf a 10.0.0.8 -t 1
iperf packet 10.0.0.1 -t 1
iperf a 10.0.0.9 -n 8M
iperf xdp 10.0.0.1 -n 8M
no_checksum_errors a packet xdp

# An MTU that the driver's memory hasn't room for is refused, with the largest one that it has.
sed -i 's/mtu: 3400/mtu: 3600/' "$CONFIG"
expect_status 0 ctl config reload
down xdp "takes an MTU of up to 3[45][0-9][0-9], not 3600"

# A peer that sends more than the MTU: the frame arrives whole, and is too big for others.
ip -n "${P}packet" link set eth0 mtu 30000
ip -n "${P}host" link set wire-packet mtu 30000
at packet ping -q -c 1 -W 1 -s 20000 10.0.0.1 >/dev/null 2>&1 || true
drops() { query "[.drops[] | select(.reason == \"too-big\" and .port == \"a\") | .packets] | add >= 1" drops; }
wait_for 10 "the packet that is too big among the drops" drops

# An interface that is deleted, and made again.
ip -n "${P}host" link delete wire-packet
down packet "interface wire-packet was deleted|no interface wire-packet"
wire packet 8
up packet
ip -n "${P}a" neighbour flush dev eth0  # its MAC is another
pings a 10.0.0.8

# Several queues share what comes: each packet comes once, a flow by one of them.
sed -i 's/network: blue, mtu: 9000}$/network: blue, queues: 2}/; /xdp/d; s/, mtu: 9000//' "$CONFIG"
expect_status 0 ctl config reload
up a packet
expect "queues" 2 "$(query '.port.device["receive-queues"]' port show packet)"
at packet ip link set eth0 mtu 1500
pings a 10.0.0.8 -c 20 -i 0.01
duplicates() { at a ping -c 20 -i 0.01 10.0.0.8 | grep -c DUP || true; }
expect "answers that came twice" 0 "$(duplicates)"
serve packet
iperf a 10.0.0.8 -t 1 -P 4
iperf packet 10.0.0.1 -t 1 -P 4
no_checksum_errors a packet
wait_for 10 "the books to balance" balanced
