#!/bin/bash
# NetworkPolicies of a manifest between real containers: the API is reached by the frontend on 8080 and reaches the
# database on 5432, and nothing else. A changed manifest bites running connections, and every refusal names its
# policies.
. "$(dirname "$0")/_init.sh"
need python3

netns frontend api db stranger
mkdir "$TMP/manifests"
config <<END
networks:
  - {name: apps, subnets: [10.0.0.0/24], gateway: 10.0.0.254}
  - {name: data, subnets: [10.0.1.0/24], gateway: 10.0.1.254}
ports:
  - {name: frontend, netns: ${P}frontend, network: apps, address: [10.0.0.1], pod: shop/frontend-0}
  - {name: api, netns: ${P}api, network: apps, address: [10.0.0.2], namespace: shop, labels: {app: api}}
  - {name: db, netns: ${P}db, network: data, address: [10.0.1.2], namespace: shop, labels: {app: db}}
  - {name: stranger, netns: ${P}stranger, network: apps, address: [10.0.0.3]}
manifests: [manifests]
END
manifest() {
    cat >"$TMP/manifests/shop.yaml"
}
pod() { # LABELS
    cat <<END
apiVersion: v1
kind: Pod
metadata: {name: frontend-0, namespace: shop, labels: {$1}}
spec: {containers: [{name: web, image: example/web}]}
---
END
}
policy() { # PORT
    cat <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: api
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector:
        matchLabels:
          app: frontend
    ports:
    - protocol: TCP
      port: $1
  egress:
  - to:
    - podSelector:
        matchLabels:
          app: db
    ports:
    - port: 5432
END
}
{ pod "app: frontend"; policy 8080; } | manifest
start
up frontend api db stranger

spawn api python3 -c 'import socket, threading
def echo(client):
    client.sendall(b"hello")
    while data := client.recv(10):
        client.sendall(data)
server = socket.create_server(("", 8080))
while True:
    threading.Thread(target=echo, args=server.accept()[:1], daemon=True).start()'
wait_for 10 "a server on 8080" listens api 8080
greet api 9090
greet db 5432 6000
greet stranger 80
expect "the frontend's request" hello "$(asks frontend 10.0.0.2 8080)"
expect "another port" "timed out" "$(asks frontend 10.0.0.2 9090 1)"
expect "somebody else's request" "timed out" "$(asks stranger 10.0.0.2 8080 1)"
expect "the API's request to the database" hello "$(asks api 10.0.1.2 5432)"
expect "another port of the database" "timed out" "$(asks api 10.0.1.2 6000 1)"
expect "the API's request to somebody else" "timed out" "$(asks api 10.0.0.3 80 1)"
expect "others among themselves" hello "$(asks frontend 10.0.1.2 6000)"

# Each refusal names the policies, each passage the rule.
decided_by() { # FROM TO PORT
    ctl trace --json --from "$1" --to "$2" --proto tcp --dport "$3" |
        jq -r '[."decided-by"[] | "\(.kind) \(.name) \(.file | split("/")[-1]):\(.line)"] | join("; ")'
}
expect "who refused the stranger" "network-policy shop/api ingress shop.yaml:6" "$(decided_by stranger 10.0.0.2 8080)"
expect "who refused the API" "network-policy shop/api egress shop.yaml:6" "$(decided_by api 10.0.0.3 80)"
ctl drops --last 50 --json | jq -e '[.drops[] | select(.reason == "denied")] | length > 0' >/dev/null

# Pods are named as such.
expect "what lets the frontend in" "network-policy shop/api ingress rule 0 shop.yaml:17" \
    "$(decided_by shop/frontend-0 shop/port:api 8080)"
expect "what refuses the frontend" "network-policy shop/api ingress shop.yaml:6" \
    "$(decided_by shop/frontend-0 shop/port:api 9090)"
expect_status 1 ctl trace --from shop/frontend-0 --to shop/port:api --dport http
expect_match "a name that a port's own pod hasn't" "its ports have no names" "$OUT"

# What policies say, without a packet.
expect "the policies" "shop/api app=api ingress,egress 1 shop.yaml:6" "$(ctl policy list --json |
    jq -r '.policies[] | "\(.namespace)/\(.name) \(.selects) \(.directions | join(",")) \(.pods) \(.file | split("/")[-1]):\(.line)"')"
ctl policy show shop/port:api >"$TMP/shown"
for line in "pod shop/port:api at port api, 10.0.0.2, labels app=api" \
    "    rule 0: from pods with app=frontend of namespace shop (1 now: shop/frontend-0); TCP 8080" \
    "    rule 0: to pods with app=db of namespace shop (1 now: shop/port:db); TCP 5432"; do
    grep -qxF "$line" "$TMP/shown" || { cat "$TMP/shown"; fail "policy show doesn't say: $line"; }
