#!/bin/bash
# Pods whose addresses collide or contradict their port, and refusals by several policies: `apply`, the log, `policy
# why` and `trace` say so, and agree.
. "$(dirname "$0")/_init.sh"

config <<END
networks: [{name: apps, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]
ports:
  - {name: api, device: "net_null0,no-rx=1", network: apps, address: [10.0.0.2], pod: shop/api}
  - {name: db, device: "net_null1,no-rx=1", network: apps, address: [10.0.0.3], namespace: shop, labels: {app: db}}
  - {name: plain, device: "net_null2,no-rx=1", network: apps, address: [10.0.0.4]}
  - {name: host0, host: true, network: apps, address: [10.0.0.5]}
END
pod() { # NAME ADDRESS [SPEC]
    cat <<END
---
{apiVersion: v1, kind: Pod, metadata: {name: $1, namespace: shop, labels: {app: $1}}, spec: {containers: [{name: c}]${3-}},
  status: {podIP: $2}}
END
}
policy() { # NAME
    cat <<END
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: $1, namespace: shop},
  spec: {podSelector: {matchLabels: {app: db}}}}
END
}
refused() { # COMMAND...
    if ctl "$@" >"$TMP/out" 2>"$TMP/mistakes"; then cat "$TMP/out"; fail "it was not refused: $*"; fi
}
start
up api db plain host0
grep -q "warning port: api: no manifest declares the Pod shop/api" "$LOG" || fail "no warning of a missing Pod"

# A status that contradicts the port: the port's address counts, everywhere.
expect "a status that contradicts its port" "pod shop/api created
warning: status.podIP (standard input:2:1): pod shop/api: its port api declares 10.0.0.2 and not 10.0.0.99: the port's addresses count" \
    "$(pod api 10.0.0.99 | ctl apply -f -)"
grep -q "warning policy: status.podIP .*the port's addresses count" "$LOG" || fail "the log has no such warning"
expect "the pod's address" 10.0.0.2 "$(query '.objects[0].addresses[0]' get pod api -n shop)"
expect "a trace from it" deliver "$(query .verdict trace --from shop/api --to plain --dport 80)"

# The address of another pod, and of a port without a pod.
expect_match "an address of a port" "pod shop/twice and pod shop/port:db both have the address 10.0.0.3.*at port db" \
    "$(pod twice 10.0.0.3 | ctl apply -f -)"
for command in "policy why shop/twice api" "trace --from shop/twice --to api"; do
    # shellcheck disable=SC2086
    refused $command
    grep -q "isn't found by its address 10.0.0.3: pod shop/port:db has it" "$TMP/mistakes" || fail "$command"
done
expect_match "an address of a port without a pod" "10.0.0.4 is the address of port plain, which has no pod" \
    "$(pod twice 10.0.0.4 | ctl apply -f -)"
refused policy why shop/twice api
grep -q "10.0.0.4: port plain has it" "$TMP/mistakes" || fail "$(cat "$TMP/mistakes")"
ctl delete pod twice -n shop >/dev/null
expect_match "two pods elsewhere" "both have the address 10.9.0.1: it is taken for that of pod shop/two, which came later" \
    "$({ pod one 10.9.0.1; pod two 10.9.0.1; } | ctl apply -f -)"
refused policy why shop/one api
grep -q "pod shop/two has it" "$TMP/mistakes" || fail "$(cat "$TMP/mistakes")"
expect "several names at once" "pod shop/one deleted
pod shop/two deleted" "$(ctl delete pod one two --namespace shop)"

# What the names of pods without an object are.
refused policy show shop/db
grep -q "the pod at port db is shop/port:db" "$TMP/mistakes" || fail "$(cat "$TMP/mistakes")"
expect "a pod by its address" shop/port:db "$(query .pod policy show 10.0.0.3)"
expect "a port without a pod" 10.0.0.5 "$(query .from.address policy why host0 db)"

# A refusal by two policies: each is named, with its own place.
{ policy d1; policy d2; } >"$TMP/two.yaml"
ctl apply -f "$TMP/two.yaml" >/dev/null
ctl trace --from api --to db --dport 80 >"$TMP/trace"
both="network-policy shop/d1 ingress ($TMP/two.yaml:2), network-policy shop/d2 ingress ($TMP/two.yaml:5)"
tail -1 "$TMP/trace" | grep -qF "decided by $both" || fail "$(cat "$TMP/trace")"
grep "^drop " "$TMP/trace" | grep -q "by network-policy shop/d1 ingress (.*:2:1), network-policy shop/d2 ingress (.*:5:1)" ||
    fail "$(cat "$TMP/trace")"
ctl trace --from host0 --to db --dport 80 | grep -q "the policies of shop/port:db aren't asked" ||
    fail "a trace from the host doesn't say why it passes"

# A pod in its host's network.
expect_match "a pod in its host's network" "pod shop/api is in its host's network: policies aren't in force at port api" \
    "$(pod api 10.0.0.2 ", hostNetwork: true" | ctl apply -f -)"

# With a namespace all that is in it is deleted, and kubectl's habits.
expect_match "nothing in a namespace" "no objects in namespace default .-A: of all namespaces" "$(ctl get pods)"
expect "two kinds" "pod/api
networkpolicy/d1
networkpolicy/d2" "$(ctl get pods,netpol --namespace=shop -o name)"
expect "all kinds" 3 "$(ctl get all -n shop -o name | wc -l)"
expect "a dry run" 3 "$(ctl delete ns shop --dry-run=server | grep -c 'dry run')"
expect "a namespace and what is in it" 3 "$(ctl delete namespace shop | grep -c deleted)"
refused apply -f "$CONFIG"
grep -q "sluicectl add -f" "$TMP/mistakes" || fail "$(cat "$TMP/mistakes")"
