#!/bin/bash
# UDP between containers, IPv4 and IPv6, small and large datagrams.
. "$(dirname "$0")/_init.sh"

netns a b
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24, "fd00::1/64"]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24, "fd00::2/64"]}
END
start
up a b
serve b

# What a busy receiver's socket had no room for is lost as well, but not by the switch: its kernel
# counts it.
overflows() { echo $(($(counter b UdpRcvbufErrors) + $(counter b Udp6RcvbufErrors))); }
for to in 10.0.0.2 fd00::2; do
    for size in 64 1400 8000; do  # 8000: in fragments
        before=$(overflows)
        iperf a $to -u -b $((size / 100 + 8))M -l $size -t 1
        sent=$(jq '.end.sum.packets' "$TMP/iperf.json")
        lost=$(jq '.end.sum.lost_packets' "$TMP/iperf.json")
        lost=$((lost - $(overflows) + before))
        expect_that "datagrams of $size bytes to $to that were sent" "$sent > 100"
        expect_that "datagrams of $size bytes to $to that were lost on the way, of $sent" "$lost * 50 < $sent"
    done
done
iperf a 10.0.0.2 -u -b 20M -t 1 -R
no_checksum_errors a b
wait_for 20 "balanced books" balanced
