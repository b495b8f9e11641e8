#!/bin/bash
# Three hosts, each with containers of the same two networks, which span them by VXLAN and are routed
# between on each: everybody reaches everybody, whatever dies or moves.
. "$(dirname "$0")/_init.sh"
need iperf3 tcpdump traceroute tracepath arping

# Host 1 has blue1 and red1, and so on; the underlay is a bridge that Linux has between their uplinks.
write_config() { # HOST-NUMBER MORE-PORTS
    local i=$1 others=() other
    for other in 1 2 3; do [[ $other == "$i" ]] || others+=("192.0.2.$other"); done
    on "h$i" config <<END
memory: {size: 96 MiB, buffers: 8192}
networks:
  - name: blue
    subnets: [10.0.1.0/24, "fd00:1::/64"]
    gateway: [10.0.1.254, "fd00:1::fe"]
    vxlan: {vni: 100, remotes: [${others[0]}, ${others[1]}]}
  - name: red
    subnets: [10.0.2.0/24, "fd00:2::/64"]
    gateway: [10.0.2.254, "fd00:2::fe"]
    vxlan: {vni: 200, remotes: [${others[0]}, ${others[1]}]}
underlay: {port: uplink, address: [192.0.2.$i/24]}
ports:
  - {name: uplink, netns: ${P}under, interface: uplink$i}
  - {name: blue$i, netns: ${P}blue$i, network: blue, address: [10.0.1.$i, "fd00:1::$i"]}
  - {name: red$i, netns: ${P}red$i, network: red, address: [10.0.2.$i, "fd00:2::$i"]}
END
}

containers=(blue1 red1 blue2 red2 blue3 red3)
addresses=({10.0.1,10.0.2}.{1,2,3} fd00:{1,2}::{1,2,3})

# Everybody pings everybody: routed, where the networks differ.
all_pairs() {
    local from to pids=()
    for from in "${containers[@]}"; do
        for to in "${addresses[@]}"; do
            # One only: ping doesn't wait for the last of several as long as it is told to.
            spawn "$from" ping -q -c 1 -W 10 "$to" >"$TMP/ping-$from-$to" 2>&1
            pids+=("$PID")
        done
    done
    for pid in "${pids[@]}"; do wait "$pid" || true; done
    for from in "${containers[@]}"; do
        for to in "${addresses[@]}"; do
            expect_match "ping $from -> $to" " 0% packet loss" "$(cat "$TMP/ping-$from-$to")"
        done
    done
}

netns under h1 h2 h3 "${containers[@]}" m1 m2
for i in 1 2 3; do
    write_config $i
    on h$i start
done
ip -n "${P}under" link add br0 type bridge
ip -n "${P}under" link set br0 up
for i in 1 2 3; do
    on h$i up uplink blue$i red$i
    ip -n "${P}under" link set uplink$i master br0
done
# Of what comes before a host has found the others some is lost.
tunnels_work() { # HOST-NUMBER
    local other
    for other in 1 2 3; do
        [[ $other == "$1" ]] || wait_for 20 "the way to host $other" answers_ping blue$1 10.0.1.$other
    done
}
for i in 1 2 3; do tunnels_work $i; done
all_pairs

# TCP in its network, and routed on the sender's host. Frames that come out of the tunnel together reach
# the container as segments longer than its MTU of 1450.
serve blue3
declare -A far=([ip]=10.0.1.3 [ip6]=fd00:1::3)
for protocol in ip ip6; do
    spawn blue3 tcpdump -ni eth0 -c 1 "$protocol and tcp dst port 5201 and greater 2000" \
        >"$TMP/segment" 2>"$TMP/segment.err"
    segment=$PID
    wait_for 20 "tcpdump" grep -q "listening on" "$TMP/segment.err"
    iperf blue1 "${far[$protocol]}" -n 20M
    finish $segment 20 "tcpdump, for a segment out of the tunnel"
done
iperf blue1 fd00:1::3 -n 20M -R
iperf red2 10.0.1.3 -n 20M
iperf red2 fd00:1::3 -n 20M -R
no_checksum_errors "${containers[@]}"

