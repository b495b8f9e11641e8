#!/bin/bash
# Health checks of Services between real containers: a web server that is killed, that hangs or that answers 503 gets
# no more connections and those of its clients succeed at another; it comes back; a draining one keeps the connection
# that it has. A pod that is isolated by a NetworkPolicy and a container in another network are checked as well.
. "$(dirname "$0")/_init.sh"
need python3

netns web-0 web-1 web-2 client
mkdir "$TMP/manifests"
cat >"$TMP/manifests/isolated.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: example/web}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/32}}, {ipBlock: {cidr: "fd00::1/128"}}]}]
END
write_config() { # [KEYS-OF-WEB-1]
    config <<END
networks:
  - {name: pods, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.254, "fd00::fe"]}
  - {name: far, subnets: [10.1.0.0/24], gateway: [10.1.0.254]}
ports:
  - {name: web-0, netns: ${P}web-0, network: pods, address: [10.0.0.10, "fd00::10"], pod: shop/web-0}
  - {name: web-1, netns: ${P}web-1, network: far, address: [10.1.0.11]}
  - {name: web-2, netns: ${P}web-2, network: pods, address: [10.0.0.12]}
  - {name: client, netns: ${P}client, network: pods, address: [10.0.0.1, "fd00::1"]}
manifests: [manifests]
services:
  - name: shop
    address: [10.96.0.10]
    ports: [{port: 80, to: 8080}]
    backends: [{address: 10.0.0.10}, {address: 10.1.0.11${1:+, $1}}]
    health: {type: http, path: /healthz}
  - name: echo
    address: [10.96.0.11]
    ports: [{port: 7, proto: udp}]
    backends: [{address: 10.0.0.10}]
    health: {port: 8080}
  - name: six
    address: ["fd00:96::a"]
    ports: [{port: 80, to: 8080}]
    backends: [{address: "fd00::10"}]
    health: {}
END
}
write_config

# A web server of a few lines, which says its name. The status that it answers checks with is in a file.
serve_web() { # NAME
    echo 200 >"$TMP/$1.health"
    spawn "$1" python3 -c 'import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status = int(open(sys.argv[2]).read()) if self.path == "/healthz" else 200
        body = sys.argv[1].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
Server(("::", 8080), Handler).serve_forever()' "$1" "$TMP/$1.health" 2>/dev/null
    wait_for 20 "a web server in $1" listens "$1" 8080
}
# Who answers so many connections: "web-0 web-1"
seen() { # ADDRESS COUNT
    at client python3 -c 'import sys, urllib.request
seen = set()
for _ in range(int(sys.argv[2])):
    try:
        seen.add(urllib.request.urlopen("http://%s/" % sys.argv[1], timeout=10).read().decode())
    except OSError as error:
        seen.add(str(getattr(error, "reason", error)))
print(*sorted(seen))' "$@"
}
refused="[Errno 111] Connection refused"
backend() { # SERVICE ADDRESS KEY
    query ".services[0].backends[] | select(.address == \"$2\").$3" service show "$1"
}
is_backend() { [[ $(backend "$1" "$2" "$3") == "$4" ]]; }
state_is() { wait_for 20 "$2 of $1 to be $3" is_backend "$1" "$2" state "$3"; }

serve_web web-0
WEB_0=$PID
serve_web web-1
WEB_1=$PID
start
up web-0 web-1 web-2 client
state_is shop 10.0.0.10 serving
state_is shop 10.1.0.11 serving
expect "who answers" "web-0 web-1" "$(seen 10.96.0.10 40)"
expect "who answers over IPv6" "web-0" "$(seen "[fd00:96::a]" 3)"

# Killed: out of rotation as soon as its failure is known. From then on each connection succeeds.
crash "$WEB_1"
state_is shop 10.1.0.11 failing
expect "why" "connection refused" "$(backend shop 10.1.0.11 reason)"
expect "who answers without web-1" "web-0" "$(seen 10.96.0.10 40)"
grep -q "service shop: back end 10.1.0.11:8080 fails its checks: connection refused" "$LOG" || fail "not in the log"
serve_web web-1
WEB_1=$PID
state_is shop 10.1.0.11 serving
expect "who answers again" "web-0 web-1" "$(seen 10.96.0.10 40)"
grep -q "service shop: back end 10.1.0.11:8080 passes its checks again" "$LOG" || fail "not in the log"

# How long that takes, for people.
crash "$WEB_1"
BEGAN=$(milliseconds)
until [[ $(backend shop 10.1.0.11 state) == failing ]]; do sleep 0.01; done
echo "out of rotation after $(($(milliseconds) - BEGAN)) ms"

