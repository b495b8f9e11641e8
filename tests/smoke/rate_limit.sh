#!/bin/bash
# A port's rate limits: what is beyond them is dropped under their reasons, the port and its line are named, and TCP
# gets near its limit. They change while traffic flows.
. "$(dirname "$0")/_init.sh"
need iperf3

netns a b
ports() { # KEYS-OF-A
    config <<END
networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1]${1:+, $1}}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2]}
END
}
ports "rate-limit: {egress: {rate: 8M, burst: 64 KiB}, ingress: {rate: 100M}}"
start
up a b
serve b
place=$(grep -n "name: a" "$CONFIG" | cut -d: -f1)

dropped() { query ".port.drops[\"$1\"] // 0" port show a; } # REASON
last() { query '.drops[-1] | "\(.port) \(.reason) \(."decided-by"[0].name) \(."decided-by"[0].line)"' drops --last 1 --reason "$1"; }
datagrams() { # FROM TO: of 1000 bytes, 10000 of them as fast as they are taken
    at "$1" python3 -c 'import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(10000):
    sock.sendto(bytes(1000), (sys.argv[1], 9))' "$2"
}
transmitted() { query ".ports[] | select(.name == \"$1\") | .tx.packets" stats; }
received() { query ".ports[] | select(.name == \"$1\") | .rx | map(.packets) | add" stats; }

# 8 Mbit/s are a thousand such datagrams a second: they are sent in less than the ten seconds that they may take.
pings a 10.0.0.2
before=$(received a)
datagrams a 10.0.0.2
wait_for 20 "drops of what comes from a" eval '(($(dropped egress-rate-limit) > 0))'
wait_for 20 "balanced books" balanced
expect "who decides" "a egress-rate-limit a $place" "$(last egress-rate-limit)"
expect_that "packets from a" "$(received a) - $before >= $(dropped egress-rate-limit)"
expect "drops of what goes to a" 0 "$(dropped ingress-rate-limit)"

datagrams b 10.0.0.1
wait_for 20 "drops of what goes to a" eval '(($(dropped ingress-rate-limit) > 0))'
expect "who decides" "a ingress-rate-limit a $place" "$(last ingress-rate-limit)"
wait_for 20 "balanced books" balanced

# The user is told of them.
expect "the limits in port show" "8M 64 KiB 100M 2500000" "$(query '.port.configuration["rate-limit"] |
    "\(.egress.rate) \(.egress.burst) \(.ingress.rate) \(.ingress.burst)"' port show a)"
expect_match "trace" "rate-limit +port a sends at most 8M bits a second, and 65536 bytes at once" "$(ctl trace --from a --to b)"
expect_match "trace" "rate-limit +port a takes at most 100M bits a second" "$(ctl trace --from b --to a)"

# A live trace tells of a packet that is dropped at its port.
spawn "$HOST" timeout 60 "$SLUICECTL" --socket "$SOCK" --json trace --live udp >"$TMP/live" 2>&1
live=$PID
traced() {
    datagrams a 10.0.0.2
    datagrams b 10.0.0.1
    grep -q egress-rate-limit "$TMP/live" && grep -q ingress-rate-limit "$TMP/live"
}
wait_for 30 "both drops in a live trace" traced
kill "$live"
wait "$live" || true

# A reload changes them, and loses no packet.
ports "rate-limit: {egress: {rate: 100M}}"
wait_for 20 "ping beside the datagrams" answers_ping b 10.0.0.1
steady b 10.0.0.1 0.01
expect_status 0 ctl config reload
expect_match "what config reload tells" "change +port a +.*nothing +rate-limit" "$OUT"
sleep 1
no_loss
# TCP under a limit gets no more; how near it gets is printed. (The burst that it may have at once is 0.2 s.)
megabits() { jq '.end.sum_received.bits_per_second / 1000000 | floor' "$TMP/iperf.json"; }
iperf a 10.0.0.2 -t 5
limited=$(megabits)
echo "TCP at a limit of 100 Mbit/s: $limited Mbit/s"
expect_that "TCP beyond the limit" "$limited < 110"

ports ""
expect_status 0 ctl config reload
before=$(dropped egress-rate-limit)
iperf a 10.0.0.2 -t 2
echo "TCP without a limit: $(megabits) Mbit/s"
expect "drops without a limit" "$before" "$(dropped egress-rate-limit)"
wait_for 20 "balanced books" balanced
