#!/bin/bash
# What goes wrong with neighbors leaves a line in the log, and what repeats leaves no more: a next hop that
# doesn't answer and comes back, a station that moves, two that have one address.
. "$(dirname "$0")/_init.sh"
need python3

netns a x y
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]
routes:
  - {to: 10.9.0.0/16, via: 10.0.0.9}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24], routes: [{to: 10.9.0.0/16, via: 10.0.0.254}]}
  - {name: x, netns: ${P}x, network: blue, mac: 02:00:00:00:00:0a}
  - {name: y, netns: ${P}y, network: blue, mac: 02:00:00:00:00:0b}
END
sed -i 's/level: info/level: notice/' "$CONFIG"
start
up a x y
lines() { grep -Ec "$1" "$LOG" || true; }
logged() { [[ $(lines "$1") != 0 ]]; }
try() { at a ping -q -c 1 -W 1 10.9.0.1 >/dev/null 2>&1 || true; }
tried() { try; logged "$1"; }

# Twice in vain: one line.
wait_for 60 "the failure of the next hop" tried "^warning route: next hop 10.0.0.9 in network blue does not answer"
before=$(query '[.drops[] | select(.reason == "host-unreachable") | .packets] | add // 0' drops)
again() { try; query "[.drops[] | select(.reason == \"host-unreachable\") | .packets] | add > $before" drops; }
wait_for 60 "another failure" again
expect "lines about the next hop" 1 "$(lines "next hop 10.0.0.9 .* does not answer")"
ip -n "${P}x" address add 10.0.0.9/24 dev eth0
wait_for 60 "the return of the next hop" tried "^notice route: next hop 10.0.0.9 in network blue is there again"
expect "lines about the next hop" 1 "$(lines "next hop 10.0.0.9 .* is there again")"

# Who has 10.0.0.9? claim FROM MAC TIMES
claim() {
    at "$1" python3 -c '
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
address = socket.inet_aton(sys.argv[3])
frame = b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + address + bytes(6) + address + bytes(18)
for i in range(int(sys.argv[2])):
    s.send(frame)' "$2" "$3" "${4:-10.0.0.9}"
}
claim y 02:00:00:00:00:0b 1
wait_for 20 "the move" logged "^notice neighbor: 10.0.0.9 in network blue is at 02:00:00:00:00:0b now; it was at 02:00:00:00:00:0a"
claim x 02:00:00:00:00:0a 1
conflict="^warning neighbor: 02:00:00:00:00:0a and 02:00:00:00:00:0b both say that they have 10.0.0.9 in network blue"
wait_for 20 "the conflict" logged "$conflict"
for i in {1..10}; do
    claim y 02:00:00:00:00:0b 1
    claim x 02:00:00:00:00:0a 1
done
expect "lines about the conflict, but for those that count" 1 "$(lines "$conflict\$")"
