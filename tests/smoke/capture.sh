#!/bin/bash
# Captures and recent drops on real containers: a ping seen at a port in both directions, drops with their
# reason and what decided, and every way for a capture to end.
. "$(dirname "$0")/_init.sh"
need tcpdump python3

netns a b c
config <<END
networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]
routes:
  - {to: 10.9.0.0/16, type: blackhole}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24], routes: [{to: 10.9.0.0/16, via: 10.0.0.254}]}
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}
  - {name: c, netns: ${P}c, network: blue, address: [10.0.0.3/24]}
END
line_of() { grep -n "$1" "$CONFIG" | cut -d: -f1; }
start
up a b c

# Starts a capture in the background; what it says of itself is $TMP/NAME.err: capture NAME ARGUMENTS...
capture() {
    local name=$1
    shift
    "$SLUICECTL" --socket "$SOCK" capture "$@" >"$TMP/$name.out" 2>"$TMP/$name.err" &
    PID=$!
    wait_for 10 "the capture $name to begin" grep -q "^capturing" "$TMP/$name.err"
}

# --- a port, into a file: both directions, and nothing that the filter leaves out ---
day=$(date +%F)
capture file b -f "icmp and host 10.0.0.1" -w "$TMP/b.pcapng" -c 6
pings c 10.0.0.2
pings a 10.0.0.2
finish "$PID" 20 "the capture of port b"
expect "what the capture says of itself" "6 packets captured, 0 lost" "$(tail -n 1 "$TMP/file.err")"
text=$(tcpdump -n -r "$TMP/b.pcapng" 2>/dev/null)
expect "requests in the file" 3 "$(grep -c "10.0.0.1 > 10.0.0.2: ICMP echo request" <<<"$text")"
expect "answers in the file" 3 "$(grep -c "10.0.0.2 > 10.0.0.1: ICMP echo reply" <<<"$text")"

