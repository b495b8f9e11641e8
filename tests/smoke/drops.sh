#!/bin/bash
# What is told of drops: expected background apart from what somebody may look for, dates, both ports, and frames
# that only the other end of a veth finds too long; and trace ends where the port would.
. "$(dirname "$0")/_init.sh"
need python3

netns a b lone guarded outer
ip -n "${P}host" link add wire type veth peer name eth0 netns "${P}outer"
at host sysctl -qw net.ipv6.conf.wire.disable_ipv6=1
ip -n "${P}host" link set wire up
ip -n "${P}outer" link set eth0 up
ip -n "${P}outer" address add 10.0.0.9/24 dev eth0
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24]}
  - {name: red, subnets: [10.1.0.0/24]}
acls:
  - {name: closed, apply: [{port: guarded, direction: egress}], rules: []}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}
  - {name: b, netns: ${P}b, network: blue, mac: 02:00:00:00:00:0b, address: [10.0.0.2/24]}
  - {name: guarded, netns: ${P}guarded, network: blue, address: [10.0.0.3/24]}
  - {name: outer, device: "net_af_packet0,iface=wire", network: blue}
  - {name: lone, netns: ${P}lone, network: red, address: [10.1.0.1/24]}
END
start
up a b guarded outer lone

# --- background: membership reports and router solicitations of containers that nobody hears, or may hear ---
background() { query ".drops[] | select(.port == \"$1\" and .reason == \"background\") | .packets > 0" drops; }
wait_for 60 "background of a container that is alone" background lone
wait_for 60 "background of a container whose policy keeps it back" background guarded
# What somebody may look for, of the same containers.
at lone ping -q -c 1 -W 1 10.1.0.2 >/dev/null || true
at guarded ping -q -c 1 -W 1 10.0.0.1 >/dev/null || true
records() { ctl --json drops --last 10000 "$@" | jq "[.drops[] | select($FILTER)] | length"; }
FILTER='.reason == "background"'
expect "background among the last drops" 0 "$(records)"
expect_that "background with --all" "$(records --all) > 1"
expect_that "background that is asked for by name" "$(records --reason background) > 1"
FILTER='.packet | test("multicast listener|router solicitation|mDNS"; "i")'
expect "reports and solicitations among the last drops" 0 "$(records)"
FILTER='.ingress == "lone" and .reason == "no-member"'
expect_that "real drops without another member" "$(records) > 0"
FILTER='.ingress == "guarded" and .reason == "denied" and ."decided-by"[0].name == "closed end"'
expect_that "real drops by policy" "$(records) > 0"
OUT=$(ctl drops)
expect_match "drops for people" $'\n\nexpected background.*\nPORT +PACKETS\n' "$OUT"
expect "background among the others, for people" "" "$(sed '/^$/,$d' <<<"$OUT" | grep background || true)"
expect_match "date and time" '^TIME .*
20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} [+-][0-9]{2}:[0-9]{2} ' "$(ctl drops --last)"
expect_status 2 ctl drops --all
expect_that "background in stats" "$(query .totals.background stats) > 0"
wait_for 20 "balanced books" balanced

# --- the other end of a veth has a smaller MTU ---
pings a 10.0.0.9 -s 1400
last() { query ".drops[-1] | \"\(.ingress) \(.egress) \(.reason)\"" drops --last 1 --reason "$1"; }
to_outer=(--to 10.0.0.9 --proto icmp --destination-mac "$(ip -n "${P}outer" -j link show eth0 | jq -r '.[0].address')")
trace_of() { ctl --json trace --from a "$@" | jq -r '"\(.verdict) \(.reason) \(.to // "-") \(."decided-by"[-1].name)"'; }
expect "trace of a long packet" "deliver null outer a" "$(trace_of "${to_outer[@]}" --length 1400)"
ip -n "${P}outer" link set eth0 mtu 1000
too_long() { at a ping -q -c 1 -W 0.2 -M "do" -s 1300 10.0.0.9; [[ $(last too-long-for-peer) == "a outer too-long-for-peer" ]]; }
wait_for 20 "a drop that names the other end's MTU" too_long
expect "trace of a long packet, now" "drop too-long-for-peer - outer" \
    "$(trace_of "${to_outer[@]}" --length 1400)"
expect_match "trace for people" "port outer: .* too long for the other end of wire, which has an MTU of 1000" \
    "$(ctl trace --from a "${to_outer[@]}" --length 1400)"
expect "trace of a short one" "deliver null outer a" "$(trace_of "${to_outer[@]}" --length 900)"
pings a 10.0.0.9 -s 800
ip -n "${P}outer" link set eth0 mtu 1500
pings a 10.0.0.9 -s 1400
expect "trace of what is too long for the port itself" "drop too-big - b" "$(trace_of --to b --length 3000)"

# --- an interface that is down inside ---
expect "trace" "deliver null b a" "$(trace_of --to b)"
at a ip neighbour replace 10.0.0.2 lladdr 02:00:00:00:00:0b dev eth0
# The switch sets it up again, each time later: until the trace and the drop were seen, it is set down again.
down() { ip -n "${P}b" link set eth0 down; }
down_trace() {
    down
    [[ $(trace_of --to b) == "drop interface-down - b" &&
        $(ctl trace --from a --to b) =~ "port b: interface eth0 is down inside: ip link set eth0 up" ]]
}
wait_for 60 "a trace to an interface that is down" down_trace
down_drop() {
    down
    at a ping -q -c 1 -W 0.2 10.0.0.2
    [[ $(last interface-down) == "a b interface-down" ]]
}
wait_for 60 "a drop with both ports" down_drop
up b
wait_for 60 "b to answer again" answers_ping a 10.0.0.2

# --- a priority tag (VLAN 0) is taken off, to an access port too ---
spawn b timeout 60 python3 -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
s.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes tags off itself, and tells of them there
print("ready", flush=True)
while True:
    frame, about, _, _ = s.recvmsg(2000, 100)
    if b"marker" not in frame: continue
    status = int.from_bytes(about[0][2][:4], "little")
    print("tagged" if status & 16 or frame[12:14] != b"\x88\xb5" else "untagged", flush=True)
    break' >"$TMP/tag"
reader=$PID
wait_for 20 "the reader" grep -q ready "$TMP/tag"
mac=$(ip -n "${P}a" -j link show eth0 | jq -r '.[0].address')
at a python3 -c '
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
s.send(bytes.fromhex("02000000000b") + mac + bytes.fromhex("8100e00088b5") + b"marker" + bytes(50))' "$mac"
finish "$reader" 60 "the reader"
expect "the frame" untagged "$(tail -n 1 "$TMP/tag")"
wait_for 20 "balanced books at the end" balanced
