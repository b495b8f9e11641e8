#!/bin/bash
# Ports added while running come back after every kind of restart, survive a reload, and are told
# apart from those of the file.
. "$(dirname "$0")/_init.sh"

netns a b c
file="networks: [{name: blue, subnets: [10.0.0.0/24]}]
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1/24]}"
config <<<"$file"
start
up a

expect_status 0 ctl port add b "netns=${P}b" network=blue 'address=[10.0.0.2/24]' mtu=1400
expect "what port add tells" "port b added: up" "$OUT"
up b
pings a 10.0.0.2
expect "origin of b" added "$(query '.port.origin' port show b)"
expect_match "origin of a" "^$CONFIG:[0-9]+:[0-9]+$" "$(query '.port.origin' port show a)"

# Refused: names and devices that are taken, wrong keys and values. Nothing changes.
shown=$(ctl config show)
expect_status 1 ctl port add b "netns=${P}c" network=blue
expect_match "name taken by an added port" "port b exists already \(added\)" "$OUT"
expect_status 1 ctl port add a "netns=${P}c" network=blue
expect_match "name taken by the file" "port a exists already \($CONFIG:" "$OUT"
expect_status 1 ctl port add other "netns=${P}b" network=blue
expect_match "interface taken" "port b's already" "$OUT"
expect_status 1 ctl port add c "netns=${P}c" netwrok=blue
expect_match "nearest key" "network" "$OUT"
expect_status 1 ctl port add c "netns=${P}c" network=green
expect "the key of the request" 'network: there is no network "green"' "$OUT"
expect_status 1 ctl port add c "netns=${P}c" network=blue 'address=[192.168.0.1/24]'
expect_match "address outside" "outside network blue" "$OUT"
expect_status 2 ctl port add c
expect_status 2 ctl port add c netns
expect_status 1 ctl port delete nobody
expect_status 1 ctl port delete a
expect_match "a port of the file" "declared in $CONFIG:" "$OUT"
expect "configuration in force" "$shown" "$(ctl config show)"

# One in no network carries nothing, and says so.
expect_status 0 ctl port add c "netns=${P}c"
expect_match "a port in no network" "port c added: up, it is in no network" "$OUT"
expect "what is in force of it" "1500 1000 eth0" \
    "$(query '.port | "\(.mtu) \(.configuration["flood-limit"].broadcast) \(.interface)"' port show c)"
expect_status 0 ctl port delete c
expect_status 1 ctl port add c "netns=${P}c" network=blue 'address=[10.0.0.3/16]'
expect_match "another length" "another length than its subnet 10.0.0.0/24" "$OUT"

# config show: origins as comments, and a file that gives the same configuration.
ctl config show >"$TMP/shown.yaml"
expect_match "origins in config show" "# added" "$(cat "$TMP/shown.yaml")"
expect_match "origins in config show" "# $CONFIG:" "$(cat "$TMP/shown.yaml")"
expect_status 0 "$SLUICED" --check "$TMP/shown.yaml"

# A reload governs what the file declares, and only that.
expect_status 0 ctl config diff
expect_match "diff with the same file" "no differences" "$OUT"
expect_status 0 ctl config reload
up b
pings a 10.0.0.2
config <<<"$file
  - {name: b, netns: ${P}c, network: blue}"
expect_status 0 ctl config check
expect_match "a clash in the file" "port b, which was added while running, would wait" "$OUT"
config <<<"$file
  - {name: c, netns: ${P}c, network: blue}"
expect_status 0 ctl --json config diff
expect "diff names the origin" "add port c $CONFIG" \
    "$(jq -r '.changes[] | "\(.action) \(.object) \(.origin | sub(":.*"; ""))"' <<<"$OUT")"
config <<<"$file"
expect_status 0 ctl config reload
pings a 10.0.0.2

index=$(ip -n "${P}b" -j link show eth0 | jq '.[0].ifindex')
kill_9
start
up a b
pings a 10.0.0.2
expect "ifindex of b after kill -9" "$index" "$(ip -n "${P}b" -j link show eth0 | jq '.[0].ifindex')"
stop
start
up a b
pings a 10.0.0.2
expect "MTU of b after a restart" 1400 "$(ip -n "${P}b" -j link show eth0 | jq '.[0].mtu')"
expect "origin of b after a restart" added "$(query '.port.origin' port show b)"

expect_status 0 ctl port delete b
if ip -n "${P}b" link show eth0 2>/dev/null; then fail "b's interface was left behind"; fi
stop
start
up a
expect_status 1 ctl port show b

# Added isn't up: the answer says so, and --wait has an exit status for it.
expect_status 0 ctl port add late "netns=${P}late" network=blue
expect_match "what port add tells" "port late added: down, network namespace ${P}late does not exist" "$OUT"
expect_status 0 ctl port delete late
expect_status 1 ctl port add late "netns=${P}late" network=blue --wait=0.2
expect_match "what it waited for" "port late is not up after 0.2 s: down, network namespace ${P}late does not exist" "$OUT"
expect_status 1 ctl wait port late --timeout 0
spawn host "$SLUICECTL" --socket "$SOCK" wait port late >"$TMP/waited"
waiting=$PID
netns late
finish "$waiting" 30 "sluicectl wait port"
expect "what wait tells" "port late is up" "$(cat "$TMP/waited")"
expect_status 0 ctl port delete late
expect_status 0 ctl --json port add late "netns=${P}late" network=blue --wait
expect "state in the answer" up "$(jq -r .port.state <<<"$OUT")"
expect_status 0 ctl port delete late
expect_status 1 ctl wait port nobody --timeout 0.1
expect_match "a port that isn't there" "there is no port" "$OUT"
expect_status 2 ctl wait port late --timeout soon
expect_status 0 ctl wait
expect_match "the daemon" "sluiced answers .process $DAEMON" "$OUT"
stop
expect_status 3 ctl wait --timeout 0.2
spawn host "$SLUICECTL" --socket "$SOCK" wait port a >"$TMP/waited"
waiting=$PID
start
finish "$waiting" 30 "sluicectl wait port across a start"
expect "what wait tells" "port a is up" "$(cat "$TMP/waited")"
kill -STOP "$DAEMON"
expect_status 3 ctl wait --timeout 0.3
expect_match "a daemon that hangs" "doesn't answer" "$OUT"
kill -CONT "$DAEMON"

# The state is written before it takes effect: where it can't be, nothing happens.
mkdir "$STATE.new"
expect_status 1 ctl port add b "netns=${P}b" network=blue
expect_match "the reason" "the state file: cannot write" "$OUT"
expect_status 1 ctl port show b
rmdir "$STATE.new"

# Many times over: nothing is left behind.
for ((i = 0; i < 20; ++i)); do
    ctl port add b "netns=${P}b" network=blue 'address=[10.0.0.2/24]' >/dev/null
    ctl port delete b >/dev/null
done
expect_status 0 ctl port add b "netns=${P}b" network=blue 'address=[10.0.0.2/24]'
up b
pings a 10.0.0.2
wait_for 20 "balanced books" balanced
