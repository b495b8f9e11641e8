#!/bin/bash
# Names: the gateways of networks answer DNS queries, by UDP and TCP, IPv4 and IPv6, to real clients (dig, getent,
# busybox), and ask a real server (dnsmasq) for all other names.
. "$(dirname "$0")/_init.sh"
need dig dnsmasq busybox

netns web db far
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.1, "fd00::1"]}
  - {name: red, subnets: [10.0.1.0/24], gateway: [10.0.1.1]}
service-ranges: {cluster-ips: [10.96.0.0/16]}
dns: {upstreams: [127.0.0.1:5300]}
ports:
  - {name: web, netns: ${P}web, network: blue, address: [10.0.0.2/24, "fd00::2/64"], aliases: [www]}
  - {name: db, netns: ${P}db, network: blue, address: [10.0.0.3/24]}
  - {name: far, netns: ${P}far, network: red, address: [10.0.1.2/24]}
manifests: [$TMP/shop.yaml]
END
cat >"$TMP/shop.yaml" <<END
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {clusterIP: 10.96.0.10, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: shop, namespace: default}
subsets: [{addresses: [{ip: 10.0.0.2}], ports: [{name: http, port: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: default}
spec: {type: ExternalName, externalName: www.example.test}
END
start
up web db far

# The server that the switch asks, in its own namespace. "large" needs TCP.
large=()
for i in {1..100}; do large+=("--host-record=large.example.test,198.51.100.$i"); done
spawn host dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --port=5300 \
    --listen-address=127.0.0.1 --bind-interfaces --pid-file= --user=root --local=/test/ \
    --host-record=www.example.test,198.51.100.80,2001:db8::80 "${large[@]}"
dnsmasq=$PID
looked_up() { [[ -n $(at host dig +short +tries=1 +time=1 @127.0.0.1 -p 5300 www.example.test) ]]; }
wait_for 20 "dnsmasq to answer" looked_up

asked() { # NAMESPACE SERVER QUESTION...: the answers, sorted, in one line
    at "$1" dig +short +tries=3 +time=10 "@$2" "${@:3}" | sort | paste -sd ' '
}
status() { # NAMESPACE SERVER QUESTION...
    at "$1" dig +tries=3 +time=10 "@$2" "${@:3}" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'
}
same() { # WHAT IS WANTED
    [[ $2 == "$3" ]] || fail "$1: '$2' instead of '$3'"
}

# --- containers ---
same "by name" "$(asked db 10.0.0.1 web)" 10.0.0.2
same "by name, IPv6" "$(asked db 10.0.0.1 web AAAA)" fd00::2
same "by alias" "$(asked db 10.0.0.1 www)" 10.0.0.2
same "over IPv6" "$(asked web fd00::1 db)" 10.0.0.3
same "by TCP" "$(asked db 10.0.0.1 +tcp web)" 10.0.0.2
same "by TCP over IPv6" "$(asked web fd00::1 +tcp db)" 10.0.0.3
same "of another network" "$(status far 10.0.1.1 web)" NXDOMAIN
same "with its network" "$(asked far 10.0.1.1 web.blue)" 10.0.0.2
same "by address" "$(asked db 10.0.0.1 -x 10.0.0.2)" web.blue.
same "without a dot" "$(status db 10.0.0.1 nobody)" NXDOMAIN
[[ $(at db dig @10.0.0.1 WeB) == *"WeB."*10.0.0.2* ]] || fail "the case of the question is lost"

# --- Kubernetes ---
same "a Service" "$(asked web 10.0.0.1 shop.default.svc.cluster.local)" 10.96.0.10
same "its port" "$(asked web 10.0.0.1 _http._tcp.shop.default.svc.cluster.local SRV)" \
    "0 100 80 shop.default.svc.cluster.local."
same "its address" "$(asked web 10.0.0.1 -x 10.96.0.10)" shop.default.svc.cluster.local.
same "the schema" "$(asked web 10.0.0.1 dns-version.cluster.local TXT)" '"1.1.0"'
same "an external name" "$(asked web 10.0.0.1 ext.default.svc.cluster.local)" "198.51.100.80 www.example.test."
same "no Service" "$(status web 10.0.0.1 none.default.svc.cluster.local)" NXDOMAIN

# --- other names ---
same "the upstream's" "$(asked web 10.0.0.1 www.example.test)" 198.51.100.80
same "and its IPv6 address" "$(asked far 10.0.1.1 www.example.test AAAA)" 2001:db8::80
same "the upstream's no" "$(status web 10.0.0.1 none.example.test)" NXDOMAIN
same "a large answer" "$(at web dig +short @10.0.0.1 large.example.test | wc -l)" 100

# --- as programs ask: by resolv.conf, A and AAAA at once ---
resolves() { # NAMESPACE SERVER SEARCH COMMAND...
    printf 'nameserver %s\nsearch %s\noptions ndots:5\n' "$2" "$3" >"$TMP/resolv.conf"
    unshare --mount bash -c 'mount --bind "$1" /etc/resolv.conf && exec nsenter --net="$2" -- "${@:3}"' _ \
        "$TMP/resolv.conf" "/run/netns/$P$1" "${@:4}"
}
for ((i = 0; i < 20; ++i)); do
    found=$(resolves db 10.0.0.1 svc.cluster.local getent ahosts web | awk '{ print $1 }' | sort -u)
    same "getent" "$(paste -sd ' ' <<<"$found")" "10.0.0.2 fd00::2"
done
found=$(resolves db 10.0.0.1 default.svc.cluster.local getent ahostsv4 shop | awk 'NR == 1 { print $1 }')
same "getent of a Service" "$found" 10.96.0.10
mkdir "$TMP/pages"
echo hello >"$TMP/pages/index.html"
spawn web busybox httpd -f -p 8080 -h "$TMP/pages"
wait_for 20 "the web server" listens web 8080
same "a page of a Service by its name" hello "$(resolves far 10.0.1.1 default.svc.cluster.local python3 -c \
    'import urllib.request; print(urllib.request.urlopen("http://shop/", timeout=10).read().decode().strip())')"
[[ $(resolves db 10.0.0.1 test busybox nslookup web 10.0.0.1) == *10.0.0.2* ]] || fail "busybox: no answer"

# --- changes ---
netns late
ctl port add late "netns=${P}late" network=blue address=10.0.0.9/24 aliases=[fresh] >/dev/null
same "as soon as it is there" "$(asked db 10.0.0.1 fresh)" 10.0.0.9
ctl port delete late >/dev/null
same "as soon as it is gone" "$(status db 10.0.0.1 fresh)" NXDOMAIN

# --- no upstream ---
crash "$dnsmasq"
same "nobody to ask" "$(status web 10.0.0.1 +time=20 other.example.test)" SERVFAIL
same "our own names stay" "$(asked db 10.0.0.1 web)" 10.0.0.2

# --- what the operator sees ---
found=$(ctl dns lookup web --network blue)
[[ $found == *10.0.0.2*"port web"* ]] || fail "dns lookup: $found"
[[ $(query '.upstreams[0].state' dns show) == failing ]] || fail "dns show: $(ctl dns show)"
(($(query .queries.answered dns show) > 20)) || fail "dns show: $(ctl dns show)"
stop
