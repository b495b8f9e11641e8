#!/bin/bash
# Objects of every kind are added, changed and deleted while traffic passes: one by one, and as one transaction of a
# file; they come back after a restart, and go as they came.
. "$(dirname "$0")/_init.sh"

netns a b c d
blue="networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]
ports: [{name: a, netns: ${P}a, network: blue, address: 10.0.0.1}]"
config <<<"$blue"
start
up a
shown=$(ctl config show)

# A network with its ports, a set, a list, a mirror and routes: all of it, or nothing.
cat >"$TMP/red.yaml" <<END
networks:
  - {name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.254}
ports:
  - {name: b, netns: ${P}b, network: red, address: 10.1.0.1}
  - {name: c, netns: ${P}c, network: red, address: 10.1.0.2}
  - {name: eye, host: true, interface: eye0}
address-sets:
  - {name: office, addresses: [10.0.0.0/28]}
acls:
  - name: edge
    apply: {port: c, direction: ingress}
    rules:
      - permit: {proto: icmp, from: [10.1.0.0/24]}
      - deny: {from: [office]}
mirrors:
  - {name: watch, from: [c], to: eye}
routes:
  - {to: 10.9.0.0/16, via: 10.1.0.1}
END
refused() { # WHAT PATTERN, of a changed file
    expect_status 1 ctl add -f "$TMP/wrong.yaml"
    expect_match "$1" "$2" "$OUT"
}
sed 's/proto: icmp/proto: icmq/; s/^mirrors/workers/' "$TMP/red.yaml" >"$TMP/wrong.yaml"
refused "the rule's mistake" "acls.0..rules.0..permit.proto .$TMP/wrong.yaml:13:25.: 'icmq' is not"
refused "a setting" "workers .$TMP/wrong.yaml:15:1.: is said once, of the switch as a whole"
sed 's/network: red, address: 10.1.0.2/network: reed/; s/via: 10.1.0.1/via: 10.7.0.1/; s/: icmp/: icmq/' \
    "$TMP/red.yaml" >"$TMP/wrong.yaml"
refused "the port's mistake" "ports.1..network .$TMP/wrong.yaml:5:.*: there is no network .reed.; did you mean .red"
refused "the rule's mistake beside it" "acls.0..rules.0..permit.proto .$TMP/wrong.yaml:13:25.: 'icmq' is not"
refused "the route's mistake beside them" "routes.0..to .$TMP/wrong.yaml:18:10.: 10.7.0.1 is in no subnet"
sed 's/to: 10.9.0.0.16/to: 10.1.0.0\/24/' "$TMP/red.yaml" >"$TMP/wrong.yaml"
refused "a route that the network has" "routes.0..to .$TMP/wrong.yaml:18:10.: 10.1.0.0/24 has a route already"
expect "what refused files leave" "$shown" "$(ctl config show)"
if ip -n "${P}b" link show eth0 2>/dev/null; then fail "b has an interface"; fi
expect_status 2 ctl add
expect_match "how it is used" "-f FILE is missing" "$OUT"

expect_status 0 ctl add -f "$TMP/red.yaml"
expect "what add tells" "network red added
port b added
port c added
port eye added
address-set office added
acl edge added
mirror watch added
route 10.9.0.0/16 added" "$OUT"
up a b c
pings b 10.1.0.2
wait_for 10 "a ping between the networks" answers_ping a 10.1.0.1
refuses_ping() { ! answers_ping "$@"; }
wait_for 10 "the list" refuses_ping a 10.1.0.2
expect_match "what drops it" denied "$(ctl drops)"
for list in "port show b" "network list" "acl list edge" "mirror list" "address-set list" "route list 10.9.0.0/16"; do
    # shellcheck disable=SC2086
    expect_match "origin in $list" added "$(COLUMNS=250 ctl $list)"
done
ctl config show >"$TMP/shown.yaml"
expect "added objects in config show" 7 "$(grep -c '# added' "$TMP/shown.yaml")"
expect_status 0 "$SLUICED" --check "$TMP/shown.yaml"

# A reload governs what the file declares, and only that.
expect_status 0 ctl config diff
expect_match "diff with the same file" "no differences" "$OUT"
expect_status 0 ctl config reload
pings b 10.1.0.2

# Changed in place: the set's addresses, the list's rules, and a port that keeps its link.
expect_status 0 ctl address-set set office 'addresses=[10.0.0.16/28]'
expect_status 0 ctl acl set edge 'rules=[{permit: {proto: icmp}}, {deny: {from: office}}]'
wait_for 10 "a ping that the list lets through" answers_ping a 10.1.0.2
ifindex() { ip -n "$P$1" -j link show eth0 | jq '.[0].ifindex'; }
mtu() { ip -n "$P$1" -j link show eth0 | jq '.[0].mtu'; }
steady b 10.1.0.2 0.005
index=$(ifindex c)
expect_status 0 ctl port set c mtu=1400 split-horizon=g
expect_match "what port set tells" "port c changed: .*mtu: 1500 -> 1400.*flows decided anew" "$OUT"
expect_match "its state" "port c: up" "$OUT"
expect "MTU in the container" 1400 "$(mtu c)"
expect_status 0 ctl port set c mtu=null split-horizon=null
expect "MTU in the container" 1500 "$(mtu c)"
expect "its interface" "$index" "$(ifindex c)"
expect "how often it went down" 0 "$(query '.port."times-down"' port show c)"
no_loss
expect_status 1 ctl port set a mtu=1400
expect_match "a port of the file" "port a is declared in $CONFIG:5:9: change it there" "$OUT"

