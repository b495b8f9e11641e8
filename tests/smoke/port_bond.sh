#!/bin/bash
# Bonds. Active-backup over two TAPs that a bridge of the kernel joins on the other side, LACP between two
# bonds of the switch's own. (net_tap tells nobody of a link that it loses, and no other device that can be
# had here has both a link and an address: a failover needs a NIC.)
. "$(dirname "$0")/_init.sh"
need iperf3

netns a b c
for wire in 0 1; do
    ip -n "${P}host" link add "left$wire" type veth peer name "right$wire"
    for end in left right; do
        ip -n "${P}host" link set "$end$wire" up
        at host ethtool -K "$end$wire" tx off >/dev/null
    done
done
ip -n "${P}host" link add joined type bridge
ip -n "${P}host" address add 10.0.0.9/24 dev joined
ip -n "${P}host" link set joined up
# Two workers, and members with a queue for one.
mapfile -t cores < <(allowed_cores | head -n 2)
config <<END
workers: {cores: [$(IFS=,; echo "${cores[*]}")]}
networks: [{name: blue}, {name: near}, {name: far}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: pair, bond: {members: ["net_tap0,iface=tap0", "net_tap1,iface=tap1"]}, network: blue}
  - {name: b, netns: ${P}b, network: near, address: [10.0.0.1/24]}
  - {name: c, netns: ${P}c, network: far, address: [10.0.0.2/24]}
  - name: left
    bond: {mode: lacp, members: ["net_af_packet0,iface=left0", "net_af_packet1,iface=left1"]}
    network: near
  - name: right
    bond: {mode: lacp, members: ["net_af_packet2,iface=right0", "net_af_packet3,iface=right1"]}
    network: far
END
start
up a b c
for tap in tap0 tap1; do
    ip -n "${P}host" link set "$tap" master joined
    ip -n "${P}host" link set "$tap" up
done
up pair
wait_for 20 "ping through the pair" answers_ping a 10.0.0.9

expect "kind" bond "$(query .port.kind port show pair)"
expect "driver" net_bonding "$(query .port.device.driver port show pair)"
member() { query ".port.device.members[$1].link == \"$2\"" port show pair; }
expect "the first member's link" true "$(member 0 up)"
pings a 10.0.0.9
at host ip link set tap1 down
wait_for 20 "port show to tell of the second member's link" member 1 down
expect "the pair's state with the first member left" up "$(query .port.state port show pair)"
pings a 10.0.0.9

# LACP agrees on both wires, and both carry.
up left right
wait_for 60 "ping through the LACP bonds" answers_ping b 10.0.0.2
serve c
sent() { at host ip -s -j link show "$1" | jq '.[0].stats64.tx.packets'; }
both_carry() {
    iperf b 10.0.0.2 -t 1 -P 8
    (($(sent left0) > 200 && $(sent left1) > 200))
}
wait_for 60 "both wires to carry" both_carry
no_checksum_errors b c

expect_status 1 ctl port add again "device='net_tap1,iface=x'" network=blue
expect_match "a member taken" "port pair's already" "$OUT"