# It says so itself, by another status.
serve_web web-1
WEB_1=$PID
state_is shop 10.1.0.11 serving
echo 503 >"$TMP/web-1.health"
state_is shop 10.1.0.11 failing
expect "why" "HTTP 503" "$(backend shop 10.1.0.11 reason)"
expect "who answers without web-1" "web-0" "$(seen 10.96.0.10 40)"

# A process that hangs accepts connections and answers none.
kill -STOP "$WEB_0"
state_is shop 10.0.0.10 failing
expect "why" "timeout" "$(backend shop 10.0.0.10 reason)"
expect "a Service without back ends" "$refused" "$(seen 10.96.0.10 1)"
expect_match "why" "all back ends fail their health checks \(10.0.0.10: timeout, 10.1.0.11: HTTP 503\)" \
    "$(query '.services[0].reason' service show shop)"
kill -CONT "$WEB_0"
echo 200 >"$TMP/web-1.health"
state_is shop 10.0.0.10 serving
state_is shop 10.1.0.11 serving
expect "who answers then" "web-0 web-1" "$(seen 10.96.0.10 40)"

# UDP, checked by the TCP port. What answers the checks does not leave the namespace.
expect "the check of UDP" serving "$(backend echo 10.0.0.10 state)"
ip -n "${P}web-0" route add blackhole 10.0.0.254/32
state_is echo 10.0.0.10 failing
ip -n "${P}web-0" route del blackhole 10.0.0.254/32
state_is echo 10.0.0.10 serving
state_is shop 10.0.0.10 serving

# A draining back end keeps the connection that it has, and gets no other.
holds() { # a connection that asks whenever there is a line in the pipe, and writes who has answered
    mkfifo "$TMP/ask"
    spawn client python3 -c 'import http.client, sys
with open(sys.argv[1]) as ask, open(sys.argv[2], "w", buffering=1) as told:
    while True:
        connection = http.client.HTTPConnection("10.96.0.10", 80, timeout=10)
        connection.request("GET", "/")
        if connection.getresponse().read() == b"web-1": break
        connection.close()
    print("connected", file=told)
    for _ in ask:
        connection.request("GET", "/")
        print(connection.getresponse().read().decode(), file=told)' "$TMP/ask" "$TMP/told"
    HOLDER=$PID
    exec 8>"$TMP/ask"
    wait_for 20 "a connection to web-1" grep -q connected "$TMP/told"
}
has_told() { [[ $(grep -c web-1 "$TMP/told") == "$1" ]]; }
holds
expect "what is said of drain" "service shop: back end 10.1.0.11 gets no new connections" \
    "$(ctl service drain shop 10.1.0.11)"
expect "its state" draining "$(backend shop 10.1.0.11 state)"
expect "who answers new connections" "web-0" "$(seen 10.96.0.10 40)"
echo >&8
wait_for 20 "an answer by the connection that was there" has_told 1
expect_that "the connections that are left" "$(backend shop 10.1.0.11 connections) >= 1"
# It outlives a reload that leaves the Service alone.
echo "publish: [{address: 10.0.0.254, port: 9, to: 10.0.0.12:9}]" >>"$CONFIG"
ctl config reload >/dev/null
expect "its state after a reload" draining "$(backend shop 10.1.0.11 state)"
echo >&8
wait_for 20 "an answer after a reload" has_told 2
expect "what is said of undrain" "service shop: back end 10.1.0.11 gets new connections again" \
    "$(ctl service undrain shop 10.1.0.11)"
expect "who answers after that" "web-0 web-1" "$(seen 10.96.0.10 40)"
# In the file.
write_config "drain: true"
ctl config reload >/dev/null
expect "its state by the file" draining "$(backend shop 10.1.0.11 state)"
expect "who answers new connections" "web-0" "$(seen 10.96.0.10 40)"
expect_status 1 ctl service undrain shop 10.1.0.11
expect_match "why not" "says .drain: true." "$OUT"
echo >&8
wait_for 20 "an answer while it drains" has_told 3
exec 8>&-
finish "$HOLDER" 20 "the connection"
expect_status 1 ctl service drain shop 10.0.0.77
expect_match "why not" "service shop has no back end 10.0.0.77" "$OUT"
expect_status 1 ctl service drain shoe 10.0.0.10

no_checksum_errors client web-0 web-1
# The checks go on and have packets under way: without them all are accounted for.
config <<END
networks: [{name: pods}]
ports: [{name: client, netns: ${P}client, network: pods}]
END
ctl config reload >/dev/null
wait_for 20 "all packets to be accounted for" balanced
