#!/bin/bash
# Kubernetes Services between real containers, from manifests as in Kubernetes' tutorials: connections are spread over
# the pods, one that is not ready gets none, a client keeps its pod, all pods are replaced under load without a failed
# request, and a NodePort leads in from outside.
. "$(dirname "$0")/_init.sh"
need python3

netns web-0 web-1 web-2 web-3 web-4 web-5 client world
mkdir "$TMP/manifests"
config <<END
node: worker-1
networks:
  - {name: pods, subnets: [10.0.0.0/24], gateway: 10.0.0.254}
  - {name: out, subnets: [192.0.2.0/24], gateway: 192.0.2.1}
ports:
$(for i in 0 1 2 3 4 5; do
    echo "  - {name: web-$i, netns: ${P}web-$i, network: pods, address: [10.0.0.1$i], pod: shop/web-$i}"
done)
  - {name: client, netns: ${P}client, network: pods, address: [10.0.0.1], pod: shop/client}
  - {name: world, netns: ${P}world, network: out, address: [192.0.2.80]}
manifests: [manifests]
END
cat >"$TMP/manifests/client.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {containers: [{name: sh, image: example/sh}]}
END
pod() { # NAME [STATUS [METADATA]]
    cat <<END
---
apiVersion: v1
kind: Pod
metadata:
  name: $1
  namespace: shop
  labels:
    app.kubernetes.io/name: web
  ${3-}
spec:
  containers:
  - name: nginx
    image: nginx:stable
    ports:
    - containerPort: 8080
      name: http-web-svc
status:
  conditions:
  - type: Ready
    status: "${2-True}"
END
}
service() { # [MORE]
    cat <<END
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector:
    app.kubernetes.io/name: web
  ports:
  - name: name-of-service-port
    protocol: TCP
    port: 80
    targetPort: http-web-svc
  ${1-}
END
}
apply() { ctl apply -f - >"$TMP/applied" 2>&1 || { cat "$TMP/applied"; fail "apply"; }; }
start
up web-0 web-1 web-2 client world

# A web server of a few lines: each request gets the pod's name.
serve_web() { # POD
    spawn "$1" python3 -c 'import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()' "$1"
    wait_for 20 "a web server in $1" listens "$1" 8080
}
for i in 0 1 2 3 4 5; do serve_web "web-$i"; done
# Who answers so many requests: "web-0 web-1"
seen() { # FROM ADDRESS PORT COUNT
    at "$1" python3 -c 'import sys, urllib.request
seen = set()
for _ in range(int(sys.argv[3])):
    try:
        seen.add(urllib.request.urlopen("http://%s:%s/" % tuple(sys.argv[1:3]), timeout=10).read().decode())
    except OSError as error:
        seen.add(str(getattr(error, "reason", error)))
print(*sorted(seen))' "${@:2}"
}
refused="[Errno 111] Connection refused"

# A Service before its pods: its selector matches none, and connections are refused at once.
service | apply
grep -q "no pod matches the selector app.kubernetes.io/name=web" "$TMP/applied" || fail "no warning: $(cat "$TMP/applied")"
ip=$(query '.objects[0]."cluster-ips"[0]' get service web -n shop)
expect_match "the chosen address" '^10\.96\.' "$ip"
expect "a Service without pods" "$refused" "$(seen client "$ip" 80 1)"
expect "why" "no pod matches the selector app.kubernetes.io/name=web" \
    "$(query '.service.ports[0].reason' service show shop/web)"

# Three pods: requests are spread over them.
{ pod web-0; pod web-1; pod web-2; } | apply
expect "who answers" "web-0 web-1 web-2" "$(seen client "$ip" 80 40)"
pings client "$ip"
expect "another port" "$refused" "$(seen client "$ip" 81 1)"
expect "the endpoints" "ready ready ready" \
    "$(query '[.service.ports[0].endpoints[].state] | join(" ")' service show shop/web)"