# As with a Linux router.
expect_match "the container's routes" "default via 10.0.1.254 dev eth0" "$(at blue1 ip route)"
expect_match "the container's routes" "default via fd00:1::fe dev eth0" "$(at blue1 ip -6 route)"
hops() { at "$1" traceroute -n -q 1 "$2" | awk 'NR > 1 { print $2 }' | xargs; }
expect "the way from blue to red" "10.0.1.254 10.0.2.3" "$(hops blue1 10.0.2.3)"
expect "the way from blue to red" "fd00:1::fe fd00:2::3" "$(hops blue1 fd00:2::3)"
expect "the way in blue" "10.0.1.2" "$(hops blue1 10.0.1.2)"
expect_match "tracepath" "1: +10.0.1.254 .* 2: +10.0.2.2 .*pmtu 1450" "$(at blue1 tracepath -n 10.0.2.2 | xargs)"
mac_of() { at "$1" ip -j link show eth0 | jq -r '.[0].address'; }
expect_match "arping" "$(mac_of blue3)" "$(at blue1 arping -c 1 -I eth0 10.0.1.3 | tr A-F a-f)"

# Whom a host knows already it doesn't let its containers ask for.
spawn under tcpdump -ni uplink1 -w "$TMP/dump" -U udp port 4789 2>"$TMP/dump.err"
dump=$PID
wait_for 20 "tcpdump" grep -q "listening on" "$TMP/dump.err"
for name in blue1 red1; do at $name ip neigh flush all; done
for i in 2 3; do
    pings blue1 10.0.1.$i
    pings blue1 fd00:1::$i
    pings red1 10.0.2.$i
    pings red1 fd00:2::$i
done
captured() { tcpdump -nr "$TMP/dump" "$1" 2>/dev/null | wc -l; }
saw_pings() { (($(captured "udp[28:2] = 0x0800 and udp[39] = 1") >= 24)); }
wait_for 20 "the pings in the capture" saw_pings
kill -INT $dump
finish $dump 20 tcpdump
expect "ARP requests by broadcast" 0 "$(captured "udp[28:2] = 0x0806 and udp[16:4] = 0xffffffff")"
expect "solicitations by multicast" 0 "$(captured "udp[28:2] = 0x86dd and udp[16:2] = 0x3333 and udp[70] = 135")"

# A host dies: the others don't mind. It comes back.
on h2 kill_9
pings blue1 10.0.1.3
pings blue1 10.0.2.3
pings red3 10.0.1.1
on h2 start
on h2 up uplink blue2 red2
tunnels_work 2
all_pairs

# A container moves from one host to another: who talks to it misses it for less than a second.
move_to() { # HOST-NUMBER
    on h$1 ctl port add mover netns="${P}m$1" network=blue address=10.0.1.77 mac=02:00:00:00:00:77
    on h$1 up mover
}
told() { grep -qF "notice mac: network blue: 02:00:00:00:00:77 has moved from $2 to $3" "$TMP/h$1.log"; }
tells() { wait_for 20 "host $1 to tell of the move from $2 to $3" told "$@"; } # HOST-NUMBER FROM TO
move_to 1
pings blue3 10.0.1.77
steady blue3 10.0.1.77 0.05
pings red3 10.0.1.77 -c 10
on h1 ctl port delete mover
move_to 2
wait_for 10 "the container that has moved" answers_ping red3 10.0.1.77
pings blue1 10.0.1.77
lost_at_most 20
tells 1 "port mover" "tunnel 192.0.2.2"
tells 2 "tunnel 192.0.2.1" "port mover"
tells 3 "tunnel 192.0.2.1" "tunnel 192.0.2.2"
steady red3 10.0.1.77 0.05
pings blue3 10.0.1.77 -c 10
on h2 ctl port delete mover
move_to 1
wait_for 10 "the container that has moved back" answers_ping blue3 10.0.1.77
pings blue2 10.0.1.77
lost_at_most 20

for i in 1 2 3; do wait_for 20 "balanced books" on h$i balanced; done
