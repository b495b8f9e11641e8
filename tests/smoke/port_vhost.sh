#!/bin/bash
# vhost-user ports, with guests whose virtqueues a program of the tests drives (support/virtio_guest.py)
# and whose network stack is a namespace's: segments whole in both directions, a switch and guests that
# are killed, come back and reset, several queues, broken rings.
. "$(dirname "$0")/_init.sh"
need iperf3 python3

netns a g h bad

# A guest in a namespace: guest NAMESPACE SOCKET [OPTIONS]; its process is $PID, its words in a file.
guest() {
    : >"$TMP/guest-$1"
    spawn "$1" python3 "$ROOT/tests/support/virtio_guest.py" "${@:3}" "$2" >>"$TMP/guest-$1" 2>&1
    GUEST=$PID
}
runs() { (($(grep -c '^running' "$TMP/guest-$1") >= $2)); }
link_of() { expect "the state of $1" "$2" "$(query .port.state port show "$1")"; }
no_link() { wait_for 20 "port $1 to lose its link" port_is "$1" no-link; }
device() { query ".port.device | $1" port show "$2"; }

config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}, {name: bare}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: g, vhost-user: {path: $TMP/g.sock}, network: blue}
  - {name: h, vhost-user: {path: $TMP/h.sock, mode: server, queues: 2}, network: blue, mac: 02:00:00:00:00:0b}
  - {name: bad, vhost-user: {path: $TMP/bad.sock}, network: blue}
END
start
up a
link_of g no-link
expect "why g has no link" "no virtual machine serves the socket" "$(query .port.reason port show g)"
expect "why h has no link" "no virtual machine has connected" "$(query .port.reason port show h)"
expect "the fixed address of h" h "$(query '.macs[] | select(.mac == "02:00:00:00:00:0b") | .port' mac list)"

guest g "$TMP/g.sock" --mac 02:00:00:00:00:0a
first=$GUEST
guest h "$TMP/h.sock" --client --queues 2 --mergeable --mac 02:00:00:00:00:0b
second=$GUEST
up g h
at g ip address add 10.0.0.2/24 dev eth0
at h ip address add 10.0.0.3/24 dev eth0
pings a 10.0.0.2
pings a 10.0.0.3
pings g 10.0.0.3

# A priority tag (VLAN 0) is none: not from a guest to another guest either, where no frame of it is looked into.
cp "$CONFIG" "$TMP/before"
sed -i "/name: g,/s/network: blue/network: bare, serves: [dhcp, ra]/; /name: h,/s/network: blue/network: bare/" "$CONFIG"
expect_status 0 ctl config reload
pings g 10.0.0.3
"$SLUICECTL" --socket "$SOCK" capture h -c 1 -f "ether src 02:00:00:00:00:0a and ether proto 0x88b5" \
    >"$TMP/untagged" 2>"$TMP/untagged.err" &
capture=$!
wait_for 10 "the capture to begin" grep -q "^capturing" "$TMP/untagged.err"
at g python3 - <<'END'
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
    line.bind(("eth0", 0))
    line.send(bytes.fromhex("02000000000b02000000000a8100600088b5") + bytes(60))
END
finish "$capture" 10 "the capture of a frame without its tag"
cp "$TMP/before" "$CONFIG"
expect_status 0 ctl config reload

# Segments: what arrives at a port is far longer than a frame, and no checksum is wrong.
serve g
serve h
size() { query ".port.$2 | (.bytes / .packets) | floor" port show "$1"; }
iperf a 10.0.0.2 -t 1
expect_that "bytes a packet to g" "$(size g tx) > 5000"
iperf a 10.0.0.2 -t 1 -R
expect_that "bytes a packet from g" "$(size g rx) > 2000"
iperf a 10.0.0.3 -t 1 -P 4
iperf g 10.0.0.3 -t 1 -P 4
iperf g 10.0.0.3 -t 1 -R
expect_that "bytes a packet to h" "$(size h tx) > 5000"
iperf a 10.0.0.2 -t 1 -u -b 20M
no_checksum_errors a g h
expect "rings that h has enabled" 4 "$(device '[.rings[] | select(.state == "enabled")] | length' h)"
expect "offloads of g" '[["checksum","tcp-segmentation"],["checksum","tcp-segmentation"]]' \
    "$(ctl --json port show g | jq -c '.port.device.offloads | [."to-guest", ."from-guest"]')"
# Root alone may connect, and one guest at a time: another is sent away, and this one doesn't notice.
expect "who may connect to h" "600 root" "$(stat -c '%a %G' "$TMP/h.sock")"
at h python3 - "$TMP/h.sock" <<'END'
import socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    line.settimeout(10)
    assert line.recv(1) == b"", "the connection was kept"
END
pings a 10.0.0.3
expect "receive queues of h" 2 "$(query '.ports[] | select(.name == "h") | .rx | length' stats)"
used() { query ".ports[] | select(.name == \"h\") | .rx[$1].packets" stats; }
expect_that "packets by the second queue of h" "$(used 1) > 0"