# A command takes nothing out of force but what it names.
expect_status 1 ctl network delete red
expect_match "who needs the network" "port b .added. would wait: network: there is no network .red" "$OUT"
expect_status 1 ctl port delete c
expect_match "who names the port" "acl edge .added. would wait: apply.0..port: there is no port .c" "$OUT"
expect_status 1 ctl network delete blue
expect_match "a network of the file" "network blue is declared in $CONFIG:4:12: remove it there" "$OUT"
pings b 10.1.0.2

# All of it survives, however the switch ends.
kill_9
start
up a b c
pings b 10.1.0.2
wait_for 10 "a ping between the networks" answers_ping a 10.1.0.2
expect "the interface of c" "$index" "$(ifindex c)"
stop
start
up a b c
pings b 10.1.0.2
expect "the list's rules" 3 "$(query '.acls[0].rules | length' acl list edge)"
expect "the added route" 1 "$(query '[.routes[] | select(.origin == "added")] | length' route list 10.9.0.0/16)"

# An ACL that can't be read any more lets nothing through where it is applied, and is put right in place.
kill_9
jq '(.acls[] | select(.name == "edge") | .rules[0]) += {colour: 3}' "$STATE" >"$TMP/edited"
mv "$TMP/edited" "$STATE"
expect_status 0 "$SLUICED" --check "$CONFIG"
expect_match "what --check tells" "acl edge.*would wait: rules.0.*colour.*everything is denied at ingress of port c" "$OUT"
start
up a b c
no_ping a 10.1.0.2
expect_match "acl list" "edge: it waits, rules.0.*; until it is in force, everything is denied at ingress of port c" \
    "$(ctl acl list edge)"
expect "what it has denied" true "$(query '.acls[0] | .state == "waiting" and .rules[0].hits > 0 | tostring' acl list edge)"
expect_status 0 ctl acl set edge 'rules=[{permit: {proto: icmp}}, {deny: {from: office}}]'
wait_for 10 "a ping that the list lets through" answers_ping a 10.1.0.2

# Where the file takes away what they need, they wait with the reason, and come back.
config <<<"networks: [{name: red, subnets: [10.5.0.0/24]}]
ports: [{name: a, netns: ${P}a}]"
expect_status 0 ctl config check
expect_match "config check" "network red, which was added while running, would wait: name: $CONFIG:4:12 declares" "$OUT"
expect_match "config check" "acl edge, which was added while running, would wait: apply.0..port: there is no" "$OUT"
expect_status 0 ctl config reload
expect_status 0 ctl mirror set watch filter=icmp
expect_match "set of what waits" "mirror watch changed: it waits: from.0.: there is no port .c" "$OUT"
expect_status 0 ctl config diff
expect_match "diff with the same file" "no differences" "$OUT"
expect_match "who waits, in config diff" "network red, which was added while running, would wait: name:" "$OUT"
expect "who waits" "acl edge, mirror watch, network red" \
    "$(query '[.waiting[].object] | sort | join(", ")' status)"
expect_match "acl list" "edge: it waits, apply.0..port: there is no port .c" "$(ctl acl list)"
config <<<"$blue"
expect_status 0 ctl config reload
up a b c
wait_for 10 "a ping as before" answers_ping a 10.1.0.2

# It goes as it came, from standard input too; names are enough.
expect_status 1 ctl delete -f - <<<"networks: [{name: red}, {name: green}]"
expect_match "what isn't there" "networks.1..name .standard input:1:32.: there is no network green" "$OUT"
expect_status 0 ctl delete -f "$TMP/red.yaml"
expect_match "what delete tells" "network red deleted" "$OUT"
expect "what is in force" "$shown" "$(ctl config show)"
expect "the state" '{"ports":[],"version":1}' "$(jq -cS . "$STATE")"
expect "added routes" 0 "$(query '[.routes[] | select(.origin == "added")] | length' route list)"
if ip -n "${P}b" link show eth0 2>/dev/null; then fail "b's interface was left behind"; fi

# One by one.
expect_status 0 ctl network add green 'subnets=[10.2.0.0/24]'
expect "what network add tells" "network green added" "$OUT"
expect_status 0 ctl port add d "netns=${P}d" network=green address=10.2.0.1 --wait
expect_status 0 ctl acl add shut 'apply={port: d, direction: egress}' 'rules=[{permit: {proto: tcp, port: 80}}]'
expect_status 0 ctl port add eye host=true interface=eye0 --wait
expect_status 0 ctl mirror add look 'from=[d]' to=eye filter=icmp
expect_match "mirror list" "look .*icmp.*added" "$(COLUMNS=250 ctl mirror list)"
expect_status 1 ctl mirror add more 'from=[nobody]' to=eye
expect_match "a port that isn't there" "from.0.: there is no port .nobody" "$OUT"
for object in "mirror delete look" "acl delete shut" "port delete d" "port delete eye" "network delete green"; do
    # shellcheck disable=SC2086
    expect_status 0 ctl $object
done
expect "what is in force" "$shown" "$(ctl config show)"
