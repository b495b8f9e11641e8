#!/bin/bash
# Kubernetes objects that are applied, listed and deleted while the switch runs: between real containers, under a
# running transfer, over a restart and a crash.
. "$(dirname "$0")/_init.sh"
need python3 iperf3

netns web api late
config <<END
networks: [{name: apps, subnets: [10.0.0.0/24]}]
ports:
  - {name: web, netns: ${P}web, network: apps, address: [10.0.0.1], pod: shop/web}
  - {name: api, netns: ${P}api, network: apps, address: [10.0.0.2], pod: shop/api}
manifests: [fixed.yaml]
END
cat >"$TMP/fixed.yaml" <<END
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
END
pod() { # NAME LABELS
    cat <<END
---
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: shop, labels: {$2}}
spec:
  containers:
  - {name: c, image: example/c, ports: [{name: http, containerPort: 8080}], env: [{name: A, value: "1"}]}
END
}
policy() { # APP: who may come
    cat <<END
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: $1}}}]
    ports: [{port: http}]
END
}
start
up web api
spawn api iperf3 -s -p 8080
wait_for 10 "a server" listens api 8080
greet api 9090
says() { # WORDS: the mistake of a command that failed
    grep -q "$1" "$TMP/mistakes" || { cat "$TMP/mistakes"; fail "no mistake says: $1"; }
}
refused() { # COMMAND...
    if ctl "$@" >"$TMP/out" 2>"$TMP/mistakes"; then cat "$TMP/out"; fail "it was not refused: $*"; fi
}

# Everything that is wrong is told at once, with its place, and nothing of it is in force.
{ pod web "app: web"; policy web | sed 's/Policy$/Polcy/'; pod api "app: a/b"; } >"$TMP/wrong.yaml"
refused apply -f "$TMP/wrong.yaml"
says "kind (.*wrong.yaml:10:7): .*did you mean 'NetworkPolicy'"
says "metadata.labels.*wrong.yaml:20:"
expect "objects after mistakes" "namespace/shop" "$(ctl get -A -o name)"

{ pod web "app: web"; pod api "app: api"; } >"$TMP/pods.yaml"
expect "what a dry run would do" "pod shop/web created (dry run)
pod shop/api created (dry run)" "$(ctl apply -f "$TMP/pods.yaml" --dry-run)"
expect "objects after a dry run" "namespace/shop" "$(ctl get -A -o name)"
expect "what is applied" "pod shop/web created
pod shop/api created" "$(ctl apply -f - <"$TMP/pods.yaml")"
expect "the same again" "pod shop/web unchanged
pod shop/api unchanged" "$(ctl apply -f - <"$TMP/pods.yaml")"

# Under a running transfer: a policy that permits it, one that refuses it, one that permits it again.
spawn web iperf3 -c 10.0.0.2 -p 8080 -t 600 >"$TMP/iperf"
sent() { query .port.tx.packets port show api; }
moves() {
    local before
    before=$(sent)
    sleep 0.3
    (($(sent) > before + 100))
}
stands() {
    local before
    before=$(sent)
    sleep 1
    (($(sent) < before + 20))
}
wait_for 20 "a transfer" moves
policy web >"$TMP/policy.yaml"
expect "a policy" "networkpolicy shop/api created" "$(ctl apply -f "$TMP/policy.yaml")"
wait_for 20 "a transfer that the policy permits" moves
expect "what the policy refuses" "timed out" "$(asks web 10.0.0.2 9090 1)"
expect "a policy for somebody else" "networkpolicy shop/api configured
warning: spec.ingress[0].from[0] (standard input:8:5): networkpolicy shop/api: the peer selects no pod" \
    "$(policy nobody | ctl apply -f -)"
wait_for 20 "a transfer that is refused" stands
expect "who refuses it" "shop/api ingress" \
    "$(query '."decided-by"[0].name' trace --from web --to 10.0.0.2 --dport 8080)"
pod web "app: nobody" | ctl apply -f - >/dev/null
wait_for 60 "a transfer whose pod has another label now" moves

# All is there after a restart and after a crash, with its places.
before=$(ctl get -A -o wide)
for how in stop kill_9; do
    $how
    start
    up web api
    expect "the objects after a $how" "$before" "$(ctl get -A -o wide)"
    expect "who may not after a $how" "timed out" "$(asks web 10.0.0.2 9090 1)"
done
expect_match "where a policy stood" "^applied .* from standard input:2:1$" \
    "$(query '.objects[0].origin' get netpol -n shop)"

# Manifests of the configuration govern their own objects.
refused delete namespace shop
says "declared by .*fixed.yaml:1:1"

# What people ask for.
expect "labels that a selector has" web \
    "$(query '.objects[].name' get pods -n shop -l 'app in (nobody, x),!gone')"
