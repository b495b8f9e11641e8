#!/bin/bash
# Stations that are replaced, that pretend to be another, and that connect two ports with one another.
. "$(dirname "$0")/_init.sh"
need arping

netns r a z loop
configure() { # PORT NAMESPACE
    config <<END
log: {level: notice}
networks:
  - {name: plain, subnets: [10.0.0.0/24, "fd00::/64"]}
  - {name: blue, subnets: [10.0.1.0/24], gateway: 10.0.1.254}
  - {name: red, subnets: [10.0.2.0/24], gateway: 10.0.2.254}
ports:
  - {name: r, netns: ${P}r, network: plain, address: [10.0.0.9, "fd00::9"]}
  - {name: r-red, netns: ${P}r, interface: eth1, network: red, address: [10.0.2.9]}
  - {name: $1, netns: ${P}$2, network: plain}
  - {name: $1-blue, netns: ${P}$2, interface: eth1, network: blue}
END
    sed -i '0,/^log:/{/^log: {level: info}/d}' "$CONFIG"
}
address() {
    ip -n "$P$1" address add 10.0.0.1/24 dev eth0
    ip -n "$P$1" address add fd00::1/64 dev eth0 nodad
    ip -n "$P$1" address add 10.0.1.1/24 dev eth1
    ip -n "$P$1" route replace 10.0.2.0/24 via 10.0.1.254
}
mac() { ip -n "$P$1" -j link show "$2" | jq -r '.[0].address'; }

# --- replaced under the same address, which nobody has declared ---
configure a a
start
up r r-red a a-blue
address a
# It asks nobody anew by itself, for as long as this test lasts.
at r sysctl -qw net.ipv4.neigh.eth0.base_reachable_time_ms=3600000 net.ipv6.neigh.eth0.base_reachable_time_ms=3600000
ip -n "${P}r" neighbour flush dev eth0
pings r 10.0.0.1
pings r fd00::1
pings r 10.0.1.1
old=$(mac a eth1)
configure z z
expect_status 0 ctl config reload
up z z-blue
address z
neighbors() { query "[.neighbors[] | select(.mac == \"$1\")] | length" neighbor list; }
expect "neighbors at the MAC address that has gone" 0 "$(neighbors "$old")"
wait_for 60 "a ping of the new station" answers_ping r 10.0.0.1
wait_for 60 "a ping of the new station by IPv6" answers_ping r fd00::1
pings r 10.0.1.1
expect_match "r's neighbor" "$(mac z eth0)" "$(ip -n "${P}r" neighbour show 10.0.0.1)"

# --- pretending to be another, without an address of its own ---
dropped() { query "[.drops[] | select(.port == \"$1\" and .reason == \"$2\") | .packets] | add > 0" drops; }
at z arping -q -c 1 -w 1 -U -I eth0 10.0.0.1
ip -n "${P}z" address add 10.0.0.9/24 dev eth0
at z arping -q -c 1 -w 1 -U -I eth0 10.0.0.9 || true
wait_for 10 "the drop of r's address" dropped z foreign-address
ip -n "${P}z" address del 10.0.0.9/24 dev eth0
ip -n "${P}z" address add 10.0.1.254/24 dev eth1
at z arping -q -c 1 -w 1 -U -I eth1 10.0.1.254 || true
wait_for 10 "the drop of the gateway's address" dropped z-blue foreign-address
ip -n "${P}z" address del 10.0.1.254/24 dev eth1
pings r 10.0.0.1

# --- a loop: a container connects two ports, and has a station of its own behind them ---
cat >>"$CONFIG" <<END
  - {name: l1, netns: ${P}loop, network: plain}
  - {name: l2, netns: ${P}loop, interface: eth1, network: plain}
END
expect_status 0 ctl config reload
up l1 l2
ip -n "${P}loop" link add station type veth peer name inside
ip -n "${P}loop" link add bridge type bridge
for interface in eth0 eth1 inside; do ip -n "${P}loop" link set "$interface" master bridge; done
for interface in station inside bridge; do ip -n "${P}loop" link set "$interface" up; done
ip -n "${P}loop" address add 10.0.0.77/24 dev station
at loop arping -q -c 2 -w 2 -I station 10.0.0.78 || true
at r arping -q -c 2 -w 2 -I eth0 10.0.0.79 || true
told() { grep -q "warning loop: network plain: a loop between port l[12] and port l[12]" "$LOG"; }
wait_for 20 "the loop to be told" told
expect_match "the reason of l1" "a loop with port l2" "$(query .port.reason port show l1)"
wait_for 10 "the limit of floods" dropped l1 flood-limit
pings r 10.0.0.1
pings r fd00::1
ip -n "${P}loop" link set eth1 nomaster
pings r 10.0.0.1

wait_for 10 "the books to balance" balanced
