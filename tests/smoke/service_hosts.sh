#!/bin/bash
# Client, Service, NetworkPolicy and VXLAN together: a client's pod on one host, the Service's pods on another, and
# policies for both. The client's host balances and translates, and each host applies the policies of its own pods and
# says which of them decided.
. "$(dirname "$0")/_init.sh"
need python3

# Both hosts are told the same objects, as a cluster's are.
pod() { # NAME APP ADDRESS
    echo "- {apiVersion: v1, kind: Pod, metadata: {name: $1, namespace: shop, labels: {app: $2}}," \
        "spec: {containers: [{name: c, image: example/c, ports: [{name: http, containerPort: 8080}]}]}," \
        "status: {podIP: $3, podIPs: [{ip: $3}], conditions: [{type: Ready, status: 'True'}]}}"
}
cat >"$TMP/objects.yaml" <<END
apiVersion: v1
kind: List
items:
$(pod client shopper 10.0.0.1)
$(pod stranger stranger 10.0.0.2)
$(pod web-1 web 10.0.0.11)
$(pod web-2 web 10.0.0.12)
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop}
  spec: {clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: web-in, namespace: shop}
  spec:
    podSelector: {matchLabels: {app: web}}
    policyTypes: [Ingress]
    ingress: [{from: [{podSelector: {matchLabels: {app: shopper}}}], ports: [{port: http}]}]
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: shopper-out, namespace: shop}
  spec:
    podSelector: {matchLabels: {app: shopper}}
    policyTypes: [Egress]
    egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]
END
write_config() { # HOST-NUMBER
    on "h$1" config <<END
memory: {size: 96 MiB, buffers: 8192}
networks:
  - {name: pods, subnets: [10.0.0.0/24], gateway: 10.0.0.254, vxlan: {vni: 100, remotes: [192.0.2.$((3 - $1))]}}
underlay: {port: uplink, address: [192.0.2.$1/24]}
manifests: [objects.yaml]
ports:
  - {name: uplink, netns: ${P}under, interface: uplink$1}
$(cat)
END
}
port() { echo "  - {name: $1, netns: ${P}$1, network: pods, address: [$2], pod: shop/$1}"; }

netns under h1 h2 client stranger web-1 web-2
{ port client 10.0.0.1; port stranger 10.0.0.2; } | write_config 1
{ port web-1 10.0.0.11; port web-2 10.0.0.12; } | write_config 2
for i in 1 2; do on h$i start; done
on h1 up uplink client stranger
on h2 up uplink web-1 web-2
ip -n "${P}under" link add br0 type bridge
ip -n "${P}under" link set br0 up
for i in 1 2; do ip -n "${P}under" link set uplink$i master br0; done

for name in web-1 web-2; do
    spawn $name python3 -c 'import socket, sys
server = socket.create_server(("", 8080))
while True:
    client, address = server.accept()
    client.sendall(f"{sys.argv[1]} {address[0]}".encode())
    client.close()' $name
    wait_for 20 "a server in $name" listens $name 8080
done
greeted() { [[ $(asks client 10.96.0.80 80 2) == web-* ]]; }
wait_for 20 "the Service over the tunnel" greeted

# The back ends see the client itself, and both are chosen.
seen=$(for _ in {1..30}; do asks client 10.96.0.80 80; done | sort -u | paste -sd,)
expect "who answers, and whom it sees" "web-1 10.0.0.1,web-2 10.0.0.1" "$seen"

# Whom no rule lets in is refused by the other host, and what no rule lets out by this one.
denied() { # HOST PORT
    on "$1" ctl --json drops | jq --arg port "$2" \
        '[.drops[] | select(.reason == "denied" and .port == $port) | .packets] | add // 0'
}
expect "the stranger" "timed out" "$(asks stranger 10.96.0.80 80 1)"
expect_that "the stranger's drops on host 2" "$(denied h2 "tunnel 192.0.2.1") > 0"
expect "the stranger's drops on host 1" 0 "$(denied h1 stranger)"
before=$(denied h1 client)
expect "the client at another port" "timed out" "$(asks client 10.0.0.11 8081 1)"
expect_that "the client's drops on host 1" "$(denied h1 client) > $before"

# What each host says of it.
trace=$(on h1 ctl trace --from shop/client --to 10.96.0.80 --proto tcp --dport 80)
for step in "shop/web" "10.0.0.1[12]" "shop/shopper-out" "into tunnel 192.0.2.2"; do
    expect_match "the trace of host 1" "$step" "$trace"
done
trace=$(on h1 ctl trace --from shop/client --to 10.0.0.11 --proto tcp --dport 8081)
expect_match "the trace of what may not leave" "drop: denied, decided by network-policy shop/shopper-out" "$trace"
expect_match "why host 2 refused the stranger" "shop/web-in" "$(on h2 ctl drops --last --reason denied)"

for i in 1 2; do wait_for 20 "balanced books" on h$i balanced; done
