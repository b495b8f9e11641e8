#!/bin/bash
# NAT between real containers: they reach a server outside under an address of the switch's, published ports lead
# inside, one address stands for another, and Services spread connections over containers.
. "$(dirname "$0")/_init.sh"
need python3 iperf3 traceroute

netns a b c world
config <<END
networks:
  - {name: pods, subnets: [10.0.0.0/24, "fd00:a::/64"], gateway: [10.0.0.254, "fd00:a::fe"]}
  - {name: out, subnets: [192.0.2.0/24, "2001:db8::/64"], gateway: [192.0.2.1, "2001:db8::1"]}
ports:
  - {name: a, netns: ${P}a, network: pods, address: [10.0.0.1, "fd00:a::1"]}
  - {name: b, netns: ${P}b, network: pods, address: [10.0.0.2, "fd00:a::2"]}
  - {name: c, netns: ${P}c, network: pods, address: [10.0.0.3]}
  # It knows no way to the containers.
  - {name: world, netns: ${P}world, network: out, address: [192.0.2.80, "2001:db8::80"], routes: []}
nat:
  - {name: way-out, masquerade: [pods], out: out, ipv6: true, except: [192.0.2.66/32]}
  - {name: www, static: {inside: 10.0.0.3, outside: 192.0.2.33}, out: out}
publish:
  - {address: 192.0.2.1, port: 8080, to: "a:80"}
services:
  - {name: shop, address: [10.96.0.10, "fd00:96::a"], ports: [{port: 80}],
     backends: [{address: 10.0.0.1}, {address: 10.0.0.2}, {address: "fd00:a::2"}]}
  - {name: idle, address: [10.96.0.11], ports: [{port: 80}]}
END
start
up a b c world
# Says who asks: the address that a connection comes from.
tells() { # NAMESPACE PORT
    spawn "$1" python3 -c 'import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, address = server.accept()
    client.sendall((sys.argv[2] + " " + address[0].removeprefix("::ffff:")).encode())
    client.close()' "$2" "$1"
    wait_for 10 "a server on $2" listens "$1" "$2"
}
tells world 80
tells a 80
tells b 80
tells c 80

# The way out.
pings a 192.0.2.80
pings b 192.0.2.80
pings a 2001:db8::80
expect "who asks the world" "world 192.0.2.1" "$(asks a 192.0.2.80 80)"
expect "who asks the world over IPv6" "world 2001:db8::1" "$(asks b 2001:db8::80 80)"
serve world
iperf a 192.0.2.80 -t 1
iperf b 192.0.2.80 -t 1 -R
iperf a 192.0.2.80 -t 1 -u -b 20M
no_checksum_errors a b world
at a traceroute -n -q 1 -w 2 192.0.2.80 >"$TMP/trace"
grep -q " 192.0.2.80" "$TMP/trace" || { cat "$TMP/trace"; fail "traceroute doesn't come to the end"; }

# An address of one's own.
expect "who asks the world for c" "world 192.0.2.33" "$(asks c 192.0.2.80 80)"
expect "whom the world finds there" "c 192.0.2.80" "$(asks world 192.0.2.33 80)"
pings world 192.0.2.33

# A published port, from outside, and from a neighbour.
expect "a published port" "a 192.0.2.80" "$(asks world 192.0.2.1 8080)"
expect "the same from a neighbour" "a 10.0.0.2" "$(asks b 192.0.2.1 8080)"
expect "a port that is not published" "[Errno 111] Connection refused" "$(asks world 192.0.2.1 8081)"

# A Service: spread over both, each client seen as what he is; a back end that reaches itself sees the Service.
seen() { for _ in $(seq 24); do asks "$1" 10.96.0.10 80; done | sort | uniq -c | awk '{print $2, $3}' | paste -sd,; }
expect "who serves" "a 10.0.0.3,b 10.0.0.3" "$(seen c)"
expect "who serves a back end" "a 10.96.0.10,b 10.0.0.1" "$(seen a)"
expect "who serves over IPv6" "b fd00:a::1" "$(asks a fd00:96::a 80)"
pings c 10.96.0.10
expect "another port of it" "[Errno 111] Connection refused" "$(asks c 10.96.0.10 81)"
expect "a Service without back ends" "[Errno 111] Connection refused" "$(asks c 10.96.0.11 80)"

no_checksum_errors a b c world
wait_for 20 "all packets to be accounted for" balanced
