#!/bin/bash
# The state file never keeps the switch down: what was added and can't be in force waits, says why, and comes
# back; what can't be read is put aside; what the file declares by now goes on without an outage.
. "$(dirname "$0")/_init.sh"

netns a b c
head='networks: [{name: blue, subnets: [10.0.0.0/24]}, {name: other}]
ports:'
a="
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}"
b="
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.2/24]}"
add_b() { expect_status 0 ctl port add b "netns=${P}b" network=blue 'address=[10.0.0.2/24]' --wait=20; }
add_c() { expect_status 0 ctl port add c "netns=${P}c" network=blue 'address=[10.0.0.3/24]' --wait=20; }
ifindex() { ip -n "$P$1" -j link show eth0 | jq '.[0].ifindex'; }
check() { expect_status 0 "$SLUICED" --check "$CONFIG"; }
reload() { config; expect_status 0 ctl config reload; }
states() { ctl --json port list | jq -r '[.ports[] | "\(.name) \(.state)"] | sort | join(", ")'; }
aside() { find "$TMP" -name 'state.json.bad-*'; }

config <<<"$head$a"
start
up a
add_b
add_c
pings a 10.0.0.2
expect "what the state holds" \
    '{"ports":[{"address":["10.0.0.2/24"],"name":"b","netns":"'"$P"'b","network":"blue"},{"address":["10.0.0.3/24"],"name":"c","netns":"'"$P"'c","network":"blue"}],"version":1}' \
    "$(jq -cS . "$STATE")"

# The network has another name when the switch comes back. The file's port works, the added ones wait.
index=$(ifindex b)
kill_9
config <<<"${head/blue/green}${a/blue/green}"
check
expect_match "what --check tells" "port b, which was added while running, would wait: network: there is no network .blue" "$OUT"
start
up a
expect "the ports" "a up, b waiting, c waiting" "$(states)"
expect_match "port list" "b .* waiting .* added .*there is no network .blue" "$(ctl port list)"
expect_match "port show" "there is no network .blue" "$(query .port.reason port show b)"
expect_match "status" "1 up, 0 down, 2 waiting" "$(ctl status)"
expect_match "the log" "b, which was added while running, waits: network: there is no network" "$(cat "$LOG")"
expect_status 0 ctl config check
expect_match "config check" "port c, which was added while running, would wait" "$OUT"
expect_status 1 ctl port add b "netns=${P}b" network=green
expect_match "adding it again" "name: port b exists already .added, and it waits" "$OUT"
for question in "trace --from b --to 10.0.0.1" "trace --from a --to b" "capture b -c 1" "drops --port b" \
    "route add 10.9.0.0/16 port=b"; do
    # shellcheck disable=SC2086
    expect_status 1 ctl $question
    expect_match "$question" "port b is not in force, it waits: network: there is no network .blue" "$OUT"
done
reload <<<"$head$a"
expect_match "config reload" "add +port b +added" "$OUT"
up a b c
pings a 10.0.0.2
expect "the interface of b" "$index" "$(ifindex b)"

# Another port of the file has the address or the interface: one waits, the other doesn't.
kill_9
config <<<"$head$a
  - {name: d, netns: ${P}c, network: other}"
start
up a b d
expect "the ports" "a up, b up, c waiting, d up" "$(states)"
expect_match "its reason" "interface eth0 in ${P}c is port d's already" "$(query .port.reason port show c)"
reload <<<"$head$a"
up c
wait_for 10 "a ping to c" answers_ping a 10.0.0.3

# A port of the same name and with other settings is the file's, and the added one waits.
kill_9
config <<<"$head$a
  - {name: b, netns: ${P}b, network: blue, address: [10.0.0.22/24]}"
start
up a b c
expect "the ports" "a up, b up, b waiting, c up" "$(states)"
wait_for 10 "a ping to the file's address" answers_ping a 10.0.0.22
expect_status 0 ctl port delete b
expect "the ports" "a up, b up, c up" "$(states)"
reload <<<"$head$a"
add_b
pings a 10.0.0.2

