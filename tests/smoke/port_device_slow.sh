#!/bin/bash
# A device that isn't made for as long as the program at its other end says nothing: clients, other ports and the
# end of sluiced don't wait for it.
. "$(dirname "$0")/_init.sh"
need python3

netns a b
config <<END
networks: [{name: blue}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
END
# Takes every connection, and never answers.
serve_silence() {
    spawn host python3 -c '
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(64)
connections = []
while True:
    connections.append(server.accept())
    print("connected", flush=True)' "$TMP/silent.sock" >"$TMP/silence"
    SILENCE=$PID
    wait_for 20 "the silent program" test -S "$TMP/silent.sock"
}
serve_silence
start
up a
ctl port add slow "device=net_virtio_user0,path=$TMP/silent.sock" network=blue >/dev/null || true
wait_for 20 "the connection to it" grep -q connected "$TMP/silence"
down slow "DPDK has not finished making its device"

# Meanwhile all goes on.
ctl port add b "netns=${P}b" network=blue 'address=[10.0.0.2/24]' >/dev/null
up b
pings a 10.0.0.2
ctl config reload >/dev/null
# What comes after it waits for its turn.
ctl port add later device=net_null0 network=blue >/dev/null || true
down later "DPDK has not finished making its device"
ctl port delete later >/dev/null
down slow "DPDK has not finished making its device"

# The program ends: so does the attempt, and then others have their turn.
crash "$SILENCE"
rm -f "$TMP/silent.sock"
wait_for 60 "the end of the attempt" eval '[[ $(query .port.reason port show slow) =~ "make a device" ]]'
ctl port add later device=net_null0 network=blue >/dev/null
up later
ctl port delete later >/dev/null

# Deleted, and at the end of sluiced, while it is being made.
: >"$TMP/silence"
serve_silence
wait_for 120 "another connection to it" grep -q connected "$TMP/silence"
ctl port delete slow >/dev/null
pings a 10.0.0.2
stop
