#!/bin/bash
# A router for containers: two networks with gateways, routes through a container that is a router itself,
# what a Linux router tells senders, and neighbors that move.
. "$(dirname "$0")/_init.sh"
need iperf3 traceroute tracepath arping

netns a b r q far
config <<END
networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00:a::/64"], gateway: [10.0.0.254, "fd00:a::fe"]}
  - {name: red, subnets: [10.0.1.0/24, "fd00:b::/64"], gateway: [10.0.1.254, "fd00:b::fe"]}
ports:
  - {name: a, netns: ${P}a, network: blue, address: [10.0.0.1, "fd00:a::1"]}
  - {name: b, netns: ${P}b, network: red, address: [10.0.1.1, "fd00:b::1"]}
  - {name: q, netns: ${P}q, network: red}
  - {name: r, netns: ${P}r, network: red, address: [10.0.1.2, "fd00:b::2"], spoofing: allow, mtu: 1400}
routes:
  - {to: 10.9.0.0/16, via: 10.0.1.2}
  - {to: "fd00:9::/64", via: "fd00:b::2"}
  - {to: 10.8.0.0/16, type: blackhole}
  - {to: 10.7.0.0/16, type: unreachable}
END
start
up a b q r
pings a 10.0.0.254
pings a fd00:a::fe
pings a 10.0.1.1
pings a fd00:b::1
pings b 10.0.0.1

# A default route goes by its name wherever it can be named.
defaults() { query '[.routes[] | "\(.to) \(.state)"] | join(", ")' route list default; }
expect "no default routes" "" "$(defaults)"
expect_status 0 ctl route add default via=fd00:b::2
expect "the default route" "::/0 in-force" "$(defaults)"
expect_status 0 ctl route add default via=10.0.1.2
expect "both default routes" "0.0.0.0/0 in-force, ::/0 in-force" "$(defaults)"
expect "those that an address lies in" "10.9.0.0/16, 0.0.0.0/0" \
    "$(query '[.routes[].to] | join(", ")' route list 10.9.0.5)"
expect_status 1 ctl route list foo
expect_match "a word that is no prefix" "^PREFIX: 'foo' is not" "$OUT"
expect_status 1 ctl route delete default
expect_match "which of them" "there are two" "$OUT"
expect_status 0 ctl route delete 0.0.0.0/0
expect_status 0 ctl route delete default
expect "no default routes" "" "$(defaults)"

# The route inside came with the gateway, and TCP crosses in large segments.
expect_match "the container's routes" "default via 10.0.0.254 dev eth0" "$(at a ip route)"
serve b
iperf a 10.0.1.1 -t 1
iperf a fd00:b::1 -t 1
no_checksum_errors a b

# A router in a container, with a network behind it and a smaller MTU before it.
ip -n "${P}r" link add veth0 type veth peer name eth0 netns "${P}far"
ip -n "${P}r" address add 10.9.0.1/24 dev veth0
ip -n "${P}r" address add fd00:9::1/64 dev veth0 nodad
ip -n "${P}r" link set veth0 up
at r sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
ip -n "${P}far" address add 10.9.0.2/24 dev eth0
ip -n "${P}far" address add fd00:9::2/64 dev eth0 nodad
ip -n "${P}far" link set eth0 up
ip -n "${P}far" route add default via 10.9.0.1
ip -n "${P}far" route add default via fd00:9::1
pings a 10.9.0.2
pings a fd00:9::2

# Every hop shows itself.
expect "the way to 10.9.0.2" "10.0.0.254 10.0.1.2 10.9.0.2" "$(at a traceroute -n -q 1 10.9.0.2 | awk 'NR > 1 { print $2 }' | xargs)"
expect "the way to fd00:9::2" "fd00:a::fe fd00:b::2 fd00:9::2" "$(at a traceroute -n -q 1 fd00:9::2 | awk 'NR > 1 { print $2 }' | xargs)"

# What is too big for its way on is told its MTU, or fragmented where it may be.
expect_status 1 at a ping -c 1 -W 5 -M "do" -s 1400 10.9.0.2
expect_match "too big" "mtu ?= ?1400" "$OUT"
expect_status 1 at a ping -c 1 -W 5 -M "do" -s 1400 fd00:9::2
expect_match "too big" "mtu ?= ?1400" "$OUT"
pings a 10.9.0.2 -M dont -s 1400

# Nobody there, no way there, and a way that leads nowhere: each is told, and counted under its own reason.
expect_status 1 at a ping -c 1 -W 5 10.0.1.77
expect_match "no such neighbor" "From 10.0.0.254 .*Destination Host Unreachable" "$OUT"
expect_status 1 at a ping -c 1 -W 5 fd00:b::77
expect_match "no such neighbor" "From fd00:a::fe .*Destination unreachable: Address unreachable" "$OUT"
expect_status 1 at a ping -c 1 -W 5 10.7.0.1
expect_match "an unreachable route" "From 10.0.0.254 .*Destination Host Unreachable" "$OUT"
expect_status 1 at a ping -c 1 -W 5 172.16.0.1
expect_match "no route" "From 10.0.0.254 .*Destination Net Unreachable" "$OUT"
expect_status 1 at a ping -c 1 -W 1 10.8.0.1
drops_at_a() { query ".drops[] | select(.port == \"a\" and .reason == \"$1\") | .packets" drops; }
for reason in host-unreachable unreachable-route no-route blackhole ttl-exceeded fragmentation-needed; do
    expect_that "packets dropped as $reason" "$(drops_at_a $reason) > 0"
done

# Nobody listens at the gateway, and it says so.
expect_match "a closed port" "10.0.0.254  *[0-9.]* ms" "$(at a traceroute -n -q 1 -U -p 33434 10.0.0.254)"

# The gateway answers arping, as a Linux router's would.
expect_match "arping" "Received 2 response" "$(at a arping -c 2 -w 5 -I eth0 10.0.0.254)"
expect_status 0 at a tracepath -n -m 5 10.9.0.2
expect_match "tracepath" "pmtu 1400" "$OUT"

# An address that moves to another station is followed at once when that one speaks.
ip -n "${P}r" address add 10.0.1.50/24 dev eth0
pings a 10.0.1.50
ip -n "${P}r" address del 10.0.1.50/24 dev eth0
ip -n "${P}q" address add 10.0.1.50/24 dev eth0
ip -n "${P}q" route add default via 10.0.1.254
at q arping -q -c 1 -U -I eth0 10.0.1.50
pings a 10.0.1.50

# What the configuration changes is in force at once, and what was is gone.
steady a 10.0.1.1 0.002
sed -i 's/type: blackhole/via: 10.0.1.2/; /fd00:9::/d' "$CONFIG"
expect_status 0 ctl config reload
expect_match "the changes" "route 10.8.0.0/16" "$OUT"
ip -n "${P}r" address add 10.8.0.1/32 dev lo
pings a 10.8.0.1
expect_status 1 at a ping -c 1 -W 5 fd00:9::2
expect_match "no route any more" "No route" "$OUT"
no_loss
wait_for 10 "the books to balance" balanced