# What tcpdump doesn't show: interface, direction, comment; and that a file has its end.
blocks() { # FILE: a line a frame, "INTERFACE DIRECTION COMMENT"; "INTERFACE statistics" at the end
    python3 - "$1" <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
names = []
def options(block):
    found = {}
    while len(block) >= 4:
        code, size = struct.unpack_from("<HH", block)
        if code == 0: break
        found[code] = block[4:4 + size]
        block = block[4 + (size + 3) // 4 * 4:]
    return found
at = 0
while at < len(data):
    kind, size = struct.unpack_from("<II", data, at)
    assert size % 4 == 0 and struct.unpack_from("<I", data, at + size - 4)[0] == size
    body = data[at + 8:at + size - 4]
    if kind == 1:
        names.append(options(body[8:])[2].decode())
    elif kind == 6:
        interface, high, low, kept, length = struct.unpack_from("<IIIII", body)
        told = options(body[20 + (kept + 3) // 4 * 4:])
        direction = {1: "in", 2: "out"}[struct.unpack("<I", told[2])[0]]
        print(names[interface], direction, told[1].decode())
    elif kind == 5:
        print(names[struct.unpack_from("<I", body)[0]], "statistics")
    at += size
END
}
text=$(blocks "$TMP/b.pcapng")
expect "frames to b" 3 "$(grep -cx "b out to port b" <<<"$text")"
expect "frames from b" 3 "$(grep -cx "b in from port b" <<<"$text")"
expect "the end of the file" "b statistics" "$(tail -n 1 <<<"$text")"
# Which day it is may change meanwhile.
expect_match "what the clock says" "^($day|$(date +%F))\$" \
    "$(tcpdump -tttt -n -r "$TMP/b.pcapng" -c 1 2>/dev/null | cut -d' ' -f1)"

# More packets than are wanted: none of them is in the file, and its end is.
capture first b -f icmp -w "$TMP/first.pcapng" -c 1
pings a 10.0.0.2
finish "$PID" 20 "the capture of one packet"
expect "what is in a full file" $'b out to port b\nb statistics' "$(blocks "$TMP/first.pcapng")"

# --- into a pipe, until interrupted ---
mkfifo "$TMP/pipe"
timeout 20 tcpdump -n -l -r - icmp <"$TMP/pipe" >"$TMP/piped" 2>/dev/null &
reader=$!
"$SLUICECTL" --socket "$SOCK" capture a -w - >"$TMP/pipe" 2>"$TMP/pipe.err" &
capture=$!
wait_for 10 "the capture into a pipe to begin" grep -q "^capturing" "$TMP/pipe.err"
pings a 10.0.0.3
piped() { (($(grep -c ICMP "$TMP/piped") >= 6)); }
wait_for 10 "packets through the pipe" piped
kill -INT "$capture"
finish "$capture" 10 "the capture into a pipe"
finish "$reader" 10 "tcpdump at the pipe's end"
expect "packets through the pipe" 6 "$(grep -c ICMP "$TMP/piped")"

# --- lines, for people and for programs ---
capture lines a -f icmp -c 2
pings a 10.0.0.2
finish "$PID" 20 "the capture of lines"
expect_match "the first line" "^[0-9:.]+ from a  .*length 98: 10\.0\.0\.1 > 10\.0\.0\.2: ICMP echo request, id" \
    "$(head -n 1 "$TMP/lines.out")"
expect_match "the second line" " to a  .*ICMP echo reply" "$(tail -n 1 "$TMP/lines.out")"

# --- drops, with the object that decided, in both forms ---
capture drops drops -f "icmp and src host 10.0.0.1" -w "$TMP/drops.pcapng"
file=$PID
capture drops_json drops --json -c 1 -f "icmp and dst net 10.9.0.0/16"
json=$PID
at a ping -q -c 2 -i 0.05 -W 0.2 10.9.1.1 >/dev/null 2>&1 || true
at a ip address add 10.0.0.66/24 dev eth0
at a ping -q -c 1 -W 0.2 -I 10.0.0.66 10.0.0.2 >/dev/null 2>&1 || true
finish "$json" 20 "the capture of one drop"
packet=$(cat "$TMP/drops_json.out")
expect "the drop's reason" blackhole "$(jq -r .reason <<<"$packet")"
expect "what decided it" "route 10.9.0.0/16 $CONFIG $(line_of blackhole)" \
    "$(jq -r '."decided-by"[0] | "\(.kind) \(.name) \(.file) \(.line)"' <<<"$packet")"
last() { ctl --json drops --last "$@" | jq -r '.drops[-1] | "\(.ingress) \(.network) \(.reason) \(."decided-by"[0] | "\(.kind) \(.name) \(.file):\(.line)")"'; }
blackholed() { [[ $(last --reason blackhole) == "a blue blackhole route 10.9.0.0/16 $CONFIG:$(line_of blackhole)" ]]; }
wait_for 10 "the last drop by a route" blackholed
spoofed() { [[ $(last --port a --reason spoofed-address) == "a blue spoofed-address port a $CONFIG:$(line_of "name: a,")" ]]; }
wait_for 10 "the last drop by a port's address" spoofed
expect "drops that were asked for" 1 "$(ctl --json drops --last 1 | jq '.drops | length')"
expect_match "the packet in a line" "length 98: 10\.0\.0\.1 > 10\.9\.1\.1: ICMP echo request" \
    "$(query '.drops[-1].packet' drops --last --reason blackhole)"
expect_status 0 ctl drops --last
expect_match "the recent drops for people" "blackhole +route 10\.9\.0\.0/16 \($CONFIG:$(line_of blackhole):" "$OUT"
# Of the last ten minutes, by the clock.
expect "the drop's time" true "$(query '(now - .drops[-1].time) | (. >= 0 and . < 600)' drops --last)"
expect_status 1 ctl drops --reason blakhole
expect_match "a reason that there isn't" "did you mean 'blackhole'" "$OUT"
captured() { (($(tcpdump -n -r "$TMP/drops.pcapng" 2>/dev/null | grep -c 'ICMP echo') >= 2)); }
wait_for 10 "the drops in the file" captured
kill -INT "$file"
finish "$file" 10 "the capture of drops"
expect "the drops in the file" "2 a in dropped: blackhole, decided by route 10.9.0.0/16 ($CONFIG:$(line_of blackhole):5), from a, network blue" \
    "$(blocks "$TMP/drops.pcapng" | grep blackhole | uniq -c | sed 's/^ *//')"
expect "frames that tcpdump reads there" 2 "$(tcpdump -n -r "$TMP/drops.pcapng" 2>/dev/null | grep -c 'ICMP echo')"

# --- what can't be ---
expect_status 1 ctl capture nobody
expect_match "a port that isn't there" 'there is no port "nobody"' "$OUT"
echo "of another day" >"$TMP/kept.pcapng"
expect_status 1 ctl capture nobody -w "$TMP/kept.pcapng"
expect "a file that nothing was captured into" "of another day" "$(cat "$TMP/kept.pcapng")"
expect_status 1 ctl capture a -f "no filter at all"
expect_match "a filter that is none" "the filter: .*pcap-filter" "$OUT"
expect_status 1 ctl capture a -w "$TMP/no/folder"
expect_status 2 ctl capture
expect_status 2 ctl capture a -c none
expect_status 2 ctl capture a --watch
pids=()
for i in {1..8}; do
    capture "many$i" a
    pids+=("$PID")
done
expect_status 1 ctl capture a
expect_match "one capture too many" "8 captures are running" "$OUT"

# --- the ends: clients that die, and a port that is deleted; traffic goes on ---
steady a 10.0.0.2 0.01
for pid in "${pids[@]}"; do crash "$pid"; done
room() { timeout 10 "$SLUICECTL" --socket "$SOCK" capture b -c 1 -f icmp; }
wait_for 10 "room for captures again" room
ctl port add d netns="${P}c" interface=eth1 network=blue
up d
capture deleted d
expect_status 0 ctl port delete d
finish "$PID" 10 "the capture of a port that was deleted"
expect_match "why it ended" "the capture has ended: port d was deleted" "$(cat "$TMP/deleted.err")"
# A reader that reads nothing: its rings fill up, and nobody else notices.
capture stuck a
kill -STOP "$PID"
pings c 10.0.0.1
stuck=$PID
no_loss
crash "$stuck"
wait_for 10 "the books to balance" balanced