# A guest that negotiates nothing: its segments are cut and its checksums finished on the way.
crash "$first"
no_link g
guest g "$TMP/g.sock" --plain --mac 02:00:00:00:00:0a
first=$GUEST
up g
at g ip address add 10.0.0.2/24 dev eth0
expect "offloads of a plain guest" '[[],[]]' \
    "$(ctl --json port show g | jq -c '.port.device.offloads | [."to-guest", ."from-guest"]')"
pings a 10.0.0.2
iperf a 10.0.0.2 -t 1
iperf a 10.0.0.2 -t 1 -R
iperf h 10.0.0.2 -t 1
no_checksum_errors a g h

# The driver resets; another guest and a container lose nothing over it.
steady a 10.0.0.3 0.01
for ((round = 2; round < 5; ++round)); do
    kill -USR1 "$first"
    wait_for 20 "reset number $round" runs g "$round"
done
up g
wait_for 10 "ping after the resets" answers_ping a 10.0.0.2

# A guest that dies.
crash "$first"
no_link g
expect "addresses of a guest that is gone" 0 "$(ctl --json mac list | jq '[.macs[] | select(.port == "g")] | length')"
at a ip neighbour replace 10.0.0.2 lladdr 02:00:00:00:00:0a dev eth0
guest g "$TMP/g.sock" --mac 02:00:00:00:00:0a
first=$GUEST
up g
at g ip address add 10.0.0.2/24 dev eth0
wait_for 10 "ping to the guest that came back" answers_ping a 10.0.0.2

# Broken rings are refused by name, and nobody else notices.
refused() { device '[.rings[] | select(.state == "refused")][0].fault' bad | grep -qE "$1"; }
broken() { # HOW FAULT
    guest bad "$TMP/bad.sock" --sabotage "$1"
    wait_for 20 "port show to tell of a ring broken by $1" refused "$2"
    pings a 10.0.0.2
    crash "$GUEST"
    no_link bad
}
broken index "descriptor index 764 is outside of a ring of 64"
broken loop "begins at 0 never ends: it is a loop"
broken address "descriptor 0 points outside of the guest's memory"
guest bad "$TMP/bad.sock" --sabotage short
up bad
no_loss
crash "$GUEST"
no_link bad

# Guests that keep their memory to themselves: the reason is told, and gone with them.
for memory in none private; do
    guest bad "$TMP/bad.sock" --memory "$memory"
    why() { [[ $(query .port.reason port show bad) == "the guest's memory is not shared (share=on)" ]]; }
    wait_for 20 "the reason for memory: $memory" why
    link_of bad no-link
    crash "$GUEST"
    why() { [[ $(query .port.reason port show bad) == "no virtual machine serves the socket" ]]; }
    wait_for 20 "the guest to be gone" why
done
expect "warnings of it" 2 "$(grep -c "bad: the guest's memory is not shared" "$LOG")"

# The switch is killed and started again; the guests stay and are served again, by a socket that the
# dead switch left behind as well.
kill_9
wait_for 10 "g to notice" grep -q gone "$TMP/guest-g"
start
up a g h
wait_for 10 "ping after the restart" answers_ping a 10.0.0.2
pings g 10.0.0.3
iperf a 10.0.0.2 -t 1
iperf a 10.0.0.3 -t 1 -R
no_checksum_errors a g h

# More queues than the port grants.
crash "$second"
guest h "$TMP/h.sock" --client --queues 3
wait_for 10 "the refusal of three queues" grep -q "the switch grants 2 queue pairs, not 3" "$TMP/guest-h"

# A path that is taken by something else.
touch "$TMP/file"
expect_status 0 ctl port add f "vhost-user={path: $TMP/file, mode: server}" network=blue
down f "is not a socket"
expect_status 0 ctl port delete f
expect_status 1 ctl port add f "vhost-user={path: $TMP/g.sock}" network=blue
expect_match "a path taken twice" "is port g's already" "$OUT"
expect_status 0 ctl port add s "vhost-user={path: $TMP/s.sock, mode: server}" network=blue
[[ -S $TMP/s.sock ]] || fail "no socket for a port added while running"
expect_status 0 ctl port delete s
expect_status 0 ctl port add s "vhost-user={path: $TMP/s.sock, mode: server, group: nogroup}" network=blue
expect "who may connect to s" "660 nogroup" "$(stat -c '%a %G' "$TMP/s.sock")"
expect_status 0 ctl port add t "vhost-user={path: $TMP/t.sock, mode: server, group: nobodys}" network=blue
down t "there is no group nobodys"
expect_status 0 ctl port delete s
if [[ -e $TMP/s.sock ]]; then fail "the socket of a deleted port is still there"; fi

wait_for 10 "the books to balance" balanced
