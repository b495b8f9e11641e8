#!/bin/bash
# kill -9 and a new start under traffic: the containers keep their interface, its number, addresses
# and routes, traffic flows again within a second of the start, and a TCP stream survives.
. "$(dirname "$0")/_init.sh"

netns a b c
head='networks: [{name: blue, subnets: [10.0.0.0/24, "fd00::/64"]}]'
ports="
  - name: a
    netns: ${P}a
    network: blue
    address: [10.0.0.1/24, \"fd00::1/64\"]
    routes: [{to: 10.9.0.0/16, via: 10.0.0.2}, {to: \"fd09::/64\", via: \"fd00::2\"}]
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24, \"fd00::2/64\"]}"
config <<<"$head
ports:$ports
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.3/24]}"
start
up a b c
pings a 10.0.0.2
serve b

# A second daemon on the same socket is refused and harms nobody.
expect_status 1 at host "$SLUICED" --config "$CONFIG"
expect_match "second instance" "another sluiced \(process $DAEMON\)" "$OUT"
pings a 10.0.0.2

state() {
    ip -n "${P}a" -j link show eth0 | jq -c '.[0] | [.ifindex, .address, .mtu, .ifalias]'
    ip -n "${P}a" -j address show eth0 | jq -c '[.[0].addr_info[] | [.local, .prefixlen, .scope]] | sort'
    { ip -n "${P}a" -4 -j route; ip -n "${P}a" -6 -j route; } | jq -sc 'add | map([.dst, .gateway]) | sort'
}
before=$(state)

spawn a iperf3 -c 10.0.0.2 -t 600 >"$TMP/stream" 2>&1
stream=$PID
carries() { query ".totals.received > 1000" stats; }
connections() { at a ss -Htn state established 'dport = :5201' | awk '{ print $3 }' | sort; }
wait_for 20 "the stream" carries
stream_before=$(connections)
for round in 1 2; do
    kill_9
    expect "what a has while the switch is dead (round $round)" "$before" "$(state)"
    begin=$(milliseconds)
    start
    # The start itself took its part of the second.
    wait_for 10 "ping after the start" at a ping -q -c 1 -W 0.1 10.0.0.2
    took[round]=$(($(milliseconds) - begin - $(milliseconds_waited)))
    up a b c
    expect "what a has after the start (round $round)" "$before" "$(state)"
    wait_for 60 "the stream to go on" carries
done
# The better of two rounds: the machine has other work as well.
best=$((took[1] < took[2] ? took[1] : took[2]))
expect_that "milliseconds from the start to the first ping (${took[*]})" "$best <= 1000"
if ended "$stream"; then fail "the TCP stream over two restarts: $(cat "$TMP/stream")"; fi
expect "the TCP connections" "$stream_before" "$(connections)"
crash "$stream"
pings a 10.0.0.2
pings b fd00::1
no_checksum_errors a b

# A device whose port is configured no more is removed at the start; the others stay.
kill_9
ip -n "${P}c" link show eth0 >/dev/null || fail "c lost its interface"
config <<<"$head
ports:$ports"
start
up a b
if ip -n "${P}c" link show eth0 2>/dev/null; then fail "c's device was left behind"; fi
expect "what a has after an orphan was removed" "$before" "$(state)"
pings a 10.0.0.2

# The same after a regular stop.
stop
expect "what a has after a stop" "$before" "$(state)"
start
up a b
expect "what a has after a restart" "$before" "$(state)"
pings a 10.0.0.2