expect_match "the variables" "WEB_SERVICE_HOST=$ip
WEB_SERVICE_PORT=80
WEB_SERVICE_PORT_NAME_OF_SERVICE_PORT=80
WEB_PORT=tcp://$ip:80
WEB_PORT_80_TCP=tcp://$ip:80" "$(ctl service env shop/client)"

# One that is not ready leaves the rotation, and comes back.
pod web-1 False | apply
expect "who answers without web-1" "web-0 web-2" "$(seen client "$ip" 80 40)"
expect "its state" "not ready" \
    "$(query '.service.ports[0].endpoints[] | select(.pod == "shop/web-1").state' service show shop/web)"
pod web-1 | apply
expect "who answers again" "web-0 web-1 web-2" "$(seen client "$ip" 80 40)"

# A client keeps its pod.
service "sessionAffinity: ClientIP" | apply
expect "how many answer with affinity" 1 "$(seen client "$ip" 80 20 | wc -w)"
expect "the address stays" "$ip" "$(query '.objects[0]."cluster-ips"[0]' get service web -n shop)"
service | apply

# All three are replaced while a client asks in a loop: none of its requests fails.
up web-3 web-4 web-5
spawn client python3 -c 'import signal, sys, urllib.request
is_over = False
def end(*_):
    global is_over
    is_over = True
signal.signal(signal.SIGTERM, end)
with open(sys.argv[2], "wb", buffering=0) as done:
    while not is_over:
        urllib.request.urlopen(sys.argv[1], timeout=10).read()
        done.write(b".")' "http://$ip/" "$TMP/requests"
LOAD=$PID
requests() { stat -c %s "$TMP/requests" 2>/dev/null || echo 0; }
has_asked() { (($(requests) >= $1)); }
more_requests() { wait_for 30 "more requests" has_asked $(($(requests) + 20)); }
# Connections that a pod still has.
is_idle() { [[ -z $(at "$1" ss -Htan "sport = :8080" | grep -Ev "LISTEN|TIME-WAIT") ]]; }
more_requests
for i in 0 1 2; do
    pod "web-$((i + 3))" | apply
    pod "web-$i" True 'deletionTimestamp: "2026-01-01T00:00:00Z"' | apply
    expect "who is terminating" "terminating, serving" \
        "$(query ".service.ports[0].endpoints[] | select(.pod == \"shop/web-$i\").state" service show shop/web)"
    more_requests
    wait_for 30 "the last request of web-$i" is_idle "web-$i"
    ctl delete pod "web-$i" -n shop >/dev/null
done
more_requests
kill -TERM "$LOAD"
finish "$LOAD" 20 "the requests in a loop"
expect "who answers after the replacement" "web-3 web-4 web-5" "$(seen client "$ip" 80 40)"

# Deleted, and made again: it gets the same address.
ctl delete service web -n shop >/dev/null
expect "the Services that are left" 0 "$(query '.services | length' service list)"
service "type: NodePort" | apply
expect "the address again" "$ip" "$(query '.objects[0]."cluster-ips"[0]' get service web -n shop)"
expect "who answers then" "web-3 web-4 web-5" "$(seen client "$ip" 80 40)"

# From outside by the node port, at the gateway's address and at the Node's.
port=$(query '.objects[0].ports[0]' get service web -n shop | sed 's/.*:\(.*\)\/.*/\1/')
expect "who answers from outside" "web-3 web-4 web-5" "$(seen world 192.0.2.1 "$port" 40)"
service | sed "s/name: web/name: other/; s/  selector/  clusterIP: $ip\n  selector/" >"$TMP/other.yaml"
expect_status 1 ctl apply -f "$TMP/other.yaml"
expect_match "why it is refused" "service shop/other: $ip is an address of service shop/web" "$OUT"

# After a restart the same.
stop
start
up web-3 web-4 web-5 client world
expect "the address after a restart" "$ip" "$(query '.objects[0]."cluster-ips"[0]' get service web -n shop)"
expect "who answers after a restart" "web-3 web-4 web-5" "$(seen client "$ip" 80 40)"

no_checksum_errors client web-3 web-4 web-5 world
wait_for 20 "all packets to be accounted for" balanced