done
expect "the same by its port" "$(cat "$TMP/shown")" "$(ctl policy show api)"
expect_match "a pod without policies" "ingress: not isolated: everything is permitted" "$(ctl policy show shop/frontend-0)"
why() { # FROM TO PORT
    ctl policy why "$1" "$2" --dport "$3" --json | jq -r '[.allowed, (.egress, .ingress | .text)] | map(tostring) | join("; ")'
}
expect "why the frontend gets in" \
    "true; no policy isolates shop/frontend-0 for egress; shop/api ingress rule 0 permits it" \
    "$(why shop/frontend-0 api 8080)"
expect "why a stranger doesn't" "false; 10.0.0.3 is no pod; no rule of shop/api ingress permits it" \
    "$(why 10.0.0.3 10.0.0.2 8080)"
expect "why the API reaches the database" \
    "true; shop/api egress rule 0 permits it; no policy isolates shop/port:db for ingress" "$(why api shop/port:db 5432)"
expect_match "why, in words" "egress +shop/api egress rule 0 permits it  .network-policy shop/api egress rule 0 .*shop.yaml:" \
    "$(ctl policy why api db --dport 5432)"
expect_status 1 ctl policy why shop/nosuch api
expect_match "an unknown pod" "there is no pod 'shop/nosuch'" "$OUT"

# Nobody has these addresses.
for to in 02:00:00:00:00:99 ff:ff:ff:ff:ff:ff; do ctl trace --json --from stranger --to $to >/dev/null; done

# A connection that stands is decided anew on its next packet when a manifest changes.
spawn frontend python3 -c 'import socket, time
connection = socket.create_connection(("10.0.0.2", 8080), 10)
connection.recv(10)
connection.settimeout(0.2)
while True:
    try:
        connection.sendall(b"x")
        print("answered" if connection.recv(10) else "closed", flush=True)
    except OSError:
        print("silent", flush=True)
    time.sleep(0.05)' >"$TMP/talk"
says_last() { # WORD: three times
    [[ $(tail -n 3 "$TMP/talk" | sort -u) == "$1" && $(wc -l <"$TMP/talk") -gt 3 ]]
}
wait_for 20 "an answer" says_last answered
{ pod "app: other"; policy 8080; } | manifest
ctl config reload
wait_for 20 "silence" says_last silent
expect "a frontend with other labels" "timed out" "$(asks frontend 10.0.0.2 8080 1)"
{ pod "app: frontend"; policy 8080; } | manifest
ctl config reload
wait_for 60 "an answer again" says_last answered
{ pod "app: frontend"; policy 9090; } | manifest
ctl config reload
expect "the port that the policy names now" hello "$(asks frontend 10.0.0.2 9090)"
expect "the port that it named before" "timed out" "$(asks frontend 10.0.0.2 8080 1)"
pod "app: frontend" | manifest
ctl config reload
expect "a request without any policy" hello "$(asks stranger 10.0.0.2 8080)"

# Where the default is to deny, a pod that no policy selects is reached by nobody but its own host.
echo "policy: {default: deny}" >>"$CONFIG"
expect_match "the difference" "policy.*default: allow -> deny" "$(ctl config diff)"
ctl config reload
expect "a request that no policy permits" "timed out" "$(asks frontend 10.0.1.2 6000 1)"
pings api 10.0.0.254
expect "who refuses it" "setting policy.default $(grep -n "^policy:" "$CONFIG" | cut -d: -f1)" \
    "$(ctl trace --json --from api --to 10.0.0.3 | jq -r '."decided-by"[] | "\(.kind) \(.name) \(.line)"')"
expect_match "the default, in words" "egress:  no policy selects it, and policy.default .* denies everything" \
    "$(ctl policy show api)"
ctl config show | grep -q "default: deny" || fail "config show doesn't tell the default"
sed -i '/^policy:/d' "$CONFIG"
ctl config reload
expect "a request when the default permits" hello "$(asks frontend 10.0.1.2 6000)"

# A pipe would keep all others waiting.
mkfifo "$TMP/manifests/pipe.yaml"
if ctl config reload 2>"$TMP/mistake"; then fail "a pipe was read"; fi
grep -q "pipe.yaml" "$TMP/mistake" || { cat "$TMP/mistake"; fail "the mistake doesn't name the pipe"; }
rm "$TMP/manifests/pipe.yaml"

# A mistake changes nothing, and says where it is.
{ pod "app: frontend"; policy no_port; } | manifest
if ctl config reload 2>"$TMP/mistake"; then fail "a manifest with a mistake was accepted"; fi
grep -q "manifests/shop.yaml:23:13" "$TMP/mistake" || { cat "$TMP/mistake"; fail "the mistake has no place"; }