# The file declares what was added: no packet is lost, nothing counts anew.
steady a 10.0.0.2 0.005
received() { query .port.rx.packets port show b; }
moves() { (($(received) > 50)); }
wait_for 20 "traffic" moves
before=$(received)
index=$(ifindex b)
config <<<"$head$a$b"
expect_status 0 ctl config diff
expect_match "config diff" "change +port b +$CONFIG:[0-9:]+ +nothing +origin: added -> $CONFIG" "$OUT"
expect_status 0 ctl config reload
expect_that "packets of b before and after the file took it over" "$(received) >= $before"
expect_match "its origin" "^$CONFIG:" "$(query .port.origin port show b)"
expect "how often it went down" 0 "$(query '.port."times-down"' port show b)"
expect "its interface" "$index" "$(ifindex b)"
expect "the added ports" c "$(jq -r '.ports[].name' "$STATE")"
no_loss
kill_9
start
up a b c
pings a 10.0.0.2
reload <<<"$head$a"
expect "the ports without b in the file" "a up, c up" "$(states)"
add_b

# A key that this version doesn't know: that port waits, the others come up, nothing is lost.
kill_9
jq '.ports |= map(if .name == "b" then .colour = 3 else . end)' "$STATE" >"$TMP/edited"
mv "$TMP/edited" "$STATE"
check
expect_match "what --check tells" "$STATE:[0-9]+:[0-9]+.: unknown key .colour" "$OUT"
start
up a c
expect "the ports" "a up, b waiting, c up" "$(states)"
expect_match "the reason" "unknown key .colour" "$(query .port.reason port show b)"
expect_match "the log" "error state: .*unknown key .colour" "$(cat "$LOG")"
expect "what was put aside" 0 "$(aside | wc -l)"
expect "the key is kept" 3 "$(jq '.ports[] | select(.name == "b") | .colour' "$STATE")"
expect_status 0 ctl port delete b
add_b

# A truncated file: the file's ports come up, what was there is kept, and the interfaces that are left find their
# ports when these are added again. A folder in its place stays, and the file's ports come up.
index=$(ifindex b)
kill_9
head -c 60 "$STATE" >"$TMP/edited"
mv "$TMP/edited" "$STATE"
config <<<"$head$a
acls: [{name: to-b, apply: {port: b, direction: ingress}, rules: [{permit: {}}]}]"
check
expect_match "what --check tells" "$STATE:" "$OUT"
start
up a
expect "the ports" "a up, b waiting" "$(states)"
expect_match "the log" "error state: $STATE can't be read as a whole: it is kept as $STATE.bad-" "$(cat "$LOG")"
expect "what was put aside" 1 "$(aside | wc -l)"
expect "the interface of b" "$index" "$(ifindex b)"
add_b
pings a 10.0.0.2
expect "the interface of b" "$index" "$(ifindex b)"
expect "hits of the list at b" true "$(query '.acls[0].rules[0].hits > 0 | tostring' acl list)"
stop
rm "$STATE"
mkdir -p "$STATE/inside"
check
expect_match "a folder in its place" "$STATE: .*Is a directory" "$OUT"
start
up a
expect "the ports" "a up, b waiting" "$(states)"
expect_match "the log" "warning state: $STATE is a folder, and no file: no object can be added" "$(cat "$LOG")"
expect "what was in it" inside "$(ls "$STATE")"
stop
rm -r "$STATE"
echo "{" >"$STATE"
start
up a
expect "the ports" "a up, b waiting" "$(states)"
add_b
pings a 10.0.0.2
# And the next start has nothing to complain of.
kill_9
: >"$LOG"
start
up a b
pings a 10.0.0.2
if grep -q ^error "$LOG"; then fail "errors in the log of a healthy start: $(cat "$LOG")"; fi

# Added routes alike.
stop
config <<<'networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]'
printf '10.9.0.0/16 via 10.0.0.1\nnonsense\n10.8.0.0/16 via 10.0.0.1\n10.7' >"$STATE.routes"
check
expect_match "what --check tells" "$STATE.routes:2:1: .nonsense" "$OUT"
start
expect "the added routes" 2 "$(query '[.routes[] | select(.origin == "added")] | length' route list)"
expect "what was put aside" "10.9.0.0/16 via 10.0.0.1 nonsense 10.8.0.0/16 via 10.0.0.1 10.7" \
    "$(cat "$STATE".routes.bad-* | tr '\n' ' ')"