expect "what the switch makes nothing of" 1 "$(ctl get pod/web -n shop -o yaml | grep -c 'image: example/c')"
ctl get pods -n shop -o json | jq -e '.kind == "List" and (.items | length) == 2' >/dev/null
ctl get pods -n shop -o yaml >"$TMP/list.yaml"
expect "a list that was got and is applied" 2 "$(ctl apply -f "$TMP/list.yaml" | grep -c unchanged)"
cat >"$TMP/services.yaml" <<'END'
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {type: NodePort, selector: {app: api}, ports: [{port: 80, targetPort: http, nodePort: 30080}]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
END
expect "a Service and a Node" "service shop/api created
node n1 created" "$(ctl apply -f "$TMP/services.yaml")"
expect_match "Services as a table" "^NAME TYPE CLUSTER-IP EXTERNAL-IP PORT\(S\)
api NodePort 10\.96\.[0-9.]+ - 80:30080/TCP$" "$(ctl get svc -n shop | tr -s ' ' | sed 's/ $//')"
expect "a Node's name" "node/n1" "$(ctl get no -o name)"
ctl delete -f "$TMP/services.yaml" >/dev/null
refused get pod nobody -n shop
says "there is no pod shop/nobody"

# A pod that comes with labels which a policy permits, and goes.
ctl delete pod web -n shop
ctl port add late netns="${P}late" network=apps address=[10.0.0.3] pod=shop/late --wait >/dev/null
asks_well() { [[ $(asks "$@" 1) != "timed out" ]]; }
if asks_well late 10.0.0.2 8080; then fail "a pod without its object passes"; fi
pod late "app: nobody" | ctl apply -f - >/dev/null
asks_well late 10.0.0.2 8080 || fail "the new pod doesn't pass"
ctl delete pod/late -n shop
if asks_well late 10.0.0.2 8080; then fail "a deleted pod passes"; fi

# The address of a pod that goes passes to another one, which has nothing of the first.
pod late "app: nobody" | ctl apply -f - >/dev/null
asks_well late 10.0.0.2 8080 || fail "the pod doesn't pass again"
ctl port delete late
netns heir
ctl port add heir netns="${P}heir" network=apps address=[10.0.0.3] pod=shop/heir --wait >/dev/null
pod heir "app: other" | ctl apply -f - >/dev/null
if asks_well heir 10.0.0.2 8080; then fail "a pod passes by the address of another one"; fi
ctl delete pod/late -n shop
pod heir "app: nobody" | ctl apply -f - >/dev/null
asks_well heir 10.0.0.2 8080 || fail "the heir doesn't pass by its own labels"

# Policies are judged without a container, too.
ctl port add void "device='net_null0,no-rx=1'" network=apps address=[10.0.0.9] pod=shop/void >/dev/null
up void
pod void "app: other" | ctl apply -f - >/dev/null
expect "a pod without a container" "drop network-policy shop/api ingress" \
    "$(query '"\(.verdict) \(."decided-by"[0].kind) \(."decided-by"[0].name)"' trace --from shop/void --to shop/api --dport http)"
pod void "app: nobody" | ctl apply -f - >/dev/null
expect "the same with another label" deliver "$(query .verdict trace --from shop/void --to shop/api --dport http)"

# Deleted by the file that made it: names alone will do.
sed 's/http/no_port/' "$TMP/policy.yaml" >"$TMP/gone.yaml"
expect "what is deleted" "networkpolicy shop/api deleted" "$(ctl delete -f "$TMP/gone.yaml")"
refused delete -f "$TMP/gone.yaml"
says "there is no networkpolicy shop/api"
expect "what is not there" "nothing to do" "$(ctl delete -f "$TMP/gone.yaml" --ignore-not-found)"
expect "an open port" hello "$(asks heir 10.0.0.2 9090)"

# A line that a crash has cut off was never in force. It is kept for people to read.
stop
printf '{"time":1,"apply":[{"file":"x' >>"$STATE.objects"
start
up web api
grep -q "state.json.objects:.*cut off" "$LOG" || fail "the log doesn't tell of the cut line"
expect "what such a start has lost" "[]" "$(query '.lost' status)"
policy web | ctl apply -f - >/dev/null
kill_9
start
expect "what was applied behind a cut line" "networkpolicy/api" "$(ctl get netpol -n shop -o name)"

# A policy whose line is damaged allows nothing, and `status` tells of it until the next start.
policy nobody | ctl apply -f - >/dev/null
asks_well heir 10.0.0.2 8080 || fail "the policy doesn't permit"
stop
sed -i 's/"podSelector"/"podSelecter"/' "$STATE.objects"
start
up heir api
if asks_well heir 10.0.0.2 8080; then fail "a damaged policy permits"; fi
ctl status | grep -q "^lost .*NetworkPolicy 'api' of namespace 'shop' allows nothing" || fail "status tells no loss"
policy nobody | ctl apply -f - >/dev/null
asks_well heir 10.0.0.2 8080 || fail "the policy that was applied again doesn't permit"
stop
start
expect "what the next start has lost" "[]" "$(query '.lost' status)"
