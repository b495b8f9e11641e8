#!/bin/bash
# Node ports of Services that span hosts: a client outside of host 1 reaches pods at host 2, to which only a VXLAN
# tunnel leads, and host 1 answers health checks of a load balancer.
. "$(dirname "$0")/_init.sh"
need python3 curl

netns under h1 h2 world web-1 web-2 client
for i in 1 2; do
    mkdir "$TMP/manifests$i"
    on h$i config <<END
node: worker-$i
memory: {size: 96 MiB, buffers: 8192}
networks:
  - name: pods
    subnets: [10.0.1.0/24, "fd00:1::/64"]
    gateway: [10.0.1.254, "fd00:1::fe"]
    vxlan: {vni: 100, remotes: [198.51.100.$((3 - i))]}
$( ((i == 2)) || echo '  - {name: out, subnets: [192.0.2.0/24, "2001:db8::/64"], gateway: [192.0.2.1, "2001:db8::1"]}')
underlay: {port: uplink, address: [198.51.100.$i/24]}
ports:
  - {name: uplink, netns: ${P}under, interface: uplink$i}
  - {name: node, host: true, network: pods, address: [10.0.1.20$i, "fd00:1::20$i"]}
  - {name: web-$i, netns: ${P}web-$i, network: pods, address: [10.0.1.1$i, "fd00:1::1$i"], pod: shop/web-$i}
$( ((i == 2)) || echo "  - {name: client, netns: ${P}client, network: pods, address: [10.0.1.1, 'fd00:1::1'], pod: shop/client}")
$( ((i == 2)) || echo "  - {name: world, netns: ${P}world, network: out, address: [192.0.2.80, '2001:db8::80']}")
publish: [{port: 8081, to: "web-$i:8080"}]
manifests: [manifests$i]
END
    # Both know both pods, as a cluster would tell them.
    cat >"$TMP/manifests$i/shop.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {nodeName: worker-1, containers: [{name: sh, image: example/sh}]}
$(for pod in 1 2; do
    echo "---"
    echo "apiVersion: v1"
    echo "kind: Pod"
    echo "metadata: {name: web-$pod, namespace: shop, labels: {app: web-$pod}}"
    echo "spec: {nodeName: worker-$pod, containers: [{name: web, image: example/web}]}"
    echo "status: {podIP: 10.0.1.1$pod, podIPs: [{ip: 10.0.1.1$pod}, {ip: \"fd00:1::1$pod\"}]}"
done)
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: shop}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  clusterIPs: [10.96.0.10, "fd00:96::a"]
  clusterIP: 10.96.0.10
  selector: {app: web-2}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
$(for pod in 1 2; do
    cat <<SERVICE
---
apiVersion: v1
kind: Service
metadata: {name: lb-$pod, namespace: shop}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 3100$pod
  clusterIP: 10.96.0.2$pod
  selector: {app: web-$pod}
  ports: [{port: 80, targetPort: 8080, nodePort: 3200$pod}]
SERVICE
done)
END
done
for i in 1 2; do on h$i start; done
ip -n "${P}under" link add br0 type bridge
ip -n "${P}under" link set br0 up
for i in 1 2; do
    on h$i up uplink node web-$i
    ip -n "${P}under" link set uplink$i master br0
done
on h1 up world client
wait_for 20 "the way to host 2" answers_ping client 10.0.1.12

# Says who is asked, and by whom: "web-2 10.0.1.201".
for i in 1 2; do
    spawn web-$i python3 -c 'import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((sys.argv[1] + " " + self.client_address[0].removeprefix("::ffff:")).encode())
    def log_message(self, *_): pass
Server(("::", 8080), Handler).serve_forever()' web-$i
    wait_for 20 "a web server in web-$i" listens web-$i 8080
done
get() { at "$1" curl -sS --max-time 15 "http://$2/" 2>&1; } # FROM ADDRESS:PORT

expect "the client outside" "web-2 10.0.1.201" "$(get world 192.0.2.1:30080)"
expect "the client outside, over IPv6" "web-2 fd00:1::201" "$(get world "[2001:db8::1]:30080")"
for _ in 1 2 3 4 5; do expect "it again" "web-2 10.0.1.201" "$(get world 192.0.2.1:30080)"; done
expect "a pod at the node port" "web-2 10.0.1.1" "$(get client 192.0.2.1:30080)"
expect "a pod at the cluster IP" "web-2 10.0.1.1" "$(get client 10.96.0.10)"

# The host itself, which has a port of its own: at the gateway's address.
expect "the host at the node port" "web-2 10.0.1.201" "$(get h1 10.0.1.254:30080)"
expect "the host at a published port" "web-1 10.0.1.201" "$(get h1 10.0.1.254:8081)"
expect_match "the host at its own address" "Failed to connect|refused" "$(get h1 10.0.1.201:30080 || true)"

expect_match "the flow" "192.0.2.80:[0-9]+ +192.0.2.1:30080 +10.0.1.201:[0-9]+ -> 10.0.1.12:8080" \
    "$(on h1 ctl flow list)"
expect_match "service show" "clients outside, for back ends at other hosts: 10.0.1.201, fd00:1::201 in network pods" \
    "$(on h1 ctl service show shop/far)"
expect_match "trace" "10.0.1.201" \
    "$(on h1 ctl trace --from world --to 192.0.2.1 --dport 30080)"

# Health checks of a load balancer: host 1 has a pod of one Service, and none of the other.
check() { at "$1" curl -sS --max-time 15 -o "$TMP/check" -w '%{http_code}' "http://$2/healthz"; } # FROM ADDRESS:PORT
is_checked() { [[ $(check "$1" "$2") == "$3" ]]; }
wait_for 10 "health checks" is_checked client 10.0.1.201:31001 200
expect "the answer" '{"service":{"namespace":"shop","name":"lb-1"},"localEndpoints":1,"serviceProxyHealthy":true}' \
    "$(jq -c . "$TMP/check")"
expect "the Service without a pod here" 503 "$(check client 10.0.1.201:31002)"
expect "its answer" 0 "$(jq .localEndpoints "$TMP/check")"
expect "host 2, over IPv6" 200 "$(check web-1 "[fd00:1::202]:31002")"
expect "the host itself" 200 "$(check h1 127.0.0.1:31001)"
expect_match "service show" "health checks at port 31001" "$(on h1 ctl service show shop/lb-1)"
cat >"$TMP/other.yaml" <<END
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 31003
  selector: {app: web-1}
  ports: [{port: 80}]
END
greet h1 31003
on h1 ctl apply -f "$TMP/other.yaml" >/dev/null
says_in_use() { [[ $(on h1 ctl service show shop/other) == *"31003: not answered, Address already in use"* ]]; }
wait_for 10 "the trouble with the port" says_in_use
logs_in_use() { grep -q "shop/other: port 31003 for health checks can't be bound: Address already in use" "$TMP/h1.log"; }
wait_for 10 "the same in the log" logs_in_use
on h1 ctl delete service other -n shop >/dev/null

no_checksum_errors world client web-1 web-2
for i in 1 2; do wait_for 20 "balanced books" on h$i balanced; done
