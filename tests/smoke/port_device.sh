#!/bin/bash
# Device ports: net_af_packet on a veth with a kernel behind it, net_pcap, net_null, net_ring. TCP from
# a container, whose segments are 64 KiB long, works with a peer that takes frames of the MTU only.
. "$(dirname "$0")/_init.sh"
need iperf3 tcpdump ethtool

netns a peer
ip -n "${P}host" link add wire0 type veth peer name eth0 netns "${P}peer"
ip -n "${P}host" link set wire0 up
at host ethtool -K wire0 tx off tso off gso off >/dev/null  # so that frames are on it as on a wire
ip -n "${P}peer" link set eth0 up
ip -n "${P}peer" address add 10.0.0.9/24 dev eth0
ip -n "${P}peer" address add fd00::9/64 dev eth0 nodad
# Input of a file: 300 broadcasts.
python3 - "$TMP/in.pcap" <<'END'
import struct, sys
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for i in range(300):
        frame = b"\xff" * 6 + b"\2\0\0\0\0\x33" + b"\x88\xb5" + struct.pack(">H", i) + b"p" * 58
        f.write(struct.pack("<4I", 0, i, len(frame), len(frame)) + frame)
END
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}, {name: files}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"]}
  - {name: wire, device: "net_af_packet0,iface=wire0", network: blue}
  - {name: void, device: "net_null0,no-rx=1", network: files}
  - {name: ring, device: net_ring0, network: files}
  - {name: out, device: "net_pcap1,tx_pcap=$TMP/out.pcap", network: files}
  - {name: in, device: "net_pcap0,rx_pcap=$TMP/in.pcap,tx_pcap=$TMP/back.pcap", network: files}
END
start
up a wire void ring out in

# Each of the file's frames reached the other file, unchanged. (The ring gives back what is put into
# it, so there are more of them.)
sent() { query ".ports[] | select(.name == \"$1\") | .tx.packets >= 300" port list; }
wait_for 20 "300 frames at the file" sent out
wait_for 20 "300 frames at void" sent void
wait_for 20 "300 frames at the ring" sent ring
expect "received from the file" 300 "$(query '.ports[] | select(.name == "in") | .rx.packets' port list)"

pings a 10.0.0.9
pings peer 10.0.0.1
pings a fd00::9

# The network driver of the peer sees what the switch puts on the wire.
spawn peer tcpdump -i eth0 -Q in -B 20000 -s 0 -w "$TMP/wire.pcap" -c 4000 tcp 2>"$TMP/tcpdump.err"
capture=$PID
wait_for 20 "tcpdump" grep -q "listening on" "$TMP/tcpdump.err"
serve peer
iperf a 10.0.0.9 -t 2
finish "$capture" 30 "the capture"
iperf a 10.0.0.9 -t 1 -R
iperf a fd00::9 -t 1
iperf a fd00::9 -t 1 -R
iperf a 10.0.0.9 -t 1 -u -b 20M
no_checksum_errors a peer

tcpdump -nn -vv -r "$TMP/wire.pcap" >"$TMP/wire.txt" 2>/dev/null
if grep -m 3 -E "incorrect|bad cksum|wrong" "$TMP/wire.txt"; then fail "wrong checksums on the wire"; fi
expect_that "frames whose TCP checksum tcpdump found right" "$(grep -c "cksum 0x[0-9a-f]* (correct)" "$TMP/wire.txt") >= 3900"
expect "IP packets on the wire that exceed 1500 bytes" 0 \
    "$(grep -oE "length [0-9]+\)" "$TMP/wire.txt" | tr -dc '0-9\n' | awk '$1 > 1500' | wc -l)"
expect_that "full frames on the wire" "$(grep -cE "length 1500\)" "$TMP/wire.txt") > 1000"

expect "driver" net_af_packet "$(query .port.device.driver port show wire)"
expect "kind" device "$(query .port.kind port show wire)"

# Added and deleted while running, the same device again and again.
for ((i = 0; i < 3; ++i)); do
    expect_status 0 ctl port add more "device='net_null7,no-rx=1'" network=files
    up more
    expect_status 0 ctl port delete more
done
expect_status 1 ctl port add more device=net_null0 network=files
expect_match "a device taken" "port void's already" "$OUT"
