#!/bin/bash
# Bonds. Active-backup over two TAPs that a bridge of the kernel joins on the other side, and that lose
# their links in turn, without telling (net_tap says that it does, and doesn't); the same over interfaces of the
# kernel, of which net_af_packet never tells anything; LACP between two bonds of the switch's own. Two workers,
# and members with a queue for one.
. "$(dirname "$0")/_init.sh"
need iperf3

netns a b c d remote
for wire in 0 1; do
    ip -n "${P}host" link add "kernel$wire" type veth peer name "wire$wire" netns "${P}remote"
    ip -n "${P}host" link set "kernel$wire" up
    ip -n "${P}remote" link set "wire$wire" up
done
ip -n "${P}remote" link add joined address 02:00:00:00:00:98 type bridge
for wire in 0 1; do ip -n "${P}remote" link set "wire$wire" master joined; done
ip -n "${P}remote" address add 10.2.0.9/24 dev joined
ip -n "${P}remote" link set joined up
for wire in 0 1; do
    ip -n "${P}host" link add "left$wire" type veth peer name "right$wire"
    for end in left right; do
        ip -n "${P}host" link set "$end$wire" up
        at host ethtool -K "$end$wire" tx off >/dev/null
    done
done
# With an address of its own: else it has the lowest of its TAPs', and the bond's moves from one to the other.
ip -n "${P}host" link add joined address 02:00:00:00:00:99 type bridge
ip -n "${P}host" address add 10.0.0.9/24 dev joined
ip -n "${P}host" link set joined up
mapfile -t cores < <(allowed_cores | head -n 2)
config <<END
workers: {cores: [$(IFS=,; echo "${cores[*]}")]}
networks:
  - {name: blue}
  - {name: near}
  - {name: far}
  - {name: red, subnets: [10.2.0.0/24], gateway: [10.2.0.254]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: pair, bond: {members: ["net_tap0,iface=tap0", "net_tap1,iface=tap1"]}, network: blue}
  - {name: d, netns: ${P}d, network: red, address: [10.2.0.1]}
  - name: kernels
    bond: {members: ["net_af_packet4,iface=kernel0", "net_af_packet5,iface=kernel1"]}
    network: red
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
member() { query ".port.device.members[$1] | .link == \"$2\" and .active == $3" port show pair; }
members() { # LINK ACTIVE LINK ACTIVE
    wait_for 20 "the first member's link $1, active $2" member 0 "$1" "$2"
    wait_for 20 "the second member's link $3, active $4" member 1 "$3" "$4"
}
carries() { grep -q "pair: net_tap$1,iface=tap$1 carries the bond now, for net_tap$2,iface=tap$2" "$LOG"; }
received() { at host ip -s -j link show "$1" | jq '.[0].stats64.rx.packets'; } # from the switch

# What a says to all by the first member the bridge gives back by the second, where it waits: old news of
# where a is, when that one carries.
members up true up false
pings a 10.0.0.9
at a ping -q -b -c 20 -i 0.01 -W 1 10.0.0.255 >/dev/null 2>&1 || true

# The first loses its link: the second carries, and keeps on when the first is back.
steady a 10.0.0.9 0.05
at host ip link set tap0 down
wait_for 20 "the second member to carry" member 1 up true
wait_for 5 "ping through the second member" answers_ping a 10.0.0.9
wait_for 20 "word of it" carries 1 0
stale() { query '.drops[] | select(.port == "pair" and .reason == "stale") | .packets >= 20' drops; }
wait_for 5 "old frames of the second member to be dropped" stale
expect "the pair's state with the second member left" up "$(query .port.state port show pair)"
pings a 10.0.0.9
before=$(received tap1)
pings a 10.0.0.9
expect_that "pings by the second member" "$(received tap1) >= $before + 3"
at host ip link set tap0 up
members up false up true
pings a 10.0.0.9

