#!/bin/bash
# As a service: systemd's notifications, and SIGTERM and SIGINT end the process within 2 s, under
# traffic as well, and leave the containers their interfaces.
. "$(dirname "$0")/_init.sh"

netns a b
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
END
spawn host python3 -u -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound")
while True: print(s.recv(4096).decode().replace("\n", " "))' "$TMP/notify" >"$TMP/told"
wait_for 20 "the listener" grep -q bound "$TMP/told"
told() { grep -q "$1" "$TMP/told"; }

export NOTIFY_SOCKET=$TMP/notify WATCHDOG_USEC=2000000
start
unset NOTIFY_SOCKET WATCHDOG_USEC
wait_for 10 "READY=1" told READY=1
wait_for 10 "WATCHDOG=1" told WATCHDOG=1
beats() { (($(grep -c WATCHDOG=1 "$TMP/told") >= 4)); }
wait_for 10 "WATCHDOG=1 again and again" beats
up a b  # so READY=1 meant it
kill -HUP "$DAEMON"
wait_for 10 "RELOADING=1" told RELOADING=1
ready_again() { (($(grep -c READY=1 "$TMP/told") >= 2)); }
wait_for 10 "READY=1 after the reload" ready_again

ends() { # SIGNAL
    local begin took
    begin=$(milliseconds)
    kill -"$1" "$DAEMON"
    wait_for 30 "the end after SIG$1" ended "$DAEMON"
    took=$(($(milliseconds) - begin))
    wait "$DAEMON" || fail "exit status $? after SIG$1"
    expect_that "milliseconds from SIG$1 to the end" "$took <= 2000"
    [[ ! -e $SOCK ]] || fail "the control socket was left behind"
    ip -n "${P}a" link show eth0 >/dev/null || fail "the container lost its interface"
}
ends TERM
wait_for 10 "STOPPING=1" told STOPPING=1

start
up a b
serve b
spawn a iperf3 -c 10.0.0.2 -t 20 >"$TMP/stream" 2>&1
busy() { query ".totals.received > 1000" stats; }
wait_for 20 "traffic" busy
ends INT

start
up a b
pings a 10.0.0.2
ends TERM