at host ip link set tap1 down
members up true down false
wait_for 5 "ping through the first member" answers_ping a 10.0.0.9
wait_for 20 "word of it" carries 0 1
pings a 10.0.0.9
kill -INT "$STEADY"
wait_for 20 "the end of ping" ended "$STEADY"
awk '/transmitted/ { print $1 - $4 " pings lost, 50 ms each" }' "$TMP/steady"

# Without any link there is none.
at host ip link set tap0 down
no_link() { grep -q "pair: link down" "$LOG"; }
members down false down false
wait_for 20 "the pair to have no link" no_link
at host ip link set tap1 up
members down false up true
wait_for 5 "ping through the second member" answers_ping a 10.0.0.9

# Over interfaces of the kernel: without carrier, set down, and gone. The bridge on the other side, which would send by
# the old wire for minutes, learns from the switch where d and the gateway are.
up d kernels
state() { query '.port.device.members | map("\(.link) \(.active)") | join(", ")' port show kernels; }
kernels() { [[ $(state) == "$1" ]]; }
behind() { # ADDRESS WIRE
    at remote bridge -j fdb show br joined | jq -e --arg mac "$1" --arg port "$2" \
        'any(.[]; .mac == $mac and .ifname == $port)'
}
mac=$(ip -n "${P}d" -j link show eth0 | jq -r '.[0].address')
router=$(query '.networks[] | select(.name == "red") | .mac' network list)
expect "members" "up true, up false" "$(state)"
wait_for 20 "ping by the first" answers_ping d 10.2.0.9
steady remote 10.2.0.1 0.05
ip -n "${P}remote" link set wire0 down
wait_for 20 "the second to carry for want of a carrier" kernels "down false, up true"
by_second="kernels: net_af_packet5,iface=kernel1 carries the bond now, for net_af_packet4,iface=kernel0"
grep -q "$by_second" "$LOG" || fail "no word of the failover"
wait_for 10 "the remote bridge to know where d is" behind "$mac" wire1
wait_for 10 "the remote bridge to know where the gateway is" behind "$router" wire1
wait_for 10 "ping by the second" answers_ping remote 10.2.0.1
ip -n "${P}remote" link set wire0 up
wait_for 20 "the first to be back" kernels "up false, up true"
ip -n "${P}host" link set kernel1 down
wait_for 20 "the first to carry where the second is down" kernels "up true, down false"
wait_for 10 "ping by the first again" answers_ping remote 10.2.0.1
kill -INT "$STEADY"
wait_for 20 "the end of ping" ended "$STEADY"
awk '/transmitted/ { print $1 - $4 " pings lost, 50 ms each" }' "$TMP/steady"
ip -n "${P}remote" link set wire0 down
no_kernel_link() { [[ $(query .port.state port show kernels) == no-link ]]; }
wait_for 20 "the bond to have no link" no_kernel_link
ip -n "${P}host" link set kernel1 up
wait_for 20 "the second to carry again" kernels "down false, up true"
wait_for 10 "ping by the second again" answers_ping remote 10.2.0.1
# An interface that is gone and comes back is another one.
ip -n "${P}host" link delete kernel0
wait_for 20 "the second to carry alone" kernels "down false, up true"
ip -n "${P}host" link add kernel0 type veth peer name wire0 netns "${P}remote"
ip -n "${P}host" link set kernel0 up
ip -n "${P}remote" link set wire0 master joined
ip -n "${P}remote" link set wire0 up
wait_for 20 "the bond to take the new interface" kernels "up true, up false"
wait_for 10 "ping by the new interface" answers_ping remote 10.2.0.1
expect_status 1 ctl port add xdp 'bond={members: ["net_af_xdp9,iface=kernel9"]}' network=blue
expect_match "a member that can't serve" "net_af_xdp, whose driver takes no MAC address" "$OUT"
cat >"$TMP/xdp.yaml" <<END
ports: [{name: xdp, bond: {members: ["net_af_xdp9,iface=kernel9"]}}]
END
expect_status 2 "$SLUICED" --check "$TMP/xdp.yaml"
expect_match "the same before the start" "net_af_xdp, whose driver takes no MAC address" "$OUT"

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
